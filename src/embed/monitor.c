#include "embed/monitor.h"

#include <errno.h>
#include <math.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/slots.h"
#include "leak/explain/lines.h"
#include "leak/watch/report.h"

enum { INTERVAL_MS = 30 * 1000, INTERVAL_LEAST_MS = 100, ALERTS_KEPT = 100, ADDRESSES = 1 << 14, HOST_NAME = 256 };
#define COOLDOWN (5 * MINUTE)

/* ---- alerts ---- */

static void hear(struct alert_listener *l, const struct alert *a, const char *details)
{
    static const enum leak_alert_event events[] = {[ALARM_RAISED] = LEAK_ALERT_RAISED, [ALARM_WORSE] = LEAK_ALERT_WORSE,
                                                   [ALARM_RESOLVED] = LEAK_ALERT_RESOLVED};
    static const enum leak_alert_severity severities[] = {[LEAK_WARNING] = LEAK_ALERT_WARNING, [LEAK_HIGH] = LEAK_ALERT_HIGH,
                                                          [LEAK_CRITICAL] = LEAK_ALERT_CRITICAL};
    struct monitor *m = container_of(l, struct monitor, listener);
    const struct leak_alert alert = {
        .event = events[a->event],
        .severity = severities[a->severity],
        .exact = a->exact,
        .series = a->series,
        .resource = a->resource,
        .text = a->text,
        .born_at = a->born_at,
        .current = a->current,
        .baseline = a->has_baseline ? a->baseline : NAN,
        .slope_per_min = a->slope,
        .limit_in_s = a->limit_in,
        .confidence = a->confidence,
        .time = a->time / SECOND,
        .since = a->since / SECOND,
    };
    if (m->on_alert)
        m->on_alert(&alert, m->arg);
}

/* ---- tasks that hang ---- */

static bool look_at(const struct birth_info *b, void *arg)
{
    struct monitor *m = arg;
    if (b->kind != BIRTH_TASK || b->owner || !b->task_kind || !tracked_kind_of(b)->on_hang || !task_hangs(b, m->now))
        return true;
    struct silent_task *s = silent_seen(&m->silent, b, m->now);
    if (s && !s->told && m->n_news < MONITOR_TOLD_AT_ONCE) {
        s->told = true;
        m->news[m->n_news++] = *b;
    }
    return true;
}

/* Each once. While there is no room for one more to remember, the next wait. */
static void tell_hangs(struct monitor *m)
{
    m->now = clock_mono();
    m->n_news = 0;
    birth_walk(look_at, m);
    silent_settle(&m->silent);
    for (unsigned i = 0; i < m->n_news; i++) {
        const struct birth_info *b = &m->news[i];
        const struct tracked_kind *k = tracked_kind_of(b);
        const struct leak_hang hang = {.kind = k->name, .name = b->name, .id = b->id, .silent_s = (double)(m->now - b->beat) / SECOND};
        k->on_hang(&hang, k->arg);
    }
}

/* ---- life ---- */

static void turn(struct timer *t)
{
    struct monitor *m = container_of(t, struct monitor, turn);
    timer_set(t, m->interval);
    tell_hangs(m);
    slots_trim(); /* what a burst left behind; the allocator is the program's own affair */
}

int monitor_begin(struct monitor *m, struct scope *owner, const struct leak_options *o)
{
    unsigned ms = !o->check_interval_ms                       ? INTERVAL_MS
                  : o->check_interval_ms < INTERVAL_LEAST_MS ? INTERVAL_LEAST_MS
                                                              : o->check_interval_ms;
    m->listener.hear = hear;
    m->on_alert = o->on_alert;
    m->arg = o->arg;
    m->interval = ms * MILLISECOND;
    m->silent = (struct silent){.list = m->silent_tasks, .room = MONITOR_SILENT};
    const struct leakwatch_settings settings = {
        .foreign = true,
        .interval = {m->interval, m->interval},
        .explain = {true, true},
        .suspects = true,
        .cooldown = COOLDOWN,
        .alerts_kept = ALERTS_KEPT,
    };
    int r = leakwatch_begin(&m->watch, owner, &settings, &m->listener);
    if (r < 0)
        return r;
    r = timer_begin(&m->turn, &m->watch.scope, &m->watch.loop, "hangs", turn);
    if (r == 0) {
        timer_set(&m->turn, m->interval);
        r = leakwatch_start(&m->watch);
    }
    if (r < 0)
        leakwatch_end(&m->watch);
    return r;
}

bool monitor_runs(const struct monitor *m)
{
    return thing_alive(&m->watch.scope.thing);
}

void monitor_end(struct monitor *m)
{
    leakwatch_stop(&m->watch);
    leakwatch_end(&m->watch);
}

/* ---- what is shown ---- */

/* Not while the watch is locked: it waits for another process. */
static int look_up(struct monitor *m, struct scope *scope, struct lines *lines, int cancel)
{
    uintptr_t *addresses = mem_new(scope, ADDRESSES * sizeof *addresses, "addresses");
    if (!addresses)
        return -ENOMEM;
    leakwatch_lock(&m->watch);
    size_t n = report_addresses(&m->watch, addresses, ADDRESSES);
    leakwatch_unlock(&m->watch);
    int r = lines_begin(lines, scope, addresses, n, cancel);
    mem_free(addresses);
    return r;
}

int monitor_report(struct monitor *m, struct scope *scope, struct buf *out, int cancel)
{
    struct lines lines;
    struct names names = {.foreign = true};
    struct doc d = {.out = out};
    char host[HOST_NAME] = "";
    if (look_up(m, scope, &lines, cancel) == 0)
        names.lines = &lines;
    (void)gethostname(host, sizeof host - 1);
    doc_object(&d, NULL);
    doc_time(&d, "time", clock_real());
    doc_string(&d, "host", host);
    leakwatch_lock(&m->watch);
    report_members(&d, &m->watch, &names, clock_mono());
    leakwatch_unlock(&m->watch);
    doc_object_end(&d);
    if (names.lines)
        lines_end(&lines);
    return out->failed ? -ENOMEM : 0;
}
