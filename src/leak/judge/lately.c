#include "leak/judge/lately.h"

#include <math.h>
#include <string.h>

#include "leak/judge/order.h"

enum { LATEST = 5, REMEMBERED = 64 };
#define RISING .6 /* of the pairs: more that rise than fall. Of noise one in 1,000 windows does */

static struct pairs_point middle(const struct pairs_point *p)
{
    return (struct pairs_point){p[0].time + (p[1].time - p[0].time) / 2, (p[0].value + p[1].value) / 2};
}

/* Two points of a scale are one of the next. */
static void add_point(struct lately *l, struct pairs_point p)
{
    for (unsigned k = 0; k < LATELY_SCALES; k++) {
        struct lately_scale *s = &l->scales[k];
        if (s->n == LATELY)
            memmove(s->points, s->points + 1, --s->n * sizeof *s->points);
        s->points[s->n++] = p;
        if (++s->taken % 2)
            break;
        p = middle(&s->points[s->n - 2]);
    }
}

static double level(const struct lately_scale *s)
{
    double v[LATEST];
    unsigned n = s->n < LATEST ? s->n : LATEST;
    for (unsigned i = 0; i < n; i++)
        v[i] = s->points[s->n - 1 - i].value;
    order_values(v, n);
    return n ? v[(n - 1) / 2] : 0;
}

void lately_add(struct lately *l, int64_t time, double value)
{
    const struct lately_scale *s = &l->scales[0];
    if (s->n) {
        double change = fabs(value - s->points[s->n - 1].value);
        l->change += (change - l->change) / (s->n < LATELY ? s->n : REMEMBERED);
    }
    add_point(l, (struct pairs_point){time, value});
}

double lately_level(const struct lately *l)
{
    return level(&l->scales[0]);
}

double lately_sigma(const struct lately *l)
{
    return l->change * sqrt(M_PI) / 2; /* the mean of |a - b| is 2 sigma over the root of pi */
}

bool lately_rises(const struct lately *l, unsigned scale, struct rise *rise)
{
    const struct lately_scale *s = &l->scales[scale];
    if (s->n < LATELY || pairs_rising(s->points, s->n) < RISING)
        return false;
    *rise = (struct rise){s->points[0].time, pairs_slope(s->points, s->n), level(s)};
    return rise->slope > 0;
}
