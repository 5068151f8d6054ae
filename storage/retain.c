/* Retention: windows that are too old, or beyond the size allowed, leave the disk; then series without data leave index
 * and disk. */
#include "src/base/counter.h"
#include "src/base/mem.h"
#include "storage/bytes.h"
#include "storage/tiers.h"

#define DELETE_MAX 2000 /* keys of one tick */

/* Time goes on only as samples come: a daemon that was off for a month does not wake up by deleting everything. */
static int64_t newest_of(struct metrics *m, int64_t now_ms)
{
    pthread_rwlock_rdlock(&m->lock);
    int64_t newest_ms = m->newest_ms;
    pthread_rwlock_unlock(&m->lock);
    return newest_ms < now_ms ? newest_ms : now_ms;
}

/* Does a coarser tier that is kept still have to be made of it? */
static bool is_needed(struct metrics *m, enum tier tier, int64_t start_ms)
{
    for (const struct window *it = m->windows; tier == TIER_RAW && it; it = it->next) {
        if (it->start_ms == start_ms && !it->committed) {
            return true; /* late samples: the points are made anew, of all that is there */
        }
    }
    for (enum tier coarser = tier + 1; coarser < TIER_COUNT; coarser++) {
        if (tier_is_kept(m, coarser)) {
            const struct disk_window *it = disk_find(&m->disk, coarser, tier_window_start(coarser, start_ms));
            return !it || !it->built;
        }
    }
    return false;
}

/* The oldest window that is too old; false: none. */
static bool next_too_old(struct metrics *m, int64_t newest_ms, enum tier *tier, int64_t *start_ms)
{
    bool found = false;
    pthread_rwlock_rdlock(&m->lock);
    for (enum tier it = TIER_RAW; it < TIER_COUNT && !found; it++) {
        /* One that is not kept any more goes with the samples. */
        int64_t retention_ms = tier_retention_ms(m, tier_is_kept(m, it) ? it : TIER_RAW);
        int64_t oldest_ms = disk_oldest_ms(&m->disk, it);
        found = retention_ms > 0 && newest_ms != INT64_MIN && oldest_ms != INT64_MAX &&
                oldest_ms + tier_window_ms(it) <= newest_ms - retention_ms && !is_needed(m, it, oldest_ms);
        *tier = it;
        *start_ms = oldest_ms;
    }
    pthread_rwlock_unlock(&m->lock);
    return found;
}

static int used_bytes(struct metrics *m, MDB_txn *txn, uint64_t *out)
{
    const struct env *env = &m->store->envs[ENV_METRICS];
    *out = 0;
    for (size_t i = 0; i < env->spec->dbi_count; i++) {
        MDB_stat st;
        int rc = env_code(mdb_stat(txn, env->dbi[i], &st));
        if (rc) {
            return rc;
        }
        *out += (uint64_t)st.ms_psize * (st.ms_branch_pages + st.ms_leaf_pages + st.ms_overflow_pages);
    }
    return 0;
}

/* The oldest window of all, when there is more than the size allows. */
static int next_too_much(struct metrics *m, MDB_txn *txn, bool *found, enum tier *tier, int64_t *start_ms)
{
    uint64_t used = 0;
    *found = false;
    int rc = m->store->options.retention_bytes ? used_bytes(m, txn, &used) : 0;
    if (rc || used <= m->store->options.retention_bytes) {
        return rc;
    }
    pthread_rwlock_rdlock(&m->lock);
    int64_t first_end_ms = INT64_MAX; /* by their ends: a coarser one whose finer ones are left would be built again */
    for (enum tier it = TIER_RAW; it < TIER_COUNT; it++) {
        int64_t oldest_ms = disk_oldest_ms(&m->disk, it);
        if (oldest_ms != INT64_MAX && oldest_ms + tier_window_ms(it) < first_end_ms) {
            *tier = it;
            *start_ms = oldest_ms;
            first_end_ms = oldest_ms + tier_window_ms(it);
        }
    }
    *found = first_end_ms != INT64_MAX;
    pthread_rwlock_unlock(&m->lock);
    return 0;
}

/* All blocks of the window, or as many as one tick deletes; *whole: all are gone. */
static int delete_window(struct metrics *m, MDB_txn *txn, enum tier tier, int64_t start_ms, int *deleted, bool *whole)
{
    const struct env *env = &m->store->envs[ENV_METRICS];
    uint8_t prefix[TIER_KEY_SIZE];
    tier_key(tier, start_ms, prefix);
    MDB_cursor *cursor = NULL;
    int rc = env_code(mdb_cursor_open(txn, env->dbi[DBI_BLOCKS], &cursor));
    *whole = false;
    while (rc == 0 && *deleted < DELETE_MAX) {
        MDB_val k = env_val(prefix, sizeof(prefix)), v;
        rc = env_code(mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE));
        if (rc || k.mv_size < sizeof(prefix) || memcmp(k.mv_data, prefix, sizeof(prefix)) != 0) {
            *whole = true;
            break;
        }
        rc = env_code(mdb_cursor_del(cursor, 0));
        (*deleted)++;
        self_add(SELF_BLOCKS_DELETED, 1);
    }
    if (cursor) {
        mdb_cursor_close(cursor);
    }
    rc = rc == ERR_NOT_FOUND ? 0 : rc;
    if (rc == 0 && *whole && tier != TIER_RAW) {
        MDB_val k = env_val(prefix, sizeof(prefix));
        rc = env_code(mdb_del(txn, env->dbi[DBI_TIERS], &k, NULL));
    }
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

/* Out of memory's list before the commit: a snapshot that sees the window no more must not look for it. */
static void note_gone(struct metrics *m, enum tier tier, int64_t start_ms)
{
    metrics_lock_all(m);
    const struct disk_window *it = disk_find(&m->disk, tier, start_ms);
    if (it) {
        *disk_add(&m->tick_gone, tier, start_ms) = *it;
        disk_remove(&m->disk, tier, start_ms);
    }
    changes_note(&m->changes, INT64_MIN);
    metrics_unlock_all(m);
}

static int delete_old_windows(struct metrics *m, MDB_txn *txn, int64_t newest_ms, int *deleted)
{
    int rc = 0;
    for (bool found = true; rc == 0 && found && *deleted < DELETE_MAX;) {
        enum tier tier = TIER_RAW;
        int64_t start_ms = 0;
        found = next_too_old(m, newest_ms, &tier, &start_ms);
        if (!found) {
            rc = next_too_much(m, txn, &found, &tier, &start_ms);
        }
        bool whole = false;
        if (rc == 0 && found) {
            rc = delete_window(m, txn, tier, start_ms, deleted, &whole);
        }
        if (rc == 0 && whole) {
            note_gone(m, tier, start_ms);
        }
    }
    return rc;
}

/* How far a window was flushed matters only as long as the WAL has records up to there. */
static int forget_flushed(struct metrics *m, MDB_txn *txn)
{
    uint64_t keep_from = __atomic_load_n(&m->wal_keep_from, __ATOMIC_ACQUIRE);
    MDB_cursor *cursor = NULL;
    int rc = env_code(mdb_cursor_open(txn, m->store->envs[ENV_METRICS].dbi[DBI_FLUSHED], &cursor));
    MDB_val k, v;
    for (MDB_cursor_op op = MDB_FIRST; rc == 0; op = MDB_NEXT) {
        rc = env_code(mdb_cursor_get(cursor, &k, &v, op));
        if (rc == 0 && (v.mv_size != 8 || bytes_load_le(v.mv_data, 8) < keep_from)) {
            rc = env_code(mdb_cursor_del(cursor, 0)); /* the cursor then stands on the next: MDB_NEXT returns it */
        }
    }
    if (cursor) {
        mdb_cursor_close(cursor);
    }
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

static bool any_gone(const struct metrics *m)
{
    return disk_oldest_of_all_ms(&m->tick_gone) != INT64_MAX;
}

int metrics_tick(void *ctx, MDB_txn *txn, int64_t now_ms)
{
    struct metrics *m = ctx;
    int deleted = 0;
    int rc = delete_old_windows(m, txn, newest_of(m, now_ms), &deleted);
    rc = rc ? rc : forget_flushed(m, txn);
    return rc ? rc : deleted >= DELETE_MAX;
}

/* Now series may leave, too. */
void metrics_committed(void *ctx, struct writer_job **jobs, size_t n)
{
    (void)jobs;
    struct metrics *m = ctx;
    if (n > 0 || !any_gone(m)) {
        return;
    }
    metrics_lock_all(m);
    for (int tier = 0; tier < TIER_COUNT; tier++) {
        vec_clear(&m->tick_gone.tiers[tier]);
    }
    changes_note(&m->changes, INT64_MIN);
    metrics_unlock_all(m);
    pthread_mutex_lock(&m->upkeep_lock);
    m->blocks_deleted = true;
    pthread_mutex_unlock(&m->upkeep_lock);
}

/* What was not deleted after all is there again. */
void metrics_aborted(void *ctx)
{
    struct metrics *m = ctx;
    metrics_lock_all(m);
    for (enum tier tier = TIER_RAW; tier < TIER_COUNT; tier++) {
        for (size_t i = 0; i < m->tick_gone.tiers[tier].len; i++) {
            const struct disk_window *it = &m->tick_gone.tiers[tier].p[i];
            *disk_add(&m->disk, tier, it->start_ms) = *it;
        }
        vec_clear(&m->tick_gone.tiers[tier]);
    }
    changes_note(&m->changes, INT64_MIN);
    metrics_unlock_all(m);
}

/* The first window that anything may lie in. */
static int64_t oldest_window(const struct metrics *m)
{
    int64_t oldest_ms = disk_oldest_of_all_ms(&m->disk), gone_ms = disk_oldest_of_all_ms(&m->tick_gone);
    oldest_ms = gone_ms < oldest_ms ? gone_ms : oldest_ms; /* not committed yet */
    for (const struct window *it = m->windows; it; it = it->next) {
        oldest_ms = it->start_ms < oldest_ms ? it->start_ms : oldest_ms;
    }
    return oldest_ms;
}

static bool is_dead(const struct series *series, int64_t oldest_ms)
{
    return series->last_ms == SERIES_NO_TIME || window_start(series->last_ms) < oldest_ms;
}

/* Nobody's successor may be one that is gone. */
static void forget_successors(struct metrics *m)
{
    for (struct series *it = index_next(m->index, 0); it; it = index_next(m->index, it->id + 1)) {
        it->successor = it->successor && it->successor->removed ? NULL : it->successor;
    }
    groups_forget(m);
}

static void retire(struct metrics *m, struct series *series, struct cohort *cohort, uint64_t tag)
{
    struct retired *item = mem_alloc(sizeof(*item));
    *item = (struct retired){.next = m->retired, .series = series, .cohort = cohort, .tag = tag};
    m->retired = item;
}

/* Its number is not given out again. */
static void retire_if_empty(struct metrics *m, struct cohort *cohort, uint64_t tag)
{
    if (!cohort->live && !cohort->strips) {
        m->cohorts.p[cohort->number] = NULL;
        retire(m, NULL, cohort, tag);
    }
}

void metrics_sweep(struct metrics *m)
{
    struct kv_job *job = kv_job_new(NULL, NULL);
    size_t count = 0;
    vec(struct series *) dead = {0};
    pthread_mutex_lock(&m->flush_lock);
    metrics_lock_all(m);
    uint64_t tag = snapshots_tag(m);
    int64_t oldest_ms = oldest_window(m);
    for (struct series *it = index_next(m->index, 0); it; it = index_next(m->index, it->id + 1)) {
        if (is_dead(it, oldest_ms)) {
            vec_push(&dead, it);
        }
    }
    count = dead.len;
    if (count) {
        index_remove(m->index, dead.p, dead.len);
    }
    for (size_t i = 0; i < dead.len; i++) {
        struct series *it = dead.p[i];
        uint8_t key[8];
        env_put_be(key, it->id, sizeof(key));
        kv_job_put(job, DBI_SERIES, (struct str){(const char *)key, sizeof(key)}, (struct str){NULL, 0});
        it->cohort->slots[it->slot] = NULL;
        it->cohort->live--;
        retire(m, it, NULL, tag);
        retire_if_empty(m, it->cohort, tag);
    }
    vec_release(&dead);
    if (count) {
        forget_successors(m);
        self_add(SELF_SERIES_DELETED, (int64_t)count);
        self_set(SELF_SERIES, (int64_t)index_count(m->index));
    }
    metrics_unlock_all(m);
    pthread_mutex_unlock(&m->flush_lock);
    if (!count || writer_push_always(m->store->writer, ENV_METRICS, kv_job_base(job))) {
        kv_job_free(job);
    }
}
