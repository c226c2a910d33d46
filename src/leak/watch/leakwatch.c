#include "leak/watch/leakwatch.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

int64_t leakwatch_real(int64_t mono)
{
    return mono ? clock_real() - (clock_mono() - mono) : 0;
}

void leakwatch_lock(struct leakwatch *w)
{
    pthread_mutex_lock(&w->lock);
}

void leakwatch_unlock(struct leakwatch *w)
{
    pthread_mutex_unlock(&w->lock);
}

const struct alert *leakwatch_alert(const struct leakwatch *w, unsigned n)
{
    const struct alert_ring *r = &w->alerts;
    return n < r->n ? &r->list[(r->next + 2 * r->room - 1 - n) % r->room] : NULL;
}

/* ---- the loop ---- */

static void on_second(struct timer *t)
{
    struct leakwatch *w = container_of(t, struct leakwatch, second);
    timer_set(t, SECOND);
    measure_second(w);
    /* Those that are sure now are not left until the next check. */
    if (strays_look_again(&w->strays, &w->tally))
        judge_section(w, SERIES_OF_RESOURCES);
}

static void on_tasks(struct timer *t)
{
    struct leakwatch *w = container_of(t, struct leakwatch, tasks);
    timer_set(t, w->settings.interval[SERIES_OF_TASKS]);
    measure_tasks(w);
    judge_section(w, SERIES_OF_TASKS);
}

static void on_resources(struct timer *t)
{
    struct leakwatch *w = container_of(t, struct leakwatch, resources);
    timer_set(t, w->settings.interval[SERIES_OF_RESOURCES]);
    measure_resources(w);
    judge_section(w, SERIES_OF_RESOURCES);
}

static void leakwatch_run(struct thread *t)
{
    struct leakwatch *w = t->arg;
    w->loop.task = &t->task;
    if (loop_run(&w->loop) < 0)
        log_error("leaks", "the event loop failed: nothing is watched any more");
}

static void leakwatch_thread_stop(struct thread *t)
{
    struct leakwatch *w = t->arg;
    loop_stop(&w->loop);
}

/* ---- settings ---- */

static int make_ring(struct leakwatch *w, unsigned room)
{
    struct alert_ring *r = &w->alerts;
    struct alert *list = mem_new(&w->scope, room * sizeof *list, "alerts");
    if (!list)
        return -ENOMEM;
    unsigned n = r->n < room ? r->n : room;
    for (unsigned i = 0; i < n; i++)
        list[n - 1 - i] = *leakwatch_alert(w, i);
    mem_free(r->list);
    *r = (struct alert_ring){list, room, n, n % room, r->said};
    return 0;
}

static void set_timers(struct leakwatch *w)
{
    int64_t tasks = w->settings.interval[SERIES_OF_TASKS], resources = w->settings.interval[SERIES_OF_RESOURCES];
    timer_clear(&w->tasks);
    timer_clear(&w->resources);
    timer_clear(&w->second);
    if (tasks)
        timer_set(&w->tasks, tasks < SECOND ? tasks : SECOND);
    if (resources)
        timer_set(&w->resources, resources < SECOND ? resources : SECOND);
    if ((tasks || resources) && !w->settings.foreign)
        timer_set(&w->second, SECOND);
}

void leakwatch_follow(struct leakwatch *w, const struct leakwatch_settings *settings)
{
    if (!thing_alive(&w->thread.task.thing))
        return;
    pthread_mutex_lock(&w->lock);
    w->settings = *settings;
    if (settings->alerts_kept != w->alerts.room)
        (void)make_ring(w, settings->alerts_kept); /* it stays as it was */
    pthread_mutex_unlock(&w->lock);
    set_timers(w);
}

/* ---- life ---- */

void leakwatch_expect(struct leakwatch *w, const char *task_kind, uint64_t (*allowed)(void *arg), void *arg, bool follows_demand)
{
    if (w->n_expectations < EXPECTATIONS)
        w->expectations[w->n_expectations++] = (struct expectation){task_kind, allowed, arg, follows_demand, 0, 0};
}

static int begin_loop(struct leakwatch *w)
{
    int r = loop_begin(&w->loop, &w->scope, "loop");
    if (r == 0)
        r = timer_begin(&w->second, &w->scope, &w->loop, "second", on_second);
    if (r == 0)
        r = timer_begin(&w->tasks, &w->scope, &w->loop, "tasks", on_tasks);
    if (r == 0)
        r = timer_begin(&w->resources, &w->scope, &w->loop, "resources", on_resources);
    if (r == 0)
        r = scope_begin(&w->life, &w->scope, "thread");
    return r;
}

int leakwatch_begin(struct leakwatch *w, struct scope *owner, const struct leakwatch_settings *settings, struct alert_listener *listener)
{
    memset(w, 0, sizeof *w);
    w->settings = *settings;
    w->listener = listener;
    w->started = clock_mono();
    w->silent = (struct silent){.list = w->silent_tasks, .room = TALLY_SUSPECTS};
    int r = scope_begin(&w->scope, owner, "leakwatch");
    if (r < 0)
        return r;
    pthread_mutex_init(&w->lock, NULL);
    r = tally_begin(&w->tally, &w->scope, settings->foreign);
    if (r == 0 && !settings->foreign)
        r = strays_begin(&w->strays, &w->scope, &w->tally);
    if (r == 0)
        r = numbers_begin(&w->open, &w->scope, "open descriptors");
    if (r == 0)
        r = series_begin(&w->series, &w->scope);
    if (r == 0 && !(w->findings.list = mem_new(&w->scope, FINDINGS_MAX * sizeof *w->findings.list, "findings")))
        r = -errno;
    if (r == 0)
        r = make_ring(w, settings->alerts_kept);
    if (r == 0)
        r = buf_begin(&w->details, &w->scope, "alert", LEAKWATCH_DETAILS);
    if (r == 0 && !(w->footprints = mem_new(&w->scope, 2 * sizeof *w->footprints, "footprints")))
        r = -ENOMEM;
    for (int i = 0; r == 0 && i < 2; i++)
        w->footprints[i].taken = 0;
    if (r == 0)
        r = begin_loop(w);
    if (r < 0)
        leakwatch_end(w);
    return r;
}

void leakwatch_end(struct leakwatch *w)
{
    if (!thing_alive(&w->scope.thing))
        return;
    scope_end(&w->scope);
    pthread_mutex_destroy(&w->lock);
}

int leakwatch_start(struct leakwatch *w)
{
    set_timers(w);
    return thread_begin(&w->thread, &w->life, "watch", leakwatch_run, leakwatch_thread_stop, w);
}

void leakwatch_stop(struct leakwatch *w)
{
    if (!thing_alive(&w->scope.thing))
        return;
    thread_end(&w->thread);
    pthread_mutex_lock(&w->lock);
    series_flush(&w->series);
    pthread_mutex_unlock(&w->lock);
}
