#include "leak/watch/leakwatch.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

enum { BODY_MAX = WEBHOOK_BODY, DETAILS_MAX = WEBHOOK_BODY / 2 };

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
    timer_set(t, w->config->task_tracking.check_interval);
    measure_tasks(w);
    judge_section(w, SERIES_OF_TASKS);
}

static void on_resources(struct timer *t)
{
    struct leakwatch *w = container_of(t, struct leakwatch, resources);
    timer_set(t, w->config->resource_monitoring.check_interval);
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

/* ---- configuration ---- */

static void begin_webhook(struct leakwatch *w, struct webhook *hook, const char *url)
{
    int r = *url ? webhook_begin(hook, &w->posting, &w->loop, url) : 0;
    if (r == -EINVAL)
        log_error("leaks", "alerts cannot be posted: the webhook's address makes no sense");
    else if (r < 0)
        log_error("leaks", "alerts cannot be posted: %s", strerror(-r));
}

static void begin_webhooks(struct leakwatch *w, const struct config *c)
{
    begin_webhook(w, &w->of_tasks, c->task_tracking.alert_webhook);
    begin_webhook(w, &w->of_resources, c->resource_monitoring.alert_webhook_url);
}

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
    const struct config *c = w->config;
    timer_clear(&w->tasks);
    timer_clear(&w->resources);
    timer_clear(&w->second);
    if (c->task_tracking.enabled)
        timer_set(&w->tasks, c->task_tracking.check_interval < SECOND ? c->task_tracking.check_interval : SECOND);
    if (c->resource_monitoring.enabled)
        timer_set(&w->resources, SECOND);
    if (c->task_tracking.enabled || c->resource_monitoring.enabled)
        timer_set(&w->second, SECOND);
}

void leakwatch_follow(struct leakwatch *w, const struct config *config)
{
    const struct config *before = w->config;
    if (!thing_alive(&w->thread.task.thing))
        return;
    bool same_hooks = strcmp(before->task_tracking.alert_webhook, config->task_tracking.alert_webhook) == 0 &&
                      strcmp(before->resource_monitoring.alert_webhook_url, config->resource_monitoring.alert_webhook_url) == 0;
    w->config = config;
    atomic_store(&w->history.retention, config->task_tracking.retention_period);
    pthread_mutex_lock(&w->lock);
    if (config->resource_monitoring.max_alert_history != w->alerts.room)
        (void)make_ring(w, config->resource_monitoring.max_alert_history); /* it stays as it was */
    pthread_mutex_unlock(&w->lock);
    if (!same_hooks) {
        webhook_end(&w->of_tasks);
        webhook_end(&w->of_resources);
        begin_webhooks(w, config);
    }
    set_timers(w);
}

/* ---- life ---- */

void leakwatch_expect(struct leakwatch *w, const char *task_kind, uint64_t (*allowed)(void *arg), void *arg, bool follows_demand)
{
    if (w->n_expectations < EXPECTATIONS)
        w->expectations[w->n_expectations++] = (struct expectation){task_kind, allowed, arg, follows_demand, 0, 0};
}

struct keeper_guest *leakwatch_guest(struct leakwatch *w)
{
    return &w->history.guest;
}

int leakwatch_begin(struct leakwatch *w, struct scope *owner, const struct config *config)
{
    memset(w, 0, sizeof *w);
    w->config = config;
    w->started = clock_mono();
    int r = scope_begin(&w->scope, owner, "leakwatch");
    if (r < 0)
        return r;
    pthread_mutex_init(&w->lock, NULL);
    r = tally_begin(&w->tally, &w->scope);
    if (r == 0)
        r = strays_begin(&w->strays, &w->scope, &w->tally);
    if (r == 0)
        r = numbers_begin(&w->open, &w->scope, "open descriptors");
    if (r == 0)
        r = series_begin(&w->series, &w->scope);
    if (r == 0 && !(w->findings.list = mem_new(&w->scope, FINDINGS_MAX * sizeof *w->findings.list, "findings")))
        r = -errno;
    if (r == 0)
        r = make_ring(w, config->resource_monitoring.max_alert_history);
    if (r == 0)
        r = buf_begin(&w->body, &w->scope, "alert", BODY_MAX);
    if (r == 0)
        r = buf_begin(&w->details, &w->scope, "alert", DETAILS_MAX);
    if (r == 0 && !(w->footprints = mem_new(&w->scope, 2 * sizeof *w->footprints, "footprints")))
        r = -ENOMEM;
    for (int i = 0; r == 0 && i < 2; i++)
        w->footprints[i].taken = 0;
    if (r < 0)
        leakwatch_end(w);
    history_prepare(&w->history, &w->series, &w->lock, config->task_tracking.retention_period);
    return r;
}

void leakwatch_end(struct leakwatch *w)
{
    if (!thing_alive(&w->scope.thing))
        return;
    scope_end(&w->scope);
    pthread_mutex_destroy(&w->lock);
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
        r = scope_begin(&w->posting, &w->scope, "webhooks");
    if (r == 0)
        r = scope_begin(&w->life, &w->scope, "thread");
    return r;
}

int leakwatch_start(struct leakwatch *w, struct dispatcher *dispatcher, struct past *past)
{
    int r = begin_loop(w);
    if (r == 0)
        r = alert_records_begin(&w->records, &w->scope, dispatcher, past);
    if (r < 0)
        return r;
    begin_webhooks(w, w->config);
    set_timers(w);
    return thread_begin(&w->thread, &w->life, "watch", leakwatch_run, leakwatch_thread_stop, w);
}

void leakwatch_stop(struct leakwatch *w)
{
    if (!thing_alive(&w->scope.thing))
        return;
    thread_end(&w->thread);
    scope_end(&w->posting);
    alert_records_end(&w->records);
    pthread_mutex_lock(&w->lock);
    series_flush(&w->series);
    pthread_mutex_unlock(&w->lock);
}
