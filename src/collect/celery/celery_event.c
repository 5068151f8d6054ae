#include "src/collect/celery/celery_event.h"

#include "src/base/codec.h"
#include "src/collect/celery/celery_json.h"

/* Timestamps before 2001 or more than a day ahead are not taken for times. */
#define TIME_MIN_S   1e9
#define TIME_AHEAD_S 86400.0

void celery_inbox_init(struct celery_inbox *inbox)
{
    *inbox = (struct celery_inbox){0};
    arena_init(&inbox->arena);
}

void celery_inbox_clear(struct celery_inbox *inbox)
{
    vec_clear(&inbox->tasks);
    vec_clear(&inbox->workers);
    arena_clear(&inbox->arena);
}

void celery_inbox_release(struct celery_inbox *inbox)
{
    vec_release(&inbox->tasks);
    vec_release(&inbox->workers);
    arena_release(&inbox->arena);
}

static struct str copy_cut(struct arena *arena, const char *p, size_t len, size_t max)
{
    struct str s = str_make(p, len);
    if (s.len > max) {
        s.len = utf8_cut(s, max);
    }
    return s.len ? arena_dup(arena, s) : (struct str){0};
}

/* A text as it is. Other senders than Python give args and results as JSON values: those are printed. */
static struct str take_text(struct arena *arena, const json_t *value, size_t max)
{
    if (json_is_string(value)) {
        return copy_cut(arena, json_string_value(value), json_string_length(value), max);
    }
    if (!value || json_is_null(value)) {
        return (struct str){0};
    }
    char *printed = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    struct str s = printed ? copy_cut(arena, printed, strlen(printed), max) : (struct str){0};
    free(printed); /* jansson's default allocator */
    return s;
}

static int32_t take_int32(const json_t *value, int32_t absent)
{
    int64_t v = celery_json_int(value, absent);
    return v >= 0 && v <= INT32_MAX ? (int32_t)v : absent;
}

static int64_t take_time(const json_t *value, int64_t arrival_ms)
{
    double s = celery_json_number(value, 0);
    return s > TIME_MIN_S && s < (double)arrival_ms / 1000.0 + TIME_AHEAD_S ? llround(s * 1000.0) : arrival_ms;
}

enum field_kind { FIELD_NAME, FIELD_TEXT, FIELD_TRACEBACK };
/* The text fields of task events; the JSON name, where it goes, and how long it may be. */
static const struct {
    const char *key;
    size_t offset;
    enum field_kind kind;
} text_fields[] = {
    {"name", offsetof(struct task_event, name), FIELD_NAME},
    {"args", offsetof(struct task_event, args), FIELD_TEXT},
    {"kwargs", offsetof(struct task_event, kwargs), FIELD_TEXT},
    {"root_id", offsetof(struct task_event, root_id), FIELD_NAME},
    {"parent_id", offsetof(struct task_event, parent_id), FIELD_NAME},
    {"eta", offsetof(struct task_event, eta), FIELD_NAME},
    {"expires", offsetof(struct task_event, expires), FIELD_NAME},
    {"queue", offsetof(struct task_event, queue), FIELD_NAME},
    {"exchange", offsetof(struct task_event, exchange), FIELD_NAME},
    {"routing_key", offsetof(struct task_event, routing_key), FIELD_NAME},
    {"result", offsetof(struct task_event, result), FIELD_TEXT},
    {"exception", offsetof(struct task_event, exception), FIELD_TEXT},
    {"traceback", offsetof(struct task_event, traceback), FIELD_TRACEBACK},
};

static const size_t field_max[] = {
    [FIELD_NAME] = CELERY_NAME_MAX,
    [FIELD_TEXT] = CELERY_TEXT_MAX,
    [FIELD_TRACEBACK] = CELERY_TRACEBACK_MAX,
};

static enum task_event_type task_type(struct str name)
{
    for (int i = 0; i < TASK_EVENT_CUSTOM; i++) {
        const char *known = task_event_name((enum task_event_type)i) + sizeof("task-") - 1;
        if (str_is(name, known)) {
            return (enum task_event_type)i;
        }
    }
    return TASK_EVENT_CUSTOM;
}

struct context {
    struct celery_inbox *inbox;
    struct str broker;
    int64_t arrival_ms;
};

/* Python makes the state's name of a custom event by upper-casing it. */
static struct str custom_state(struct arena *arena, struct str name)
{
    struct str out = arena_dup(arena, name);
    char *p = arena_alloc(arena, out.len + 1);
    for (size_t i = 0; i < out.len; i++) {
        p[i] = (char)(out.p[i] >= 'a' && out.p[i] <= 'z' ? out.p[i] - 'a' + 'A' : out.p[i]);
    }
    return str_make(p, out.len);
}

static enum celery_fault parse_task(const struct context *c, const json_t *object, struct str name, struct str hostname)
{
    const json_t *uuid = json_object_get(object, "uuid");
    if (!json_is_string(uuid) || json_string_length(uuid) == 0 || json_string_length(uuid) > CELERY_UUID_MAX) {
        return CELERY_BAD_EVENT;
    }
    struct arena *arena = &c->inbox->arena;
    struct task_event event = {
        .type = task_type(name),
        .uuid = take_text(arena, uuid, CELERY_UUID_MAX),
        .hostname = copy_cut(arena, hostname.p, hostname.len, CELERY_NAME_MAX),
        .broker = c->broker,
        .t_ms = take_time(json_object_get(object, "timestamp"), c->arrival_ms),
        .clock = celery_json_int(json_object_get(object, "clock"), 0),
        .pid = take_int32(json_object_get(object, "pid"), 0),
        .retries = take_int32(json_object_get(object, "retries"), -1),
        .runtime = celery_json_number(json_object_get(object, "runtime"), NAN),
        .terminated = json_is_true(json_object_get(object, "terminated")),
        .expired = json_is_true(json_object_get(object, "expired")),
        .requeue = json_is_true(json_object_get(object, "requeue")),
    };
    if (event.type == TASK_EVENT_CUSTOM) {
        event.custom = custom_state(arena, str_make(name.p, utf8_cut(name, CELERY_NAME_MAX)));
    }
    for (size_t i = 0; i < sizeof(text_fields) / sizeof(text_fields[0]); i++) {
        const json_t *value = json_object_get(object, text_fields[i].key);
        if (value) {
            struct str text = take_text(arena, value, field_max[text_fields[i].kind]);
            memcpy((char *)&event + text_fields[i].offset, &text, sizeof(text));
        }
    }
    vec_push(&c->inbox->tasks, event);
    return CELERY_OK;
}

static enum celery_fault parse_worker(const struct context *c, const json_t *object, struct str name,
                                      struct str hostname)
{
    struct celery_worker_event event = {
        .pid = celery_json_int(json_object_get(object, "pid"), 0),
        .active = celery_json_int(json_object_get(object, "active"), -1),
        .processed = celery_json_int(json_object_get(object, "processed"), -1),
        .freq = celery_json_number(json_object_get(object, "freq"), 0),
    };
    if (str_is(name, "online")) {
        event.type = CELERY_WORKER_ONLINE;
    } else if (str_is(name, "heartbeat")) {
        event.type = CELERY_WORKER_HEARTBEAT;
    } else if (str_is(name, "offline")) {
        event.type = CELERY_WORKER_OFFLINE;
    } else {
        c->inbox->unknown++;
        return CELERY_OK;
    }
    struct arena *arena = &c->inbox->arena;
    event.hostname = copy_cut(arena, hostname.p, hostname.len, CELERY_NAME_MAX);
    event.sw_ident = take_text(arena, json_object_get(object, "sw_ident"), CELERY_NAME_MAX);
    event.sw_ver = take_text(arena, json_object_get(object, "sw_ver"), CELERY_NAME_MAX);
    event.sw_sys = take_text(arena, json_object_get(object, "sw_sys"), CELERY_NAME_MAX);
    const json_t *load = json_object_get(object, "loadavg");
    if (json_array_size(load) == 3) {
        event.has_loadavg = true;
        for (size_t i = 0; i < 3; i++) {
            event.loadavg[i] = celery_json_number(json_array_get(load, i), 0);
        }
    }
    vec_push(&c->inbox->workers, event);
    return CELERY_OK;
}

static enum celery_fault parse_one(const struct context *c, const json_t *object)
{
    const json_t *type = json_object_get(object, "type"), *host = json_object_get(object, "hostname");
    if (!json_is_string(type) || !json_is_string(host) || json_string_length(host) == 0) {
        return CELERY_BAD_EVENT;
    }
    struct str name = str_make(json_string_value(type), json_string_length(type));
    struct str hostname = str_make(json_string_value(host), json_string_length(host));
    struct str group = str_split(&name, '-');
    if (str_is(group, "task") && name.len) {
        return parse_task(c, object, name, hostname);
    }
    if (str_is(group, "worker")) {
        return parse_worker(c, object, name, hostname);
    }
    c->inbox->unknown++;
    return CELERY_OK;
}

enum celery_fault celery_event_parse(struct celery_inbox *inbox, struct str body, struct str broker, int64_t arrival_ms,
                                     size_t *bad)
{
    struct context c = {inbox, broker, arrival_ms};
    *bad = 0;
    json_t *root = celery_json_parse(body);
    if (!json_is_object(root) && !json_is_array(root)) {
        json_decref(root);
        *bad = 1;
        return CELERY_BAD_BODY;
    }
    enum celery_fault result = CELERY_OK;
    size_t n = json_is_array(root) ? json_array_size(root) : 1;
    for (size_t i = 0; i < n; i++) {
        const json_t *object = json_is_array(root) ? json_array_get(root, i) : root;
        enum celery_fault fault = i < CELERY_EVENTS_MAX ? parse_one(&c, object) : CELERY_TOO_LARGE;
        if (fault != CELERY_OK) {
            result = fault;
            (*bad)++;
        }
    }
    json_decref(root);
    return result;
}
