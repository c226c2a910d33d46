#include "core/dispatcher.h"

#include <assert.h>

bool dispatch_ready(struct dispatcher *d, struct nudge *room)
{
    for (unsigned i = 0; i < d->n_sinks; i++)
        if (!sink_has_room(d->sinks[i], room))
            return false;
    return true;
}

void dispatch_forget(struct dispatcher *d, struct nudge *room)
{
    for (unsigned i = 0; i < d->n_sinks; i++)
        sink_forget(d->sinks[i], room);
}

static uint64_t wanted_streams(const struct sink *s, const struct batch *b)
{
    uint64_t wanted = 0;
    for (unsigned i = 0; i < b->n_streams; i++)
        if (sink_wants(s, b->streams[i]))
            wanted |= UINT64_C(1) << i;
    return wanted;
}

/* The first mark that lies behind the position: what this sink does not have yet. */
static uint32_t first_new(const struct batch *b, uint64_t position)
{
    if (position <= b->from)
        return 0;
    uint64_t have = position - b->from;
    if (b->ordinal)
        return have < b->n ? (uint32_t)have : b->n;
    uint32_t low = 0, high = b->n;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (b->marks[mid].end <= have)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static struct amount less(struct amount a, struct amount b)
{
    return (struct amount){a.records - b.records, a.bytes - b.bytes};
}

/*
 * Fills in the sink's lease. false: there is nothing to send and the position could be moved at once; while
 * something is in flight the position must not overtake it, so an empty lease follows in its order.
 */
static bool plan(struct sink *s, struct batch *b, struct amount all)
{
    struct account *a = source_account(b->source, s);
    struct lease *l = &b->leases[s->index];
    struct position position;
    struct counts counts;
    char cursor[POSITION_CURSOR];

    account_read(a, &position, cursor, &counts);
    *l = (struct lease){.batch = b, .sink = s, .first = first_new(b, position.offset)};
    l->wanted = wanted_streams(s, b);
    l->taken = batch_count(b, l->first, l->wanted);
    struct amount skipped = less(all, l->taken);
    if (l->taken.records == 0 && account_skipped(a, b, skipped))
        return false;
    /* Without a record for the birth the lease is still counted; it only has no name in the census. */
    l->birth = birth_new(BIRTH_LEASE, s->scope.id, b->source->name, 0);
    account_taken(a, l->taken, skipped);
    return true;
}

static void hand_over(struct lease *l)
{
    struct sink *s = l->sink;
    batch_hold(l->batch);
    atomic_fetch_add(&s->leases, 1);
    atomic_fetch_add(&s->held, l->batch->cost);
    if (queue_push(&s->queue, &l->node, l->batch->cost) < 0)
        lease_returned(l); /* the sink is stopping */
}

void dispatch(struct dispatcher *d, struct batch *b)
{
    struct source *source = b->source;
    struct amount all = batch_count(b, 0, UINT64_MAX);
    bool leased[SINKS_MAX] = {false};

    assert(b->n_streams > 0 || b->n == 0);
    atomic_fetch_add(&source->read_records, all.records);
    atomic_fetch_add(&source->read_bytes, all.bytes);
    batch_seal(b);
    for (unsigned i = 0; i < d->n_sinks; i++)
        leased[i] = plan(d->sinks[i], b, all);
    for (unsigned i = 0; i < d->n_sinks; i++)
        if (leased[i])
            hand_over(&b->leases[i]);
    batch_release(b);
}

void dispatch_again(struct sink *s, struct batch *b, uint32_t first, uint64_t wanted)
{
    struct lease *l = &b->leases[s->index];
    assert(b->origin && (b->n_streams > 0 || b->n == 0));
    batch_seal(b);
    *l = (struct lease){.batch = b, .sink = s, .first = first, .wanted = wanted};
    l->taken = batch_count(b, first, wanted);
    l->birth = birth_new(BIRTH_LEASE, s->scope.id, b->source->name, 0);
    hand_over(l);
    batch_release(b);
}
