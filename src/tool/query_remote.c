/* cloche query --url: asks over Prometheus' HTTP API. What comes back is checked like any foreign text. */
#include "src/base/number.h"
#include "src/base/url.h"
#include "src/tool/query.h"
#include "src/tool/remote.h"

#include <jansson.h>
#include <math.h>

#define ANSWER_MAX     (1u << 30)
#define FORM_MAX       (1u << 20)
#define TIME_MAX_S     1e12 /* what a server may say, so that differences of times fit */
#define BAD_ANSWER     "the answer is not Prometheus' JSON"
#define ANSWER_TOO_BIG "the answer is larger than 1 GiB; narrow the query"

/* -- the request -- */

static void add_param(struct buf *form, struct arena *arena, const char *name, struct str value)
{
    buf_addf(form, "%s%s=" STR_FMT, form->len ? "&" : "", name, STR_ARG(url_encode(value, arena)));
}

static void add_ms(struct buf *form, struct arena *arena, const char *name, int64_t ms)
{
    const char *sign = ms < 0 ? "-" : "";
    uint64_t n = ms < 0 ? -(uint64_t)ms : (uint64_t)ms;
    add_param(
        form, arena, name,
        arena_printf(arena, "%s%llu.%03llu", sign, (unsigned long long)(n / 1000), (unsigned long long)(n % 1000)));
}

static void write_form(const struct query_call *call, struct arena *arena, struct buf *form)
{
    add_param(form, arena, "query", str_of(call->expr));
    if (call->view.step_ms) {
        add_ms(form, arena, "start", call->view.start_ms);
        add_ms(form, arena, "end", call->view.end_ms);
        add_ms(form, arena, "step", call->view.step_ms);
    } else if (call->has_time) {
        add_ms(form, arena, "time", call->time_ms);
    }
}

/* -- the answer -- */

static bool read_time(json_t *json, int64_t *ms)
{
    double seconds = json_number_value(json);
    if (!json_is_number(json) || !(fabs(seconds) < TIME_MAX_S)) {
        return false;
    }
    *ms = llround(seconds * 1000);
    return true;
}

static struct str text_of(json_t *json)
{
    return str_make(json_string_value(json), json_string_length(json));
}

static bool read_point(json_t *pair, struct point *out)
{
    json_t *value = json_array_get(pair, 1);
    return read_time(json_array_get(pair, 0), &out->t_ms) && json_is_string(value) &&
           number_parse(text_of(value), &out->v);
}

static bool read_labels(json_t *metric, struct arena *arena, struct labels *out)
{
    struct labels_builder builder;
    labels_builder_init(&builder, arena);
    const char *name;
    json_t *value;
    json_object_foreach(metric, name, value)
    {
        if (!json_is_string(value)) {
            return false;
        }
        labels_set(&builder, str_of(name), text_of(value));
    }
    *out = labels_finish(&builder, true);
    return json_is_object(metric) && !builder.overflow;
}

static bool read_series(json_t *json, bool matrix, struct arena *arena, struct result_series *out)
{
    json_t *values = json_object_get(json, "values");
    out->n = matrix ? json_array_size(values) : 1;
    out->points = arena_array(arena, struct point, out->n);
    if (!read_labels(json_object_get(json, "metric"), arena, &out->labels) || out->n == 0) {
        return false;
    }
    for (size_t i = 0; i < out->n; i++) {
        json_t *pair = matrix ? json_array_get(values, i) : json_object_get(json, "value");
        if (!read_point(pair, &out->points[i])) {
            return false;
        }
    }
    return true;
}

static bool read_result(json_t *data, struct arena *arena, struct query_result *out)
{
    static const enum value_type types[] = {VALUE_SCALAR, VALUE_STRING, VALUE_VECTOR, VALUE_MATRIX};
    struct str type = text_of(json_object_get(data, "resultType"));
    json_t *result = json_object_get(data, "result");
    size_t t = 0;
    while (t < 4 && !str_is(type, value_type_name(types[t]))) {
        t++;
    }
    if (t == 4 || !json_is_array(result)) {
        return false;
    }
    out->type = types[t];
    if (out->type == VALUE_SCALAR) {
        struct point point;
        bool fine = read_point(result, &point);
        out->t_ms = point.t_ms;
        out->scalar = point.v;
        return fine;
    }
    if (out->type == VALUE_STRING) {
        out->string = arena_dup(arena, text_of(json_array_get(result, 1)));
        return read_time(json_array_get(result, 0), &out->t_ms);
    }
    out->n = json_array_size(result);
    out->series = arena_array(arena, struct result_series, out->n);
    for (size_t i = 0; i < out->n; i++) {
        if (!read_series(json_array_get(result, i), out->type == VALUE_MATRIX, arena, &out->series[i])) {
            return false;
        }
    }
    return true;
}

static const struct str *read_texts(json_t *list, struct arena *arena, size_t *n)
{
    *n = json_array_size(list);
    struct str *texts = arena_array(arena, struct str, *n);
    for (size_t i = 0; i < *n; i++) {
        texts[i] = arena_dup(arena, text_of(json_array_get(list, i)));
    }
    return texts;
}

static int read_answer(const struct query_call *call, struct str body, struct arena *arena, struct query_result *out)
{
    json_t *root = json_loadb(body.p ? body.p : "", body.len, JSON_ALLOW_NUL, NULL);
    int status = 0;
    if (!root || !read_result(json_object_get(root, "data"), arena, out)) {
        status = tool_fail(1, "%s: " BAD_ANSWER, call->url);
    } else {
        out->warnings = read_texts(json_object_get(root, "warnings"), arena, &out->warning_count);
        out->infos = read_texts(json_object_get(root, "infos"), arena, &out->info_count);
    }
    json_decref(root);
    return status;
}

static int read_error(const struct query_call *call, const struct http_fetched *answer)
{
    json_t *root = json_loadb(answer->body.p ? answer->body.p : "", answer->body.len, 0, NULL);
    struct str text = text_of(json_object_get(root, "error"));
    int status = text.len ? query_refused(call, text)
                          : tool_fail(1, "%s: the server answered with status %d", call->url, answer->status);
    json_decref(root);
    return status;
}

static bool take(void *ctx, struct str bytes)
{
    struct buf *body = ctx;
    buf_add(body, bytes);
    if (body->failed) {
        tool_fail(1, ANSWER_TOO_BIG);
    }
    return !body->failed;
}

int query_remote(const struct query_call *call, struct arena *arena, struct query_result *out)
{
    struct remote remote;
    remote_init(&remote, call->url);
    auto_buf form, body;
    buf_init(&form, FORM_MAX);
    buf_init(&body, ANSWER_MAX);
    write_form(call, arena, &form);
    struct http_fetched answer = {0};
    struct http_fetch fetch = {
        .method = "POST",
        .url = arena_printf(arena, "%s/api/v1/%s", call->url, call->view.step_ms ? "query_range" : "query"),
        .content_type = "application/x-www-form-urlencoded",
        .body = buf_str(&form),
        .take = take,
        .ctx = &body,
    };
    int status = form.failed ? tool_fail(2, "the query is too long") : remote_ask(&remote, &fetch, &answer);
    if (status == 0) {
        status = answer.status == 200 ? read_answer(call, buf_str(&body), arena, out) : read_error(call, &answer);
    }
    buf_release(&answer.body);
    remote_release(&remote);
    return status;
}
