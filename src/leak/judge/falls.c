#include "leak/judge/falls.h"

#include <math.h>
#include <stdlib.h>

#include "base/clock.h"

#define DEEP 0.5         /* a fall: by this part of what its life had risen, and */
#define SIGMAS 6.0       /* by so many of what changes from cell to cell, and */
#define WIDE 0.2         /* by this part of all that was seen */
#define TOOTH (3 * HOUR) /* what is shorter, on average, is a tooth and no life */
enum { AROUND = 3, TEETH_LEAST = 3, LIFE_LEAST = 4 };

static int by_value(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* A quantile of the means of the cells [from, to); NAN without any. */
static double quantile(const struct trace *t, unsigned from, unsigned to, double q)
{
    float v[TRACE_CELLS];
    unsigned n = 0;
    for (unsigned i = from; i < to && i < t->n; i++)
        if (t->cells[i].n)
            v[n++] = t->cells[i].mean;
    if (!n)
        return NAN;
    qsort(v, n, sizeof *v, by_value);
    return v[(unsigned)(q * (n - 1) + 0.5)];
}

/* One sigma of what changes from cell to cell, apart from slopes. */
static double roughness(const struct trace *t)
{
    float v[TRACE_CELLS];
    unsigned n = 0;
    for (unsigned i = 0; i + 2 < t->n; i++)
        if (t->cells[i].n && t->cells[i + 1].n && t->cells[i + 2].n)
            v[n++] = fabsf(t->cells[i].mean - 2 * t->cells[i + 1].mean + t->cells[i + 2].mean);
    if (!n)
        return 0;
    qsort(v, n, sizeof *v, by_value);
    return v[n / 2] / (0.6745 * sqrt(6));
}

/* Whether what happens around cell i is a fall and no slope: beside it things change by less than half as much. */
static bool is_sudden(const struct trace *t, unsigned i)
{
    const struct cell *c = &t->cells[i];
    if (!c[-1].n || !c[1].n)
        return true;
    double step = c[-1].mean - c[1].mean;
    bool before = c[-3].n && c[-3].mean - c[-1].mean > step / 2;
    return !before && !(c[3].n && c[1].mean - c[3].mean > step / 2);
}

/*
 * Whether a life that began at `begin` ends in cell i. It falls from where it has been for a quarter of the life, and for the last
 * cells, so the end of a burst is none.
 */
static bool is_fall(const struct trace *t, unsigned begin, unsigned i, double least)
{
    double close = quantile(t, i - AROUND, i, 0.5), after = quantile(t, i + 1, i + 1 + AROUND, 0.5);
    if (!(close - after > least))
        return false;
    double of_late = quantile(t, i - (i - begin + 3) / 4, i, 0.3), of_last = quantile(t, i - begin > 6 ? i - 6 : begin, i, 0.6);
    double late = fmin(of_late, of_last), base = quantile(t, begin, i, 0.1);
    return fmin(close, late) - after > DEEP * (fmax(close, late) - base) && fmin(close, late) - after > least;
}

/* A day's end may look like that too. */
static bool is_daily(const struct falls *f, const struct trace *t)
{
    for (unsigned k = 0; k + 1 < f->n; k++) {
        int64_t apart = (f->at[k + 1] - f->at[k]) * t->length;
        if (llabs(apart - 24 * HOUR) > 3 * HOUR)
            return false;
    }
    return f->n > 1;
}

void falls_find(struct falls *f, const struct trace *t)
{
    unsigned begin = 0;
    double range = quantile(t, 0, t->n, 0.95) - quantile(t, 0, t->n, 0.05), least = fmax(SIGMAS * roughness(t), WIDE * range);
    *f = (struct falls){0};
    for (unsigned i = LIFE_LEAST; i + 1 + AROUND <= t->n && f->n < FALLS_MOST; i++) {
        if (i < begin + LIFE_LEAST || !is_sudden(t, i) || !is_fall(t, begin, i, least))
            continue;
        f->at[f->n++] = begin = i + 1;
    }
    f->teeth = f->n >= TEETH_LEAST && (int64_t)t->n * t->length < (int64_t)(f->n + 1) * TOOTH;
    if (f->n && !f->teeth && !is_daily(f, t))
        f->life = f->at[f->n - 1];
}
