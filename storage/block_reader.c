#include "storage/block_reader.h"

#include "src/base/mem.h"
#include "storage/tiers.h"

/* Blocks of up to five days of one group stay open while its series are read one after the other. */
#define OPENED_SETS 16
#define OPENED_WAYS 4

struct opened {
    struct block block; /* p NULL: none */
    struct block_cache cache;
};
struct opened_set {
    struct opened ways[OPENED_WAYS];
    unsigned next; /* the way that is given up next */
};

/* In the map, as long as the transaction lives. */
struct found_block {
    struct str key, value;
};

struct block_reader {
    struct damage *damage;
    MDB_cursor *cursor;
    struct opened_set opened[OPENED_SETS]; /* by window */
    struct {
        bool known;
        uint32_t group;
        int64_t from_ms, to_ms; /* starts of windows */
        vec(struct found_block) blocks;
    } list; /* raw blocks of the group read last */
};

int block_reader_new(struct metrics *m, MDB_txn *txn, struct block_reader **out)
{
    struct block_reader *reader = mem_zalloc(sizeof(*reader));
    reader->damage = m->damage;
    int rc = env_code(mdb_cursor_open(txn, m->store->envs[ENV_METRICS].dbi[DBI_BLOCKS], &reader->cursor));
    if (rc) {
        mem_free(reader);
        return rc;
    }
    *out = reader;
    return 0;
}

void block_reader_free(struct block_reader *reader)
{
    if (!reader) {
        return;
    }
    mdb_cursor_close(reader->cursor);
    for (size_t i = 0; i < OPENED_SETS * OPENED_WAYS; i++) {
        block_cache_release(&reader->opened[i / OPENED_WAYS].ways[i % OPENED_WAYS].cache);
    }
    vec_release(&reader->list.blocks);
    mem_free(reader);
}

static unsigned slot_of(const struct series *series)
{
    return group_slot(series->cohort->number, series->slot);
}

/* A block's directory is checked once a transaction, not once a series. */
static int open_block(struct block_reader *reader, int64_t window_ms, struct str value, struct opened **out)
{
    struct opened_set *set = &reader->opened[(uint64_t)(window_ms / WINDOW_MS) % OPENED_SETS];
    for (unsigned i = 0; i < OPENED_WAYS; i++) {
        if (set->ways[i].block.p == (const uint8_t *)value.p) {
            *out = &set->ways[i];
            return 0;
        }
    }
    struct opened *it = &set->ways[set->next];
    it->block.p = NULL;
    int rc = block_open(value, &it->block);
    if (rc) {
        it->block.p = NULL;
        return rc;
    }
    set->next = (set->next + 1) % OPENED_WAYS;
    *out = it;
    return 0;
}

static int without_damage(struct block_reader *reader, const struct block_key *key, const struct series *series, int rc)
{
    if (rc == ERR_CORRUPT) {
        damage_note(reader->damage, "block %llu (of the window from %lld ms): samples of series %llu are damaged",
                    (unsigned long long)key->number, (long long)key->window_ms, (unsigned long long)series->id);
    }
    return rc == ERR_CORRUPT || rc == ERR_NOT_FOUND ? 0 : rc;
}

/* Jumps from window to window: keys are (tier, window, group, ...). */
static int list_blocks(struct block_reader *reader, uint32_t group, int64_t from_ms, int64_t to_ms)
{
    struct block_key key = {.tier = TIER_RAW, .window_ms = from_ms, .group = group};
    MDB_cursor_op op = MDB_SET_RANGE;
    reader->list.known = false;
    vec_clear(&reader->list.blocks);
    for (;;) {
        uint8_t raw[BLOCK_KEY_SIZE];
        block_key_write(&key, raw);
        MDB_val k = env_val(raw, BLOCK_PREFIX_SIZE), v;
        struct block_key found;
        int rc = env_code(mdb_cursor_get(reader->cursor, &k, &v, op));
        if (rc && rc != ERR_NOT_FOUND) {
            return rc;
        }
        if (rc == 0 && !block_key_read(env_str(k), &found)) {
            op = MDB_NEXT; /* told at the start */
            continue;
        }
        if (rc || found.tier != TIER_RAW || found.window_ms > to_ms) {
            reader->list.known = true;
            reader->list.group = group;
            reader->list.from_ms = from_ms;
            reader->list.to_ms = to_ms;
            return 0;
        }
        if (found.group == group) {
            vec_push(&reader->list.blocks, (struct found_block){env_str(k), env_str(v)});
            op = MDB_NEXT;
            continue;
        }
        key.window_ms = found.group < group ? found.window_ms : found.window_ms + WINDOW_MS;
        op = MDB_SET_RANGE;
    }
}

static int read_samples(struct block_reader *reader, const struct found_block *found, const struct series *series,
                        int64_t from_ms, int64_t to_ms, struct sample_columns *out)
{
    struct block_key key;
    struct opened *it = NULL;
    unsigned slot = slot_of(series);
    if (!block_key_read(found->key, &key) || !block_key_has(&key, slot)) {
        return 0;
    }
    int rc = open_block(reader, key.window_ms, found->value, &it);
    if (rc == 0) {
        rc = block_read(&it->block, block_column(slot, 0), from_ms, to_ms, &it->cache, out);
    }
    return without_damage(reader, &key, series, rc);
}

int block_reader_samples(struct block_reader *reader, const struct series *series, int64_t from_ms, int64_t to_ms,
                         struct sample_columns *out)
{
    uint32_t group = series->cohort->number / GROUP_COHORTS;
    int64_t first_ms = window_start(from_ms), last_ms = window_start(to_ms);
    int rc = 0;
    if (!reader->list.known || reader->list.group != group || reader->list.from_ms != first_ms ||
        reader->list.to_ms != last_ms) {
        rc = list_blocks(reader, group, first_ms, last_ms);
    }
    for (size_t i = 0; rc == 0 && i < reader->list.blocks.len; i++) {
        rc = read_samples(reader, &reader->list.blocks.p[i], series, from_ms, to_ms, out);
    }
    return rc;
}

/* From the first block of the window on, until there is no more. */
struct walk {
    MDB_cursor *cursor;
    MDB_cursor_op op;
    uint8_t prefix[BLOCK_KEY_SIZE];
    struct str key, value;
};

static struct walk walk_window(struct block_reader *reader, enum tier tier, int64_t window_ms, uint32_t group)
{
    struct walk walk = {.cursor = reader->cursor, .op = MDB_SET_RANGE};
    struct block_key key = {.tier = (uint8_t)tier, .window_ms = window_ms, .group = group};
    block_key_write(&key, walk.prefix);
    return walk;
}

/* ERR_NOT_FOUND at the end. */
static int walk_next(struct walk *walk)
{
    MDB_val k = env_val(walk->prefix, BLOCK_PREFIX_SIZE), v;
    int rc = env_code(mdb_cursor_get(walk->cursor, &k, &v, walk->op));
    walk->op = MDB_NEXT;
    if (rc) {
        return rc;
    }
    walk->key = env_str(k);
    walk->value = env_str(v);
    return k.mv_size < BLOCK_PREFIX_SIZE || memcmp(k.mv_data, walk->prefix, BLOCK_PREFIX_SIZE) != 0 ? ERR_NOT_FOUND : 0;
}

int block_reader_points(struct block_reader *reader, const struct series *series, enum tier tier, int64_t window_ms,
                        struct point_columns *out)
{
    struct walk walk = walk_window(reader, tier, window_ms, series->cohort->number / GROUP_COHORTS);
    unsigned slot = slot_of(series);
    int rc;
    while ((rc = walk_next(&walk)) == 0) {
        struct block_key key;
        struct opened *it = NULL;
        if (!block_key_read(walk.key, &key) || !block_key_has(&key, slot)) {
            continue;
        }
        rc = open_block(reader, window_ms, walk.value, &it);
        if (rc == 0) {
            rc = tier_read_points(&it->block, slot, &it->cache, out);
        }
        rc = without_damage(reader, &key, series, rc);
        if (rc) {
            return rc;
        }
    }
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

int block_reader_delete(struct block_reader *reader, enum tier tier, int64_t window_ms, uint32_t group,
                        struct kv_job *job)
{
    struct walk walk = walk_window(reader, tier, window_ms, group);
    int rc;
    while ((rc = walk_next(&walk)) == 0) {
        kv_job_put(job, DBI_BLOCKS, walk.key, (struct str){0});
    }
    return rc == ERR_NOT_FOUND ? 0 : rc;
}
