/*
 * keeper: the store thread. Takes what is dirty in the books, and commits it in groups (store.h).
 *
 * A commit happens commit_interval (200 ms) after the first change, and at the end. Each book is copied
 * under its lock in one go, and the rows of others (struct book_rows) are put there, so a transaction holds one moment of a sink:
 * what the positions say is in the file is what the file's length says. No lock is held for the other rows.
 *
 * Intents (intents.h) are committed at once and by themselves, since a sink waits for them; they go with the positions.
 *
 * When the store refuses (disk full), what was dirty stays dirty, the error is said once and counted, and it is
 * tried again, up to 30 s apart. When the store had to begin an empty database, all accounts are stored again.
 *
 * Every minute the positions also go to the fallback file (store.h). Twice a day, and ten minutes after the
 * start, all living sources are stored as seen, and those not seen for 30 days are deleted.
 *
 * Two seconds after the last commit nothing goes through the agent any more: what memory that took is given back (mem_trim()).
 *
 * Threads: begin and end are main's; the counters anybody's; everything else the keeper's own.
 */
#pragma once

#include "core/audit.h"
#include "core/sink.h"
#include "store/store.h"

/*
 * Who works on the store's thread beside the keeper, in its loop, between commits: the dead letters, the history. begin: before the
 * thread starts, 0 or -errno; end: after it has ended, before its loop does.
 */
struct keeper_guest {
    struct keeper_guest *next; /* more of them, or NULL */
    int (*begin)(struct keeper_guest *g, struct scope *owner, struct loop *loop, struct store *store);
    void (*end)(struct keeper_guest *g);
};

struct keeper {
    struct scope scope;
    struct keeper_guest *guest;
    struct thread thread;
    struct loop loop;
    struct nudge dirty;
    struct timer commit, minute, rest;
    struct store *store;
    struct sink *const *sinks;
    unsigned n_sinks;
    int64_t interval;
    int64_t retry;                  /* to wait after the next failure, ns */
    uint64_t sequence, generation;  /* of commits tried; of the database that has all accounts */
    uint64_t minutes, in_fallback;  /* in_fallback: commits when the fallback file was written */
    bool forget, fallback_failing;
    struct buf rows, identity;      /* of the commit being made */
    struct audit audit;             /* of what is committed */
    _Atomic uint64_t commits, failures;
    _Atomic int64_t last_commit; /* clock_real() */
    _Atomic bool failing;
};

int keeper_begin(struct keeper *k, struct scope *owner, struct store *store, struct sink *const *sinks,
                 unsigned n_sinks, int64_t interval, struct keeper_guest *guest); /* NULL: none */
/* While its loop is paused: a sink comes or goes; n_sinks: how many there are now of those that keeper_begin() was given. */
void keeper_add(struct keeper *k, struct sink *sink, unsigned n_sinks);
void keeper_remove(struct keeper *k, struct sink *sink, unsigned n_sinks);
/* Commits what is dirty, now. 0 or -errno. Only while the keeper's loop is paused. */
int keeper_flush(struct keeper *k);
/* Commits what is left and joins. After all sinks have stopped, before sources and books end. */
void keeper_end(struct keeper *k); /* nothing when not alive */
