/*
 * /federate: the newest sample of each series that matches, in text exposition format 0.0.4, for another Prometheus to
 * scrape. Source: Prometheus' web/federate.go, for behaviour only.
 */
#include "src/base/clock.h"
#include "src/base/number.h"
#include "web/api/endpoints.h"
#include "web/api/prom.h"

#include <stdlib.h>

#define LOOKBACK_MS  300000
#define CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"
#define TEXT_MAX     (1u << 30)
#define PIECE        (256u << 10)

struct found {
    struct series_ref ref;
    struct str name;
};
struct federation {
    struct http_request *request;
    struct snapshot *snapshot;
    vec(struct found) found;
    struct buf out;
    int64_t now_ms;
};

static int by_name(const void *a, const void *b)
{
    const struct found *x = a, *y = b;
    int c = str_cmp(x->name, y->name);
    c = c ? c : labels_cmp(x->ref.labels, y->ref.labels);
    return c ? c : (x->ref.id > y->ref.id) - (x->ref.id < y->ref.id);
}

static int find(struct federation *f, const struct selection *s)
{
    for (size_t i = 0; i < s->n; i++) {
        struct series_set set = {0};
        int rc = snapshot_select(f->snapshot, s->v[i].matchers, s->v[i].n, f->now_ms - LOOKBACK_MS, f->now_ms, 0,
                                 http_arena(f->request), &set);
        if (rc) {
            return rc;
        }
        for (size_t k = 0; k < set.n; k++) {
            vec_push(&f->found, (struct found){set.v[k], labels_get(set.v[k].labels, METRIC_NAME)});
        }
    }
    if (f->found.len > 1) {
        qsort(f->found.p, f->found.len, sizeof(*f->found.p), by_name);
    }
    return 0;
}

static void add_escaped(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.p[i];
        if (c == '\\' || c == '"') {
            buf_addf(out, "\\%c", c);
        } else if (c == '\n') {
            buf_add(out, STR("\\n"));
        } else {
            buf_add_char(out, c);
        }
    }
}

/* A name that is not of the old alphabet in quotes, as 3.x writes it. */
static void add_name(struct buf *out, struct str name, bool legal)
{
    if (legal) {
        buf_add(out, name);
        return;
    }
    buf_add_char(out, '"');
    add_escaped(out, name);
    buf_add_char(out, '"');
}

/* "name{a="b",instance=""} "; a series without an instance gets an empty one, so that the scraper adds none of its own.
 */
static void add_series(struct buf *out, const struct found *s)
{
    bool legal = metric_name_legal(s->name), instance = false;
    struct labels labels = s->ref.labels;
    if (legal) {
        buf_add(out, s->name);
    }
    buf_add_char(out, '{');
    if (!legal) {
        add_name(out, s->name, false);
    }
    const char *comma = legal ? "" : ",";
    for (uint32_t i = 0; i < labels.n; i++) {
        if (str_eq(labels.v[i].name, METRIC_NAME)) {
            continue;
        }
        instance = instance || str_is(labels.v[i].name, "instance");
        buf_add(out, str_of(comma));
        add_name(out, labels.v[i].name, label_name_legal(labels.v[i].name));
        buf_add(out, STR("=\""));
        add_escaped(out, labels.v[i].value);
        buf_add_char(out, '"');
        comma = ",";
    }
    buf_addf(out, "%s} ", instance ? "" : *comma ? ",instance=\"\"" : "instance=\"\"");
}

/* What has no sample in the lookback, or ended, is left out. Ends early when the text has become too long. */
static int add_samples(struct federation *f)
{
    struct sample_columns samples = {0};
    struct str family = {0};
    int rc = 0;
    for (size_t i = 0; i < f->found.len && rc == 0 && !f->out.failed; i++) {
        const struct found *s = &f->found.p[i];
        if (s->name.len == 0 || (i && s->ref.id == s[-1].ref.id)) {
            continue;
        }
        rc = snapshot_read(f->snapshot, s->ref.id, f->now_ms - LOOKBACK_MS, f->now_ms, &samples);
        if (rc || samples.n == 0 || sample_is_stale(samples.v[samples.n - 1])) {
            continue;
        }
        if (!str_eq(family, s->name)) {
            family = s->name;
            buf_add(&f->out, STR("# TYPE "));
            add_name(&f->out, family, metric_name_legal(family));
            buf_add(&f->out, STR(" untyped\n"));
        }
        char text[NUMBER_MAX];
        add_series(&f->out, s);
        buf_add_bytes(&f->out, text, number_format_g(samples.v[samples.n - 1], text));
        buf_addf(&f->out, " %lld\n", (long long)samples.t_ms[samples.n - 1]);
    }
    sample_columns_release(&samples);
    return rc;
}

/* Nothing is sent while the snapshot is open. */
static void send_text(struct http_request *r, struct str text)
{
    if (text.len <= PIECE) {
        http_respond(r, 200, CONTENT_TYPE, text);
        return;
    }
    bool ok = http_stream_begin(r, CONTENT_TYPE);
    for (size_t at = 0; ok && at < text.len; at += PIECE) {
        ok = http_stream_write(r, str_slice(text, at, at + PIECE));
    }
}

static void answer_text(struct http_request *r, int status, const char *text)
{
    http_respond(r, status, "text/plain; charset=utf-8", arena_printf(http_arena(r), "%s\n", text));
}

static bool read_selectors(struct http_request *r, struct selection *out)
{
    const struct str *texts;
    size_t n = http_params(r, "match[]", &texts);
    out->v = arena_array(http_arena(r), struct selector, n + 1);
    for (size_t i = 0; i < n; i++, out->n++) {
        struct error err = {0};
        if (query_parse_selector(texts[i], http_arena(r), &out->v[i].matchers, &out->v[i].n, &err)) {
            answer_text(r, 400,
                        err.line > 0
                            ? arena_printf(http_arena(r), "%d:%d: parse error: %s", err.line, err.column, err.text).p
                            : err.text);
            return false;
        }
    }
    return true;
}

void api_federate(struct http_request *r, void *ctx)
{
    const struct api_context *api = ctx;
    auto_selection selection = {0};
    if (!read_selectors(r, &selection)) {
        return;
    }
    struct federation f = {.request = r, .now_ms = clock_wall_ms()};
    buf_init(&f.out, TEXT_MAX);
    int rc = snapshot_open(api->store, &f.snapshot);
    rc = rc ? rc : find(&f, &selection);
    rc = rc ? rc : add_samples(&f);
    snapshot_close(f.snapshot);
    if (rc || f.out.failed) {
        answer_text(r, 500, rc ? error_text(rc) : "the answer would be larger than 1 GiB: narrow match[]");
    } else {
        send_text(r, buf_str(&f.out));
    }
    vec_release(&f.found);
    buf_release(&f.out);
}
