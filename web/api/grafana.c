/* Grafana's JSON data sources: paths, and the two forms of their answers. */
#include "web/api/grafana.h"

#include "src/base/clock.h"
#include "web/api/endpoints.h"

static const struct {
    const char *path;
    int (*fn)(struct grafana_call *c);
} endpoints[] = {
    {"/grafana/query", grafana_query},       {"/grafana/annotations", grafana_annotations},
    {"/grafana/metrics", grafana_metrics},   {"/grafana/metric-payload-options", grafana_payload_options},
    {"/grafana/search", grafana_search},     {"/grafana/variable", grafana_variable},
    {"/grafana/tag-keys", grafana_tag_keys}, {"/grafana/tag-values", grafana_tag_values},
};
#define ENDPOINTS (sizeof(endpoints) / sizeof(endpoints[0]))

/* Panels show "message", Save & test shows "error". */
static void answer_error(struct http_request *r, int status, const char *code, const char *text)
{
    auto_buf out;
    buf_init(&out, 65536);
    struct json_writer w;
    json_init(&w, &out);
    json_begin_object(&w);
    json_field(&w, "message", json_str, str_of(text));
    json_key(&w, STR("error"));
    json_begin_object(&w);
    json_field(&w, "code", json_str, str_of(code));
    json_field(&w, "message", json_str, str_of(text));
    json_end_object(&w);
    json_end_object(&w);
    http_respond(r, status, "application/json", buf_str(&out));
}

static void answer_failure(struct http_request *r, int rc, const struct error *err)
{
    static const struct {
        int rc, status;
        const char *code;
    } table[] = {{ERR_PARSE, 400, "bad_request"},        {ERR_TYPE, 400, "bad_request"},
                 {ERR_EXEC, 400, "execution"},           {ERR_UNSUPPORTED, 400, "unsupported"},
                 {ERR_NOT_FOUND, 400, "unknown_target"}, {ERR_LIMIT, 400, "too_much"},
                 {ERR_TIMEOUT, 503, "timeout"},          {ERR_CANCELLED, 503, "canceled"},
                 {ERR_CLOSED, 503, "unavailable"},       {ERR_FULL, 503, "unavailable"}};
    const char *text = err->text[0] ? err->text : error_text(rc);
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (table[i].rc == rc) {
            answer_error(r, table[i].status, table[i].code, text);
            return;
        }
    }
    answer_error(r, 500, "internal", text);
}

void grafana_post(struct http_request *r, void *ctx)
{
    const struct api_context *api = ctx;
    struct grafana_call c = {.http = r, .api = api, .arena = http_arena(r)};
    size_t i = 0;
    while (!str_is(http_path(r), endpoints[i].path) && i + 1 < ENDPOINTS) {
        i++;
    }
    buf_init(&c.out, GRAFANA_ANSWER_MAX);
    json_init(&c.w, &c.out);
    int rc = grafana_read(http_body(r), clock_wall_ms(), api->scrape_interval_ms, c.arena, &c.in, &c.err);
    rc = rc ? rc : endpoints[i].fn(&c);
    if (rc == 0 && c.out.failed) {
        rc = error_set(&c.err, ERR_LIMIT, "the answer would be larger than 64 MiB: ask for less, or aggregate");
    }
    if (rc) {
        answer_failure(r, rc, &c.err);
    } else {
        http_respond(r, 200, "application/json", buf_str(&c.out));
    }
    grafana_release(&c.in);
    buf_release(&c.out);
}

/* "Save & test": 200 itself, with and without the slash, because Grafana's proxy would hand a redirect to the browser.
 */
void grafana_health(struct http_request *r, void *ctx)
{
    const struct api_context *api = ctx;
    auto_buf out;
    buf_init(&out, 4096);
    struct json_writer w;
    json_init(&w, &out);
    json_begin_object(&w);
    json_field(&w, "status", json_str, STR("ok"));
    json_field(&w, "message", json_str, STR("cloche is here"));
    json_field(&w, "version", json_str, str_of(api->version));
    json_end_object(&w);
    http_respond(r, 200, "application/json", buf_str(&out));
}

void grafana_unknown(struct http_request *r, void *ctx)
{
    (void)ctx;
    answer_error(r, 404, "not_found",
                 "there is nothing at this path: the data source's URL must end with /grafana, and its type be JSON");
}
