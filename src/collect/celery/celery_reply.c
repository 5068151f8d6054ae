#include "src/collect/celery/celery_reply.h"

#include "src/base/codec.h"
#include "src/collect/celery/celery_json.h"

#define TEXT_MAX  1024
#define NODES_MAX 1000 /* of one body; Celery sends one */

static const char *const method_names[CELERY_METHOD_COUNT] = {
    [CELERY_STATS] = "stats",
    [CELERY_ACTIVE_QUEUES] = "active_queues",
    [CELERY_ACTIVE] = "active",
    [CELERY_ENABLE_EVENTS] = "enable_events",
};

const char *celery_method_name(enum celery_method method)
{
    return method < CELERY_METHOD_COUNT ? method_names[method] : "unknown";
}

static struct str take_text(struct arena *arena, struct str text)
{
    text.len = utf8_cut(text, TEXT_MAX);
    return text.len ? arena_dup(arena, text) : (struct str){0};
}

/* "prefork" of "celery.concurrency.prefork:TaskPool". */
static struct str pool_name(struct str implementation)
{
    struct str module = str_split(&implementation, ':');
    for (size_t i = module.len; i > 0; i--) {
        if (module.p[i - 1] == '.') {
            return str_slice(module, i, module.len);
        }
    }
    return module;
}

static void take_steps(const json_t *options, struct celery_reply *reply)
{
    const json_t *steps = json_object_get(options, "priority_steps");
    size_t n = json_array_size(steps);
    if (n == 0 || n > CELERY_STEPS_MAX) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        int64_t step = celery_json_int(json_array_get(steps, i), -1);
        if (step < 0 || step > 255) {
            return;
        }
        reply->steps[i] = (int32_t)step;
    }
    reply->step_count = n;
}

static bool take_stats(const json_t *value, struct arena *arena, struct celery_reply *reply)
{
    const json_t *pool = json_object_get(value, "pool");
    if (!json_is_object(value) || json_object_get(value, "error")) {
        return false;
    }
    const json_t *processes = json_object_get(pool, "processes");
    reply->pid = celery_json_int(json_object_get(value, "pid"), -1);
    reply->prefetch = celery_json_int(json_object_get(value, "prefetch_count"), -1);
    reply->concurrency = celery_json_int(json_object_get(pool, "max-concurrency"), -1);
    reply->processes = json_is_array(processes) ? (int64_t)json_array_size(processes) : -1;
    reply->pool = take_text(arena, pool_name(celery_json_text(json_object_get(pool, "implementation"))));
    take_steps(json_object_get(json_object_get(value, "broker"), "transport_options"), reply);
    return true;
}

static bool take_queues(const json_t *value, struct arena *arena, struct celery_reply *reply)
{
    if (!json_is_array(value)) {
        return false;
    }
    size_t n = json_array_size(value);
    n = n < CELERY_REPLY_QUEUES_MAX ? n : CELERY_REPLY_QUEUES_MAX;
    reply->queues = arena_array(arena, struct str, n);
    for (size_t i = 0; i < n; i++) {
        struct str name = celery_json_text(json_object_get(json_array_get(value, i), "name"));
        if (name.len) {
            reply->queues[reply->queue_count++] = take_text(arena, name);
        }
    }
    return true;
}

/* With the default exchange ("") the routing key is the queue's name; of others it need not be. */
static struct str queue_of(const json_t *delivery_info)
{
    struct str exchange = celery_json_text(json_object_get(delivery_info, "exchange"));
    return exchange.len ? (struct str){0} : celery_json_text(json_object_get(delivery_info, "routing_key"));
}

static bool take_active(const json_t *value, struct arena *arena, struct celery_reply *reply)
{
    if (!json_is_array(value)) {
        return false;
    }
    size_t n = json_array_size(value);
    n = n < CELERY_REPLY_TASKS_MAX ? n : CELERY_REPLY_TASKS_MAX;
    reply->tasks = arena_array(arena, struct celery_reply_task, n);
    for (size_t i = 0; i < n; i++) {
        const json_t *request = json_array_get(value, i);
        struct str uuid = celery_json_text(json_object_get(request, "id"));
        if (uuid.len == 0 || uuid.len > 255) {
            continue;
        }
        reply->tasks[reply->task_count++] = (struct celery_reply_task){
            .uuid = take_text(arena, uuid),
            .name = take_text(arena, celery_json_text(json_object_get(request, "name"))),
            .queue = take_text(arena, queue_of(json_object_get(request, "delivery_info"))),
        };
    }
    return true;
}

static bool take(const json_t *value, struct arena *arena, struct celery_reply *reply)
{
    switch (reply->method) {
    case CELERY_STATS:
        return take_stats(value, arena, reply);
    case CELERY_ACTIVE_QUEUES:
        return take_queues(value, arena, reply);
    case CELERY_ACTIVE:
        return take_active(value, arena, reply);
    case CELERY_ENABLE_EVENTS:
        return json_is_string(json_object_get(value, "ok"));
    case CELERY_METHOD_COUNT:
        break;
    }
    return false;
}

enum celery_fault celery_reply_parse(enum celery_method method, struct str body, struct arena *arena,
                                     celery_reply_fn visit, void *ctx)
{
    json_t *root = celery_json_parse(body);
    if (!json_is_object(root)) {
        json_decref(root);
        return CELERY_BAD_BODY;
    }
    size_t nodes = 0;
    for (void *it = json_object_iter(root); it && nodes < NODES_MAX; it = json_object_iter_next(root, it), nodes++) {
        struct celery_reply reply = {.method = method, .pid = -1, .concurrency = -1, .processes = -1, .prefetch = -1};
        reply.node = take_text(arena, str_of(json_object_iter_key(it)));
        if (reply.node.len && take(json_object_iter_value(it), arena, &reply)) {
            visit(ctx, &reply);
        }
    }
    json_decref(root);
    return CELERY_OK;
}
