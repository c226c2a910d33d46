#include "leak/judge/pairs.h"

#include "leak/judge/order.h"

double pairs_slope(const struct pairs_point *p, unsigned n, double *rising)
{
    double v[PAIRS_POINTS * (PAIRS_POINTS - 1) / 2];
    int sum = 0;
    unsigned m = 0;
    for (unsigned i = 0; i < n; i++)
        for (unsigned k = i + 1; k < n; k++) {
            v[m] = (p[k].value - p[i].value) / (double)(p[k].time - p[i].time);
            sum += (v[m] > 0) - (v[m] < 0);
            m++;
        }
    order_values(v, m);
    *rising = (double)sum / m;
    return v[m / 2];
}
