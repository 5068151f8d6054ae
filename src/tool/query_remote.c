/* cloche query --url: asks over Prometheus' HTTP API. */
#include "src/base/url.h"
#include "src/tool/query.h"
#include "src/tool/remote.h"

#include <jansson.h>

#define ANSWER_MAX     (1u << 30)
#define FORM_MAX       (1u << 20)
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

static int read_answer(const struct query_call *call, struct str body, struct arena *arena, struct query_result *out)
{
    return query_answer_read(body, arena, out) ? 0 : tool_fail(1, "%s: " BAD_ANSWER, call->url);
}

static int read_error(const struct query_call *call, const struct http_fetched *answer)
{
    json_t *root = json_loadb(answer->body.p ? answer->body.p : "", answer->body.len, 0, NULL);
    struct str text = str_of(json_string_value(json_object_get(root, "error")));
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

/* "http://host/" and "http://host" are the same server. */
static struct str endpoint(const struct query_call *call, struct arena *arena)
{
    struct str base = str_of(call->url);
    while (str_ends(base, STR("/"))) {
        base = str_slice(base, 0, base.len - 1);
    }
    return arena_printf(arena, STR_FMT "/api/v1/%s", STR_ARG(base), call->view.step_ms ? "query_range" : "query");
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
        .url = endpoint(call, arena),
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
