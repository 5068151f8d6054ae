#include "storage/upgrade.h"

#include "src/base/mem.h"
#include "storage/bytes.h"
#include "storage/chunk.h"
#include "storage/wal_record.h"

#include <limits.h>
#include <unistd.h>
#include <xxhash.h>

#define OLD_KEY_SIZE     37
#define OLD_MAGIC        0x314b4c42u /* "BLK1" in memory */
#define OLD_HEAD_SIZE    24          /* checksum 8, magic 4, format 4, series 4, times 4 */
#define OLD_TIME_ENTRY   16          /* offset, size, count, checksum; 4 each */
#define OLD_SERIES_ENTRY 24          /* id 8, time column 4, offset 4, size 4, checksum 4 */

/* -- blocks -- */

struct place {
    uint32_t cohort;
    uint8_t slot;
    bool known;
};

struct upgrade {
    struct env *env;
    struct damage *damage;
    vec(struct place) places;   /* by id */
    uint8_t last[OLD_KEY_SIZE]; /* key of the last old block that was looked at */
    bool begun;
    struct sample_columns columns[GROUP_SLOTS]; /* of the group being gathered */
    struct block_key key;
    size_t gathered; /* old blocks */
    vec(struct str) old_keys;
    struct arena arena;
};

static int load_places(struct upgrade *u, MDB_txn *txn)
{
    auto_cursor *cursor = NULL;
    int rc = env_code(mdb_cursor_open(txn, u->env->dbi[DBI_SERIES], &cursor));
    MDB_val k, v;
    while (rc == 0 && (rc = env_code(mdb_cursor_get(cursor, &k, &v, MDB_NEXT))) == 0) {
        struct bytes_reader r = bytes_reader_of(env_str(v));
        bytes_read_le(&r, 4);
        uint64_t cohort = bytes_read_varint(&r), slot = bytes_read_le(&r, 1);
        uint64_t id = k.mv_size == 8 ? env_get_be(k.mv_data, 8) : 0;
        if (r.failed || id == 0 || id > SERIES_ID_MAX || slot >= COHORT_SLOTS || cohort > UINT32_MAX) {
            continue; /* told when series are loaded */
        }
        while (u->places.len <= id) {
            vec_push(&u->places, ((struct place){0}));
        }
        u->places.p[id] = (struct place){(uint32_t)cohort, (uint8_t)slot, true};
    }
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

static uint32_t load32(const uint8_t *p)
{
    return (uint32_t)bytes_load_le(p, 4);
}

/* The bytes that offset, size and, at the checksum's own place, checksum tell of; empty: damaged. */
static struct str old_column(struct str value, const uint8_t *entry, const uint8_t *checksum)
{
    uint64_t offset = load32(entry), size = load32(entry + 4);
    if (size == 0 || offset + size > value.len || (uint32_t)XXH3_64bits(value.p + offset, size) != load32(checksum)) {
        return (struct str){0};
    }
    return (struct str){value.p + offset, size};
}

static bool read_old_series(struct upgrade *u, struct str value, const uint8_t *times, uint32_t time_count,
                            const uint8_t *entry)
{
    uint64_t id = bytes_load_le(entry, 8);
    uint32_t time = load32(entry + 8);
    if (time >= time_count || id >= u->places.len || !u->places.p[id].known) {
        return false;
    }
    const uint8_t *t = times + (size_t)time * OLD_TIME_ENTRY;
    size_t n = load32(t + 8);
    struct str t_bytes = old_column(value, t, t + 12), v_bytes = old_column(value, entry + 12, entry + 20);
    if (!t_bytes.p || !v_bytes.p || n == 0 || n > CHUNK_MAX_SAMPLES) {
        return false;
    }
    const struct place *place = &u->places.p[id];
    struct sample_columns *out = &u->columns[group_slot(place->cohort, place->slot)];
    sample_columns_reserve(out, n);
    bool ascending;
    if (chunk_read_times(t_bytes, out->t_ms + out->n, n, &ascending) ||
        chunk_read_values(v_bytes, out->v + out->n, n, NULL)) {
        return false;
    }
    sample_columns_added(out, n);
    out->unsettled |= !ascending;
    return true;
}

static void read_old_block(struct upgrade *u, struct str value)
{
    const uint8_t *p = (const uint8_t *)value.p;
    uint64_t series = value.len >= OLD_HEAD_SIZE ? load32(p + 16) : 0, times = series ? load32(p + 20) : 0;
    uint64_t directories = OLD_HEAD_SIZE + times * OLD_TIME_ENTRY + series * OLD_SERIES_ENTRY;
    if (!series || load32(p + 8) != OLD_MAGIC || series > 4096 || times > 4096 || directories > value.len ||
        bytes_load_le(p, 8) != XXH3_64bits(p + 8, directories - 8)) {
        damage_note(u->damage, "a block of format 1 (two hours from %lld ms) is damaged", (long long)u->key.window_ms);
        return;
    }
    const uint8_t *time_entries = p + OLD_HEAD_SIZE, *entries = time_entries + times * OLD_TIME_ENTRY;
    for (uint64_t i = 0; i < series; i++) {
        if (!read_old_series(u, value, time_entries, (uint32_t)times, entries + i * OLD_SERIES_ENTRY)) {
            damage_note(u->damage, "a series in a block of format 1 (two hours from %lld ms) is damaged",
                        (long long)u->key.window_ms);
        }
    }
}

/* Gathers the old blocks of the next group; gathered stays 0 when there is none. */
static int gather(struct upgrade *u, MDB_txn *txn)
{
    auto_cursor *cursor = NULL;
    int rc = env_code(mdb_cursor_open(txn, u->env->dbi[DBI_BLOCKS], &cursor));
    MDB_val k = env_val(u->last, OLD_KEY_SIZE), v;
    MDB_cursor_op op = u->begun ? MDB_SET_RANGE : MDB_FIRST;
    u->gathered = 0;
    vec_clear(&u->old_keys);
    arena_clear(&u->arena);
    for (; rc == 0 && (rc = env_code(mdb_cursor_get(cursor, &k, &v, op))) == 0; op = MDB_NEXT) {
        const uint8_t *p = k.mv_data;
        if (k.mv_size != OLD_KEY_SIZE || (u->begun && memcmp(p, u->last, OLD_KEY_SIZE) == 0)) {
            continue;
        }
        int64_t window_ms = (int64_t)(env_get_be(p + 1, 8) ^ (uint64_t)1 << 63);
        uint32_t group = (uint32_t)env_get_be(p + 9, 4) / GROUP_COHORTS;
        if (u->gathered && (window_ms != u->key.window_ms || group != u->key.group)) {
            return 0;
        }
        u->key = (struct block_key){.tier = p[0], .window_ms = window_ms, .group = group};
        memcpy(u->last, p, OLD_KEY_SIZE);
        u->begun = true;
        u->gathered++;
        vec_push(&u->old_keys, arena_dup(&u->arena, env_str(k)));
        read_old_block(u, env_str(v));
    }
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

static void build(struct upgrade *u, struct buf *out)
{
    struct block_builder builder;
    block_builder_init(&builder);
    for (unsigned slot = GROUP_SLOTS; slot-- > 0;) {
        struct sample_columns *c = &u->columns[slot];
        if (c->n) {
            sample_columns_settle(c);
            block_builder_add(&builder, block_column(slot, 0), c->t_ms, c->v, c->n);
            block_key_set(&u->key, slot);
            sample_columns_clear(c);
        }
    }
    if (builder.columns.len) {
        block_builder_finish(&builder, out);
    }
    block_builder_release(&builder);
}

static int next_number(struct upgrade *u, MDB_txn *txn, uint64_t *number)
{
    MDB_val key = env_val(COUNTERS_KEY.p, COUNTERS_KEY.len), value;
    uint8_t counters[COUNTERS_SIZE] = {0};
    int rc = mdb_get(txn, u->env->meta, &key, &value);
    if (rc == 0 && value.mv_size <= COUNTERS_SIZE) {
        memcpy(counters, value.mv_data, value.mv_size); /* those of format 1 are shorter */
    }
    *number = bytes_load_le(counters + 8, 8) + 1;
    bytes_store_le(counters + 8, *number + 1, 8);
    value = env_val(counters, COUNTERS_SIZE);
    return env_code(mdb_put(txn, u->env->meta, &key, &value, 0));
}

/* The new block comes and the old ones go in one transaction. */
static int write_group(struct upgrade *u)
{
    auto_buf block;
    buf_init(&block, (size_t)1 << 30);
    build(u, &block);
    MDB_txn *txn = NULL;
    int rc = env_write(u->env, &txn);
    if (rc) {
        return rc;
    }
    if (block.len) {
        uint8_t raw[BLOCK_KEY_SIZE];
        rc = next_number(u, txn, &u->key.number);
        block_key_write(&u->key, raw);
        MDB_val k = env_val(raw, sizeof(raw)), v = env_val(block.p, block.len);
        rc = rc ? rc : env_code(mdb_put(txn, u->env->dbi[DBI_BLOCKS], &k, &v, 0));
    }
    for (size_t i = 0; rc == 0 && i < u->old_keys.len; i++) {
        MDB_val k = env_val(u->old_keys.p[i].p, u->old_keys.p[i].len);
        rc = env_code(mdb_del(txn, u->env->dbi[DBI_BLOCKS], &k, NULL));
    }
    if (rc) {
        mdb_txn_abort(txn);
        return rc;
    }
    return env_code(mdb_txn_commit(txn));
}

static int convert_all(struct upgrade *u)
{
    for (;;) {
        auto_txn *txn = NULL;
        int rc = env_read(u->env, &txn);
        rc = rc || u->places.len ? rc : load_places(u, txn);
        rc = rc ? rc : gather(u, txn);
        env_read_end(steal(txn));
        if (rc || !u->gathered) {
            return rc;
        }
        rc = write_group(u);
        if (rc) {
            return rc;
        }
    }
}

int upgrade_blocks(struct env *metrics, struct damage *damage, struct error *err)
{
    if (metrics->found_version != 1) {
        return 0;
    }
    struct upgrade *u = mem_zalloc(sizeof(*u));
    u->env = metrics;
    u->damage = damage;
    arena_init(&u->arena);
    int rc = convert_all(u);
    rc = rc ? rc : env_set_version(metrics);
    for (unsigned slot = 0; slot < GROUP_SLOTS; slot++) {
        sample_columns_release(&u->columns[slot]);
    }
    vec_release(&u->places);
    vec_release(&u->old_keys);
    arena_release(&u->arena);
    mem_free(u);
    return rc ? error_set(err, rc,
                          "the stored samples cannot be brought to this version's format: %s; nothing is lost, free "
                          "some space and start again",
                          error_text(rc))
              : 0;
}

/* -- the log -- */

static const struct env_spec old_log_spec = {
    .folder = "wal", .version = 1, .read_ahead = true, .dbi_count = 1, .dbis = {{"wal", MDB_INTEGERKEY}}};

static void log_path(const char *data_dir, const char *file, char out[PATH_MAX])
{
    snprintf(out, PATH_MAX, "%s/wal/%s", data_dir, file);
}

bool upgrade_has_log(const char *data_dir)
{
    char path[PATH_MAX];
    log_path(data_dir, "data.mdb", path);
    return access(path, F_OK) == 0;
}

void upgrade_remove_log(const char *data_dir)
{
    char path[PATH_MAX];
    log_path(data_dir, "data.mdb", path);
    (void)unlink(path);
    log_path(data_dir, "lock.mdb", path);
    (void)unlink(path);
}

static int read_log_series(struct bytes_reader *r, const struct upgrade_visitor *visitor, struct arena *arena)
{
    for (;;) {
        uint64_t more = bytes_read_le(r, 1);
        if (more == 0) {
            return r->failed ? ERR_CORRUPT : 0;
        }
        uint64_t id = bytes_read_varint(r), cohort = bytes_read_varint(r), slot = bytes_read_le(r, 1);
        struct labels labels = {0};
        if (more != 1 || r->failed || id == 0 || id > SERIES_ID_MAX || cohort > UINT32_MAX || slot >= COHORT_SLOTS ||
            labels_read_bytes(r, arena, &labels)) {
            return ERR_CORRUPT;
        }
        int rc = visitor->series(visitor->ctx, id, (uint32_t)cohort, (unsigned)slot, labels);
        if (rc) {
            return rc;
        }
    }
}

/* An integer in a varint whose low bit is 0, or the byte 1 and the sample's bits. */
static double read_log_value(struct bytes_reader *r)
{
    if (r->p < r->end && *r->p == 1) {
        r->p++;
        return sample_from_bits(bytes_read_le(r, 8));
    }
    uint64_t coded = bytes_read_varint(r);
    if (coded & 1) {
        bytes_fail(r);
    }
    return (double)bytes_unzigzag(coded >> 1);
}

static int read_log_samples(struct bytes_reader *r, const struct upgrade_visitor *visitor)
{
    int64_t t_ms = (int64_t)bytes_read_le(r, 8);
    uint64_t n = bytes_read_varint(r), many_times = bytes_read_le(r, 1);
    struct bytes_reader ids = bytes_reader_of(bytes_read_str(r));
    struct bytes_reader times = bytes_reader_of(many_times ? bytes_read_str(r) : STR(""));
    uint64_t id = 0, run = 0;
    if (r->failed || many_times > 1 || n > bytes_left(r)) {
        return ERR_CORRUPT;
    }
    for (uint64_t i = 0; i < n; i++, run--) {
        if (run == 0) {
            id += (uint64_t)bytes_read_zigzag(&ids);
            run = bytes_read_varint(&ids);
        } else {
            id++;
        }
        if (many_times) {
            t_ms = (int64_t)((uint64_t)t_ms + (uint64_t)bytes_read_zigzag(&times));
        }
        double value = read_log_value(r);
        if (r->failed || ids.failed || times.failed || run == 0) {
            return ERR_CORRUPT;
        }
        int rc = visitor->sample(visitor->ctx, id, t_ms, value);
        if (rc) {
            return rc;
        }
    }
    return 0;
}

static int read_log_record(struct str record, const struct upgrade_visitor *visitor, struct arena *arena)
{
    struct bytes_reader r = bytes_reader_of(record);
    uint64_t checksum = bytes_read_le(&r, 8);
    if (r.failed || checksum != XXH3_64bits(r.p, bytes_left(&r)) || bytes_read_le(&r, 1) != 1) {
        return ERR_CORRUPT;
    }
    int rc = read_log_series(&r, visitor, arena);
    return rc ? rc : read_log_samples(&r, visitor);
}

static int read_log(struct env *env, const struct upgrade_visitor *visitor, struct damage *damage)
{
    auto_arena arena;
    arena_init(&arena);
    auto_txn *txn = NULL;
    int rc = env_read(env, &txn);
    if (rc) {
        return rc;
    }
    auto_cursor *cursor = NULL;
    rc = env_code(mdb_cursor_open(txn, env->dbi[0], &cursor));
    MDB_val k, v;
    while (rc == 0 && (rc = env_code(mdb_cursor_get(cursor, &k, &v, MDB_NEXT))) == 0) {
        size_t seq;
        memcpy(&seq, k.mv_data, sizeof(seq));
        rc = visitor->record(visitor->ctx, seq);
        if (rc == 0 && read_log_record(env_str(v), visitor, &arena)) {
            damage_note(damage, "record %zu of the log of format 1 is damaged and was passed over", seq);
        }
        arena_clear(&arena);
    }
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

int upgrade_read_log(const char *data_dir, const struct upgrade_visitor *visitor, struct damage *damage,
                     struct error *err)
{
    struct env env;
    int rc = env_open(&env, &old_log_spec, data_dir, 0, false, err);
    if (rc) {
        return rc;
    }
    rc = read_log(&env, visitor, damage);
    env_close(&env);
    return rc ? error_set(err, rc, "%s/wal/data.mdb cannot be read: %s", data_dir, error_text(rc)) : 0;
}
