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
static inline void snapshot_close_indirect(struct snapshot **s)
{
    snapshot_close(*s);
}
#define auto_snapshot __attribute__((cleanup(snapshot_close_indirect)))

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
};
void sample_columns_release(struct sample_columns *columns);
int snapshot_read(struct snapshot *snapshot, series_id id, int64_t from_ms, int64_t to_ms,
                  struct sample_columns *out) MUST_USE;

/* Sorted, unique. Of all series, or of those that match and may have samples in the range. */
struct str_list {
    const struct str *v;
    size_t n;
};
int snapshot_label_names(struct snapshot *snapshot, const struct matcher *matchers, size_t n, int64_t from_ms,
                         int64_t to_ms, struct arena *arena, struct str_list *out) MUST_USE;
int snapshot_label_values(struct snapshot *snapshot, struct str name, const struct matcher *matchers, size_t n,
                          int64_t from_ms, int64_t to_ms, struct arena *arena, struct str_list *out) MUST_USE;
/* Metadata of all metrics, by name (metric empty), or of one. Texts in the arena. */
int snapshot_metadata(struct snapshot *snapshot, struct str metric, struct arena *arena, struct metric_family **out,
                      size_t *n) MUST_USE;
