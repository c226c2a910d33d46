/* load: what commands that only look need: the configuration, or its errors on standard error. */
#pragma once

#include "config/config.h"

/* NULL: the errors were printed; the command ends with EXIT_USAGE. path NULL: the usual place, or defaults. */
struct config *load_or_say(struct scope *owner, const char *path);
/* The same without a word. */
struct config *load_if_right(struct scope *owner, const char *path);
/* For those that only ask the agent, or read what it keeps: config_load_place(). */
struct config *load_place_or_say(struct scope *owner, const char *path);
