/*
 * What the files of the task history share: the part's state, the job, the upkeep run by the writer thread.
 * task.c opens and appends, task_write.c writes, task_find.c and task_list.c read.
 */
#pragma once
#include "storage/store_internal.h"
#include "storage/task_index.h"

struct task_job {
    struct writer_job base;
    size_t count;
    struct task_event *events; /* and their texts, in the same allocation */
};
/* Copies events and texts; texts are cut at the limits of storage/task.h. */
struct task_job *task_job_new(const struct task_event *events, size_t n);

struct task_history {
    struct env *env;
    int64_t retention_ms;
    struct task_index *index; /* writer thread only, as all below */
    struct buf record;
    struct arena arena;
};

int task_apply(void *ctx, MDB_txn *txn, struct writer_job **jobs, size_t n);
void task_aborted(void *ctx);
int task_tick(void *ctx, MDB_txn *txn, int64_t now_ms);
