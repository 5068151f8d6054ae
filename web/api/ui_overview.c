/* /api/ui/overview: everything the first page shows, in one answer. */
#include "src/base/clock.h"
#include "storage/task.h"
#include "web/api/endpoints.h"
#include "web/api/overview.h"
#include "web/api/ui.h"

#define FAILURES_MAX     10
#define FAILURES_SINCE_H 24
#define OVERVIEW_MAX     (16u << 20)

static json_t *read_board(const struct api_context *api, const char *name)
{
    const struct board_doc *doc = board_read(api->board, name);
    json_t *root = doc ? json_loadb(doc->json.p, doc->json.len, 0, NULL) : NULL;
    board_unref(doc);
    return root;
}

static void write_alerts(const struct api_context *api, struct json_writer *w)
{
    json_t *root = read_board(api, "alerts");
    json_t *alerts = json_object_get(root, "alerts");
    char *text = alerts ? json_dumps(alerts, JSON_COMPACT) : NULL;
    json_key(w, STR("alerts"));
    if (text) {
        json_raw(w, str_of(text));
    } else {
        json_nil(w);
    }
    free(text);
    json_decref(root);
}

static void write_failures(const struct overview *o, struct json_writer *w)
{
    struct task_failure *failures = NULL;
    size_t n = 0;
    int64_t since_ms = o->now_ms - (int64_t)FAILURES_SINCE_H * 3600 * 1000;
    if (task_failures(o->api->store, since_ms, FAILURES_MAX, http_arena(o->request), &failures, &n)) {
        n = 0;
    }
    json_key(w, STR("failures"));
    json_begin_array(w);
    for (size_t i = 0; i < n; i++) {
        const struct task_failure *f = &failures[i];
        json_begin_object(w);
        json_field(w, "name", json_str, f->name);
        json_field(w, "exception_class", json_str, f->exception_class);
        json_field(w, "exception", json_str, f->exception);
        json_field(w, "uuid", json_str, f->uuid);
        json_field(w, "worker", json_str, f->worker);
        json_field(w, "count", json_int, (int64_t)f->count);
        json_field(w, "first", json_seconds, f->first_ms);
        json_field(w, "last", json_seconds, f->last_ms);
        json_end_object(w);
    }
    json_end_array(w);
}

void ui_overview(struct http_request *r, void *ctx)
{
    const struct api_context *api = ctx;
    struct overview o = {.request = r,
                         .api = api,
                         .now_ms = clock_wall_ms(),
                         .workers = read_board(api, "workers"),
                         .queues = read_board(api, "queues"),
                         .targets = read_board(api, "targets")};
    auto_buf out;
    buf_init(&out, OVERVIEW_MAX);
    struct json_writer w;
    json_init(&w, &out);
    json_begin_object(&w);
    overview_verdicts(&o, &w);
    write_alerts(api, &w);
    write_failures(&o, &w);
    overview_queues(&o, &w);
    overview_services(&o, &w);
    json_end_object(&w);
    json_decref(o.workers);
    json_decref(o.queues);
    json_decref(o.targets);
    ui_answer(r, &out);
}
