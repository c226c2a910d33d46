/*
 * value: one value of the file becomes one field of a struct, checked against its row of the table.
 */
#pragma once

#include "config/option.h"
#include "config/yaml.h"

/*
 * Sets the field of `o` in `base`. What it needs is allocated under `scope` (the configuration's).
 * 0, or -EINVAL after a problem(), or -ENOMEM.
 */
int value_set(struct scope *scope, void *base, const struct option *o, const char *full_path,
              const struct node *n, struct problems *problems);
