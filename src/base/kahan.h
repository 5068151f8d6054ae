/* Compensated sums: Neumaier's variant of Kahan's, as Prometheus sums. */
#pragma once
#include <math.h>

/* Adds v to *sum, what rounding lost to *c. The sum is kahan_value(). */
static inline void kahan_add(double v, double *sum, double *c)
{
    double t = *sum + v;
    if (isinf(t)) {
        *c = 0;
    } else if (fabs(*sum) >= fabs(v)) {
        *c += (*sum - t) + v;
    } else {
        *c += (v - t) + *sum;
    }
    *sum = t;
}
static inline double kahan_value(double sum, double c)
{
    return isinf(sum) ? sum : sum + c;
}
