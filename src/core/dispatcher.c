#include "core/dispatcher.h"

#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "core/past.h"
#include "core/spool/spooler.h"

/* Whether somebody waits for this sink alone; while all are full nothing is gained by the spool. */
static bool holds_up(const struct dispatcher *d, const struct sink *s, const struct nudge *room)
{
    for (unsigned i = 0; i < d->n_sinks; i++)
        if (d->sinks[i] != s && (spooler_has_it(d->sinks[i]) || !sink_is_full(d->sinks[i])))
            return true;
    return !room;
}

/* A full sink without a part in the spool: whether the others go on without it. */
static bool passes_over(const struct dispatcher *d, struct sink *s, const struct nudge *room)
{
    if (!holds_up(d, s, room))
        return false;
    bool stalled = clock_mono() - atomic_load(&s->progress) >= SPOOL_STALLED;
    if (stalled && !atomic_exchange(&s->passing, true))
        log_warn(s->name, "it takes nothing: the others go on, and files are read again for it once it does");
    return atomic_load(&s->passing);
}

static void end_passing(struct sink *s)
{
    if (!atomic_load(&s->passed) && atomic_exchange(&s->passing, false))
        log_info(s->name, "it has caught up with the others");
}

static bool has_room(struct dispatcher *d, struct sink *s, struct nudge *room, bool again)
{
    if (s->spooled && (spooler_has_it(s) || (sink_is_full(s) && spooler_may_begin(s, holds_up(d, s, room)))))
        return spooler_has_room(s, room);
    if (atomic_load(&s->passing) && !sink_is_full(s))
        end_passing(s);
    return sink_has_room(s, room) || (again && !s->spooled && passes_over(d, s, room));
}

static bool all_have_room(struct dispatcher *d, struct nudge *room, bool again)
{
    for (unsigned i = 0; i < d->n_sinks; i++)
        if (!has_room(d, d->sinks[i], room, again))
            return false;
    return true;
}

bool dispatch_ready(struct dispatcher *d, struct nudge *room)
{
    return all_have_room(d, room, false);
}

bool dispatch_ready_again(struct dispatcher *d, struct nudge *room)
{
    return all_have_room(d, room, true);
}

bool dispatch_passes(const struct dispatcher *d)
{
    for (unsigned i = 0; i < d->n_sinks; i++)
        if (atomic_load(&d->sinks[i]->passed))
            return true;
    return false;
}

void dispatch_forget(struct dispatcher *d, struct nudge *room)
{
    for (unsigned i = 0; i < d->n_sinks; i++) {
        sink_forget(d->sinks[i], room);
        spooler_forget(d->sinks[i], room);
    }
}

static uint64_t all_streams(const struct batch *b)
{
    return b->n_streams ? UINT64_MAX >> (64 - b->n_streams) : 0;
}

static uint64_t wanted_streams(const struct sink *s, const struct batch *b)
{
    uint64_t wanted = 0;
    for (unsigned i = 0; i < b->n_streams; i++)
        if (sink_wants(s, b->streams[i]))
            wanted |= UINT64_C(1) << i;
    return wanted;
}

/* The first mark that lies behind what this sink was given. */
static uint32_t first_new(const struct batch *b, uint64_t reach)
{
    if (reach <= b->from)
        return 0;
    uint64_t have = reach - b->from;
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

/* Nothing: the position could be moved at once. */
enum way { TO_NOBODY, TO_SINK, TO_SPOOL };

/* By an earlier process: its intent is in the store, and it is sent again as it was. */
static void sent_before(struct lease *l)
{
    const struct past_span *span = l->batch->recipe.span;
    const char *with = span ? past_span_sent_with(span, l->sink->name) : NULL;
    l->sent_with = with ? settings_get(with, strlen(with)) : NULL;
    if (l->sent_with)
        atomic_store(&l->intent, INTENT_SETTLED);
}

/* Whether the sink gets nothing of the batch now, but later: it is full, or does not have what lies before. */
static bool pass_over(struct sink *s, struct account *a, const struct batch *b, uint64_t reach)
{
    if (!b->repeatable || !(a->passed || atomic_load(&s->passing)))
        return false;
    bool pass = sink_is_full(s) || (a->passed && reach < b->from);
    if (pass && !a->passed) {
        a->passed = true;
        atomic_fetch_add(&s->passed, 1);
    }
    return pass;
}

/* The sink gets the batch: whether it is as far as the others by that. */
static void catch_up(struct sink *s, struct account *a, const struct batch *b)
{
    struct account *furthest = a->passed ? source_furthest(b->source, s) : NULL;
    if (a->passed && (!furthest || b->to >= account_reach(furthest))) {
        a->passed = false;
        atomic_fetch_sub(&s->passed, 1);
        end_passing(s);
    }
}

/*
 * Fills in the sink's lease. While something is in flight the position must not overtake it, so a lease without records
 * follows in its order. Where it goes is decided in the same moment, so that no later one comes before it.
 */
static enum way plan(struct sink *s, struct batch *b, struct amount all)
{
    struct account *a = source_account(b->source, s);
    struct lease *l = &b->leases[s->index];
    uint64_t reach = account_reach(a);

    if (b->to <= reach && b->to > b->from)
        return TO_NOBODY; /* read again for another one */
    if (pass_over(s, a, b, reach))
        return TO_NOBODY;
    catch_up(s, a, b);
    *l = (struct lease){.batch = b, .sink = s, .first = first_new(b, reach)};
    l->wanted = wanted_streams(s, b);
    /* What it has already was counted when it got it. */
    struct amount new = l->first ? batch_count(b, l->first, UINT64_MAX) : all;
    l->taken = l->wanted == all_streams(b) ? new : batch_count(b, l->first, l->wanted);
    struct amount skipped = less(new, l->taken);
    if (l->taken.records == 0 && account_skipped(a, b, skipped))
        return TO_NOBODY;
    sent_before(l);
    /* Without a record for the birth the lease is still counted; it only has no name in the census. */
    l->birth = birth_new(BIRTH_LEASE, s->scope.id, b->source->name, 0);
    pthread_mutex_lock(&s->book.lock);
    l->number = account_taken(a, l->taken, skipped);
    if (a->reach < b->to)
        a->reach = b->to;
    bool spool = spooler_takes(l);
    if (!spool)
        sink_add_lease(l);
    pthread_mutex_unlock(&s->book.lock);
    return spool ? TO_SPOOL : TO_SINK;
}

void dispatch(struct dispatcher *d, struct batch *b)
{
    struct source *source = b->source;
    struct amount all = batch_count(b, 0, UINT64_MAX);
    enum way ways[SINKS_MAX];
    struct lease *spooled[SINKS_MAX];
    unsigned n_spooled = 0;

    assert(b->n_streams > 0 || b->n == 0);
    if (b->to > source->counted) {
        atomic_fetch_add(&source->read_records, all.records);
        atomic_fetch_add(&source->read_bytes, all.bytes);
        source->counted = b->to;
    }
    batch_seal(b);
    struct tap *tap = atomic_load_explicit(&d->tap, memory_order_acquire);
    if (__builtin_expect(tap != NULL, 0))
        tap_put(tap, b, all.records);
    for (unsigned i = 0; i < d->n_sinks; i++) {
        ways[i] = plan(d->sinks[i], b, all);
        if (ways[i] == TO_SPOOL)
            spooled[n_spooled++] = &b->leases[d->sinks[i]->index];
    }
    if (n_spooled)
        spooler_put(spooled, n_spooled);
    for (unsigned i = 0; i < d->n_sinks; i++)
        if (ways[i] == TO_SINK)
            sink_hand_over(&b->leases[d->sinks[i]->index]);
    batch_release(b);
}

void dispatch_again(struct sink *s, struct batch *b, uint32_t first, uint64_t wanted)
{
    struct lease *l = &b->leases[s->index];
    assert(b->origin && (b->n_streams > 0 || b->n == 0));
    batch_seal(b);
    *l = (struct lease){.batch = b, .sink = s, .first = first, .wanted = wanted};
    l->taken = batch_count(b, first, wanted);
    if (b->origin->counter == ORIGIN_SPOOL)
        account_lend(source_account(b->source, s), l->taken);
    l->birth = birth_new(BIRTH_LEASE, s->scope.id, b->source->name, 0);
    sink_hand_over(l);
    batch_release(b);
}
