#include "core/ledger_rows.h"

#include <assert.h>

enum { DROPPED = STORE_INVALID_RECORDS };
static_assert(STORE_COUNTERS == DROPPED + 2 * DROP_REASONS,
              "a new drop reason needs its counters in store.h and columns in a new schema version");

static void put(uint64_t *counters, unsigned at, struct amount a)
{
    counters[at] = a.records > INT64_MAX ? INT64_MAX : a.records;
    counters[at + 1] = a.bytes > INT64_MAX ? INT64_MAX : a.bytes;
}

static struct amount get(const uint64_t *counters, unsigned at)
{
    return (struct amount){.records = counters[at], .bytes = counters[at + 1]};
}

void counts_to_row(const struct counts *c, uint64_t counters[STORE_COUNTERS])
{
    struct amount taken = {.records = c->taken.records - c->in_flight.records,
                           .bytes = c->taken.bytes - c->in_flight.bytes};
    put(counters, STORE_TAKEN_RECORDS, taken);
    put(counters, STORE_DELIVERED_RECORDS, c->delivered);
    put(counters, STORE_SPOOLED_RECORDS, c->spooled);
    put(counters, STORE_DEAD_RECORDS, c->dead);
    put(counters, STORE_SKIPPED_RECORDS, c->skipped);
    for (unsigned i = 0; i < DROP_REASONS; i++)
        put(counters, DROPPED + 2 * i, c->dropped[i]);
}

void counts_from_row(struct counts *c, const uint64_t counters[STORE_COUNTERS])
{
    *c = (struct counts){
        .taken = get(counters, STORE_TAKEN_RECORDS),
        .delivered = get(counters, STORE_DELIVERED_RECORDS),
        .spooled = get(counters, STORE_SPOOLED_RECORDS),
        .dead = get(counters, STORE_DEAD_RECORDS),
        .skipped = get(counters, STORE_SKIPPED_RECORDS),
    };
    for (unsigned i = 0; i < DROP_REASONS; i++)
        c->dropped[i] = get(counters, DROPPED + 2 * i);
}
