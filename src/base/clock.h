/*
 * clock: the two clocks, in nanoseconds as int64_t.
 *
 * clock_mono() never jumps: ages, timeouts, heartbeats. clock_real() is UTC since 1970: timestamps
 * of records and nothing else. Durations are written with the units below: 5 * SECOND.
 */
#pragma once

#include <stdint.h>
#include <time.h>

#define NANOSECOND ((int64_t)1)
#define MICROSECOND (1000 * NANOSECOND)
#define MILLISECOND (1000 * MICROSECOND)
#define SECOND (1000 * MILLISECOND)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)

static inline int64_t clock_read(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return ts.tv_sec * SECOND + ts.tv_nsec;
}

static inline int64_t clock_mono(void)
{
    return clock_read(CLOCK_MONOTONIC);
}

static inline int64_t clock_real(void)
{
    return clock_read(CLOCK_REALTIME);
}
