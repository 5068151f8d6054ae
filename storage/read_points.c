/*
 * Points of a series: those that are stored, and points made of finer ones or of raw samples for the rest.
 *
 * What a tier has reaches from its first window on; before that, coarser ones may. Boundaries are starts of windows and
 * so ends of buckets: a bucket that ends there is the coarser tier's, the sample at that very time is in it.
 */
#include "src/base/mem.h"
#include "storage/points.h"
#include "storage/tiers.h"

/* Where samples begin, in blocks or in the head. */
static int64_t raw_begins_ms(struct snapshot *snapshot)
{
    int64_t disk_ms = disk_begins_ms(snapshot_disk(snapshot), TIER_RAW), head_ms = snapshot_head_oldest_ms(snapshot);
    return disk_ms < head_ms ? disk_ms : head_ms;
}

/* Where this tier or a finer one begins. */
static int64_t begins_ms(struct snapshot *snapshot, enum tier tier)
{
    int64_t at_ms = raw_begins_ms(snapshot);
    for (enum tier it = TIER_5M; it <= tier; it++) {
        int64_t own_ms = disk_begins_ms(snapshot_disk(snapshot), it);
        at_ms = own_ms < at_ms ? own_ms : at_ms;
    }
    return at_ms;
}

static bool coarser_reaches(struct snapshot *snapshot, enum tier tier, int64_t before_ms)
{
    for (enum tier it = tier + 1; it < TIER_COUNT; it++) {
        if (disk_begins_ms(snapshot_disk(snapshot), it) < before_ms) {
            return true;
        }
    }
    return false;
}

int64_t snapshot_tier_from_ms(struct snapshot *snapshot, enum tier tier)
{
    int64_t at_ms = begins_ms(snapshot, tier);
    if (!coarser_reaches(snapshot, tier, at_ms)) {
        return INT64_MIN;
    }
    return tier == TIER_RAW ? at_ms : at_ms + 1;
}

int64_t snapshot_tier_stored_ms(struct snapshot *snapshot, enum tier tier)
{
    const struct disk *disk = snapshot_disk(snapshot);
    for (size_t i = disk->tiers[tier].len; tier != TIER_RAW && i-- > 0;) {
        if (disk->tiers[tier].p[i].built) {
            return disk->tiers[tier].p[i].start_ms + tier_window_ms(tier);
        }
    }
    return INT64_MIN;
}

/* Of a window that has to be made anew: what lies before finer data begins is not to be had otherwise. */
static int read_beginning(struct snapshot *snapshot, const struct series *series, enum tier tier, int64_t start_ms,
                          int64_t finer_ms, struct point_columns *out, int64_t *until_ms)
{
    int64_t end_ms = start_ms + tier_window_ms(tier), last_ms = finer_ms < end_ms ? finer_ms : end_ms;
    if (last_ms <= start_ms) {
        return 0;
    }
    struct point_columns points = {0};
    int rc = snapshot_read_window(snapshot, series, tier, start_ms, &points);
    if (rc == 0) {
        point_columns_settle(tier_resolution_ms(tier), &points);
        point_columns_cut(tier_resolution_ms(tier), &points, start_ms + 1, last_ms);
        point_columns_append(out, &points, 0, points.n);
        *until_ms = last_ms;
    }
    point_columns_release(&points);
    return rc;
}

/* Points of windows that are there, from the one from_ms lies in on, up to to_ms or the first window that has to be
 * made of finer data: *until_ms is the end of what was read. all: also windows that late samples touched since. */
static int read_stored(struct snapshot *snapshot, const struct series *series, enum tier tier, int64_t from_ms,
                       int64_t to_ms, bool all, struct point_columns *out, int64_t *until_ms)
{
    const struct disk *disk = snapshot_disk(snapshot);
    int64_t finer_ms = begins_ms(snapshot, tier - 1);
    int rc = 0;
    *until_ms = from_ms - 1;
    for (size_t i = 0; rc == 0 && i < disk->tiers[tier].len; i++) {
        const struct disk_window *it = &disk->tiers[tier].p[i];
        int64_t end_ms = it->start_ms + tier_window_ms(tier);
        if (end_ms < from_ms) {
            continue;
        }
        bool whole = it->built && !snapshot_head_overlaps(snapshot, it->start_ms, end_ms);
        bool gap = it->start_ms > *until_ms && finer_ms < it->start_ms;
        if (it->start_ms >= to_ms || (!all && gap)) {
            break;
        }
        if (!all && !whole) {
            return read_beginning(snapshot, series, tier, it->start_ms, finer_ms, out, until_ms);
        }
        rc = snapshot_read_window(snapshot, series, tier, it->start_ms, out);
        *until_ms = end_ms;
    }
    return rc;
}

static int make_of_raw(struct snapshot *snapshot, const struct series *series, enum tier tier, int64_t from_ms,
                       int64_t to_ms, struct point_columns *out)
{
    int64_t resolution = tier_resolution_ms(tier);
    int64_t first = resolution ? bucket_end_ms(resolution, from_ms) - resolution + 1 : from_ms;
    struct sample_columns samples = {0};
    int rc = snapshot_read(snapshot, series->id, first, bucket_end_ms(resolution, to_ms), &samples);
    if (rc == 0) {
        points_of_samples(resolution, samples.t_ms, samples.v, samples.n, out);
    }
    sample_columns_release(&samples);
    return rc;
}

/* Of this tier alone and of finer ones: what is stored, then what is made. Whole buckets: a point that is there is
 * true. */
static int read_tier(struct snapshot *snapshot, const struct series *series, enum tier tier, int64_t from_ms,
                     int64_t to_ms, struct point_columns *out)
{
    if (tier == TIER_RAW) {
        return make_of_raw(snapshot, series, tier, from_ms, to_ms, out);
    }
    int64_t resolution = tier_resolution_ms(tier), until_ms;
    int rc = read_stored(snapshot, series, tier, from_ms, to_ms, false, out, &until_ms);
    if (rc || until_ms >= to_ms) {
        return rc;
    }
    if (tier == TIER_5M || !snapshot_disk(snapshot)->tiers[TIER_5M].len) {
        return make_of_raw(snapshot, series, tier, until_ms + 1, to_ms, out);
    }
    struct point_columns finer = {0};
    int64_t first = bucket_end_ms(resolution, until_ms + 1) - resolution + 1;
    rc = read_tier(snapshot, series, tier - 1, first, bucket_end_ms(resolution, to_ms), &finer);
    if (rc == 0) {
        point_columns_settle(tier_resolution_ms(tier - 1), &finer);
        points_of_points(resolution, &finer, out);
    }
    point_columns_release(&finer);
    return rc;
}

static bool has_tiers(struct snapshot *snapshot)
{
    return snapshot_disk(snapshot)->tiers[TIER_5M].len || snapshot_disk(snapshot)->tiers[TIER_1H].len;
}

/* The oldest part from the coarsest tier that alone reaches there, then the next finer one. */
static int read_all(struct snapshot *snapshot, const struct series *series, enum tier tier, int64_t from_ms,
                    int64_t to_ms, struct point_columns *out)
{
    int rc = 0;
    for (enum tier it = TIER_1H; rc == 0 && it > tier && has_tiers(snapshot); it--) {
        int64_t ends_ms = begins_ms(snapshot, it - 1);
        if (from_ms <= ends_ms && coarser_reaches(snapshot, it - 1, ends_ms)) {
            int64_t until_ms, last_ms = to_ms < ends_ms ? to_ms : ends_ms;
            rc = read_stored(snapshot, series, it, from_ms, last_ms, true, out, &until_ms);
            point_columns_settle(tier_resolution_ms(it), out);
            point_columns_cut(tier_resolution_ms(it), out, from_ms, last_ms);
            from_ms = ends_ms + 1;
        }
    }
    struct point_columns own = {0};
    if (rc == 0 && from_ms <= to_ms) {
        rc = read_tier(snapshot, series, tier, from_ms, to_ms, &own);
        point_columns_settle(tier_resolution_ms(tier), &own);
        point_columns_cut(tier_resolution_ms(tier), &own, from_ms, to_ms);
        point_columns_append(out, &own, 0, own.n);
    }
    point_columns_release(&own);
    return rc;
}

int snapshot_read_points(struct snapshot *snapshot, series_id id, enum tier tier, int64_t from_ms, int64_t to_ms,
                         struct point_columns *out)
{
    const struct series *series = snapshot_series(snapshot, id);
    out->n = 0;
    return series ? read_all(snapshot, series, tier, read_clamp(from_ms), read_clamp(to_ms), out) : 0;
}
