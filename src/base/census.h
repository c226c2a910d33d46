/*
 * census: the walk over what is alive, whose, since when, born where.
 *
 * Any thread, at any time, also while others hang. Used by the exit check, /tasks and the detector.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "base/birth.h"

/*
 * A copy of all records, in the order of birth, with what it takes to name owners. Not a thing itself, so that it
 * does not count itself; whoever took it drops it. false: no memory.
 */
struct census {
    struct birth_info *items;
    size_t n, cap;
};
bool census_take(struct census *c);
void census_drop(struct census *c);

/* Writes the path of a scope, "logcap/sinks/loki", into `path`; returns path. */
const char *census_path(const struct census *c, uint32_t scope_id, char *path, size_t size);

/*
 * The check at the end of the process and of each test: true when nothing is alive below the root.
 * Otherwise the census goes to `out`: oldest first, with the names of functions.
 */
bool census_empty(FILE *out);
