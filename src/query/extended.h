/*
 * Selectors with the modifier `anchored` or `smoothed` (feature promql-extended-range-selectors): what is looked at
 * reaches beyond the window, so that nothing need be extrapolated.
 *
 * anchored: a window begins with the last sample at or before its left edge, if that is within the lookback, and ends
 *           with its last sample. For changes, delta, increase, rate and resets.
 * smoothed: values at both edges are interpolated between the samples around them, each within the lookback of its
 *           edge; where there is none beyond an edge the nearest one inside stands for it. For delta, increase and
 *           rate; an instant selector gives the value at the step interpolated in the same way.
 *
 * Source of the rules: Prometheus' proposal PROM-52 and promql/functions.go, 3.x, for behaviour only.
 */
#pragma once
#include "src/query/eval.h"

/* How far what is read reaches beyond a window, to its left and right. */
int64_t extent_before_ms(const struct eval *ev, const struct expr *selector);
int64_t extent_after_ms(const struct eval *ev, const struct expr *selector);

/* A modifier on an argument of a function that does not know it: ERR_EXEC. */
int extent_check(struct eval *ev, const struct expr *call) MUST_USE;
/* As eval_rollup(): call's range has a modifier, the function knows it. */
int eval_extended(struct eval *ev, const struct expr *call, const struct expr *range, const struct grid *grid,
                  struct emit out) MUST_USE;
/* An instant selector with `smoothed`. */
int eval_smoothed(struct eval *ev, const struct expr *selector, const struct grid *grid, struct emit out) MUST_USE;
/* The range vector itself, at the only step of the grid: values at both edges and the samples between them. */
int eval_extended_samples(struct eval *ev, const struct expr *range, const struct grid *grid,
                          struct emit_samples out) MUST_USE;
