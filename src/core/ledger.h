/*
 * ledger: per source and sink, what became of what was read; and how far the source is secured.
 *
 * An account is one source at one sink. All accounts of a sink stand in its book, under one lock, so
 * that a snapshot of a book is of one moment: positions, counters and a sink's own state (the lengths
 * of its files) agree. At every moment, in records and in bytes:
 *
 *     taken = delivered + spooled + dead + dropped (by reason) + in_flight
 *
 * What waits in the spool or among the dead letters stays counted there until it is delivered or dropped, also while a
 * sink has a lease on it; in_flight is only what comes from its source, which is read again should the process die.
 *
 * Skipped is what the match does not take. What is read a second time and was taken the first time counts once.
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
#include "core/intents.h"

enum drop_reason {
    DROP_INVALID,    /* the sink's server will never take it, and there are no dead letters (letters.h) */
    DROP_TOO_LONG,   /* longer than the sink allows */
    DROP_SHUTDOWN,   /* in memory only when the process ended; its source cannot be read again */
    DROP_SPOOL_FULL, /* the oldest in the spool, which made room as configured */
    DROP_SPOOL_DAMAGED,
    DROP_PURGED,     /* dead letters removed by their limits or by an operator; a removed sink's part of the spool by an operator */
    DROP_DUPLICATE,  /* as `deduplicate` asks (repeats.h) */
    DROP_REASONS
};
const char *drop_reason_name(enum drop_reason reason);

struct counts {
    struct amount taken, delivered, spooled, dead, in_flight, skipped, dropped[DROP_REASONS];
};

struct book;
struct sink;

struct account {
    struct account *next; /* of the same source */
    struct account *next_dirty;
    bool dirty;
    bool known; /* to the store, or will be with the next commit */
    struct book *book;
    struct source *source;
    struct position position; /* cursor points to `cursor` or is NULL */
    char *cursor;             /* POSITION_CURSOR bytes under the source's scope, or NULL */
    struct counts counts;
    struct counts *left; /* where they are left when the source ends (past.h), or NULL */
    uint64_t reach; /* up to here it was given all that it wants, or has it: never before the position */
    bool passed; /* over: it waits for what lies behind reach, until it is as far as the others. The source's thread's own */
    uint64_t intended; /* where the last intent ends that the store may have; 0: it has none */
    uint32_t leases; /* in flight, empty ones too */
    /*
     * Leases from the source have numbers, from 1. Up to `ended` all are over; those up to `adopting` are being copied to
     * the spool while the sink has them, those up to `adopted` lie there and are secured by that.
     */
    uint64_t given, ended, adopting, adopted;
    uint64_t returned; /* from this one on the sink gave them back; 0: none */
    struct amount lent; /* of what is spooled: in the sink's hands */
    bool mismatched; /* the audit's own, see audit.h */
    bool waits;      /* counts_wait(), and so it holds a reference on its source */
};

/*
 * Rows that others (a sink type, the spool, the dead letters) add to each commit of a book, so that they are of the same
 * moment. put: under the book's lock, in the keeper's transaction; 0 or -errno. write: later in the same transaction,
 * without a lock held, for rows that are many: put only sets them apart then; may be NULL. stored: that transaction is
 * committed; without a lock held; may be NULL.
 */
struct store;
struct book_rows {
    struct book_rows *next;
    struct book *book;
    int (*put)(struct book_rows *rows, struct store *store);
    int (*write)(struct book_rows *rows, struct store *store);
    void (*stored)(struct book_rows *rows);
};

struct book {
    pthread_mutex_t lock;
    struct account *dirty;
    struct sink *sink;
    struct counts totals; /* since this start, over all accounts, those of sources that are gone too; under the lock */
    struct nudge *keeper; /* nudged when something became dirty; may be NULL */
    _Atomic bool urgent;  /* a source was seen for the first time: its identity is committed at once */
    struct book_rows *rows;
    struct origin *spool; /* told of the end of adopted leases; NULL: there are none */
    struct intents intents;
    bool mismatched; /* the audit's own */
};

int book_begin(struct book *b, struct sink *sink);
void book_end(struct book *b);
/* What is dirty will not be stored: lets go of its sources. */
void book_forget(struct book *b);
/* Any thread. They must outlive the keeper. */
void book_add_rows(struct book *b, struct book_rows *rows);
void book_remove_rows(struct book *b, struct book_rows *rows); /* while the keeper is paused */

/* What became of a lease's records; what is in none of these, and was not left out, was delivered. */
struct outcome {
    struct amount dropped[DROP_REASONS], dead, spooled;
};

/* What must be known to secure a lease after its batch is gone. Holds a reference on the source. */
struct secured {
    struct account *account;
    struct source *source;
    struct origin *origin;
    uint64_t ticket;
    struct refused *refused; /* letters.h: lease_refuse() */
    uint64_t number; /* 0: from an origin */
    uint64_t to, tail_hash;
    struct amount taken, left_out; /* left_out: of what is taken, as duplicates */
    char cursor[POSITION_CURSOR];
};

/*
 * Where records wait that were secured before: the spool, the dead letters. Its leases move no position; their
 * records leave the origin's counter when they are secured. Both calls come under the book's lock, any thread.
 */
struct origin {
    enum { ORIGIN_SPOOL, ORIGIN_DEAD } counter;
    void (*secured)(struct origin *o, const struct secured *s, const struct outcome *outcome);
    void (*returned)(struct origin *o, const struct secured *s); /* shutdown: it stays where it was */
};

/*
 * A lease on a batch from an origin changes nothing until it ends: not for those. The first one makes the store know the
 * account: else a sink that secured nothing before a kill would be taken for one that was not there. Returns its number.
 */
uint64_t account_taken(struct account *a, struct amount taken, struct amount skipped);
/* Nothing of what was read up to `to` is for this sink. false, and nothing happened: something is in flight. */
bool account_skipped(struct account *a, const struct batch *b, struct amount skipped);
/* NULL: all was delivered. The position moves, or the origin is told. */
void account_secured(struct account *a, const struct secured *s, const struct outcome *outcome);
/*
 * It ends without being secured (shutdown): the position stays. Of a source that cannot be read again it is
 * dropped for DROP_SHUTDOWN.
 */
void account_returned(struct account *a, const struct secured *s);
/*
 * Moves what waits (ORIGIN_SPOOL, ORIGIN_DEAD) to what was dropped, without a lease; no more than waits. The caller has a
 * reference on the source.
 */
void account_discarded(struct account *a, int counter, struct amount what, enum drop_reason reason);
/* Was read and cannot be given to anybody: taken, and dropped. */
void account_lost(struct account *a, struct amount what, enum drop_reason reason);
/* What waits in the spool goes to the sink again. What the ledger does not know of (it was lost) is counted as taken now. */
void account_lend(struct account *a, struct amount what);

/* ---- for the spool (spooler.h); the lock is held ---- */

/* Copies of the leases up to this number are on their way to the spool; or from this number on they are not. */
void account_adopt(struct account *a, uint64_t number);
void account_unadopt(struct account *a, uint64_t number);
/*
 * The lease's records lie in the spool, synced: the position moves, and they wait there, or are lent, since the sink has
 * them too. Not yet: an earlier lease is still in flight, which the position must not overtake. Over: it ended before.
 */
enum account_spooled { SPOOLED_NOT_YET, SPOOLED_OVER, SPOOLED_WAITS, SPOOLED_LENT };
enum account_spooled account_spooled(struct account *a, const struct secured *s);
/* All that waits in the spool but is not lent is dropped: it is not there. Says how much. */
struct amount account_spool_lost(struct account *a);

/* Sets the position: before the first dispatch, or while all who dispatch are paused. */
void account_place(struct account *a, const struct position *position);
/* So much is found among the dead letters: what is missing was purged, what the account did not know of was taken too. */
void account_found_dead(struct account *a, struct amount dead);
/* An earlier process' counts: before the first dispatch. What waits counts as taken by this one too. */
void account_resume(struct account *a, const struct counts *counts);
/* As far as another account of the same source: its position, and what it was given. Like account_place(). */
void account_follow(struct account *a, const struct account *other);
uint64_t account_reach(struct account *a);
/* Makes the keeper look at it. The lock is held; takes a reference on the source that the keeper gives back. */
void account_mark_dirty(struct account *a);

/* Consistent copies. */
void book_totals(struct book *b, struct counts *counts);
void account_read(struct account *a, struct position *position, char cursor[POSITION_CURSOR],
                  struct counts *counts);
/* Whether something waits in the spool or among the dead letters. */
bool counts_wait(const struct counts *c);
/* false and a sentence in `why` when the sums do not add up. */
bool counts_check(const struct counts *c, char *why, size_t size);
