/*
 * spool_purge: throws away what waits on disk for a sink that is not configured any more: its row of state.db goes, and in
 * its ledger what waited is dropped (DROP_PURGED), in one transaction. The segments go when nobody else needs them.
 *
 * Thread: whoever may use the store.
 */
#pragma once

#include "core/ledger.h"
#include "store/store.h"

/* What waits for it by the ledger, in all sources. 0 or -errno. */
int spool_waits(struct store *store, const char *sink, struct amount *waits);
/* The same; *known: whether it has a row of the spool, or anything waits. Not within store_each_spool(). */
int spool_purge_look(struct store *store, const char *sink, struct amount *waits, bool *known);
/* 0 or -errno. The sink must have no accounts in this process. */
int spool_purge(struct store *store, const char *sink);
