/*
 * nearing: whether a series is about to meet its real limit, by what it did of late alone. The
 * trend (trend.h) asks whether growth will end, and takes hours for it; who runs out of descriptors
 * in forty minutes cannot wait for that. Here it is not asked: steady growth to where the series
 * never was, half of the way to the limit or more, and less than an hour left at this rate.
 * docs/detector.md has what that costs.
 *
 * Floors of two minutes or of a sample, whichever is longer, an hour of them or more. Values are
 * whole, as the limit is. Pure; a struct that can be copied.
 */
#pragma once

#include <stdbool.h>

#include "leak/judge/pairs.h"

enum { NEARING_POINTS = PAIRS_POINTS };

struct nearing {
    struct pairs_point points[NEARING_POINTS]; /* the floors of two minutes each, oldest first, all complete */
    unsigned n;
    struct pairs_point part; /* that grows now */
    int64_t first;     /* sample of this life; below 0: none yet */
    double top;        /* of the points that were forgotten */
    bool near;         /* the last answer: less is asked for it to stay so */
};

struct approach {
    int64_t since; /* as far as the hour shows */
    double slope;  /* a ns, above 0 */
};

/* Also when the process was started again. */
void nearing_begin(struct nearing *n);
/* A sample, later than any before. Whether a point became complete: the answer changes with them
 * only. */
bool nearing_add(struct nearing *n, int64_t time, double value);
/* Growth by less than `least` is none. `a` is filled in when the answer is true. */
bool nearing_look(struct nearing *n, double limit, double least, struct approach *a);
