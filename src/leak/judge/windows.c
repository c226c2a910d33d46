#include "leak/judge/windows.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "leak/judge/order.h"

enum { MANY_TEETH = 6 }; /* so many floors tell a trend; of fewer the phase is taken off instead */

static double median(const double *values, unsigned n)
{
    double v[BASIS_ROWS];
    memcpy(v, values, n * sizeof *v);
    order_values(v, n);
    return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

/* A piece in which much is missing tells a higher floor than the others. */
static bool cut_piece(const struct trace *t, unsigned at, unsigned each, double usual, double *low, double *mean)
{
    double samples = 0;
    *low = INFINITY;
    *mean = 0;
    for (unsigned i = at; i < at + each; i++) {
        const struct cell *c = &t->cells[i];
        if (!c->n)
            continue;
        *low = fmin(*low, c->low);
        *mean += (double)c->mean * c->n;
        samples += c->n;
    }
    if (samples < usual / 3 || !samples)
        return false;
    *mean /= samples;
    return true;
}

static void cut(struct windows *w, const struct trace *t, unsigned from, unsigned each, bool floors)
{
    double samples = 0, filled = 0;
    *w = (struct windows){.floors = floors};
    for (unsigned i = from; i < t->n; i++) {
        samples += t->cells[i].n;
        filled += t->cells[i].n > 0;
    }
    from += (t->n - from) % each;
    w->begin = t->begin + from * t->length;
    w->length = (double)(each * t->length) / SECOND;
    w->span = (double)((t->n - from) * t->length) / SECOND;
    for (unsigned at = from; at + each <= t->n; at += each) {
        double low, mean;
        if (!cut_piece(t, at, each, filled ? samples / filled * each : 0, &low, &mean))
            continue;
        w->time[w->n] = ((at - from) / each + 0.5) * w->length;
        w->value[w->n++] = floors ? low : mean;
    }
}

/* One sigma of what changes from piece to piece, apart from a trend. */
static double roughness(const struct windows *w)
{
    double sum = 0;
    for (unsigned i = 0; i + 2 < w->n; i++)
        sum += pow(w->value[i] - 2 * w->value[i + 1] + w->value[i + 2], 2);
    return w->n < 3 ? 0 : sqrt(sum / (w->n - 2) / 6);
}

/* How far the last quarter lies above the first, in sigmas of what changes from piece to piece. */
static double rise_in_sigmas(const struct windows *w, double *rise)
{
    unsigned quarter = w->n / 4;
    if (!quarter)
        return 0;
    *rise = median(w->value + w->n - quarter, quarter) - median(w->value, quarter);
    return *rise / (roughness(w) + 1e-9 * fabs(*rise));
}

/* The lowest of each tooth: of the first only if all of it was seen, which nobody knows. */
static void cut_teeth(struct windows *w, const struct trace *t, const struct falls *f)
{
    *w = (struct windows){.floors = true, .begin = t->begin};
    unsigned skip = f->n > BASIS_ROWS ? f->n - BASIS_ROWS : 0;
    for (unsigned k = skip; k < f->n; k++) {
        unsigned end = k + 1 < f->n ? f->at[k + 1] : t->n, lowest = f->at[k];
        for (unsigned i = f->at[k]; i < end; i++)
            if (t->cells[i].n && (!t->cells[lowest].n || t->cells[i].low < t->cells[lowest].low))
                lowest = i;
        if (!t->cells[lowest].n)
            continue;
        w->time[w->n] = (lowest + 0.5) * (double)t->length / SECOND;
        w->value[w->n++] = t->cells[lowest].low;
    }
    w->span = (double)(t->n * t->length) / SECOND;
    w->length = w->span / (f->n + 1);
}

/* Since the last fall, in teeth; the first is taken for whole at its end. */
static double phase_of(const struct falls *f, unsigned cell)
{
    unsigned k = 0;
    double length = (double)(f->at[f->n - 1] - f->at[0]) / (f->n - 1);
    while (k < f->n && f->at[k] <= cell)
        k++;
    return k ? (cell + .5 - f->at[k - 1]) / length : 1 - (f->at[0] - cell - .5) / length;
}

static void add_phases(struct windows *w, const struct trace *t, const struct falls *f, unsigned each)
{
    unsigned first = t->n % each;
    w->teeth = true;
    for (unsigned i = 0; i < w->n; i++) {
        unsigned at = first + (unsigned)(w->time[i] / w->length) * each;
        for (unsigned k = 0; k < each; k++)
            w->phase[i] += phase_of(f, at + k) / each;
    }
}

void windows_cut(struct windows *w, const struct trace *t, const struct falls *f)
{
    struct windows floors;
    double of_means = 0, of_floors = 0;
    unsigned cells = t->n - f->life, each = (cells + BASIS_ROWS - 1) / BASIS_ROWS;
    *w = (struct windows){0};
    if (!cells)
        return;
    bool wide = f->teeth && t->n > 2 * each * f->n;
    if (wide && f->n >= MANY_TEETH) {
        cut_teeth(w, t, f);
        return;
    }
    cut(w, t, f->life, each, false);
    if (wide) {
        add_phases(w, t, f, each);
        return;
    }
    cut(&floors, t, f->life, each, true);
    double means_say = rise_in_sigmas(w, &of_means), floors_say = rise_in_sigmas(&floors, &of_floors);
    if (floors_say > means_say || of_floors < of_means / 2)
        *w = floors;
}

bool windows_rise(const struct windows *w, double least)
{
    unsigned part = w->n / 6;
    if (!part)
        return false;
    double end = median(w->value + w->n - part, part);
    double lowest = fmin(median(w->value, part), median(w->value + w->n / 2 - part / 2, part));
    return end - lowest >= 0.7 * least;
}
