#include "leak/watch/alert.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

static const char *alarm_event_name(enum alarm_event event)
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
    doc_string(d, "event", alarm_event_name(a->event));
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

static void write_json(struct doc *d, const struct alert *a, const char *host, const char *details)
{
    doc_object(d, NULL);
    alert_members(d, a);
    doc_string(d, "host", host);
    doc_string(d, "version", LOGCAP_VERSION);
    if (*details)
        doc_raw(d, NULL, details);
    doc_object_end(d);
}

static void write_one_alert(struct doc *d, const struct alert *a, const char *host, enum leak_severity severity, int64_t end)
{
    char kind[SERIES_NAME];
    doc_object(d, NULL);
    doc_object(d, "labels");
    doc_string(d, "alertname", "LogcapLeak");
    doc_string(d, "severity", leak_severity_name(severity));
    doc_string(d, "kind", alert_kind(a, kind));
    doc_string(d, "resource", a->resource);
    doc_string(d, "instance", host);
    doc_object_end(d);
    doc_object(d, "annotations");
    doc_string(d, "summary", a->text);
    doc_object_end(d);
    doc_time(d, "startsAt", a->since ? a->since : a->time);
    doc_time(d, "endsAt", end);
    doc_object_end(d);
}

/*
 * Alertmanager knows an alert by its labels and ends it by itself when it does not hear of it: so it gets an end far away until
 * it is resolved. One that became worse is another alert there, and those of the lower severities end.
 */
static void write_alertmanager(struct doc *d, const struct alert *a, const char *host)
{
    doc_array(d, NULL);
    write_one_alert(d, a, host, a->severity, a->event == ALARM_RESOLVED ? a->time : a->time + 24 * HOUR);
    for (enum leak_severity s = LEAK_WARNING; a->event == ALARM_WORSE && s < a->severity; s++)
        write_one_alert(d, a, host, s, a->time);
    doc_array_end(d);
}

/* Slack's mrkdwn takes these three as its own. */
static void add_slack(char *out, size_t size, const char *text)
{
    size_t used = 0;
    for (; *text && used + 6 < size; text++) {
        const char *entity = *text == '&' ? "&amp;" : *text == '<' ? "&lt;" : *text == '>' ? "&gt;" : NULL;
        used += (size_t)snprintf(out + used, size - used, entity ? "%s" : "%.1s", entity ? entity : text);
    }
    out[used] = 0;
}

static void write_slack(struct doc *d, const struct alert *a, const char *host)
{
    char text[5 * FINDING_TEXT], line[6 * FINDING_TEXT];
    add_slack(text, sizeof text, a->text);
    snprintf(line, sizeof line, "*logcap on %s: %s %s* (%s)\n%s", host,
             a->event == ALARM_RESOLVED ? "resolved" : leak_severity_name(a->severity), a->resource, alarm_event_name(a->event),
             text);
    doc_object(d, NULL);
    doc_string(d, "text", line);
    doc_object_end(d);
}

int alert_write(const struct alert *a, enum alert_format format, const char *host, const char *details, struct buf *out)
{
    struct doc d = {.out = out};
    if (format == ALERT_ALERTMANAGER)
        write_alertmanager(&d, a, host);
    else if (format == ALERT_SLACK)
        write_slack(&d, a, host);
    else
        write_json(&d, a, host, details);
    return out->failed ? -ENOMEM : 0;
}
