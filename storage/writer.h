/*
 * The writer thread: the only LMDB write transactions of the process.
 *
 * A part (metrics, WAL, tasks, state) is an environment and what to do with it. Jobs are pushed from any thread into a
 * queue bounded in bytes. The writer takes everything that waits for an environment (at most 16 MiB a time), gives
 * it as one array to the part's apply() in one transaction, commits, and then calls each job's done().
 *
 * When the disk is full or fails, the transaction is undone, the jobs stay queued in their order and are tried again
 * with back-off (100 ms to 5 s); meanwhile writer_push() takes jobs until the bound is reached. Other environments go
 * on. A failure that no retry mends (apply() says ERR_LIMIT, say) is pinned to its job by applying the jobs one by one:
 * that job is dropped with its code, the rest is written.
 *
 * Ownership: a pushed job belongs to the writer until job->release(job), which it calls once, after done.
 * Threads:   push and sync from any thread; apply, committed, aborted, tick, done, release run on the writer thread,
 *            never two at a time, with no lock held.
 */
#pragma once
#include "storage/env.h"
#include "storage/store.h"

struct writer;

/* First member of the part's own job struct. */
struct writer_job {
    struct writer_job *next; /* the writer's */
    size_t bytes;            /* weight in the queue */
    int rc;                  /* zero at push; apply() may refuse a single job by setting it: done() gets it */
    store_done_fn done;      /* may be NULL */
    void *ctx;
    void (*release)(struct writer_job *job); /* frees the job; never NULL */
};

struct writer_part {
    struct env *env;
    void *ctx;
    /* Writes jobs[0..n), n >= 1, in their order. The same jobs come again when the transaction was undone, so what
     * apply() changes in memory must be undone by aborted() or only be made good by committed(). */
    int (*apply)(void *ctx, MDB_txn *txn, struct writer_job **jobs, size_t n);
    void (*committed)(void *ctx, struct writer_job **jobs, size_t n); /* may be NULL; before the done callbacks */
    void (*aborted)(void *ctx);                                       /* may be NULL */
    /* Upkeep such as retention, in a transaction of its own; may be NULL. Every tick_ms, first after the start. Bound
     * the work of one call (say 5,000 deletes): a result of 1 asks to be called again after the waiting jobs. An
     * unchanged transaction costs no sync. committed() is called with n == 0 after a tick's commit. */
    int (*tick)(void *ctx, MDB_txn *txn, int64_t now_ms);
    int tick_ms;
};

struct writer *writer_new(size_t queue_bytes); /* 0: 64 MiB */
/* Before writer_start(). An environment without part takes no jobs. */
void writer_set_part(struct writer *writer, enum env_id id, const struct writer_part *part);
int writer_start(struct writer *writer, struct error *err) MUST_USE;
/* Commits what is queued (a failing environment gets one more try, then its jobs end with the failure's code), ends
 * the thread. */
void writer_stop(struct writer *writer);
void writer_free(struct writer *writer);

/* 0, or ERR_FULL (the job stays the caller's), ERR_CLOSED. An empty queue takes a job of any size. */
int writer_push(struct writer *writer, enum env_id id, struct writer_job *job) MUST_USE;
/* For jobs that make room (flush, truncation): no bound. ERR_CLOSED only. */
int writer_push_always(struct writer *writer, enum env_id id, struct writer_job *job) MUST_USE;
/* Would a job of so many bytes be taken now? */
bool writer_has_room(struct writer *writer, size_t bytes);
/* Until every job pushed before is done. 0, ERR_TIMEOUT, or the failure's code when commits are failing. Not from the
 * writer thread. */
int writer_sync(struct writer *writer, int timeout_ms) MUST_USE;
/* Makes every part's tick due now: for tests and admin calls. */
void writer_request_tick(struct writer *writer);
/* false: the last commit of some environment failed; *failure says why. */
bool writer_is_healthy(struct writer *writer, struct error *failure);
size_t writer_queue_bytes(struct writer *writer);
