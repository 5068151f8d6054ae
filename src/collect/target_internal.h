/*
 * What the collect layer knows of a target beyond collector.h: its making and ending (for scheduler.c), and the notes a
 * collector of this layer may leave on it.
 *
 * A target owns a copy of its configuration, so that a reload may free the one it came from.
 * Threads: loop only.
 */
#pragma once
#include "src/base/json_writer.h"
#include "src/collect/collector.h"

/* A batch beyond this is refused whole: a server that reports a million databases must not fill the store. */
#define TARGET_SAMPLES_MAX 100000

struct target_env {
    struct loop *loop;
    struct sink *sink;
    struct board *board;
    struct feed *feed;
    void (*changed)(void *ctx); /* what target_json() would say has changed; may be NULL */
    void *ctx;
};

struct target *target_new(const struct target_env *env, const struct collector *collector,
                          const struct config_target *config);
/* Starts the collector; the first tick comes after first_delay_ms, then every interval. */
void target_start(struct target *target, int64_t first_delay_ms);
/* Ends a running collection without storing it, stops the collector; `stopped` is the last thing called, maybe before
 * this returns, and may free the target. With `removed` the target's series end at once by stale markers; without (the
 * process ends), they just pause. */
void target_stop(struct target *target, bool removed, loop_fn stopped, void *ctx);
void target_free(struct target *target); /* only before start or after `stopped`; NULL is fine */

bool target_config_same(const struct target *target, const struct config_target *config);
/* One element of activeTargets of the board's "targets". */
void target_json(const struct target *target, struct json_writer *w);

/* Stores `name` with the value of `up` beside it in every batch ("redis_up"); both texts live as long as the process.
 */
void target_set_up_metric(struct target *target, const char *name, const char *help);
/* What a person could do or should know, shown on the targets page; empty removes it. Kept until changed. */
void target_set_hint(struct target *target, struct str hint);
