/*
 * ledger: per source and sink, what became of what was read; and how far the source is secured.
 *
 * An account is one source at one sink. All accounts of a sink stand in its book, under one lock, so
 * that a snapshot of a book is of one moment: positions, counters and a sink's own state (the lengths
 * of its files) agree. At every moment, in records and in bytes:
 *
 *     taken = delivered + spooled + dead + dropped (by reason) + in_flight
 *
 * and for each sink whose match takes the whole source: source.read = taken + skipped.
 * ledger_check() says so, over a snapshot.
 *
 * The position moves by securing only, and never backwards (but for ledger_reset()). Leases of one
 * account end in the order in which they were given; position.offset is the `to` of the last one.
 *
 * Threads: any. The lock is recursive: who holds book.lock around several calls makes them one moment.
 * Changed accounts are remembered in the book until the keeper (keeper.h) has stored them.
 */
#pragma once

#include <pthread.h>

#include "core/batch.h"

enum drop_reason {
    DROP_INVALID,    /* the sink's server will never take it (until there are dead letters) */
    DROP_TOO_LONG,   /* longer than the sink allows */
    DROP_SHUTDOWN,   /* in memory only when the process ended; its source cannot be read again */
    DROP_REASONS
};
const char *drop_reason_name(enum drop_reason reason);

struct counts {
    struct amount taken, delivered, spooled, dead, in_flight, skipped, dropped[DROP_REASONS];
};

struct book;
struct sink;

struct account {
    struct account *next_dirty;
    bool dirty;
    struct book *book;
    struct source *source;
    struct position position; /* cursor points to `cursor` or is NULL */
    char *cursor;             /* POSITION_CURSOR bytes under the source's scope, or NULL */
    struct counts counts;
    uint32_t leases; /* in flight, empty ones too */
};

/* One a sink. `extra` lets a sink type store its own rows in the same transaction, see keeper.h. */
/* Rows that a sink type adds to a commit of its book: called under the lock by the keeper inside a transaction. */
struct store;
struct book {
    pthread_mutex_t lock;
    struct account *dirty;
    struct sink *sink;
    struct counts totals; /* since this start, over all accounts, those of sources that are gone too; under the lock */
    struct nudge *keeper; /* nudged when something became dirty; may be NULL */
    _Atomic bool urgent;  /* a source was seen for the first time: its identity is committed at once */
    int (*extra)(struct book *b, struct store *store); /* NULL: none; 0 or -errno */
    void (*stored)(struct book *b); /* NULL; what extra() wrote is committed. Any lock but the book's may be taken */
};

int book_begin(struct book *b, struct sink *sink);
void book_end(struct book *b);

/* What must be known to secure a lease after its batch is gone. Holds a reference on the source. */
struct secured {
    struct account *account;
    struct source *source;
    uint64_t to, tail_hash;
    struct amount taken;
    char cursor[POSITION_CURSOR];
};

void account_taken(struct account *a, struct amount taken, struct amount skipped);
/* Nothing of what was read up to `to` is for this sink. false, and nothing happened: something is in flight. */
bool account_skipped(struct account *a, const struct batch *b, struct amount skipped);
/* What was taken was delivered, but for what was dropped (NULL: nothing); the position moves. */
void account_secured(struct account *a, const struct secured *s, const struct amount dropped[DROP_REASONS]);
/*
 * It ends without being secured (shutdown): the position stays. Of a source that cannot be read again it is
 * dropped for DROP_SHUTDOWN.
 */
void account_returned(struct account *a, struct amount taken);
/* Makes the keeper look at it. The lock is held; takes a reference on the source that the keeper gives back. */
void account_mark_dirty(struct account *a);

/* Consistent copies. */
void book_totals(struct book *b, struct counts *counts);
void account_read(struct account *a, struct position *position, char cursor[POSITION_CURSOR],
                  struct counts *counts);
/* false and a sentence in `why` when the sums do not add up. */
bool counts_check(const struct counts *c, char *why, size_t size);
