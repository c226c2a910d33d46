/*
 * findings: what is wrong now, by a key each: a series whose judge says so, a descriptor that nobody owns, a task that hangs.
 * Each has an alarm, so that it is said once, again when it becomes worse, and when it is over.
 *
 * A round: findings_begin(), findings_raise() for all that is found, findings_settle(), which steps the alarms and calls for
 * each event. What was not raised in a round is over. Each section has rounds of its own, as it is measured at its own interval.
 *
 * At most FINDINGS_MAX; the worst come first as they are raised, what is beyond is counted. Pure but for the caller's clock.
 * Threads: the watch's; others read under the lock of leakwatch.h.
 */
#pragma once

#include "base/birth.h"
#include "leak/watch/series.h"

enum { FINDINGS_MAX = 128, FINDING_KEY = 96, FINDING_TEXT = 480 };

struct finding {
    char key[FINDING_KEY];     /* also what the thing is called: the series' name, or "fds:unowned/17" */
    char series[SERIES_NAME];  /* which it belongs to */
    enum series_section section;
    bool exact;                /* seen, not inferred */
    enum leak_severity severity;
    enum leak_state state;
    double current, baseline, threshold, slope /* a minute */, limit_in /* s; below 0: never */, confidence;
    bool has_baseline;
    int64_t since;             /* clock_mono(); 0: not known */
    char text[FINDING_TEXT];   /* a sentence */
    bool has_birth;
    struct birth_info birth;   /* of the thing itself */
    bool raised;               /* in this round */
    struct alarm alarm;
};

struct findings {
    struct finding *list; /* FINDINGS_MAX, zeroed by whoever has it; pages that are not needed are never touched */
    unsigned n;
    uint64_t not_listed;
};

void findings_begin(struct findings *f, enum series_section section);
/* The finding of this key, to be filled in; what is known about its past is kept. NULL: there is no room. */
struct finding *findings_raise(struct findings *f, const char *key, enum series_section section);
struct finding_settings {
    struct alarm_settings exact, inferred;
};
void findings_settle(struct findings *f, enum series_section section, const struct finding_settings *settings, int64_t now,
                     void (*event)(struct finding *finding, enum alarm_event what, void *arg), void *arg);
/* How many are on at this severity or a worse one. */
unsigned findings_count(const struct findings *f, enum leak_severity least);
