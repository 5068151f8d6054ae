/*
 * A writer job that is a list of puts and deletes: all of it in one transaction.
 *
 * For parts whose changes are known when they are queued: metrics (blocks, series, metadata) and state.
 */
#pragma once
#include "src/base/arena.h"
#include "storage/writer.h"

struct kv_job;
struct kv_job *kv_job_new(store_done_fn done, void *ctx);
void kv_job_free(struct kv_job *job); /* only of a job that was not pushed */
/* Copied. dbi: index into the environment's table; value.p == NULL deletes (what is not there is fine). */
void kv_job_put(struct kv_job *job, unsigned dbi, struct str key, struct str value);
void kv_job_put_meta(struct kv_job *job, struct str key, struct str value);
size_t kv_job_bytes(const struct kv_job *job);
struct writer_job *kv_job_base(struct kv_job *job);

/* The part's apply; ctx is the struct env. */
int kv_apply(void *ctx, MDB_txn *txn, struct writer_job **jobs, size_t n);
