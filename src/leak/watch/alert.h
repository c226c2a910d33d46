/*
 * alert: what is said of a finding when it begins, becomes worse, or is over.
 *
 * As JSON: event (raised, worse, resolved), severity (warning, high, critical), kind (what of a series' name stands before the
 * colon), resource (the finding's key), series, exact, text, current, baseline, threshold, slope_per_min, since, limit_in_s,
 * confidence, born_at, time.
 *
 * Pure. Times are clock_real() here.
 */
#pragma once

#include "codec/doc.h"
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

/* "raised", "worse", "resolved" */
const char *alert_event_name(enum alarm_event event);
/* "tasks" of "tasks:file_reader"; returns `kind`. */
const char *alert_kind(const struct alert *a, char kind[SERIES_NAME]);
/* Members of an object that is open. */
void alert_members(struct doc *d, const struct alert *a);

/* Who tells of alerts. Called by the watch's thread, one after the other; `details` are JSON members (details.h), or "". */
struct alert_listener {
    void (*hear)(struct alert_listener *l, const struct alert *a, const char *details);
};
