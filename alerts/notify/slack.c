/*
 * Slack's incoming webhook: one message with one attachment. The default text says what, the value, since when, and
 * where to look; the ten worst alerts are shown, then "and N more".
 *
 * Slack's markup needs & < > escaped. Annotations may hold markup on purpose ("<url|text>"), label values never do:
 * what is escaped are label values, also where an annotation quotes them. Source: Slack's documentation of incoming
 * webhooks and mrkdwn; key order as Alertmanager's.
 */
#include "alerts/notify/message.h"
#include "src/base/clock.h"
#include "src/base/codec.h"
#include "src/base/number.h"
#include "src/base/url.h"

#define SHOWN_MAX       10
#define TITLE_MAX       1024
#define TEXT_MAX        9000 /* Slack folds long texts; 16 kB in all is kept */
#define DESCRIPTION_MAX 600

static void escape_into(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        switch (s.p[i]) {
        case '&':
            buf_add(out, STR("&amp;"));
            break;
        case '<':
            buf_add(out, STR("&lt;"));
            break;
        case '>':
            buf_add(out, STR("&gt;"));
            break;
        default:
            buf_add_char(out, s.p[i]);
            break;
        }
    }
}

static bool needs_escape(struct str s)
{
    return str_find_char(s, '&') >= 0 || str_find_char(s, '<') >= 0 || str_find_char(s, '>') >= 0;
}

/* The longest label value that begins at s and has something to escape. */
static size_t quoted_label(struct str s, struct labels labels)
{
    size_t longest = 0;
    for (uint32_t i = 0; i < labels.n; i++) {
        struct str value = labels.v[i].value;
        if (value.len > longest && str_starts(s, value) && needs_escape(value)) {
            longest = value.len;
        }
    }
    return longest;
}

static struct str escape_labels(struct str text, struct labels labels, bool is_label, struct arena *arena)
{
    auto_buf out = {0};
    bool any = is_label && needs_escape(text);
    for (uint32_t i = 0; i < labels.n && !any; i++) {
        any = needs_escape(labels.v[i].value);
    }
    if (!any) {
        return text;
    }
    buf_init(&out, 8 * TEMPLATE_OUTPUT_MAX);
    if (is_label) {
        escape_into(&out, text);
    }
    for (size_t i = 0; !is_label && i < text.len;) {
        struct str rest = str_slice(text, i, text.len);
        size_t n = quoted_label(rest, labels);
        if (n) {
            escape_into(&out, str_slice(rest, 0, n));
        } else {
            buf_add_char(&out, text.p[i]);
        }
        i += n ? n : 1;
    }
    return arena_dup(arena, buf_str(&out));
}

/* Lower is worse. */
static int severity_rank(const struct notify_alert *a)
{
    static const char *const ranks[] = {"critical", "page", "error", "high", "warning", "", "info", "none"};
    struct str severity = labels_get(a->labels, STR("severity"));
    for (int i = 0; i < 8; i++) {
        if (str_is(severity, ranks[i])) {
            return i;
        }
    }
    return 5;
}

static int worse_first(const void *pa, const void *pb)
{
    const struct notify_alert *a = *(const struct notify_alert *const *)pa,
                              *b = *(const struct notify_alert *const *)pb;
    if (a->firing != b->firing) {
        return a->firing ? -1 : 1;
    }
    int c = severity_rank(a) - severity_rank(b);
    if (c) {
        return c;
    }
    c = (a->starts_ms > b->starts_ms) - (a->starts_ms < b->starts_ms);
    return c ? c : labels_cmp(a->labels, b->labels);
}

static void add_duration(struct buf *out, int64_t ms)
{
    int64_t s = ms > 0 ? ms / 1000 : 0;
    if (s >= 3600) {
        s -= s % 60; /* hours need no seconds */
    }
    duration_format(s * 1000, out);
}

static void add_time(struct buf *out, int64_t wall_ms, int64_t now_ms)
{
    auto_buf text;
    buf_init(&text, 64);
    clock_format_rfc3339(wall_ms, &text);
    bool today = wall_ms / 86400000 == now_ms / 86400000;
    if (!today) {
        buf_add(out, str_slice(buf_str(&text), 0, 10));
        buf_add_char(out, ' ');
    }
    buf_add(out, str_slice(buf_str(&text), 11, 16));
    buf_add(out, STR(" UTC"));
}

static void add_link(struct buf *out, struct str url, const char *text)
{
    bool safe = str_starts(url, STR("http://")) || str_starts(url, STR("https://"));
    for (size_t i = 0; i < url.len; i++) {
        safe = safe && url.p[i] != '|' && url.p[i] != '>' && url.p[i] != '<' && (unsigned char)url.p[i] > ' ';
    }
    if (safe) {
        buf_addf(out, " · <" STR_FMT "|%s>", STR_ARG(url), text);
    }
}

static void add_when(struct buf *out, const struct notify_message *m, const struct notify_alert *a)
{
    char number[NUMBER_MAX];
    if (a->firing) {
        buf_add(out, STR("Value "));
        buf_add(out, str_make(number, number_format_g(a->value, number)));
        buf_add(out, STR(" · since "));
        add_time(out, a->starts_ms, m->now_ms);
        if (m->now_ms - a->starts_ms >= 60000) {
            buf_add(out, STR(" ("));
            add_duration(out, m->now_ms - a->starts_ms);
            buf_add_char(out, ')');
        }
    } else {
        buf_add(out, STR("Fired "));
        add_time(out, a->starts_ms, m->now_ms);
        buf_add(out, STR(", resolved "));
        add_time(out, a->ends_ms, m->now_ms);
        buf_add(out, STR(" after "));
        add_duration(out, a->ends_ms - a->starts_ms);
        buf_add(out, STR(" · last value while firing "));
        buf_add(out, str_make(number, number_format_g(a->value, number)));
    }
}

static void add_links(struct buf *out, const struct notify_message *m, const struct notify_alert *a,
                      struct arena *arena)
{
    struct str task = labels_get(a->labels, STR("name"));
    struct str runbook = labels_get(a->annotations, STR("runbook_url"));
    add_link(out,
             arena_printf(arena, STR_FMT "/alerts?id=%016llx", STR_ARG(m->external_url), (unsigned long long)a->id),
             "alert");
    add_link(out, a->generator_url, "query");
    if (task.len) {
        struct str name = url_encode(task, arena);
        add_link(out, arena_printf(arena, STR_FMT "/tasks?name=" STR_FMT, STR_ARG(m->external_url), STR_ARG(name)),
                 "tasks");
    }
    if (runbook.len) {
        add_link(out, runbook, "runbook");
    }
}

static void add_cut(struct buf *out, struct str s, size_t max)
{
    if (s.len > max) {
        buf_add(out, str_slice(s, 0, utf8_cut(s, max)));
        buf_add(out, STR("…"));
    } else {
        buf_add(out, s);
    }
}

static void add_alert(struct buf *out, const struct notify_message *m, const struct notify_alert *a,
                      struct arena *arena)
{
    struct str summary = str_trim(labels_get(a->annotations, STR("summary")));
    struct str description = str_trim(labels_get(a->annotations, STR("description")));
    if (!description.len) {
        description = str_trim(labels_get(a->annotations, STR("message")));
    }
    buf_add(out, a->firing ? STR("*") : STR("✓ *"));
    if (summary.len) {
        add_cut(out, escape_labels(summary, a->labels, false, arena), 300);
    } else { /* no annotation: the labels say what it is */
        auto_buf text;
        buf_init(&text, 1 << 16);
        labels_print(a->labels, &text);
        struct str s = str_slice(buf_str(&text), 0, utf8_cut(buf_str(&text), 300));
        escape_into(out, s);
    }
    buf_add(out, STR("*\n"));
    if (description.len) {
        add_cut(out, escape_labels(description, a->labels, false, arena), DESCRIPTION_MAX);
        buf_add_char(out, '\n');
    }
    add_when(out, m, a);
    add_links(out, m, a, arena);
    buf_add_char(out, '\n');
}

static void default_text(const struct notify_message *m, struct buf *out, struct arena *arena)
{
    const struct notify_alert **worst = arena_array(arena, const struct notify_alert *, m->n + 1);
    memcpy(worst, m->alerts, m->n * sizeof(worst[0]));
    qsort(worst, m->n, sizeof(worst[0]), worse_first);
    size_t shown = 0;
    for (; shown < m->n && shown < SHOWN_MAX && out->len < TEXT_MAX - 1500; shown++) {
        if (shown) {
            buf_add_char(out, '\n');
        }
        add_alert(out, m, worst[shown], arena);
    }
    if (shown < m->n) {
        buf_addf(out, "\n… and %zu more: <" STR_FMT "/alerts|all alerts>\n", m->n - shown, STR_ARG(m->external_url));
    }
}

static void add_late(const struct notify_message *m, struct buf *out)
{
    if (m->late_ms > 0) {
        buf_add(out, STR("_Delivered late by "));
        add_duration(out, m->late_ms);
        buf_add(out, STR(": Slack could not be reached before._\n"));
    }
}

/* "[FIRING:2] CeleryQueueBacklog queue_name=mail": the alert and what its alerts have in common beyond that. */
static void default_title(const struct notify_message *m, struct buf *out, struct arena *arena)
{
    struct labels common = notify_common(m, false, arena);
    struct str name = labels_get(common, STR("alertname"));
    if (m->firing) {
        buf_addf(out, "[FIRING:%zu] ", m->firing);
    } else {
        buf_add(out, STR("[RESOLVED] "));
    }
    escape_into(out, name.len ? name : STR("Alerts"));
    for (uint32_t i = 0; i < common.n; i++) {
        struct str label = common.v[i].name;
        if (!str_is(label, "alertname") && !str_is(label, "severity") && !str_is(label, "job")) {
            buf_add_char(out, ' ');
            escape_into(out, label);
            buf_add_char(out, '=');
            escape_into(out, common.v[i].value);
        }
    }
}

static void slack_field(struct buf *out, const char *key, struct str value, bool always)
{
    if (value.len || always) {
        buf_addf(out, "%s\"%s\":", out->p[out->len - 1] == '{' ? "" : ",", key);
        go_json_str(out, value);
    }
}

static int title_and_text(const struct notify_message *m, struct buf *title, struct buf *text, struct arena *arena,
                          struct error *err)
{
    struct str s;
    add_late(m, text);
    if (m->text) {
        int rc = notify_expand(m->text, m, escape_labels, arena, &s, err);
        if (rc) {
            return error_prefix(err, "text of the receiver");
        }
        buf_add(text, s);
    } else {
        default_text(m, text, arena);
    }
    if (!m->title) {
        default_title(m, title, arena);
        return 0;
    }
    int rc = notify_expand(m->title, m, escape_labels, arena, &s, err);
    buf_add(title, rc ? STR("") : s);
    return rc ? error_prefix(err, "title of the receiver") : 0;
}

static int slack_render(const struct config_receiver_item *item, const struct notify_message *m, struct buf *body,
                        struct error *err)
{
    auto_arena arena;
    auto_buf title, text;
    arena_init(&arena);
    buf_init(&title, 1 << 20);
    buf_init(&text, 1 << 20);
    int rc = title_and_text(m, &title, &text, &arena, err);
    if (rc) {
        return rc;
    }
    struct str t = str_slice(buf_str(&title), 0, utf8_cut(buf_str(&title), TITLE_MAX));
    struct str link = arena_printf(&arena, STR_FMT "/alerts", STR_ARG(m->external_url));
    struct str severity = labels_get(notify_common(m, false, &arena), STR("severity"));
    auto_buf cut;
    buf_init(&cut, 1 << 20);
    add_cut(&cut, str_trim(buf_str(&text)), TEXT_MAX);
    buf_add_char(body, '{');
    slack_field(body, "channel", item->channel, false);
    slack_field(body, "username", item->username, false);
    slack_field(body, "icon_emoji", item->icon_emoji, false);
    buf_addf(body, "%s\"attachments\":[{", body->len > 1 ? "," : "");
    slack_field(body, "title", t, true);
    slack_field(body, "title_link", link, true);
    slack_field(body, "text", buf_str(&cut), true);
    slack_field(body, "fallback", arena_printf(&arena, STR_FMT " | " STR_FMT, STR_ARG(t), STR_ARG(link)), true);
    if (severity.len) {
        auto_buf escaped;
        buf_init(&escaped, 1 << 16);
        escape_into(&escaped, severity);
        buf_add(body, STR(",\"fields\":[{"));
        slack_field(body, "title", STR("Severity"), true);
        slack_field(body, "value", buf_str(&escaped), true);
        buf_add(body, STR(",\"short\":true}]"));
    }
    slack_field(body, "footer", STR("cloche"), true);
    slack_field(body, "color", m->firing ? STR("danger") : STR("good"), true);
    buf_add(body, STR(",\"mrkdwn_in\":[\"fallback\",\"pretext\",\"text\"]}]}\n"));
    return body->failed ? error_set(err, ERR_LIMIT, "the message is too large") : 0;
}

const struct notifier slack_notifier = {
    .name = "slack", .min_gap_ms = 1000, .body_max = 1 << 20, .render = slack_render};
