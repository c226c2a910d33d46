/*
 * history: what the series were, in state.db: minutes and hours, over restarts (store_history.h).
 *
 * Once a minute the rows that came about (series.h) are stored in one transaction, by the store's thread, whose guest this is; once an
 * hour those that are too old are deleted: hours after task_tracking.retention_period, minutes after the same, but seven days
 * at most. When the store cannot be written they are dropped and counted: what they say is no line of anybody's.
 */
#pragma once

#include "core/keeper.h"
#include "leak/watch/series.h"

struct history {
    struct keeper_guest guest;
    struct series_table *table;
    pthread_mutex_t *lock; /* of the table */
    struct store *store;   /* NULL: none now */
    struct timer minute;
    struct buf rows; /* being stored */
    _Atomic int64_t retention; /* ns */
    int64_t tidied; /* clock_real(), s: the hour of the last deletion */
    _Atomic uint64_t stored, dropped;
};

/* `guest` is to be given to keeper_begin(). */
void history_prepare(struct history *h, struct series_table *table, pthread_mutex_t *lock, int64_t retention);
