/*
 * basis: least squares by adding one column after the other (modified Gram-Schmidt), so that a hundred models that share their first
 * columns cost little more than one. Pure; a struct that can be copied.
 */
#pragma once

#include <stdbool.h>

enum { BASIS_ROWS = 64, BASIS_COLUMNS = 14 };

struct basis {
    unsigned rows, n;
    double rest[BASIS_ROWS]; /* what is left of the values */
    double q[BASIS_COLUMNS][BASIS_ROWS];
    double r[BASIS_COLUMNS][BASIS_COLUMNS];
    double c[BASIS_COLUMNS]; /* the values' part along each q */
    double rss;              /* the sum of squares of `rest` */
};

void basis_begin(struct basis *b, const double *values, unsigned rows);
/* false, and nothing was added: the column says nothing new, or there are too many. `column` is changed. */
bool basis_add(struct basis *b, double *column);
/* The coefficients of the columns, in the order they were added. */
void basis_solve(const struct basis *b, double *coefficients);
