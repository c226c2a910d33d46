/*
 * footprint: how many things, and how many bytes, each birth site had at a moment, so that an alert can say which of them grew.
 *
 * A site is a kind of thing and the stack that made it. There is room for FOOTPRINT_SITES; of what is beyond nothing is known, and
 * nothing is said to have grown. One walk over the birth records. Any thread, one a footprint at a time.
 */
#pragma once

#include <stdbool.h>

#include "base/birth.h"

enum { FOOTPRINT_SITES = 2048 };

struct footprint_site {
    uint64_t hash, count, bytes; /* count 0: an empty place */
};

struct footprint {
    int64_t taken; /* clock_mono(); 0: never */
    unsigned n;
    bool full;
    struct footprint_site sites[2 * FOOTPRINT_SITES];
};

void footprint_take(struct footprint *f, int64_t now);
/* What the site of this birth had then. false: that is not known. */
bool footprint_had(const struct footprint *f, const struct birth_info *b, uint64_t *count, uint64_t *bytes);
