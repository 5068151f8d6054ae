/*
 * What a selector reads: its series, then the samples or points of one after the other.
 *
 * Threads: one reading a thread, with that thread's evaluation.
 */
#pragma once
#include "src/query/tiers.h"

struct reading {
    struct eval *ev;
    const struct expr *selector;
    struct source source;
    size_t steps;
    int64_t from_ms, to_ms; /* both inclusive */
    struct sample_columns samples;
    struct point_columns points;
};

/* Of an instant selector: the lookback of all steps. */
void reading_init_instants(struct reading *r, struct eval *ev, const struct expr *selector, const struct grid *grid);
/* Of a range of a selector: all that any step's window may hold. */
void reading_init_range(struct reading *r, struct eval *ev, const struct expr *range, const struct grid *grid,
                        const struct source *source);
void reading_release(struct reading *r);
int reading_select(const struct reading *r, struct series_set *out) MUST_USE;
/* Roughly, of one series; a point as much as it is worth. */
uint64_t reading_samples_expected(const struct reading *r);

/* Of one series to r->samples: stale markers included, or (range) left out. */
int reading_samples(struct reading *r, const struct series_ref *series) MUST_USE;
int reading_range_samples(struct reading *r, const struct series_ref *series) MUST_USE;
/* To r->points. */
int reading_points(struct reading *r, const struct series_ref *series) MUST_USE;
