#include "leak/judge/pairs.h"

#include "leak/judge/order.h"

double pairs_rising(const struct pairs_point *p, unsigned n)
{
    int sum = 0;
    for (unsigned i = 0; i < n; i++)
        for (unsigned k = i + 1; k < n; k++)
            sum += (p[k].value > p[i].value) - (p[k].value < p[i].value);
    return sum / (n * (n - 1) / 2.);
}

double pairs_slope(const struct pairs_point *p, unsigned n)
{
    double v[PAIRS_POINTS * (PAIRS_POINTS - 1) / 2];
    unsigned m = 0;
    for (unsigned i = 0; i < n; i++)
        for (unsigned k = i + 1; k < n; k++)
            v[m++] = (p[k].value - p[i].value) / (double)(p[k].time - p[i].time);
    order_values(v, m);
    return v[m / 2];
}
