#include "leak/trend.h"

#include <math.h>
#include <stdlib.h>

enum { WINDOWS = 48, WINDOWS_LEAST = 20 };

struct windows {
    unsigned n;
    double time[WINDOWS]; /* ns since the trace began: the middle */
    double low[WINDOWS];
};

static void cut(struct windows *w, const struct trace *t)
{
    unsigned each = (t->n + WINDOWS - 1) / WINDOWS;
    w->n = 0;
    /* Whole windows that end with the newest cell. */
    for (unsigned at = each ? t->n % each : 0; at + each <= t->n; at += each) {
        double low = INFINITY;
        for (unsigned i = at; i < at + each; i++)
            if (t->cells[i].n && t->cells[i].low < low)
                low = t->cells[i].low;
        if (low == INFINITY)
            continue;
        w->time[w->n] = ((double)at + each / 2.0) * (double)t->length;
        w->low[w->n++] = low;
    }
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *v, unsigned n)
{
    qsort(v, n, sizeof *v, by_value);
    return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

/* Theil and Sen: the median of the slopes of all pairs; the band from the variance of Kendall's S (Sen 1968). */
static double slopes(const struct windows *w, unsigned from, struct trend *out)
{
    static _Thread_local double v[WINDOWS * (WINDOWS - 1) / 2];
    unsigned n = 0;
    double s = 0, m = w->n - from;
    for (unsigned i = from; i < w->n; i++)
        for (unsigned k = i + 1; k < w->n; k++) {
            v[n++] = (w->low[k] - w->low[i]) / (w->time[k] - w->time[i]);
            s += (w->low[k] > w->low[i]) - (w->low[k] < w->low[i]);
        }
    double sigma = sqrt(m * (m - 1) * (2 * m + 5) / 18);
    out->slope = median(v, n);
    double c = 1.96 * sigma;
    long below = lround((n - c) / 2), above = lround((n + c) / 2);
    out->slope_low = v[below < 0 ? 0 : below];
    out->slope_high = v[above >= (long)n ? n - 1 : (unsigned)above];
    return sigma > 0 ? s / sigma : 0;
}

void trend_find(struct trend *out, const struct trace *t, double least)
{
    struct windows w;
    *out = (struct trend){.answer = TREND_UNKNOWN, .since = LEAK_NEVER};
    cut(&w, t);
    if (w.n < WINDOWS_LEAST)
        return;
    double z = slopes(&w, 0, out), span = w.time[w.n - 1] - w.time[0];
    double late = w.low[w.n - 1] - w.low[w.n * 2 / 3];
    out->level = t->zero + w.low[w.n - 1];
    out->rise = out->slope * span;
    out->confidence = erf(fabs(z) / sqrt(2));
    out->answer = TREND_NONE;
    if (z < 4 || out->rise < least)
        return;
    out->since = t->begin;
    out->shape = "a rising floor";
    out->answer = late < out->rise / 6 ? TREND_ENDED : span < 12 * 3600e9 ? TREND_GROWING : TREND_ENDLESS;
}
