/* order: values from the lowest to the highest, for medians and other quantiles. Pure. */
#pragma once

#include <stddef.h>

void order_values(double *values, size_t n);
