#include "alerts/notify/message.h"

#include "src/base/clock.h"
#include "src/base/codec.h"

#define TEMPLATE_ALERTS_MAX 200 /* more do not fit into a message anyway */

const struct notifier *notifier_of(enum config_receiver_kind kind)
{
    return kind == RECEIVER_SLACK ? &slack_notifier : &webhook_notifier;
}

/* Fewer labels first, then names, then values. Source: LabelSet.Before of prometheus/common. */
static int compare_sets(struct labels a, struct labels b)
{
    if (a.n != b.n) {
        return a.n < b.n ? -1 : 1;
    }
    for (uint32_t i = 0; i < a.n; i++) {
        int c = str_cmp(a.v[i].name, b.v[i].name);
        c = c ? c : str_cmp(a.v[i].value, b.v[i].value);
        if (c) {
            return c;
        }
    }
    return 0;
}

static int compare_alerts(const void *pa, const void *pb)
{
    const struct notify_alert *a = *(const struct notify_alert *const *)pa,
                              *b = *(const struct notify_alert *const *)pb;
    static const char *const first[] = {"job", "instance"};
    for (int i = 0; i < 2; i++) {
        struct str x = labels_get(a->labels, str_of(first[i])), y = labels_get(b->labels, str_of(first[i]));
        if (!x.len != !y.len) {
            return x.len ? -1 : 1;
        }
        int c = str_cmp(x, y);
        if (c) {
            return c;
        }
    }
    int c = compare_sets(a->labels, b->labels);
    return c ? c : (a->id > b->id) - (a->id < b->id);
}

void notify_sort(const struct notify_alert **alerts, size_t n)
{
    if (n) {
        qsort(alerts, n, sizeof(*alerts), compare_alerts);
    }
}

struct labels notify_common(const struct notify_message *m, bool annotations, struct arena *arena)
{
    struct labels_builder builder;
    labels_builder_init(&builder, arena);
    struct labels first = {0};
    if (m->n) {
        first = annotations ? m->alerts[0]->annotations : m->alerts[0]->labels;
    }
    for (uint32_t i = 0; i < first.n; i++) {
        bool common = true;
        for (size_t k = 1; k < m->n && common; k++) {
            struct labels other = annotations ? m->alerts[k]->annotations : m->alerts[k]->labels;
            common = str_eq(labels_get(other, first.v[i].name), first.v[i].value);
        }
        if (common) {
            labels_set(&builder, first.v[i].name, first.v[i].value);
        }
    }
    return labels_finish(&builder, false);
}

struct str notify_group_key(struct labels labels, struct arena *arena)
{
    auto_buf out;
    buf_init(&out, 1 << 20);
    buf_add(&out, STR("{}:{"));
    for (uint32_t i = 0; i < labels.n; i++) {
        buf_add(&out, i ? STR(", ") : STR(""));
        buf_add(&out, labels.v[i].name);
        buf_add(&out, STR("=\""));
        for (size_t k = 0; k < labels.v[i].value.len; k++) {
            char c = labels.v[i].value.p[k];
            if (c == '"' || c == '\\') {
                buf_add_char(&out, '\\');
            }
            buf_add(&out, c == '\n' ? STR("\\n") : str_make(&c, 1));
        }
        buf_add_char(&out, '"');
    }
    buf_add_char(&out, '}');
    return arena_dup(arena, buf_str(&out));
}

const char *notify_status(const struct notify_message *m)
{
    return m->firing ? "firing" : "resolved";
}

/* Bytes of the UTF-8 character at s, 0 if it is none. */
static size_t character(struct str s)
{
    for (size_t n = 1; n <= 4 && n <= s.len; n++) {
        if (utf8_valid(str_slice(s, 0, n))) {
            return n;
        }
    }
    return 0;
}

static void json_char(struct buf *out, unsigned char c)
{
    switch (c) {
    case '"':
        buf_add(out, STR("\\\""));
        break;
    case '\\':
        buf_add(out, STR("\\\\"));
        break;
    case '\n':
        buf_add(out, STR("\\n"));
        break;
    case '\r':
        buf_add(out, STR("\\r"));
        break;
    case '\t':
        buf_add(out, STR("\\t"));
        break;
    default:
        if (c < 0x20 || c == '<' || c == '>' || c == '&') {
            buf_addf(out, "\\u%04x", c);
        } else {
            buf_add_char(out, (char)c);
        }
        break;
    }
}

void go_json_str(struct buf *out, struct str s)
{
    buf_add_char(out, '"');
    for (size_t i = 0; i < s.len;) {
        if ((unsigned char)s.p[i] < 0x80) {
            json_char(out, (unsigned char)s.p[i++]);
            continue;
        }
        struct str rest = str_slice(s, i, s.len);
        size_t n = character(rest);
        if (!n) {
            buf_add(out, STR("\\ufffd"));
            i++;
        } else if (n == 3 && memcmp(rest.p, "\xe2\x80", 2) == 0 && ((unsigned char)rest.p[2] | 1) == 0xa9) {
            buf_add(out, rest.p[2] == '\xa8' ? STR("\\u2028") : STR("\\u2029"));
            i += n;
        } else {
            buf_add(out, str_slice(rest, 0, n));
            i += n;
        }
    }
    buf_add_char(out, '"');
}

void go_json_labels(struct buf *out, struct labels labels)
{
    buf_add_char(out, '{');
    for (uint32_t i = 0; i < labels.n; i++) {
        if (i) {
            buf_add_char(out, ',');
        }
        go_json_str(out, labels.v[i].name);
        buf_add_char(out, ':');
        go_json_str(out, labels.v[i].value);
    }
    buf_add_char(out, '}');
}

void go_json_time(struct buf *out, int64_t wall_ms)
{
    if (!wall_ms) {
        buf_add(out, STR("\"0001-01-01T00:00:00Z\""));
        return;
    }
    auto_buf text;
    buf_init(&text, 64);
    clock_format_rfc3339(wall_ms, &text); /* 2026-11-22T07:15:17.048Z */
    struct str s = buf_str(&text);
    ptrdiff_t dot = str_find_char(s, '.');
    if (dot >= 0) {
        size_t end = s.len - 1;
        while (end > (size_t)dot + 1 && s.p[end - 1] == '0') {
            end--;
        }
        s = str_slice(s, 0, end == (size_t)dot + 1 ? (size_t)dot : end);
        buf_addf(out, "\"" STR_FMT "Z\"", STR_ARG(s));
    } else {
        buf_addf(out, "\"" STR_FMT "\"", STR_ARG(s));
    }
}

static struct labels edited(struct labels set, struct labels labels, bool is_label, notify_edit_fn edit,
                            struct arena *arena)
{
    struct labels_builder builder;
    if (!edit) {
        return set;
    }
    labels_builder_init(&builder, arena);
    for (uint32_t i = 0; i < set.n; i++) {
        labels_set(&builder, set.v[i].name, edit(set.v[i].value, labels, is_label, arena));
    }
    return labels_finish(&builder, false);
}

static struct tmpl_value alert_value(const struct notify_alert *a, notify_edit_fn edit, struct arena *arena)
{
    struct str fingerprint = arena_printf(arena, "%016llx", (unsigned long long)labels_fingerprint(a->labels));
    struct tmpl_field f[] = {
        {STR("Status"), tmpl_string(a->firing ? STR("firing") : STR("resolved"))},
        {STR("Labels"), tmpl_labels(edited(a->labels, a->labels, true, edit, arena), true, arena)},
        {STR("Annotations"), tmpl_labels(edited(a->annotations, a->labels, false, edit, arena), true, arena)},
        {STR("StartsAt"), {.kind = TMPL_TIME, .i = a->starts_ms}},
        {STR("EndsAt"), {.kind = TMPL_TIME, .i = a->ends_ms}},
        {STR("GeneratorURL"), tmpl_string(a->generator_url)},
        {STR("Fingerprint"), tmpl_string(fingerprint)},
        {STR("Value"), tmpl_float(a->value)},
    };
    return tmpl_object(f, sizeof(f) / sizeof(f[0]), arena);
}

int notify_expand(const struct template *tmpl, const struct notify_message *m, notify_edit_fn edit, struct arena *arena,
                  struct str *out, struct error *err)
{
    size_t n = m->n < TEMPLATE_ALERTS_MAX ? m->n : TEMPLATE_ALERTS_MAX;
    struct tmpl_value *alerts = arena_array(arena, struct tmpl_value, n + 1);
    for (size_t i = 0; i < n; i++) {
        alerts[i] = alert_value(m->alerts[i], edit, arena);
    }
    struct labels common = notify_common(m, false, arena);
    struct labels notes = notify_common(m, true, arena);
    struct tmpl_field f[] = {
        {STR("Receiver"), tmpl_string(m->receiver)},
        {STR("Status"), tmpl_string(str_of(notify_status(m)))},
        {STR("Alerts"), tmpl_list_of(alerts, n, arena)},
        {STR("GroupLabels"), tmpl_labels(edited(m->group_labels, common, true, edit, arena), true, arena)},
        {STR("CommonLabels"), tmpl_labels(edited(common, common, true, edit, arena), true, arena)},
        {STR("CommonAnnotations"), tmpl_labels(edited(notes, common, false, edit, arena), true, arena)},
        {STR("ExternalURL"), tmpl_string(m->external_url)},
    };
    struct tmpl_env env = {.arena = arena,
                           .dot = tmpl_object(f, sizeof(f) / sizeof(f[0]), arena),
                           .external_url = m->external_url,
                           .now_ms = m->now_ms};
    auto_buf text;
    buf_init(&text, 2 * TEMPLATE_OUTPUT_MAX);
    int rc = template_run(tmpl, &env, &text, err);
    if (!rc) {
        *out = arena_dup(arena, buf_str(&text));
    }
    return rc;
}
