/* Retention: windows that are too old leave the disk, then series without data leave index and disk. */
#include "src/base/counter.h"
#include "src/base/mem.h"
#include "storage/bytes.h"
#include "storage/metrics.h"

#define DELETE_MAX 2000 /* keys of one tick */

/* Time goes on only as samples come: a daemon that was off for a month does not wake up by deleting everything. */
static int64_t cutoff_of(struct metrics *m, int64_t now_ms)
{
    int64_t retention_ms = m->store->options.retention_ms;
    pthread_rwlock_rdlock(&m->lock);
    int64_t newest_ms = m->newest_ms;
    pthread_rwlock_unlock(&m->lock);
    newest_ms = newest_ms < now_ms ? newest_ms : now_ms;
    return retention_ms <= 0 || newest_ms == INT64_MIN ? INT64_MIN : newest_ms - retention_ms;
}

/* From the oldest on; *oldest_ms is the first window that is left, also when the step ends before all are gone. */
static int delete_old_blocks(struct metrics *m, MDB_txn *txn, int64_t cutoff_ms, int *deleted, int64_t *oldest_ms)
{
    MDB_cursor *cursor = NULL;
    int rc = env_code(mdb_cursor_open(txn, m->store->envs[ENV_METRICS].dbi[DBI_BLOCKS], &cursor));
    *oldest_ms = INT64_MAX;
    while (rc == 0) {
        MDB_val k, v;
        struct block_key key;
        rc = env_code(mdb_cursor_get(cursor, &k, &v, MDB_FIRST));
        if (rc) {
            break;
        }
        bool sound = block_key_read(env_str(k), &key);
        bool stays = sound && (key.tier != TIER_RAW || key.window_ms + WINDOW_MS > cutoff_ms);
        if (stays || *deleted >= DELETE_MAX) {
            *oldest_ms = !sound ? INT64_MIN : key.tier == TIER_RAW ? key.window_ms : INT64_MAX;
            break;
        }
        rc = env_code(mdb_cursor_del(cursor, 0));
        (*deleted)++;
        self_add(SELF_BLOCKS_DELETED, 1);
    }
    if (cursor) {
        mdb_cursor_close(cursor);
    }
    return rc == ERR_NOT_FOUND ? 0 : rc;
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

int metrics_tick(void *ctx, MDB_txn *txn, int64_t now_ms)
{
    struct metrics *m = ctx;
    int deleted = 0;
    m->tick_deleted = false;
    int64_t cutoff_ms = cutoff_of(m, now_ms);
    int rc = 0;
    if (cutoff_ms != INT64_MIN) {
        rc = delete_old_blocks(m, txn, cutoff_ms, &deleted, &m->tick_oldest_ms);
        m->tick_deleted = deleted > 0;
    }
    rc = rc ? rc : forget_flushed(m, txn);
    return rc ? rc : deleted == DELETE_MAX;
}

void metrics_committed(void *ctx, struct writer_job **jobs, size_t n)
{
    (void)jobs;
    struct metrics *m = ctx;
    if (n > 0 || !m->tick_deleted) {
        return;
    }
    pthread_rwlock_wrlock(&m->lock);
    m->disk_oldest_ms = m->tick_oldest_ms;
    pthread_rwlock_unlock(&m->lock);
    m->tick_deleted = false;
    pthread_mutex_lock(&m->upkeep_lock);
    m->blocks_deleted = true;
    pthread_mutex_unlock(&m->upkeep_lock);
}

/* The first window that anything may lie in. */
static int64_t oldest_window(const struct metrics *m)
{
    int64_t oldest_ms = m->disk_oldest_ms;
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

static void retire(struct metrics *m, struct series *series, uint64_t tag)
{
    struct retired *item = mem_alloc(sizeof(*item));
    *item = (struct retired){.next = m->retired, .series = series, .tag = tag};
    m->retired = item;
}

void metrics_sweep(struct metrics *m)
{
    struct kv_job *job = kv_job_new(NULL, NULL);
    size_t count = 0;
    pthread_mutex_lock(&m->flush_lock);
    pthread_mutex_lock(&m->append_lock);
    pthread_rwlock_wrlock(&m->lock);
    uint64_t tag = snapshots_tag(m);
    int64_t oldest_ms = oldest_window(m);
    for (struct series *it = index_next(m->index, 0), *next; it; it = next) {
        next = index_next(m->index, it->id + 1);
        if (is_dead(it, oldest_ms)) {
            uint8_t key[8];
            env_put_be(key, it->id, sizeof(key));
            kv_job_put(job, DBI_SERIES, (struct str){(const char *)key, sizeof(key)}, (struct str){NULL, 0});
            index_remove(m->index, it);
            it->cohort->slots[it->slot] = NULL;
            it->cohort->live--;
            retire(m, it, tag);
            count++;
        }
    }
    if (count) {
        forget_successors(m);
        self_add(SELF_SERIES_DELETED, (int64_t)count);
        self_set(SELF_SERIES, (int64_t)index_count(m->index));
    }
    pthread_rwlock_unlock(&m->lock);
    pthread_mutex_unlock(&m->append_lock);
    pthread_mutex_unlock(&m->flush_lock);
    if (!count || writer_push_always(m->store->writer, ENV_METRICS, kv_job_base(job))) {
        kv_job_free(job);
    }
}
