/*
 * How many samples each step of a query looks at: Prometheus' totalQueryableSamplesPerStep (shown with
 * promql-per-step-stats) and their sum, totalQueryableSamples.
 *
 * A step counts what it would count as an instant query: one for each series that an instant selector finds, and all
 * samples in each window, also those that were in the window of the step before. So it is no measure of what was read
 * from the store, which is query_stats.samples. What is inside a subquery does not count, but the subquery's own steps
 * in each window do. A point of a tier is one sample. Source: Prometheus' util/stats and promql/engine.go, for
 * behaviour only.
 *
 * Threads: several may count for one query.
 */
#pragma once
#include "src/query/eval.h"
#include "src/query/tiers.h"

/* Once per query; counts if query_options.per_step is set. */
void step_stats_init(struct eval *ev, const struct grid *grid);
/* Whether what begins to be evaluated now counts; asked before, as a subquery hands out its steps while it is inside.
 */
static inline bool step_stats_on(const struct eval *ev)
{
    return ev->step_samples && !ev->subqueries;
}
/* Of an instant selector. */
void step_stats_column(struct eval *ev, const struct grid *grid, const double *v);
/* Of one series: the times of the samples, ascending, that the windows of `range` are made of. */
void step_stats_windows(struct eval *ev, const struct expr *range, const struct grid *grid, const int64_t *t_ms,
                        size_t n);
