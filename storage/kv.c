#include "storage/kv.h"

#include "src/base/vec.h"

#define META_DBI UINT32_MAX

struct kv_op {
    unsigned dbi;
    struct str key, value;
};
struct kv_job {
    struct writer_job base;
    struct arena arena;
    vec(struct kv_op) ops;
};

void kv_job_free(struct kv_job *job)
{
    if (job) {
        vec_release(&job->ops);
        arena_release(&job->arena);
        mem_free(job);
    }
}

static void release(struct writer_job *base)
{
    kv_job_free((struct kv_job *)base);
}

struct kv_job *kv_job_new(store_done_fn done, void *ctx)
{
    struct kv_job *job = mem_zalloc(sizeof(*job));
    job->base = (struct writer_job){.bytes = sizeof(*job), .done = done, .ctx = ctx, .release = release};
    arena_init(&job->arena);
    return job;
}

void kv_job_put(struct kv_job *job, unsigned dbi, struct str key, struct str value)
{
    struct kv_op op = {.dbi = dbi, .key = arena_dup(&job->arena, key)};
    if (value.p) {
        op.value = arena_dup(&job->arena, value);
        op.value.p = op.value.p ? op.value.p : "";
    }
    vec_push(&job->ops, op);
    job->base.bytes += sizeof(op) + key.len + value.len;
}

void kv_job_put_meta(struct kv_job *job, struct str key, struct str value)
{
    kv_job_put(job, META_DBI, key, value);
}

size_t kv_job_bytes(const struct kv_job *job)
{
    return job->base.bytes;
}

struct writer_job *kv_job_base(struct kv_job *job)
{
    return &job->base;
}

static int apply_op(const struct env *env, MDB_txn *txn, const struct kv_op *op)
{
    MDB_dbi dbi = op->dbi == META_DBI ? env->meta : env->dbi[op->dbi];
    MDB_val key = env_val(op->key.p, op->key.len);
    if (!op->value.p) {
        int rc = mdb_del(txn, dbi, &key, NULL);
        return rc == MDB_NOTFOUND ? 0 : env_code(rc);
    }
    MDB_val value = env_val(op->value.p, op->value.len);
    return env_code(mdb_put(txn, dbi, &key, &value, 0));
}

int kv_apply(void *ctx, MDB_txn *txn, struct writer_job **jobs, size_t n)
{
    const struct env *env = ctx;
    for (size_t i = 0; i < n; i++) {
        const struct kv_job *job = (const struct kv_job *)jobs[i];
        for (size_t j = 0; j < job->ops.len; j++) {
            int rc = apply_op(env, txn, &job->ops.p[j]);
            if (rc) {
                return rc;
            }
        }
    }
    return 0;
}
