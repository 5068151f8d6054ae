/* Points of a series: those that are stored, and points made of raw samples for the rest. */
#include "src/base/mem.h"
#include "storage/points.h"

int64_t snapshot_tier_from_ms(struct snapshot *snapshot, enum tier tier)
{
    (void)snapshot;
    (void)tier;
    return INT64_MIN; /* no tier is stored: whatever was ever there is there as raw samples, or nowhere */
}

int64_t snapshot_tier_stored_ms(struct snapshot *snapshot, enum tier tier)
{
    (void)snapshot;
    (void)tier;
    return INT64_MIN;
}

/* Appends stored points, of the tier or of coarser ones where only they reach back, and says where raw samples take
 * over: after *until_ms. Nothing is stored yet. */
static int read_stored(struct snapshot *snapshot, series_id id, enum tier tier, int64_t from_ms, int64_t to_ms,
                       struct point_columns *out, int64_t *until_ms)
{
    (void)snapshot;
    (void)id;
    (void)tier;
    (void)to_ms;
    (void)out;
    *until_ms = from_ms - 1;
    return 0;
}

/* Whole buckets: a point that is there is true. */
static int make_of_raw(struct snapshot *snapshot, series_id id, enum tier tier, int64_t from_ms, int64_t to_ms,
                       struct point_columns *out)
{
    int64_t resolution = tier_resolution_ms(tier);
    int64_t first = resolution ? bucket_end_ms(resolution, from_ms) - resolution + 1 : from_ms;
    struct sample_columns samples = {0};
    int rc = snapshot_read(snapshot, id, first, bucket_end_ms(resolution, to_ms), &samples);
    if (rc == 0) {
        points_of_samples(resolution, samples.t_ms, samples.v, samples.n, out);
    }
    sample_columns_release(&samples);
    return rc;
}

static int64_t clamp(int64_t t_ms)
{
    const int64_t far = (int64_t)1 << 60;
    return t_ms < -far ? -far : t_ms > far ? far : t_ms;
}

int snapshot_read_points(struct snapshot *snapshot, series_id id, enum tier tier, int64_t from_ms, int64_t to_ms,
                         struct point_columns *out)
{
    int64_t until_ms;
    out->n = 0;
    from_ms = clamp(from_ms);
    to_ms = clamp(to_ms);
    int rc = read_stored(snapshot, id, tier, from_ms, to_ms, out, &until_ms);
    return rc < 0 || until_ms >= to_ms ? rc : make_of_raw(snapshot, id, tier, until_ms + 1, to_ms, out);
}
