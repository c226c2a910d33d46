/* To the disk: what is new is written, synced, and then secured. */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "core/spool/spooler_internal.h"

static struct spooled *part_of(const struct lease *l)
{
    return l->sink->spooled;
}

static void remove_job(struct spooler *sp, struct lease **at)
{
    struct lease *l = *at;
    *at = l->job.next;
    if (!*at)
        sp->jobs_tail = at;
    l->job.next = NULL;
}

static void nothing_held_up(struct spooler *sp)
{
    for (struct spooled *p = sp->sinks; p; p = p->next)
        p->held_up = false;
}

/* ---- past the disk ---- */

/* The lease is the sink's as if it had never come here. */
static void let_pass(struct spooler *sp, struct lease *l)
{
    struct sink *s = l->sink;
    pthread_mutex_lock(&s->book.lock);
    part_of(l)->coming--;
    sink_add_lease(l);
    pthread_mutex_unlock(&s->book.lock);
    if (l->birth)
        birth_set_owner(l->birth, s->scope.id);
    struct batch *b = l->batch;
    batch_hold(b);
    l->job.copied = true; /* its birth record is the sink's */
    job_release(sp, l);
    sink_hand_over(l);
    batch_release(b);
}

void write_shortcuts(struct spooler *sp)
{
    nothing_held_up(sp);
    if (atomic_load(&sp->draining_over))
        return;
    for (struct lease **at = &sp->jobs, *l; (l = *at);) {
        struct spooled *p = part_of(l);
        if (l->job.copied && l->job.state == JOB_NEW) {
            at = &l->job.next;
            continue;
        }
        pthread_mutex_lock(&l->sink->book.lock);
        p->held_up |= l->job.state != JOB_NEW || lane_unread(&p->lane) != LANE_NOTHING;
        pthread_mutex_unlock(&l->sink->book.lock);
        p->held_up = p->held_up || !sink_has_room(l->sink, &sp->work);
        if (p->held_up) {
            at = &l->job.next;
        } else {
            remove_job(sp, at);
            let_pass(sp, l);
        }
    }
}

/* ---- writing ---- */

/* Whether there is something to write: some leases only move a position, and copies of what ended are not needed. */
static bool is_needed(const struct lease *l)
{
    if (!l->taken.records && !l->taken.bytes)
        return false;
    struct account *a = account_of_lease(l);
    pthread_mutex_lock(&a->book->lock);
    bool needed = l->number > a->ended;
    pthread_mutex_unlock(&a->book->lock);
    return needed;
}

/* The new leases of one batch that stand together are one record. Returns what follows them; h->n_sinks may be 0. */
static struct lease *gather(struct lease *first, struct spool_head *h)
{
    struct lease *l = first;
    for (; l && l->batch == first->batch && l->job.state == JOB_NEW && h->n_sinks < SINKS_MAX; l = l->job.next) {
        if (!is_needed(l)) {
            l->job.state = JOB_READY;
            continue;
        }
        h->sinks[h->n_sinks++] = (struct spool_sink){.name = l->sink->name, .first = l->first, .wanted = l->wanted,
                                                     .records = l->taken.records, .bytes = l->taken.bytes};
    }
    return l;
}

static int write_record(struct spooler *sp, const struct batch *b, struct spool_head *h)
{
    int r = 0;
    buf_clear(&sp->labels);
    for (unsigned i = 0; i < b->n_streams && r == 0; i++)
        r = spool_add_labels(&sp->labels, b->streams[i]->labels, b->streams[i]->n);
    h->kind = b->source->kind;
    h->key = b->source->key;
    h->name = b->source->name;
    h->cursor = b->cursor;
    h->ordinal = b->ordinal;
    h->from = b->from;
    h->to = b->to;
    h->tail_hash = b->tail_hash;
    h->stored = clock_real();
    h->n_streams = b->n_streams;
    h->labels_size = (uint32_t)sp->labels.len;
    h->n_marks = b->n;
    h->data_size = b->used;
    return r < 0 ? r : spool_append(&sp->spool, h, sp->labels.data, b->marks, b->data);
}

static uint64_t size_of(const struct batch *b)
{
    return b->used + b->n * sizeof *b->marks + SPOOL_HEAD_MAX;
}

static void failed(struct spooler *sp, int err)
{
    spool_undo(&sp->spool);
    for (struct lease *l = sp->jobs; l; l = l->job.next)
        if (l->job.state == JOB_WRITTEN)
            l->job.state = JOB_NEW;
    atomic_fetch_add(&sp->failures, 1);
    spooler_say(sp, "cannot write to %s: %s", sp->spool.directory, strerror(-err));
    if (!atomic_exchange(&sp->failing, true))
        log_error("spool", "cannot write to %s: %s; sinks that lag hold up the others until that works again",
                  sp->spool.directory, strerror(-err));
}

static void succeeded(struct spooler *sp)
{
    if (atomic_exchange(&sp->failing, false))
        log_info("spool", "%s is written again", sp->spool.directory);
    if (!atomic_load(&sp->full))
        spooler_say(sp, "%s", "");
}

static void mark_written(struct lease *first, const struct lease *behind, const struct spool_head *h)
{
    for (struct lease *l = first; l != behind; l = l->job.next) {
        if (l->job.state != JOB_NEW)
            continue;
        l->job.state = JOB_WRITTEN;
        l->job.place = h->place;
        l->job.behind = h->next;
    }
}

/* -ENOSPC as an outcome of its own: the share of the disk is used up, which is no failure. */
static int write_all(struct spooler *sp, bool *full, bool *any)
{
    for (struct lease *l = sp->jobs, *next; l; l = next) {
        struct spool_head h = {0};
        next = l->job.next;
        if (l->job.state != JOB_NEW)
            continue;
        next = gather(l, &h);
        if (!h.n_sinks)
            continue;
        if (!segments_make_room(sp, size_of(l->batch))) {
            *full = true;
            return 0;
        }
        int r = write_record(sp, l->batch, &h);
        if (r < 0)
            return r;
        mark_written(l, next, &h);
        *any = true;
    }
    return 0;
}

enum written write_jobs(struct spooler *sp)
{
    bool full = false, any = false;
    int r = write_all(sp, &full, &any);
    if (r == 0 && any) {
        r = spool_sync(&sp->spool);
        atomic_fetch_add(&sp->syncs, 1);
    }
    if (r < 0) {
        failed(sp, r);
        return WRITTEN_NOT;
    }
    for (struct lease *l = sp->jobs; l; l = l->job.next)
        if (l->job.state == JOB_WRITTEN)
            l->job.state = JOB_READY;
    if (any)
        succeeded(sp);
    return full ? WRITTEN_PARTLY : WRITTEN_ALL;
}

/* ---- securing ---- */

static void count(struct spooled *p, const struct lease *l, enum account_spooled now)
{
    const struct spool_job *j = &l->job;
    if (!j->copied)
        p->coming--;
    if (!j->place)
        return;
    if (now == SPOOLED_OVER)
        lane_void(&p->lane, j->behind);
    else if (now == SPOOLED_LENT)
        lane_adopt(&p->lane, j->place, j->behind, account_of_lease(l), l->number);
    else
        lane_append(&p->lane, j->place, j->behind, p->spooler->spool.barrier);
    spooled_changed(p);
}

/* false: not yet. */
static bool commit(struct lease *l)
{
    struct spooled *p = part_of(l);
    struct book *b = &l->sink->book;
    struct secured s;
    lease_to_secure(l, &s);
    pthread_mutex_lock(&b->lock);
    enum account_spooled now = lane_reserve(&p->lane) < 0 ? SPOOLED_NOT_YET : account_spooled(s.account, &s);
    if (now != SPOOLED_NOT_YET) {
        count(p, l, now);
        if (now == SPOOLED_WAITS && !atomic_load(&p->oldest))
            atomic_store(&p->oldest, clock_real());
    }
    pthread_mutex_unlock(&b->lock);
    return now != SPOOLED_NOT_YET;
}

bool write_commits(struct spooler *sp)
{
    bool all = true;
    nothing_held_up(sp);
    for (struct lease **at = &sp->jobs, *l; (l = *at);) {
        struct spooled *p = part_of(l);
        if (l->job.state != JOB_READY || p->held_up || !commit(l)) {
            /* Records are counted in the order of their places. */
            p->held_up |= l->job.state == JOB_READY;
            all &= l->job.state != JOB_READY;
            at = &l->job.next;
            continue;
        }
        remove_job(sp, at);
        job_release(sp, l);
    }
    return all;
}
