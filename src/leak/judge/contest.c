#include "leak/judge/contest.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#define DAY 86400.0
#define LATEST_END .8 /* of the span: what ended later may as well go on */

enum { STEPS = 4, LEVELS = 6, HARMONICS = 2, PIECES_A_STEP = 8, TOOTH_COLUMN = 1 };

/* Of the errors, from piece to piece; times as parts of the span. */
static const double memories[] = {0, 0.5, 0.8, 0.92, 0.97};
static const double saturations[] = {.02, .05, .1, .17, .25, .35, .5, .8, 1.3};
static const double begins[] = {0, .1, .2, .3, .4, .5, .6, .7, .8};
static const double ends[] = {.1, .2, .3, .4, .5, .6, .7, .8};
#define COUNT(a) (sizeof(a) / sizeof *(a))

/* What all models of one memory share. */
struct field {
    const struct windows *w;
    double x[BASIS_ROWS];   /* time, of the span */
    double rho[BASIS_ROWS]; /* of the error before */
    double scale[BASIS_ROWS]; /* 1 over sigma of what is new in an error */
    double memory;
    double penalty;         /* what the errors' correlation takes off the likelihood */
    double least;           /* variance below which a fit is as good as perfect */
    struct basis common;    /* a level, the phase of the tooth if there are teeth, a day's course if it is known */
    bool has_teeth;
    struct contest *contest;
};

const char *contest_shape_name(enum contest_shape shape)
{
    static const char *const names[] = {"level", "saturating", "rise to a plateau", "day's course", "straight line",
                                        "straight line after a quiet time", "accelerating"};
    assert(shape < COUNT(names));
    return names[shape];
}

/* What is independent of the error before. */
static void whiten(const struct field *f, double *column)
{
    for (unsigned i = f->w->n; i-- > 1;)
        column[i] = (column[i] - f->rho[i] * column[i - 1]) * f->scale[i];
}

static double clamp(double v)
{
    return fmin(fmax(v, 0), 1);
}

static double shape_at(enum contest_shape shape, double from, double to, double x)
{
    switch (shape) {
    case CONTEST_SATURATING:
        return x > from ? 1 - exp(-(x - from) / to) : 0;
    case CONTEST_PLATEAU:
        return clamp((x - from) / (to - from));
    case CONTEST_LINE:
    case CONTEST_LATE:
        return fmax(0, (x - from) / (1 - from));
    case CONTEST_ACCELERATING:
        return pow(fmax(0, (x - from) / (1 - from)), 2);
    default:
        return 0;
    }
}

static bool add_shape(const struct field *f, struct basis *b, enum contest_shape shape, double from, double to)
{
    double column[BASIS_ROWS];
    for (unsigned i = 0; i < f->w->n; i++)
        column[i] = shape_at(shape, from, to, f->x[i]);
    whiten(f, column);
    return basis_add(b, column);
}

static void add_day(const struct field *f, struct basis *b, unsigned harmonics)
{
    double column[BASIS_ROWS];
    for (unsigned k = 1; k <= harmonics; k++)
        for (unsigned half = 0; half < 2; half++) {
            for (unsigned i = 0; i < f->w->n; i++)
                column[i] = sin(2 * M_PI * k * f->w->time[i] / DAY + half * M_PI / 2);
            whiten(f, column);
            basis_add(b, column);
        }
}

static double bic(const struct field *f, const struct basis *b, unsigned parameters)
{
    double n = f->w->n;
    return n * log(b->rss / n + f->least) + f->penalty + parameters * log(fmax(n, 64));
}

/*
 * What each step, at any place, has along v, in one pass: a whitened step is 1 over the error's share at its place, and behind it what
 * of a constant is left.
 */
static void along_steps(const struct field *f, const double *v, double *out)
{
    double behind = 0;
    for (unsigned i = f->w->n; i-- > 0;) {
        out[i] = v[i] * f->scale[i] + behind;
        behind += v[i] * f->scale[i] * (1 - f->rho[i]);
    }
}

/* The step that explains most of what is left. */
static bool add_step(const struct field *f, struct basis *b)
{
    double column[BASIS_ROWS], length[BASIS_ROWS], left[BASIS_ROWS], along[BASIS_ROWS], most = 0, behind = 0;
    unsigned best = 0, n = f->w->n;
    for (unsigned i = n; i-- > 0;) {
        double s = f->scale[i], rest = s * (1 - f->rho[i]);
        left[i] = length[i] = s * s + behind;
        behind += rest * rest;
    }
    for (unsigned k = 0; k < b->n; k++) {
        along_steps(f, b->q[k], along);
        for (unsigned i = 0; i < n; i++)
            left[i] -= along[i] * along[i];
    }
    along_steps(f, b->rest, along);
    for (unsigned i = 1; i < n; i++)
        if (left[i] > 1e-6 * length[i] && along[i] * along[i] / left[i] > most) {
            most = along[i] * along[i] / left[i];
            best = i;
        }
    if (!best)
        return false;
    for (unsigned i = 0; i < n; i++)
        column[i] = i >= best;
    whiten(f, column);
    return basis_add(b, column);
}

static bool is_endless(enum contest_shape s)
{
    return s >= CONTEST_LINE;
}

static enum contest_class class_of(const struct contest_model *m)
{
    switch (m->shape) {
    case CONTEST_SATURATING:
        return m->to > .3 ? CONTEST_LATE_FULL : CONTEST_SOON_FULL;
    case CONTEST_PLATEAU:
        return m->to > .6 ? CONTEST_LATE_FLAT : CONTEST_SOON_FLAT;
    case CONTEST_DAY:
        return m->warm_up ? CONTEST_COURSE_ON_TOP : CONTEST_COURSE;
    default:
        return CONTEST_STEPS;
    }
}

/* `at`: which column is the shape's; -1: none. */
static void offer(const struct field *f, const struct basis *b, struct contest_model m, int at, unsigned parameters)
{
    double coefficients[BASIS_COLUMNS];
    struct contest_model *best = is_endless(m.shape) ? &f->contest->endless : &f->contest->ends;
    m.bic = bic(f, b, parameters);
    m.memory = f->memory;
    if (!is_endless(m.shape) && m.bic < f->contest->classes[class_of(&m)].bic)
        f->contest->classes[class_of(&m)] = m;
    bool plain = is_endless(m.shape) && !m.warm_up && m.bic < f->contest->plain.bic;
    if (m.bic >= best->bic && !plain)
        return;
    basis_solve(b, coefficients);
    m.rise = at < 0 ? 0 : coefficients[at];
    if (is_endless(m.shape) && !(m.rise > 0))
        return;
    m.sigma = sqrt(b->rss / f->w->n);
    m.tooth = f->has_teeth ? coefficients[TOOTH_COLUMN] : 0;
    if (plain)
        f->contest->plain = m;
    if (m.bic < best->bic)
        *best = m;
}

/* Also with steps, one after the other. */
static void offer_with_steps(const struct field *f, struct basis *b, struct contest_model m, int at, unsigned parameters)
{
    offer(f, b, m, at, parameters);
    double before = bic(f, b, parameters);
    unsigned most = m.shape == CONTEST_FLAT ? LEVELS : m.warm_up ? STEPS / 2 : STEPS;
    while (m.steps < most && m.steps < f->w->n / PIECES_A_STEP && add_step(f, b)) {
        m.steps++;
        offer(f, b, m, at, parameters + 2 * m.steps);
        double now = bic(f, b, parameters + 2 * m.steps);
        if (now > before + 4)
            break;
        before = now;
    }
}

/* One shape, on top of a warm-up if there is one. */
static void try(const struct field *f, struct contest_model m, bool steps)
{
    struct basis b = f->common;
    unsigned parameters = b.n + 1 + !is_endless(m.shape) + (m.from > 0) + (2 + (m.warm_from > 0)) * (m.warm_up != CONTEST_NO_WARM_UP);
    if (m.warm_up && !add_shape(f, &b, m.warm_up == CONTEST_STRAIGHT_WARM_UP ? CONTEST_PLATEAU : CONTEST_SATURATING, m.warm_from, m.warm_to))
        return;
    int at = (int)b.n;
    if (!add_shape(f, &b, m.shape, m.from, m.to))
        return;
    if (steps)
        offer_with_steps(f, &b, m, at, parameters);
    else
        offer(f, &b, m, at, parameters);
}

static void try_ends(const struct field *f, bool day)
{
    struct basis b = f->common;
    offer_with_steps(f, &b, (struct contest_model){.shape = CONTEST_FLAT}, -1, b.n);
    for (unsigned i = 0; i < COUNT(saturations); i++)
        for (unsigned k = 0; k < COUNT(begins) && (!k || begins[k] + saturations[i] < .8); k++)
            try(f, (struct contest_model){.shape = CONTEST_SATURATING, .from = begins[k], .to = saturations[i]}, k == 0);
    for (unsigned i = 0; i < COUNT(ends); i++)
        for (unsigned k = 0; k < COUNT(begins) && begins[k] < ends[i]; k++)
            try(f, (struct contest_model){.shape = CONTEST_PLATEAU, .from = begins[k], .to = ends[i]}, k == 0);
    if (!day) {
        b = f->common;
        add_day(f, &b, 1);
        offer_with_steps(f, &b, (struct contest_model){.shape = CONTEST_DAY}, -1, b.n);
        if (f->w->span > DAY / 2 && f->w->n >= 3 * PIECES_A_STEP) {
            b = f->common;
            add_day(f, &b, 2);
            offer_with_steps(f, &b, (struct contest_model){.shape = CONTEST_DAY}, -1, b.n);
        }
    }
}

static void try_endless(const struct field *f, enum contest_warm_up warm_up, double warm_from, double warm_to, bool steps)
{
    struct contest_model m = {.shape = CONTEST_LINE, .to = 1, .warm_up = warm_up, .warm_from = warm_from, .warm_to = warm_to};
    try(f, m, steps);
    m.shape = CONTEST_ACCELERATING;
    try(f, m, steps);
    m.shape = CONTEST_LATE;
    for (unsigned k = 1; k < COUNT(begins); k++) {
        m.from = begins[k];
        try(f, m, steps);
    }
}

/* Growth on top of each of the best that end: so that what decides is not how well the rest is explained. */
static void try_on_top(const struct field *f)
{
    static const double soon[] = {.03, .08, .17};
    for (unsigned i = 0; i < COUNT(soon); i++)
        try_endless(f, CONTEST_SATURATING_WARM_UP, 0, soon[i], false);
    for (unsigned i = 0; i < CONTEST_CLASSES; i++) {
        const struct contest_model *m = &f->contest->classes[i];
        if (m->shape == CONTEST_SATURATING && m->to < .4)
            try_endless(f, CONTEST_SATURATING_WARM_UP, m->from, m->to, true);
        if (m->shape == CONTEST_PLATEAU && m->to < .7)
            try_endless(f, CONTEST_STRAIGHT_WARM_UP, m->from, m->to, true);
    }
}

static void try_day_on_top(const struct field *f, enum contest_warm_up warm_up, double to)
{
    for (unsigned k = 1; k <= HARMONICS; k++) {
        struct basis b = f->common;
        add_day(f, &b, k);
        if (add_shape(f, &b, warm_up == CONTEST_STRAIGHT_WARM_UP ? CONTEST_PLATEAU : CONTEST_SATURATING, 0, to))
            offer_with_steps(f, &b, (struct contest_model){.shape = CONTEST_DAY, .warm_up = warm_up, .warm_to = to}, -1, b.n + 1);
    }
}

/* A day's course, of which less than a day and a half was seen, on top of what ended. */
static void try_days_on_top(const struct field *f)
{
    static const double soon[] = {.03, .08, .17}, flat[] = {.15, .3, .45, .6};
    for (unsigned i = 0; i < COUNT(soon); i++)
        try_day_on_top(f, CONTEST_SATURATING_WARM_UP, soon[i]);
    for (unsigned i = 0; i < COUNT(flat); i++)
        try_day_on_top(f, CONTEST_STRAIGHT_WARM_UP, flat[i]);
}

/* The model with each of its times moved a little. */
static void vary(const struct field *f, const struct contest_model *best, double by)
{
    for (int k = -1; k <= 1; k++)
        for (int l = -1; l <= 1; l++) {
            struct contest_model m = *best;
            double *end = m.warm_up ? &m.warm_to : &m.to;
            bool saturates = m.warm_up == CONTEST_SATURATING_WARM_UP || m.shape == CONTEST_SATURATING;
            if ((k && m.from == 0) || (l && is_endless(m.shape) && !m.warm_up))
                continue;
            m.steps = 0;
            m.from += k * by;
            *end = saturates ? *end * (1 + 4 * l * by) : *end + l * by;
            if (m.from < 0 || m.from > .85 || *end < .01 || (m.shape == CONTEST_PLATEAU && (m.to > LATEST_END || m.to <= m.from + .02)))
                continue;
            try(f, m, true);
        }
}

/* With times between those of the grid. */
static void refine_ends(const struct field *f)
{
    for (double by = .05; by > .01; by /= 2)
        for (unsigned i = 0; i < CONTEST_CLASSES; i++) {
            struct contest_model m = f->contest->classes[i];
            if (m.memory == f->memory && isfinite(m.bic) && (m.shape == CONTEST_SATURATING || m.shape == CONTEST_PLATEAU))
                vary(f, &m, by);
        }
}

static void refine_endless(const struct field *f)
{
    for (double by = .05; by > .01; by /= 2)
        for (unsigned warm = 0; warm < 2; warm++) {
            struct contest_model m = warm ? f->contest->endless : f->contest->plain;
            if (m.memory == f->memory && isfinite(m.bic) && !m.warm_up == !warm)
                vary(f, &m, by);
        }
}

static void prepare(struct field *f, double memory, bool day)
{
    const struct windows *w = f->w;
    double values[BASIS_ROWS], ones[BASIS_ROWS], phase[BASIS_ROWS];
    f->memory = memory;
    f->penalty = 0;
    for (unsigned i = 0; i < w->n; i++) {
        f->x[i] = w->time[i] / w->span;
        f->rho[i] = i ? pow(memory, (w->time[i] - w->time[i - 1]) / w->length) : 0;
        f->scale[i] = 1 / sqrt(1 - f->rho[i] * f->rho[i]);
        f->penalty -= 2 * log(f->scale[i]);
        values[i] = w->value[i];
        ones[i] = 1;
    }
    whiten(f, values);
    whiten(f, ones);
    basis_begin(&f->common, values, w->n);
    basis_add(&f->common, ones);
    memcpy(phase, w->phase, w->n * sizeof *phase);
    whiten(f, phase);
    f->has_teeth = basis_add(&f->common, phase); /* without teeth a column of zeros, which says nothing */
    if (day)
        add_day(f, &f->common, HARMONICS);
}

/* Rounding, and what no one would call noise: half a percent of the range. */
static double least_variance(const struct windows *w)
{
    double low = INFINITY, high = -INFINITY;
    for (unsigned i = 0; i < w->n; i++) {
        low = fmin(low, w->value[i]);
        high = fmax(high, w->value[i]);
    }
    return pow((high - low) * 5e-3, 2) + 1e-300;
}

/* While models are tried their times are parts of the span. */
static void in_seconds(struct contest_model *m, double span)
{
    m->from *= span;
    m->to *= span;
    m->warm_from *= span;
    m->warm_to *= span;
}

void contest_hold(struct contest *c, const struct windows *w)
{
    bool day = w->span >= 1.5 * DAY;
    struct field f = {.w = w, .contest = c, .least = least_variance(w)};
    *c = (struct contest){.ends.bic = INFINITY, .endless.bic = INFINITY, .plain.bic = INFINITY};
    for (unsigned i = 0; i < CONTEST_CLASSES; i++)
        c->classes[i].bic = INFINITY;
    for (unsigned i = 0; i < COUNT(memories); i++) {
        prepare(&f, memories[i], day);
        try_ends(&f, day);
        try_endless(&f, CONTEST_NO_WARM_UP, 0, 0, true);
    }
    for (unsigned i = 0; i < COUNT(memories); i++) {
        prepare(&f, memories[i], day);
        refine_ends(&f);
    }
    for (unsigned i = 0; i < COUNT(memories); i++) {
        prepare(&f, memories[i], day);
        try_on_top(&f);
        refine_endless(&f);
    }
    bool half_known = !day && w->span > DAY / 2;
    for (unsigned i = 0; i < COUNT(memories) && half_known && c->endless.bic < c->ends.bic; i++) {
        prepare(&f, memories[i], day);
        try_days_on_top(&f);
    }
    in_seconds(&c->ends, w->span);
    in_seconds(&c->endless, w->span);
    in_seconds(&c->plain, w->span);
    for (unsigned i = 0; i < CONTEST_CLASSES; i++)
        in_seconds(&c->classes[i], w->span);
}
