#include "leak/judge/lately.h"

#include <math.h>

#include "leak/judge/order.h"

enum { LATEST = 5, PAIRS = LATELY * (LATELY - 1) / 2, REMEMBERED = 64 };
#define RISING .6 /* of the pairs: more that rise than fall. Of noise one in 1,000 windows does */

void lately_add(struct lately *r, int64_t time, double value)
{
    if (r->n) {
        double change = fabs(value - r->value[(r->next + LATELY - 1) % LATELY]);
        r->change += (change - r->change) / (r->n < LATELY ? r->n : REMEMBERED);
    }
    r->time[r->next] = time;
    r->value[r->next] = value;
    r->next = (r->next + 1) % LATELY;
    r->n += r->n < LATELY;
}

double lately_level(const struct lately *r)
{
    double v[LATEST];
    unsigned n = r->n < LATEST ? r->n : LATEST;
    for (unsigned i = 0; i < n; i++)
        v[i] = r->value[(r->next + LATELY - 1 - i) % LATELY];
    order_values(v, n);
    return n ? v[(n - 1) / 2] : 0;
}

double lately_sigma(const struct lately *r)
{
    return r->change * sqrt(M_PI) / 2; /* the mean of |a - b| is 2 sigma over the root of pi */
}

bool lately_rises(const struct lately *r, double *slope)
{
    double v[PAIRS];
    int sum = 0, n = 0;
    if (r->n < LATELY)
        return false;
    for (unsigned i = 0; i < LATELY; i++)
        for (unsigned k = i + 1; k < LATELY; k++) {
            unsigned a = (r->next + i) % LATELY, b = (r->next + k) % LATELY;
            sum += (r->value[b] > r->value[a]) - (r->value[b] < r->value[a]);
            v[n++] = (r->value[b] - r->value[a]) / (double)(r->time[b] - r->time[a]);
        }
    if (sum < RISING * PAIRS)
        return false;
    order_values(v, PAIRS);
    *slope = v[PAIRS / 2];
    return *slope > 0;
}
