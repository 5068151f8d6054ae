/*
 * Which samples each step's window holds, for one series after the other.
 *
 * The series of one scrape have the same times: what follows from times alone is found once for all of them, and a
 * series costs one comparison of its times with those of the series before. For rate(), increase() and delta() that is
 * nearly all of Prometheus' extrapolation, too (extrapolate() in rollup.h is what it means): a window is left with a
 * difference and a product.
 *
 * Memory is the arena's given to windows_init(): about 50 bytes a step and 8 a sample of the longest series.
 */
#pragma once
#include "src/query/rollup.h"

struct windows {
    struct arena *arena;
    size_t steps;
    int64_t *from_ms, *to_ms; /* (from_ms, to_ms] of each step */
    uint32_t *lo, *hi;        /* samples [lo, hi) of each step */
    int64_t *t_ms;            /* the times they were found for */
    size_t n, cap;
    bool extrapolating, per_second;
    /* Extrapolating, where the window has two samples: what the difference is multiplied with, if a counter was not
     * zero in between; the seconds to the window's start that it stands for; and between first and last sample. */
    double *factor, *to_start, *sampled;
};

void windows_init(struct windows *w, struct eval *ev, const struct expr *range, const struct grid *grid);
/* The lookback of an instant selector at each step. */
void windows_init_lookback(struct windows *w, struct eval *ev, const struct expr *selector, const struct grid *grid);
/* Also fills factor, to_start and sampled. */
void windows_extrapolate(struct windows *w, bool per_second);
/* For the times of the next series; n >= 1. */
void windows_fit(struct windows *w, const int64_t *t_ms, size_t n);

/* The extrapolated difference of all windows of a series to `out`, absent() where there are less than two samples.
 * resets (positions of falls, ascending) only for a counter. True if there is any value. */
bool windows_differences(const struct windows *w, const double *v, bool counter, const size_t *resets,
                         size_t reset_count, double *out);
