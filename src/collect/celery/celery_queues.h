/*
 * Queues: their names from bindings, events, workers and the configuration; their lengths and rates.
 *
 * A queue is a list per priority step: the bare name for the first, name 06 16 step for the others; its length is the
 * sum. Pure: lengths are put in by the caller. Bounded: CELERY_QUEUES_MAX.
 */
#pragma once
#include "src/base/buf.h"
#include "src/base/json_writer.h"
#include "src/collect/celery/celery_reply.h"
#include "src/collect/celery/celery_workers.h"
#include "src/model/sample.h"

#define CELERY_QUEUES_MAX 2000
#define CELERY_SEPARATOR  "\x06\x16"

enum celery_queue_source {
    CELERY_FROM_BINDING = 1,
    CELERY_FROM_EVENT = 2,
    CELERY_FROM_CONFIG = 4,
    CELERY_FROM_WORKER = 8
};

struct celery_queue {
    char *name;
    unsigned sources;
    int64_t by_step[CELERY_STEPS_MAX]; /* the lengths being gathered, and the last gathered */
    int64_t length, length_before;     /* -1: unknown */
    uint64_t sent, received;           /* events since the last celery_queues_settle() */
    double in_rate, out_rate;          /* a second; NaN: unknown */
    int64_t workers, processes;
};

struct celery_queues;
struct celery_queues *celery_queues_new(void);
void celery_queues_free(struct celery_queues *queues);
/* NULL when there are too many, and for the queues of events and remote control. */
struct celery_queue *celery_queues_add(struct celery_queues *queues, struct str name, enum celery_queue_source source);
typedef void (*celery_queue_fn)(void *ctx, struct celery_queue *queue);
void celery_queues_each(struct celery_queues *queues, celery_queue_fn fn, void *ctx);
size_t celery_queues_count(const struct celery_queues *queues);
/* The priority steps of the broker, ascending, the first of them 0. Default: 0 3 6 9. */
void celery_queues_set_steps(struct celery_queues *queues, const int32_t *steps, size_t n);
size_t celery_queues_steps(const struct celery_queues *queues);
/* Key of the list of a step, e.g. "myapp:celery\x06\x163". */
void celery_queues_key(const struct celery_queues *queues, const struct celery_queue *queue, struct str prefix,
                       size_t step, struct buf *out);
/* The lengths of all steps are in: sums, and rates over the time since the last call. With task-sent events the rate
 * in is theirs, else it is what left and what the length grew by. */
void celery_queues_settle(struct celery_queues *queues, int64_t elapsed_ms, bool sent_events);
/* Who takes from which queue. */
void celery_queues_count_workers(struct celery_queues *queues, struct celery_workers *workers);
void celery_queues_write(struct celery_queues *queues, struct batch *batch);
/* Objects of the board's document "queues". */
void celery_queues_json(struct celery_queues *queues, struct str broker, struct json_writer *w);
/* The queue of a member of a _kombu.binding set, `routing key 06 16 pattern 06 16 queue`; empty if it is none. */
struct str celery_binding_queue(struct str member);
