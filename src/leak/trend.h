/*
 * trend: whether a trace grows and what that growth looks like. docs/detector.md says how and why.
 */
#pragma once

#include "leak/trace.h"
#include "leak/verdict.h"

enum trend_answer {
    TREND_UNKNOWN, /* too little was seen */
    TREND_NONE,
    TREND_ENDED,   /* it grew, and ended: at `level` since `since` */
    TREND_GROWING, /* it grows; that may end */
    TREND_ENDLESS, /* it grows, and nothing that ends explains it */
};

struct trend {
    enum trend_answer answer;
    const char *shape;  /* for people: "a straight line"; NULL */
    double level;       /* the floor now */
    double rise;        /* since it began */
    double noise;       /* one sigma of what the shape leaves over */
    int64_t since;      /* LEAK_NEVER: it does not grow */
    double slope, slope_low, slope_high; /* a ns */
    double confidence;
};

/* `least`: a rise below this is none. */
void trend_find(struct trend *out, const struct trace *t, double least);
