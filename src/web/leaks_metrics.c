/* As many series as the detector has; none for a single source. */
#include <stdio.h>

#include "base/clock.h"
#include "leak/watch/leakwatch.h"
#include "web/families.h"
#include "web/leaks_metrics.h"

/* Families are called as who is watched: PREFIX_NAME. */
struct families {
    struct buf *out;
    const char *prefix;
    char name[64];
};

static const char *named(struct families *f, const char *name)
{
    snprintf(f->name, sizeof f->name, "%s_%s", f->prefix, name);
    return f->name;
}

static void one(struct families *f, const char *name, const char *type, const char *help, double value)
{
    plain(f->out, named(f, name), type, help, value);
}

static void each_series(struct families *f, const struct leakwatch *l, const char *what, const char *help,
                        double (*value)(const struct series *s))
{
    struct buf *out = f->out;
    const char *name = named(f, what);
    family(out, name, "gauge", help);
    for (unsigned i = 0; i < l->series.n; i++)
        labelled(out, name, "series", l->series.list[i]->name, value(l->series.list[i]));
}

static double current(const struct series *s)
{
    return s->value;
}

static double severity(const struct series *s)
{
    return judge_verdict(&s->judge)->severity;
}

static double leaking(const struct series *s)
{
    return judge_verdict(&s->judge)->state >= LEAK_LEAKING;
}

static double slope(const struct series *s)
{
    return judge_verdict(&s->judge)->slope;
}

static double baseline(const struct series *s)
{
    const struct verdict *v = judge_verdict(&s->judge);
    return v->has_baseline ? v->baseline + s->expected : s->value;
}

static void write_findings(struct families *f, const struct leakwatch *l)
{
    const char *name = named(f, "leak_findings");
    family(f->out, name, "gauge", "Findings that are on, by their severity.");
    for (enum leak_severity s = LEAK_WARNING; s < LEAK_SEVERITIES; s++)
        labelled(f->out, name, "severity", leak_severity_name(s),
                 findings_count(&l->findings, s) - (s + 1 < LEAK_SEVERITIES ? findings_count(&l->findings, s + 1) : 0));
    one(f, "leak_alerts_total", "counter", "Alerts: raised, worse and resolved ones.", (double)l->alerts.said);
}

void leaks_metrics(struct buf *out, struct leakwatch *l, const char *prefix)
{
    struct families all = {out, prefix, ""}, *f = &all;
    leakwatch_lock(l);
    const struct leak_totals *t = &l->totals;
    each_series(f, l, "series", "The detector's series, see docs/leaks.md.", current);
    each_series(f, l, "series_baseline", "What they are compared with.", baseline);
    each_series(f, l, "series_slope_per_minute", "Their growth; 0 unless they grow.", slope);
    each_series(f, l, "series_severity", "0 none, 1 warning, 2 high, 3 critical.", severity);
    each_series(f, l, "series_leaking", "1 when the verdict is leaking or at the limit.", leaking);
    one(f, "tasks_hanging", "gauge", "Tasks that run and give no sign of life.", (double)t->hanging);
    if (!l->settings.foreign) { /* else nobody looks for them */
        one(f, "tasks_unexpected", "gauge", "Tasks beyond what is expected of their kinds.", (double)t->unexpected_tasks);
        one(f, "fds_unowned", "gauge", "Descriptors that the kernel has and no scope.", (double)t->unowned_fds);
    }
    one(f, "leak_checks_total", "counter", "Checks of the tasks.", (double)t->samples);
    one(f, "leak_check_cpu_seconds", "gauge", "What the last check of everything took.",
        (double)(t->section_cpu[0] + t->section_cpu[1]) / SECOND);
    write_findings(f, l);
    leakwatch_unlock(l);
}
