#include "src/query/step_stats.h"

void step_stats_init(struct eval *ev, const struct grid *grid)
{
    if (ev->options.per_step) {
        ev->step_samples = arena_array(ev->arena, uint64_t, grid->n);
        ev->step_count = grid->n;
    }
}

/* A part of the query may have been given a part of its steps. */
static void add(struct eval *ev, const struct grid *grid, size_t i, uint64_t samples)
{
    size_t step = (size_t)((grid_ms(grid, i) - ev->start_ms) / ev->step_ms);
    if (samples && step < ev->step_count) {
        __atomic_fetch_add(&ev->step_samples[step], samples, __ATOMIC_RELAXED);
    }
}

void step_stats_column(struct eval *ev, const struct grid *grid, const double *v)
{
    for (size_t i = 0; i < grid->n; i++) {
        add(ev, grid, i, !is_absent(v[i]));
    }
}

void step_stats_windows(struct eval *ev, const struct expr *range, const struct grid *grid, const int64_t *t_ms,
                        size_t n)
{
    size_t lo = 0, hi = 0;
    for (size_t i = 0; i < grid->n; i++) {
        int64_t from_ms, to_ms;
        window_of(ev, range, grid, i, &from_ms, &to_ms);
        while (hi < n && t_ms[hi] <= to_ms) {
            hi++;
        }
        while (lo < hi && t_ms[lo] <= from_ms) {
            lo++;
        }
        add(ev, grid, i, hi - lo);
    }
}
