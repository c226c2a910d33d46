/*
 * origin: where the values of a configuration were written.
 *
 * What the file says is remembered by its key ("sinks.loki.url", of a group "monitors.files.sources[0].paths") while it is read; what
 * is not there is a default. In the configuration's arena; immutable afterwards.
 */
#pragma once

#include "config/yaml.h"

struct origin {
    struct origin *next;
    const char *key, *file; /* file may be a sentence: "the environment variable LOKI_URL" */
    unsigned line;
    const char *variable; /* of the environment, which the value was taken from; NULL: none */
};

/* false: no memory. */
bool origin_add(struct origin **first, struct scope *scope, const char *prefix, const char *path, const struct node *n);
const struct origin *origin_find(const struct origin *first, const char *key); /* NULL: a default */
