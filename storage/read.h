/*
 * Read series and samples from one consistent snapshot of the store.
 *
 * A snapshot shows the store as it was when it was opened (samples appended before snapshot_open() returned are in it)
 * and never waits for the writer's disk. While it is open LMDB cannot reuse old pages and the file grows: close it
 * soon, never hold it across a slow client.
 *
 * Ownership: labels point into memory of the store that lives until snapshot_close(); labels_dup() what must stay.
 * Threads:   any thread may open one; one thread at a time uses it (open one per thread for parallel work).
 * Errors:    0 or a negative code; never logs.
 */
#pragma once
#include "src/model/matcher.h"
#include "src/model/sample.h"
#include "storage/store.h"

typedef uint64_t series_id; /* never reused */

struct snapshot;
int snapshot_open(struct store *store, struct snapshot **out) MUST_USE;
void snapshot_close(struct snapshot *snapshot);
/* A second one of exactly the same samples, for another thread; closed before the first. ERR_NOT_FOUND: the store has
 * moved on, there is none; go on with one thread. */
int snapshot_twin(const struct snapshot *snapshot, struct snapshot **out) MUST_USE;
static inline void snapshot_close_indirect(struct snapshot **s)
{
    snapshot_close(*s);
}
#define auto_snapshot __attribute__((cleanup(snapshot_close_indirect)))

/* For caches of answers (storage/changes.h): a token taken before a snapshot is opened, and later the smallest time of
 * the samples written since; INT64_MAX: none, INT64_MIN: anything may be different. */
uint64_t store_change_token(struct store *store);
int64_t store_changed_since(struct store *store, uint64_t token);

struct series_ref {
    series_id id;
    struct labels labels; /* with __name__ */
};
struct series_set {
    const struct series_ref *v; /* by ascending id, in the arena given */
    size_t n;
};
/* Series that match all matchers (at least one must not match the empty text: the caller checks) and may have samples
 * in [from, to] (a series without any there may be included). ERR_LIMIT when more than `max` (0: no limit). */
int snapshot_select(struct snapshot *snapshot, const struct matcher *matchers, size_t n, int64_t from_ms, int64_t to_ms,
                    size_t max, struct arena *arena, struct series_set *out) MUST_USE;

/* Samples of one series with from <= t <= to, ascending, times unique, stale markers included. Columns; cleared first,
 * memory reused. */
struct sample_columns {
    int64_t *t_ms;
    double *v;
    size_t n, cap;
    bool unsettled; /* storage/block.h; what snapshot_read() gives is settled */
};
void sample_columns_release(struct sample_columns *columns);
int snapshot_read(struct snapshot *snapshot, series_id id, int64_t from_ms, int64_t to_ms,
                  struct sample_columns *out) MUST_USE;

/*
 * Tiers: what is kept longer than raw samples. A point stands for the samples of one series in one bucket
 * (start, start + resolution], aligned to the epoch; stale markers are no samples. Over whole buckets the answers are
 * those of raw samples: the least and greatest, sum and count; the increase of a counter is, over a row of points,
 *     last(n) - first(1) + sum of drops + sum over neighbours of (first(i) < last(i-1) ? last(i-1) : 0)
 * which is Prometheus' way of counting over resets. A raw sample is a point of count 1.
 *
 * A bucket that has stale markers only is a point, too: of count 0, `ended`, both times that of the last marker, the
 * marker for min, max, first and last. Range functions leave such points out, as they do raw markers; without them
 * the end of a series would be lost where it falls between two buckets, and hours made of 5 minute points would differ
 * from hours made of samples.
 */
enum tier { TIER_RAW, TIER_5M, TIER_1H, TIER_COUNT };
static inline int64_t tier_resolution_ms(enum tier tier)
{
    return tier == TIER_5M ? 300000 : tier == TIER_1H ? 3600000 : 0;
}
struct point_columns { /* one entry a point; ascending; t_last of a point is before t_first of the next */
    int64_t *t_first_ms, *t_last_ms;
    double *count, *sum;
    double *min, *max; /* NaN only if all samples are */
    double *first, *last;
    double *drops; /* sum of the values before each fall within the bucket; from or to NaN nothing falls */
    bool *ended;   /* the bucket's last sample was followed by a stale marker in the same bucket */
    size_t n, cap;
};
void point_columns_release(struct point_columns *columns);
/* Points of one series whose bucket reaches into [from, to]; cleared first, memory reused. Where the tier has nothing
 * (yet), points are made of raw samples; where only a coarser tier reaches back, its points are given. TIER_RAW: a
 * point for each raw sample or marker, before them what coarser tiers have: all that is there, as fine as it is there.
 */
int snapshot_read_points(struct snapshot *snapshot, series_id id, enum tier tier, int64_t from_ms, int64_t to_ms,
                         struct point_columns *out) MUST_USE;
/* All samples at or after it are there in this tier or a finer one: INT64_MIN when nothing has left yet. */
int64_t snapshot_tier_from_ms(struct snapshot *snapshot, enum tier tier);
/* Points up to it are stored, later ones are made of raw samples while they are read: INT64_MIN when none are stored.
 * What is slow and what is quick, no promise. */
int64_t snapshot_tier_stored_ms(struct snapshot *snapshot, enum tier tier);

/* Sorted, unique. Of all series, or of those that match and may have samples in the range. */
struct str_list {
    const struct str *v;
    size_t n;
};
int snapshot_label_names(struct snapshot *snapshot, const struct matcher *matchers, size_t n, int64_t from_ms,
                         int64_t to_ms, struct arena *arena, struct str_list *out) MUST_USE;
int snapshot_label_values(struct snapshot *snapshot, struct str name, const struct matcher *matchers, size_t n,
                          int64_t from_ms, int64_t to_ms, struct arena *arena, struct str_list *out) MUST_USE;
/* What makes the number of series: for Prometheus' /api/v1/status/tsdb. Looks at label values only, never at series or
 * samples; each list has the `limit` greatest, descending. */
struct cardinality_entry {
    struct str name; /* a pair as name=value */
    uint64_t value;
};
struct cardinality_list {
    const struct cardinality_entry *v;
    size_t n;
};
struct cardinality {
    uint64_t series, label_pairs;
    struct cardinality_list series_by_metric, values_by_label, bytes_by_label, series_by_pair;
};
int snapshot_cardinality(struct snapshot *snapshot, size_t limit, struct arena *arena,
                         struct cardinality *out) MUST_USE;
/* Metadata of all metrics, by name (metric empty), or of one. Texts in the arena. */
int snapshot_metadata(struct snapshot *snapshot, struct str metric, struct arena *arena, struct metric_family **out,
                      size_t *n) MUST_USE;
