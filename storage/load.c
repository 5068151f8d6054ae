/* At the start: series, how far windows were flushed, the log again, then what blocks there are. */
#include "src/base/counter.h"
#include "src/base/mem.h"
#include "storage/bytes.h"
#include "storage/metrics.h"
#include "storage/tiers.h"
#include "storage/upgrade.h"
#include "storage/wal_record.h"

#include <stdlib.h>
#include <xxhash.h>

#define REPLAY_UNSEALED   ((uint64_t)32 << 20) /* bytes: a long log is compressed on its way into memory */
#define OLD_COUNTERS_SIZE 28                   /* of format 1 */

struct flushed {
    int64_t window_ms;
    uint64_t last_wal;
};

struct loader {
    struct metrics *m;
    MDB_txn *txn;
    vec(struct flushed) flushed;
    struct flushed current; /* of the window of the last sample */
    bool looked_up;
    uint64_t wal_seq; /* of the record being replayed */
    bool unknown_series;
    struct arena arena;
};

void counters_encode(const struct counters *c, uint8_t out[COUNTERS_SIZE])
{
    bytes_store_le(out, c->next_id, 8);
    bytes_store_le(out + 8, c->next_block, 8);
    bytes_store_le(out + 16, c->wal_seq, 8);
    bytes_store_le(out + 24, c->next_cohort, 4);
    bytes_store_le(out + 28, c->wal_keep_from, 8);
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
    if (value.mv_size != COUNTERS_SIZE && value.mv_size != OLD_COUNTERS_SIZE) {
        return ERR_CORRUPT;
    }
    const uint8_t *p = value.mv_data;
    *c = (struct counters){.next_id = bytes_load_le(p, 8),
                           .next_block = bytes_load_le(p + 8, 8),
                           .wal_seq = bytes_load_le(p + 16, 8),
                           .next_cohort = (uint32_t)bytes_load_le(p + 24, 4),
                           .wal_keep_from = value.mv_size == COUNTERS_SIZE ? bytes_load_le(p + 28, 8) : 0};
    return 0;
}

/* checksum (4), cohort varint, slot (1), labels */
static void series_encode(const struct series *series, struct buf *out)
{
    auto_arena arena;
    arena_init(&arena);
    size_t start = out->len;
    bytes_add_le(out, 0, 4);
    bytes_add_varint(out, series->cohort->number);
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

struct cohort *cohort_get(struct metrics *m, uint32_t number)
{
    while (m->cohorts.len <= number) {
        vec_push(&m->cohorts, NULL);
    }
    struct cohort **cohort = &m->cohorts.p[number];
    if (!*cohort) {
        *cohort = mem_zalloc(sizeof(**cohort));
        (*cohort)->number = number;
    }
    return *cohort;
}

void cohort_place(struct cohort *cohort, struct series *series)
{
    cohort->slots[series->slot] = series;
    cohort->used = series->slot >= cohort->used ? series->slot + 1u : cohort->used;
    cohort->live++;
}

static struct series *add_series(struct metrics *m, uint64_t id, uint64_t number, uint8_t slot, struct labels labels)
{
    if (index_get(m->index, id) || index_find(m->index, labels, series_hash(labels))) {
        return NULL;
    }
    struct cohort *cohort = cohort_get(m, (uint32_t)number);
    if (cohort->slots[slot]) {
        return NULL;
    }
    m->counters.next_id = id >= m->counters.next_id ? id + 1 : m->counters.next_id;
    m->counters.next_cohort = number >= m->counters.next_cohort ? (uint32_t)number + 1 : m->counters.next_cohort;
    struct series *series = index_add(m->index, id, cohort, slot, labels);
    cohort_place(cohort, series);
    return series;
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
            damage_note(l->m->damage, "the record of a series is damaged: it is known again when it is next collected");
        }
        arena_clear(&arena);
    }
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

static void note_block(struct loader *l, const struct block_key *key)
{
    struct metrics *m = l->m;
    enum tier tier = (enum tier)key->tier;
    /* Buckets of coarser tiers hold their end. */
    int64_t start_ms = key->window_ms, last_ms = start_ms + tier_window_ms(tier) - (tier == TIER_RAW);
    disk_add(&m->disk, tier, start_ms)->is_filled = true;
    m->newest_ms = tier == TIER_RAW && start_ms > m->newest_ms ? start_ms : m->newest_ms;
    m->counters.next_block = key->number >= m->counters.next_block ? key->number + 1 : m->counters.next_block;
    for (unsigned slot = 0; slot < GROUP_SLOTS; slot++) {
        uint64_t number = (uint64_t)key->group * GROUP_COHORTS + slot / COHORT_SLOTS;
        struct cohort *cohort = number < m->cohorts.len ? m->cohorts.p[number] : NULL;
        if (!cohort || !block_key_has(key, slot)) {
            continue;
        }
        /* The place of a series whose record is lost is not given to another, which would get its samples. */
        cohort->used = slot % COHORT_SLOTS >= cohort->used ? slot % COHORT_SLOTS + 1 : cohort->used;
        struct series *series = cohort->slots[slot % COHORT_SLOTS];
        if (series) {
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
    while (rc == 0 && (rc = env_code(mdb_cursor_get(cursor, &k, NULL, MDB_NEXT))) == 0) {
        struct block_key key;
        if (!block_key_read(env_str(k), &key)) {
            damage_note(l->m->damage, "the key of a block is damaged: its samples are not found");
        } else if (key.tier < TIER_COUNT) {
            note_block(l, &key);
        }
    }
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
            damage_note(l->m->damage, "a record of how far a window was flushed is damaged");
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
    return l->wal_seq <= l->current.last_wal || l->wal_seq < l->m->counters.wal_keep_from;
}

static int replay_series(void *ctx, uint64_t id, uint32_t cohort, unsigned slot, struct labels labels)
{
    struct loader *l = ctx;
    if (place_is_sound(l->m, cohort, slot)) {
        add_series(l->m, id, cohort, (uint8_t)slot, labels); /* NULL: its record is there already */
    }
    return 0;
}

/* Slots whose series are not known (their record is lost) go. */
static void drop_unknown(struct loader *l, const struct wal_run *in, struct run *run, double *values)
{
    size_t at = 0;
    for (unsigned slot = 0; slot < COHORT_SLOTS; slot++) {
        uint64_t bit = (uint64_t)1 << slot % 64;
        if (!(in->present[slot / 64] & bit)) {
            continue;
        }
        double v = in->values[at++];
        if (run->cohort->slots[slot]) {
            values[run->n++] = v;
        } else {
            run->present[slot / 64] &= ~bit;
            l->unknown_series = true;
            run->cohort->used = slot >= run->cohort->used ? slot + 1 : run->cohort->used; /* not given to another */
        }
    }
}

static void widen(const struct run *run)
{
    for (unsigned slot = 0; slot < run->cohort->used; slot++) {
        struct series *series = run->cohort->slots[slot];
        if (series && run->present[slot / 64] >> slot % 64 & 1) {
            series->first_ms = run->t_ms < series->first_ms ? run->t_ms : series->first_ms;
            series->last_ms = run->t_ms > series->last_ms ? run->t_ms : series->last_ms;
        }
    }
}

static int replay_run(void *ctx, const struct wal_run *in)
{
    struct loader *l = ctx;
    struct metrics *m = l->m;
    if (is_flushed(l, in->t_ms)) {
        return 0;
    }
    struct run run = {.cohort = in->cohort < m->cohorts.len ? m->cohorts.p[in->cohort] : NULL, .t_ms = in->t_ms};
    if (!run.cohort) {
        l->unknown_series = true;
        if (place_is_sound(m, in->cohort, 0) && in->cohort >= m->counters.next_cohort) {
            m->counters.next_cohort = (uint32_t)in->cohort + 1;
        }
        return 0;
    }
    double values[COHORT_SLOTS];
    memcpy(run.present, in->present, sizeof(run.present));
    drop_unknown(l, in, &run, values);
    if (run.n) {
        head_insert(m, &run, values, l->wal_seq);
        m->windows->touched_ms = m->windows->created_ms;
        widen(&run);
    }
    return 0;
}

static int replay_record(void *ctx, uint64_t seq, struct str payload)
{
    struct loader *l = ctx;
    l->m->counters.wal_seq = seq > l->m->counters.wal_seq ? seq : l->m->counters.wal_seq;
    if (seq < l->m->counters.wal_keep_from) {
        return 0; /* its series have records; of one that was deleted since nothing may come back */
    }
    const struct wal_visitor visitor = {.ctx = l, .series = replay_series, .run = replay_run};
    l->wal_seq = seq;
    l->unknown_series = false;
    l->m->seq++;
    if (wal_record_read(payload, &visitor, &l->arena)) {
        damage_note(l->m->damage, "record %llu of the write-ahead log cannot be read and was passed over",
                    (unsigned long long)seq);
    } else if (l->unknown_series) {
        damage_note(l->m->damage, "record %llu of the write-ahead log has samples of series that are not known",
                    (unsigned long long)seq);
    }
    arena_clear(&l->arena);
    if (l->m->full_bytes > REPLAY_UNSEALED) {
        (void)metrics_seal(l->m);
    }
    return 0;
}

/* -- a log of format 1: samples one by one, neighbours of a scrape become a run again -- */

struct old_log {
    struct loader *l;
    struct run run;
    double values[COHORT_SLOTS];
};

static void end_old_run(struct old_log *o)
{
    if (o->run.n) {
        head_insert(o->l->m, &o->run, o->values, o->l->wal_seq);
        o->l->m->windows->touched_ms = o->l->m->windows->created_ms;
        widen(&o->run);
    }
    o->run = (struct run){0};
}

static int old_record(void *ctx, uint64_t seq)
{
    struct old_log *o = ctx;
    end_old_run(o);
    o->l->wal_seq = seq;
    o->l->m->seq++;
    o->l->m->counters.wal_seq = seq > o->l->m->counters.wal_seq ? seq : o->l->m->counters.wal_seq;
    return 0;
}

static int old_series(void *ctx, uint64_t id, uint32_t cohort, unsigned slot, struct labels labels)
{
    return replay_series(((struct old_log *)ctx)->l, id, cohort, slot, labels);
}

static int old_sample(void *ctx, uint64_t id, int64_t t_ms, double value)
{
    struct old_log *o = ctx;
    const struct series *series = index_get(o->l->m->index, id);
    if (!series || is_flushed(o->l, t_ms)) {
        return 0;
    }
    uint64_t bit = (uint64_t)1 << series->slot % 64, *word = &o->run.present[series->slot / 64];
    bool above = *word >> (series->slot % 64) || (series->slot < 64 && o->run.present[1]);
    if (o->run.n && (o->run.cohort != series->cohort || o->run.t_ms != t_ms || above)) {
        end_old_run(o);
    }
    o->run.cohort = series->cohort;
    o->run.t_ms = t_ms;
    *word |= bit;
    o->values[o->run.n++] = value;
    return 0;
}

static int replay_old_log(struct loader *l, struct error *err)
{
    const char *dir = l->m->store->options.dir;
    if (!upgrade_has_log(dir)) {
        return 0;
    }
    struct old_log o = {.l = l};
    const struct upgrade_visitor visitor = {&o, old_record, old_series, old_sample};
    int rc = upgrade_read_log(dir, &visitor, l->m->damage, err);
    end_old_run(&o);
    l->m->has_old_log = true;
    return rc;
}

/* Records of the log, again into the head. */
static int replay(struct loader *l)
{
    arena_init(&l->arena);
    int rc = wal_replay(l->m->store->wal, l->m->counters.wal_seq, replay_record, l, l->m->damage);
    arena_release(&l->arena);
    return rc;
}

int metrics_load(struct metrics *m, struct error *err)
{
    struct loader l = {.m = m};
    int rc = upgrade_blocks(&m->store->envs[ENV_METRICS], m->damage, err);
    if (rc) {
        return rc;
    }
    rc = env_read(&m->store->envs[ENV_METRICS], &l.txn);
    rc = rc ? rc : load_counters(&l);
    rc = rc ? rc : load_series(&l);
    rc = rc ? rc : load_flushed(&l);
    rc = rc ? rc : families_load(m, l.txn);
    struct error old = {0};
    rc = rc ? rc : replay_old_log(&l, &old);
    rc = rc ? rc : replay(&l);
    rc = rc ? rc : tiers_load(m, l.txn);
    rc = rc ? rc : load_block_keys(&l); /* when all series are there, those that only the log tells of, too */
    env_read_end(l.txn);
    vec_release(&l.flushed);
    self_set(SELF_SERIES, (int64_t)index_count(m->index));
    if (old.code) {
        *err = old;
        return rc;
    }
    if (rc == ERR_VERSION) {
        return error_set(err, rc,
                         "%s/wal was written by a newer cloche: install that version, or choose another --data",
                         m->store->options.dir);
    }
    if (rc) {
        return error_set(err, rc, "%s: the stored series cannot be read: %s; restore a backup or move the folder away",
                         m->store->options.dir, error_text(rc));
    }
    return 0;
}
