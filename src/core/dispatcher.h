/*
 * dispatcher: gives a lease on a sealed batch to each sink that wants it and does not have it already.
 *
 * A sink that is full, and so would hold up others, has the rest of its leases go to the spool (spooler.h). When that has no
 * room either the reader is stopped: dispatch_ready() is asked before reading, so that dispatch() never refuses.
 *
 * A sink without a part in the spool stops the reader too, but not for longer than SPOOL_STALLED if nothing moves and the source
 * can be read again (batch.repeatable): then it is *passed over*. Its account's reach stays, the others go on; once it has room,
 * reading goes back to there (source_place()), and so by turns until it is as far as the others.
 *
 * A sink holds at most its queue_size (or its share of memory) and one batch more for each reader.
 */
#pragma once

#include "core/sink.h"
#include "core/source.h"
#include "core/tap.h"

struct dispatcher {
    struct sink *const *sinks;
    unsigned n_sinks;
    struct pool *pool;
    struct tap *_Atomic tap; /* who looks at what passes (tap.h); NULL: nobody */
};

/*
 * Whether every sink that may want this source, or its spool, has room; if not, `room` is nudged when that changes.
 * Who cannot wait has NULL.
 */
bool dispatch_ready(struct dispatcher *d, struct nudge *room);
/* The same for a source that can be read again. */
bool dispatch_ready_again(struct dispatcher *d, struct nudge *room);
/* Whether some sink was passed over and is not as far as the others yet. */
bool dispatch_passes(const struct dispatcher *d);
/* Must be called before a nudge that was given to dispatch_ready() ends. */
void dispatch_forget(struct dispatcher *d, struct nudge *room);
/* Seals and hands over the batch: it is not the caller's any more. A batch without records only moves positions. */
void dispatch(struct dispatcher *d, struct batch *b);
/*
 * For a batch from an origin (b->origin and b->ticket are set): one sink gets it again, from mark `first` on the streams
 * in `wanted`, as it was when they were put there. Any thread; the batch is not the caller's any more.
 */
void dispatch_again(struct sink *s, struct batch *b, uint32_t first, uint64_t wanted);
