/*
 * Celery tasks: the event as it came, and the merged record that is kept.
 *
 * Source of states, ranks and merging: Celery's celery/events/state.py, celery/states.py (5.6).
 * Two of its faults are mended: utcoffset is ignored (timestamps are UTC already), and a late
 * "started" of the same worker is ordered by its clock.
 *
 * Ownership: texts of an event belong to its sender until the sink returns; texts of a task to the
 * arena it was read into.
 */
#pragma once
#include "src/base/arena.h"
#include "src/base/json_writer.h"

enum task_state {
    TASK_PENDING,
    TASK_RECEIVED,
    TASK_STARTED,
    TASK_SUCCESS,
    TASK_FAILURE,
    TASK_RETRY,
    TASK_REVOKED,
    TASK_REJECTED,
    TASK_CUSTOM, /* task-xyz of an application: name in task.custom_state */
    TASK_STATE_COUNT
};
const char *task_state_name(enum task_state state);           /* "SUCCESS" */
bool task_state_parse(struct str name, enum task_state *out); /* any case */

enum task_event_type {
    TASK_EVENT_SENT,
    TASK_EVENT_RECEIVED,
    TASK_EVENT_STARTED,
    TASK_EVENT_SUCCEEDED,
    TASK_EVENT_FAILED,
    TASK_EVENT_RETRIED,
    TASK_EVENT_REVOKED,
    TASK_EVENT_REJECTED,
    TASK_EVENT_CUSTOM,
    TASK_EVENT_COUNT
};
const char *task_event_name(enum task_event_type type); /* "task-sent" */
enum task_state task_event_state(enum task_event_type type);

struct task_event {
    enum task_event_type type;
    struct str custom;   /* TASK_EVENT_CUSTOM: what follows "task-" */
    struct str uuid;     /* 1..255 bytes */
    struct str hostname; /* node name of the sender: worker, or gen<pid>@host for sent */
    int64_t t_ms;        /* event's own timestamp, UTC */
    int64_t clock;
    int32_t pid;
    int32_t retries; /* -1: absent */
    double runtime;  /* seconds; NaN: absent */
    bool terminated, expired, requeue;
    struct str name, args, kwargs, root_id, parent_id, eta, expires, queue, exchange, routing_key, result, exception,
        traceback;
    struct str broker; /* name of the celery target that saw it */
};

/* A try: from its receipt to its end. Times are 0 when unknown. */
struct task_attempt {
    int64_t received_ms, started_ms, ended_ms;
    enum task_state state; /* how it ended, or where it stands */
    struct str worker, exception;
};
#define TASK_ATTEMPTS_MAX 16 /* the first and the newest are kept */

struct task {
    uint64_t id; /* order of first sight; cursor of listings */
    struct str uuid, name, custom_state, worker, client, queue, exchange, routing_key, broker;
    enum task_state state;
    struct str args, kwargs, result, exception, traceback, root_id, parent_id, eta, expires;
    int32_t retries; /* -1: unknown */
    double runtime;  /* seconds; NaN: unknown; failed tasks: end - start of the try */
    int64_t sent_ms, received_ms, started_ms, succeeded_ms, failed_ms, retried_ms, revoked_ms,
        rejected_ms;              /* 0: never */
    int64_t first_ms, updated_ms; /* first event, newest event */
    int64_t clock;                /* of the event that set the state */
    bool terminated, expired;
    struct task_attempt attempts[TASK_ATTEMPTS_MAX];
    uint32_t attempt_count; /* entries used */
    uint32_t attempts_dropped;
};

/* Merges one event into a record (zeroed for a new task, then uuid is taken from the event). Texts are borrowed. */
void task_merge(struct task *task, const struct task_event *event);
/* "ValueError" of "ValueError('boom')", "" if it does not look like one. */
struct str task_exception_class(struct str exception);
/* One JSON object with the field names of Flower's /api/task/info (uuid name state received started ... in float
 * seconds or null) and queue, exception_class, attempts[], broker; `full` adds args kwargs result traceback, otherwise
 * they are left out. */
void task_to_json(const struct task *task, bool full, struct json_writer *w);
