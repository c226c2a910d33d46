/*
 * lane: what of the spool (store/spool.h) still counts for one sink.
 *
 * What is unread is a list of ranges of places, read from its beginning. A record in them that does not name the sink is
 * harmless, so one range goes on over the records of others; it ends where something names the sink and must
 * not be delivered: what was secured before it was stored, and what lies behind the last commit of a process
 * that died. Records that the sink holds now are flights. Both together are what state.db says still counts: a
 * process that dies has delivered none of it, or does so again.
 *
 * Threads: any, under the lock of the sink's book, so that a commit holds lane, positions and ledger of one moment.
 */
#pragma once

#include "base/mem.h"

#define LANE_NOTHING UINT64_MAX

struct account;

struct lane_range {
    uint64_t from, to;
};

struct lane_flight {
    uint64_t place, next;
    const struct account *account; /* an adopted one: the lease came from its source, and has a number */
    uint64_t number;
    bool done;
};

struct lane {
    struct buf ranges, flights; /* ascending, no two overlap */
    size_t landed;              /* done ones at the beginning of flights */
    uint64_t barrier;           /* the last range goes on to a new record only if it reaches this */
};

enum { LANE_FLIGHTS_MAX = 4096 }; /* read back at one time */

int lane_begin(struct lane *l, struct scope *owner);
void lane_end(struct lane *l);

/* Room for one more range and flight, so that the calls below cannot fail. 0 or -ENOMEM. */
int lane_reserve(struct lane *l);
/* A record behind all others waits to be read. Nothing before `barrier` may be joined with it. */
void lane_append(struct lane *l, uint64_t place, uint64_t next, uint64_t barrier);
/* A record behind all others names the sink but is not for it any more. */
void lane_void(struct lane *l, uint64_t next);
/* A record behind all others is in the hands of the sink already. */
void lane_adopt(struct lane *l, uint64_t place, uint64_t next, const struct account *account, uint64_t number);

/* The first place that is unread, or LANE_NOTHING. */
uint64_t lane_unread(const struct lane *l);
/* Nothing before `to` is unread any more. */
void lane_skip(struct lane *l, uint64_t to);
/* The first unread record goes to the sink. */
void lane_take(struct lane *l, uint64_t place, uint64_t next);
/* The sink is done with it (by its place, or an adopted one by account and number). false: it has no such. */
bool lane_land(struct lane *l, uint64_t place, const struct account *account, uint64_t number);
/* The sink gave it back: unread again. */
void lane_put_back(struct lane *l, uint64_t place, const struct account *account, uint64_t number);

size_t lane_flights(const struct lane *l);
/* Whether something in [from, to) counts, unread or in flight. */
bool lane_needs(const struct lane *l, uint64_t from, uint64_t to);

/* As state.db keeps it: "1:0-1:4f3 2:10-3:0", segment:offset in hexadecimal. */
int lane_print(const struct lane *l, struct buf *out);
/* Into an empty lane. -EUCLEAN: it is not what lane_print() wrote. */
int lane_parse(struct lane *l, const char *text);
