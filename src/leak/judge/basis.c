#include "leak/judge/basis.h"

#include <math.h>
#include <string.h>

#define SAME 1e-8 /* of its length: what is left of a column that the others explain */

static double dot(const double *a, const double *b, unsigned n)
{
    double sum = 0;
    for (unsigned i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static void take_off(double *v, double times, const double *q, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        v[i] -= times * q[i];
}

void basis_begin(struct basis *b, const double *values, unsigned rows)
{
    b->rows = rows;
    b->n = 0;
    memcpy(b->rest, values, rows * sizeof *values);
    b->rss = dot(values, values, rows);
}

bool basis_add(struct basis *b, double *column)
{
    if (b->n == BASIS_COLUMNS)
        return false;
    double length = dot(column, column, b->rows), *r = b->r[b->n], *q = b->q[b->n];
    for (unsigned i = 0; i < b->n; i++) {
        r[i] = dot(b->q[i], column, b->rows);
        take_off(column, r[i], b->q[i], b->rows);
    }
    double left = dot(column, column, b->rows);
    if (!(left > SAME * length))
        return false;
    r[b->n] = sqrt(left);
    for (unsigned i = 0; i < b->rows; i++)
        q[i] = column[i] / r[b->n];
    b->c[b->n] = dot(q, b->rest, b->rows);
    take_off(b->rest, b->c[b->n], q, b->rows);
    b->rss = dot(b->rest, b->rest, b->rows);
    b->n++;
    return true;
}

void basis_solve(const struct basis *b, double *coefficients)
{
    for (unsigned i = b->n; i-- > 0;) {
        double sum = b->c[i];
        for (unsigned k = i + 1; k < b->n; k++)
            sum -= b->r[k][i] * coefficients[k];
        coefficients[i] = sum / b->r[i][i];
    }
}
