/*
 * A store in memory behind storage/read.h, so that the query language is tested alone: include it once in a test, it
 * takes the place of the real functions when linking.
 */
#pragma once
#include "src/base/codec.h"
#include "storage/points.h"

struct fake_series {
    struct labels labels;
    vec(int64_t) t_ms;
    vec(double) v;
};
struct store {
    struct arena arena;
    vec(struct fake_series) series;
    int fail_read;                    /* what snapshot_read() returns instead */
    int64_t kept_from_ms[TIER_COUNT]; /* what retention has left in each tier; fake_init(): all */
    int64_t stored_ms;                /* snapshot_tier_stored_ms(); fake_init(): everything is */
};
struct snapshot {
    struct store *store;
};

static inline void fake_init(struct store *store)
{
    *store = (struct store){.kept_from_ms = {INT64_MIN, INT64_MIN, INT64_MIN}, .stored_ms = INT64_MAX};
    arena_init(&store->arena);
}

static inline void fake_release(struct store *store)
{
    for (size_t s_i = 0; s_i < store->series.len; s_i++) {
        struct fake_series *s = &store->series.p[s_i];
        vec_release(&s->t_ms);
        vec_release(&s->v);
    }
    vec_release(&store->series);
    arena_release(&store->arena);
}

/* In time order per series; the last write of a time wins. */
static inline void fake_add(struct store *store, struct labels labels, int64_t t_ms, double v)
{
    struct fake_series *found = NULL;
    for (size_t s_i = 0; s_i < store->series.len; s_i++) {
        struct fake_series *s = &store->series.p[s_i];
        if (labels_eq(s->labels, labels)) {
            found = s;
        }
    }
    if (!found) {
        vec_push(&store->series, (struct fake_series){.labels = labels_dup(labels, &store->arena)});
        found = &vec_last(&store->series);
    }
    if (found->t_ms.len && vec_last(&found->t_ms) == t_ms) {
        vec_last(&found->v) = v;
        return;
    }
    vec_push(&found->t_ms, t_ms);
    vec_push(&found->v, v);
}

int snapshot_open(struct store *store, struct snapshot **out)
{
    *out = mem_alloc(sizeof(**out));
    (*out)->store = store;
    return 0;
}

int snapshot_twin(const struct snapshot *snapshot, struct snapshot **out)
{
    return snapshot_open(snapshot->store, out);
}

void snapshot_close(struct snapshot *snapshot)
{
    mem_free(snapshot);
}

int snapshot_select(struct snapshot *snapshot, const struct matcher *matchers, size_t n, int64_t from_ms, int64_t to_ms,
                    size_t max, struct arena *arena, struct series_set *out)
{
    struct store *store = snapshot->store;
    struct series_ref *v = arena_array(arena, struct series_ref, store->series.len + 1);
    size_t found = 0;
    (void)max;
    for (size_t i = 0; i < store->series.len && from_ms <= to_ms; i++) {
        if (matchers_match(matchers, n, store->series.p[i].labels)) {
            v[found++] = (struct series_ref){i + 1, store->series.p[i].labels};
        }
    }
    *out = (struct series_set){v, found};
    return 0;
}

void sample_columns_release(struct sample_columns *columns)
{
    mem_free(columns->t_ms);
    mem_free(columns->v);
    *columns = (struct sample_columns){0};
}

int snapshot_read(struct snapshot *snapshot, series_id id, int64_t from_ms, int64_t to_ms, struct sample_columns *out)
{
    const struct fake_series *s = &snapshot->store->series.p[id - 1];
    if (snapshot->store->fail_read) {
        return snapshot->store->fail_read;
    }
    if (out->cap < s->v.len) {
        out->cap = s->v.len;
        out->t_ms = mem_realloc_array(out->t_ms, out->cap, sizeof(*out->t_ms));
        out->v = mem_realloc_array(out->v, out->cap, sizeof(*out->v));
    }
    out->n = 0;
    for (size_t i = 0; i < s->v.len; i++) {
        if (s->t_ms.p[i] >= from_ms && s->t_ms.p[i] <= to_ms &&
            s->t_ms.p[i] >= snapshot->store->kept_from_ms[TIER_RAW]) {
            out->t_ms[out->n] = s->t_ms.p[i];
            out->v[out->n++] = s->v.p[i];
        }
    }
    return 0;
}

int64_t snapshot_tier_from_ms(struct snapshot *snapshot, enum tier tier)
{
    return snapshot->store->kept_from_ms[tier];
}

int64_t snapshot_tier_stored_ms(struct snapshot *snapshot, enum tier tier)
{
    (void)tier;
    return snapshot->store->stored_ms;
}

/* Each stretch as fine as it was kept and as coarse as is asked for, made of all samples ever added. */
int snapshot_read_points(struct snapshot *snapshot, series_id id, enum tier tier, int64_t from_ms, int64_t to_ms,
                         struct point_columns *out)
{
    const struct fake_series *s = &snapshot->store->series.p[id - 1];
    const int64_t *kept = snapshot->store->kept_from_ms;
    if (snapshot->store->fail_read) {
        return snapshot->store->fail_read;
    }
    out->n = 0;
    for (enum tier t = TIER_COUNT; t-- > tier;) {
        int64_t resolution = tier_resolution_ms(t), before_ms = t == tier ? INT64_MAX : kept[t - 1];
        int64_t first_ms = resolution ? bucket_end_ms(resolution, from_ms) - resolution + 1 : from_ms;
        first_ms = first_ms > kept[t] ? first_ms : kept[t];
        size_t lo = 0, hi = 0;
        while (lo < s->t_ms.len && s->t_ms.p[lo] < first_ms) {
            lo++;
        }
        for (hi = lo;
             hi < s->t_ms.len && s->t_ms.p[hi] < before_ms && s->t_ms.p[hi] <= bucket_end_ms(resolution, to_ms);) {
            hi++;
        }
        points_of_samples(resolution, s->t_ms.p + lo, s->v.p + lo, hi - lo, out);
    }
    return 0;
}
