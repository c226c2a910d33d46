/*
 * latency: how long things took, as counts of how many took about how long: four buckets for each doubling, so that a quantile
 * is right to a fifth. What was long ago counts less and less: a quantile is about the recent past.
 *
 * Threads: latency_add() on one, counts are read on any; struct recent belongs to its reader.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

enum { LATENCY_BUCKETS = 104 }; /* up to 2^26 µs, 67 s; what took longer is in the last one */

struct latency {
    _Atomic uint32_t counts[LATENCY_BUCKETS];
};
void latency_add(struct latency *l, uint64_t microseconds);

/* A reader's view. Zeroed at first: it begins with all there has been. */
struct recent {
    uint32_t seen[LATENCY_BUCKETS];
    float weights[LATENCY_BUCKETS];
};
/* Adds what came since the last call; what was there before keeps this part of its weight. */
void recent_update(struct recent *r, const struct latency *l, float kept);
/* Microseconds that this part of them, 0 to 1, took at most; -1: there is nothing. */
double recent_quantile(const struct recent *r, double part);
