/*
 * keeper: the store thread. Takes what is dirty in the books, and commits it in groups (store.h).
 *
 * A commit happens commit_interval (200 ms) after the first change, and at the end. Each book is copied
 * under its lock in one go, with the rows its sink adds (keeper_extra), so a transaction holds one
 * moment of a sink: what the positions say is in the file is what the file's length says. When the store
 * refuses (disk full), what was dirty stays dirty, the error is said once and counted, and it is tried again.
 *
 * Every minute the positions also go to the fallback file (positions_file.h).
 */
#pragma once

#include "core/sink.h"
#include "store/store.h"

struct keeper {
    struct scope scope;
    struct thread thread;
    struct loop loop;
    struct nudge dirty;
    struct timer commit, fallback;
    struct store *store;
    struct sink *const *sinks;
    unsigned n_sinks;
    int64_t interval;
    _Atomic uint64_t commits, failures;
    _Atomic int64_t last_commit; /* clock_real() */
    _Atomic bool failing;
};

int keeper_begin(struct keeper *k, struct scope *owner, struct store *store, struct sink *const *sinks,
                 unsigned n_sinks, int64_t interval, const char *state_dir);
/* Commits what is left and joins. After all sinks have stopped, before sources and books end. */
void keeper_end(struct keeper *k);
