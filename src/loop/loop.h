/*
 * loop: one thread's event loop over epoll.
 *
 * Four ways to be called, all on the loop's own thread:
 *   watch  a descriptor is ready
 *   timer  a time has come
 *   nudge  somebody, on any thread, asked for it; several nudges before the call are one
 *   queue  (queue.h) something arrived from another thread
 *
 * All are things under a scope: begun after the descriptor they watch, and so ended before it.
 * Any of them may be ended, or begun, from within any callback, its own included.
 *
 * Whatever waits, waits here: loop_stop() from any thread ends loop_run() at once.
 */
#pragma once

#include <pthread.h>
#include <sys/epoll.h>

#include "base/fd.h"
#include "base/task.h"

struct nudge;
struct timer;

enum { LOOP_EVENTS = 64 };

struct pause {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool running, parked; /* under the lock: the thread is in loop_run(); it waits to be resumed */
    _Atomic bool wanted;
};

struct loop {
    struct scope scope;
    struct fd epoll, wake;
    struct task *task; /* the thread's, for its heartbeat; may be NULL */
    struct timer **heap; /* the set ones; places count from 1 */
    size_t timers, heap_cap, alive_timers;
    struct nudge *_Atomic nudged; /* pushed by any thread */
    struct nudge *taken;          /* being called, newest first turned to oldest first */
    _Atomic bool sleeping, stop;
    struct epoll_event events[LOOP_EVENTS];
    int n_events, next_event;
    int64_t now; /* clock_mono() of this turn */
    struct pause pause;
};

int loop_begin(struct loop *l, struct scope *owner, const char *name);
void loop_end(struct loop *l);
/* Runs until loop_stop(). Returns 0, or -errno when epoll itself fails. */
int loop_run(struct loop *l);
void loop_stop(struct loop *l); /* any thread; before loop_run() too */
void loop_again(struct loop *l); /* after loop_run() has returned: it may run another time */
/*
 * Holds the loop between two turns, so that another thread may change what its callbacks use: once loop_pause() has
 * returned 0 no callback runs until loop_resume(), whether the loop was running, is yet to run or has stopped.
 * -ETIMEDOUT: a callback did not return within `patience`; the loop goes on. For one other thread at a time, not the loop's own.
 */
int loop_pause(struct loop *l, int64_t patience);
void loop_resume(struct loop *l);
/*
 * From a callback that waits for another thread and touches nothing of what others may change: meanwhile loop_pause()
 * succeeds; loop_wait_end() returns once the loop is resumed.
 */
void loop_wait_begin(struct loop *l);
void loop_wait_end(struct loop *l);

struct watch {
    struct thing thing;
    struct loop *loop;
    int fd;
    void (*fn)(struct watch *w, uint32_t events);
};
int watch_begin(struct watch *w, struct scope *owner, struct loop *l, int fd, uint32_t events,
                void (*fn)(struct watch *, uint32_t));
int watch_set(struct watch *w, uint32_t events);
void watch_end(struct watch *w);

struct timer {
    struct thing thing;
    struct loop *loop;
    int64_t due;  /* clock_mono(); meaningful while set */
    size_t place; /* in the heap, from 1; 0: not set */
    void (*fn)(struct timer *t);
};
int timer_begin(struct timer *t, struct scope *owner, struct loop *l, const char *name,
                void (*fn)(struct timer *));
void timer_set(struct timer *t, int64_t delay); /* from now; replaces what was set. Never fails. */
void timer_clear(struct timer *t);
static inline bool timer_is_set(const struct timer *t)
{
    return t->place != 0;
}
void timer_end(struct timer *t);

struct nudge {
    struct thing thing;
    struct loop *loop;
    struct nudge *next;
    _Atomic bool pending;
    void (*fn)(struct nudge *n);
};
int nudge_begin(struct nudge *n, struct scope *owner, struct loop *l, const char *name,
                void (*fn)(struct nudge *));
/* Any thread. From the loop's own thread: fn is called in the next turn, after ready events. */
void nudge_set(struct nudge *n);
void nudge_end(struct nudge *n); /* the loop's thread; nobody may set it any more */
