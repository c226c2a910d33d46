/*
 * store_history: what the detector's series were over minutes and hours, in state.db, so that it outlives restarts.
 *
 * A row is one step of one series, found by its name, length and start; what two runs of the agent saw of one step is put together.
 * As the rest of store.h: one thread at a time; written within a transaction.
 */
#pragma once

#include "store/store.h"

struct store_history {
    const char *series;
    int64_t length, start; /* s; start since 1970 */
    double least, mean, most;
};

int store_put_history(struct store *s, const struct store_history *row);
int store_forget_history(struct store *s, int64_t length, int64_t before);
/* Steps that begin within [from, to], oldest first. */
int store_each_history(struct store *s, const char *series, int64_t length, int64_t from, int64_t to,
                       bool (*fn)(const struct store_history *, void *), void *arg);
