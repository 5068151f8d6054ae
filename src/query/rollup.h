/* A window of one series, as range functions see it: of samples, or of points where a tier answers (tiers.h). */
#pragma once
#include "src/query/tiers.h"

struct window {
    const int64_t *t_ms; /* n samples of (from_ms, to_ms], n >= 1 */
    const double *v;
    size_t n;
    int64_t from_ms, to_ms;
    int64_t eval_ms; /* the step's own time, without offset and @ */
    double *scratch; /* room for n values */
};

struct point_window {
    const struct point_columns *points;
    size_t lo, hi; /* those of the window; the first and the last have samples, between them may be markers (count 0) */
    int64_t from_ms, to_ms;
    double share; /* range asked for / range looked at: 1 but where the window was snapped to whole buckets */
};

/* What rate(), increase() and delta() know of a window of at least two samples. The samples rarely reach to the
 * window's ends: the difference is extrapolated there as Prometheus does. */
struct edges {
    int64_t first_ms, last_ms; /* of the first and the last sample */
    double count, first;       /* samples, value of the first one */
    double difference;         /* last - first, and what was lost in resets */
};
double extrapolate(const struct edges *edges, int64_t from_ms, int64_t to_ms, bool counter, bool per_second);
/* What the difference is multiplied with if no counter was zero within `to_start` seconds before the first sample:
 * follows from times alone. */
double extrapolation(const struct edges *edges, int64_t from_ms, int64_t to_ms, bool per_second, double *to_start);

/* An info if the function wants a counter and the name is no counter's. */
void remark_on_name(struct eval *ev, const struct expr *call, struct labels labels);
/* A function that has a version for points, over points of `range`. */
int eval_rollup_points(struct eval *ev, const struct expr *call, const struct expr *range, const struct grid *grid,
                       const struct source *source, struct emit out) MUST_USE;
