#include "src/query/eval.h"

static int double_cmp(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    if (isnan(x) || isnan(y)) {
        return (isnan(y) != 0) - (isnan(x) != 0);
    }
    return (x > y) - (x < y);
}

void sort_doubles(double *v, size_t n)
{
    if (n > 1) {
        qsort(v, n, sizeof(*v), double_cmp);
    }
}

double quantile_sorted(double q, const double *v, size_t n)
{
    if (n == 0 || isnan(q)) {
        return NAN;
    }
    if (q < 0 || q > 1) {
        return q < 0 ? -INFINITY : INFINITY;
    }
    double rank = q * ((double)n - 1);
    size_t lower = (size_t)rank, upper = lower + 1 < n ? lower + 1 : n - 1;
    double weight = rank - floor(rank);
    return v[lower] * (1 - weight) + v[upper] * weight;
}
