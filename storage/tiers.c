#include "storage/tiers.h"

#include "src/base/clock.h"
#include "src/base/counter.h"
#include "src/base/mem.h"
#include "storage/block_writer.h"
#include "storage/bytes.h"
#include "storage/points.h"

/* Columns of a point. Left out: first like last, min like first, max like last, sum like last, no drops, one sample,
 * first and last at one time. */
enum field { FIELD_LAST, FIELD_FIRST, FIELD_MIN, FIELD_MAX, FIELD_SUM, FIELD_DROPS, FIELD_COUNT, FIELD_SPAN };

#define REST_MS ((int64_t)10 * 60 * 1000)

#define COUNT_OF(count, ended) ((count)*2 + ((ended) ? 1 : 0))

int64_t tier_retention_ms(const struct metrics *m, enum tier tier)
{
    const struct store_options *o = &m->store->options;
    return tier == TIER_RAW ? o->retention_ms : tier == TIER_5M ? o->retention_5m_ms : o->retention_1h_ms;
}

bool tier_is_kept(const struct metrics *m, enum tier tier)
{
    if (tier == TIER_RAW) {
        return true;
    }
    int64_t finer = tier_retention_ms(m, tier == TIER_1H && tier_is_kept(m, TIER_5M) ? TIER_5M : TIER_RAW);
    return finer > 0 && tier_retention_ms(m, tier) > finer;
}

static enum tier source_of(const struct metrics *m, enum tier tier)
{
    return tier == TIER_1H && tier_is_kept(m, TIER_5M) ? TIER_5M : TIER_RAW;
}

void tier_key(enum tier tier, int64_t window_ms, uint8_t out[TIER_KEY_SIZE])
{
    out[0] = (uint8_t)tier;
    env_put_be(out + 1, (uint64_t)window_ms ^ (uint64_t)1 << 63, 8);
}

/* -- points in blocks -- */

static bool same(const double *a, const double *b, size_t n)
{
    return memcmp(a, b, n * sizeof(*a)) == 0;
}

static bool all_are(const double *v, size_t n, double value)
{
    for (size_t i = 0; i < n; i++) {
        if (sample_bits(v[i]) != sample_bits(value)) {
            return false;
        }
    }
    return true;
}

void tier_add_points(struct block_builder *b, unsigned slot, const struct point_columns *p)
{
    size_t n = p->n;
    auto_free double *count = mem_alloc(2 * n * sizeof(*count));
    double *span = count + n;
    for (size_t i = 0; i < n; i++) {
        count[i] = COUNT_OF(p->count[i], p->ended[i]);
        span[i] = (double)(p->t_last_ms[i] - p->t_first_ms[i]);
    }
    const struct {
        enum field field;
        const double *v;
        bool left_out;
    } columns[] = {
        {FIELD_SPAN, span, all_are(span, n, 0)},
        {FIELD_COUNT, count, all_are(count, n, COUNT_OF(1, false))},
        {FIELD_DROPS, p->drops, all_are(p->drops, n, 0)},
        {FIELD_SUM, p->sum, same(p->sum, p->last, n)},
        {FIELD_MAX, p->max, same(p->max, p->last, n)},
        {FIELD_MIN, p->min, same(p->min, p->first, n)},
        {FIELD_FIRST, p->first, same(p->first, p->last, n)},
        {FIELD_LAST, p->last, false},
    };
    for (size_t i = 0; i < sizeof(columns) / sizeof(*columns); i++) {
        if (!columns[i].left_out) {
            block_builder_add(b, block_column(slot, columns[i].field), p->t_last_ms, columns[i].v, n);
        }
    }
}

/* n values behind out[at]; the default's where the block has no such column. */
static int read_field(const struct block *block, unsigned slot, enum field field, struct block_cache *cache,
                      struct sample_columns *scratch, size_t n, const double *otherwise, double constant, double *out)
{
    sample_columns_clear(scratch);
    int rc = block_read(block, block_column(slot, field), INT64_MIN, INT64_MAX, cache, scratch);
    if (rc == ERR_NOT_FOUND) {
        for (size_t i = 0; i < n; i++) {
            out[i] = otherwise ? otherwise[i] : constant;
        }
        return 0;
    }
    if (rc == 0 && scratch->n != n) {
        rc = ERR_CORRUPT;
    }
    if (rc == 0) {
        memcpy(out, scratch->v, n * sizeof(*out));
    }
    return rc;
}

static int read_all_fields(const struct block *block, unsigned slot, struct block_cache *cache,
                           struct sample_columns *s, struct point_columns *out)
{
    int rc = block_read(block, block_column(slot, FIELD_LAST), INT64_MIN, INT64_MAX, cache, s);
    if (rc) {
        return rc;
    }
    size_t n = s->n, at = out->n;
    point_columns_reserve(out, n);
    memcpy(out->t_last_ms + at, s->t_ms, n * sizeof(int64_t));
    memcpy(out->last + at, s->v, n * sizeof(double));
    auto_free double *count = mem_alloc(2 * n * sizeof(*count));
    double *span = count + n;
    const double *last = out->last + at, *first = out->first + at;
    rc = read_field(block, slot, FIELD_FIRST, cache, s, n, last, 0, out->first + at);
    rc = rc ? rc : read_field(block, slot, FIELD_MIN, cache, s, n, first, 0, out->min + at);
    rc = rc ? rc : read_field(block, slot, FIELD_MAX, cache, s, n, last, 0, out->max + at);
    rc = rc ? rc : read_field(block, slot, FIELD_SUM, cache, s, n, last, 0, out->sum + at);
    rc = rc ? rc : read_field(block, slot, FIELD_DROPS, cache, s, n, NULL, 0, out->drops + at);
    rc = rc ? rc : read_field(block, slot, FIELD_COUNT, cache, s, n, NULL, COUNT_OF(1, false), count);
    rc = rc ? rc : read_field(block, slot, FIELD_SPAN, cache, s, n, NULL, 0, span);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        if (!(count[i] >= 0 && count[i] < 1e15 && span[i] >= 0 && span[i] < 1e15)) {
            return ERR_CORRUPT;
        }
        uint64_t coded = (uint64_t)count[i];
        out->ended[at + i] = coded & 1;
        out->count[at + i] = (double)(coded >> 1);
        out->t_first_ms[at + i] = out->t_last_ms[at + i] - (int64_t)span[i];
    }
    out->n += rc ? 0 : n;
    return rc;
}

int tier_read_points(const struct block *block, unsigned slot, struct block_cache *cache, struct point_columns *out)
{
    struct sample_columns scratch = {0};
    int rc = read_all_fields(block, slot, cache, &scratch, out);
    sample_columns_release(&scratch);
    return rc;
}

/* -- building -- */

struct build {
    struct metrics *m;
    enum tier tier, source;
    int64_t start_ms, end_ms;
    int64_t kept_ms; /* points up to it stay as they are: their samples are gone */
    struct block_writer out;
};

static int points_of_series(struct build *b, struct snapshot *snapshot, const struct series *series,
                            struct point_columns *out)
{
    int64_t resolution = tier_resolution_ms(b->tier);
    int rc = 0;
    out->n = 0;
    if (b->kept_ms > b->start_ms) {
        rc = snapshot_read_window(snapshot, series, b->tier, b->start_ms, out);
        point_columns_settle(resolution, out);
        point_columns_cut(resolution, out, b->start_ms + 1, b->kept_ms);
    }
    int64_t from_ms = b->kept_ms > b->start_ms ? b->kept_ms : b->start_ms;
    if (rc == 0 && b->source == TIER_RAW) {
        struct sample_columns samples = {0};
        rc = snapshot_read(snapshot, series->id, from_ms + 1, b->end_ms, &samples);
        points_of_samples(resolution, samples.t_ms, samples.v, rc ? 0 : samples.n, out);
        sample_columns_release(&samples);
    } else if (rc == 0) {
        struct point_columns finer = {0};
        rc = snapshot_read_points(snapshot, series->id, b->source, from_ms + 1, b->end_ms, &finer);
        points_of_points(resolution, &finer, out);
        point_columns_release(&finer);
    }
    return rc;
}

/* Slots descending, as columns come. */
static int build_group(struct build *b, uint32_t group, struct point_columns *points)
{
    auto_snapshot struct snapshot *snapshot = NULL;
    const struct series *series[GROUP_SLOTS];
    int rc = snapshot_open(b->m->store, &snapshot);
    group_series(b->m, group, b->start_ms + 1, b->end_ms, series);
    for (unsigned slot = GROUP_SLOTS; rc == 0 && slot-- > 0;) {
        if (!series[slot]) {
            continue;
        }
        rc = points_of_series(b, snapshot, series[slot], points);
        if (rc == 0 && points->n) {
            tier_add_points(&b->out.builder, slot, points);
            block_key_set(&b->out.key, slot);
        }
    }
    b->out.key.group = group;
    block_writer_close_block(&b->out);
    return rc;
}

/* Blocks that the window had before. */
static int delete_earlier(struct build *b, uint64_t below)
{
    const struct env *env = &b->m->store->envs[ENV_METRICS];
    auto_txn *txn = NULL;
    int rc = env_read(env, &txn);
    if (rc) {
        return rc;
    }
    auto_cursor *cursor = NULL;
    rc = env_code(mdb_cursor_open(txn, env->dbi[DBI_BLOCKS], &cursor));
    uint8_t prefix[TIER_KEY_SIZE];
    tier_key(b->tier, b->start_ms, prefix);
    MDB_val k = env_val(prefix, sizeof(prefix)), v;
    for (MDB_cursor_op op = MDB_SET_RANGE; rc == 0; op = MDB_NEXT) {
        struct block_key key;
        rc = env_code(mdb_cursor_get(cursor, &k, &v, op));
        if (rc || k.mv_size < sizeof(prefix) || memcmp(k.mv_data, prefix, sizeof(prefix)) != 0) {
            break;
        }
        if (block_key_read(env_str(k), &key) && key.number < below) {
            kv_job_put(b->out.job, DBI_BLOCKS, env_str(k), (struct str){0});
        }
    }
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

static int build_window(struct metrics *m, enum tier tier, int64_t start_ms)
{
    struct build b = {.m = m,
                      .tier = tier,
                      .source = source_of(m, tier),
                      .start_ms = start_ms,
                      .end_ms = start_ms + tier_window_ms(tier)};
    pthread_rwlock_rdlock(&m->lock);
    b.kept_ms = disk_find(&m->disk, tier, start_ms) ? disk_oldest_ms(&m->disk, b.source) : start_ms;
    uint32_t groups = (uint32_t)(m->cohorts.len + GROUP_COHORTS - 1) / GROUP_COHORTS;
    pthread_rwlock_unlock(&m->lock);
    uint64_t first_number = m->counters.next_block;
    struct point_columns points = {0};
    block_writer_begin(&b.out, m, tier, start_ms);
    int rc = 0;
    for (uint32_t group = 0; rc == 0 && group < groups; group++) {
        rc = build_group(&b, group, &points);
    }
    point_columns_release(&points);
    if (rc == 0) {
        uint8_t key[TIER_KEY_SIZE], number[8];
        tier_key(tier, start_ms, key);
        bytes_store_le(number, first_number, sizeof(number));
        rc = delete_earlier(&b, first_number);
        kv_job_put(b.out.job, DBI_TIERS, (struct str){(const char *)key, sizeof(key)},
                   (struct str){(const char *)number, sizeof(number)});
    }
    rc = block_writer_end(&b.out, rc);
    if (rc == 0) {
        metrics_lock_all(m);
        struct disk_window *it = disk_add(&m->disk, tier, start_ms);
        it->built = true;
        it->touched_ms = 0;
        it->is_filled = b.out.blocks > 0;
        metrics_unlock_all(m);
    }
    return rc;
}

/* The source's windows in it are all built (raw ones: all flushed), and there is one at least. */
static bool source_is_ready(struct metrics *m, enum tier tier, int64_t start_ms)
{
    enum tier source = source_of(m, tier);
    int64_t end_ms = start_ms + tier_window_ms(tier), newest_ms = m->newest_ms;
    int64_t wall_ms = clock_wall_ms();
    newest_ms = newest_ms < wall_ms ? newest_ms : wall_ms;
    bool any = false;
    for (size_t i = 0; i < m->disk.tiers[source].len; i++) {
        const struct disk_window *it = &m->disk.tiers[source].p[i];
        any = any || (source == TIER_RAW && it->start_ms == end_ms); /* its first sample may be this one's last */
        if (it->start_ms >= start_ms && it->start_ms < end_ms) {
            any = true;
            if (source != TIER_RAW && !it->built) {
                return false;
            }
        }
    }
    for (const struct window *it = m->windows; it; it = it->next) {
        if (!it->committed && it->start_ms >= start_ms && it->start_ms < end_ms) {
            return false;
        }
    }
    return any && newest_ms >= end_ms + FLUSH_WAIT_MS;
}

/* A sender that is late all the time does not have all series built anew with each of its flushes. */
static bool rests(const struct disk_window *window)
{
    return window->touched_ms && clock_mono_ms() - window->touched_ms < REST_MS;
}

static bool is_due(struct metrics *m, enum tier tier, int64_t start_ms)
{
    const struct disk_window *known = disk_find(&m->disk, tier, start_ms);
    return !(known && (known->built || rests(known))) && source_is_ready(m, tier, start_ms);
}

/* A sample at the very start of a raw window belongs to the bucket that ends there: of the window before. */
static int touched_windows(enum tier tier, int64_t raw_window_ms, int64_t out[2])
{
    int64_t start_ms = tier_window_start(tier, raw_window_ms);
    out[0] = start_ms;
    out[1] = start_ms - tier_window_ms(tier);
    return start_ms == raw_window_ms ? 2 : 1;
}

/* The first window of the tier that is due. False: none. */
static bool next_due(struct metrics *m, enum tier tier, int64_t *start_ms)
{
    bool found = false;
    enum tier source = source_of(m, tier);
    int64_t last_ms = INT64_MIN;
    pthread_rwlock_rdlock(&m->lock);
    for (size_t i = 0; !found && i < m->disk.tiers[source].len; i++) {
        int64_t windows[2];
        int n = source == TIER_RAW ? touched_windows(tier, m->disk.tiers[source].p[i].start_ms, windows) : 1;
        windows[0] = tier_window_start(tier, m->disk.tiers[source].p[i].start_ms);
        while (!found && n-- > 0) { /* the earlier one first */
            found = windows[n] != last_ms && is_due(m, tier, windows[n]);
            *start_ms = windows[n];
        }
        last_ms = windows[0];
    }
    pthread_rwlock_unlock(&m->lock);
    return found;
}

int tiers_build(struct metrics *m)
{
    int rc = 0;
    for (enum tier tier = TIER_5M; rc == 0 && tier < TIER_COUNT; tier++) {
        int64_t start_ms;
        while (rc == 0 && tier_is_kept(m, tier) && next_due(m, tier, &start_ms)) {
            rc = build_window(m, tier, start_ms);
        }
    }
    return rc;
}

/* -- late samples -- */

void tiers_touch(struct kv_job *job, int64_t raw_window_ms)
{
    for (enum tier tier = TIER_5M; tier < TIER_COUNT; tier++) {
        int64_t windows[2];
        for (int i = touched_windows(tier, raw_window_ms, windows); i-- > 0;) {
            uint8_t key[TIER_KEY_SIZE];
            tier_key(tier, windows[i], key);
            kv_job_put(job, DBI_TIERS, (struct str){(const char *)key, sizeof(key)}, (struct str){0});
        }
    }
}

void tiers_touched(struct metrics *m, int64_t raw_window_ms)
{
    for (enum tier tier = TIER_5M; tier < TIER_COUNT; tier++) {
        int64_t windows[2];
        for (int i = touched_windows(tier, raw_window_ms, windows); i-- > 0;) {
            struct disk_window *it = disk_find(&m->disk, tier, windows[i]);
            if (it && it->built) {
                it->built = false;
                it->touched_ms = clock_mono_ms();
            }
        }
    }
}

int tiers_load(struct metrics *m, MDB_txn *txn)
{
    auto_cursor *cursor = NULL;
    int rc = env_code(mdb_cursor_open(txn, m->store->envs[ENV_METRICS].dbi[DBI_TIERS], &cursor));
    MDB_val k, v;
    while (rc == 0 && (rc = env_code(mdb_cursor_get(cursor, &k, &v, MDB_NEXT))) == 0) {
        const uint8_t *p = k.mv_data;
        if (k.mv_size != TIER_KEY_SIZE || p[0] == TIER_RAW || p[0] >= TIER_COUNT) {
            damage_note(m->damage, "a record of a built window is damaged: the window is built again");
            continue;
        }
        disk_add(&m->disk, (enum tier)p[0], (int64_t)(env_get_be(p + 1, 8) ^ (uint64_t)1 << 63))->built = true;
    }
    return rc == ERR_NOT_FOUND ? 0 : rc;
}
