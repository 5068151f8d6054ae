/*
 * Which tier a selector is read from (storage/read.h tells what tiers are). The seam is three questions: source_of()
 * before a selector is read, reading.h for what it then gives, snap_*() wherever a window or
 * an instant is laid.
 *
 * A tier is used
 *   exactly     where every window (t - range, t] consists of whole buckets (first step less offset, step and range are
 *               multiples of its resolution; @ makes all steps one) and the reader needs no more than points tell: the
 *               answer is that of raw samples. The coarsest such tier that reaches back far enough is taken, also
 *               where raw samples are still there, if its points are stored for at least half of the time: there is
 *               less to read then (points made while reading cost about as much as the samples they are made of). An
 *               instant selector's sample is the last one of the bucket that ends at the step, whatever the lookback:
 *               points keep its time and whether a stale marker followed. (A single step reads so little that raw
 *               samples are taken while they are there.)
 *   approximately where raw samples do not reach back far enough: everything that is there, as fine as it is there.
 *               Instants and both ends of a window are moved back to the end of a bucket of what is there at that
 *               time, and a window is one bucket at least: the value is that of whole buckets a little earlier. Nothing
 *               is moved where raw samples are. rate() of such a window is rate() of the raw samples it covers;
 *               increase, delta, sum and count are scaled to the range asked for. Functions that points say nothing
 *               about (quantiles, regression, deviation, changes) see each point's last sample. The answer carries an
 *               info.
 *
 * The grid is that of the selector: in a subquery the inner one decides.
 *
 * query_options.resolution narrows this down: `raw` reads raw samples alone, `5m` and `1h` read that tier alone, as if
 * nothing else was there.
 */
#pragma once
#include "src/query/eval.h"

struct source {
    bool points; /* snapshot_read_points() of `tier`; else snapshot_read() */
    bool exact;
    enum tier tier;
    int64_t need_ms; /* the earliest time looked at */
};

/* Once per query, before all else. */
void tiers_init(struct eval *ev);
/* For an instant selector or a range of one. `points_suffice`: its reader needs of each bucket only what a point tells;
 * for samples_of_points(): only the last sample. */
struct source source_of(const struct eval *ev, const struct expr *selector, const struct grid *grid,
                        bool points_suffice);
/* The time looked at for an instant, or a window (*from_ms, *to_ms]: as they are where raw samples reach, else whole
 * buckets. Keeps order: later instants stay later or equal. */
int64_t snap_instant(const struct eval *ev, int64_t t_ms);
void snap_window(const struct eval *ev, int64_t *from_ms, int64_t *to_ms);
/* For the stats, and an info where points stand for raw samples that are gone. */
void source_used(struct eval *ev, const struct source *source, const struct expr *selector,
                 const struct point_columns *points);
/* The last sample of each point, and a stale marker behind it where the series ended. Memory is reused. */
void samples_of_points(const struct point_columns *points, struct sample_columns *out);
