#include "leak/judge.h"

#include <math.h>
#include <stdio.h>

#include "base/clock.h"
#include "leak/trend.h"

#define AT_LIMIT 0.95

const struct judge_settings judge_defaults = {.trend = true, .interval = 30 * SECOND, .warm_up = 5 * MINUTE};

void judge_begin(struct judge *j, const struct judge_settings *settings)
{
    *j = (struct judge){.settings = *settings, .last = LEAK_NEVER, .verdict = {.since = LEAK_NEVER, .limit_in = -1}};
    trace_begin(&j->trace);
}

void judge_set(struct judge *j, const struct judge_settings *settings)
{
    j->settings = *settings;
}

void judge_restart(struct judge *j, int64_t time)
{
    j->has_baseline = false;
    j->first = time;
}

const struct verdict *judge_verdict(const struct judge *j)
{
    return &j->verdict;
}

static void blame(struct judge *j, enum leak_severity severity, enum leak_rule rule, double threshold)
{
    struct verdict *v = &j->verdict;
    if (severity <= v->severity)
        return;
    v->severity = severity;
    v->rule = rule;
    v->threshold = threshold;
}

static void apply_thresholds(struct judge *j)
{
    const struct judge_settings *s = &j->settings;
    double over = j->has_baseline ? j->verdict.current - j->baseline : 0;
    if (s->limit > 0 && j->value >= AT_LIMIT * s->limit) {
        j->verdict.state = LEAK_AT_LIMIT;
        blame(j, LEAK_CRITICAL, LEAK_BY_LIMIT, s->limit);
    }
    if (s->max > 0 && j->value >= s->max)
        blame(j, LEAK_CRITICAL, LEAK_BY_ABSOLUTE, s->max);
    if (s->increase > 0 && over > s->increase)
        blame(j, over > 2 * s->increase ? LEAK_CRITICAL : over > 1.5 * s->increase ? LEAK_HIGH : LEAK_WARNING,
              LEAK_BY_INCREASE, j->baseline + s->increase);
    if (s->warn > 0 && j->value >= s->warn)
        blame(j, LEAK_WARNING, LEAK_BY_ABSOLUTE, s->warn);
}

static void apply_trend(struct judge *j)
{
    static const enum leak_state states[] = {LEAK_UNDETERMINED, LEAK_STEADY, LEAK_STEADY, LEAK_GROWING, LEAK_LEAKING};
    struct trend t;
    struct verdict *v = &j->verdict;
    trend_find(&t, &j->trace, j->settings.least);
    v->state = states[t.answer];
    v->confidence = t.confidence;
    v->since = LEAK_NEVER;
    v->slope = v->slope_low = v->slope_high = 0;
    if (v->state < LEAK_GROWING)
        return;
    v->since = t.since;
    v->slope = t.slope * MINUTE;
    v->slope_low = t.slope_low * MINUTE;
    v->slope_high = t.slope_high * MINUTE;
}

static void say(struct judge *j)
{
    struct verdict *v = &j->verdict;
    v->reason[0] = 0;
    switch (v->rule) {
    case LEAK_BY_TREND:
        snprintf(v->reason, sizeof v->reason, "grows by %.3g a minute (%.3g to %.3g)", v->slope, v->slope_low, v->slope_high);
        break;
    case LEAK_BY_LIMIT:
        snprintf(v->reason, sizeof v->reason, "%.6g of the %.6g that are allowed", j->value, v->threshold);
        break;
    case LEAK_BY_INCREASE:
    case LEAK_BY_ABSOLUTE:
        snprintf(v->reason, sizeof v->reason, "%.6g is more than %.6g", j->value, v->threshold);
        break;
    default:
        break;
    }
}

static void conclude(struct judge *j)
{
    struct verdict *v = &j->verdict;
    v->severity = LEAK_NONE;
    v->rule = LEAK_BY_NONE;
    v->threshold = 0;
    v->has_baseline = j->has_baseline;
    v->baseline = j->baseline;
    v->limit_in = -1;
    if (v->slope > 0 && j->settings.limit > 0)
        v->limit_in = fmax(0, (j->settings.limit - j->value) / v->slope * 60);
    if (v->state == LEAK_LEAKING)
        blame(j, LEAK_WARNING, LEAK_BY_TREND, 0);
    apply_thresholds(j);
    say(j);
}

bool judge_add(struct judge *j, int64_t time, double value, double expected)
{
    double beyond = value - expected;
    if (!isfinite(beyond) || time < 0 || time <= j->last)
        return false;
    if (j->last == LEAK_NEVER)
        j->first = time;
    j->last = time;
    j->value = value;
    j->verdict.current = beyond;
    unsigned completed = trace_add(&j->trace, time, beyond);
    if (time - j->first >= j->settings.warm_up) {
        j->baseline = j->has_baseline ? fmin(j->baseline, beyond) : beyond;
        j->has_baseline = true;
    }
    if (completed && j->settings.trend)
        apply_trend(j);
    conclude(j);
    return true;
}
