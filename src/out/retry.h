/*
 * retry: when what failed is tried again. One for each thing that is tried; it has no clock and no timer.
 *
 * Exponential backoff with full jitter (AWS Architecture Blog, "Exponential Backoff And Jitter"): after the n-th failure in a
 * row anything between `least` and least * 2^n, at most `most`, so that those who failed together do not come again
 * together. What a person must put right is tried each `most`: nothing is gained by asking more often. What the server
 * asks for (Retry-After) holds when it is longer, up to RETRY_AFTER_MOST.
 *
 * Times are ns. Thread: its owner's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

#define RETRY_AFTER_MOST (1 * HOUR)
#define RETRY_GIVE_UP ((int64_t)-1)

struct retry_limits {
    int64_t least, most;
    uint32_t max_retries; /* 0: for ever */
};

struct retry {
    unsigned failures; /* in a row */
};

/*
 * It failed. How long to wait until it is tried again, or RETRY_GIVE_UP when it failed 1 + max_retries times in a row.
 * standing: a person must act. after: what the server asks for; -1: nothing. random: any number.
 */
int64_t retry_failed(struct retry *r, const struct retry_limits *limits, bool standing, int64_t after, uint64_t random);
/* The next failure is the first one. */
static inline void retry_reset(struct retry *r)
{
    r->failures = 0;
}

/* xorshift64; `state` is not 0. For delays, not for secrets. */
static inline uint64_t retry_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}
