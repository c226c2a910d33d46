/*
 * walk: puts what a map of the file says into structs, by the table: options, aliases of older names,
 * refusals with advice, unknown keys with the nearest valid name.
 */
#pragma once

#include "config/option.h"
#include "config/origin.h"
#include "config/yaml.h"

struct walk {
    struct scope *scope;   /* the configuration's: what values need */
    struct scope *scratch; /* ended with the load */
    struct problems *problems;
    const struct binding *bindings;
    unsigned n;
    struct origin **origins; /* where what the file says is remembered, under its key */
    const char *shown;       /* instead of the binding's prefix in that key; NULL: that */
    const char *const *elsewhere; /* paths that the caller reads itself; NULL-terminated, or NULL */
    bool no_memory;
};

/* Makes the array of `seen` and sets every option of the binding to its initial value. */
bool walk_bind(struct walk *w, struct binding *b, const struct option_set *set, const char *prefix, void *base);
/* `prefix` is where the map stands, with a dot at its end, or "". */
void walk_map(struct walk *w, const struct node *map, const char *prefix);
