/*
 * What the detector says (leak/watch/leakwatch.h), as JSON.
 *
 * GET /leaks: status ("ok", or the worst severity that is on), totals, series (each with its verdict and evidence), findings (what is
 * on), suspects, alerts (newest first). docs/leaks.md has the keys.
 *
 * GET /leaks/history?series=NAME&from=&to=&step=: points of one series as [time, mean, least, most]. Times are seconds since
 * 1970; from and to below 0 are counted from now. step 1 (what is in memory, as it was measured), 60 or 3600 (state.db); without
 * it the finest that reaches back to `from`. Without from: the last fifteen minutes, day, or 31 days, as the step is. Without a
 * series: their names.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "leak/watch/leakwatch.h"
#include "leak/watch/sites.h"
#include "store/store_history.h"
#include "web/routes.h"

enum { MINUTE_S = 60, HOUR_S = 3600, DAY_S = 24 * 3600, POINTS_MAX = 50000, ALERTS_SHOWN = 100 };

static struct leakwatch *watch_of(struct web *w, struct request *q)
{
    struct leakwatch *l = w->context->leaks;
    if (!l)
        request_fail(q, 404, "nothing is watched here");
    return l;
}

/* ---- GET /leaks ---- */

static void write_totals(struct doc *d, const struct leakwatch *l)
{
    const struct leak_totals *t = &l->totals;
    doc_object(d, "totals");
    doc_uint(d, "tasks", t->tasks);
    doc_uint(d, "unexpected_tasks", t->unexpected_tasks);
    doc_uint(d, "hanging_tasks", t->hanging);
    doc_uint(d, "old_tasks", t->old);
    doc_uint(d, "threads", t->threads);
    doc_uint(d, "fds", t->fds);
    doc_uint(d, "fds_unowned", t->unowned_fds);
    doc_uint(d, "children", t->children);
    doc_int(d, "resident_bytes", t->memory.resident);
    doc_int(d, "heap_bytes", t->memory.heap);
    doc_uint(d, "fd_limit", t->limits.fds);
    doc_uint(d, "memory_limit_bytes", t->limits.memory);
    doc_uint(d, "task_limit", l->config->max_tasks);
    doc_uint(d, "samples", t->samples);
    doc_time(d, "last_check", t->last_check);
    doc_real(d, "check_cpu_ms", (double)(t->section_cpu[0] + t->section_cpu[1]) / MILLISECOND);
    doc_uint(d, "series_refused", l->series.refused);
    doc_object_end(d);
}

static void optional_real(struct doc *d, const char *key, bool there, double value)
{
    if (there)
        doc_real(d, key, value);
    else
        doc_string(d, key, NULL);
}

static void write_series(struct doc *d, const struct series *s)
{
    const struct verdict *v = judge_verdict(&s->judge);
    char kind[SERIES_NAME];
    size_t n = strcspn(s->name, ":");
    memcpy(kind, s->name, n);
    kind[n] = 0;
    doc_object(d, NULL);
    doc_string(d, "name", s->name);
    doc_string(d, "kind", kind);
    doc_string(d, "group", s->name[n] ? s->name + n + 1 : NULL);
    doc_string(d, "unit", s->bytes ? "bytes" : "count");
    doc_real(d, "current", s->value);
    doc_real(d, "expected", s->expected);
    doc_string(d, "verdict", leak_state_name(v->state));
    doc_string(d, "severity", leak_severity_name(v->severity));
    doc_string(d, "rule", leak_rule_name(v->rule));
    doc_string(d, "reason", v->reason);
    optional_real(d, "baseline", v->has_baseline, v->baseline + s->expected);
    optional_real(d, "threshold", v->threshold > 0, v->threshold);
    doc_time(d, "since", leakwatch_real(v->since));
    doc_real(d, "slope_per_min", v->slope);
    doc_real(d, "slope_low", v->slope_low);
    doc_real(d, "slope_high", v->slope_high);
    doc_real(d, "confidence", v->confidence);
    optional_real(d, "limit_in_s", v->limit_in >= 0, v->limit_in);
    doc_object_end(d);
}

static void write_finding(struct doc *d, const struct finding *f, const struct names *names, int64_t now)
{
    doc_object(d, NULL);
    doc_string(d, "resource", f->key);
    doc_string(d, "series", f->series);
    doc_bool(d, "exact", f->exact);
    doc_string(d, "severity", leak_severity_name(f->alarm.raised));
    doc_string(d, "verdict", leak_state_name(f->state));
    doc_string(d, "text", f->text);
    doc_real(d, "current", f->current);
    optional_real(d, "baseline", f->has_baseline, f->baseline);
    doc_time(d, "since", leakwatch_real(f->since ? f->since : f->alarm.raised_at));
    doc_time(d, "raised", leakwatch_real(f->alarm.raised_at));
    if (f->has_birth)
        site_write_birth(d, "born", &f->birth, names, now);
    doc_object_end(d);
}

static void write_findings(struct doc *d, const struct leakwatch *l, const struct names *names, int64_t now)
{
    doc_array(d, "findings");
    for (unsigned i = 0; i < l->findings.n; i++)
        if (l->findings.list[i].alarm.raised != LEAK_NONE)
            write_finding(d, &l->findings.list[i], names, now);
    doc_array_end(d);
}

static void write_suspects(struct doc *d, const struct leakwatch *l, const struct names *names, int64_t now)
{
    doc_array(d, "suspects");
    for (unsigned i = 0; i < l->n_suspects; i++) {
        const struct suspect *s = &l->suspects[i];
        doc_object(d, NULL);
        doc_uint(d, "id", s->birth.id);
        doc_string(d, "why", s->hangs ? "no sign of life" : "older than its kind becomes");
        doc_real(d, "for_seconds", (double)s->for_ns / SECOND);
        site_write_birth(d, "born", &s->birth, names, now);
        doc_object_end(d);
    }
    doc_array_end(d);
}

static void write_alerts(struct doc *d, const struct leakwatch *l)
{
    const struct alert *a;
    doc_array(d, "alerts");
    for (unsigned i = 0; i < ALERTS_SHOWN && (a = leakwatch_alert(l, i)); i++) {
        doc_object(d, NULL);
        alert_members(d, a);
        doc_object_end(d);
    }
    doc_array_end(d);
}

static enum leak_severity worst(const struct leakwatch *l)
{
    enum leak_severity s = LEAK_CRITICAL;
    while (s > LEAK_NONE && !findings_count(&l->findings, s))
        s--;
    return s;
}

void leaks_answer(struct web *w, struct request *q)
{
    struct leakwatch *l = watch_of(w, q);
    struct doc d = {.out = &q->out};
    struct symbols symbols;
    struct census census;
    struct names names = {.symbols = &symbols};
    int64_t now = clock_mono();
    if (!l)
        return;
    (void)symbols_begin(&symbols, &q->scope); /* without them: addresses */
    if (census_take(&census)) /* before the lock, for which the watch would have to wait */
        names.owners = &census;
    leakwatch_lock(l);
    enum leak_severity s = worst(l);
    doc_object(&d, NULL);
    doc_time(&d, "time", clock_real());
    doc_string(&d, "host", w->context->config->host);
    doc_bool(&d, "task_tracking", l->config->task_tracking.enabled);
    doc_bool(&d, "resource_monitoring", l->config->resource_monitoring.enabled);
    doc_string(&d, "status", s == LEAK_NONE ? "ok" : leak_severity_name(s));
    write_totals(&d, l);
    doc_array(&d, "series");
    for (unsigned i = 0; i < l->series.n; i++)
        write_series(&d, l->series.list[i]);
    doc_array_end(&d);
    write_findings(&d, l, &names, now);
    write_suspects(&d, l, &names, now);
    write_alerts(&d, l);
    doc_object_end(&d);
    leakwatch_unlock(l);
    census_drop(&census);
    symbols_end(&symbols);
}

/* ---- GET /leaks/history ---- */

/* Seconds since 1970, as many as a point's time can say; below 0: before now. What is no number is as if it were not there. */
static int64_t time_arg(struct request *q, const char *name, int64_t now, int64_t otherwise)
{
    const char *text = request_arg(q, name);
    char *end;
    int64_t n = text ? strtoll(text, &end, 10) : 0;
    if (!text || end == text || *end)
        return otherwise;
    if (n < 0)
        n += now;
    return n < 0 ? 0 : n > UINT32_MAX ? UINT32_MAX : n;
}

static int64_t step_for(int64_t from, int64_t now)
{
    return now - from <= SERIES_KEPT_S ? 1 : now - from <= 2 * DAY_S ? MINUTE_S : HOUR_S;
}

static int64_t shown_of(int64_t step)
{
    return step == HOUR_S ? 31 * DAY_S : step == MINUTE_S ? DAY_S : SERIES_KEPT_S;
}

static void write_point(struct doc *d, int64_t time, double mean, double least, double most)
{
    doc_array(d, NULL);
    doc_int(d, NULL, time);
    doc_real(d, NULL, mean);
    doc_real(d, NULL, least);
    doc_real(d, NULL, most);
    doc_array_end(d);
}

static bool write_step(const struct store_history *row, void *arg)
{
    write_point(arg, row->start, row->mean, row->least, row->most);
    return true;
}

static void write_from_memory(struct doc *d, const struct series *s, int64_t from, int64_t to)
{
    struct point points[SERIES_KEPT_S];
    unsigned n = s ? series_points(s, (uint32_t)from, (uint32_t)to, points, SERIES_KEPT_S) : 0;
    for (unsigned i = 0; i < n; i++)
        write_point(d, points[i].time, (double)points[i].value, (double)points[i].value, (double)points[i].value);
}

/* false: the reply says why. */
static bool write_from_store(struct web *w, struct request *q, struct doc *d, const char *name, int64_t step, int64_t from,
                             int64_t to)
{
    char why[256];
    int error;
    struct store *s = store_open_reader(&q->scope, w->context->config->state_dir, &error, why, sizeof why);
    if (!s) {
        request_fail(q, 503, "%s", why);
        return false;
    }
    int r = store_each_history(s, name, step, from, to, write_step, d);
    if (r < 0)
        request_fail(q, 503, "%s", store_error(s));
    store_close(s);
    return r == 0;
}

static void write_names(struct leakwatch *l, struct doc *d)
{
    doc_object(d, NULL);
    doc_array(d, "series");
    for (unsigned i = 0; i < l->series.n; i++)
        doc_string(d, NULL, l->series.list[i]->name);
    doc_array_end(d);
    doc_object_end(d);
}

void leaks_history_answer(struct web *w, struct request *q)
{
    struct leakwatch *l = watch_of(w, q);
    const char *name = request_arg(q, "series");
    struct doc d = {.out = &q->out};
    int64_t now = clock_real() / SECOND;
    if (!l)
        return;
    if (!name) {
        leakwatch_lock(l);
        write_names(l, &d);
        leakwatch_unlock(l);
        return;
    }
    uint64_t asked = 0;
    if (!request_number(q, "step", 0, HOUR_S, &asked))
        return;
    int64_t step = (int64_t)asked;
    int64_t from = time_arg(q, "from", now, now - shown_of(step)), to = time_arg(q, "to", now, now);
    if (!step)
        step = step_for(from, now);
    from -= from % step; /* the step that it lies in too */
    if ((step != 1 && step != MINUTE_S && step != HOUR_S) || (to - from) / step > POINTS_MAX) {
        request_fail(q, 400, "step is 1, 60 or 3600, and at most %d points are shown", POINTS_MAX);
        return;
    }
    leakwatch_lock(l);
    const struct series *s = series_find(&l->series, name);
    doc_object(&d, NULL);
    doc_string(&d, "series", name);
    doc_string(&d, "unit", s && s->bytes ? "bytes" : "count");
    doc_int(&d, "step", step);
    doc_int(&d, "from", from);
    doc_int(&d, "to", to);
    doc_array(&d, "points");
    if (step == 1)
        write_from_memory(&d, s, from, to);
    leakwatch_unlock(l);
    if (step > 1 && !write_from_store(w, q, &d, name, step, from, to))
        return;
    doc_array_end(&d);
    doc_object_end(&d);
}
