#include "leak/recent.h"

#include <math.h>
#include <stdlib.h>

enum { LATEST = 5, PAIRS = RECENT * (RECENT - 1) / 2, REMEMBERED = 64 };
#define RISING .6 /* of the pairs: more that rise than fall. Of noise one in 1,000 windows does */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void recent_add(struct recent *r, int64_t time, double value)
{
    if (r->n) {
        double change = fabs(value - r->value[(r->next + RECENT - 1) % RECENT]);
        r->change += (change - r->change) / (r->n < RECENT ? r->n : REMEMBERED);
    }
    r->time[r->next] = time;
    r->value[r->next] = value;
    r->next = (r->next + 1) % RECENT;
    r->n += r->n < RECENT;
}

double recent_level(const struct recent *r)
{
    double v[LATEST];
    unsigned n = r->n < LATEST ? r->n : LATEST;
    for (unsigned i = 0; i < n; i++)
        v[i] = r->value[(r->next + RECENT - 1 - i) % RECENT];
    qsort(v, n, sizeof *v, by_value);
    return n ? v[(n - 1) / 2] : 0;
}

double recent_sigma(const struct recent *r)
{
    return r->change * sqrt(M_PI) / 2; /* the mean of |a - b| is 2 sigma over the root of pi */
}

bool recent_rises(const struct recent *r, double *slope)
{
    double v[PAIRS];
    int sum = 0, n = 0;
    if (r->n < RECENT)
        return false;
    for (unsigned i = 0; i < RECENT; i++)
        for (unsigned k = i + 1; k < RECENT; k++) {
            unsigned a = (r->next + i) % RECENT, b = (r->next + k) % RECENT;
            sum += (r->value[b] > r->value[a]) - (r->value[b] < r->value[a]);
            v[n++] = (r->value[b] - r->value[a]) / (double)(r->time[b] - r->time[a]);
        }
    if (sum < RISING * PAIRS)
        return false;
    qsort(v, PAIRS, sizeof *v, by_value);
    *slope = v[PAIRS / 2];
    return *slope > 0;
}
