#include "web/api/prom.h"

#define FLUSH_BYTES (256u << 10)

void answer_begin(struct answer *a, struct http_request *r)
{
    *a = (struct answer){.request = r};
    buf_init(&a->out, ANSWER_MAX);
    json_init(&a->w, &a->out);
    json_begin_object(&a->w);
    json_field(&a->w, "status", json_str, STR("success"));
    json_key(&a->w, STR("data"));
}

static bool flush_now(struct answer *a)
{
    if (!a->streaming) {
        a->streaming = true;
        a->gone = !http_stream_begin(a->request, "application/json");
    }
    a->gone = a->gone || a->out.failed || !http_stream_write(a->request, buf_str(&a->out));
    buf_clear(&a->out);
    return !a->gone;
}

bool answer_flush(struct answer *a)
{
    return !a->gone && (a->out.len < FLUSH_BYTES || flush_now(a));
}

static void write_texts(struct json_writer *w, struct str key, const struct str *texts, size_t n)
{
    if (n == 0) {
        return;
    }
    json_key(w, key);
    json_begin_array(w);
    for (size_t i = 0; i < n; i++) {
        json_str(w, texts[i]);
    }
    json_end_array(w);
}

void answer_end(struct answer *a, const struct str *warnings, size_t warning_count, const struct str *infos,
                size_t info_count)
{
    write_texts(&a->w, STR("warnings"), warnings, warning_count);
    write_texts(&a->w, STR("infos"), infos, info_count);
    json_end_object(&a->w);
    if (a->streaming) {
        (void)flush_now(a);
    } else if (a->out.failed) {
        prom_error(a->request, "execution",
                   "the answer would be larger than 1 GiB: narrow the selector or set a limit");
    } else {
        http_respond(a->request, 200, "application/json", buf_str(&a->out));
    }
    buf_release(&a->out);
}

static int status_of(const char *type)
{
    static const struct {
        const char *type;
        int status;
    } table[] = {{"bad_data", 400},    {"execution", 422}, {"timeout", 503},    {"canceled", 503},
                 {"unavailable", 503}, {"not_found", 404}, {"unsupported", 501}};
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (strcmp(type, table[i].type) == 0) {
            return table[i].status;
        }
    }
    return 500;
}

void prom_error(struct http_request *r, const char *type, const char *fmt, ...)
{
    char text[1024];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    http_respond_error(r, status_of(type), type, str_of(text));
}

bool prom_same_origin(struct http_request *r)
{
    if (!http_same_origin(r)) {
        http_respond_error(r, 403, "forbidden", STR("a page of another origin may not do this"));
        return false;
    }
    return true;
}

void prom_fail(struct http_request *r, int rc, const struct error *err)
{
    const char *type = rc == ERR_PARSE || rc == ERR_TYPE    ? "bad_data"
                       : rc == ERR_EXEC || rc == ERR_LIMIT  ? "execution"
                       : rc == ERR_TIMEOUT                  ? "timeout"
                       : rc == ERR_CANCELLED                ? "canceled"
                       : rc == ERR_NOT_FOUND                ? "not_found"
                       : rc == ERR_UNSUPPORTED              ? "unsupported"
                       : rc == ERR_CLOSED || rc == ERR_FULL ? "unavailable"
                                                            : "internal";
    prom_error(r, type, "%s", err && err->text[0] ? err->text : error_text(rc));
}

void prom_invalid(struct http_request *r, const char *name, const struct error *err)
{
    prom_error(r, "bad_data", "invalid parameter \"%s\": %s", name, err->text);
}

void prom_invalid_promql(struct http_request *r, const char *name, const struct error *err)
{
    if (err->line > 0) {
        prom_error(r, "bad_data", "invalid parameter \"%s\": %d:%d: parse error: %s", name, err->line, err->column,
                   err->text);
    } else {
        prom_error(r, "bad_data", "invalid parameter \"%s\": unknown position: parse error: %s", name, err->text);
    }
}

bool prom_time(struct http_request *r, const char *name, int64_t otherwise, int64_t *ms)
{
    struct str text = http_param(r, name);
    struct error err = {0};
    *ms = otherwise;
    if (text.len == 0 || param_time(text, ms, &err) == 0) {
        return true;
    }
    prom_error(r, "bad_data", "invalid parameter \"%s\": Invalid time value for '%s': %s", name, name, err.text);
    return false;
}

bool prom_limit(struct http_request *r, uint64_t *limit)
{
    struct error err = {0};
    if (param_limit(http_param(r, "limit"), limit, &err) == 0) {
        return true;
    }
    prom_invalid(r, "limit", &err);
    return false;
}

static bool read_selectors(struct http_request *r, struct selection *out)
{
    const struct str *texts;
    size_t n = http_params(r, "match[]", &texts);
    out->v = arena_array(http_arena(r), struct selector, n + 1);
    for (size_t i = 0; i < n; i++) {
        struct selector *s = &out->v[i];
        struct error err = {0};
        if (query_parse_selector(texts[i], http_arena(r), &s->matchers, &s->n, &err)) {
            prom_invalid_promql(r, "match[]", &err);
            return false;
        }
        out->n++;
    }
    return true;
}

bool selection_read(struct http_request *r, struct selection *out)
{
    *out = (struct selection){0};
    if (!prom_limit(r, &out->limit) || !prom_time(r, "start", TIME_MIN_MS, &out->start_ms) ||
        !prom_time(r, "end", TIME_MAX_MS, &out->end_ms) || !read_selectors(r, out)) {
        return false;
    }
    out->empty = out->end_ms < out->start_ms;
    return true;
}

void selection_release(struct selection *s)
{
    for (size_t i = 0; i < s->n; i++) {
        matchers_release(s->v[i].matchers, s->v[i].n);
    }
    s->n = 0;
}

void prom_board(struct http_request *r, struct board *board, const char *name, const char *otherwise)
{
    const struct board_doc *doc = board_read(board, name);
    struct answer a;
    answer_begin(&a, r);
    json_raw(&a.w, doc ? doc->json : str_of(otherwise));
    answer_end(&a, NULL, 0, NULL, 0);
    board_unref(doc);
}

void write_labels(struct json_writer *w, struct labels labels)
{
    json_begin_object(w);
    for (uint32_t i = 0; i < labels.n; i++) {
        json_key(w, labels.v[i].name);
        json_str(w, labels.v[i].value);
    }
    json_end_object(w);
}
