/*
 * Runs the targets of the configuration: a timer each (first tick after a jitter of at most 1 s, then every interval),
 * deadline (timeout_ms), back-off is the connection's: a target that is down is still tried each interval and shows
 * `up` 0. A reload keeps targets whose configuration did not change, stops and starts the rest. Threads: loop only.
 */
#pragma once
#include "src/collect/collector.h"

struct scheduler;
struct scheduler *scheduler_new(struct loop *loop, struct sink *sink, struct board *board, struct feed *feed);
/* config must outlive the next apply or stop. */
void scheduler_apply(struct scheduler *scheduler, const struct config *config) LOOP_ONLY;
/* Stops all targets; done when the last has stopped. */
void scheduler_stop(struct scheduler *scheduler, loop_fn done, void *ctx) LOOP_ONLY;
void scheduler_free(struct scheduler *scheduler);
