/* A window of one series, as range functions see it. */
#pragma once
#include "src/query/eval.h"

struct window {
    const int64_t *t_ms; /* n samples of (from_ms, to_ms], n >= 1 */
    const double *v;
    size_t n;
    int64_t from_ms, to_ms;
    int64_t eval_ms;      /* the step's own time, without offset and @ */
    const size_t *resets; /* positions i in the window (1 <= i < n, less `reset_base`) with v[i] < v[i - 1] */
    size_t reset_count, reset_base;
    double *scratch; /* room for n values */
};
