#include "leak/judge/judge.h"

#include <math.h>
#include <stdio.h>

#include "base/clock.h"
#include "leak/judge/trend.h"

#define AT_LIMIT 0.95      /* of the limit */
#define SIGMAS 4           /* above the baseline it begins to be growth */
#define HOLD 0.15          /* of the time it has grown: for so long it must have looked like a leak before an alert */
#define DOUBT 0.12         /* of the same: for so long it must have looked like none before the verdict is taken back */
#define FAR 1              /* times as long as it has grown: while the limit is further away an alert may wait */
#define SOON (24 * HOUR)   /* to the limit: high */
#define LONG (48 * HOUR)   /* in which it has doubled the whole, where no limit is known: high */
#define AT_ONCE HOUR       /* critical */
#define VERY_SOON (15 * MINUTE) /* critical, though it may end before */
enum { LOOKS = 48 };       /* the trend is looked for whenever the past has become longer by this part */

const struct judge_settings judge_defaults = {.trend = true, .interval = 30 * SECOND, .warm_up = 5 * MINUTE};

void judge_begin(struct judge *j, const struct judge_settings *settings)
{
    *j = (struct judge){.settings = *settings, .last = LEAK_NEVER, .doubted = LEAK_NEVER, .life = LEAK_NEVER, .baseline = NAN};
    j->by_trend.since = LEAK_NEVER;
    j->by_trend.limit_in = -1;
    j->verdict = j->by_trend;
    trace_begin(&j->trace);
    nearing_begin(&j->nearing);
}

void judge_set(struct judge *j, const struct judge_settings *settings)
{
    j->settings = *settings;
}

const struct verdict *judge_verdict(const struct judge *j)
{
    return &j->verdict;
}

/* What leaked before the process was started again still does, until the new life is as long as it took to find out. */
static void begin_life(struct judge *j, int64_t time)
{
    int64_t before = j->life == LEAK_NEVER ? j->trace.begin : j->life;
    j->carried_until = j->leaking ? time + (j->leaking_since - before) : 0;
    j->life = time;
    nearing_begin(&j->nearing);
}

void judge_restart(struct judge *j, int64_t time)
{
    begin_life(j, time);
    j->first = time;
    j->has_baseline = false;
    j->baseline = NAN;
    j->lately = (struct lately){0};
    trace_begin(&j->trace);
}

static void describe(struct verdict *v, const struct trend *t)
{
    static const enum leak_state states[] = {LEAK_UNDETERMINED, LEAK_STEADY, LEAK_GROWING, LEAK_LEAKING};
    v->state = t->half_a_day ? LEAK_UNDETERMINED : states[t->answer];
    v->confidence = t->confidence;
    v->since = v->state >= LEAK_GROWING ? t->since : LEAK_NEVER;
    v->slope = v->slope_low = v->slope_high = 0;
    if (v->state < LEAK_GROWING)
        return;
    v->slope = t->slope * MINUTE;
    v->slope_low = t->slope_low * MINUTE;
    v->slope_high = t->slope_high * MINUTE;
}

/* What was a leak for long is not cleared by one look: whether what it seems to end with stays so must be seen first. */
static bool is_in_doubt(struct judge *j, int64_t now)
{
    if (j->doubted == LEAK_NEVER)
        j->doubted = now;
    return (double)(now - j->doubted) < DOUBT * (double)j->lasted;
}

/* To wait for more proof costs nothing only while the limit is far away. */
static bool is_urgent(const struct judge *j, const struct trend *t)
{
    return j->settings.limit > 0 && j->settings.limit - j->value < t->slope * FAR * (double)t->lasted;
}

static void look_for_trend(struct judge *j, int64_t now)
{
    struct trend t;
    trend_find(&t, &j->trace, j->settings.least, j->leaking && now >= j->carried_until);
    if (t.life > j->life + 2 * j->trace.length)
        begin_life(j, t.life);
    bool leaking = t.answer == TREND_ENDLESS;
    if (!leaking && j->leaking && now < j->carried_until)
        return;
    if (!leaking && j->leaking && is_in_doubt(j, now))
        return;
    if (leaking && !j->leaking)
        j->leaking_since = now;
    if (leaking) {
        j->doubted = LEAK_NEVER;
        j->lasted = t.lasted;
    }
    j->leaking = leaking;
    if (!leaking) {
        j->sure = false;
        j->doubted = LEAK_NEVER;
    } else if (t.sure && (t.ripe || is_urgent(j, &t)) && (double)(now - j->leaking_since) >= HOLD * (double)t.lasted)
        j->sure = true;
    if (t.settled && j->has_baseline && t.level > j->baseline)
        j->baseline = t.level;
    describe(&j->by_trend, &t);
}

/* Whether it rises at some scale; to where it never was: else it may be a tooth, or a day. */
static bool rises_anew(const struct judge *j, struct rise *rise)
{
    for (unsigned scale = 0; scale < LATELY_SCALES; scale++)
        if (lately_rises(&j->lately, scale, rise) && rise->level >= trace_top(&j->trace, rise->since))
            return true;
    return false;
}

/* What began moments ago is growth already, though not yet a trend. */
static void look_at_lately(struct judge *j)
{
    struct verdict *v = &j->verdict;
    struct rise rise;
    double over = v->current - j->baseline;
    if (v->state >= LEAK_GROWING || !j->has_baseline || over < fmax(j->settings.least, SIGMAS * lately_sigma(&j->lately)) ||
        !rises_anew(j, &rise))
        return;
    v->state = LEAK_GROWING;
    v->since = rise.since;
    v->slope = v->slope_low = v->slope_high = rise.slope * MINUTE;
    v->confidence = 0.5;
}

/* Seconds until the limit at this slope, a minute. */
static double time_left(const struct judge *j, double slope)
{
    return fmax(0, (j->settings.limit - j->value) / slope * 60);
}

static bool is_near(const struct judge *j)
{
    return j->settings.limit > 0 && j->nearing.near;
}

/* Whether growth will end is not asked when the limit may come first. */
static void look_at_approach(struct judge *j)
{
    struct verdict *v = &j->verdict;
    if (!is_near(j) || v->state == LEAK_LEAKING)
        return;
    v->state = LEAK_GROWING;
    v->since = j->approach.since;
    v->slope = v->slope_low = v->slope_high = j->approach.slope * MINUTE;
    v->confidence = 0.5;
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
    struct rise rise;
    if (s->limit > 0 && j->value >= AT_LIMIT * s->limit) {
        j->verdict.state = LEAK_AT_LIMIT;
        blame(j, LEAK_CRITICAL, LEAK_BY_LIMIT, s->limit);
    }
    if (is_near(j))
        blame(j, j->verdict.limit_in * SECOND < VERY_SOON ? LEAK_CRITICAL : LEAK_HIGH, LEAK_BY_TIME_LEFT, s->limit);
    if (s->max > 0 && j->value >= s->max)
        blame(j, LEAK_CRITICAL, LEAK_BY_ABSOLUTE, s->max);
    if (s->increase > 0 && over > s->increase)
        blame(j, over > 2 * s->increase ? LEAK_CRITICAL : over > 1.5 * s->increase ? LEAK_HIGH : LEAK_WARNING,
              LEAK_BY_INCREASE, j->baseline + s->increase);
    if (s->warn > 0 && j->value >= s->warn)
        blame(j, LEAK_WARNING, LEAK_BY_ABSOLUTE, s->warn);
    if (s->rate > 0 && j->has_baseline && over > SIGMAS * lately_sigma(&j->lately) && lately_rises(&j->lately, 0, &rise) &&
        rise.slope * (double)s->interval > s->rate / 100 * fmax(fabs(j->baseline), 1))
        blame(j, LEAK_WARNING, LEAK_BY_RATE, s->rate);
}

/* How bad a leak is: how soon it meets the limit; without one, whether it has doubled the whole in two days or more. */
static enum leak_severity severity_of_leak(const struct judge *j)
{
    const struct verdict *v = &j->verdict;
    double left = v->limit_in * SECOND, grown = v->slope * (double)(j->last - v->since) / MINUTE;
    if (v->limit_in >= 0)
        return left < AT_ONCE ? LEAK_CRITICAL : left < SOON ? LEAK_HIGH : LEAK_WARNING;
    return j->last - v->since >= LONG && grown > v->current / 2 ? LEAK_HIGH : LEAK_WARNING;
}

static void say(struct judge *j)
{
    struct verdict *v = &j->verdict;
    v->reason[0] = 0;
    switch (v->rule) {
    case LEAK_BY_NONE:
    case LEAK_RULES:
        break;
    case LEAK_BY_TREND:
        snprintf(v->reason, sizeof v->reason,
                 "grows by %.4g a minute (%.4g to %.4g) for %.1f h, and no step, warm-up, pool or daily cycle explains it",
                 v->slope, v->slope_low, v->slope_high, (double)(j->last - v->since) / HOUR);
        break;
    case LEAK_BY_LIMIT:
        snprintf(v->reason, sizeof v->reason, "%.6g of the %.6g that are possible", j->value, v->threshold);
        break;
    case LEAK_BY_TIME_LEFT:
        snprintf(v->reason, sizeof v->reason, "grows by %.4g a minute for %.0f min: if that goes on, the limit of %.6g is reached in %.0f min",
                 j->approach.slope * MINUTE, (double)(j->last - j->approach.since) / MINUTE, v->threshold, v->limit_in / 60);
        break;
    case LEAK_BY_INCREASE:
        snprintf(v->reason, sizeof v->reason, "%.6g is more than %.6g: the baseline of %.6g and what may come to it",
                 v->current, v->threshold, j->baseline);
        break;
    case LEAK_BY_ABSOLUTE:
        snprintf(v->reason, sizeof v->reason, "%.6g has reached the threshold of %.6g", j->value, v->threshold);
        break;
    case LEAK_BY_RATE:
        snprintf(v->reason, sizeof v->reason, "grows by more than %.4g %% of the baseline of %.6g in %.3g s", v->threshold,
                 j->baseline, (double)j->settings.interval / SECOND);
        break;
    }
}

static void conclude(struct judge *j)
{
    struct verdict *v = &j->verdict;
    *v = j->by_trend;
    v->severity = LEAK_NONE;
    v->rule = LEAK_BY_NONE;
    v->threshold = 0;
    v->current = lately_level(&j->lately);
    v->has_baseline = j->has_baseline;
    if (!j->settings.trend && j->has_baseline)
        v->state = LEAK_STEADY;
    v->baseline = j->baseline;
    look_at_lately(j);
    look_at_approach(j);
    v->limit_in = v->slope > 0 && j->settings.limit > 0 ? time_left(j, v->slope) : -1;
    if (is_near(j)) {
        double left = time_left(j, j->approach.slope * MINUTE);
        v->limit_in = v->limit_in < 0 ? left : fmin(v->limit_in, left);
    }
    if (v->state == LEAK_LEAKING && j->sure)
        blame(j, severity_of_leak(j), LEAK_BY_TREND, 0);
    apply_thresholds(j);
    say(j);
}

static void keep_baseline(struct judge *j, int64_t time)
{
    int64_t age = time - j->first;
    double level = lately_level(&j->lately);
    if (age < j->settings.warm_up / 2)
        return;
    j->has_baseline = age >= j->settings.warm_up;
    j->baseline = isnan(j->baseline) ? level : fmin(j->baseline, level);
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
    lately_add(&j->lately, time, beyond);
    keep_baseline(j, time);
    if (j->settings.limit > 0 && nearing_add(&j->nearing, time, value))
        nearing_look(&j->nearing, j->settings.limit, j->settings.least, &j->approach);
    if (trace_add(&j->trace, time, beyond) && j->settings.trend && time >= j->due) {
        look_for_trend(j, time);
        j->due = time + (time - j->trace.begin) / LOOKS;
    }
    conclude(j);
    return true;
}
