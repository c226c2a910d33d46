/*
 * filter: which lines somebody wants to see: those that contain a text, or that a regular expression (PCRE2) finds something in.
 *
 * It is what anybody who may look types in, run on the web's thread, so that a line costs at most FILTER_STEPS of matching: an expression that
 * needs more on some line does not take that line, and `gave_up` says so.
 *
 * Ownership: its scope's. Thread: one. Errors: see filter_begin().
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/scope.h"

enum { FILTER_STEPS = 5000, FILTER_PATTERN = 1024, FILTER_WHY = 160 };

struct filter {
    struct thing thing; /* pcre2's objects */
    void *code, *match, *limits; /* NULL: every line is taken */
    uint64_t gave_up;
};

/*
 * `pattern` NULL or "": every line. 0, -ENOMEM, or -EINVAL with a sentence in `why`. `literal`: it is a text, not an expression.
 * Lines are bytes: `.` is one of them. Upper and lower case of ASCII are the same if `any_case`.
 */
int filter_begin(struct filter *f, struct scope *owner, const char *pattern, bool literal, bool any_case, char why[FILTER_WHY]);
bool filter_takes(struct filter *f, const char *line, size_t n);
void filter_end(struct filter *f);
