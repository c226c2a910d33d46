#include "leak/judge/nearing.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"

#define POINT           (2 * MINUTE)
#define WITHIN          HOUR /* the limit must be */
#define STEADY          .8   /* of the pairs: more that rise than fall */
#define OF_ALL_IT_KNOWS .5   /* times what it rose is believed to come, of growth since the start */
#define KEEP            2    /* times further ahead is still near, once it was */
enum { POINTS_LEAST = 6 /* ten minutes */ };

void nearing_begin(struct nearing *n)
{
    *n = (struct nearing){.first = -1, .top = -INFINITY};
}

static void close_part(struct nearing *n)
{
    if (n->n == NEARING_POINTS) {
        n->top = fmax(n->top, n->points[0].value);
        memmove(n->points, n->points + 1, --n->n * sizeof *n->points);
    }
    n->points[n->n++] = n->part;
}

bool nearing_add(struct nearing *n, int64_t time, double value)
{
    bool complete = n->first >= 0 && time - n->part.time >= POINT;
    if (complete)
        close_part(n);
    if (complete || n->first < 0)
        n->part = (struct pairs_point){time, value};
    else
        n->part.value = fmin(n->part.value, value);
    if (n->first < 0)
        n->first = time;
    return complete;
}

/* Whether what begins with point `from` leads to the limit: at the rate of all of it and of its
 * last third. */
static bool leads_there(const struct nearing *n, unsigned from, double before, double left,
                        double least, double *slope)
{
    const struct pairs_point *first = &n->points[from], *last = &n->points[n->n - 1];
    unsigned count = n->n - from, third = (count + 2) / 3;
    double ahead = n->near ? KEEP : 1, grown = last->value - fmax(first->value, before);
    double span = (double)(last->time - first->time), within = WITHIN * ahead;
    if (first->time - n->first < span)
        ahead *= OF_ALL_IT_KNOWS;
    if (grown < least || left > grown * ahead || pairs_rising(first, count) < STEADY)
        return false;
    *slope = pairs_slope(first, count);
    double rate = fmin(*slope, pairs_slope(last - third, third + 1));
    return left <= rate * fmin(within, span * ahead);
}

bool nearing_look(struct nearing *n, double limit, double least, struct approach *a)
{
    double before[NEARING_POINTS], top = n->top;
    bool near = false;
    for (unsigned i = 0; i < n->n; i++) {
        before[i] = top;
        top = fmax(top, n->points[i].value);
    }
    /* The shortest that suffices: a longer one has more of what was before. */
    for (unsigned count = POINTS_LEAST; !near && count <= n->n; count++) {
        unsigned from = n->n - count;
        near = leads_there(n, from, before[from], limit - n->points[n->n - 1].value, least, &a->slope);
        a->since = n->points[from].time;
    }
    return n->near = near;
}
