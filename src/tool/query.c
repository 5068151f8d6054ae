/* cloche query: asks a running server, prints an aligned table or the JSON as it came. */
#include "src/base/clock.h"
#include "src/base/url.h"
#include "src/loop/loop_http.h"
#include "src/tool/tool.h"

#include <getopt.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>

enum { QUERY_TIMEOUT_MS = 150000, LABEL_WIDTH_MAX = 100 };

struct query_call {
    struct loop *loop;
    struct http_client *http;
    const char *url, *expr, *time, *start, *end, *step;
    bool json;
    int status; /* exit status */
};

static void add_param(struct buf *out, struct arena *arena, const char *name, const char *value)
{
    if (value) {
        struct str text = url_encode(str_of(value), arena);
        buf_addf(out, "%s%s=" STR_FMT, out->len ? "&" : "", name, STR_ARG(text));
    }
}

/* name{a="b"} of a JSON metric object. */
static void print_metric(json_t *metric, struct buf *out)
{
    const char *name = json_string_value(json_object_get(metric, "__name__"));
    buf_add(out, str_of(name));
    size_t labels = json_object_size(metric) - (name ? 1 : 0);
    if (!labels && name) {
        return;
    }
    buf_add_char(out, '{');
    const char *key;
    json_t *value;
    bool first = true;
    json_object_foreach(metric, key, value)
    {
        if (!str_is(str_of(key), "__name__")) {
            buf_addf(out, "%s%s=\"%s\"", first ? "" : ", ", key, json_string_value(value));
            first = false;
        }
    }
    buf_add_char(out, '}');
}

static void format_time(json_t *seconds, struct buf *out)
{
    clock_format_rfc3339((int64_t)(json_number_value(seconds) * 1000), out);
}

static int metric_width(json_t *result)
{
    size_t width = 6;
    size_t i;
    json_t *series;
    json_array_foreach(result, i, series)
    {
        auto_buf name = {0};
        buf_init(&name, 1 << 16);
        print_metric(json_object_get(series, "metric"), &name);
        width = name.len > width ? name.len : width;
    }
    return (int)(width > LABEL_WIDTH_MAX ? LABEL_WIDTH_MAX : width);
}

static void print_point(const char *metric, int width, json_t *point)
{
    auto_buf time = {0};
    buf_init(&time, 64);
    format_time(json_array_get(point, 0), &time);
    printf("%-*s  %s  %20s\n", width, metric, time.p, json_string_value(json_array_get(point, 1)));
}

static void print_series(json_t *result)
{
    int width = metric_width(result);
    size_t i;
    json_t *series;
    json_array_foreach(result, i, series)
    {
        auto_buf name = {0};
        buf_init(&name, 1 << 16);
        print_metric(json_object_get(series, "metric"), &name);
        json_t *value = json_object_get(series, "value");
        if (value) {
            print_point(name.p, width, value);
        }
        size_t j;
        json_t *point;
        json_array_foreach(json_object_get(series, "values"), j, point)
        {
            print_point(j ? "" : name.p, width, point);
        }
    }
    if (!json_array_size(result)) {
        puts("no data");
    }
}

static int print_answer(json_t *root)
{
    const char *error = json_string_value(json_object_get(root, "error"));
    if (error) {
        return tool_fail(1, "%s", error);
    }
    json_t *data = json_object_get(root, "data");
    const char *type = json_string_value(json_object_get(data, "resultType"));
    json_t *result = json_object_get(data, "result");
    if (!type) {
        return tool_fail(1, "the server's answer is not Prometheus' JSON");
    }
    if (str_is(str_of(type), "scalar") || str_is(str_of(type), "string")) {
        print_point(type, (int)strlen(type), result);
    } else {
        print_series(result);
    }
    return 0;
}

static void on_answer(void *ctx, const struct http_answer *answer, const struct error *err)
{
    struct query_call *call = ctx;
    if (answer->status == 0) {
        call->status = tool_fail(1, "%s: %s; is cloche running there?", call->url, err ? err->text : "no answer");
    } else if (call->json) {
        fwrite(answer->body.p, 1, answer->body.len, stdout);
        putchar('\n');
        call->status = answer->status == 200 ? 0 : 1;
    } else {
        json_error_t reason;
        json_t *root = json_loadb(answer->body.p ? answer->body.p : "", answer->body.len, 0, &reason);
        call->status = root ? print_answer(root) : tool_fail(1, "status %d, no JSON: %s", answer->status, reason.text);
        json_decref(root);
    }
    loop_stop(call->loop);
}

static void send_query(struct query_call *call) LOOP_ONLY
{
    auto_arena arena = {0};
    arena_init(&arena);
    auto_buf body = {0};
    buf_init(&body, 1 << 20);
    add_param(&body, &arena, "query", call->expr);
    add_param(&body, &arena, "time", call->time);
    add_param(&body, &arena, "start", call->start);
    add_param(&body, &arena, "end", call->end);
    add_param(&body, &arena, "step", call->step);
    const char *const headers[] = {"Content-Type: application/x-www-form-urlencoded", NULL};
    struct http_call request = {
        .method = "POST",
        .url = arena_printf(&arena, "%s/api/v1/%s", call->url, call->start ? "query_range" : "query"),
        .headers = headers,
        .body = buf_str(&body),
        .timeout_ms = QUERY_TIMEOUT_MS,
    };
    http_send(call->http, &request, on_answer, call);
}

static int parse_options(int argc, char **argv, struct query_call *call)
{
    static const struct option options[] = {
        {"url", required_argument, NULL, 'u'},
        {"time", required_argument, NULL, 't'},
        {"start", required_argument, NULL, 's'},
        {"end", required_argument, NULL, 'e'},
        {"step", required_argument, NULL, 'p'},
        {"json", no_argument, NULL, 'j'},
        {0},
    };
    optind = 1;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (c) {
        case 'u':
            call->url = optarg;
            break;
        case 't':
            call->time = optarg;
            break;
        case 's':
            call->start = optarg;
            break;
        case 'e':
            call->end = optarg;
            break;
        case 'p':
            call->step = optarg;
            break;
        case 'j':
            call->json = true;
            break;
        default:
            return tool_fail(2, "see cloche --help");
        }
    }
    if (optind != argc - 1) {
        return tool_fail(2, "query takes one expression; put it in quotes");
    }
    if (call->start && (!call->end || !call->step)) {
        return tool_fail(2, "a range needs --start, --end and --step");
    }
    call->expr = argv[optind];
    return 0;
}

int tool_query(int argc, char **argv)
{
    struct query_call call = {.url = "http://127.0.0.1:9900", .status = 1};
    int status = parse_options(argc, argv, &call);
    if (status) {
        return status;
    }
    signal(SIGPIPE, SIG_IGN);
    loop_claim();
    loop_assert();
    call.loop = loop_new();
    call.http = http_client_new(call.loop);
    send_query(&call);
    loop_run(call.loop);
    http_client_free(call.http);
    loop_free(call.loop);
    return call.status;
}
