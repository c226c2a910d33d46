/*
 * lately: the last samples of a series: what grows now, whatever it did before. A drip that is lost in the noise of fifteen samples is plain
 * in as many means of four or eight, so they are kept at several scales. Pure.
 */
#pragma once

#include <stdbool.h>

#include "leak/judge/pairs.h"

enum { LATELY = 15, LATELY_SCALES = 4 };

struct lately {
    struct lately_scale {
        struct pairs_point points[LATELY]; /* oldest first; each the mean of 1 << scale samples */
        unsigned n, taken;
    } scales[LATELY_SCALES];
    double change; /* from one sample to the next, on average of late: without sign */
};

struct rise {
    int64_t since;
    double slope; /* a ns */
    double level; /* the median of the last five points */
};

void lately_add(struct lately *l, int64_t time, double value);
/* The median of the last five samples, so that one odd sample is nothing. */
double lately_level(const struct lately *l);
/* One sigma of the samples, if they are independent. */
double lately_sigma(const struct lately *l);
/* Whether there are LATELY points of this scale that rise through nearly all of it. */
bool lately_rises(const struct lately *l, unsigned scale, struct rise *rise);
