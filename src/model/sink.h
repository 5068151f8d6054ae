/*
 * Where collectors put what they collect. The store implements it; tests put a recorder there.
 *
 * Threads: loop only. Both calls copy what they are given and never block: the data is queued for
 * the writer thread.
 * Errors: ERR_FULL when the queue is full: the batch (events) was not taken, the caller counts
 * it and shows a gap. Single bad series in a batch are counted by the store, not reported here.
 */
#pragma once
#include "src/base/thread.h"
#include "src/model/sample.h"
#include "src/model/task.h"

struct sink {
    void *ctx;
    int (*append)(void *ctx, const struct batch *batch);
    int (*tasks)(void *ctx, const struct task_event *events, size_t n);
};
