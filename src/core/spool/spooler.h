/*
 * spooler: the thread that keeps sinks from holding up each other. What a lagging sink cannot take now goes to the
 * disk (store/spool.h) and is read again when it has room.
 *
 * A sink begins to lag when it is full and somebody waits for it alone, or when it is full and got nothing done for
 * SPOOL_STALLED; and it lags until nothing of it waits in the spool or on the way there. While it lags each lease goes to
 * the spooler, so that the order of each source holds, and the oldest record of all sources comes first.
 *
 * When a sink begins to lag, what it holds already is copied to the spool too ("adopted"): else the position, which must
 * not overtake what is in flight, could not move while it is down. An adopted lease stays with the sink; when it ends, it
 * ends in the spool.
 *
 * A lease that the spooler has is written, synced, and then secured: position, ledger and what counts of the spool
 * (core/spool/lane.h, a row of state.db for each sink) change in one moment under the book's lock and are committed together. So
 * a process that dies loses nothing and repeats only what its sink had in flight. Where the sink has room before
 * its leases are written, they go there without the disk; so a sink that is back gets them though the disk is full.
 *
 * Memory: leases on their way to the spool count against disk_buffer.memory; beyond it the readers wait. What is read back is
 * reserved from the pool first, and counts as the sink's. Disk: beyond max_size, or with less than min_free left on it,
 * the readers wait or the oldest segment goes (when_full), into the ledger.
 *
 * Damage: what is lost of a record with a good head is dropped in the ledger as it is met; what cannot be named (a head that
 * cannot be read, a file that is gone) when the sink's part of the spool is empty and something still counts as in it.
 *
 * A spool whose rows are gone, since state.db was begun anew, is delivered whole, also what was delivered before.
 *
 * Threads: begin, add, start, settle and end are main's. The calls for the dispatcher are anybody's; those with a lease
 * come under the book's lock. The rest is the spooler's own.
 */
#pragma once

#include "core/past.h"
#include "core/sink.h"
#include "core/spool/lane.h"
#include "store/spool.h"
#include "store/store.h"

#define SPOOL_STALLED (1 * SECOND)

struct spooler;

/* A sink's part of the spool. */
struct spooled {
    struct scope scope;
    struct spooled *next;
    struct book_rows rows;
    struct origin origin;
    struct spooler *spooler;
    struct sink *sink;
    struct lane lane;          /* under the book's lock, like those up to `generation` */
    uint32_t coming;           /* leases that the spooler has for it, copies not counted */
    uint64_t changed, put;     /* the lane's changes: made, in the transaction */
    uint64_t generation;       /* of the database that has the row */
    _Atomic uint64_t stored;   /* changes that are committed */
    struct buf text;           /* the keeper's: the lane as its row has it */
    _Atomic bool lagging;      /* its leases go to the spooler */
    _Atomic bool wanted;       /* it shall lag */
    _Atomic int64_t since;     /* when it began to lag last, clock_mono() */
    bool said;                 /* the spooler's: that it lags */
    _Atomic int64_t oldest;    /* when the first unread one was stored, clock_real(); 0: there is none */
    /* the spooler's thread */
    struct spool_reader reader;
    bool held_up;              /* in this pass: something of it must come first */
    bool damaged;              /* said */
    unsigned failures;         /* to read, one after the other */
    uint64_t forgotten;        /* `changed` when segments were last given up */
};

enum { SPOOLER_DEAD = 64 };

/* A sink that is not configured now: what it has in the spool stays. */
struct spool_orphan {
    struct scope scope;
    struct spool_orphan *next;
    const char *sink;
    struct lane lane;
};

struct spooler {
    struct scope scope;
    struct thread thread;
    struct loop loop;
    struct nudge work;
    struct timer again, watch, forget;
    struct pool *pool;
    struct pool_waiter pool_waiter;
    struct past *past;             /* of sources that nobody reads yet; may be NULL */
    _Atomic uint64_t max_size, min_free;
    _Atomic bool drop_oldest;
    struct spool spool;
    struct spooled *sinks;
    struct spool_orphan *orphans;
    pthread_mutex_t lock;          /* for the inbox */
    struct lease *inbox, **inbox_tail;
    struct lease *jobs, **jobs_tail; /* the thread's: oldest first; written and synced ones before the others */
    struct buf labels;
    uint32_t dead[SPOOLER_DEAD];   /* segments needed no more, which go when state.db says so too */
    unsigned n_dead;
    uint64_t dead_bytes;
    int64_t retry, retry_at;       /* how long was waited after the last failure; until when, clock_mono() */
    uint64_t memory;               /* limit for `held` */
    struct room room;              /* for those who wait until `held` is below the limit */
    _Atomic uint64_t held;         /* cost of the batches on their way */
    _Atomic bool draining_over;    /* the sinks are stopping: nothing is given to them any more */
    _Atomic bool failing, full;    /* for /health: cannot be written; no room on the disk */
    _Atomic uint64_t bytes, written, syncs, failures;
    char why[200];                 /* under the lock */
};

/* The directory is opened and listed. On failure the spooler is not alive, and the sinks do without. */
int spooler_begin(struct spooler *sp, struct scope *owner, const struct config *config, struct pool *pool, struct past *past,
                  uint64_t last_place);
/* Another configuration: max_size, min_free and when_full hold from now on. Any thread. */
void spooler_follow(struct spooler *sp, const struct config *config);
/*
 * The sink has a part in the spool from now on: before its thread starts, after its accounts resumed, and while spooler and keeper
 * are paused if they run. spooler_remove(): that of a sink that goes stays for when it is back; after spooler_give_back().
 */
int spooler_add(struct spooler *sp, struct sink *s, struct store *store);
void spooler_remove(struct spooler *sp, struct sink *s);
/* What a sink that goes, whose leases came back, has on its way is written, or stays with its source. */
void spooler_give_back(struct spooler *sp, struct sink *s);
/* What the spool has of a sink that is not configured is not kept any more. Its row is the caller's. */
void spooler_forget_other(struct spooler *sp, const char *sink);
/* The rows of sinks that are not among those added. */
int spooler_keep_others(struct spooler *sp, struct store *store);
/* The highest place that state.db names; 0: none. */
uint64_t spooler_last_place(struct store *store);
int spooler_start(struct spooler *sp);
/* The sinks will stop now: nothing more is read back. They may still return leases. */
void spooler_quiesce(struct spooler *sp);
/* After the sinks' threads are joined, before the keeper ends: writes what is on its way, and joins. */
void spooler_settle(struct spooler *sp);
void spooler_end(struct spooler *sp); /* nothing when not alive */
/* Why it cannot be written now; "" when all is well. Any thread. */
void spooler_why(struct spooler *sp, char *text, size_t size);

/* ---- for the dispatcher ---- */

/* Whether the sink lags, so that its leases go to the spooler. */
static inline bool spooler_has_it(const struct sink *s)
{
    return s->spooled && atomic_load(&s->spooled->lagging);
}
/* A full sink with a part in the spool: whether it shall begin to lag. holds_up: somebody waits for it. */
bool spooler_may_begin(struct sink *s, bool holds_up);
/* Whether the spooler has memory for another batch of this sink; if not, `room` (unless NULL) is nudged once it has. */
bool spooler_has_room(struct sink *s, struct nudge *room);
void spooler_forget(struct sink *s, struct nudge *room);
/* Under the book's lock: whether this lease is the spooler's. Then spooler_put() follows, without a lock. */
bool spooler_takes(struct lease *l);
void spooler_put(struct lease *const *leases, unsigned n); /* all of one batch; takes a hold on it for each */
/* Whether a lease that its sink gives back, at its stop, is the spooler's, since nobody can read it again. spooler_put() follows. */
bool spooler_takes_back(struct lease *l);
