/* From the disk: what waits is given to its sink when that has room, and segments that nobody needs go. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "core/spool/spooler_internal.h"

static const int64_t READ_AGAIN = 1 * SECOND;

enum {
    TURN = 64,           /* records read for one sink before the others have their turn */
    READS = 10,          /* of a record that cannot be read before it counts as damaged */
    FREE_SHARE = 20,     /* min_free is never more than this part of the disk */
};

static uint64_t begin_of(uint32_t segment)
{
    return spool_place(segment, 0);
}

/* ---- reading back ---- */

static void skip(struct spooled *s, uint64_t to)
{
    pthread_mutex_lock(&s->sink->book.lock);
    lane_skip(&s->lane, to);
    spooled_changed(s);
    pthread_mutex_unlock(&s->sink->book.lock);
    s->failures = 0;
}

static void say_damaged(struct spooled *s, uint64_t place, const char *what)
{
    if (!s->damaged)
        log_error("spool", "%s: %s/%010u.seg is damaged at %" PRIu32 ": %s; what is lost is dropped and counted", s->sink->name,
                  s->spooler->spool.directory, spool_segment(place), (uint32_t)place, what);
    s->damaged = true;
}

static const struct spool_sink *find_sink(const struct spool_head *h, const char *name)
{
    for (unsigned i = 0; i < h->n_sinks; i++)
        if (strcmp(h->sinks[i].name, name) == 0)
            return &h->sinks[i];
    return NULL;
}

/* The account that a record belongs to, with a reference on its source; NULL: no memory, or it is of no kind we know. */
static struct account *obtain(const struct spooled *s, const struct spool_head *h)
{
    if (h->kind > SOURCE_API)
        return NULL;
    struct source *source = source_obtain((enum source_kind)h->kind, h->key, h->name);
    struct past *past = s->spooler->past;
    struct past_source *before = source && past ? past_find(past, h->key) : NULL;
    if (before)
        past_resume(past, before, source);
    struct account *a = source ? source_account(source, s->sink) : NULL;
    if (!a)
        source_unref(source);
    return a;
}

/* What the record holds for the sink is dropped. */
static void discard(struct spooled *s, const struct spool_head *h, const struct spool_sink *what, enum drop_reason reason)
{
    struct account *a = obtain(s, h);
    if (a) {
        pthread_mutex_lock(&a->book->lock);
        account_discarded(a, ORIGIN_SPOOL, (struct amount){what->records, what->bytes}, reason);
        lane_skip(&s->lane, h->next);
        spooled_changed(s);
        pthread_mutex_unlock(&a->book->lock);
        source_unref(a->source);
    } else {
        skip(s, h->next);
    }
}

static int fill_streams(struct batch *b, const struct spool_head *h, const char *labels)
{
    struct label items[STREAM_LABELS];
    const char *at = labels, *end = labels + h->labels_size;
    for (unsigned i = 0; i < h->n_streams; i++) {
        int n = spool_next_labels(&at, end, items);
        struct stream *stream = n < 0 ? NULL : stream_get(items, (size_t)n);
        if (!stream)
            return n < 0 ? n : -ENOMEM;
        b->streams[b->n_streams++] = stream;
    }
    return 0;
}

static int fill(struct spooled *s, struct batch *b, const struct spool_head *h)
{
    struct buf *labels = &s->spooler->labels;
    buf_clear(labels);
    int r = buf_reserve(labels, h->labels_size + 1);
    if (r == 0)
        r = spool_read_body(&s->reader, h, labels->data, b->marks, b->data);
    if (r == 0)
        r = fill_streams(b, h, labels->data);
    b->n = h->n_marks;
    b->used = h->data_size;
    b->ordinal = h->ordinal;
    b->from = h->from;
    b->to = h->to;
    b->tail_hash = h->tail_hash;
    snprintf(b->cursor, sizeof b->cursor, "%s", h->cursor);
    b->origin = &s->origin;
    b->ticket = h->place;
    return r;
}

static void hand_to_sink(struct spooled *s, struct batch *b, const struct spool_head *h, const struct spool_sink *what)
{
    pthread_mutex_lock(&s->sink->book.lock);
    lane_take(&s->lane, h->place, h->next);
    spooled_changed(s);
    pthread_mutex_unlock(&s->sink->book.lock);
    atomic_store(&s->oldest, h->stored);
    s->failures = 0;
    dispatch_again(s->sink, b, what->first, what->wanted);
}

/* 0, or why not now: -EDQUOT, when there is memory again; else after a while. -EUCLEAN: it is damaged. */
static int read_record(struct spooled *s, const struct spool_head *h, const struct spool_sink *what)
{
    struct spooler *sp = s->spooler;
    struct account *a = obtain(s, h);
    if (!a)
        return h->kind > SOURCE_API ? -EUCLEAN : -ENOMEM;
    struct batch *b = batch_new(sp->pool, a->source, h->data_size + 1, h->n_marks + 1);
    int r = b ? 0 : -errno;
    source_unref(a->source);
    if (r < 0)
        return r;
    pthread_mutex_lock(&s->sink->book.lock);
    r = lane_reserve(&s->lane);
    pthread_mutex_unlock(&s->sink->book.lock);
    if (r == 0)
        r = fill(s, b, h);
    if (r == 0)
        hand_to_sink(s, b, h, what);
    else
        batch_drop(b);
    return r;
}

/* true: on with the next; false: not now. */
static bool read_next(struct spooled *s, uint64_t place)
{
    struct spooler *sp = s->spooler;
    struct spool_head h = {0};
    int r = spool_read_head(&s->reader, place, &h);
    if (r == 1) {
        skip(s, h.next);
        return true;
    }
    const struct spool_sink *what = r == 0 ? find_sink(&h, s->sink->name) : NULL;
    if (r == 0 && !what) {
        skip(s, h.next);
        return true;
    }
    if (r == 0) {
        r = read_record(s, &h, what);
        if (r == 0)
            return true;
        if (r == -EDQUOT) {
            pool_wait(sp->pool, &sp->pool_waiter);
            return false;
        }
        if (r == -EUCLEAN || (r != -ENOMEM && ++s->failures >= READS)) {
            say_damaged(s, place, r == -EUCLEAN ? "the record's checksum is wrong" : strerror(-r));
            discard(s, &h, what, DROP_SPOOL_DAMAGED);
            return true;
        }
    } else if (r == -EUCLEAN || r == -ENOENT || (r != -ENOMEM && r != -EMFILE && ++s->failures >= READS)) {
        const struct spool_segment *next = spool_from(&sp->spool, spool_segment(place) + 1);
        say_damaged(s, place, r == -EUCLEAN ? "what follows cannot be read" : strerror(-r));
        skip(s, next ? begin_of(next->number) : LANE_NOTHING);
        return true;
    }
    if (s->failures == 1)
        log_warn("spool", "%s: cannot read what waits for it: %s; it is tried again", s->sink->name, strerror(-r));
    timer_set(&sp->again, READ_AGAIN);
    return false;
}

static uint64_t unread(struct spooled *s, size_t *flights)
{
    pthread_mutex_lock(&s->sink->book.lock);
    uint64_t place = lane_unread(&s->lane);
    *flights = lane_flights(&s->lane);
    pthread_mutex_unlock(&s->sink->book.lock);
    return place;
}

void read_back(struct spooled *s)
{
    size_t flights;
    for (unsigned i = 0; i < TURN; i++) {
        uint64_t place = unread(s, &flights);
        if (place == LANE_NOTHING || flights >= LANE_FLIGHTS_MAX || !sink_has_room(s->sink, &s->spooler->work))
            return;
        if (!read_next(s, place))
            return;
    }
    nudge_set(&s->spooler->work);
}

/* ---- losses ---- */

struct losses {
    struct spooled *s;
    struct amount sum;
};

/* Under the registry's lock: the reference taken is never the last, since the dirty list of the book has one then. */
static void lose(struct source *source, void *arg)
{
    struct losses *l = arg;
    uint32_t refs = atomic_load(&source->refs);
    do {
        if (refs == 0)
            return;
    } while (!atomic_compare_exchange_weak(&source->refs, &refs, refs + 1));
    struct account *a = source_account(source, l->s->sink);
    if (a) {
        pthread_mutex_lock(&a->book->lock);
        struct amount lost = account_spool_lost(a);
        account_mark_dirty(a);
        pthread_mutex_unlock(&a->book->lock);
        l->sum.records += lost.records;
        l->sum.bytes += lost.bytes;
    }
    atomic_fetch_sub(&source->refs, 1);
}

void read_losses(struct spooled *s)
{
    struct losses l = {.s = s};
    pthread_mutex_lock(&s->sink->book.lock);
    const struct amount waits = s->sink->book.totals.spooled;
    bool none = lane_unread(&s->lane) == LANE_NOTHING && lane_flights(&s->lane) == 0;
    pthread_mutex_unlock(&s->sink->book.lock);
    if (!none || (!waits.records && !waits.bytes))
        return;
    /* Only this thread adds to what is spooled, so nothing comes in between. */
    sources_walk(lose, &l);
    if (l.sum.records || l.sum.bytes)
        log_error("spool", "%s: %" PRIu64 " records (%" PRIu64 " bytes) are not in the spool any more: dropped and counted",
                  s->sink->name, l.sum.records, l.sum.bytes);
}

/* ---- segments ---- */

static bool is_needed(struct spooler *sp, uint32_t number)
{
    uint64_t from = begin_of(number), to = begin_of(number + 1);
    bool needed = false;
    for (struct lease *l = sp->jobs; l && !needed; l = l->job.next)
        needed = l->job.state != JOB_NEW && l->job.place >= from && l->job.place < to;
    for (struct spool_orphan *o = sp->orphans; o && !needed; o = o->next)
        needed = lane_needs(&o->lane, from, to);
    for (struct spooled *p = sp->sinks; p && !needed; p = p->next) {
        pthread_mutex_lock(&p->sink->book.lock);
        needed = lane_needs(&p->lane, from, to);
        pthread_mutex_unlock(&p->sink->book.lock);
    }
    return needed;
}

void segments_give_up(struct spooler *sp)
{
    if (sp->n_dead)
        return;
    for (unsigned i = 0; i < spool_count(&sp->spool) && sp->n_dead < SPOOLER_DEAD; i++) {
        const struct spool_segment *s = spool_at(&sp->spool, i);
        if (is_needed(sp, s->number))
            continue;
        sp->dead[sp->n_dead++] = s->number;
        sp->dead_bytes += s->size;
        spool_seal(&sp->spool, s->number);
    }
    for (struct spooled *p = sp->sinks; p; p = p->next) {
        pthread_mutex_lock(&p->sink->book.lock);
        p->forgotten = p->changed;
        pthread_mutex_unlock(&p->sink->book.lock);
    }
}

void segments_remove(struct spooler *sp)
{
    if (!sp->n_dead)
        return;
    for (struct spooled *p = sp->sinks; p; p = p->next)
        if (atomic_load(&p->stored) < p->forgotten)
            return;
    for (unsigned i = 0; i < sp->n_dead; i++) {
        int r = spool_remove(&sp->spool, sp->dead[i]);
        if (r < 0)
            log_warn("spool", "cannot remove %s/%010u.seg: %s", sp->spool.directory, sp->dead[i], strerror(-r));
    }
    sp->n_dead = 0;
    sp->dead_bytes = 0;
    if (sp->jobs)
        nudge_set(&sp->work);
}

/* ---- room ---- */

static bool disk_has(struct spooler *sp, uint64_t size)
{
    uint64_t available, total, keep = atomic_load(&sp->min_free);
    if (spool_disk(&sp->spool, &available, &total) < 0)
        return true; /* the write will say */
    if (keep > total / FREE_SHARE)
        keep = total / FREE_SHARE;
    return available + sp->dead_bytes >= keep + size;
}

static bool fits(struct spooler *sp, uint64_t size)
{
    uint64_t most = atomic_load(&sp->max_size);
    return sp->spool.bytes - sp->dead_bytes + size <= most && disk_has(sp, size);
}

/* What sinks have that are not configured goes first. */
static bool drop_orphans(struct spooler *sp)
{
    if (!sp->orphans)
        return false;
    for (struct spool_orphan *o = sp->orphans; o; o = o->next)
        log_warn("spool", "what waits for %s, which is not configured, is given up: the room is needed", o->sink);
    orphans_end(sp);
    return true;
}

static bool unread_in(struct spooled *s, uint32_t segment, uint64_t *place)
{
    size_t flights;
    *place = unread(s, &flights);
    return *place != LANE_NOTHING && spool_segment(*place) <= segment;
}

static void drop_unread(struct spooled *s, uint32_t segment)
{
    for (uint64_t place; unread_in(s, segment, &place);) {
        struct spool_head h;
        int r = spool_read_head(&s->reader, place, &h);
        const struct spool_sink *what = r == 0 ? find_sink(&h, s->sink->name) : NULL;
        if (r < 0)
            skip(s, begin_of(segment + 1));
        else if (what)
            discard(s, &h, what, DROP_SPOOL_FULL);
        else
            skip(s, h.next);
    }
}

/* The oldest segment with something unread. What a sink has of it already is still delivered. */
static bool drop_oldest(struct spooler *sp)
{
    uint64_t oldest = LANE_NOTHING, place;
    for (struct spooled *p = sp->sinks; p; p = p->next)
        if (unread_in(p, UINT32_MAX, &place) && place < oldest)
            oldest = place;
    if (oldest == LANE_NOTHING)
        return false;
    log_warn("spool", "it is full: the oldest records are dropped and counted");
    for (struct spooled *p = sp->sinks; p; p = p->next)
        drop_unread(p, spool_segment(oldest));
    return true;
}

static void say_full(struct spooler *sp, bool full)
{
    if (full && !atomic_exchange(&sp->full, true)) {
        spooler_say(sp, "no room in %s", sp->spool.directory);
        log_warn("spool", "no room in %s (disk_buffer.max_size, or min_free of the disk): sources wait until a sink has caught up",
                 sp->spool.directory);
    } else if (!full && atomic_exchange(&sp->full, false)) {
        spooler_say(sp, "%s", "");
    }
}

bool segments_make_room(struct spooler *sp, uint64_t size)
{
    bool drop = atomic_load(&sp->drop_oldest);
    while (!fits(sp, size)) {
        if (sp->n_dead)
            return false; /* state.db first */
        if (!drop_orphans(sp) && (!drop || !drop_oldest(sp))) {
            say_full(sp, true);
            return false;
        }
        segments_give_up(sp);
        segments_remove(sp);
    }
    say_full(sp, false);
    return true;
}
