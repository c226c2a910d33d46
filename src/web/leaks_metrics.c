/* The detector's families of /metrics. As many series as the detector has; none for a single source. */
#include "base/clock.h"
#include "leak/watch/leakwatch.h"
#include "web/families.h"
#include "web/leaks_metrics.h"

static void each_series(struct buf *out, const struct leakwatch *l, const char *name, const char *help,
                        double (*value)(const struct series *s))
{
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

static void write_findings(struct buf *out, const struct leakwatch *l)
{
    family(out, "logcap_leak_findings", "gauge", "Findings that are on, by their severity.");
    for (enum leak_severity s = LEAK_WARNING; s < LEAK_SEVERITIES; s++)
        labelled(out, "logcap_leak_findings", "severity", leak_severity_name(s),
                 findings_count(&l->findings, s) - (s + 1 < LEAK_SEVERITIES ? findings_count(&l->findings, s + 1) : 0));
    plain(out, "logcap_leak_alerts_total", "counter", "Alerts: raised, worse and resolved ones.", (double)l->alerts.said);
}

static void write_webhooks(struct buf *out, struct leakwatch *l)
{
    struct webhook *const hooks[] = {&l->of_tasks, &l->of_resources};
    uint64_t delivered = 0, failed = 0, dropped = 0;
    for (unsigned i = 0; i < 2; i++) {
        delivered += atomic_load(&hooks[i]->delivered);
        failed += atomic_load(&hooks[i]->failed);
        dropped += atomic_load(&hooks[i]->dropped);
    }
    plain(out, "logcap_webhook_delivered_total", "counter", "Alerts that webhooks took.", (double)delivered);
    plain(out, "logcap_webhook_failures_total", "counter", "Tries that failed.", (double)failed);
    plain(out, "logcap_webhook_dropped_total", "counter", "Alerts that were given up.", (double)dropped);
    plain(out, "logcap_alert_records_total", "counter", "Alerts delivered to the sinks as records.", (double)l->records.written);
    plain(out, "logcap_alert_records_refused_total", "counter", "Alerts for whose record there was no room.",
          (double)l->records.refused);
}

void leaks_metrics(struct buf *out, struct leakwatch *l)
{
    leakwatch_lock(l);
    const struct leak_totals *t = &l->totals;
    each_series(out, l, "logcap_series", "The detector's series, see docs/leaks.md.", current);
    each_series(out, l, "logcap_series_baseline", "What they are compared with.", baseline);
    each_series(out, l, "logcap_series_slope_per_minute", "Their growth; 0 unless they grow.", slope);
    each_series(out, l, "logcap_series_severity", "0 none, 1 warning, 2 high, 3 critical.", severity);
    each_series(out, l, "logcap_series_leaking", "1 when the verdict is leaking or at the limit.", leaking);
    plain(out, "logcap_tasks_unexpected", "gauge", "Tasks beyond what is expected of their kinds.", (double)t->unexpected_tasks);
    plain(out, "logcap_tasks_hanging", "gauge", "Tasks that run and give no sign of life.", (double)t->hanging);
    plain(out, "logcap_fds_unowned", "gauge", "Descriptors that the kernel has and no scope.", (double)t->unowned_fds);
    plain(out, "logcap_leak_checks_total", "counter", "Checks of the tasks.", (double)t->samples);
    plain(out, "logcap_leak_check_cpu_seconds", "gauge", "What the last check of everything took.",
          (double)(t->section_cpu[0] + t->section_cpu[1]) / SECOND);
    write_findings(out, l);
    write_webhooks(out, l);
    plain(out, "logcap_history_rows_total", "counter", "Steps of series stored in state.db.", (double)l->history.stored);
    plain(out, "logcap_history_rows_dropped_total", "counter", "Steps that could not be stored.", (double)l->history.dropped);
    leakwatch_unlock(l);
}
