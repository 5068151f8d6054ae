/*
 * One watched broker: what the files that talk share. Loop thread only.
 *
 * Two connections: `stream` is subscribed to the events (celery_stream.c), `commands` does everything else
 * (celery_control.c: remote control and its replies; celery_poll.c: queue lengths and bindings). celery_collector.c
 * makes, ticks and ends them; celery_board.c shows what is known.
 */
#pragma once
#include "src/collect/celery/celery_join.h"
#include "src/collect/celery/celery_metrics.h"
#include "src/collect/celery/celery_queues.h"
#include "src/collect/celery/celery_workers.h"
#include "src/collect/reconnect.h"
#include "src/collect/target_internal.h"
#include "src/loop/loop_redis.h"

#define CELERY_GAPS_MAX    20
#define CELERY_TICKETS_MAX 16
#define CELERY_TIMEOUT_MS  5000 /* of one command */

/* Events were missed. */
struct celery_gap {
    int64_t from_ms, to_ms;
    char reason[160];
};

/* A request sent by remote control whose replies are awaited, or were. */
struct celery_request {
    char ticket[40];
    enum celery_method method;
    size_t expected, got;
    int64_t until_ms; /* monotonic; 0: not waiting any more */
};

struct celery_stream {
    struct redis_conn *conn;
    struct reconnect reconnect;
    bool subscribed, ping_waiting;
    int64_t last_ping_ms; /* monotonic; of the subscription while it is refused */
    bool refused;         /* by the server's ACL: asked again now and then */
    int64_t down_ms;      /* wall time since when nothing is heard; 0: listening */
    struct error reason;
    struct celery_envelope envelope;
    struct celery_inbox inbox; /* events not handed to the sink yet */
    size_t handled;            /* tasks of the inbox already counted */
    struct loop_timer *flush;
    bool flush_armed;
    uint64_t events[TASK_EVENT_COUNT + 3]; /* task types, then worker types */
    uint64_t faults[CELERY_FAULT_COUNT];
    uint64_t total, lost, total_before; /* total_before: at the last tick */
    double per_second;
    bool sent_events_seen;
    int64_t last_fault_log_ms;
    /* feed: a bucket of tokens, and how many events were not shown since the last one */
    double feed_tokens;
    int64_t feed_refill_ms;
    uint64_t feed_skipped;
};

struct celery_control {
    struct redis_conn *conn;
    struct reconnect reconnect;
    struct error reason;
    bool bound; /* the reply list is in the bindings */
    char oid[40];
    char ours[9];                                   /* the beginning of all our tickets */
    char *reply_list, *bindings, *member, *channel; /* key names, with prefix */
    struct celery_request requests[CELERY_TICKETS_MAX];
    size_t next_request;
    struct loop_timer *poll;
    int64_t poll_delay_ms;
    size_t pops; /* outstanding RPOPs */
    bool got_one;
    struct celery_envelope envelope;
    int64_t asked_ms[CELERY_METHOD_COUNT]; /* monotonic; 0: never on this connection */
    bool ask_soon;                         /* a worker came or restarted */
};

/* One LLEN or HLEN of a collection. */
struct celery_length_call {
    struct celery *celery;
    struct celery_queue *queue; /* lives as long as the collector; NULL: the unacknowledged */
    size_t step;
};

struct celery_poll {
    vec(struct celery_length_call) calls; /* does not grow while replies are outstanding */
    uint64_t waiting, ticket; /* collections: one that waits for the connection, the one under way; 0: none */
    size_t outstanding;
    int64_t unacked;                  /* -1: unknown */
    int64_t settled_ms, scan_next_ms; /* monotonic */
    bool scanning;
    bool failed; /* an error reply in this collection */
    struct error failure;
    struct loop_timer *scan;
    char cursor[24];
    size_t members_outstanding;
    int64_t since_ms; /* wall time of the scrape before, or of the start */
};

struct celery {
    struct target *target;
    struct loop *loop;
    struct celery *next; /* all brokers, for the board's documents */
    struct str name;     /* of the target */
    struct str prefix;
    int db;
    struct celery_words *words;
    struct celery_join *join;
    struct celery_metrics *metrics;
    struct celery_workers *workers;
    struct celery_queues *queues;
    struct celery_stream stream;
    struct celery_control control;
    struct celery_poll poll;
    struct celery_gap gaps[CELERY_GAPS_MAX]; /* oldest first */
    size_t gap_count;
    struct loop_timer *tick;
    int64_t last_tick_ms; /* monotonic */
};

struct celery_clock celery_now(void);
/* "/0." with the prefix before it. */
void celery_channel_prefix(const struct celery *celery, struct buf *out);
void celery_feed_worker(struct celery *celery, const struct celery_worker *worker, const char *event);
void celery_add_gap(struct celery *celery, int64_t from_ms, int64_t to_ms, const char *reason);

/* celery_stream.c */
int celery_stream_start(struct celery *celery, const struct redis_options *options, struct error *err) MUST_USE;
void celery_stream_stop(struct celery *celery) LOOP_ONLY;
void celery_stream_tick(struct celery *celery, int64_t now_ms) LOOP_ONLY;

/* celery_control.c; the connection is celery_collector.c's */
void celery_control_init(struct celery *celery);
void celery_control_release(struct celery *celery);
void celery_control_ready(struct celery *celery) LOOP_ONLY;
void celery_control_down(struct celery *celery) LOOP_ONLY;
void celery_control_tick(struct celery *celery, int64_t now_ms) LOOP_ONLY;
/* Takes the reply list and its binding away; done or not, the connection is closed afterwards. */
void celery_control_goodbye(struct celery *celery, redis_reply_fn done, void *ctx) LOOP_ONLY;

/* celery_poll.c */
void celery_poll_init(struct celery *celery);
void celery_poll_release(struct celery *celery) LOOP_ONLY;
void celery_poll_ready(struct celery *celery) LOOP_ONLY;
void celery_poll_down(struct celery *celery) LOOP_ONLY;
void celery_poll_collect(struct celery *celery, uint64_t ticket) LOOP_ONLY;
void celery_poll_tick(struct celery *celery, int64_t now_ms) LOOP_ONLY;
/* Everything but queue lengths. */
void celery_write_metrics(struct celery *celery, struct batch *batch);

/* celery_board.c */
void celery_board_add(struct celery *celery);
void celery_board_remove(struct celery *celery);
/* Publishes the documents of all brokers that have changed. */
void celery_board_publish(struct celery *celery);
