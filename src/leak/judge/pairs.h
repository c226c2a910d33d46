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

/*
 * The median of the slopes of all pairs, a ns, and in *rising how many more of them rise than fall, as a share of all: 1 if each point
 * is above all before it. 2 to PAIRS_POINTS points, in the order of their times, of which no two are the same.
 */
double pairs_slope(const struct pairs_point *points, unsigned n, double *rising);
