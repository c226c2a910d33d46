/*
 * intents: what must be stored before a lease is sent for the first time, so that after a kill the same bytes become the same
 * entries again: Loki stores an entry of the same stream, time, line and metadata once.
 *
 * Of a batch that a file was read into, that is its recipe: the span of the file, the anchor its times were counted from, the
 * state of the ties before it, and the settings that the lines and labels were made by; and for the sink, what it makes of
 * labels. The row goes with the transaction in which the position passes the span's end. What has no recipe (the journal has
 * times of its own, what was posted is gone after a kill, the spool keeps what it holds) needs no intent.
 *
 * The sink asks, goes on with other work, and is nudged when the keeper has committed: all who wait are one commit, made at
 * once and of nothing else. Only a first send waits. When the keeper cannot store (disk full), or takes longer than
 * the sink's patience, the lease is sent without: counted, as it may be stored twice should the process be killed.
 *
 * Memory: none; who waits is a list through the leases. Threads: as said; what two of them touch is under the book's lock.
 */
#pragma once

#include "core/settings.h"
#include "loop/loop.h"

struct lease;
struct book;
struct store;
struct past_span;

/* How a file's records were made of its bytes; of a batch. */
struct recipe {
    struct settings *settings; /* of the source; a reference; NULL: it needs no intents */
    int64_t anchor;
    int64_t tie; /* pipeline.h: of the record before */
    uint32_t ties;
    bool skipping;                /* it begins within a line that is cut */
    const struct past_span *span; /* past.h: it is read again because of this one; NULL: for the first time */
};

enum intent_state { INTENT_NONE, INTENT_WAITS, INTENT_PUT /* in the transaction that is open */, INTENT_SETTLED };

/* Of a book. */
struct intents {
    struct lease *first, **last; /* who waits */
    struct nudge *wake;          /* the sink's: set when one asks, valid while one waits */
    _Atomic bool wanted;         /* somebody waits: the keeper's sign to look */
    _Atomic bool failing;        /* they could not be stored the last time */
    _Atomic uint64_t stored, missed; /* leases */
};

void intents_begin(struct intents *i);

/* ---- the sink's thread ---- */

/*
 * Before the first send: `with` is what it makes of labels, and l->sent_with keeps it as long as the lease lasts. `wake`
 * is nudged when the lease waits no more. Again: nothing happens.
 */
void intent_ask(struct lease *l, struct settings *with, struct nudge *wake);
bool intent_waits(const struct lease *l);
/* Patience is over: nobody waits any more. */
void intents_give_up(struct book *b);
/* The lease ends, or goes back unsent. */
void intent_forget(struct lease *l);

/* ---- the keeper ---- */

/* In a transaction, under the book's lock. 0 or -errno. */
int intents_put(struct book *b, struct store *store);
/* After it: whether it was committed. When not, nobody waits any more. */
void intents_done(struct book *b, bool committed);
