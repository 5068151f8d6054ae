/*
 * What is asked of Redis itself: lengths of queues and of the unacknowledged at every scrape, bindings now and then.
 *
 * Bindings are found by SCAN in small steps with pauses, never by KEYS, so a broker that is also a large cache does not
 * feel it.
 */
#include "src/base/clock.h"
#include "src/base/counter.h"
#include "src/collect/celery/celery_internal.h"

#include <hiredis/hiredis.h>

#define SCAN_COUNT      "500"
#define SCAN_PAUSE_MS   20
#define SCAN_EVERY_MS   60000
#define MEMBERS_AT_ONCE 64 /* sets asked for by one step of SCAN; more wait for the next round */
#define KEY_MAX         4096

/* -- one collection -- */

static void finish(struct celery *celery) LOOP_ONLY;
static void finish(struct celery *celery)
{
    struct celery_poll *p = &celery->poll;
    struct batch *batch = target_batch(celery->target, p->ticket);
    uint64_t ticket = p->ticket;
    int64_t now = clock_mono_ms();
    p->ticket = 0;
    if (!p->failed) {
        celery_queues_settle(celery->queues, p->settled_ms ? now - p->settled_ms : 0, celery->stream.sent_events_seen);
        p->settled_ms = now;
    }
    if (!batch) {
        return;
    }
    celery_write_metrics(celery, batch);
    if (!p->failed) {
        celery_queues_count_workers(celery->queues, celery->workers);
        celery_queues_write(celery->queues, batch);
        if (p->unacked >= 0) {
            batch_add(batch, STR("celery_unacked_messages"), NULL, 0, (double)p->unacked);
        }
    }
    const struct error *failure = p->failed ? &p->failure : NULL;
    if (!failure && !celery->stream.subscribed) {
        failure = &celery->stream.reason; /* code 0 while it is only being set up */
    }
    target_done(celery->target, ticket, failure);
}

static void on_length(void *ctx, const struct redisReply *reply, const struct error *err)
{
    const struct celery_length_call *call = ctx;
    struct celery *celery = call->celery;
    struct celery_poll *p = &celery->poll;
    loop_assert();
    p->outstanding--;
    bool wrong_type = reply && reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, "WRONGTYPE", 9) == 0;
    int64_t length = reply && reply->type == REDIS_REPLY_INTEGER ? (int64_t)reply->integer : 0;
    if (!reply) {
        p->failed = true;
        p->failure = *err;
    } else if (reply->type == REDIS_REPLY_ERROR && !wrong_type) { /* a key that is no list is a name we guessed wrong */
        p->failed = true;
        error_set(&p->failure, ERR_PROTOCOL, "LLEN: %s", reply->str);
    }
    if (call->queue) {
        call->queue->by_step[call->step] = length;
    } else {
        p->unacked = length;
    }
    if (p->outstanding == 0) {
        finish(celery);
    }
}

static void ask_length(struct celery *celery, const char *command, struct str key, struct celery_queue *queue,
                       size_t step) LOOP_ONLY;
static void ask_length(struct celery *celery, const char *command, struct str key, struct celery_queue *queue,
                       size_t step)
{
    struct celery_poll *p = &celery->poll;
    invariant(p->calls.len < p->calls.cap);
    struct celery_length_call *call = &p->calls.p[p->calls.len++];
    *call = (struct celery_length_call){celery, queue, step};
    p->outstanding++;
    redis_command(celery->control.conn, (const struct str[]){str_of(command), key}, 2,
                  target_config(celery->target)->timeout_ms, on_length, call);
}

static void ask_queue(void *ctx, struct celery_queue *queue)
{
    struct celery *celery = ctx;
    auto_buf key;
    loop_assert();
    buf_init(&key, KEY_MAX);
    for (size_t step = 0; step < celery_queues_steps(celery->queues); step++) {
        celery_queues_key(celery->queues, queue, celery->prefix, step, &key);
        ask_length(celery, "LLEN", buf_str(&key), queue, step);
    }
}

static void begin(struct celery *celery, uint64_t ticket) LOOP_ONLY;
static void begin(struct celery *celery, uint64_t ticket)
{
    struct celery_poll *p = &celery->poll;
    auto_buf key;
    p->ticket = ticket;
    p->failed = false;
    vec_clear(&p->calls);
    vec_reserve(&p->calls, celery_queues_count(celery->queues) * celery_queues_steps(celery->queues) + 1);
    celery_queues_each(celery->queues, ask_queue, celery);
    buf_init(&key, KEY_MAX);
    buf_add(&key, celery->prefix);
    buf_add(&key, STR("unacked"));
    ask_length(celery, "HLEN", buf_str(&key), NULL, 0);
}

/* The counters go on while the broker is away: they are ours. */
static void fail(struct celery *celery, uint64_t ticket, const struct error *reason) LOOP_ONLY;
static void fail(struct celery *celery, uint64_t ticket, const struct error *reason)
{
    struct batch *batch = target_batch(celery->target, ticket);
    if (batch) {
        celery_write_metrics(celery, batch);
        target_done(celery->target, ticket, reason);
    }
}

void celery_poll_collect(struct celery *celery, uint64_t ticket)
{
    struct celery_poll *p = &celery->poll;
    if (reconnect_waiting(&celery->control.reconnect)) {
        fail(celery, ticket, &celery->control.reason);
    } else if (!redis_is_ready(celery->control.conn) || p->outstanding) {
        p->waiting = ticket; /* the connection's fate decides, or the deadline */
    } else {
        begin(celery, ticket);
    }
}

/* -- bindings -- */

static void on_members(void *ctx, const struct redisReply *reply, const struct error *err)
{
    struct celery *celery = ctx;
    (void)err;
    celery->poll.members_outstanding--;
    for (size_t i = 0; reply && reply->type == REDIS_REPLY_ARRAY && i < reply->elements; i++) {
        const struct redisReply *member = reply->element[i];
        if (member->type == REDIS_REPLY_STRING) {
            celery_queues_add(celery->queues, celery_binding_queue(str_make(member->str, member->len)),
                              CELERY_FROM_BINDING);
        }
    }
}

static void ask_members(struct celery *celery, struct str key) LOOP_ONLY;
static void ask_members(struct celery *celery, struct str key)
{
    if (celery->poll.members_outstanding < MEMBERS_AT_ONCE && !str_ends(key, STR(".pidbox")) &&
        !str_ends(key, STR("_kombu.binding.celeryev"))) {
        celery->poll.members_outstanding++;
        redis_command(celery->control.conn, (const struct str[]){STR("SMEMBERS"), key}, 2, CELERY_TIMEOUT_MS,
                      on_members, celery);
    }
}

static void on_scan(void *ctx);

static void on_scanned(void *ctx, const struct redisReply *reply, const struct error *err)
{
    struct celery *celery = ctx;
    struct celery_poll *p = &celery->poll;
    (void)err;
    loop_assert();
    bool good = reply && reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
                reply->element[0]->type == REDIS_REPLY_STRING && reply->element[1]->type == REDIS_REPLY_ARRAY;
    for (size_t i = 0; good && i < reply->element[1]->elements; i++) {
        const struct redisReply *key = reply->element[1]->element[i];
        if (key->type == REDIS_REPLY_STRING) {
            ask_members(celery, str_make(key->str, key->len));
        }
    }
    if (!good || str_is(str_make(reply->element[0]->str, reply->element[0]->len), "0")) {
        p->scanning = false;
        p->scan_next_ms = clock_mono_ms() + SCAN_EVERY_MS;
        return;
    }
    snprintf(p->cursor, sizeof(p->cursor), "%s", reply->element[0]->str);
    if (p->scan) {
        loop_timer_again(p->scan, SCAN_PAUSE_MS);
    } else {
        p->scan = loop_timer_start(celery->loop, SCAN_PAUSE_MS, 0, on_scan, celery);
    }
}

static void on_scan(void *ctx)
{
    struct celery *celery = ctx;
    loop_assert();
    auto_buf pattern;
    buf_init(&pattern, KEY_MAX);
    for (size_t i = 0; i < celery->prefix.len; i++) {
        if (strchr("*?[]\\", celery->prefix.p[i])) {
            buf_add_char(&pattern, '\\');
        }
        buf_add_char(&pattern, celery->prefix.p[i]);
    }
    buf_add(&pattern, STR("_kombu.binding.*"));
    redis_command(celery->control.conn,
                  (const struct str[]){STR("SCAN"), str_of(celery->poll.cursor), STR("MATCH"), buf_str(&pattern),
                                       STR("COUNT"), STR(SCAN_COUNT)},
                  6, CELERY_TIMEOUT_MS, on_scanned, celery);
}

void celery_poll_tick(struct celery *celery, int64_t now_ms)
{
    struct celery_poll *p = &celery->poll;
    if (redis_is_ready(celery->control.conn) && !p->scanning && now_ms >= p->scan_next_ms) {
        p->scanning = true;
        snprintf(p->cursor, sizeof(p->cursor), "0");
        on_scan(celery);
    }
}

/* -- life -- */

void celery_poll_init(struct celery *celery)
{
    struct celery_poll *p = &celery->poll;
    const struct config_target *config = target_config(celery->target);
    p->unacked = -1;
    p->since_ms = clock_wall_ms();
    for (size_t i = 0; i < config->queue_count; i++) {
        celery_queues_add(celery->queues, config->queues[i], CELERY_FROM_CONFIG);
    }
}

void celery_poll_release(struct celery *celery)
{
    loop_timer_stop(celery->poll.scan);
    celery->poll.scan = NULL;
    vec_release(&celery->poll.calls);
}

void celery_poll_ready(struct celery *celery)
{
    struct celery_poll *p = &celery->poll;
    auto_buf key;
    buf_init(&key, KEY_MAX);
    buf_add(&key, celery->prefix);
    buf_add(&key, STR("_kombu.binding.celery")); /* the default exchange, without waiting for the scan */
    ask_members(celery, buf_str(&key));
    p->scan_next_ms = 0;
    uint64_t ticket = p->waiting;
    p->waiting = 0;
    if (target_batch(celery->target, ticket)) {
        begin(celery, ticket);
    } else {
        target_nudge(celery->target);
    }
}

void celery_poll_down(struct celery *celery)
{
    struct celery_poll *p = &celery->poll;
    uint64_t ticket = p->waiting;
    p->waiting = 0;
    p->scanning = false;
    loop_timer_stop(p->scan);
    p->scan = NULL;
    fail(celery, ticket, &celery->control.reason);
}

/* -- metrics that need no answer -- */

#define COUNTED(metric, help) {#metric, help, METRIC_COUNTER},
#define GAUGE(metric, help)   {#metric, help, METRIC_GAUGE},
static const struct {
    const char *name, *help;
    enum metric_type type;
} families[] = {
#include "src/collect/celery/metrics.def"
};

static void write_events(struct celery *celery, struct batch *batch)
{
    static const char *const worker_types[] = {"worker-online", "worker-heartbeat", "worker-offline"};
    const struct celery_stream *s = &celery->stream;
    for (int i = 0; i < TASK_EVENT_COUNT + 3; i++) {
        const char *type =
            i < TASK_EVENT_COUNT ? task_event_name((enum task_event_type)i) : worker_types[i - TASK_EVENT_COUNT];
        const struct label label = {STR("type"), str_of(type)};
        batch_add(batch, STR("celery_events_total"), &label, 1, (double)s->events[i]);
    }
    for (int i = CELERY_OK + 1; i < CELERY_FAULT_COUNT; i++) {
        const struct label label = {STR("reason"), str_of(celery_fault_name((enum celery_fault)i))};
        batch_add(batch, STR("celery_messages_undecodable_total"), &label, 1, (double)s->faults[i]);
    }
    batch_add(batch, STR("celery_events_lost_total"), NULL, 0, (double)s->lost);
    batch_add(batch, STR("celery_series_limited_total"), NULL, 0, (double)celery_metrics_limited(celery->metrics));
}

void celery_write_metrics(struct celery *celery, struct batch *batch)
{
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        batch_family(batch, str_of(families[i].name), families[i].type, str_of(families[i].help));
    }
    celery_metrics_write(celery->metrics, batch, celery->poll.since_ms, batch->t_ms);
    celery->poll.since_ms = batch->t_ms;
    write_events(celery, batch);
    /* While nothing can be heard nobody can be said to live or to be lost. */
    if (celery->stream.subscribed) {
        celery_workers_write(celery->workers, batch, batch->t_ms);
    }
}
