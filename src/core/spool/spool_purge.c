#include "core/spool/spool_purge.h"

#include <string.h>

#include "core/ledger_rows.h"

struct looking {
    const char *sink;
    struct amount waits;
    bool known;
};

static bool look_at_ledger(const struct store_ledger *row, void *arg)
{
    struct looking *l = arg;
    struct counts counts = {0};
    if (strcmp(row->sink, l->sink) != 0)
        return true;
    counts_from_row(&counts, row->counters);
    l->waits.records += counts.spooled.records;
    l->waits.bytes += counts.spooled.bytes;
    return true;
}

static bool look_at_row(const struct store_spool *row, void *arg)
{
    struct looking *l = arg;
    l->known |= strcmp(row->sink, l->sink) == 0;
    return !l->known;
}

int spool_waits(struct store *store, const char *sink, struct amount *waits)
{
    struct looking l = {.sink = sink};
    int r = store_each_ledger(store, look_at_ledger, &l);
    *waits = l.waits;
    return r;
}

int spool_purge_look(struct store *store, const char *sink, struct amount *waits, bool *known)
{
    struct looking l = {.sink = sink};
    int r = spool_waits(store, sink, waits);
    if (r == 0)
        r = store_each_spool(store, look_at_row, &l);
    *known = l.known || waits->records;
    return r;
}

int spool_purge(struct store *store, const char *sink)
{
    int r = store_begin(store);
    if (r == 0)
        r = store_purge_spool(store, sink);
    if (r == 0)
        return store_commit(store);
    store_rollback(store);
    return r;
}
