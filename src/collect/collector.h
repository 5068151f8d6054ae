/*
 * The contract of a collector, and of the target it works for.
 *
 * A target is one thing watched (a Redis server, a Celery broker, this host). The scheduler gives each target its own
 * timer: at every tick it makes a batch and calls collect(); the collector fills the batch, now or in later callbacks,
 * and ends it with target_done(). When the deadline passes first, the target records the failure and the ticket is
 * void: target_batch() answers NULL and target_done() does nothing. target.c adds the labels job and instance, `up`,
 * `scrape_duration_seconds` and `scrape_samples_scraped`, hands the batch to the sink, and publishes "targets" on the
 * board. When a collection fails only `up` 0 (and what the batch holds, e.g. redis_up 0) is stored, and series that
 * were in the last batch and are not in this one get a stale marker.
 *
 * Adding a collector touches its folder, one line in registry.c, one in CMakeLists.txt, tests, README.
 * Threads: loop only.
 */
#pragma once
#include "config/config.h"
#include "src/base/board.h"
#include "src/base/feed.h"
#include "src/loop/loop.h"
#include "src/model/sink.h"

struct target;

struct collector {
    const char *name; /* kind in the configuration and default job: "celery" "redis" "postgres" "host" "self" */
    /* Makes its state (target_set_state) and begins to connect; must not wait. A failure here is final and shown as the
     * target's error. */
    int (*start)(struct target *target, struct error *err);
    void (*collect)(struct target *target, uint64_t ticket);
    /* Closes everything; target_stopped() when nothing can call back any more. */
    void (*stop)(struct target *target);
};

/* What a collector may ask of its target. */
struct loop *target_loop(struct target *target);
struct sink *target_sink(struct target *target);
struct board *target_board(struct target *target);
struct feed *target_feed(struct target *target);
const struct config_target *target_config(const struct target *target);
void target_set_state(struct target *target, void *state);
void *target_state(struct target *target);
/* "host:port": becomes the label instance. Default: what the URL says, without secrets. */
void target_set_instance(struct target *target, struct str instance);
/* Live batch of this ticket, or NULL when it is void. */
struct batch *target_batch(struct target *target, uint64_t ticket);
/* NULL or a zero code: success. Otherwise the target is down, with this reason. */
void target_done(struct target *target, uint64_t ticket, const struct error *failure);
void target_stopped(struct target *target);
/* A connection came up outside a tick: collect soon instead of at the next tick (at most once a second). */
void target_nudge(struct target *target);

extern const struct collector celery_collector, redis_collector, postgres_collector, host_collector, self_collector;
const struct collector *collector_find(struct str name); /* registry.c */
