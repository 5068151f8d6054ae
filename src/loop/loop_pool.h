/*
 * The worker threads behind loop_work(). Part of loop.c.
 *
 * Four threads take jobs from a queue per lane; a lane never has more than its share of them. run() is called on a
 * worker, then done() goes to the loop by loop_post().
 */
#pragma once
#include "src/loop/loop.h"

struct loop_pool;
struct loop_pool *loop_pool_new(struct loop *loop);
/* Waits for the jobs that are queued or running, at most wait_ms. False: one of them hangs; its thread and what it
 * uses are left behind, and done() is not called for it. */
bool loop_pool_free(struct loop_pool *pool, int wait_ms);
int loop_pool_submit(struct loop_pool *pool, enum loop_lane lane, loop_fn run, loop_fn done, void *ctx);
