/*
 * dispatcher: gives a lease on a sealed batch to each sink that wants it and does not have it already.
 *
 * A full queue stops the reader: dispatch() refuses with -EAGAIN, nothing has happened, the batch stays
 * the source's; it tries again when its nudge is called. All queues are tried before the first lease is given.
 */
#pragma once

#include "core/sink.h"
#include "core/source.h"

struct dispatcher {
    struct sink *const *sinks;
    unsigned n_sinks;
    struct pool *pool;
};

/* Whether every sink that may want this source has room; if not, `room` is nudged when that changes. */
bool dispatch_ready(struct dispatcher *d, struct nudge *room);
/* Seals and hands over the batch: it is not the caller's any more. A batch without records only moves positions. */
void dispatch(struct dispatcher *d, struct batch *b);
