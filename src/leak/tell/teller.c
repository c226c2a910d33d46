#include "leak/tell/teller.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "leak/tell/alert_form.h"

enum { BODY_MAX = WEBHOOK_BODY, MIB = 1 << 20 };
static_assert(2 * LEAKWATCH_DETAILS <= BODY_MAX, "an alert with its details fits");

/* ---- alerts ---- */

static void log_alert(const struct alert *a)
{
    const char *open = a->born_at[0] ? " [" : "", *close = a->born_at[0] ? "]" : "";
    if (a->event == ALARM_RESOLVED)
        log_info("leaks", "resolved: %s", a->text);
    else if (a->severity >= LEAK_HIGH)
        log_error("leaks", "%s: %s%s%s%s", leak_severity_name(a->severity), a->text, open, a->born_at, close);
    else
        log_warn("leaks", "%s: %s%s%s%s", leak_severity_name(a->severity), a->text, open, a->born_at, close);
}

/* Its own webhook if there is one, else the other. */
static struct webhook *webhook_of(struct teller *t, enum series_section section)
{
    struct webhook *own = section == SERIES_OF_TASKS ? &t->of_tasks : &t->of_resources;
    struct webhook *other = section == SERIES_OF_TASKS ? &t->of_resources : &t->of_tasks;
    return thing_alive(&own->scope.thing) ? own : thing_alive(&other->scope.thing) ? other : NULL;
}

static void hear(struct alert_listener *l, const struct alert *a, const char *details)
{
    struct teller *t = container_of(l, struct teller, listener);
    const struct config *c = t->config;
    const struct resource_monitoring_config *rc = &c->resource_monitoring;
    struct webhook *hook = webhook_of(t, a->section);
    log_alert(a);
    if (hook && alert_write(a, rc->alert_format, c->host, details, &t->body) == 0)
        webhook_post(hook, t->body.data, t->body.len);
    buf_clear(&t->body);
    if (rc->alert_records && thing_alive(&t->records.thing) && alert_write(a, ALERT_JSON, c->host, "", &t->body) == 0)
        alert_record(&t->records, a, c->host, &t->body);
    buf_clear(&t->body);
    buf_shrink(&t->body, 0);
}

/* ---- configuration ---- */

struct leakwatch_settings teller_settings(const struct config *config)
{
    const struct task_tracking_config *t = &config->task_tracking;
    const struct resource_monitoring_config *r = &config->resource_monitoring;
    return (struct leakwatch_settings){
        .interval = {[SERIES_OF_TASKS] = t->enabled ? t->check_interval : 0,
                     [SERIES_OF_RESOURCES] = r->enabled ? r->check_interval : 0},
        .explain = {[SERIES_OF_TASKS] = t->stack_trace_on_leak, [SERIES_OF_RESOURCES] = r->stack_trace_on_leak},
        .suspects = t->tracking_enabled,
        .thresholds = r->alert_on_threshold,
        .cooldown = r->alert_cooldown,
        .alerts_kept = r->max_alert_history,
        .restart_hung_after = t->restart_hung_after,
        .max_tasks = config->max_tasks,
        .task_increase = t->leak_threshold,
        .task_warn = t->warn_threshold,
        .thread_increase = r->task_threshold,
        .fd_increase = r->fd_threshold,
        .memory_warn = r->memory_threshold_mb * MIB,
        .growth_rate = r->growth_rate_threshold,
        .profiles = config->state_dir,
    };
}

static void begin_webhook(struct teller *t, struct webhook *hook, const char *url)
{
    int r = *url ? webhook_begin(hook, &t->posting, &t->watch->loop, url) : 0;
    if (r == -EINVAL)
        log_error("leaks", "alerts cannot be posted: the webhook's address makes no sense");
    else if (r < 0)
        log_error("leaks", "alerts cannot be posted: %s", strerror(-r));
}

static void begin_webhooks(struct teller *t, const struct config *c)
{
    begin_webhook(t, &t->of_tasks, c->task_tracking.alert_webhook);
    begin_webhook(t, &t->of_resources, c->resource_monitoring.alert_webhook_url);
}

static bool same_webhooks(const struct config *a, const struct config *b)
{
    return strcmp(a->task_tracking.alert_webhook, b->task_tracking.alert_webhook) == 0 &&
           strcmp(a->resource_monitoring.alert_webhook_url, b->resource_monitoring.alert_webhook_url) == 0;
}

void teller_follow(struct teller *t, const struct config *config)
{
    const struct config *before = t->config;
    if (!thing_alive(&t->posting.thing))
        return;
    const struct leakwatch_settings settings = teller_settings(config);
    t->config = config;
    leakwatch_follow(t->watch, &settings);
    atomic_store(&t->history.retention, config->task_tracking.retention_period);
    if (same_webhooks(before, config))
        return;
    webhook_end(&t->of_tasks);
    webhook_end(&t->of_resources);
    begin_webhooks(t, config);
}

/* ---- life ---- */

struct keeper_guest *teller_guest(struct teller *t)
{
    return &t->history.guest;
}

int teller_begin(struct teller *t, struct scope *owner, const struct config *config, struct leakwatch *watch)
{
    *t = (struct teller){.listener = {hear}, .config = config, .watch = watch};
    const struct leakwatch_settings settings = teller_settings(config);
    int r = leakwatch_begin(watch, owner, &settings, &t->listener);
    if (r < 0)
        return r;
    history_prepare(&t->history, &watch->series, &watch->lock, config->task_tracking.retention_period);
    r = scope_begin(&t->scope, owner, "teller");
    if (r == 0)
        r = buf_begin(&t->body, &t->scope, "alert", BODY_MAX);
    if (r < 0) {
        teller_end(t);
        leakwatch_end(watch);
    }
    return r;
}

int teller_start(struct teller *t, struct dispatcher *dispatcher, struct past *past)
{
    int r = alert_records_begin(&t->records, &t->scope, dispatcher, past);
    if (r == 0)
        r = scope_begin(&t->posting, &t->scope, "webhooks");
    if (r == 0)
        begin_webhooks(t, t->config);
    return r;
}

void teller_stop(struct teller *t)
{
    scope_end(&t->posting);
    alert_records_end(&t->records);
}

void teller_end(struct teller *t)
{
    scope_end(&t->scope);
}
