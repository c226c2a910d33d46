/*
 * batch: a chunk of bytes as read from one source, with the records marked in it. It travels whole.
 *
 * A source fills a batch, then dispatch() (dispatcher.h) seals it: from then on nobody changes it, any
 * number of sinks read it at once, each under a lease, and the last one to let go returns it.
 *
 * Memory: all batches come from one pool with one budget (memory_limit less what is reserved for the
 * rest). batch_new() reserves before a byte is read and fails with EDQUOT when nothing is left; the source
 * then waits for pool_wait(). A batch that holds little is moved to a small block when it is sealed.
 *
 * Positions: `from` and `to` are places in the source: bytes of a file (of its plain text, for .gz), or
 * ordinals of records where the source counts those (`ordinal`). Record i ends at `from + marks[i].end`
 * in bytes, or at `from + i + 1` as ordinals. Whatever lies between records (newlines, cut bytes) belongs
 * to the record before it.
 */
#pragma once

#include "base/scope.h"
#include "codec/mark.h"
#include "core/intents.h"
#include "core/stream.h"
#include "loop/queue.h"

enum { BATCH_STREAMS = 64, POSITION_CURSOR = 240 };

/* How far a source is secured. cursor: for sources whose place is no number (the journal), else NULL. */
struct position {
    uint64_t offset;
    uint64_t tail_hash; /* of the last up to 64 bytes before offset; 0: none */
    const char *cursor;
};

/* Entries and their bytes, line ends not counted. */
struct amount {
    uint64_t records, bytes;
};

struct source;
struct sink;
struct batch;
struct refused; /* letters.h */
struct origin; /* ledger.h: where records wait that were read before; NULL: they come from their source */

/* A sink's hold on a batch; lives in the batch. first: the marks before it this sink has already. */
struct lease {
    struct qnode node;
    struct batch *batch;
    struct sink *sink;
    struct birth *birth; /* under the sink's scope */
    uint32_t first;      /* mark */
    uint64_t wanted;     /* bit i: batch->streams[i] is for this sink */
    struct amount taken; /* entries from first on that are wanted */
    uint64_t *repeated;     /* repeats.h: bit i: mark i is not for the sink again; NULL: none is so */
    struct amount left_out; /* those entries, of what is taken */
    void *context; /* the sink type's own */
    struct refused *refused; /* what of it the server will never take, letters.h */
    uint64_t number;                  /* in its account; 0: from an origin */
    struct lease *older, *newer;      /* those from sources that this sink has now; under its book's lock */
    struct spool_job {                /* the spooler's: on its way to the spool */
        struct lease *next;
        uint64_t place, behind; /* in the spool, once written; 0: nothing is */
        uint64_t cost;          /* of the spooler's memory */
        uint8_t state;
        bool copied;            /* the sink has the lease; this is about a copy */
    } job;
    struct settings *sent_with; /* intents.h: what the sink made of labels when it was sent first; NULL: it was not. A reference */
    struct lease *next_intent;
    _Atomic int intent; /* enum intent_state */
};

struct batch {
    struct thing thing; /* under the pool's scope */
    struct pool *pool;
    struct source *source; /* a reference */
    struct origin *origin;
    uint64_t ticket; /* what the origin knows it by */
    struct stream *streams[BATCH_STREAMS];
    uint16_t n_streams;
    bool ordinal;
    bool repeatable; /* its source can be read again from any place that a sink was given it up to */
    uint64_t from, to;
    uint64_t tail_hash;              /* at `to` */
    char cursor[POSITION_CURSOR];    /* at `to`; "" if the source has none */
    uint64_t cut_bytes;              /* left out of records by long_lines: cut */
    struct recipe recipe;
    char *data;
    uint32_t size, used; /* of data */
    uint64_t cost;       /* what the pool counts for it */
    struct mark *marks;
    uint32_t n, cap;
    _Atomic uint32_t holds; /* leases, and the source's own until dispatched */
    unsigned n_leases;
    struct lease leases[]; /* pool.leases of them, by the sink's index */
};

/* ---- the pool ---- */

struct pool {
    struct scope scope;
    _Atomic uint64_t limit;
    unsigned leases; /* of a batch: one for each sink; SINKS_MAX until they are known */
    _Atomic uint64_t used; /* bytes reserved, by batches and by pool_reserve() */
    pthread_mutex_t lock;
    struct pool_waiter *waiters;
};

int pool_begin(struct pool *p, struct scope *owner, uint64_t limit);
void pool_end(struct pool *p);

/* Reserves memory that others use (a sink's buffers). false: not now. */
bool pool_reserve(struct pool *p, uint64_t bytes);
/* Counts memory that must be had whatever the limit, so that others wait the longer. */
void pool_claim(struct pool *p, uint64_t bytes);
void pool_release(struct pool *p, uint64_t bytes);

/* Nudges `wake` once, when memory was given back after this call. Set again after each nudge. */
struct pool_waiter {
    struct pool_waiter *next;
    struct nudge *wake;
    bool waiting;
};
void pool_wait(struct pool *p, struct pool_waiter *w);
void pool_wait_cancel(struct pool *p, struct pool_waiter *w);

/* ---- filling: the source's thread ---- */

/* What a batch takes of the pool. */
uint64_t batch_cost(const struct pool *p, uint32_t size, uint32_t marks);
/* Room for `size` bytes and `marks` records. NULL: EDQUOT (pool_wait), ENOMEM. `from` is set by the caller. */
struct batch *batch_new(struct pool *p, struct source *source, uint32_t size, uint32_t marks);
/* Index of the stream in this batch, which takes a reference; -ENOSPC when BATCH_STREAMS are in use. */
int batch_stream(struct batch *b, struct stream *s);
/* Adds a record; false when the marks are full: seal and go on in a new batch. */
static inline bool batch_mark(struct batch *b, struct mark m)
{
    if (b->n == b->cap)
        return false;
    b->marks[b->n++] = m;
    return true;
}
void batch_drop(struct batch *b); /* unsealed: nothing of it was counted */

/* Behind the last mark of the entry that begins at `mark`: its pieces are joined by MORE. */
static inline uint32_t batch_entry_end(const struct batch *b, uint32_t mark)
{
    while (b->marks[mark].more && mark + 1 < b->n)
        mark++;
    return mark + 1;
}
/* The entries from mark `first` on in the streams whose bits are set in `wanted`. */
struct amount batch_count(const struct batch *b, uint32_t first, uint64_t wanted);

/* For the dispatcher: batch_seal() moves a small batch into a small block; a hold keeps the batch alive. */
void batch_seal(struct batch *b);
void batch_hold(struct batch *b);
void batch_release(struct batch *b); /* any thread; the last one frees it */
