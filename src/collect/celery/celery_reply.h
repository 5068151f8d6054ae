/*
 * Replies to remote control: {"<node name>": <reply>}, the decoded body of one message.
 *
 * What the methods answer is taken apart here; unknown fields are ignored, missing ones are -1 or empty, errors
 * ({"error": ...}) give no reply. Source: celery/worker/control.py and captures. Pure: no I/O.
 */
#pragma once
#include "src/base/arena.h"
#include "src/collect/celery/celery_envelope.h"

#define CELERY_REPLY_QUEUES_MAX 256
#define CELERY_REPLY_TASKS_MAX  10000
#define CELERY_STEPS_MAX        10

enum celery_method { CELERY_STATS, CELERY_ACTIVE_QUEUES, CELERY_ACTIVE, CELERY_ENABLE_EVENTS, CELERY_METHOD_COUNT };
const char *celery_method_name(enum celery_method method); /* "stats" */

struct celery_reply_task {
    struct str uuid, name, queue;
};

struct celery_reply {
    enum celery_method method;
    struct str node;
    /* CELERY_STATS */
    int64_t pid, concurrency, processes, prefetch; /* -1: unknown */
    struct str pool;                               /* "prefork" */
    int32_t steps[CELERY_STEPS_MAX];               /* priority_steps of the broker's transport options */
    size_t step_count;                             /* 0: not set there */
    /* CELERY_ACTIVE_QUEUES */
    struct str *queues;
    size_t queue_count;
    /* CELERY_ACTIVE */
    struct celery_reply_task *tasks;
    size_t task_count;
};

/* Calls visit for each node that answered properly; texts live in the arena. */
typedef void (*celery_reply_fn)(void *ctx, const struct celery_reply *reply);
enum celery_fault celery_reply_parse(enum celery_method method, struct str body, struct arena *arena,
                                     celery_reply_fn visit, void *ctx);
