/*
 * alert: what is said of a finding when it begins, becomes worse, or is over; and the forms in which it is said: logcap's own
 * JSON, what Alertmanager takes (POST /api/v2/alerts), what Slack's incoming webhooks take.
 *
 * Own JSON: event (raised, worse, resolved), severity (warning, high, critical), kind (what of a series' name stands before the
 * colon), resource (the finding's key), series, exact, text, current, baseline, threshold, slope_per_min, since, limit_in_s,
 * confidence, born_at, host, time, version; and, where they were asked for, what details.h adds.
 *
 * Pure. Times are clock_real() here. Source of the formats: Alertmanager's OpenAPI (api/v2/openapi.yaml, postableAlerts);
 * Slack's reference for incoming webhooks.
 */
#pragma once

#include "codec/doc.h"
#include "config/config.h"
#include "leak/watch/findings.h"

struct alert {
    uint64_t id; /* counts from 1 in this process */
    enum alarm_event event;
    enum leak_severity severity; /* resolved: the one it had */
    int64_t time, since;         /* ns; since 0: not known */
    char resource[FINDING_KEY], series[SERIES_NAME], text[FINDING_TEXT];
    enum series_section section;
    bool exact, has_baseline, has_birth;
    struct birth_info birth; /* of the one thing meant, and where that was: "file_open+0x1c /src/file.c:97", "" */
    char born_at[FINDING_TEXT];
    double current, baseline, threshold, slope, limit_in, confidence;
};

/* "tasks" of "tasks:file_reader"; returns `kind`. */
const char *alert_kind(const struct alert *a, char kind[SERIES_NAME]);
/* Members of an object that is open. */
void alert_members(struct doc *d, const struct alert *a);
/* A whole document in `format`. details: JSON members ("\"stacks\":[...]") for the own format, or "". */
int alert_write(const struct alert *a, enum alert_format format, const char *host, const char *details, struct buf *out);
