/*
 * loki_pace: when a Loki sink's slots may send, and how much at once: its circuit breaker and its batching, which all
 * slots share, with what both say in the log, in /stats and in the metrics.
 *
 * Thread: the sink's, but for describing.
 */
#pragma once

#include "core/sink.h"
#include "out/batching.h"
#include "out/breaker.h"

struct loki;

struct loki_pace {
    struct breaker_limits breaker_limits;
    struct breaker breaker;
    struct timer cooled; /* the breaker's cooldown is over */
    struct batching_limits batching_limits;
    struct batching batching;
    /* For any thread: copies. */
    _Atomic enum breaker_state state;
    _Atomic int64_t since; /* clock_real() */
    _Atomic int64_t until; /* clock_mono(), while open */
    _Atomic uint64_t opened, size;
    _Atomic int64_t delay;
    char reason[160]; /* under the sink's lock: why it is not closed; "" when it is */
};

int loki_pace_begin(struct loki *k);

/* The breaker's ticket for a request, or 0: when it lets one go on, loki->let_go is nudged. */
uint64_t loki_pace_admit(struct loki *k);
/* It was not sent. Nobody is woken: who could not send waits for something that wakes it, and takes the place again. */
void loki_pace_withdrawn(struct loki *k, uint64_t ticket);
/* The server is well, whatever it said. */
void loki_pace_well(struct loki *k, uint64_t ticket);
/* It is not: `why`, and what it asks for (ns, -1: nothing). */
void loki_pace_ill(struct loki *k, uint64_t ticket, const char *why, int64_t after);

/* How a request with `bytes` of records fared. */
void loki_pace_accepted(struct loki *k, uint64_t bytes, int64_t took);
void loki_pace_overloaded(struct loki *k, uint64_t bytes);

/* JSON members, without braces. Any thread. */
int loki_pace_describe(struct loki *k, struct buf *out);
bool loki_pace_breaker_sample(struct sink *s, unsigned n, const char **label, double *value);
bool loki_pace_opened_sample(struct sink *s, unsigned n, const char **label, double *value);
bool loki_pace_size_sample(struct sink *s, unsigned n, const char **label, double *value);
bool loki_pace_delay_sample(struct sink *s, unsigned n, const char **label, double *value);
