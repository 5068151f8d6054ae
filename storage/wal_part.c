/* The WAL environment: one value a batch, under its sequence number; what blocks hold is deleted. */
#include "src/base/mem.h"
#include "storage/metrics.h"

#define DELETE_MAX 5000 /* records of one tick */

const struct env_spec wal_env_spec = {
    .folder = "wal", .version = 1, .read_ahead = true, .dbi_count = 1, .dbis = {{"wal", MDB_INTEGERKEY}}};

struct wal_job {
    struct writer_job base;
    size_t seq;
    size_t len;
    char bytes[];
};

static void release(struct writer_job *job)
{
    mem_free(job);
}

int wal_push(struct metrics *m, uint64_t seq, struct str record, store_done_fn done, void *ctx)
{
    if (!record.p && !done) {
        return 0;
    }
    struct wal_job *job = mem_alloc(sizeof(*job) + record.len);
    *job = (struct wal_job){.seq = (size_t)seq, .len = record.len};
    job->base = (struct writer_job){.bytes = sizeof(*job) + record.len, .done = done, .ctx = ctx, .release = release};
    if (record.len) {
        memcpy(job->bytes, record.p, record.len);
    }
    int rc = writer_push_always(m->store->writer, ENV_WAL, &job->base);
    if (rc) {
        mem_free(job);
    }
    return rc;
}

int wal_apply(void *ctx, MDB_txn *txn, struct writer_job **jobs, size_t n)
{
    struct metrics *m = ctx;
    MDB_dbi dbi = m->store->envs[ENV_WAL].dbi[DBI_WAL];
    for (size_t i = 0; i < n; i++) {
        struct wal_job *job = (struct wal_job *)jobs[i];
        MDB_val key = env_val(&job->seq, sizeof(job->seq)), value = env_val(job->bytes, job->len);
        int rc = job->len ? mdb_put(txn, dbi, &key, &value, MDB_APPEND) : 0;
        if (rc == MDB_KEYEXIST) { /* of a commit that failed in its last step and stands all the same */
            rc = mdb_put(txn, dbi, &key, &value, 0);
        }
        if (rc) {
            return env_code(rc);
        }
    }
    return 0;
}

int wal_tick(void *ctx, MDB_txn *txn, int64_t now_ms)
{
    (void)now_ms;
    struct metrics *m = ctx;
    uint64_t keep_from = __atomic_load_n(&m->wal_keep_from, __ATOMIC_ACQUIRE);
    MDB_cursor *cursor = NULL;
    int rc = env_code(mdb_cursor_open(txn, m->store->envs[ENV_WAL].dbi[DBI_WAL], &cursor));
    int deleted = 0;
    MDB_val key, value;
    while (rc == 0 && deleted < DELETE_MAX) {
        rc = env_code(mdb_cursor_get(cursor, &key, &value, MDB_FIRST));
        size_t seq = 0;
        if (rc == 0) {
            memcpy(&seq, key.mv_data, sizeof(seq));
        }
        if (rc || seq >= keep_from) {
            break;
        }
        rc = env_code(mdb_cursor_del(cursor, 0));
        deleted++;
    }
    if (cursor) {
        mdb_cursor_close(cursor);
    }
    return rc == ERR_NOT_FOUND ? 0 : rc ? rc : deleted == DELETE_MAX;
}
