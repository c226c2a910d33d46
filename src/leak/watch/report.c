#include "leak/watch/report.h"

#include <string.h>

#include "base/clock.h"

enum { ALERTS_SHOWN = 100 };

static void write_totals(struct doc *d, const struct leakwatch *l)
{
    const struct leak_totals *t = &l->totals;
    doc_object(d, "totals");
    doc_uint(d, "tasks", t->tasks);
    if (!l->settings.foreign) /* else nobody looks for them */
        doc_uint(d, "unexpected_tasks", t->unexpected_tasks);
    doc_uint(d, "hanging_tasks", t->hanging);
    doc_uint(d, "old_tasks", t->old);
    doc_uint(d, "threads", t->threads);
    doc_uint(d, "fds", t->fds);
    if (!l->settings.foreign)
        doc_uint(d, "fds_unowned", t->unowned_fds);
    doc_uint(d, "children", t->children);
    doc_int(d, "resident_bytes", t->memory.resident);
    doc_int(d, "heap_bytes", t->memory.heap);
    doc_uint(d, "fd_limit", t->limits.fds);
    doc_uint(d, "memory_limit_bytes", t->limits.memory);
    doc_uint(d, "task_limit", l->settings.max_tasks);
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

static void write_series(struct doc *d, const struct series *s, const struct names *names, int64_t now)
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
    if (s->has_birth)
        site_write_birth(d, "born", &s->birth, names, now);
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

static size_t add_addresses(const struct birth_info *b, uintptr_t *addresses, size_t n, size_t room)
{
    for (unsigned i = 0; i < b->frames && n < room; i++)
        addresses[n++] = b->stack[i] - 1;
    return n;
}

size_t report_addresses(const struct leakwatch *l, uintptr_t *addresses, size_t room)
{
    size_t n = 0;
    for (unsigned i = 0; i < l->findings.n; i++)
        if (l->findings.list[i].has_birth)
            n = add_addresses(&l->findings.list[i].birth, addresses, n, room);
    for (unsigned i = 0; i < l->n_suspects; i++)
        n = add_addresses(&l->suspects[i].birth, addresses, n, room);
    for (unsigned i = 0; i < l->series.n; i++)
        if (l->series.list[i]->has_birth)
            n = add_addresses(&l->series.list[i]->birth, addresses, n, room);
    return n;
}

void report_members(struct doc *d, const struct leakwatch *l, const struct names *names, int64_t now)
{
    enum leak_severity s = worst(l);
    doc_bool(d, "task_tracking", l->settings.interval[SERIES_OF_TASKS]);
    doc_bool(d, "resource_monitoring", l->settings.interval[SERIES_OF_RESOURCES]);
    doc_string(d, "status", s == LEAK_NONE ? "ok" : leak_severity_name(s));
    write_totals(d, l);
    doc_array(d, "series");
    for (unsigned i = 0; i < l->series.n; i++)
        write_series(d, l->series.list[i], names, now);
    doc_array_end(d);
    write_findings(d, l, names, now);
    write_suspects(d, l, names, now);
    write_alerts(d, l);
}
