#include "core/spool/spooler_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

static const int64_t WATCH_EVERY = 250 * MILLISECOND, FORGET_AFTER = 100 * MILLISECOND, PENDING_EVERY = 50 * MILLISECOND,
                     FULL_EVERY = 500 * MILLISECOND, SAY_AFTER = 2 * SECOND;
static const int64_t RETRY_FIRST = 100 * MILLISECOND, RETRY_MOST = 30 * SECOND;

enum { MEMORY_SHARE = 8, SEGMENTS_LEAST = 32, SEGMENT_LEAST = 1 << 20 };

void spooler_say(struct spooler *sp, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    pthread_mutex_lock(&sp->lock);
    vsnprintf(sp->why, sizeof sp->why, format, ap);
    pthread_mutex_unlock(&sp->lock);
    va_end(ap);
}

void spooler_why(struct spooler *sp, char *text, size_t size)
{
    pthread_mutex_lock(&sp->lock);
    snprintf(text, size, "%s", sp->why);
    pthread_mutex_unlock(&sp->lock);
}

/* ---- for the dispatcher ---- */

bool spooler_may_begin(struct sink *s, bool holds_up)
{
    struct spooled *p = s->spooled;
    if (atomic_load(&p->wanted))
        return true;
    if (!holds_up && clock_mono() - atomic_load(&s->progress) < SPOOL_STALLED) {
        nudge_set(&p->spooler->work); /* which watches until it is stalled, or has room */
        return false;
    }
    atomic_store(&p->wanted, true);
    return true;
}

static bool has_room(struct room *r)
{
    struct spooler *sp = container_of(r, struct spooler, room);
    return atomic_load(&sp->held) < sp->memory;
}

bool spooler_has_room(struct sink *s, struct nudge *room)
{
    return room_wait(&s->spooled->spooler->room, room, has_room);
}

void spooler_forget(struct sink *s, struct nudge *room)
{
    if (s->spooled)
        room_forget(&s->spooled->spooler->room, room);
}

/* Appends a chain of leases to the inbox. */
static void give(struct spooler *sp, struct lease *first, struct lease *last)
{
    pthread_mutex_lock(&sp->lock);
    *sp->inbox_tail = first;
    sp->inbox_tail = &last->job.next;
    pthread_mutex_unlock(&sp->lock);
    nudge_set(&sp->work);
}

/* What the sink has now is copied, before anything that comes later; but for what was copied when it lagged before. */
static void begin_to_lag(struct spooled *p)
{
    struct lease *first = NULL, *last = NULL;
    for (struct lease *l = p->sink->oldest; l; l = l->newer) {
        struct account *a = account_of_lease(l);
        if (l->number <= a->adopting)
            continue;
        account_adopt(a, l->number);
        batch_hold(l->batch);
        l->job = (struct spool_job){.copied = true};
        *(last ? &last->job.next : &first) = l;
        last = l;
    }
    if (first)
        give(p->spooler, first, last);
    atomic_store(&p->since, clock_mono());
    atomic_store(&p->lagging, true);
}

bool spooler_takes(struct lease *l)
{
    struct spooled *p = l->sink->spooled;
    if (!p)
        return false;
    if (!atomic_load(&p->lagging)) {
        if (!atomic_load(&p->wanted))
            return false;
        if (!sink_is_full(p->sink)) {
            atomic_store(&p->wanted, false);
            return false;
        }
        begin_to_lag(p);
    }
    p->coming++;
    l->job = (struct spool_job){0};
    return true;
}

bool spooler_takes_back(struct lease *l)
{
    struct spooled *p = l->sink->spooled;
    if (!p || !l->number || source_rereadable(l->batch->source))
        return false;
    pthread_mutex_lock(&p->sink->book.lock);
    bool takes = l->number > account_of_lease(l)->adopting;
    if (takes) {
        atomic_store(&p->lagging, true);
        p->coming++;
        l->job = (struct spool_job){0};
    }
    pthread_mutex_unlock(&p->sink->book.lock);
    return takes;
}

void spooler_put(struct lease *const *leases, unsigned n)
{
    struct spooler *sp = leases[0]->sink->spooled->spooler;
    for (unsigned i = 0; i < n; i++) {
        batch_hold(leases[i]->batch);
        leases[i]->job.next = i + 1 < n ? leases[i + 1] : NULL;
        if (leases[i]->birth)
            birth_set_owner(leases[i]->birth, sp->scope.id);
    }
    leases[0]->job.cost = leases[0]->batch->cost;
    atomic_fetch_add(&sp->held, leases[0]->job.cost);
    give(sp, leases[0], leases[n - 1]);
}

/* ---- the thread ---- */

void lease_to_secure(const struct lease *l, struct secured *s)
{
    const struct batch *b = l->batch;
    *s = (struct secured){.account = account_of_lease(l), .source = b->source, .number = l->number, .to = b->to,
                          .tail_hash = b->tail_hash, .taken = l->taken};
    memcpy(s->cursor, b->cursor, sizeof s->cursor);
}

void job_release(struct spooler *sp, struct lease *l)
{
    uint64_t cost = l->job.cost;
    if (!l->job.copied) {
        birth_free(l->birth);
        l->birth = NULL;
    }
    batch_release(l->batch);
    uint64_t before = atomic_fetch_sub(&sp->held, cost);
    if (cost && before >= sp->memory && before - cost < sp->memory)
        room_wake(&sp->room);
}

void spooled_changed(struct spooled *s)
{
    struct book *b = &s->sink->book;
    s->changed++;
    if (b->keeper)
        nudge_set(b->keeper);
}

static void take_inbox(struct spooler *sp)
{
    pthread_mutex_lock(&sp->lock);
    if (sp->inbox) {
        *sp->jobs_tail = sp->inbox;
        sp->jobs_tail = sp->inbox_tail;
        sp->inbox = NULL;
        sp->inbox_tail = &sp->inbox;
    }
    pthread_mutex_unlock(&sp->lock);
}

/* The sink has caught up: copies of what it has are not needed. */
static void drop_copies(struct spooled *p)
{
    struct spooler *sp = p->spooler;
    for (struct lease **at = &sp->jobs, *l; (l = *at);) {
        if (l->sink != p->sink || !l->job.copied || l->job.state != JOB_NEW) {
            at = &l->job.next;
            continue;
        }
        account_unadopt(account_of_lease(l), l->number);
        *at = l->job.next;
        if (!*at)
            sp->jobs_tail = at;
        job_release(sp, l);
    }
}

static void end_lag(struct spooled *p)
{
    struct spooler *sp = p->spooler;
    pthread_mutex_lock(&p->sink->book.lock);
    bool over = p->lagging && !p->coming && lane_unread(&p->lane) == LANE_NOTHING && !atomic_load(&sp->draining_over);
    if (over) {
        /* All copies are on the list: the inbox was emptied after the last lease that was coming had been put there. */
        take_inbox(sp);
        drop_copies(p);
        atomic_store(&p->wanted, false);
        atomic_store(&p->lagging, false);
        atomic_store(&p->oldest, 0);
    }
    pthread_mutex_unlock(&p->sink->book.lock);
    if (over)
        room_wake(&sp->room);
    if (over && p->said)
        log_info(p->sink->name, "it has caught up: nothing waits on disk any more");
    p->said &= !over;
}

/* Sinks that are full but do not lag yet, and those who wait for them. */
static void watch_the_full(struct timer *t)
{
    struct spooler *sp = container_of(t, struct spooler, watch);
    for (struct spooled *p = sp->sinks; p; p = p->next) {
        if (!sink_is_full(p->sink) || atomic_load(&p->lagging))
            continue;
        if (clock_mono() - atomic_load(&p->sink->progress) >= SPOOL_STALLED) {
            atomic_store(&p->wanted, true);
            room_wake(&p->sink->room);
        } else {
            timer_set(t, WATCH_EVERY);
        }
    }
}

static void retry_later(struct spooler *sp, int64_t delay)
{
    if (!timer_is_set(&sp->again) || sp->again.due > clock_mono() + delay)
        timer_set(&sp->again, delay);
}

/* Not each time that it is full for a moment. */
static void say_lag(struct spooled *p)
{
    if (p->said || !atomic_load(&p->lagging) || atomic_load(&p->spooler->draining_over))
        return;
    int64_t lags = clock_mono() - atomic_load(&p->since);
    if (lags < SAY_AFTER) {
        retry_later(p->spooler, SAY_AFTER - lags);
        return;
    }
    p->said = true;
    log_warn(p->sink->name, "it lags: what it cannot take now waits on disk until it has caught up");
}

static void show(struct spooler *sp)
{
    atomic_store(&sp->bytes, sp->spool.bytes);
    atomic_store(&sp->written, sp->spool.written);
}

/* After a failure not with each lease that comes, but when it is time. */
static void write_when_due(struct spooler *sp)
{
    int64_t now = clock_mono();
    if (now < sp->retry_at) {
        retry_later(sp, sp->retry_at - now);
        return;
    }
    enum written written = write_jobs(sp);
    sp->retry = written == WRITTEN_NOT ? sp->retry : 0;
    if (written == WRITTEN_PARTLY) {
        retry_later(sp, FULL_EVERY);
    } else if (written == WRITTEN_NOT) {
        sp->retry = sp->retry == 0 ? RETRY_FIRST : 2 * sp->retry < RETRY_MOST ? 2 * sp->retry : RETRY_MOST;
        sp->retry_at = now + sp->retry;
        retry_later(sp, sp->retry);
    }
}

void spooler_pass(struct spooler *sp)
{
    take_inbox(sp);
    write_shortcuts(sp);
    write_when_due(sp);
    if (!write_commits(sp))
        retry_later(sp, PENDING_EVERY);
    for (struct spooled *p = sp->sinks; p; p = p->next) {
        if (!atomic_load(&sp->draining_over))
            read_back(p);
        end_lag(p);
        say_lag(p);
        read_losses(p);
    }
    segments_remove(sp);
    show(sp);
    if (!timer_is_set(&sp->forget) && spool_count(&sp->spool))
        timer_set(&sp->forget, FORGET_AFTER);
    if (!timer_is_set(&sp->watch))
        watch_the_full(&sp->watch);
}

static void on_work(struct nudge *n)
{
    spooler_pass(container_of(n, struct spooler, work));
}

static void on_again(struct timer *t)
{
    spooler_pass(container_of(t, struct spooler, again));
}

static void on_forget(struct timer *t)
{
    struct spooler *sp = container_of(t, struct spooler, forget);
    segments_give_up(sp);
    segments_remove(sp);
    show(sp);
}

static void spooler_run(struct thread *t)
{
    struct spooler *sp = t->arg;
    sp->loop.task = &t->task;
    nudge_set(&sp->work);
    if (loop_run(&sp->loop) < 0)
        log_error("spool", "its event loop failed");
}

static void spooler_stop(struct thread *t)
{
    struct spooler *sp = t->arg;
    loop_stop(&sp->loop);
}

/* ---- life ---- */

/* The disk is given back a segment at a time: a small share has small ones. */
static uint64_t segment_size(uint64_t max_size)
{
    uint64_t size = max_size / SEGMENTS_LEAST;
    return size < SEGMENT_LEAST ? SEGMENT_LEAST : size < SPOOL_SEGMENT ? size : SPOOL_SEGMENT;
}

static int begin(struct spooler *sp, const char *directory, uint64_t last_place)
{
    int r = loop_begin(&sp->loop, &sp->scope, "loop");
    if (r == 0)
        r = nudge_begin(&sp->work, &sp->scope, &sp->loop, "work", on_work);
    if (r == 0)
        r = timer_begin(&sp->again, &sp->scope, &sp->loop, "again", on_again);
    if (r == 0)
        r = timer_begin(&sp->watch, &sp->scope, &sp->loop, "watch", watch_the_full);
    if (r == 0)
        r = timer_begin(&sp->forget, &sp->scope, &sp->loop, "forget", on_forget);
    if (r == 0)
        r = buf_begin(&sp->labels, &sp->scope, "labels", SPOOL_LABELS_MAX);
    if (r == 0)
        r = spool_begin(&sp->spool, &sp->scope, directory, segment_size(atomic_load(&sp->max_size)), last_place);
    return r;
}

void spooler_follow(struct spooler *sp, const struct config *config)
{
    atomic_store(&sp->max_size, config->disk_buffer.max_size);
    atomic_store(&sp->min_free, config->disk_buffer.min_free);
    atomic_store(&sp->drop_oldest, config->disk_buffer.when_full == SPOOL_DROP_OLDEST);
}

int spooler_begin(struct spooler *sp, struct scope *owner, const struct config *config, struct pool *pool, struct past *past,
                  uint64_t last_place)
{
    memset(sp, 0, sizeof *sp);
    spooler_follow(sp, config);
    sp->pool = pool;
    sp->past = past;
    sp->pool_waiter.wake = &sp->work;
    sp->inbox_tail = &sp->inbox;
    sp->jobs_tail = &sp->jobs;
    uint64_t most = pool->limit / MEMORY_SHARE;
    sp->memory = config->disk_buffer.memory < most ? config->disk_buffer.memory : most;
    int r = scope_begin(&sp->scope, owner, "spooler");
    if (r == 0 && (r = begin(sp, config->spool_dir, last_place)) < 0)
        scope_end(&sp->scope);
    if (r < 0)
        return r;
    pthread_mutex_init(&sp->lock, NULL);
    room_begin(&sp->room);
    show(sp);
    return 0;
}

int spooler_start(struct spooler *sp)
{
    return thread_begin(&sp->thread, &sp->scope, "spool", spooler_run, spooler_stop, sp);
}

void spooler_quiesce(struct spooler *sp)
{
    atomic_store(&sp->draining_over, true);
}

/* What can be neither written nor secured stays with its source; nobody has it else. NULL: of all sinks. */
static void give_up(struct spooler *sp, const struct sink *sink)
{
    for (struct lease **at = &sp->jobs, *l; (l = *at);) {
        struct account *a = account_of_lease(l);
        struct secured s;
        if (sink && l->sink != sink) {
            at = &l->job.next;
            continue;
        }
        *at = l->job.next;
        if (!*at)
            sp->jobs_tail = at;
        lease_to_secure(l, &s);
        pthread_mutex_lock(&a->book->lock);
        if (l->number > a->ended) {
            account_unadopt(a, l->number);
            account_returned(a, &s);
        }
        if (!l->job.copied)
            l->sink->spooled->coming--;
        pthread_mutex_unlock(&a->book->lock);
        job_release(sp, l);
    }
}

static void write_what_came(struct spooler *sp)
{
    take_inbox(sp);
    (void)write_jobs(sp);
    (void)write_commits(sp);
}

void spooler_give_back(struct spooler *sp, struct sink *s)
{
    if (!s->spooled)
        return;
    write_what_came(sp);
    give_up(sp, s);
    sink_forget(s, &sp->work);
    show(sp);
}

void spooler_settle(struct spooler *sp)
{
    if (!thing_alive(&sp->scope.thing))
        return;
    thread_end(&sp->thread);
    write_what_came(sp);
    give_up(sp, NULL);
    pool_wait_cancel(sp->pool, &sp->pool_waiter);
    for (struct spooled *p = sp->sinks; p; p = p->next)
        sink_forget(p->sink, &sp->work);
    show(sp);
}

void spooler_end(struct spooler *sp)
{
    if (!thing_alive(&sp->scope.thing))
        return;
    assert(!sp->jobs && !sp->inbox);
    while (sp->sinks)
        spooled_end(sp->sinks);
    scope_end(&sp->scope);
    room_end(&sp->room);
    pthread_mutex_destroy(&sp->lock);
}
