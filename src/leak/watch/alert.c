#include "leak/watch/alert.h"

#include <stdio.h>
#include <string.h>

const char *alert_event_name(enum alarm_event event)
{
    static const char *const names[] = {"nothing", "raised", "worse", "resolved"};
    return names[event];
}

const char *alert_kind(const struct alert *a, char kind[SERIES_NAME])
{
    snprintf(kind, SERIES_NAME, "%.*s", (int)strcspn(a->series, ":"), a->series);
    return kind;
}

void alert_members(struct doc *d, const struct alert *a)
{
    char kind[SERIES_NAME];
    doc_uint(d, "id", a->id);
    doc_time(d, "time", a->time);
    doc_string(d, "event", alert_event_name(a->event));
    doc_string(d, "severity", leak_severity_name(a->severity));
    doc_string(d, "kind", alert_kind(a, kind));
    doc_string(d, "resource", a->resource);
    doc_string(d, "series", a->series);
    doc_bool(d, "exact", a->exact);
    doc_string(d, "text", a->text);
    doc_string(d, "born_at", a->born_at[0] ? a->born_at : NULL);
    doc_real(d, "current", a->current);
    if (a->has_baseline)
        doc_real(d, "baseline", a->baseline);
    else
        doc_string(d, "baseline", NULL);
    doc_real(d, "threshold", a->threshold);
    doc_real(d, "slope_per_min", a->slope);
    doc_time(d, "since", a->since);
    if (a->limit_in >= 0)
        doc_real(d, "limit_in_s", a->limit_in);
    else
        doc_string(d, "limit_in_s", NULL);
    doc_real(d, "confidence", a->confidence);
}
