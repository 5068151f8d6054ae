/* The connection that listens: events to counters, to the feed, and in batches to the sink. */
#include "src/base/clock.h"
#include "src/base/counter.h"
#include "src/base/log.h"
#include "src/collect/celery/celery_internal.h"

#include <hiredis/hiredis.h>

#define BATCH_EVENTS     1000
#define BATCH_BYTES      (512u << 10)
#define FLUSH_MS         50
#define PING_MS          15000
#define FAULT_LOG_MS     60000
#define FEED_PER_SECOND  200.0
#define FEED_BURST       20.0
#define RECONNECT_MAX_MS 10000
#define EXCUSE_MS        10000 /* after a reconnect heartbeats need time to come */

/* -- to the sink -- */

static void flush(struct celery *celery)
{
    struct celery_stream *s = &celery->stream;
    size_t n = s->inbox.tasks.len;
    if (n) {
        struct sink *sink = target_sink(celery->target);
        int rc = sink->tasks(sink->ctx, s->inbox.tasks.p, n);
        if (rc) {
            int64_t now = clock_wall_ms();
            s->lost += n;
            celery_add_gap(celery, s->inbox.tasks.p[0].t_ms, now,
                           "the task history could not take the events: its queue is full");
        }
    }
    celery_inbox_clear(&s->inbox);
    s->handled = 0;
}

static void on_flush(void *ctx)
{
    struct celery *celery = ctx;
    loop_assert();
    celery->stream.flush_armed = false;
    flush(celery);
}

static void flush_soon(struct celery *celery) LOOP_ONLY;
static void flush_soon(struct celery *celery)
{
    struct celery_stream *s = &celery->stream;
    if (s->inbox.tasks.len >= BATCH_EVENTS || s->inbox.arena.used_bytes >= BATCH_BYTES) {
        flush(celery);
    } else if (s->inbox.tasks.len && !s->flush_armed) {
        s->flush_armed = true;
        if (s->flush) {
            loop_timer_again(s->flush, FLUSH_MS);
        } else {
            s->flush = loop_timer_start(celery->loop, FLUSH_MS, 0, on_flush, celery);
        }
    }
}

/* -- to the feed -- */

/* More than FEED_PER_SECOND task events a second are sampled: "sampled" says for how many one stands. */
static bool feed_has_room(struct celery_stream *s, int64_t now_ms)
{
    double refill = (double)(now_ms - s->feed_refill_ms) * FEED_PER_SECOND / 1000.0;
    s->feed_refill_ms = now_ms;
    s->feed_tokens = s->feed_tokens + refill > FEED_BURST ? FEED_BURST : s->feed_tokens + refill;
    if (s->feed_tokens < 1) {
        s->feed_skipped++;
        return false;
    }
    s->feed_tokens -= 1;
    return true;
}

static void feed_task(struct celery *celery, const struct task_event *event, const struct celery_joined *joined)
{
    struct celery_stream *s = &celery->stream;
    auto_buf out;
    struct json_writer w;
    buf_init(&out, 16u << 10);
    json_init(&w, &out);
    json_begin_object(&w);
    json_field(&w, "t", json_seconds, event->t_ms);
    json_field(&w, "uuid", json_str, event->uuid);
    bool custom = event->type == TASK_EVENT_CUSTOM;
    json_field(&w, "event", json_str, str_of(task_event_name(event->type)));
    json_field(&w, "name", json_str, celery_words_text(celery->words, joined->name));
    json_field(&w, "state", json_str, custom ? event->custom : str_of(task_state_name(task_event_state(event->type))));
    json_field(&w, "worker", json_str, event->hostname);
    json_field(&w, "queue", json_str, celery_words_text(celery->words, joined->queue));
    json_field(&w, "runtime", json_double, event->runtime);
    json_field(&w, "exception", json_str, str_slice(event->exception, 0, 300));
    if (s->feed_skipped) {
        json_field(&w, "sampled", json_int, (int64_t)s->feed_skipped + 1);
        s->feed_skipped = 0;
    }
    json_end_object(&w);
    if (!out.failed) {
        feed_publish(target_feed(celery->target), "task", buf_str(&out));
    }
}

/* -- one event -- */

/* The queue, as far as it can be known: from task-sent or `active`, else the only one its worker takes from. */
static uint32_t queue_of(struct celery *celery, const struct celery_joined *joined, const struct celery_worker *worker)
{
    if (joined->queue) {
        return joined->queue;
    }
    if (worker && worker->queue_count == 1) {
        return celery_words_add(celery->words, str_of(worker->queues[0]));
    }
    return celery_words_add(celery->words, STR("unknown"));
}

static void join_fields(struct celery *celery, struct celery_joined *joined, const struct task_event *event)
{
    if (event->name.len) {
        joined->name = celery_words_add(celery->words, event->name);
    }
    if (event->queue.len) {
        joined->queue = celery_words_add(celery->words, event->queue);
    }
    if (event->type == TASK_EVENT_SENT || event->type == TASK_EVENT_RECEIVED) {
        joined->eta_ms = 0;
        if (event->eta.len && !clock_parse_rfc3339(event->eta, &joined->eta_ms)) {
            joined->eta_ms = 0;
        }
    }
}

static bool event_ends_task(enum task_event_type type)
{
    return type == TASK_EVENT_SUCCEEDED || type == TASK_EVENT_FAILED || type == TASK_EVENT_REVOKED ||
           type == TASK_EVENT_REJECTED;
}

/* Sent and custom events come from clients and pool processes, whose names are no workers'. */
static struct celery_worker *note_worker(struct celery *celery, const struct task_event *event)
{
    struct celery_worker *worker = NULL;
    if (event->type == TASK_EVENT_SENT || event->type == TASK_EVENT_CUSTOM) {
        return NULL;
    }
    if (celery_workers_task(celery->workers, event, celery_now(), &worker) == CELERY_WORKER_CAME) {
        celery->control.ask_soon = true;
        celery_feed_worker(celery, worker, "worker-online");
    }
    return worker;
}

static void note_queue(struct celery *celery, const struct task_event *event, uint32_t queue_word)
{
    struct str name = celery_words_text(celery->words, queue_word);
    bool sent = event->type == TASK_EVENT_SENT;
    if ((!sent && event->type != TASK_EVENT_RECEIVED) || queue_word == CELERY_WORD_OTHER || str_is(name, "unknown")) {
        return;
    }
    struct celery_queue *queue = celery_queues_add(celery->queues, name, CELERY_FROM_EVENT);
    if (queue) {
        queue->sent += sent;
        queue->received += !sent;
    }
}

/*
 * How long a try waited: since it was sent, or since it was due. The two events come in any order, and as a client
 * reports after publishing, a quick worker may even have started before the time of task-sent; only the sending of a
 * retry must not meet the start of the try before. Each pair counts once, also when a message is delivered twice.
 */
static void observe_wait(struct celery *celery, struct celery_series_key key, const struct task_event *event,
                         struct celery_joined *joined, int64_t now_ms)
{
    if (event->type == TASK_EVENT_SENT) {
        joined->sent_ms = event->t_ms;
        bool same_try = event->retries <= 0 || joined->started_ms >= event->t_ms;
        joined->started_ms = same_try ? joined->started_ms : 0;
    } else {
        joined->started_ms = event->t_ms;
        joined->worker = key.host;
    }
    if (joined->sent_ms && joined->started_ms) {
        int64_t due_ms = joined->eta_ms > joined->sent_ms ? joined->eta_ms : joined->sent_ms;
        key.host = joined->worker;
        celery_metrics_observe(celery->metrics, key, CELERY_QUEUE_WAIT, (double)(joined->started_ms - due_ms) / 1000.0,
                               now_ms);
        joined->sent_ms = joined->started_ms = 0;
    }
}

static void observe(struct celery *celery, struct celery_series_key key, const struct task_event *event,
                    struct celery_joined *joined, int64_t now_ms)
{
    if (event->type == TASK_EVENT_SUCCEEDED) {
        celery_metrics_observe(celery->metrics, key, CELERY_RUNTIME, event->runtime, now_ms);
    } else if (event->type == TASK_EVENT_SENT || event->type == TASK_EVENT_STARTED) {
        observe_wait(celery, key, event, joined, now_ms);
    }
}

static void handle_task(struct celery *celery, const struct task_event *event, struct celery_clock now)
{
    struct celery_stream *s = &celery->stream;
    struct celery_joined *joined = celery_join_touch(celery->join, event->uuid);
    struct celery_worker *worker = note_worker(celery, event);
    join_fields(celery, joined, event);
    s->events[event->type]++;
    s->sent_events_seen |= event->type == TASK_EVENT_SENT;
    struct celery_series_key key = {
        .name = joined->name ? joined->name : celery_words_add(celery->words, STR("unknown")),
        .host = celery_words_add(celery->words, celery_host(event->hostname)),
        .queue = queue_of(celery, joined, worker),
    };
    note_queue(celery, event, key.queue);
    celery_metrics_count(celery->metrics, key, event->type, task_exception_class(event->exception), now.wall_ms);
    observe(celery, key, event, joined, now.wall_ms);
    if (feed_has_room(s, now.mono_ms)) {
        feed_task(celery, event, joined);
    }
    if (event_ends_task(event->type)) {
        celery_join_done(celery->join, joined);
    }
}

static void handle_worker(struct celery *celery, const struct celery_worker_event *event, struct celery_clock now)
{
    static const char *const changes[] = {
        [CELERY_WORKER_CAME] = "worker-online", [CELERY_WORKER_LEFT] = "worker-offline"};
    struct celery_worker *worker = NULL;
    const struct celery_worker *before = celery_workers_find(celery->workers, event->hostname);
    int64_t pid_before = before ? before->pid : 0;
    enum celery_worker_change change = celery_workers_event(celery->workers, event, now, &worker);
    celery->stream.events[TASK_EVENT_COUNT + (int)event->type]++;
    if (!worker) {
        return;
    }
    if (change != CELERY_WORKER_SAME) {
        celery_feed_worker(celery, worker, changes[change]);
        log_info(change == CELERY_WORKER_CAME ? "celery: worker online" : "celery: worker offline",
                 KV_S("target", celery->name), KV_STR("worker", worker->hostname));
    }
    celery->control.ask_soon |= worker->online && (change == CELERY_WORKER_CAME || worker->pid != pid_before);
}

/* -- one message -- */

static void note_fault(struct celery *celery, enum celery_fault fault, size_t n, size_t bytes)
{
    struct celery_stream *s = &celery->stream;
    int64_t now = clock_mono_ms();
    s->faults[fault] += n;
    self_add(SELF_EVENTS_UNDECODABLE, (int64_t)n);
    if (s->last_fault_log_ms == 0 || now - s->last_fault_log_ms >= FAULT_LOG_MS) {
        s->last_fault_log_ms = now;
        log_warn("celery: message could not be used", KV_S("target", celery->name),
                 KV_STR("reason", celery_fault_name(fault)), KV_INT("bytes", bytes),
                 KV_INT("of_this_kind", s->faults[fault]));
    }
}

static void handle_message(struct celery *celery, struct str payload) LOOP_ONLY;
static void handle_message(struct celery *celery, struct str payload)
{
    struct celery_stream *s = &celery->stream;
    struct celery_clock now = celery_now();
    size_t bad = 0;
    enum celery_fault fault = celery_envelope_read(&s->envelope, payload, false);
    if (fault == CELERY_OK) {
        fault = celery_event_parse(&s->inbox, buf_str(&s->envelope.body), celery->name, now.wall_ms, &bad);
    }
    if (fault != CELERY_OK) {
        note_fault(celery, fault, bad ? bad : 1, payload.len);
    }
    size_t news = s->inbox.tasks.len - s->handled + s->inbox.workers.len;
    s->total += news;
    self_add(SELF_EVENTS_RECEIVED, (int64_t)news);
    for (; s->handled < s->inbox.tasks.len; s->handled++) {
        handle_task(celery, &s->inbox.tasks.p[s->handled], now);
    }
    vec_each (const struct celery_worker_event *, event, &s->inbox.workers) {
        handle_worker(celery, event, now);
    }
    vec_clear(&s->inbox.workers);
    flush_soon(celery);
}

static void on_push(void *ctx, const struct redisReply *reply)
{
    loop_assert();
    const struct redisReply *payload = reply->element[reply->elements - 1];
    if (payload->type == REDIS_REPLY_STRING) {
        handle_message(ctx, str_make(payload->str, payload->len));
    }
}

/* -- the connection -- */

static void on_subscribed(void *ctx, const struct redisReply *reply, const struct error *err)
{
    struct celery *celery = ctx;
    struct celery_stream *s = &celery->stream;
    (void)err;
    if (!reply || s->subscribed) {
        return; /* on_down() comes with the reason */
    }
    if (reply->type == REDIS_REPLY_ERROR) {
        error_set(&s->reason, ERR_AUTH, "cannot subscribe to Celery's events: %s", reply->str);
        s->refused = true;
        return;
    }
    s->subscribed = true;
    s->refused = false;
    s->reason = (struct error){0};
    reconnect_worked(&s->reconnect);
    if (s->down_ms) {
        char reason[160];
        int64_t now = clock_wall_ms();
        snprintf(reason, sizeof(reason), "not connected to the broker for %.1f s", (double)(now - s->down_ms) / 1000.0);
        celery_add_gap(celery, s->down_ms, now, reason);
        s->down_ms = 0;
    }
    celery_workers_excuse(celery->workers, clock_mono_ms() + EXCUSE_MS);
    celery->control.ask_soon = true;
}

/* In a pattern * ? [ ] \ are special. */
static void add_escaped(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (strchr("*?[]\\", text.p[i]) && text.p[i]) {
            buf_add_char(out, '\\');
        }
        buf_add_char(out, text.p[i]);
    }
}

static void subscribe(struct celery *celery) LOOP_ONLY;
static void subscribe(struct celery *celery)
{
    struct celery_stream *s = &celery->stream;
    auto_buf channel, pattern;
    buf_init(&channel, 4096);
    buf_init(&pattern, 8192);
    celery_channel_prefix(celery, &channel);
    buf_add(&channel, STR("celeryev"));
    add_escaped(&pattern, buf_str(&channel));
    buf_add(&pattern, STR("/*"));
    /* The pattern is where events come; the bare channel serves applications with fanout_patterns off. */
    redis_subscribe(s->conn, (const struct str[]){STR("PSUBSCRIBE"), buf_str(&pattern)}, 2, on_subscribed, celery);
    redis_subscribe(s->conn, (const struct str[]){STR("SUBSCRIBE"), buf_str(&channel)}, 2, NULL, NULL);
}

static void on_ready(void *ctx)
{
    struct celery *celery = ctx;
    loop_assert();
    celery->db = redis_db(celery->stream.conn);
    subscribe(celery);
}

static void on_down(void *ctx, const struct error *reason)
{
    struct celery *celery = ctx;
    struct celery_stream *s = &celery->stream;
    loop_assert();
    if (s->subscribed) {
        log_warn("celery: connection to the events lost", KV_S("target", celery->name), KV_STR("reason", reason->text));
        s->down_ms = clock_wall_ms();
    }
    s->subscribed = s->ping_waiting = s->refused = false;
    s->reason = *reason;
    flush(celery);
    reconnect_later(&s->reconnect);
}

static void on_reconnect(void *ctx)
{
    struct celery *celery = ctx;
    loop_assert();
    redis_reconnect(celery->stream.conn);
}

int celery_stream_start(struct celery *celery, const struct redis_options *options, struct error *err)
{
    static const struct redis_callbacks callbacks = {on_ready, on_down, on_push};
    struct celery_stream *s = &celery->stream;
    loop_assert();
    celery_envelope_init(&s->envelope);
    celery_inbox_init(&s->inbox);
    s->feed_tokens = FEED_BURST;
    s->feed_refill_ms = clock_mono_ms();
    reconnect_init(&s->reconnect, celery->loop, RECONNECT_MAX_MS, on_reconnect, celery);
    s->conn = redis_open(celery->loop, options, &callbacks, celery, err);
    return s->conn ? 0 : ERR_CONFIG;
}

void celery_stream_stop(struct celery *celery)
{
    struct celery_stream *s = &celery->stream;
    reconnect_stop(&s->reconnect);
    redis_close(s->conn);
    loop_timer_stop(s->flush);
    flush(celery);
    celery_inbox_release(&s->inbox);
    celery_envelope_release(&s->envelope);
}

static void on_pong(void *ctx, const struct redisReply *reply, const struct error *err)
{
    struct celery *celery = ctx;
    (void)reply;
    (void)err;
    celery->stream.ping_waiting = false;
}

void celery_stream_tick(struct celery *celery, int64_t now_ms)
{
    struct celery_stream *s = &celery->stream;
    s->per_second = (double)(s->total - s->total_before);
    s->total_before = s->total;
    if (s->refused && now_ms - s->last_ping_ms >= PING_MS) {
        s->last_ping_ms = now_ms;
        subscribe(celery);
    }
    /* A connection that died silently must not look like a quiet broker. */
    if (s->subscribed && !s->ping_waiting && now_ms - s->last_ping_ms >= PING_MS) {
        s->last_ping_ms = now_ms;
        s->ping_waiting = true;
        redis_command(s->conn, (const struct str[]){STR("PING")}, 1, PING_MS, on_pong, celery);
    }
}
