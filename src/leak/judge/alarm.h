/*
 * alarm: when a severity that changes from sample to sample is said to somebody.
 *
 *   - it is raised when a severity has lasted for `hold`, and raised again when a higher one has;
 *   - it is resolved when there was none for `clear` (hysteresis: what goes up and down around a threshold is one alarm);
 *   - within `cooldown` after it was raised it is not raised again at the same or a lower severity, though it was resolved in
 *     between; it is raised at the end of the cooldown if it still holds then.
 * A lower severity changes nothing: an alarm says how bad it became.
 *
 * Pure; the caller's clock, in ns above 0. One alarm a series.
 */
#pragma once

#include "leak/judge/verdict.h"

struct alarm_settings {
    int64_t hold, clear, cooldown; /* ns */
};

/* 0, 5 min, 5 min. */
extern const struct alarm_settings alarm_defaults;

struct alarm {
    enum leak_severity raised; /* LEAK_NONE: it is not on */
    enum leak_severity last;   /* the severity it was last raised with, and */
    int64_t raised_at;         /* when; 0: never */
    int64_t since[LEAK_SEVERITIES]; /* how long at least this severity has lasted; 0: it does not */
    int64_t quiet_since;       /* 0: not quiet */
};

enum alarm_event { ALARM_NOTHING, ALARM_RAISED, ALARM_WORSE, ALARM_RESOLVED };

enum alarm_event alarm_step(struct alarm *a, const struct alarm_settings *settings, int64_t now, enum leak_severity severity);
