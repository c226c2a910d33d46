/*
 * breaker: whether requests go to a server that may be down. One for all requests of a sink.
 *
 *   closed      all go. `failures` of them failing in a row, none succeeding between, open it
 *   open        none goes, until the cooldown is over: `cooldown` at first, twice as long after each probe that failed, at most
 *               max_cooldown (plus up to a quarter, at random, so that a host's agents do not come back as one); longer if
 *               the server asked for it, up to an hour
 *   half-open   one goes at a time, as a probe. `probes` that succeed close it, one that fails opens it again
 *
 * What counts as failure is the caller's to say; it should be what says that the *server* is not well. A share of
 * failures among successes does not open it: a server of which every other backend is down still takes half of what is
 * sent, and each request comes again by itself.
 *
 * Each request that is admitted gets a ticket, to be handed back with what became of it. A ticket is good until the state
 * changes: what was sent before it opened says nothing about a server that was left alone since.
 *
 * Times are clock_mono() ns, given by the caller, who also sets a timer for breaker_wait(). Thread: its owner's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN, BREAKER_STATES };
const char *breaker_state_name(enum breaker_state state); /* "closed" "open" "half_open" */

struct breaker_limits {
    bool enabled; /* if not, all go */
    uint32_t failures, probes; /* at least 1 */
    int64_t cooldown, max_cooldown;
};

struct breaker {
    const struct breaker_limits *limits;
    enum breaker_state state;
    int64_t since;    /* of the state */
    int64_t until;    /* of the cooldown */
    int64_t cooldown; /* the next one */
    uint32_t failures; /* in a row, while closed */
    uint32_t good;     /* probes that succeeded, while half-open */
    bool probing;      /* a probe is on its way */
    uint64_t ticket;   /* of what is admitted now */
    uint64_t opened;   /* how often it went from closed to open */
};

void breaker_begin(struct breaker *b, const struct breaker_limits *limits, int64_t now);
/* A ticket for one request, or 0: not now. Every ticket is handed back by one of the three below. */
uint64_t breaker_admit(struct breaker *b, int64_t now);
/* The server answered and is well, whatever it said of the data. */
void breaker_succeeded(struct breaker *b, uint64_t ticket, int64_t now);
/* after: what the server asked for, ns from now; -1: nothing. random: any number. */
void breaker_failed(struct breaker *b, uint64_t ticket, int64_t now, int64_t after, uint64_t random);
/* It was not sent, or was cancelled: it says nothing. */
void breaker_withdrawn(struct breaker *b, uint64_t ticket);
/* ns until it is worth asking again: 0 now, -1 when a probe's answer decides. */
int64_t breaker_wait(const struct breaker *b, int64_t now);
