/* recent: the last few samples of a series: what grows now, whatever it did before. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { RECENT = 15 };

struct recent {
    int64_t time[RECENT];
    double value[RECENT];
    unsigned n, next;
    double change; /* from one sample to the next, on average of late: without sign */
};

void recent_add(struct recent *r, int64_t time, double value);
/* The median of the last five, so that one odd sample is nothing. */
double recent_level(const struct recent *r);
/* One sigma of the samples, if they are independent. */
double recent_sigma(const struct recent *r);
/* Whether it is full and rises through nearly all of it; the slope a ns. */
bool recent_rises(const struct recent *r, double *slope);
