/*
 * repeats: lines that a sink is not to have again (`deduplicate`), because an equal one was given to it within the window.
 *
 * Off unless asked for. Equal is what has the same bytes, in the same stream, of the same source; one that stands behind it
 * in the source, with a time that is less than the window away, is left out of its lease: lease_next() passes over it, and
 * the ledger has it as dropped (DROP_DUPLICATE) when the lease is secured. So a line is dropped only for one that comes
 * before it in its own source: the position cannot pass the one and not the other. Of a line that goes on repeating one is
 * let through each window. Time is the records' own, so that a backlog is judged as it would have been live.
 *
 * What is read or given again is no duplicate of itself: it stands at the same place. Dead letters that are sent again are
 * not looked at.
 *
 * Lines are told apart by 128 bits of hash, seeded at each start, and not kept. Memory: DEDUPLICATE_LINE_COST bytes
 * (config/limits.h) for each of up to max_lines lines, counted in the pool; beyond them the one that was let through
 * longest ago is forgotten, counted if that was within its window. A start begins without any. Thread: the sink's.
 */
#pragma once

#include "config/limits.h"
#include "core/batch.h"

struct seen;

struct repeats {
    struct thing thing; /* not alive: it is off */
    struct scope scope;
    struct pool *pool;
    int64_t window; /* ns */
    uint32_t limit, n, mask;
    struct seen *seen;
    uint32_t *slots;        /* by hash: index + 1 of the first in the chain */
    uint32_t oldest, newest; /* in the order in which they were let through; NOBODY if there is none */
    uint64_t seed;
    _Atomic uint64_t *forgotten;
};

/* Under the sink's thread's scope. forgotten: is counted up, and must outlive it. 0, -ENOMEM or -EDQUOT. */
int repeats_begin(struct repeats *r, struct scope *owner, struct pool *pool, int64_t window, uint32_t limit,
                  _Atomic uint64_t *forgotten);
void repeats_end(struct repeats *r);
static inline bool repeats_on(const struct repeats *r)
{
    return thing_alive(&r->thing);
}

/* Leaves out of the lease what is to be left out; without memory for that, nothing. The lease must be new to the sink's type. */
void repeats_look(struct repeats *r, struct lease *l);
/* The lease ends, or goes back whole: nothing of it is left out any more. */
void repeats_forget(struct lease *l);
