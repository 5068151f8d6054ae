/* At the start: series, what blocks there are, how far windows were flushed, then the WAL again. */
#include "src/base/counter.h"
#include "src/base/mem.h"
#include "storage/bytes.h"
#include "storage/metrics.h"
#include "storage/wal.h"

#include <stdlib.h>
#include <xxhash.h>

struct flushed {
    int64_t window_ms;
    uint64_t last_wal;
};

struct loader {
    struct metrics *m;
    MDB_txn *txn;
    struct series ***by_cohort; /* [cohort][slot], for reading block keys */
    vec(struct flushed) flushed;
    struct flushed current; /* of the window of the last sample */
    bool looked_up;
    uint64_t wal_seq; /* of the record being replayed */
    bool unknown_series;
};

void counters_encode(const struct counters *c, uint8_t out[COUNTERS_SIZE])
{
    bytes_store_le(out, c->next_id, 8);
    bytes_store_le(out + 8, c->next_block, 8);
    bytes_store_le(out + 16, c->wal_seq, 8);
    bytes_store_le(out + 24, c->next_cohort, 4);
}

static int load_counters(struct loader *l)
{
    struct counters *c = &l->m->counters;
    *c = (struct counters){.next_id = 1, .next_block = 1};
    MDB_val key = env_val(COUNTERS_KEY.p, COUNTERS_KEY.len), value;
    int rc = env_code(mdb_get(l->txn, l->m->store->envs[ENV_METRICS].meta, &key, &value));
    if (rc) {
        return rc == ERR_NOT_FOUND ? 0 : rc;
    }
    if (value.mv_size != COUNTERS_SIZE) {
        return ERR_CORRUPT;
    }
    const uint8_t *p = value.mv_data;
    *c = (struct counters){.next_id = bytes_load_le(p, 8),
                           .next_block = bytes_load_le(p + 8, 8),
                           .wal_seq = bytes_load_le(p + 16, 8),
                           .next_cohort = (uint32_t)bytes_load_le(p + 24, 4)};
    return 0;
}

/* checksum (4), cohort varint, slot (1), labels */
static void series_encode(const struct series *series, struct buf *out)
{
    auto_arena arena;
    arena_init(&arena);
    size_t start = out->len;
    bytes_add_le(out, 0, 4);
    bytes_add_varint(out, series->cohort);
    buf_add_char(out, (char)series->slot);
    labels_add_bytes(out, series_labels(series, &arena));
    char *p = out->p + start;
    bytes_store_le((uint8_t *)p, XXH3_64bits(p + 4, out->len - start - 4), 4);
}

void series_put(struct kv_job *job, const struct series *series)
{
    uint8_t key[8];
    env_put_be(key, series->id, sizeof(key));
    auto_buf record;
    buf_init(&record, (size_t)1 << 20);
    series_encode(series, &record);
    kv_job_put(job, DBI_SERIES, (struct str){(const char *)key, sizeof(key)}, buf_str(&record));
}

static struct series *add_series(struct metrics *m, uint64_t id, uint64_t cohort, uint8_t slot, struct labels labels)
{
    if (index_get(m->index, id) || index_find(m->index, labels, series_hash(labels))) {
        return NULL;
    }
    while (m->cohort_slots.len <= cohort) {
        vec_push(&m->cohort_slots, 0);
    }
    uint8_t *slots = &m->cohort_slots.p[cohort];
    *slots = slot >= *slots ? (uint8_t)(slot + 1) : *slots;
    m->counters.next_id = id >= m->counters.next_id ? id + 1 : m->counters.next_id;
    m->counters.next_cohort = cohort >= m->counters.next_cohort ? (uint32_t)cohort + 1 : m->counters.next_cohort;
    return index_add(m->index, id, (uint32_t)cohort, slot, labels);
}

/* A cohort number far beyond what was ever given out is damage, and would cost memory. */
static bool place_is_sound(const struct metrics *m, uint64_t cohort, uint64_t slot)
{
    return cohort <= (uint64_t)m->counters.next_cohort + SERIES_MAX && slot < COHORT_SLOTS;
}

static bool load_one_series(struct metrics *m, struct str key, struct str value, struct arena *arena)
{
    if (key.len != 8 || value.len < 4) {
        return false;
    }
    uint64_t id = env_get_be((const uint8_t *)key.p, 8);
    struct bytes_reader r = bytes_reader_of(value);
    uint32_t checksum = (uint32_t)bytes_read_le(&r, 4);
    if (checksum != (uint32_t)XXH3_64bits(r.p, bytes_left(&r)) || id == 0 || id > SERIES_ID_MAX) {
        return false;
    }
    uint64_t cohort = bytes_read_varint(&r), slot = bytes_read_le(&r, 1);
    struct labels labels;
    if (labels_read_bytes(&r, arena, &labels) || !place_is_sound(m, cohort, slot)) {
        return false;
    }
    struct series *series = add_series(m, id, cohort, (uint8_t)slot, labels);
    if (series) {
        series->stored = true;
    }
    return series != NULL;
}

static int load_series(struct loader *l)
{
    auto_arena arena;
    arena_init(&arena);
    auto_cursor *cursor = NULL;
    int rc = env_code(mdb_cursor_open(l->txn, l->m->store->envs[ENV_METRICS].dbi[DBI_SERIES], &cursor));
    MDB_val key, value;
    while (rc == 0 && (rc = env_code(mdb_cursor_get(cursor, &key, &value, MDB_NEXT))) == 0) {
        if (!load_one_series(l->m, env_str(key), env_str(value), &arena)) {
            self_add(SELF_CORRUPTIONS, 1);
        }
        arena_clear(&arena);
    }
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

static void fill_cohorts(struct loader *l)
{
    struct metrics *m = l->m;
    l->by_cohort = mem_zalloc((m->cohort_slots.len + 1) * sizeof(*l->by_cohort));
    for (struct series *it = index_next(m->index, 0); it; it = index_next(m->index, it->id + 1)) {
        if (!l->by_cohort[it->cohort]) {
            l->by_cohort[it->cohort] = mem_zalloc(COHORT_SLOTS * sizeof(struct series *));
        }
        l->by_cohort[it->cohort][it->slot] = it;
    }
}

static void free_cohorts(struct loader *l)
{
    for (size_t i = 0; l->by_cohort && i < l->m->cohort_slots.len; i++) {
        mem_free(l->by_cohort[i]);
    }
    mem_free(l->by_cohort);
    l->by_cohort = NULL;
}

static void note_block(struct loader *l, const struct block_key *key)
{
    struct metrics *m = l->m;
    int64_t start_ms = key->window_ms, last_ms = start_ms + WINDOW_MS - 1;
    m->disk_oldest_ms = start_ms < m->disk_oldest_ms ? start_ms : m->disk_oldest_ms;
    m->disk_newest_ms = last_ms + 1 > m->disk_newest_ms ? last_ms + 1 : m->disk_newest_ms;
    m->newest_ms = start_ms > m->newest_ms ? start_ms : m->newest_ms;
    m->counters.next_block = key->number >= m->counters.next_block ? key->number + 1 : m->counters.next_block;
    struct series **slots = key->cohort < m->cohort_slots.len ? l->by_cohort[key->cohort] : NULL;
    for (uint8_t slot = 0; slots && slot < COHORT_SLOTS; slot++) {
        struct series *series = slots[slot];
        if (series && block_key_has(key, slot)) {
            series->first_ms = start_ms < series->first_ms ? start_ms : series->first_ms;
            series->last_ms = last_ms > series->last_ms ? last_ms : series->last_ms;
        }
    }
}

/* Keys only: the values' pages are not touched. */
static int load_block_keys(struct loader *l)
{
    auto_cursor *cursor = NULL;
    int rc = env_code(mdb_cursor_open(l->txn, l->m->store->envs[ENV_METRICS].dbi[DBI_BLOCKS], &cursor));
    MDB_val k;
    fill_cohorts(l);
    while (rc == 0 && (rc = env_code(mdb_cursor_get(cursor, &k, NULL, MDB_NEXT))) == 0) {
        struct block_key key;
        if (!block_key_read(env_str(k), &key)) {
            self_add(SELF_CORRUPTIONS, 1);
        } else if (key.tier == TIER_RAW) {
            note_block(l, &key);
        }
    }
    free_cohorts(l);
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

static int load_flushed(struct loader *l)
{
    struct metrics *m = l->m;
    auto_cursor *cursor = NULL;
    int rc = env_code(mdb_cursor_open(l->txn, m->store->envs[ENV_METRICS].dbi[DBI_FLUSHED], &cursor));
    MDB_val k, v;
    while (rc == 0 && (rc = env_code(mdb_cursor_get(cursor, &k, &v, MDB_NEXT))) == 0) {
        if (k.mv_size != 8 || v.mv_size != 8) {
            self_add(SELF_CORRUPTIONS, 1);
            continue;
        }
        struct flushed f = {(int64_t)(env_get_be(k.mv_data, 8) ^ (uint64_t)1 << 63), bytes_load_le(v.mv_data, 8)};
        vec_push(&l->flushed, f);
        m->counters.wal_seq = f.last_wal > m->counters.wal_seq ? f.last_wal : m->counters.wal_seq;
    }
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

/* Replay */

/* One look-up a window: samples of a window come one after the other. */
static bool is_flushed(struct loader *l, int64_t t_ms)
{
    int64_t start_ms = window_start(t_ms);
    if (!l->looked_up || l->current.window_ms != start_ms) {
        l->looked_up = true;
        l->current = (struct flushed){start_ms, 0};
        for (size_t i = 0; i < l->flushed.len; i++) {
            l->current = l->flushed.p[i].window_ms == start_ms ? l->flushed.p[i] : l->current;
        }
    }
    return l->wal_seq <= l->current.last_wal;
}

static int replay_series(void *ctx, uint64_t id, uint32_t cohort, uint8_t slot, struct labels labels)
{
    struct loader *l = ctx;
    if (place_is_sound(l->m, cohort, slot)) {
        add_series(l->m, id, cohort, slot, labels); /* NULL: its record is there already */
    }
    return 0;
}

static int replay_sample(void *ctx, uint64_t id, int64_t t_ms, double value)
{
    struct loader *l = ctx;
    if (is_flushed(l, t_ms)) {
        return 0;
    }
    struct series *series = index_get(l->m->index, id);
    if (!series) {
        l->unknown_series = true;
        return 0;
    }
    head_insert(l->m, series, t_ms, value, l->wal_seq, l->m->seq);
    l->m->windows->touched_ms = l->m->windows->created_ms;
    return 0;
}

static int replay(struct loader *l)
{
    struct metrics *m = l->m;
    const struct wal_visitor visitor = {.ctx = l, .series = replay_series, .sample = replay_sample};
    auto_arena arena;
    arena_init(&arena);
    auto_txn *txn = NULL;
    int rc = env_read(&m->store->envs[ENV_WAL], &txn);
    if (rc) {
        return rc;
    }
    auto_cursor *cursor = NULL;
    rc = env_code(mdb_cursor_open(txn, m->store->envs[ENV_WAL].dbi[DBI_WAL], &cursor));
    MDB_val k, v;
    while (rc == 0 && (rc = env_code(mdb_cursor_get(cursor, &k, &v, MDB_NEXT))) == 0) {
        size_t seq;
        memcpy(&seq, k.mv_data, sizeof(seq));
        l->wal_seq = seq;
        l->unknown_series = false;
        if (wal_read(env_str(v), &visitor, &arena) || l->unknown_series) {
            self_add(SELF_CORRUPTIONS, 1);
        }
        m->counters.wal_seq = seq > m->counters.wal_seq ? seq : m->counters.wal_seq;
        arena_clear(&arena);
    }
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

int metrics_load(struct metrics *m, struct error *err)
{
    struct loader l = {.m = m};
    int rc = env_read(&m->store->envs[ENV_METRICS], &l.txn);
    rc = rc ? rc : load_counters(&l);
    rc = rc ? rc : load_series(&l);
    rc = rc ? rc : load_block_keys(&l);
    rc = rc ? rc : load_flushed(&l);
    rc = rc ? rc : families_load(m, l.txn);
    env_read_end(l.txn);
    rc = rc ? rc : replay(&l);
    vec_release(&l.flushed);
    self_set(SELF_SERIES, (int64_t)index_count(m->index));
    if (rc) {
        return error_set(err, rc, "%s: the stored series cannot be read: %s; restore a backup or move the folder away",
                         m->store->options.dir, error_text(rc));
    }
    return 0;
}
