/*
 * emit: writes options as YAML or JSON. What is written as YAML can be read again.
 */
#pragma once

#include "config/option.h"

struct emit {
    struct buf *out;
    bool json;
    bool comments; /* YAML: each option's sentence before it, and its initial value instead of a struct's */
    unsigned depth;
    bool first; /* JSON: no comma yet */
};

void emit_open(struct emit *e, const char *key, char bracket); /* '{' or '['; NULL key: a list's entry */
void emit_close(struct emit *e, char bracket);
/* All options of the set; `base` may be NULL with comments. Nested keys ("log.level") make sections. */
void emit_options(struct emit *e, const struct option_set *set, const void *base);
void emit_text(struct emit *e, const char *text); /* quoted */
void emit_value(struct emit *e, const struct option *o, const void *field);
