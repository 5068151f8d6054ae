/*
 * Range functions whose value at a step follows from that of the step before: a window that moves on costs what enters
 * and leaves it, not its length. For windows that overlap much; the functions of rollup_functions.c are what they mean.
 *
 * Extremes, changes and quantiles are bit for bit those of the plain functions. Sums are compensated sums of two parts,
 * and handed back to the plain function where both could differ by more than 1e-12 of the result: at cancellation,
 * overflow, infinities, NaN.
 *
 * Extremes are kept for stretches of samples that entered together, so that of each sample is asked once, in a loop
 * without surprises, whether it is the greatest; the queue holds a few stretches.
 *
 * Sources: the monotonic queue is folklore (Lemire, "Streaming maximum-minimum filter", 2006); the sum of a queue from
 * two stacks as in Tangwongsan, Hirzel, Schneider, "Low-latency sliding-window aggregation", 2017.
 */
#pragma once
#include "src/query/rollup.h"

enum slide_kind { SLIDE_NONE, SLIDE_EXTREME, SLIDE_TIME_OF_EXTREME, SLIDE_CHANGES, SLIDE_SUM, SLIDE_QUANTILE };

/* A compensated sum, and that of the magnitudes. */
struct slide_sum {
    double sum, c, magnitude;
};

/* Samples [from, to) and the extreme of them. */
struct slide_stretch {
    size_t from, to;
    double v;
};

/* Zero it, then slide_init(). Memory is the arena's, kept from series to series. */
struct slide {
    enum slide_kind kind;
    bool max, mean;
    const int64_t *t_ms; /* the series */
    const double *v;
    size_t lo, hi; /* of the window before */
    size_t cap;    /* samples there is room for */
    size_t *index; /* TIME_OF_EXTREME: queue of candidates [head, tail); CHANGES: how many up to each sample */
    struct slide_stretch *stretches; /* EXTREME: the same queue, of stretches of samples */
    size_t head, tail;
    struct slide_sum *older, newer; /* SUM: older[i] is of [i, middle), newer of [middle, hi) */
    size_t middle;
    double *sorted, *sorted_next, *scratch; /* QUANTILE: the window, NaN first; that of the next step; the changes */
};

/* What `function` slides by; SLIDE_NONE if only the plain way is there. */
void slide_init(struct slide *s, double (*function)(const struct window *, const double *));
/* The next series of n samples; they must stay until the last slide_value() of them. */
void slide_series(struct slide *s, struct arena *arena, const int64_t *t_ms, const double *v, size_t n);
/* The value of samples [lo, hi), lo < hi; neither ever goes back within a series. false: reckon it the plain way. */
bool slide_value(struct slide *s, size_t lo, size_t hi, const double *scalars, double *out) MUST_USE;
/* What a value costs, in samples looked at, on average. */
static inline size_t slide_work(const struct slide *s, size_t window)
{
    return s->kind == SLIDE_QUANTILE ? window : 1;
}
