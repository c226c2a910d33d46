/* lately: the last few samples of a series: what grows now, whatever it did before. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { LATELY = 15 };

struct lately {
    int64_t time[LATELY];
    double value[LATELY];
    unsigned n, next;
    double change; /* from one sample to the next, on average of late: without sign */
};

void lately_add(struct lately *r, int64_t time, double value);
/* The median of the last five, so that one odd sample is nothing. */
double lately_level(const struct lately *r);
/* One sigma of the samples, if they are independent. */
double lately_sigma(const struct lately *r);
/* Whether it is full and rises through nearly all of it; the slope a ns. */
bool lately_rises(const struct lately *r, double *slope);
