/* The generic webhook: payload version 4, byte for byte as Alertmanager writes it (key order, Go's JSON, newline). */
#include "alerts/notify/message.h"

#define BODY_MAX (2u << 20) /* 1000 alerts are 450 kB; what is beyond is counted in truncatedAlerts */

static void add_key(struct buf *out, const char *key)
{
    buf_addf(out, "%s\"%s\":", out->p[out->len - 1] == '{' ? "" : ",", key);
}

static void add_text(struct buf *out, const char *key, struct str value)
{
    add_key(out, key);
    go_json_str(out, value);
}

static void add_alert(struct buf *out, const struct notify_alert *a)
{
    buf_add_char(out, '{');
    add_text(out, "status", a->firing ? STR("firing") : STR("resolved"));
    add_key(out, "labels");
    go_json_labels(out, a->labels);
    add_key(out, "annotations");
    go_json_labels(out, a->annotations);
    add_key(out, "startsAt");
    go_json_time(out, a->starts_ms);
    add_key(out, "endsAt");
    go_json_time(out, a->firing ? 0 : a->ends_ms);
    add_text(out, "generatorURL", a->generator_url);
    add_key(out, "fingerprint");
    buf_addf(out, "\"%016llx\"}", (unsigned long long)labels_fingerprint(a->labels));
}

static int webhook_render(const struct config_receiver_item *item, const struct notify_message *m, struct buf *body,
                          struct error *err)
{
    auto_arena arena;
    arena_init(&arena);
    size_t max = item->max_alerts > 0 && (size_t)item->max_alerts < m->n ? (size_t)item->max_alerts : m->n, shown = 0;
    buf_add_char(body, '{');
    add_text(body, "receiver", m->receiver);
    add_text(body, "status", str_of(notify_status(m)));
    add_key(body, "alerts");
    buf_add_char(body, '[');
    for (; shown < max && body->len < BODY_MAX; shown++) {
        if (shown) {
            buf_add_char(body, ',');
        }
        add_alert(body, m->alerts[shown]);
    }
    buf_add_char(body, ']');
    add_key(body, "groupLabels");
    go_json_labels(body, m->group_labels);
    add_key(body, "commonLabels");
    go_json_labels(body, notify_common(m, false, &arena));
    add_key(body, "commonAnnotations");
    go_json_labels(body, notify_common(m, true, &arena));
    add_text(body, "externalURL", m->external_url);
    add_text(body, "version", STR("4"));
    add_text(body, "groupKey", m->group_key);
    add_key(body, "truncatedAlerts");
    buf_addf(body, "%zu}\n", m->n - shown);
    return body->failed ? error_set(err, ERR_LIMIT, "the message is larger than 8 MiB: set max_alerts") : 0;
}

const struct notifier webhook_notifier = {
    .name = "webhook", .min_gap_ms = 0, .body_max = 4 * BODY_MAX, .render = webhook_render};
