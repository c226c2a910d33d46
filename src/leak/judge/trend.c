#include "leak/judge/trend.h"

#include <math.h>

#include "base/clock.h"
#include "leak/judge/contest.h"
#include "leak/judge/order.h"

#define HOURS 3600.0    /* s */
#define LEAST_SHARE .03 /* of the level: a smaller rise is none */
#define LEAST_SURE .3   /* of the slope: the lower end of its band must be above */
#define DAY (24 * HOURS)
#define CYCLE (36 * HOURS) /* from then on a day's course is known, and taken off on both sides */
#define KEEP 4.0        /* so much less proof is needed to keep to an answer */

enum { WINDOWS_LEAST = 6 };

/*
 * By how much the bic of growth must be better than that of each way in which it could end. Of those that are hardly different from
 * growth (what saturates slowly, what ended late) less is asked.
 */
struct proof {
    double soon, late, day;
    double from_start, young, old; /* s that growth must have lasted: from the start on; in the first day; later */
};

static const struct proof enough = {.soon = 2, .late = -4, .day = 0, .from_start = 3 * HOURS, .young = 3 * HOURS, .old = 3 * HOURS};
static const struct proof plenty = {.soon = 8, .late = 4, .day = 4, .from_start = 18 * HOURS, .young = 18 * HOURS, .old = 3 * HOURS};

struct found {
    const struct windows *w;
    struct contest contest;
    double lasted; /* s */
    double soon, late, day, on_top; /* by how much the bic of growth is better */
};

/* The variance of Kendall's S for n values (Sen 1968). */
static double variance(double n)
{
    return n * (n - 1) * (2 * n + 5) / 18;
}

/*
 * Theil and Sen: the median of the slopes of all pairs, and its band. Once days can be compared, of pairs at the same time of day
 * only: that takes any daily course off (Hirsch's seasonal Kendall test).
 */
static void find_slope(const struct windows *w, double from, double *slope, double *low, double *high)
{
    double v[BASIS_ROWS * (BASIS_ROWS - 1) / 2];
    bool daily = w->span - from >= CYCLE;
    unsigned n = 0, m = 0;
    *slope = *low = *high = 0;
    for (unsigned i = 0; i < w->n; i++) {
        if (w->time[i] < from)
            continue;
        m++;
        for (unsigned k = i + 1; k < w->n; k++) {
            double apart = w->time[k] - w->time[i];
            if (!daily || (fabs(remainder(apart, DAY)) < w->length * .6 && apart > DAY / 2))
                v[n++] = (w->value[k] - w->value[i]) / (apart * SECOND);
        }
    }
    if (!n)
        return;
    order_values(v, n);
    double days = floor((w->span - from) / DAY) + 1;
    double c = 1.96 * sqrt(daily ? n / (days * (days - 1) / 2) * variance(days) : variance(m));
    long below = lround((n - c) / 2), above = lround((n + c) / 2);
    *slope = v[n / 2];
    *low = v[below < 0 ? 0 : below];
    *high = v[above >= (long)n ? n - 1 : (unsigned)above];
}

static double level_of(const struct trace *t, const struct windows *w)
{
    double v[BASIS_ROWS];
    unsigned n = 0;
    for (unsigned i = w->n - (w->n + 3) / 4; i < w->n; i++)
        v[n++] = w->value[i];
    order_values(v, n);
    return t->zero + v[n / 4];
}

static void measure(struct found *f, const struct windows *w)
{
    contest_hold(&f->contest, w);
    const struct contest *c = &f->contest;
    double growth = c->endless.bic;
    f->w = w;
    f->lasted = w->span - c->endless.from;
    f->soon = fmin(c->classes[CONTEST_STEPS].bic, fmin(c->classes[CONTEST_SOON_FULL].bic, c->classes[CONTEST_SOON_FLAT].bic)) - growth;
    f->late = fmin(c->classes[CONTEST_LATE_FULL].bic, c->classes[CONTEST_LATE_FLAT].bic) - growth;
    f->day = w->span < CYCLE ? c->classes[CONTEST_COURSE].bic - growth : INFINITY;
    f->on_top = c->classes[CONTEST_COURSE_ON_TOP].bic - growth;
}

/* Without what the teeth rise by. */
static void take_teeth_off(struct windows *w, double tooth)
{
    for (unsigned i = 0; i < w->n; i++)
        w->value[i] -= tooth * w->phase[i];
}

static bool lasted(const struct found *f, const struct proof *p)
{
    return f->lasted >= (f->contest.endless.from <= 0 ? p->from_start : f->w->span < CYCLE ? p->young : p->old);
}

/* Whether what is left of growth of late is worth the name; a known day's course would hide it. */
static bool goes_on(const struct found *f, const struct trend *t, double share)
{
    double late, low, high, rise = f->contest.endless.rise / (f->lasted * SECOND);
    if (t->slope_low < LEAST_SURE * rise)
        return false;
    if (f->w->span >= CYCLE)
        return true;
    find_slope(f->w, f->w->span - f->lasted * .4, &late, &low, &high);
    return late >= share * rise;
}

/* Whether the best that ends has: a level for which the baseline may rise. */
static bool has_ended(const struct found *f)
{
    const struct contest_model *m = &f->contest.ends;
    return m->shape != CONTEST_DAY && m->to < .6 * f->w->span;
}

/* Enough to tell somebody: told from all that ends, and hardly slower of late. */
static bool is_sure(const struct found *f, const struct trend *t)
{
    return f->soon >= plenty.soon && f->late >= plenty.late && fmin(f->day, f->on_top) >= plenty.day && goes_on(f, t, .4);
}

static void answer(struct trend *out, const struct found *f, bool endless)
{
    const struct proof *p = &enough;
    double less = endless ? KEEP : 0;
    bool explained = f->soon < p->soon - less || f->late < p->late - less || !goes_on(f, out, endless ? .1 : .2);
    bool day = f->day < p->day - less;
    double margin = fmin(fmin(f->soon, f->late - p->late), f->day);
    out->confidence = 1 / (1 + exp(-fabs(margin) / 2));
    if (explained) {
        out->answer = TREND_NONE;
        out->settled = fmin(f->soon, f->late) < 0 && has_ended(f);
    } else if (day) {
        out->answer = TREND_GROWING;
        out->half_a_day = f->w->span < 12 * HOURS;
    } else {
        out->answer = lasted(f, p) ? TREND_ENDLESS : TREND_GROWING;
        out->sure = out->answer == TREND_ENDLESS && is_sure(f, out);
        out->ripe = lasted(f, &plenty);
    }
}

void trend_find(struct trend *out, const struct trace *t, double least, bool endless)
{
    struct windows w;
    struct falls falls;
    struct found f;
    *out = (struct trend){.answer = TREND_UNKNOWN, .since = LEAK_NEVER, .life = LEAK_NEVER};
    falls_find(&falls, t);
    windows_cut(&w, t, &falls);
    if (falls.life)
        out->life = t->begin + falls.life * t->length;
    if (w.n < WINDOWS_LEAST)
        return;
    out->level = level_of(t, &w);
    out->answer = TREND_NONE;
    out->confidence = 0.5 + 0.49 * fmin(1, w.span / CYCLE);
    least = fmax(least, LEAST_SHARE * fabs(out->level));
    if (!endless && !w.teeth && !windows_rise(&w, least))
        return;
    measure(&f, &w);
    out->rise = f.contest.endless.rise;
    if (!(out->rise >= least)) {
        out->settled = has_ended(&f);
        return;
    }
    take_teeth_off(&w, f.contest.endless.tooth);
    find_slope(&w, f.contest.endless.from, &out->slope, &out->slope_low, &out->slope_high);
    answer(out, &f, endless);
    if (out->answer == TREND_NONE)
        return;
    out->lasted = (int64_t)(f.lasted * SECOND);
    out->since = w.begin + (int64_t)(f.contest.endless.from * SECOND);
    out->shape = contest_shape_name(f.contest.endless.shape);
}
