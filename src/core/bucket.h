/*
 * bucket: a token bucket: how fast something may go on, on average and at once. Pure; the clock is an argument.
 *
 * What is taken may be more than there is: then the next one waits until the debt is paid. So a batch is never too large
 * for the bucket, and the average holds all the same.
 */
#pragma once

#include <stdint.h>

struct bucket {
    uint64_t rate, burst; /* bytes a second, bytes; rate 0: no limit */
    int64_t level;        /* bytes; below 0: a debt */
    int64_t at;           /* clock_mono() ns, up to which it was filled */
};

/* Full. burst 0: what the rate allows in a second. */
void bucket_begin(struct bucket *b, uint64_t rate, uint64_t burst, int64_t now);
/* ns until something may be taken; 0: now. */
int64_t bucket_wait(struct bucket *b, int64_t now);
void bucket_take(struct bucket *b, uint64_t bytes);
