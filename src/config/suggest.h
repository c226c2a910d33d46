/*
 * suggest: the valid name that is nearest to what somebody wrote, for "did you mean 'x'?".
 */
#pragma once

#include <stddef.h>

struct suggest {
    const char *wrong, *best; /* best: NULL when nothing is near enough */
    unsigned distance;
};

/* Starts a search; then suggest_offer() each valid name. The strings must outlive the search. */
void suggest_begin(struct suggest *s, const char *wrong);
void suggest_offer(struct suggest *s, const char *name);

/* Edits (insert, delete, replace, swap neighbours) from a to b, case not counted; at most `limit` + 1. */
unsigned suggest_distance(const char *a, const char *b, unsigned limit);
