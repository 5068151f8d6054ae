/*
 * Threads on which handlers run.
 *
 * civetweb 1.15 as Debian builds it gives its threads 100 KiB of stack: enough to read a request head, not for a
 * recursive evaluator and PCRE2's JIT (32 KiB alone). So each of them lends its request to a thread of this pool and
 * waits. Threads are created when no idle one is left and end after 10 s without work: an idle server keeps none.
 */
#pragma once
#include "src/base/mem.h"

struct pool;
struct pool *pool_new(size_t max_threads);
/* No call may be running. Ends the threads. */
void pool_free(struct pool *pool);
/* Runs fn(ctx) on a pool thread and returns when it has returned. -EAGAIN: max_threads are busy or the system gives no
 * more; fn was not called. */
int pool_call(struct pool *pool, void (*fn)(void *ctx), void *ctx) MUST_USE;
