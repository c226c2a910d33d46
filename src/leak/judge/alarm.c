#include "leak/judge/alarm.h"

#include "base/clock.h"

const struct alarm_settings alarm_defaults = {.hold = 0, .clear = 5 * MINUTE, .cooldown = 5 * MINUTE};

/* The highest severity that has lasted for `hold`. */
static enum leak_severity lasting(const struct alarm *a, int64_t hold, int64_t now)
{
    for (enum leak_severity s = LEAK_CRITICAL; s > LEAK_NONE; s--)
        if (a->since[s] && now - a->since[s] >= hold)
            return s;
    return LEAK_NONE;
}

static void remember(struct alarm *a, int64_t now, enum leak_severity severity)
{
    for (enum leak_severity s = LEAK_WARNING; s < LEAK_SEVERITIES; s++) {
        if (s > severity)
            a->since[s] = 0;
        else if (!a->since[s])
            a->since[s] = now;
    }
    if (severity != LEAK_NONE)
        a->quiet_since = 0;
    else if (!a->quiet_since)
        a->quiet_since = now;
}

enum alarm_event alarm_step(struct alarm *a, const struct alarm_settings *settings, int64_t now, enum leak_severity severity)
{
    remember(a, now, severity);
    enum leak_severity s = lasting(a, settings->hold, now);
    if (s > a->raised) {
        bool cooling = a->raised_at && now - a->raised_at < settings->cooldown;
        if (cooling && s <= a->last)
            return ALARM_NOTHING;
        enum alarm_event event = a->raised == LEAK_NONE ? ALARM_RAISED : ALARM_WORSE;
        a->raised = a->last = s;
        a->raised_at = now;
        return event;
    }
    if (a->raised != LEAK_NONE && a->quiet_since && now - a->quiet_since >= settings->clear) {
        a->raised = LEAK_NONE;
        return ALARM_RESOLVED;
    }
    return ALARM_NOTHING;
}
