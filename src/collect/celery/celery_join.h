/*
 * What is known of tasks that may still send events: only task-sent names the queue, only sent and received the name;
 * the later events of a task are joined to them by uuid.
 *
 * Bounded: CELERY_JOIN_MAX tasks of 72 bytes, allocated as they come; finished ones go first (CELERY_JOIN_DONE_MAX are
 * kept for late events), then those not heard of for longest. A uuid is kept as 128 bits of its hash.
 */
#pragma once
#include "src/base/str.h"

#include <stdint.h>

#define CELERY_JOIN_MAX      200000u
#define CELERY_JOIN_DONE_MAX 10000u

struct celery_joined {
    uint64_t hash[2];
    uint32_t chain, prev, next; /* the table's own */
    bool done;
    uint32_t name, queue, worker; /* words; 0: unknown; worker: host of started_ms */
    int64_t sent_ms, eta_ms, started_ms;
};

struct celery_join;
struct celery_join *celery_join_new(void);
void celery_join_free(struct celery_join *join);
/* The entry of a task, made if there is none. Valid until the next touch. */
struct celery_joined *celery_join_touch(struct celery_join *join, struct str uuid);
/* Its task has ended: the entry is the first to go. */
void celery_join_done(struct celery_join *join, struct celery_joined *entry);
uint32_t celery_join_count(const struct celery_join *join);
