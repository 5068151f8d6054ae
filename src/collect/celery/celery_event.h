/*
 * Celery's events: the decoded body of a message to task and worker events.
 *
 * A body is one event object or an array of them (task.multi). Numbers may be int or float, absent and null mean the
 * same, utcoffset is ignored (timestamps are UTC). Texts longer than the limits are cut at a character. Pure: no I/O.
 *
 * Ownership: texts are copied into the inbox's arena and live until celery_inbox_clear().
 */
#pragma once
#include "src/base/arena.h"
#include "src/base/vec.h"
#include "src/collect/celery/celery_envelope.h"
#include "src/model/task.h"

#define CELERY_EVENTS_MAX    10000 /* of one message; Celery sends at most 24 */
#define CELERY_UUID_MAX      255
#define CELERY_NAME_MAX      1024 /* names, queues, hosts, routing keys */
#define CELERY_TEXT_MAX      (64u << 10)
#define CELERY_TRACEBACK_MAX (256u << 10)

enum celery_worker_event_type { CELERY_WORKER_ONLINE, CELERY_WORKER_HEARTBEAT, CELERY_WORKER_OFFLINE };

struct celery_worker_event {
    enum celery_worker_event_type type;
    struct str hostname;       /* node name */
    int64_t pid;               /* 0: absent */
    int64_t active, processed; /* -1: absent, as in heartbeats asked for by command */
    double freq;               /* seconds; 0: absent */
    double loadavg[3];
    bool has_loadavg;
    struct str sw_ident, sw_ver, sw_sys;
};

struct celery_inbox {
    struct arena arena;
    vec(struct task_event) tasks;
    vec(struct celery_worker_event) workers;
    uint64_t unknown; /* events of other groups than task and worker, since init */
};
void celery_inbox_init(struct celery_inbox *inbox);
void celery_inbox_clear(struct celery_inbox *inbox);
void celery_inbox_release(struct celery_inbox *inbox);

/*
 * Appends the events of a body. arrival_ms stands in for a missing or senseless timestamp. broker must outlive the
 * inbox. A bad event inside an array is left out, its neighbours are kept; the fault of the last bad one is returned
 * and *bad counts them.
 */
enum celery_fault celery_event_parse(struct celery_inbox *inbox, struct str body, struct str broker, int64_t arrival_ms,
                                     size_t *bad);
