/*
 * The task history: one merged record per task (src/model/task.h), found by uuid and by secondary keys, newest first.
 *
 * Written by store_append_tasks() through the writer thread; read here from a snapshot of the tasks environment that
 * each call opens and closes. Retention: by store_options.task_retention_ms, by time of first sight. Ownership: results
 * live in the arena given. Threads: any. Limits: texts are kept as the sender cut them, args/kwargs/result at most 64
 * KiB, traceback 256 KiB.
 */
#pragma once
#include "src/model/task.h"
#include "storage/store.h"

struct task_filter {
    uint32_t states; /* bit 1 << TASK_x; 0: all */
    struct str name; /* exact; empty: all */
    struct str worker, queue, exception_class;
    struct str text; /* free text: words (all must occur, ASCII case-insensitive) in uuid, name, args, kwargs, result,
                        exception, worker, queue, traceback's last line */
    int64_t since_ms, until_ms; /* by first sight; 0: open */
    uint64_t before_id;         /* cursor: only tasks with id < before_id; 0: from the newest */
    uint64_t after_id;          /* only tasks with id > after_id */
    uint32_t limit;             /* 1..1000; 0: 100 */
};
struct task_page {
    struct task *v; /* descending id; payloads (args, kwargs, result, traceback) are read too */
    size_t n;
    uint64_t next_before_id; /* cursor of the next page; 0: no more */
    bool truncated_scan;     /* the scan limit (200,000 records) was hit: go on from next_before_id, n may be 0 */
    uint64_t total;          /* records in the history */
};
int task_find(struct store *store, const struct task_filter *filter, struct arena *arena,
              struct task_page *out) MUST_USE;
/* ERR_NOT_FOUND. A unique prefix of at least 8 characters will do. */
int task_get(struct store *store, struct str uuid, struct arena *arena, struct task *out) MUST_USE;
/* Children by parent_id / all by root_id, oldest first, at most max. */
int task_children(struct store *store, struct str uuid, bool by_root, size_t max, struct arena *arena,
                  struct task **out, size_t *n) MUST_USE;

/* Failures of the last `since`: grouped by (name, exception class), newest first. */
struct task_failure {
    struct str name, exception_class, exception, uuid, worker; /* of the newest */
    int64_t last_ms, first_ms;
    uint64_t count;
};
int task_failures(struct store *store, int64_t since_ms, size_t max, struct arena *arena, struct task_failure **out,
                  size_t *n) MUST_USE;
/* Distinct task names, workers, queues seen, for filters. Sorted. */
struct task_facets {
    struct str *names, *workers, *queues;
    size_t name_count, worker_count, queue_count;
};
int task_get_facets(struct store *store, struct arena *arena, struct task_facets *out) MUST_USE;
