/*
 * Downsampling: samples to points, points to coarser points. Pure; what a point means is in storage/read.h.
 *
 * Points made of points are those that raw samples would give, bit for bit, but for `sum` and `drops` of values that
 * are no integers: sums are compensated (src/base/kahan.h) and rounded once a point, so that two ways of adding differ
 * by about 1e-16 of the sum of magnitudes.
 *
 * Times: |t| < 2^62. Ownership: arrays belong to the columns: point_columns_release(). Threads: any.
 */
#pragma once
#include "storage/read.h"

struct tier_point { /* one entry of struct point_columns */
    int64_t t_first_ms, t_last_ms;
    double count, sum, min, max, first, last, drops;
    bool ended;
};

/* End of the bucket (end - resolution, end] that t_ms lies in; with resolution 0 t_ms itself. */
int64_t bucket_end_ms(int64_t resolution_ms, int64_t t_ms);

/* Room for n more points behind out->n. */
void point_columns_reserve(struct point_columns *columns, size_t n);
struct tier_point point_columns_get(const struct point_columns *columns, size_t i);
void point_columns_push(struct point_columns *columns, const struct tier_point *point);
/* Points [from, to) of another array, which may not be the same. */
void point_columns_append(struct point_columns *columns, const struct point_columns *other, size_t from, size_t to);

/* Appends the points of n samples, ascending; the first begins a bucket of its own, whatever is in `out`. With
 * resolution 0 every sample is a point. */
void points_of_samples(int64_t resolution_ms, const int64_t *t_ms, const double *v, size_t n,
                       struct point_columns *out);
/* Appends the points of finer points, ascending; their resolution divides this one. `out` is another array. */
void points_of_points(int64_t resolution_ms, const struct point_columns *finer, struct point_columns *out);

/* Ascending, one point a bucket: of those of one bucket the last in the array stays (appended later: written later,
 * made of all the samples the earlier one was made of and late ones). */
void point_columns_settle(int64_t resolution_ms, struct point_columns *columns);
/* Cuts to points whose bucket reaches into [from, to]; settled columns only. */
void point_columns_cut(int64_t resolution_ms, struct point_columns *columns, int64_t from_ms, int64_t to_ms);
