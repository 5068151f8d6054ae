#include "storage/block_writer.h"

#include "src/base/counter.h"
#include "src/base/mem.h"

#define JOB_BYTES ((size_t)8 << 20) /* blocks of one transaction */

static void job_done(void *ctx, int rc)
{
    struct block_writer *w = ctx;
    pthread_mutex_lock(&w->lock);
    w->rc = w->rc ? w->rc : rc;
    w->pending--;
    pthread_cond_signal(&w->done);
    pthread_mutex_unlock(&w->lock);
}

void block_writer_begin(struct block_writer *w, struct metrics *m, enum tier tier, int64_t window_ms)
{
    *w = (struct block_writer){.m = m, .key = {.tier = (uint8_t)tier, .window_ms = window_ms}};
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->done, NULL);
    block_builder_init(&w->builder);
    buf_init(&w->block, (size_t)1 << 30);
    w->job = kv_job_new(job_done, w);
}

static void push_job(struct block_writer *w)
{
    struct kv_job *job = w->job;
    w->job = kv_job_new(job_done, w);
    pthread_mutex_lock(&w->lock);
    w->pending++;
    pthread_mutex_unlock(&w->lock);
    int rc = writer_push_always(w->m->store->writer, ENV_METRICS, kv_job_base(job));
    if (rc) {
        kv_job_free(job);
        job_done(w, rc);
    }
}

static int wait_for_jobs(struct block_writer *w)
{
    pthread_mutex_lock(&w->lock);
    while (w->pending) {
        pthread_cond_wait(&w->done, &w->lock);
    }
    int rc = w->rc;
    pthread_mutex_unlock(&w->lock);
    return rc;
}

void block_writer_close_block(struct block_writer *w)
{
    if (!w->builder.columns.len) {
        return;
    }
    buf_clear(&w->block);
    block_builder_finish(&w->builder, &w->block);
    uint8_t key[BLOCK_KEY_SIZE];
    w->key.number = w->m->counters.next_block++; /* flush_lock guards it */
    block_key_write(&w->key, key);
    kv_job_put(w->job, DBI_BLOCKS, (struct str){(const char *)key, sizeof(key)}, buf_str(&w->block));
    block_builder_clear(&w->builder);
    memset(w->key.slots, 0, sizeof(w->key.slots));
    w->blocks++;
    if (kv_job_bytes(w->job) > JOB_BYTES) {
        push_job(w);
    }
}

int block_writer_end(struct block_writer *w, int rc)
{
    if (rc == 0) {
        block_writer_close_block(w);
        push_job(w);
    }
    int written = wait_for_jobs(w);
    rc = rc ? rc : written;
    self_add(SELF_BLOCKS_WRITTEN, rc ? 0 : w->blocks);
    kv_job_free(w->job);
    block_builder_release(&w->builder);
    buf_release(&w->block);
    pthread_cond_destroy(&w->done);
    pthread_mutex_destroy(&w->lock);
    return rc;
}
