#include "leak/tell/alert_form.h"

#include <errno.h>
#include <stdio.h>

#include "base/clock.h"

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
             a->event == ALARM_RESOLVED ? "resolved" : leak_severity_name(a->severity), a->resource, alert_event_name(a->event),
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
