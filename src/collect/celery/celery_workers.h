/*
 * Workers: who lives, by the time of arrival of their events (never by the times they send).
 *
 * A worker is online from its first event until it says goodbye, or until nothing came from it for the timeout (two
 * heartbeats' time, at least 10 s). An offline one stays in the list for a day. Pure: time is passed in.
 * Bounded: CELERY_WORKERS_MAX.
 */
#pragma once
#include "src/base/json_writer.h"
#include "src/collect/celery/celery_event.h"
#include "src/collect/celery/celery_reply.h"
#include "src/model/sample.h"

#define CELERY_WORKERS_MAX        5000
#define CELERY_WORKER_QUEUES_MAX  64
#define CELERY_WORKER_KEPT_MS     (24 * 3600 * 1000LL)
#define CELERY_WORKER_TIMEOUT_MIN 10000
/* celery_worker_up of a worker that said goodbye ends after this, as in celery-exporter; a lost one stays 0. */
#define CELERY_WORKER_GONE_MS     (600 * 1000LL)

struct celery_worker {
    char *hostname; /* node name */
    bool online, lost, expected;
    bool task_events; /* known to send them */
    int64_t pid;
    int64_t active, processed; /* -1: unknown */
    double freq, loadavg[3];
    bool has_loadavg;
    char sw_ident[32], sw_ver[32], sw_sys[32];
    int64_t first_ms, last_ms; /* wall time of the first and newest sign of life; 0: none */
    int64_t last_mono_ms;      /* the same, monotonic */
    int64_t gone_ms;           /* wall time of going offline */
    uint64_t succeeded, failed, retried;
    char pool[64];                            /* "" unknown */
    int64_t concurrency, processes, prefetch; /* -1: unknown */
    char *queues[CELERY_WORKER_QUEUES_MAX];
    size_t queue_count;
};

enum celery_worker_change { CELERY_WORKER_SAME, CELERY_WORKER_CAME, CELERY_WORKER_LEFT, CELERY_WORKER_LOST };

struct celery_clock {
    int64_t wall_ms, mono_ms;
};

struct celery_workers;
/* timeout_ms 0: from the heartbeats. */
struct celery_workers *celery_workers_new(int64_t timeout_ms);
void celery_workers_free(struct celery_workers *workers);
/* One that must be online, from the configuration: listed and 0 until it comes. */
void celery_workers_expect(struct celery_workers *workers, struct str hostname, struct celery_clock now);
/* NULL if there is none. */
struct celery_worker *celery_workers_find(struct celery_workers *workers, struct str hostname);
/* A worker's own event. *out is NULL when there are too many workers. */
enum celery_worker_change celery_workers_event(struct celery_workers *workers, const struct celery_worker_event *event,
                                               struct celery_clock now, struct celery_worker **out);
/* An event of a task by this worker: a sign of life, too. */
enum celery_worker_change celery_workers_task(struct celery_workers *workers, const struct task_event *event,
                                              struct celery_clock now, struct celery_worker **out);
/* Replies of remote control; of a worker that is not in the list they are dropped. */
void celery_workers_stats(struct celery_workers *workers, const struct celery_reply *reply);
void celery_workers_queues(struct celery_workers *workers, const struct celery_reply *reply);
/* Calls lost() for each that has just passed its timeout, forgets those gone for long. */
typedef void (*celery_worker_fn)(void *ctx, struct celery_worker *worker);
void celery_workers_tick(struct celery_workers *workers, struct celery_clock now, celery_worker_fn lost, void *ctx);
/* Time in which nothing could be heard does not count against anybody. */
void celery_workers_excuse(struct celery_workers *workers, int64_t until_mono_ms);
void celery_workers_each(struct celery_workers *workers, celery_worker_fn fn, void *ctx);
size_t celery_workers_online(const struct celery_workers *workers);
/* Part of a node name behind the first @, as label hostname. */
struct str celery_host(struct str node);
void celery_workers_write(struct celery_workers *workers, struct batch *batch, int64_t now_ms);
/* Objects of the board's document "workers". */
void celery_workers_json(struct celery_workers *workers, struct str broker, struct json_writer *w);
