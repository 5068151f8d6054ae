#include "src/query/windows.h"

static void allocate(struct windows *w, struct arena *arena, size_t steps)
{
    *w = (struct windows){.arena = arena, .steps = steps};
    w->from_ms = arena_alloc(arena, (steps + 1) * sizeof(*w->from_ms));
    w->to_ms = arena_alloc(arena, (steps + 1) * sizeof(*w->to_ms));
    w->lo = arena_alloc(arena, (steps + 1) * sizeof(*w->lo));
    w->hi = arena_alloc(arena, (steps + 1) * sizeof(*w->hi));
}

void windows_init_lookback(struct windows *w, struct eval *ev, const struct expr *selector, const struct grid *grid)
{
    allocate(w, ev->arena, grid->n);
    for (size_t i = 0; i < grid->n; i++) {
        w->to_ms[i] = snap_instant(ev, shifted_ms(ev, &selector->shift, grid_ms(grid, i)));
        w->from_ms[i] = w->to_ms[i] - ev->options.lookback_ms;
    }
}

void windows_init(struct windows *w, struct eval *ev, const struct expr *range, const struct grid *grid)
{
    allocate(w, ev->arena, grid->n);
    for (size_t i = 0; i < grid->n; i++) {
        window_of(ev, range, grid, i, &w->from_ms[i], &w->to_ms[i]);
    }
}

void windows_extrapolate(struct windows *w, bool per_second)
{
    w->extrapolating = true;
    w->per_second = per_second;
    w->factor = arena_alloc(w->arena, (w->steps + 1) * sizeof(*w->factor));
    w->to_start = arena_alloc(w->arena, (w->steps + 1) * sizeof(*w->to_start));
    w->sampled = arena_alloc(w->arena, (w->steps + 1) * sizeof(*w->sampled));
}

static void fit_extrapolation(struct windows *w)
{
    for (size_t i = 0; i < w->steps; i++) {
        size_t n = w->hi[i] - w->lo[i];
        if (n >= 2) {
            struct edges edges = {.first_ms = w->t_ms[w->lo[i]], .last_ms = w->t_ms[w->hi[i] - 1], .count = (double)n};
            w->sampled[i] = (double)(edges.last_ms - edges.first_ms) / 1000;
            w->factor[i] = extrapolation(&edges, w->from_ms[i], w->to_ms[i], w->per_second, &w->to_start[i]);
        }
    }
}

/* The first sample after limit_ms, from i on. Samples and steps come at even distances mostly: as many as the last time
 * are stepped over at once. */
static inline size_t after(const int64_t *t_ms, size_t i, size_t n, int64_t limit_ms, size_t *stride)
{
    size_t from = i;
    if (*stride <= n - i && *stride && t_ms[i + *stride - 1] <= limit_ms) {
        i += *stride;
    }
    while (i < n && t_ms[i] <= limit_ms) {
        i++;
    }
    *stride = i - from;
    return i;
}

void windows_fit(struct windows *w, const int64_t *t_ms, size_t n)
{
    if (w->n == n && w->t_ms && memcmp(w->t_ms, t_ms, n * sizeof(*t_ms)) == 0) {
        return;
    }
    if (n > w->cap) {
        w->cap = 2 * n;
        w->t_ms = arena_alloc(w->arena, w->cap * sizeof(*w->t_ms));
    }
    memcpy(w->t_ms, t_ms, n * sizeof(*t_ms));
    w->n = n;
    size_t lo = 0, hi = 0, lo_stride = 0, hi_stride = 0;
    for (size_t i = 0; i < w->steps; i++) {
        hi = after(t_ms, hi, n, w->to_ms[i], &hi_stride);
        lo = after(t_ms, lo, hi, w->from_ms[i], &lo_stride);
        w->lo[i] = (uint32_t)lo;
        w->hi[i] = (uint32_t)hi;
    }
    if (w->extrapolating) {
        fit_extrapolation(w);
    }
}

/* Sum of all falls within a window: what a counter had counted before each reset. */
static double lost(const double *v, const size_t *resets, size_t from, size_t to)
{
    double sum = 0;
    for (size_t i = from; i < to; i++) {
        sum += v[resets[i] - 1];
    }
    return sum;
}

/* Far from being zero at the window's start by more than rounding errors; also false if anything is NaN. */
static inline bool surely_not_zero(double first, double difference, double sampled, double to_start)
{
    return sampled * first >= to_start * difference * 1.0001;
}

bool windows_differences(const struct windows *w, const double *v, bool counter, const size_t *resets,
                         size_t reset_count, double *out)
{
    size_t reset_lo = 0, reset_hi = 0;
    bool any = false;
    for (size_t i = 0; i < w->steps; i++) {
        size_t lo = w->lo[i], hi = w->hi[i];
        if (hi - lo < 2) {
            out[i] = absent();
            continue;
        }
        any = true;
        double difference = v[hi - 1] - v[lo];
        if (reset_count) {
            while (reset_hi < reset_count && resets[reset_hi] < hi) {
                reset_hi++;
            }
            while (reset_lo < reset_hi && resets[reset_lo] <= lo) { /* the fall to v[lo] lies before the window */
                reset_lo++;
            }
            difference += lost(v, resets, reset_lo, reset_hi);
        }
        if (!counter || surely_not_zero(v[lo], difference, w->sampled[i], w->to_start[i])) {
            out[i] = difference * w->factor[i];
            continue;
        }
        struct edges edges = {.first_ms = w->t_ms[lo],
                              .last_ms = w->t_ms[hi - 1],
                              .count = (double)(hi - lo),
                              .first = v[lo],
                              .difference = difference};
        out[i] = extrapolate(&edges, w->from_ms[i], w->to_ms[i], true, w->per_second);
    }
    return any;
}
