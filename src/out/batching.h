/*
 * batching: how large a request is to be, and how long its first record waits, from what the server makes of them. One
 * for all requests of a sink; it has no clock.
 *
 * Size climbs while it pays. Requests are looked at in windows of BATCHING_WINDOW full ones (of at least half the size;
 * smaller ones, at low load, say nothing of larger ones). After a window one of these happens:
 *   - their mean latency is over the target: the size shrinks in proportion, to a half at most
 *   - a larger size was being tried: it is kept when bytes a second of a request grew by BATCHING_PAYS of what the
 *     size grew by, else the size is what it was before, and the next trial has to wait, twice as many windows each time
 *   - a larger size is tried: twice the size, or what is expected to stay within the target if that is less
 * A request that overloaded the server (429, a timeout) halves the size if it was of about that size, and keeps trials
 * waiting likewise; those that were sent with it, when the size was another, change nothing more. So at a steady server the
 * size rests at what pays, and is away from it during one window of each BATCHING_WAIT_MOST at most.
 *
 * Delay follows latency: when there is little to send, a request that is not full waits BATCHING_REST times as long as
 * one takes, so that a place for a request is in use a hundredth of the time at most; a server that answers in 3 ms has
 * its lines after 300 ms. Overload makes it longer. Both stay within their bounds; disabled, size and delay are the largest.
 *
 * Sizes are bytes of records, times ns. Thread: its owner's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
    BATCHING_WINDOW = 16,   /* full requests */
    BATCHING_WAIT_LEAST = 4, /* windows between trials */
    BATCHING_WAIT_MOST = 64,
    BATCHING_REST = 100,
};
#define BATCHING_PAYS 0.2

struct batching_limits {
    bool enabled;
    uint64_t min_size, max_size, first_size;
    int64_t min_delay, max_delay;
    int64_t target_latency; /* 0: none */
};

struct batching {
    const struct batching_limits *limits;
    uint64_t size;
    int64_t delay;
    unsigned n; /* full requests in this window, with their bytes and time */
    uint64_t bytes;
    int64_t took;
    uint64_t before;   /* the size before the one that is tried; 0: none is tried */
    double rate_before;
    unsigned wait, next_wait; /* windows */
    double latency;    /* ns, smoothed; 0: no answer yet */
    double stretch;    /* of the delay, at least 1 */
};

void batching_begin(struct batching *b, const struct batching_limits *limits);
/* A request of `bytes` was answered, well, after `took`. */
void batching_answered(struct batching *b, uint64_t bytes, int64_t took);
/* The server could not, or would not, take it now. */
void batching_overloaded(struct batching *b, uint64_t bytes);
/* What is larger than this is to be cut: it was made when requests were larger. */
static inline uint64_t batching_most(const struct batching *b)
{
    return b->size + b->size / 2;
}
