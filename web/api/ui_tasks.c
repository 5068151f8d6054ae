/* /api/ui/tasks, /tasks/facets, /tasks/{uuid}: the task history. */
#include "storage/task.h"
#include "web/api/endpoints.h"
#include "web/api/ui.h"

#define TASKS_JSON_MAX (64u << 20)
#define LIMIT_DEFAULT  100
#define LIMIT_MAX      1000
#define CHILDREN_MAX   200

static bool read_states(struct http_request *r, uint32_t *states)
{
    const struct str *names;
    size_t n = http_params(r, "state", &names);
    for (size_t i = 0; i < n; i++) {
        enum task_state state;
        if (names[i].len == 0) {
            continue;
        }
        if (!task_state_parse(names[i], &state)) {
            ui_error(r, 400,
                     "state '" STR_FMT "' is not known: PENDING RECEIVED STARTED SUCCESS FAILURE RETRY REVOKED "
                     "REJECTED CUSTOM",
                     STR_ARG(str_slice(names[i], 0, 64)));
            return false;
        }
        *states |= 1u << state;
    }
    return true;
}

static bool read_time(struct http_request *r, const char *name, int64_t *ms)
{
    struct str text = http_param(r, name);
    struct error err = {0};
    if (text.len == 0 || param_time(text, ms, &err) == 0) {
        return true;
    }
    ui_error(r, 400, "%s: %s", name, err.text);
    return false;
}

static bool read_cursor(struct http_request *r, const char *name, uint64_t *id)
{
    struct str text = http_param(r, name);
    if (text.len == 0 || str_to_uint64(text, id)) {
        return true;
    }
    ui_error(r, 400, "%s is not a cursor: take the \"next\" of an earlier answer", name);
    return false;
}

static bool read_filter(struct http_request *r, struct task_filter *f)
{
    struct error err = {0};
    uint64_t limit = 0;
    *f = (struct task_filter){.name = http_param(r, "name"),
                              .worker = http_param(r, "worker"),
                              .queue = http_param(r, "queue"),
                              .exception_class = http_param(r, "exception"),
                              .text = http_param(r, "q")};
    if (param_limit(http_param(r, "limit"), &limit, &err)) {
        ui_error(r, 400, "limit: %s", err.text);
        return false;
    }
    f->limit = limit == 0 ? LIMIT_DEFAULT : limit > LIMIT_MAX ? LIMIT_MAX : (uint32_t)limit;
    return read_states(r, &f->states) && read_time(r, "since", &f->since_ms) && read_time(r, "until", &f->until_ms) &&
           read_cursor(r, "before", &f->before_id) && read_cursor(r, "after", &f->after_id);
}

void ui_tasks(struct http_request *r, void *ctx)
{
    const struct api_context *api = ctx;
    struct task_filter filter;
    if (!read_filter(r, &filter)) {
        return;
    }
    struct task_page page = {0};
    int rc = task_find(api->store, &filter, http_arena(r), &page);
    if (rc) {
        ui_error(r, 500, "the task history cannot be read: %s", error_text(rc));
        return;
    }
    auto_buf out;
    buf_init(&out, TASKS_JSON_MAX);
    struct json_writer w;
    json_init(&w, &out);
    json_begin_object(&w);
    json_key(&w, STR("tasks"));
    json_begin_array(&w);
    for (size_t i = 0; i < page.n; i++) {
        task_to_json(&page.v[i], false, &w);
    }
    json_end_array(&w);
    /* Decimal text: a JavaScript number would round a 64-bit cursor. */
    struct str next = {0};
    if (page.next_before_id) {
        next = arena_printf(http_arena(r), "%llu", (unsigned long long)page.next_before_id);
    }
    ui_text_or_null(&w, "next", next);
    json_field(&w, "total", json_int, (int64_t)page.total);
    json_field(&w, "truncated", json_bool, page.truncated_scan);
    json_end_object(&w);
    ui_answer(r, &out);
}

static void write_names(struct json_writer *w, const char *name, const struct str *texts, size_t n)
{
    json_key(w, str_of(name));
    json_begin_array(w);
    for (size_t i = 0; i < n; i++) {
        json_str(w, texts[i]);
    }
    json_end_array(w);
}

void ui_task_facets(struct http_request *r, void *ctx)
{
    const struct api_context *api = ctx;
    struct task_facets facets = {0};
    int rc = task_get_facets(api->store, http_arena(r), &facets);
    if (rc) {
        ui_error(r, 500, "the task history cannot be read: %s", error_text(rc));
        return;
    }
    auto_buf out;
    buf_init(&out, TASKS_JSON_MAX);
    struct json_writer w;
    json_init(&w, &out);
    json_begin_object(&w);
    write_names(&w, "names", facets.names, facets.name_count);
    write_names(&w, "workers", facets.workers, facets.worker_count);
    write_names(&w, "queues", facets.queues, facets.queue_count);
    json_end_object(&w);
    ui_answer(r, &out);
}

/* "parent_task", "root_task": what is known of a task named by another; null if it is none, or not in the history. */
static void write_relative(struct http_request *r, const struct api_context *api, struct json_writer *w,
                           const char *name, struct str uuid, struct str self)
{
    struct task task = {0};
    json_key(w, str_of(name));
    if (uuid.len == 0 || str_eq(uuid, self) || task_get(api->store, uuid, http_arena(r), &task)) {
        json_nil(w);
        return;
    }
    json_begin_object(w);
    json_field(w, "uuid", json_str, task.uuid);
    json_field(w, "name", json_str, task.name);
    json_field(w, "state", json_str, str_of(task_state_name(task.state)));
    json_end_object(w);
}

static void write_children(struct json_writer *w, const struct task *children, size_t n)
{
    json_key(w, STR("children"));
    json_begin_array(w);
    for (size_t i = 0; i < n; i++) {
        const struct task *c = &children[i];
        json_begin_object(w);
        json_field(w, "uuid", json_str, c->uuid);
        json_field(w, "name", json_str, c->name);
        json_field(w, "state", json_str, str_of(task_state_name(c->state)));
        ui_time_or_null(w, "started", c->started_ms);
        json_field(w, "runtime", json_double, c->runtime); /* NaN becomes null */
        ui_text_or_null(w, "worker", c->worker);
        json_end_object(w);
    }
    json_end_array(w);
}

void ui_task(struct http_request *r, void *ctx)
{
    const struct api_context *api = ctx;
    struct str uuid = http_path_param(r, "uuid");
    struct task task = {0}, *children = NULL;
    size_t n = 0;
    int rc = task_get(api->store, uuid, http_arena(r), &task);
    if (rc == ERR_NOT_FOUND) {
        ui_error(r, 404,
                 "no task '" STR_FMT "' in the history: it may be older than the retention, or its events were "
                 "not seen",
                 STR_ARG(str_slice(uuid, 0, 64)));
        return;
    }
    rc = rc ? rc : task_children(api->store, task.uuid, false, CHILDREN_MAX, http_arena(r), &children, &n);
    if (rc) {
        ui_error(r, 500, "the task history cannot be read: %s", error_text(rc));
        return;
    }
    auto_buf out;
    buf_init(&out, TASKS_JSON_MAX);
    struct json_writer w;
    json_init(&w, &out);
    task_to_json(&task, true, &w);
    /* The task is one finished object; its relatives go in before its closing brace. */
    if (!out.failed && out.len > 2) {
        out.len--;
        auto_buf more;
        buf_init(&more, TASKS_JSON_MAX);
        struct json_writer m;
        json_init(&m, &more);
        json_begin_object(&m);
        write_relative(r, api, &m, "parent_task", task.parent_id, task.uuid);
        write_relative(r, api, &m, "root_task", task.root_id, task.uuid);
        write_children(&m, children, n);
        json_end_object(&m);
        buf_add_char(&out, ',');
        buf_add(&out, str_slice(buf_str(&more), 1, more.len));
    }
    ui_answer(r, &out);
}
