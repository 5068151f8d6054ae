/*
 * /federate: the newest sample of each series that matches, in text exposition format 0.0.4, for another Prometheus to
 * scrape. It waits at the gate of the queries, is listed with them and keeps to their limits (run.h). Source:
 * Prometheus' web/federate.go, for behaviour only.
 */
#include "src/base/clock.h"
#include "src/base/number.h"
#include "web/api/endpoints.h"
#include "web/api/run.h"

#include <stdlib.h>

#define LOOKBACK_MS  300000
#define CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"
#define TEXT_MAX     (1u << 30)
#define PIECE        (256u << 10)
#define CHECK_EVERY  64 /* series, between two looks at whether it shall end */

struct found {
    struct series_ref ref;
    struct str name;
};
struct federation {
    struct run run;
    uint64_t samples; /* read */
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

static int too_many_series(uint64_t max, struct error *err)
{
    return error_set(err, ERR_LIMIT, "more than %llu series match: narrow match[], or raise query_max_series",
                     (unsigned long long)max);
}

static int check_limits(struct federation *f, struct error *err)
{
    const struct api_context *api = f->run.api;
    uint64_t max_series = api->query_max_series, max_samples = api->query_max_samples;
    atomic_store(&f->run.active.progress.samples, f->samples);
    atomic_store(&f->run.active.progress.memory_bytes, f->found.len * sizeof(*f->found.p) + f->out.cap);
    if (max_series && f->found.len > max_series) {
        return too_many_series(max_series, err);
    }
    if (max_samples && f->samples > max_samples) {
        return error_set(err, ERR_LIMIT,
                         "more than %llu samples would be read: narrow match[], or raise query_max_samples",
                         (unsigned long long)max_samples);
    }
    if (run_cancelled(&f->run)) {
        return error_set(err, ERR_CANCELLED, "the federation was canceled");
    }
    return clock_mono_ms() >= f->run.deadline_mono_ms ? error_set(err, ERR_TIMEOUT, "the federation timed out") : 0;
}

static int find(struct federation *f, const struct selection *s, struct error *err)
{
    uint64_t max_series = f->run.api->query_max_series;
    for (size_t i = 0; i < s->n; i++) {
        struct series_set set = {0};
        int rc = snapshot_select(f->snapshot, s->v[i].matchers, s->v[i].n, f->now_ms - LOOKBACK_MS, f->now_ms,
                                 (size_t)max_series, http_arena(f->run.request), &set);
        if (rc) {
            return rc == ERR_LIMIT ? too_many_series(max_series, err) : rc;
        }
        for (size_t k = 0; k < set.n; k++) {
            vec_push(&f->found, (struct found){set.v[k], labels_get(set.v[k].labels, METRIC_NAME)});
        }
        rc = check_limits(f, err);
        if (rc) {
            return rc;
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
static int add_samples(struct federation *f, struct error *err)
{
    struct sample_columns samples = {0};
    struct str family = {0};
    int rc = 0;
    for (size_t i = 0; i < f->found.len && rc == 0 && !f->out.failed; i++) {
        const struct found *s = &f->found.p[i];
        rc = i % CHECK_EVERY == 0 ? check_limits(f, err) : 0;
        if (rc) {
            break;
        }
        if (s->name.len == 0 || (i && s->ref.id == s[-1].ref.id)) {
            continue;
        }
        rc = snapshot_read(f->snapshot, s->ref.id, f->now_ms - LOOKBACK_MS, f->now_ms, &samples);
        f->samples += samples.n;
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
    return rc ? rc : check_limits(f, err);
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

/* As the selectors came, for whoever looks at the list of queries. */
static struct str text_of(struct http_request *r)
{
    const struct str *texts;
    size_t n = http_params(r, "match[]", &texts);
    auto_buf text;
    buf_init(&text, 1u << 20);
    buf_add(&text, STR("federate"));
    for (size_t i = 0; i < n && text.len < ACTIVE_TEXT_MAX; i++) {
        buf_addf(&text, " " STR_FMT, STR_ARG(str_slice(texts[i], 0, ACTIVE_TEXT_MAX)));
    }
    return arena_dup(http_arena(r), buf_str(&text));
}

/* What a query would be refused with, as plain text. */
static void answer_failure(struct http_request *r, int rc, const struct error *err)
{
    int status = rc == ERR_TIMEOUT || rc == ERR_CANCELLED ? 503 : rc == ERR_LIMIT ? 422 : 500;
    answer_text(r, status, err->text[0] ? err->text : error_text(rc));
}

static int collect(struct federation *f, const struct selection *selection, struct error *err)
{
    int rc = snapshot_open(f->run.api->store, &f->snapshot);
    rc = rc ? rc : find(f, selection, err);
    rc = rc ? rc : add_samples(f, err);
    snapshot_close(f->snapshot);
    if (rc == 0 && f->out.failed) {
        rc = error_set(err, ERR_LIMIT, "the answer would be larger than 1 GiB: narrow match[]");
    }
    return rc;
}

void api_federate(struct http_request *r, void *ctx)
{
    const struct api_context *api = ctx;
    auto_selection selection = {0};
    if (!read_selectors(r, &selection)) {
        return;
    }
    struct error err = {0};
    int64_t now_ms = clock_wall_ms();
    struct federation f = {
        .run = {.request = r, .api = api, .active = {.text = text_of(r), .start_ms = now_ms, .end_ms = now_ms}},
        .now_ms = now_ms};
    buf_init(&f.out, TEXT_MAX);
    int rc = run_begin(&f.run, api->query_timeout_ms, &err);
    if (rc == 0) {
        rc = collect(&f, &selection, &err);
        run_end(
            &f.run,
            &(struct query_result){.stats = {.samples = f.samples, .series = f.found.len, .memory_bytes = f.out.cap}},
            rc);
    }
    if (rc) {
        answer_failure(r, rc, &err);
    } else {
        send_text(r, buf_str(&f.out));
    }
    vec_release(&f.found);
    buf_release(&f.out);
}
