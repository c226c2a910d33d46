#include "loop/loop.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/mem.h"
#include "loop/pause.h"

int loop_begin(struct loop *l, struct scope *owner, const char *name)
{
    memset(l, 0, sizeof *l);
    l->pause.lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    l->pause.changed = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
    l->epoll.n = l->wake.n = -1;
    int r = scope_begin(&l->scope, owner, name);
    if (r < 0)
        return r;
    r = fd_epoll(&l->epoll, &l->scope);
    if (r == 0)
        r = fd_event(&l->wake, &l->scope, "loop wake");
    if (r == 0) {
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL};
        if (fault_here("epoll_ctl") || epoll_ctl(l->epoll.n, EPOLL_CTL_ADD, l->wake.n, &e) < 0)
            r = -errno;
    }
    if (r < 0)
        scope_end(&l->scope);
    return r;
}

void loop_end(struct loop *l)
{
    scope_end(&l->scope);
}

void loop_wake(struct loop *l)
{
    uint64_t one = 1;
    /* Only EAGAIN is possible, and then the loop is awake already. */
    (void)!write(l->wake.n, &one, sizeof one);
}

void loop_stop(struct loop *l)
{
    atomic_store(&l->stop, true);
    loop_wake(l);
}

void loop_again(struct loop *l)
{
    atomic_store(&l->stop, false);
}

/* ---- watches ---- */

static void watch_thing_end(struct thing *t)
{
    struct watch *w = container_of(t, struct watch, thing);
    struct loop *l = w->loop;
    epoll_ctl(l->epoll.n, EPOLL_CTL_DEL, w->fd, NULL);
    for (int i = l->next_event; i < l->n_events; i++)
        if (l->events[i].data.ptr == w)
            l->events[i].events = 0;
}

int watch_begin(struct watch *w, struct scope *owner, struct loop *l, int fd, uint32_t events,
                void (*fn)(struct watch *, uint32_t))
{
    *w = (struct watch){.loop = l, .fd = fd, .fn = fn};
    int r = thing_begin(&w->thing, owner, BIRTH_WATCH, "watch", 0, watch_thing_end);
    if (r < 0)
        return r;
    birth_set_fd(w->thing.birth, fd);
    struct epoll_event e = {.events = events, .data.ptr = w};
    if (fault_here("epoll_ctl") || epoll_ctl(l->epoll.n, EPOLL_CTL_ADD, fd, &e) < 0) {
        r = -errno;
        thing_unborn(&w->thing);
    }
    return r;
}

int watch_set(struct watch *w, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.ptr = w};
    return epoll_ctl(w->loop->epoll.n, EPOLL_CTL_MOD, w->fd, &e) < 0 ? -errno : 0;
}

void watch_end(struct watch *w)
{
    thing_end(&w->thing);
}

/* ---- timers: a binary heap; places count from 1, heap[0] is unused ---- */

static void heap_put(struct loop *l, size_t place, struct timer *t)
{
    l->heap[place] = t;
    t->place = place;
}

static void heap_up(struct loop *l, struct timer *t)
{
    size_t i = t->place;
    for (; i > 1 && l->heap[i / 2]->due > t->due; i /= 2)
        heap_put(l, i, l->heap[i / 2]);
    heap_put(l, i, t);
}

static void heap_down(struct loop *l, struct timer *t)
{
    size_t i = t->place;
    for (;;) {
        size_t child = 2 * i;
        if (child > l->timers)
            break;
        if (child < l->timers && l->heap[child + 1]->due < l->heap[child]->due)
            child++;
        if (l->heap[child]->due >= t->due)
            break;
        heap_put(l, i, l->heap[child]);
        i = child;
    }
    heap_put(l, i, t);
}

void timer_clear(struct timer *t)
{
    struct loop *l = t->loop;
    if (!t->place)
        return;
    struct timer *last = l->heap[l->timers--];
    if (last != t) {
        heap_put(l, t->place, last);
        heap_up(l, last);
        heap_down(l, last);
    }
    t->place = 0;
}

void timer_set(struct timer *t, int64_t delay)
{
    struct loop *l = t->loop;
    timer_clear(t);
    t->due = clock_mono() + delay;
    assert(l->timers + 1 < l->heap_cap);
    heap_put(l, ++l->timers, t);
    heap_up(l, t);
}

/* The heap has room for each timer that is alive, so that timer_set() cannot fail. */
static int heap_room(struct loop *l, size_t timers)
{
    if (timers + 1 < l->heap_cap)
        return 0;
    size_t cap = l->heap_cap ? l->heap_cap * 2 : 16;
    void *heap = l->heap ? mem_resize(l->heap, cap * sizeof *l->heap)
                         : mem_new(&l->scope, cap * sizeof *l->heap, "timer heap");
    if (!heap)
        return -errno;
    l->heap = heap;
    l->heap_cap = cap;
    return 0;
}

static void timer_thing_end(struct thing *t)
{
    struct timer *timer = container_of(t, struct timer, thing);
    timer_clear(timer);
    timer->loop->alive_timers--;
}

int timer_begin(struct timer *t, struct scope *owner, struct loop *l, const char *name,
                void (*fn)(struct timer *))
{
    *t = (struct timer){.loop = l, .fn = fn};
    int r = heap_room(l, l->alive_timers + 1);
    if (r == 0)
        r = thing_begin(&t->thing, owner, BIRTH_TIMER, name, 0, timer_thing_end);
    if (r == 0)
        l->alive_timers++;
    return r;
}

void timer_end(struct timer *t)
{
    thing_end(&t->thing);
}

static void run_timers(struct loop *l)
{
    /* Those set from a callback for now or before wait for the next turn. */
    while (l->timers && l->heap[1]->due <= l->now) {
        struct timer *t = l->heap[1];
        timer_clear(t);
        t->fn(t);
    }
}

/* ---- nudges: a stack that any thread pushes and the loop takes whole ---- */

void nudge_set(struct nudge *n)
{
    if (atomic_exchange(&n->pending, true))
        return;
    struct loop *l = n->loop;
    n->next = atomic_load(&l->nudged);
    while (!atomic_compare_exchange_weak(&l->nudged, &n->next, n))
        ;
    if (atomic_load(&l->sleeping))
        loop_wake(l);
}

static void take_nudges(struct loop *l)
{
    struct nudge *stack = atomic_exchange(&l->nudged, NULL);
    struct nudge **tail = &l->taken;
    while (*tail)
        tail = &(*tail)->next;
    struct nudge *oldest = NULL;
    while (stack) {
        struct nudge *next = stack->next;
        stack->next = oldest;
        oldest = stack;
        stack = next;
    }
    *tail = oldest;
}

static void run_nudges(struct loop *l)
{
    take_nudges(l);
    while (l->taken) {
        struct nudge *n = l->taken;
        l->taken = n->next;
        atomic_store(&n->pending, false);
        n->fn(n);
    }
}

static void nudge_thing_end(struct thing *t)
{
    struct nudge *n = container_of(t, struct nudge, thing);
    if (!atomic_load(&n->pending))
        return;
    take_nudges(n->loop);
    for (struct nudge **p = &n->loop->taken; *p; p = &(*p)->next)
        if (*p == n) {
            *p = n->next;
            break;
        }
    atomic_store(&n->pending, false);
}

int nudge_begin(struct nudge *n, struct scope *owner, struct loop *l, const char *name,
                void (*fn)(struct nudge *))
{
    *n = (struct nudge){.loop = l, .fn = fn};
    return thing_begin(&n->thing, owner, BIRTH_WATCH, name, 0, nudge_thing_end);
}

void nudge_end(struct nudge *n)
{
    thing_end(&n->thing);
}

/* ---- the loop ---- */

static int sleep_ms(struct loop *l)
{
    if (atomic_load(&l->nudged) || l->taken || atomic_load(&l->stop) || atomic_load(&l->pause.wanted))
        return 0;
    if (!l->timers)
        return -1;
    int64_t left = l->heap[1]->due - clock_mono();
    if (left <= 0)
        return 0;
    int64_t ms = (left + MILLISECOND - 1) / MILLISECOND;
    return ms > 1000 * 1000 ? 1000 * 1000 : (int)ms;
}

static void drain_wake(struct loop *l)
{
    uint64_t count;
    (void)!read(l->wake.n, &count, sizeof count);
}

static int run_turns(struct loop *l)
{
    while (!atomic_load(&l->stop)) {
        pause_here(l);
        /* Sleeping is announced before the last look at the nudges, so that none is missed. */
        atomic_store(&l->sleeping, true);
        int timeout = sleep_ms(l);
        if (l->task && timeout != 0)
            task_wait(l->task);
        int n = epoll_wait(l->epoll.n, l->events, LOOP_EVENTS, timeout);
        atomic_store(&l->sleeping, false);
        if (n < 0 && errno != EINTR)
            return -errno;
        l->now = clock_mono();
        if (l->task)
            task_beat(l->task);

        l->n_events = n < 0 ? 0 : n;
        for (l->next_event = 0; l->next_event < l->n_events;) {
            struct epoll_event e = l->events[l->next_event++];
            struct watch *w = e.data.ptr;
            if (!w)
                drain_wake(l);
            else if (e.events)
                w->fn(w, e.events);
        }
        l->n_events = l->next_event = 0;
        run_timers(l);
        run_nudges(l);
    }
    return 0;
}

int loop_run(struct loop *l)
{
    pause_enter(l);
    int r = run_turns(l);
    pause_leave(l);
    return r;
}
