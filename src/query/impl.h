/* Declarations of everything functions.def names as an implementation. */
#pragma once
#include "src/query/eval.h"
#include "src/query/function.h"

/* functions.def, read again with a macro that keeps only the implementation. */
#define AGGREGATION(...)
#define ELEMENT(f)                                                    double f(double v, const double *scalars);
#define ROLLUP(f)                                                     double f(const struct window *w, const double *scalars);
#define DIFFERENCE(d, p)                                              double p(const struct point_window *w);
#define ROLLUP_POINTS(f, p)                                           ROLLUP(f) double p(const struct point_window *w);
#define ROLLUP_NAMED(f, p)                                            ROLLUP(f) double p(const struct point_window *w);
#define STREAM(f)                                                     int f(struct eval *ev, const struct expr *call, const struct grid *grid, struct emit out) MUST_USE;
#define SCALAR(f)                                                     int f(struct eval *ev, const struct expr *call, const struct grid *grid, double *out) MUST_USE;
#define FUNCTION(name, args, result, implementation, signature, help) implementation
#include "src/query/functions.def"
#undef FUNCTION
#undef SCALAR
#undef STREAM
#undef ROLLUP_NAMED
#undef ROLLUP_POINTS
#undef DIFFERENCE
#undef ROLLUP
#undef ELEMENT
#undef AGGREGATION
