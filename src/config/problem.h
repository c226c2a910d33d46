/*
 * problem: what is wrong with a configuration, each with its place; said in the order of the places, not in the
 * order in which they were found.
 *
 * Ownership: the sentences stand in the arena of `scope`, at most PROBLEMS_KEPT. One thread.
 */
#pragma once

#include <stdbool.h>

#include "base/mem.h"

enum { PROBLEMS_SHOWN = 20, PROBLEMS_KEPT = 1000 };

struct place {
    const char *file;
    unsigned line, column; /* from 1; 0: the file as a whole */
};

struct problem;

struct problems {
    struct scope *scope;
    const char *main_file; /* whose problems come first; then the others by name */
    struct problem *first; /* by place */
    unsigned n;            /* found */
};

void problem(struct problems *p, struct place at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* One line each, "file:line:column: sentence"; the first PROBLEMS_SHOWN only, and then that there are more. */
void problems_print(const struct problems *p, struct buf *out);
