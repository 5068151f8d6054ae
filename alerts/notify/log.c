/* What the pages show of notifications: the last messages and the health of receivers. */
#include "alerts/notify/queue_internal.h"
#include "src/base/clock.h"
#include "src/base/json_writer.h"

#define LABELS_SHOWN 20 /* alerts of one message */

static struct log_entry *entry_of(struct notify *notify, uint64_t no)
{
    struct log_entry *e = &notify->log[no % LOG_MAX];
    return no && e->no == no ? e : NULL;
}

static void write_labels(struct labels labels, struct json_writer *w)
{
    json_begin_object(w);
    for (uint32_t i = 0; i < labels.n; i++) {
        json_key(w, labels.v[i].name);
        json_str(w, labels.v[i].value);
    }
    json_end_object(w);
}

static char *alerts_json(const struct notify_message *m)
{
    struct buf out;
    struct json_writer w;
    buf_init(&out, 1 << 20);
    json_init(&w, &out);
    json_begin_array(&w);
    for (size_t i = 0; i < m->n && i < LABELS_SHOWN; i++) {
        write_labels(m->alerts[i]->labels, &w);
    }
    json_end_array(&w);
    if (out.failed) {
        buf_clear(&out);
        buf_add(&out, STR("[]"));
    }
    return buf_steal(&out, NULL);
}

void log_attempt(struct ledger *l, const struct notify_message *m)
{
    struct notify *notify = l->sender->notify;
    struct log_entry *e = entry_of(notify, l->log_no);
    if (!e) {
        l->log_no = ++notify->log_count;
        e = &notify->log[l->log_no % LOG_MAX];
        mem_free((void *)(uintptr_t)e->receiver.p);
        mem_free(e->alerts_json);
        *e = (struct log_entry){.no = l->log_no, .kind = l->sender->notifier->name};
        e->receiver = str_make(mem_str_dup(l->sender->receiver), l->sender->receiver.len);
    } else {
        mem_free(e->alerts_json);
    }
    e->t_ms = m->now_ms;
    e->status = notify_status(m);
    e->state = "retrying";
    e->attempts = l->attempts;
    e->alerts_json = alerts_json(m);
    notify->board_changed = true;
}

void log_result(struct ledger *l, const char *state, int64_t next_ms, const char *error)
{
    struct notify *notify = l->sender->notify;
    struct log_entry *e = entry_of(notify, l->log_no);
    if (e) {
        e->t_ms = clock_wall_ms();
        e->state = state;
        e->next_ms = next_ms;
        e->attempts = l->attempts;
        snprintf(e->error, sizeof(e->error), "%s", error);
        notify->board_changed = true;
    }
}

static void time_or_null(struct json_writer *w, int64_t ms)
{
    if (ms) {
        json_seconds(w, ms);
    } else {
        json_nil(w);
    }
}

static void publish_log(struct notify *notify)
{
    auto_buf out;
    struct json_writer w;
    buf_init(&out, 4u << 20);
    json_init(&w, &out);
    json_begin_array(&w);
    for (uint64_t no = notify->log_count; no && no + LOG_MAX > notify->log_count; no--) {
        const struct log_entry *e = &notify->log[no % LOG_MAX];
        json_begin_object(&w);
        json_field(&w, "t", json_seconds, e->t_ms);
        json_field(&w, "receiver", json_str, e->receiver);
        json_field(&w, "kind", json_str, str_of(e->kind));
        json_field(&w, "status", json_str, str_of(e->status));
        json_field(&w, "alerts", json_raw, str_of(e->alerts_json));
        json_field(&w, "state", json_str, str_of(e->state));
        json_field(&w, "attempts", json_int, e->attempts);
        json_field(&w, "next", time_or_null, e->next_ms);
        json_field(&w, "error", json_str, str_of(e->error));
        json_end_object(&w);
    }
    json_end_array(&w);
    if (!out.failed) {
        board_publish(notify->board, "notifications", buf_str(&out));
    }
}

static void publish_receivers(struct notify *notify)
{
    static const char *const health[] = {"unknown", "ok", "retrying", "broken"};
    auto_buf out;
    struct json_writer w;
    buf_init(&out, 1u << 20);
    json_init(&w, &out);
    json_begin_array(&w);
    for (size_t i = 0; i < notify->senders.len; i++) {
        const struct sender *s = notify->senders.p[i];
        json_begin_object(&w);
        json_field(&w, "name", json_str, s->receiver);
        json_field(&w, "kind", json_str, str_of(s->notifier->name));
        json_field(&w, "health", json_str, str_of(health[s->health]));
        json_field(&w, "queued", json_int, (int64_t)sender_queued(s));
        json_field(&w, "last_success", time_or_null, s->last_success_ms);
        json_field(&w, "last_error", json_str, str_of(s->last_error));
        json_end_object(&w);
    }
    json_end_array(&w);
    if (!out.failed) {
        board_publish(notify->board, "receivers", buf_str(&out));
    }
}

void notify_publish(struct notify *notify)
{
    if (notify->board_changed) {
        notify->board_changed = false;
        publish_log(notify);
        publish_receivers(notify);
    }
}
