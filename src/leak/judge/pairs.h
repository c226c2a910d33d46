/*
 * pairs: which way a few points go, told from all pairs of them, so that an odd one is nothing (Theil 1950, Sen 1968). Pure.
 */
#pragma once

#include <stdint.h>

enum { PAIRS_POINTS = 31 };

struct pairs_point {
    int64_t time; /* ns */
    double value;
};

/* Of 2 to PAIRS_POINTS points, in the order of their times, of which no two are the same. */

/* How many more of the pairs rise than fall, as a share of all: 1 if each point is above all before it. */
double pairs_rising(const struct pairs_point *points, unsigned n);
/* The median of their slopes, a ns. Some ten times as dear. */
double pairs_slope(const struct pairs_point *points, unsigned n);
