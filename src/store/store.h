/*
 * store: state.db, what must survive: sources with their identities, positions, ledgers, files written, intents.
 *
 * SQLite, WAL, synchronous NORMAL: a kill loses nothing that was committed, a power cut may lose the last
 * commits (and so repeat lines), never the order. One transaction at a time, opened by store_begin().
 * A database that is damaged or of a later version is set aside as state.db.broken-N, counted, and a
 * new one is begun, filled from the fallback file (`positions`, checksummed, each minute) if there is a good one.
 *
 * A database that somebody moved or deleted is begun anew at the next store_begin().
 *
 * Files in state_dir: state.db and SQLite's -wal and -shm, positions, lock (the agent's process id; held by
 * the one agent that may write here), state.db.broken-N (the last three).
 *
 * Threads: one at a time: main until the keeper starts, then the keeper. One store a process, and readers beside it, which
 * end before it.
 * Errors: 0 or -errno (ENOSPC, EIO, EROFS, EBUSY; EUCLEAN for damage), the sentence in store_error().
 */
#pragma once

#include "base/mem.h"

struct store;

struct store_source {
    const char *key, *name, *identity; /* identity may be NULL */
    int64_t seen;                      /* clock_real() */
};

struct store_position {
    const char *source_key, *sink; /* the sink's name */
    uint64_t offset, tail_hash;
    const char *cursor; /* NULL: none */
};

/* Each is a column of the table `ledger`; core/ledger_rows.h translates. A record counter is followed by its bytes. */
enum store_counter {
    STORE_TAKEN_RECORDS,
    STORE_TAKEN_BYTES,
    STORE_DELIVERED_RECORDS,
    STORE_DELIVERED_BYTES,
    STORE_SPOOLED_RECORDS,
    STORE_SPOOLED_BYTES,
    STORE_DEAD_RECORDS,
    STORE_DEAD_BYTES,
    STORE_SKIPPED_RECORDS,
    STORE_SKIPPED_BYTES,
    STORE_INVALID_RECORDS, /* dropped, by reason */
    STORE_INVALID_BYTES,
    STORE_TOO_LONG_RECORDS,
    STORE_TOO_LONG_BYTES,
    STORE_SHUTDOWN_RECORDS,
    STORE_SHUTDOWN_BYTES,
    STORE_SPOOL_FULL_RECORDS,
    STORE_SPOOL_FULL_BYTES,
    STORE_SPOOL_DAMAGED_RECORDS,
    STORE_SPOOL_DAMAGED_BYTES,
    STORE_PURGED_RECORDS,
    STORE_PURGED_BYTES,
    STORE_DUPLICATE_RECORDS,
    STORE_DUPLICATE_BYTES,
    STORE_COUNTERS
};

struct store_ledger {
    const char *source_key, *sink;
    uint64_t counters[STORE_COUNTERS]; /* at most INT64_MAX each */
};

/* A file that a sink writes: cut back to `length` after a crash. */
struct store_file {
    const char *sink, *path;
    uint64_t length, inode;
    int64_t born; /* clock_real() */
};

/* What of the spool (spool.h) still counts for a sink, as text (core/spool/lane.h). */
struct store_spool {
    const char *sink, *ranges;
};

/* The length of a file's row that was taken from the fallback file while the agent ran: do not cut. */
#define STORE_LENGTH_UNKNOWN ((uint64_t)INT64_MAX)

/*
 * NULL only when state_dir cannot be created, another agent works there (-EBUSY), or there is no memory; the log
 * says so. Otherwise a store: when its database cannot be opened, reading fails and store_begin() tries again.
 */
struct store *store_open(struct scope *owner, const char *state_dir, int *error);
/*
 * Only to look, beside a running agent: takes no lock, changes and repairs nothing. NULL, with a sentence in `why`: also
 * when it is empty (-ENODATA) or of an earlier version (-ESTALE).
 */
struct store *store_open_reader(struct scope *owner, const char *state_dir, int *error, char *why, size_t size);
/* The process that has the lock; 0: nobody; -1: somebody. Any thread. */
int64_t store_holder(const char *state_dir);
void store_close(struct store *s);
const char *store_error(const struct store *s);
uint64_t store_set_aside(const struct store *s); /* databases set aside since store_open() */
/* Grows whenever an empty database is begun: what was stored before must then be stored again. */
uint64_t store_generation(const struct store *s);

/* After a put that failed the others fail too, until store_commit() or store_rollback(). */
int store_begin(struct store *s);
int store_put_source(struct store *s, const struct store_source *row);
int store_put_position(struct store *s, const struct store_position *row);
int store_put_ledger(struct store *s, const struct store_ledger *row);
int store_put_file(struct store *s, const struct store_file *row);
int store_put_spool(struct store *s, const struct store_spool *row);
int store_delete_spool(struct store *s, const char *sink);
int store_purge_spool(struct store *s, const char *sink); /* and what waited there is dropped in the ledger: purged */
int store_delete_file(struct store *s, const char *sink, const char *path);
int store_delete_source(struct store *s, const char *key); /* with all its rows */
int store_delete_positions(struct store *s, const char *key, const char *sink); /* with intents; NULL sink: at all */
/* Sources last seen before this time, clock_real(); and settings that no intent names. */
int store_forget(struct store *s, int64_t before);
int store_commit(struct store *s); /* on failure everything since begin is undone */
void store_rollback(struct store *s);

/* Reading: rows in no order; strings live until fn returns; fn says false to end. */
int store_each_source(struct store *s, bool (*fn)(const struct store_source *, void *), void *arg);
int store_each_position(struct store *s, const char *source_key,
                        bool (*fn)(const struct store_position *, void *), void *arg); /* NULL key: all */
int store_each_ledger(struct store *s, bool (*fn)(const struct store_ledger *, void *), void *arg);
/* NULL sink: all */
int store_each_file(struct store *s, const char *sink, bool (*fn)(const struct store_file *, void *), void *arg);
int store_each_spool(struct store *s, bool (*fn)(const struct store_spool *, void *), void *arg);

/* The fallback file: sources, positions and files' lengths, written to a new file, synced, renamed. */
int store_write_fallback(struct store *s);
