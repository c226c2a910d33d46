#include "core/sink.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "codec/glob.h"
#include "core/letters/letters.h"
#include "core/source.h"
#include "core/spool/spooler.h"

static const int64_t START_AGAIN_FIRST = 10 * MILLISECOND, START_AGAIN_MOST = 30 * SECOND;

/* ---- the sink's thread ---- */

/* Beyond the rate limit leases stay in the queue, which fills, which stops the readers. Not at a stop: it has a deadline. */
static bool within_rate(struct sink *s)
{
    int64_t wait = s->stopping ? 0 : bucket_wait(&s->bucket, clock_mono());
    if (wait)
        timer_set(&s->refill, wait);
    return wait == 0;
}

static void give(struct sink *s, struct qnode *n)
{
    struct lease *l = container_of(n, struct lease, node);
    const struct origin *origin = l->batch->origin;
    if (repeats_on(&s->repeats) && !(origin && origin->counter == ORIGIN_DEAD))
        repeats_look(&s->repeats, l);
    bucket_take(&s->bucket, lease_amount(l).bytes);
    s->type->take(s, l);
}

static void take_leases(struct queue *q)
{
    struct sink *s = container_of(q, struct sink, queue);
    if (!s->started || atomic_load(&s->holding))
        return;
    while (s->kept) {
        struct qnode *n = s->kept;
        s->kept = n->next;
        give(s, n);
    }
    for (struct qnode *n; within_rate(s) && (n = queue_pop(q));)
        give(s, n);
}

static void refill_came(struct timer *t)
{
    take_leases(&container_of(t, struct sink, refill)->queue);
}

/* The sink's thread. */
static void keep(struct sink *s, struct lease *l)
{
    l->node.next = NULL;
    *s->last_kept = &l->node;
    s->last_kept = &l->node.next;
}

static void return_leases(struct sink *s)
{
    while (s->kept) {
        struct qnode *n = s->kept;
        s->kept = n->next;
        lease_returned(container_of(n, struct lease, node));
    }
    for (struct qnode *n; (n = queue_pop(&s->queue));)
        lease_returned(container_of(n, struct lease, node));
}

static void begin_stop(struct nudge *n)
{
    struct sink *s = container_of(n, struct sink, stop_nudge);
    if (s->stopping)
        return;
    s->stopping = true;
    s->last_kept = &s->kept;
    while (*s->last_kept)
        s->last_kept = &(*s->last_kept)->next;
    if (!atomic_load(&s->holding))
        queue_shut(&s->queue);
    if (s->started) {
        take_leases(&s->queue);
        s->type->stop(s, s->stop_deadline);
    } else {
        timer_clear(&s->start);
        if (!atomic_load(&s->holding))
            return_leases(s);
        sink_drained(s);
    }
}

void sink_drained(struct sink *s)
{
    s->drained = true;
    loop_stop(&s->loop);
}

static void start_failed(struct sink *s, int err)
{
    if (!s->error[0])
        sink_set_error(s, "cannot start: %s", strerror(err));
    if (!atomic_exchange(&s->stats.failing, true))
        log_error(s->name, "%s; it is tried again, and nothing is delivered until then", s->error);
    s->start_delay = s->start_delay ? 2 * s->start_delay : START_AGAIN_FIRST;
    if (s->start_delay > START_AGAIN_MOST)
        s->start_delay = START_AGAIN_MOST;
    timer_set(&s->start, s->start_delay);
}

static int begin_repeats(struct sink *s)
{
    const struct deduplicate_config *c = &s->config->deduplicate;
    return c->enabled ? repeats_begin(&s->repeats, &s->thread.scope, s->pool, c->window, c->max_lines, &s->stats.forgotten_lines)
                      : 0;
}

static void start_type(struct timer *t)
{
    struct sink *s = container_of(t, struct sink, start);
    sink_set_error(s, "%s", "");
    int r = begin_repeats(s);
    if (r == 0)
        r = s->type->start(s);
    if (r < 0) {
        repeats_end(&s->repeats);
        start_failed(s, -r);
        return;
    }
    s->started = true;
    if (s->start_delay) {
        atomic_store(&s->stats.failing, false);
        log_info(s->name, "started");
    }
    take_leases(&s->queue);
}

static void sink_run(struct thread *t)
{
    struct sink *s = t->arg;
    s->loop.task = &t->task;
    start_type(&s->start);
    if (loop_run(&s->loop) < 0)
        log_error("sink", "%s: its event loop failed", s->name);
}

static void sink_thread_stop(struct thread *t)
{
    struct sink *s = t->arg;
    sink_stop(s, clock_mono());
}

/* ---- life ---- */

int sink_begin(struct sink *s, struct scope *owner, unsigned index, const struct sink_config *config,
               const struct config *root, const struct sink_type *type, struct pool *pool)
{
    memset(s, 0, sizeof *s);
    s->index = index;
    s->name = config->name;
    s->type = type;
    s->config = config;
    s->root_config = root;
    s->pool = pool;
    int r = scope_begin(&s->scope, owner, config->name);
    if (r < 0)
        return r;
    r = loop_begin(&s->loop, &s->scope, "loop");
    if (r == 0)
        r = queue_begin(&s->queue, &s->scope, &s->loop, "leases", 0, take_leases);
    if (r == 0)
        r = nudge_begin(&s->stop_nudge, &s->scope, &s->loop, "stop", begin_stop);
    if (r == 0)
        r = timer_begin(&s->start, &s->scope, &s->loop, "start", start_type);
    if (r == 0)
        r = timer_begin(&s->refill, &s->scope, &s->loop, "refill", refill_came);
    if (r < 0) {
        scope_end(&s->scope);
        return r;
    }
    bucket_begin(&s->bucket, config->rate_limit.bytes_per_second, config->rate_limit.burst, clock_mono());
    s->share = UINT64_MAX;
    room_begin(&s->room);
    pthread_mutex_init(&s->lock, NULL);
    return book_begin(&s->book, s);
}

int sink_start(struct sink *s)
{
    return thread_begin(&s->thread, &s->scope, s->name, sink_run, sink_thread_stop, s);
}

void sink_stop(struct sink *s, int64_t deadline)
{
    /* The deadline of the first who asks holds; the nudge publishes it. */
    if (!s->stop_asked) {
        s->stop_asked = true;
        s->stop_deadline = deadline;
        nudge_set(&s->stop_nudge);
    }
}

void sink_hold(struct sink *s, int64_t deadline)
{
    atomic_store(&s->holding, true);
    sink_stop(s, deadline);
}

/* What a type without unload() had lay below the thread that is gone. */
void sink_go_on(struct sink *s)
{
    assert(!thing_alive(&s->thread.scope.thing));
    if (!s->type->unload)
        s->state = NULL;
    s->stop_asked = s->stopping = s->drained = false;
    s->started = false;
    s->start_delay = 0;
    atomic_store(&s->holding, false);
    atomic_store(&s->stats.failing, false);
    sink_set_error(s, "%s", "");
    loop_again(&s->loop);
}

void sink_give_up(struct sink *s)
{
    assert(!thing_alive(&s->thread.scope.thing));
    atomic_store(&s->holding, false);
    queue_shut(&s->queue);
    return_leases(s);
    room_wake(&s->room); /* who waited for it need not any more */
}

int sink_change(struct sink *s, const struct sink_config *config, const struct config *root, struct store *store)
{
    sink_go_on(s);
    if (s->type->unload && s->state)
        s->type->unload(s);
    s->state = NULL;
    s->config = config;
    s->root_config = root;
    s->name = config->name;
    bucket_begin(&s->bucket, config->rate_limit.bytes_per_second, config->rate_limit.burst, clock_mono());
    return s->type->load && store ? s->type->load(s, store) : 0;
}

void sink_join(struct sink *s)
{
    thread_end(&s->thread);
    if (!s->stop_asked || atomic_load(&s->holding))
        return;
    queue_shut(&s->queue); /* it may have had no thread: what could not be started again after sink_hold() */
    return_leases(s);
}

void sink_end(struct sink *s)
{
    if (!thing_alive(&s->scope.thing))
        return;
    sink_join(s);
    assert(atomic_load(&s->leases) == 0);
    scope_end(&s->scope);
    book_end(&s->book);
    pthread_mutex_destroy(&s->lock);
    room_end(&s->room);
}

void sink_set_error(struct sink *s, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    pthread_mutex_lock(&s->lock);
    vsnprintf(s->error, sizeof s->error, format, ap);
    pthread_mutex_unlock(&s->lock);
    va_end(ap);
}

/* ---- room ---- */

uint64_t sink_limit(const struct sink *s)
{
    return s->config->queue_size < s->share ? s->config->queue_size : s->share;
}

bool sink_is_full(struct sink *s)
{
    return atomic_load(&s->held) >= sink_limit(s);
}

static bool has_room(struct room *r)
{
    return !sink_is_full(container_of(r, struct sink, room));
}

bool sink_has_room(struct sink *s, struct nudge *room)
{
    return room_wait(&s->room, room, has_room);
}

void sink_forget(struct sink *s, struct nudge *room)
{
    room_forget(&s->room, room);
}

void sink_let_go(struct sink *s, uint64_t cost)
{
    uint64_t before = atomic_fetch_sub(&s->held, cost);
    atomic_store(&s->progress, clock_mono());
    if (before >= sink_limit(s) / 2 && before - cost < sink_limit(s))
        room_wake(&s->room);
}

/* ---- leases that it has ---- */

void sink_add_lease(struct lease *l)
{
    struct sink *s = l->sink;
    l->older = s->newest;
    l->newer = NULL;
    *(s->newest ? &s->newest->newer : &s->oldest) = l;
    s->newest = l;
}

static void remove_lease(struct lease *l)
{
    struct sink *s = l->sink;
    *(l->older ? &l->older->newer : &s->oldest) = l->newer;
    *(l->newer ? &l->newer->older : &s->newest) = l->older;
}

void sink_hand_over(struct lease *l)
{
    struct sink *s = l->sink;
    batch_hold(l->batch);
    atomic_fetch_add(&s->leases, 1);
    if (atomic_fetch_add(&s->held, l->batch->cost) == 0)
        atomic_store(&s->progress, clock_mono());
    if (queue_push(&s->queue, &l->node, l->batch->cost) < 0)
        lease_returned(l); /* the sink is stopping */
}

/* ---- what it wants ---- */

bool sink_wants(const struct sink *s, const struct stream *stream)
{
    const struct label_list *match = &s->config->match;
    for (unsigned i = 0; i < match->n; i++) {
        const char *value = stream_value(stream, match->items[i].name);
        if (!value || !glob_match(match->items[i].value, value))
            return false;
    }
    return true;
}

bool lease_next(const struct lease *l, uint32_t *i, uint32_t *next)
{
    const struct batch *b = l->batch;
    while (*i < b->n && (!(l->wanted >> b->marks[*i].stream & 1) || lease_repeats(l, *i)))
        ++*i;
    if (*i >= b->n)
        return false;
    *next = batch_entry_end(b, *i);
    return true;
}

/* ---- the end of a lease ---- */

static struct account *account_of(const struct lease *l)
{
    return source_account(l->batch->source, l->sink);
}

void lease_copy(const struct lease *l, struct secured *out)
{
    const struct batch *b = l->batch;
    *out = (struct secured){
        .account = account_of(l),
        .source = source_ref(b->source),
        .origin = b->origin,
        .ticket = b->ticket,
        .refused = l->refused,
        .number = l->number,
        .to = b->to,
        .tail_hash = b->tail_hash,
        .taken = l->taken,
        .left_out = l->left_out,
    };
    memcpy(out->cursor, b->cursor, sizeof out->cursor);
}

void lease_release(struct lease *l)
{
    struct sink *s = l->sink;
    struct batch *b = l->batch;
    uint64_t cost = b->cost;
    if (l->number) {
        pthread_mutex_lock(&s->book.lock);
        remove_lease(l);
        pthread_mutex_unlock(&s->book.lock);
    }
    intent_forget(l);
    repeats_forget(l);
    birth_free(l->birth);
    l->birth = NULL;
    batch_release(b);
    atomic_fetch_sub(&s->leases, 1);
    sink_let_go(s, cost);
}

void secured_commit(struct secured *s, const struct outcome *outcome)
{
    pthread_mutex_t *lock = &s->account->book->lock;
    pthread_mutex_lock(lock);
    refused_settle(s);
    account_secured(s->account, s, outcome);
    pthread_mutex_unlock(lock);
    source_unref(s->source);
    s->source = NULL;
}

/* Its batch is gone, so that it cannot be kept for the time after a change of the configuration. */
static void secured_return(struct secured *s)
{
    const struct outcome lost = {.dropped[DROP_SHUTDOWN] = s->taken};
    refused_forget(s->refused);
    if (atomic_load(&s->account->book->sink->holding))
        account_secured(s->account, s, &lost);
    else
        account_returned(s->account, s);
    source_unref(s->source);
    s->source = NULL;
}

void lease_secured(struct lease *l, const struct outcome *outcome)
{
    struct secured s;
    lease_copy(l, &s);
    lease_release(l);
    secured_commit(&s, outcome);
}

void lease_returned(struct lease *l)
{
    struct secured s;
    repeats_forget(l);
    if (atomic_load(&l->sink->holding)) {
        intent_forget(l);
        refused_forget(l->refused); /* it will be asked about all of it again */
        l->refused = NULL;
        keep(l->sink, l);
        return;
    }
    if (spooler_takes_back(l)) {
        struct batch *b = l->batch;
        batch_hold(b);
        refused_forget(l->refused); /* the same here */
        l->refused = NULL;
        lease_release(l);
        spooler_put(&l, 1);
        batch_release(b);
        return;
    }
    lease_copy(l, &s);
    lease_release(l);
    secured_return(&s);
}
