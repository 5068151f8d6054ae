/* The board's documents "workers", "queues" and "celery": one each for all brokers together. */
#include "src/base/clock.h"
#include "src/base/codec.h"
#include "src/collect/celery/celery_internal.h"

#define DOCUMENT_MAX (8u << 20)

/* The brokers watched; loop thread only, as everything here. */
static struct celery *brokers;
/* What each document said last: it is published again only when it says something else. */
static uint64_t published[3];

static void write_workers(struct json_writer *w)
{
    json_begin_array(w);
    for (struct celery *c = brokers; c; c = c->next) {
        celery_workers_json(c->workers, c->name, w);
    }
    json_end_array(w);
}

static void write_queues(struct json_writer *w)
{
    json_begin_array(w);
    for (struct celery *c = brokers; c; c = c->next) {
        celery_queues_count_workers(c->queues, c->workers);
        celery_queues_json(c->queues, c->name, w);
    }
    json_end_array(w);
}

static void write_gaps(struct json_writer *w)
{
    json_key(w, STR("gaps"));
    json_begin_array(w);
    for (const struct celery *c = brokers; c; c = c->next) {
        for (size_t i = 0; i < c->gap_count; i++) {
            json_begin_object(w);
            json_field(w, "from", json_seconds, c->gaps[i].from_ms);
            json_field(w, "to", json_seconds, c->gaps[i].to_ms);
            json_field(w, "reason", json_str, str_of(c->gaps[i].reason));
            json_field(w, "broker", json_str, c->name);
            json_end_object(w);
        }
    }
    json_end_array(w);
}

static void write_silent(void *ctx, struct celery_worker *worker)
{
    if (worker->online && !worker->task_events) {
        json_str(ctx, str_of(worker->hostname));
    }
}

static void write_brokers(struct json_writer *w)
{
    json_key(w, STR("brokers"));
    json_begin_array(w);
    for (const struct celery *c = brokers; c; c = c->next) {
        json_begin_object(w);
        json_field(w, "name", json_str, c->name);
        json_field(w, "listening", json_bool, c->stream.subscribed);
        json_field(w, "remote_control", json_bool, c->control.bound);
        json_field(w, "series_limited", json_int, (int64_t)celery_metrics_limited(c->metrics));
        json_key(w, STR("unacked"));
        if (c->poll.unacked >= 0) {
            json_int(w, c->poll.unacked);
        } else {
            json_nil(w);
        }
        json_end_object(w);
    }
    json_end_array(w);
}

static void write_totals(struct json_writer *w)
{
    uint64_t total = 0, lost = 0, undecodable = 0;
    double per_second = 0;
    bool sent_seen = false;
    for (const struct celery *c = brokers; c; c = c->next) {
        total += c->stream.total;
        lost += c->stream.lost;
        per_second += c->stream.per_second;
        sent_seen |= c->stream.sent_events_seen;
        for (int i = CELERY_OK + 1; i < CELERY_FAULT_COUNT; i++) {
            undecodable += c->stream.faults[i];
        }
    }
    json_field(w, "events_total", json_int, (int64_t)total);
    json_field(w, "events_per_second", json_double, per_second);
    json_field(w, "lost_events", json_int, (int64_t)lost);
    json_field(w, "undecodable", json_int, (int64_t)undecodable);
    json_field(w, "sent_events_seen", json_bool, sent_seen);
}

static void write_celery(struct json_writer *w)
{
    json_begin_object(w);
    write_totals(w);
    write_gaps(w);
    json_key(w, STR("task_events_off"));
    json_begin_array(w);
    for (struct celery *c = brokers; c; c = c->next) {
        celery_workers_each(c->workers, write_silent, w);
    }
    json_end_array(w);
    write_brokers(w);
    json_end_object(w);
}

static void publish(struct board *board)
{
    static const struct {
        const char *name;
        void (*write)(struct json_writer *w);
    } documents[] = {{"workers", write_workers}, {"queues", write_queues}, {"celery", write_celery}};
    auto_buf out;
    buf_init(&out, DOCUMENT_MAX);
    for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++) {
        struct json_writer w;
        buf_clear(&out);
        json_init(&w, &out);
        documents[i].write(&w);
        uint64_t hash = fnv1a64(FNV1A64_INIT, buf_str(&out));
        if (!out.failed && hash != published[i]) {
            published[i] = hash;
            board_publish(board, documents[i].name, buf_str(&out));
        }
    }
}

void celery_board_publish(struct celery *celery)
{
    if (celery == brokers) { /* one of the brokers does it for all */
        publish(target_board(celery->target));
    }
}

void celery_board_add(struct celery *celery)
{
    celery->next = brokers;
    brokers = celery;
    memset(published, 0, sizeof(published));
}

void celery_board_remove(struct celery *celery)
{
    for (struct celery **at = &brokers; *at; at = &(*at)->next) {
        if (*at == celery) {
            *at = celery->next;
            break;
        }
    }
    publish(target_board(celery->target)); /* without its entries */
}

void celery_feed_worker(struct celery *celery, const struct celery_worker *worker, const char *event)
{
    auto_buf out;
    struct json_writer w;
    buf_init(&out, 16u << 10);
    json_init(&w, &out);
    json_begin_object(&w);
    json_field(&w, "t", json_seconds, clock_wall_ms());
    json_field(&w, "worker", json_str, str_of(worker->hostname));
    json_field(&w, "event", json_str, str_of(event));
    json_field(&w, "broker", json_str, celery->name);
    json_end_object(&w);
    feed_publish(target_feed(celery->target), "worker", buf_str(&out));
}

/* The same trouble again within seconds goes on with the same gap. */
#define GAP_GOES_ON_MS 10000

static bool extend_gap(struct celery *celery, int64_t from_ms, int64_t to_ms, const char *reason)
{
    struct celery_gap *last = celery->gap_count ? &celery->gaps[celery->gap_count - 1] : NULL;
    if (!last || strcmp(last->reason, reason) != 0 || from_ms > last->to_ms + GAP_GOES_ON_MS) {
        return false;
    }
    last->to_ms = to_ms;
    return true;
}

void celery_add_gap(struct celery *celery, int64_t from_ms, int64_t to_ms, const char *reason)
{
    if (extend_gap(celery, from_ms, to_ms, reason)) {
        return;
    }
    if (celery->gap_count == CELERY_GAPS_MAX) {
        memmove(&celery->gaps[0], &celery->gaps[1], (CELERY_GAPS_MAX - 1) * sizeof(celery->gaps[0]));
        celery->gap_count--;
    }
    struct celery_gap *gap = &celery->gaps[celery->gap_count++];
    *gap = (struct celery_gap){.from_ms = from_ms, .to_ms = to_ms};
    snprintf(gap->reason, sizeof(gap->reason), "%s", reason);
    auto_buf out;
    struct json_writer w;
    buf_init(&out, 4096);
    json_init(&w, &out);
    json_begin_object(&w);
    json_field(&w, "t", json_seconds, to_ms);
    json_field(&w, "from", json_seconds, from_ms);
    json_field(&w, "to", json_seconds, to_ms);
    json_field(&w, "reason", json_str, str_of(reason));
    json_field(&w, "broker", json_str, celery->name);
    json_end_object(&w);
    feed_publish(target_feed(celery->target), "gap", buf_str(&out));
}
