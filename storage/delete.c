/*
 * Deleting samples for good: the blocks that hold them are written anew without them.
 *
 * No marks that readers would have to heed: deleting is rare, reading is not. All samples are flushed first, so that
 * only blocks have to be looked at; each window of a group of cohorts is one job, its old blocks go in the transaction
 * that brings the new one.
 */
#include "src/base/mem.h"
#include "storage/block_writer.h"
#include "storage/points.h"
#include "storage/tiers.h"

#include <stdlib.h>

/* A group of cohorts with series that are meant, and when these have samples. */
struct meant_group {
    uint32_t group;
    int64_t first_ms, last_ms;
};

struct deletion {
    struct metrics *m;
    int64_t from_ms, to_ms;
    struct id_list ids; /* ascending */
    vec(struct meant_group) groups;
};

static bool is_meant(const struct deletion *d, const struct series *series)
{
    size_t low = 0;
    for (size_t high = d->ids.n; low < high;) {
        size_t mid = low + (high - low) / 2;
        if (d->ids.v[mid] < series->id) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low < d->ids.n && d->ids.v[low] == series->id;
}

static void cut_samples(const struct deletion *d, struct sample_columns *c)
{
    size_t n = 0;
    for (size_t i = 0; i < c->n; i++) {
        if (c->t_ms[i] < d->from_ms || c->t_ms[i] > d->to_ms) {
            c->t_ms[n] = c->t_ms[i];
            c->v[n++] = c->v[i];
        }
    }
    c->n = n;
}

static void cut_points(const struct deletion *d, enum tier tier, struct point_columns *c)
{
    struct point_columns left = {0};
    for (size_t i = 0; i < c->n; i++) {
        int64_t end_ms = bucket_end_ms(tier_resolution_ms(tier), c->t_last_ms[i]);
        if (end_ms < d->from_ms || end_ms > d->to_ms) {
            point_columns_append(&left, c, i, i + 1);
        }
    }
    point_columns_release(c);
    *c = left;
}

/* What is left of one series in the window, into the builder. */
static int rewrite_series(const struct deletion *d, struct snapshot *snapshot, const struct series *series,
                          struct block_writer *out, unsigned slot)
{
    enum tier tier = (enum tier)out->key.tier;
    int64_t start_ms = out->key.window_ms;
    int rc;
    if (tier == TIER_RAW) {
        struct sample_columns c = {0};
        rc = snapshot_read_raw_window(snapshot, series, start_ms, &c);
        if (rc == 0 && is_meant(d, series)) {
            cut_samples(d, &c);
        }
        if (rc == 0 && c.n) {
            block_builder_add(&out->builder, block_column(slot, 0), c.t_ms, c.v, c.n);
            block_key_set(&out->key, slot);
        }
        sample_columns_release(&c);
        return rc;
    }
    struct point_columns c = {0};
    rc = snapshot_read_window(snapshot, series, tier, start_ms, &c);
    if (rc == 0) {
        point_columns_settle(tier_resolution_ms(tier), &c);
    }
    if (rc == 0 && is_meant(d, series)) {
        cut_points(d, tier, &c);
    }
    if (rc == 0 && c.n) {
        tier_add_points(&out->builder, slot, &c);
        block_key_set(&out->key, slot);
    }
    point_columns_release(&c);
    return rc;
}

static int rewrite(const struct deletion *d, struct snapshot *snapshot, enum tier tier, int64_t start_ms,
                   uint32_t group)
{
    struct block_writer out;
    const struct series *series[GROUP_SLOTS];
    group_series(d->m, group, INT64_MIN, INT64_MAX, series);
    block_writer_begin(&out, d->m, tier, start_ms);
    out.key.group = group;
    int rc = snapshot_delete_blocks(snapshot, tier, start_ms, group, out.job);
    for (unsigned slot = GROUP_SLOTS; rc == 0 && slot-- > 0;) {
        rc = series[slot] ? rewrite_series(d, snapshot, series[slot], &out, slot) : 0;
    }
    if (tier == TIER_RAW) {
        tiers_touch(out.job, start_ms);
    }
    rc = block_writer_end(&out, rc);
    metrics_lock_all(d->m);
    if (rc == 0 && tier == TIER_RAW) {
        tiers_touched(d->m, start_ms);
    }
    changes_note(&d->m->changes, INT64_MIN);
    metrics_unlock_all(d->m);
    return rc;
}

/* A snapshot a window: the next one sees what this one wrote. */
static int delete_in_window(const struct deletion *d, enum tier tier, int64_t start_ms)
{
    auto_snapshot struct snapshot *snapshot = NULL;
    int64_t end_ms = start_ms + tier_window_ms(tier);
    int rc = snapshot_open(d->m->store, &snapshot);
    for (size_t i = 0; rc == 0 && i < d->groups.len; i++) {
        const struct meant_group *it = &d->groups.p[i];
        if (it->first_ms <= end_ms && it->last_ms >= start_ms) {
            rc = rewrite(d, snapshot, tier, start_ms, it->group);
        }
    }
    return rc;
}

static int compare_groups(const void *a, const void *b)
{
    uint32_t x = ((const struct meant_group *)a)->group, y = ((const struct meant_group *)b)->group;
    return (x > y) - (x < y);
}

static void merge_groups(struct deletion *d)
{
    size_t kept = 0;
    if (d->groups.len) {
        qsort(d->groups.p, d->groups.len, sizeof(*d->groups.p), compare_groups);
    }
    for (size_t i = 0; i < d->groups.len; i++) {
        const struct meant_group it = d->groups.p[i];
        struct meant_group *last = kept ? &d->groups.p[kept - 1] : NULL;
        if (!last || last->group != it.group) {
            d->groups.p[kept++] = it;
            continue;
        }
        last->first_ms = it.first_ms < last->first_ms ? it.first_ms : last->first_ms;
        last->last_ms = it.last_ms > last->last_ms ? it.last_ms : last->last_ms;
    }
    d->groups.len = kept;
}

/* Neighbours by id are mostly neighbours in a group; each group is rewritten once. */
static void find_groups(struct deletion *d)
{
    for (size_t i = 0; i < d->ids.n; i++) {
        const struct series *series = index_get(d->m->index, d->ids.v[i]);
        uint32_t group = series->cohort->number / GROUP_COHORTS;
        if (!d->groups.len || vec_last(&d->groups).group != group) {
            vec_push(&d->groups, ((struct meant_group){group, INT64_MAX, INT64_MIN}));
        }
        struct meant_group *it = &vec_last(&d->groups);
        it->first_ms = series->first_ms < it->first_ms ? series->first_ms : it->first_ms;
        it->last_ms = series->last_ms > it->last_ms ? series->last_ms : it->last_ms;
    }
    merge_groups(d);
}

static bool has_anything(struct snapshot *snapshot, series_id id, struct point_columns *points)
{
    return snapshot_read_points(snapshot, id, TIER_RAW, INT64_MIN, INT64_MAX, points) || points->n;
}

/* Samples that are in no block yet. */
static bool is_in_head(const struct series *series, struct sample_columns *samples)
{
    sample_columns_clear(samples);
    for (const struct strip *it = series->cohort->strips; it && !samples->n; it = it->next) {
        if (!it->window->committed && strip_read(it, series->slot, &STRIP_ALL, NULL, samples)) {
            return true;
        }
    }
    return samples->n > 0;
}

/* A series without anything left leaves, unless samples came meanwhile. */
static int forget_empty(const struct deletion *d)
{
    struct point_columns points = {0};
    struct sample_columns samples = {0};
    auto_snapshot struct snapshot *snapshot = NULL;
    int rc = snapshot_open(d->m->store, &snapshot);
    for (size_t i = 0; rc == 0 && i < d->ids.n; i++) {
        if (has_anything(snapshot, d->ids.v[i], &points)) {
            continue;
        }
        metrics_lock_all(d->m);
        struct series *series = index_get(d->m->index, d->ids.v[i]);
        if (series && !is_in_head(series, &samples)) {
            series->first_ms = INT64_MAX;
            series->last_ms = SERIES_NO_TIME;
        }
        metrics_unlock_all(d->m);
    }
    point_columns_release(&points);
    sample_columns_release(&samples);
    return rc;
}

static int delete_all(struct deletion *d)
{
    struct disk disk = {0};
    pthread_rwlock_rdlock(&d->m->lock);
    disk_copy(&disk, &d->m->disk);
    pthread_rwlock_unlock(&d->m->lock);
    int rc = 0;
    for (enum tier tier = TIER_RAW; tier < TIER_COUNT; tier++) {
        for (size_t i = 0; rc == 0 && i < disk.tiers[tier].len; i++) {
            int64_t start_ms = disk.tiers[tier].p[i].start_ms;
            if (start_ms <= d->to_ms && start_ms + tier_window_ms(tier) >= d->from_ms) {
                rc = delete_in_window(d, tier, start_ms);
            }
        }
    }
    disk_release(&disk);
    return rc;
}

int store_delete_series(struct store *store, const struct matcher *matchers, size_t n, int64_t from_ms, int64_t to_ms,
                        size_t *series, struct error *err)
{
    struct metrics *m = store->metrics;
    int rc = metrics_flush(m, true);
    struct deletion d = {.m = m, .from_ms = from_ms, .to_ms = to_ms};
    pthread_mutex_lock(&m->flush_lock);
    pthread_rwlock_rdlock(&m->lock);
    index_select(m->index, matchers, n, &d.ids);
    find_groups(&d);
    pthread_rwlock_unlock(&m->lock);
    rc = rc ? rc : delete_all(&d);
    rc = rc ? rc : forget_empty(&d);
    pthread_mutex_unlock(&m->flush_lock);
    if (rc == 0) {
        metrics_sweep(m);
        *series = d.ids.n;
    }
    mem_free(d.ids.v);
    vec_release(&d.groups);
    return rc ? error_set(err, rc, "the samples could not all be deleted: %s; ask again", error_text(rc)) : 0;
}

int store_flush(struct store *store)
{
    return metrics_flush(store->metrics, true);
}
