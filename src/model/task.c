/* Merging of Celery's events into one record a task; the rules stand in task.h's sources. */
#include "src/model/task.h"

#include <math.h>

/* Strongest first, as celery/states.py PRECEDENCE; custom states stand between FAILURE and REVOKED. */
static const uint8_t state_rank[TASK_STATE_COUNT] = {
    [TASK_SUCCESS] = 0,  [TASK_FAILURE] = 1,  [TASK_CUSTOM] = 2, [TASK_REVOKED] = 3, [TASK_STARTED] = 4,
    [TASK_RECEIVED] = 5, [TASK_REJECTED] = 6, [TASK_RETRY] = 7,  [TASK_PENDING] = 8,
};

static const struct {
    const char *event;
    enum task_state state;
} event_info[TASK_EVENT_COUNT] = {
    [TASK_EVENT_SENT] = {"task-sent", TASK_PENDING},       [TASK_EVENT_RECEIVED] = {"task-received", TASK_RECEIVED},
    [TASK_EVENT_STARTED] = {"task-started", TASK_STARTED}, [TASK_EVENT_SUCCEEDED] = {"task-succeeded", TASK_SUCCESS},
    [TASK_EVENT_FAILED] = {"task-failed", TASK_FAILURE},   [TASK_EVENT_RETRIED] = {"task-retried", TASK_RETRY},
    [TASK_EVENT_REVOKED] = {"task-revoked", TASK_REVOKED}, [TASK_EVENT_REJECTED] = {"task-rejected", TASK_REJECTED},
    [TASK_EVENT_CUSTOM] = {"task-custom", TASK_CUSTOM},
};

static const char *const state_names[TASK_STATE_COUNT] = {
    [TASK_PENDING] = "PENDING", [TASK_RECEIVED] = "RECEIVED", [TASK_STARTED] = "STARTED",
    [TASK_SUCCESS] = "SUCCESS", [TASK_FAILURE] = "FAILURE",   [TASK_RETRY] = "RETRY",
    [TASK_REVOKED] = "REVOKED", [TASK_REJECTED] = "REJECTED", [TASK_CUSTOM] = "CUSTOM",
};

/* One rejection and one failure of the same try are reported together; their times differ by less than this. */
#define SAME_END_MS 1000
#define RESTART_MS  1000

const char *task_state_name(enum task_state state)
{
    return state < TASK_STATE_COUNT ? state_names[state] : "UNKNOWN";
}

static bool equal_nocase(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || str_find_nocase(a, b) == 0);
}

bool task_state_parse(struct str name, enum task_state *out)
{
    for (int i = 0; i < TASK_STATE_COUNT; i++) {
        if (equal_nocase(name, str_of(state_names[i]))) {
            *out = (enum task_state)i;
            return true;
        }
    }
    return false;
}

const char *task_event_name(enum task_event_type type)
{
    return type < TASK_EVENT_COUNT ? event_info[type].event : "task-unknown";
}

enum task_state task_event_state(enum task_event_type type)
{
    return type < TASK_EVENT_COUNT ? event_info[type].state : TASK_CUSTOM;
}

/* The field that holds the time of events of this type; NULL for custom ones. */
static int64_t *event_time(struct task *task, enum task_event_type type)
{
    switch (type) {
    case TASK_EVENT_SENT:
        return &task->sent_ms;
    case TASK_EVENT_RECEIVED:
        return &task->received_ms;
    case TASK_EVENT_STARTED:
        return &task->started_ms;
    case TASK_EVENT_SUCCEEDED:
        return &task->succeeded_ms;
    case TASK_EVENT_FAILED:
        return &task->failed_ms;
    case TASK_EVENT_RETRIED:
        return &task->retried_ms;
    case TASK_EVENT_REVOKED:
        return &task->revoked_ms;
    case TASK_EVENT_REJECTED:
        return &task->rejected_ms;
    case TASK_EVENT_CUSTOM:
    case TASK_EVENT_COUNT:
        break;
    }
    return NULL;
}

/* Time of the event that set the state, as far as the record tells; 0 if it does not. */
static int64_t state_time(const struct task *task)
{
    switch (task->state) {
    case TASK_PENDING:
        return task->sent_ms;
    case TASK_RECEIVED:
        return task->received_ms;
    case TASK_STARTED:
        return task->started_ms;
    case TASK_SUCCESS:
        return task->succeeded_ms;
    case TASK_FAILURE:
        return task->failed_ms;
    case TASK_RETRY:
        return task->retried_ms;
    case TASK_REVOKED:
        return task->revoked_ms;
    case TASK_REJECTED:
        return task->rejected_ms;
    case TASK_CUSTOM:
    case TASK_STATE_COUNT:
        break;
    }
    return 0;
}

/* Clients and pool processes, who send task-sent and custom events, have clocks of their own. */
static bool have_one_clock(const struct task *task, const struct task_event *event)
{
    return event->type != TASK_EVENT_SENT && event->type != TASK_EVENT_CUSTOM && task->state != TASK_CUSTOM &&
           task->clock > 0 && event->clock > 0 && str_eq(task->worker, event->hostname);
}

/* Did it happen before the event that set the state? Events of one worker are ordered by its Lamport clock, which
 * begins anew when the worker does: what is later by more than a restart takes at least is not older. */
static bool event_is_older(const struct task *task, const struct task_event *event)
{
    if (have_one_clock(task, event)) {
        return event->clock < task->clock && event->t_ms < state_time(task) + RESTART_MS;
    }
    return event->t_ms < state_time(task);
}

/* May the event not set the state? Between hosts the rank decides; into and out of RETRY, where ranks say nothing, and
 * for one worker's own events the order does. */
static bool event_is_late(const struct task *task, const struct task_event *event, bool older)
{
    enum task_state state = task_event_state(event->type);
    /* The message of the next try is sent while this one ends: the task waits for its retry, it is not new again. */
    if (event->type == TASK_EVENT_SENT && task->state != TASK_PENDING) {
        return true;
    }
    if (state == TASK_RETRY || task->state == TASK_RETRY || (older && have_one_clock(task, event))) {
        return older;
    }
    return state_rank[state] > state_rank[task->state];
}

static void take_text(struct str *field, struct str text, bool late)
{
    if (text.len && !(late && field->len)) {
        *field = text;
    }
}

/* An old event fills gaps only: what a newer one said stays. */
static void take_fields(struct task *task, const struct task_event *event, bool old)
{
    take_text(&task->name, event->name, old);
    take_text(&task->args, event->args, old);
    take_text(&task->kwargs, event->kwargs, old);
    take_text(&task->root_id, event->root_id, old);
    /* A retry names itself as its parent. */
    if (!str_eq(event->parent_id, task->uuid)) {
        take_text(&task->parent_id, event->parent_id, old);
    }
    take_text(&task->eta, event->eta, old);
    take_text(&task->expires, event->expires, old);
    take_text(&task->queue, event->queue, old);
    take_text(&task->exchange, event->exchange, old);
    take_text(&task->routing_key, event->routing_key, old);
    take_text(&task->result, event->result, old);
    take_text(&task->exception, event->exception, old);
    take_text(&task->traceback, event->traceback, old);
    take_text(&task->broker, event->broker, old);
    if (event->retries >= 0 && !(old && task->retries >= 0)) {
        task->retries = event->retries;
    }
    if (!isnan(event->runtime) && !(old && !isnan(task->runtime))) {
        task->runtime = event->runtime;
    }
    task->terminated |= event->terminated;
    task->expired |= event->expired;
}

static bool event_ends_try(enum task_event_type type)
{
    return type == TASK_EVENT_SUCCEEDED || type == TASK_EVENT_FAILED || type == TASK_EVENT_RETRIED ||
           type == TASK_EVENT_REVOKED || type == TASK_EVENT_REJECTED;
}

static bool before(int64_t known_ms, int64_t t_ms)
{
    return known_ms == 0 || known_ms <= t_ms;
}

static bool after(int64_t known_ms, int64_t t_ms)
{
    return known_ms == 0 || known_ms >= t_ms;
}

/* Has this try a free place for the event, in the right order of times? */
static bool try_fits(const struct task_attempt *a, const struct task_event *event)
{
    if (a->worker.len && !str_eq(a->worker, event->hostname)) {
        return false;
    }
    int64_t t = event->t_ms;
    if (event->type == TASK_EVENT_RECEIVED) {
        return (a->received_ms == 0 && after(a->started_ms, t) && after(a->ended_ms, t)) || a->received_ms == t;
    }
    if (event->type == TASK_EVENT_STARTED) {
        return (a->started_ms == 0 && before(a->received_ms, t) && after(a->ended_ms, t)) || a->started_ms == t;
    }
    if (a->ended_ms) {
        int64_t apart = t > a->ended_ms ? t - a->ended_ms : a->ended_ms - t;
        return apart < SAME_END_MS && before(a->received_ms, t) && before(a->started_ms, t);
    }
    return before(a->received_ms, t) && before(a->started_ms, t);
}

static int64_t try_time(const struct task_attempt *a)
{
    return a->received_ms ? a->received_ms : a->started_ms ? a->started_ms : a->ended_ms;
}

/* A new try in the order of time. When the table is full the second oldest goes: first and newest are kept. */
static struct task_attempt *try_insert(struct task *task, int64_t t_ms)
{
    if (task->attempt_count == TASK_ATTEMPTS_MAX) {
        memmove(&task->attempts[1], &task->attempts[2], (TASK_ATTEMPTS_MAX - 2) * sizeof(task->attempts[0]));
        task->attempt_count--;
        task->attempts_dropped++;
    }
    uint32_t at = task->attempt_count;
    while (at > 0 && try_time(&task->attempts[at - 1]) > t_ms) {
        at--;
    }
    memmove(&task->attempts[at + 1], &task->attempts[at], (task->attempt_count - at) * sizeof(task->attempts[0]));
    task->attempt_count++;
    task->attempts[at] = (struct task_attempt){.state = TASK_RECEIVED};
    return &task->attempts[at];
}

/*
 * The try an event belongs to: the newest it fits into. An end looks for one that is running first, because the next
 * try is often received before the end of this one is reported.
 */
static struct task_attempt *find_try(struct task *task, const struct task_event *event)
{
    /* Of two tries that wait, the older starts first; of two that run, the older ends with a retry, and anything else
     * ends the newest. */
    bool oldest_first = event->type == TASK_EVENT_STARTED || event->type == TASK_EVENT_RETRIED;
    struct task_attempt *found = NULL;
    for (uint32_t i = 0; i < task->attempt_count; i++) {
        struct task_attempt *a = &task->attempts[oldest_first ? i : task->attempt_count - 1 - i];
        if (!try_fits(a, event)) {
            continue;
        }
        if (!event_ends_try(event->type) || (a->started_ms && !a->ended_ms)) {
            return a;
        }
        found = found ? found : a;
    }
    return found;
}

static void merge_attempt(struct task *task, const struct task_event *event, bool *superseded)
{
    if (event->type != TASK_EVENT_RECEIVED && event->type != TASK_EVENT_STARTED && !event_ends_try(event->type)) {
        return;
    }
    struct task_attempt *a = find_try(task, event);
    if (!a) {
        a = try_insert(task, event->t_ms);
    }
    if (event->hostname.len) {
        a->worker = event->hostname;
    }
    enum task_state state = task_event_state(event->type);
    if (event->type == TASK_EVENT_RECEIVED) {
        a->received_ms = event->t_ms;
    } else if (event->type == TASK_EVENT_STARTED) {
        a->started_ms = event->t_ms;
        a->state = a->ended_ms ? a->state : state;
    } else {
        a->state = a->ended_ms && state_rank[a->state] < state_rank[state] ? a->state : state;
        a->ended_ms = event->t_ms;
        take_text(&a->exception, event->exception, false);
    }
    for (const struct task_attempt *next = a + 1; next < task->attempts + task->attempt_count; next++) {
        *superseded = *superseded || next->started_ms || next->ended_ms;
    }
}

/* Celery gives no runtime for a failure: it is the time of the try that failed. */
static void derive_runtime(struct task *task)
{
    if (task->state != TASK_FAILURE) {
        return;
    }
    for (uint32_t i = task->attempt_count; i > 0; i--) {
        const struct task_attempt *a = &task->attempts[i - 1];
        if (a->state == TASK_FAILURE && a->started_ms && a->ended_ms >= a->started_ms) {
            task->runtime = (double)(a->ended_ms - a->started_ms) / 1000.0;
            return;
        }
    }
}

static void set_state(struct task *task, const struct task_event *event)
{
    task->state = task_event_state(event->type);
    task->custom_state = event->type == TASK_EVENT_CUSTOM ? event->custom : (struct str){0};
    /* Clocks of clients are not synchronised with the workers'. */
    task->clock = event->type == TASK_EVENT_SENT ? 0 : event->clock;
}

void task_merge(struct task *task, const struct task_event *event)
{
    if (task->uuid.len == 0) {
        task->uuid = event->uuid;
        task->retries = -1;
        task->runtime = NAN;
        task->first_ms = task->updated_ms = event->t_ms;
    }
    /* A worker tells of a try's end after its pool process has said so: with a retry at once, another process may have
     * run, even ended, the next try before. What is told of a try behind which another runs never sets the state. */
    bool superseded = false;
    merge_attempt(task, event, &superseded);
    bool older = superseded || event_is_older(task, event);
    bool late = superseded || event_is_late(task, event, older);
    int64_t *time = event_time(task, event->type);
    /* A late event of an earlier try must not hide the newest time of its kind. */
    if (time && !(late && *time > event->t_ms)) {
        *time = event->t_ms;
    }
    if (event->type == TASK_EVENT_SENT) {
        take_text(&task->client, event->hostname, late);
    } else {
        take_text(&task->worker, event->hostname, late);
    }
    take_fields(task, event, late && older);
    if (!late) {
        set_state(task, event);
    }
    derive_runtime(task);
    task->first_ms = event->t_ms < task->first_ms ? event->t_ms : task->first_ms;
    task->updated_ms = event->t_ms > task->updated_ms ? event->t_ms : task->updated_ms;
}

static bool class_char(char c, bool first)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' || c == '.' || (!first && c >= '0' && c <= '9');
}

struct str task_exception_class(struct str exception)
{
    size_t n = 0;
    while (n < exception.len && class_char(exception.p[n], n == 0)) {
        n++;
    }
    if (n == 0 || n == exception.len || exception.p[n] != '(') {
        return (struct str){0};
    }
    return str_make(exception.p, n);
}

static void write_text(struct json_writer *w, struct str key, struct str text)
{
    json_key(w, key);
    if (text.len) {
        json_str(w, text);
    } else {
        json_nil(w);
    }
}

static void write_time(struct json_writer *w, struct str key, int64_t ms)
{
    json_key(w, key);
    if (ms) {
        json_seconds(w, ms);
    } else {
        json_nil(w);
    }
}

static void write_attempt(struct json_writer *w, const struct task_attempt *a)
{
    json_begin_object(w);
    write_time(w, STR("received"), a->received_ms);
    write_time(w, STR("started"), a->started_ms);
    write_time(w, STR("ended"), a->ended_ms);
    json_field(w, "state", json_str, str_of(task_state_name(a->state)));
    write_text(w, STR("worker"), a->worker);
    write_text(w, STR("exception"), a->exception);
    json_end_object(w);
}

static void write_times(struct json_writer *w, const struct task *task)
{
    write_time(w, STR("sent"), task->sent_ms);
    write_time(w, STR("received"), task->received_ms);
    write_time(w, STR("started"), task->started_ms);
    write_time(w, STR("succeeded"), task->succeeded_ms);
    write_time(w, STR("failed"), task->failed_ms);
    write_time(w, STR("retried"), task->retried_ms);
    write_time(w, STR("revoked"), task->revoked_ms);
    write_time(w, STR("rejected"), task->rejected_ms);
    write_time(w, STR("first_seen"), task->first_ms);
    write_time(w, STR("timestamp"), task->updated_ms);
}

static void write_origin(struct json_writer *w, const struct task *task)
{
    write_text(w, STR("worker"), task->worker);
    write_text(w, STR("client"), task->client);
    write_text(w, STR("queue"), task->queue);
    write_text(w, STR("exchange"), task->exchange);
    write_text(w, STR("routing_key"), task->routing_key);
    write_text(w, STR("broker"), task->broker);
    write_text(w, STR("root"), task->root_id);
    write_text(w, STR("root_id"), task->root_id);
    write_text(w, STR("parent"), task->parent_id);
    write_text(w, STR("parent_id"), task->parent_id);
    write_text(w, STR("eta"), task->eta);
    write_text(w, STR("expires"), task->expires);
}

static void write_payload(struct json_writer *w, const struct task *task)
{
    write_text(w, STR("args"), task->args);
    write_text(w, STR("kwargs"), task->kwargs);
    write_text(w, STR("result"), task->result);
    write_text(w, STR("traceback"), task->traceback);
}

void task_to_json(const struct task *task, bool full, struct json_writer *w)
{
    json_begin_object(w);
    json_field(w, "id", json_int, (int64_t)task->id);
    json_field(w, "uuid", json_str, task->uuid);
    write_text(w, STR("name"), task->name);
    json_field(w, "state", json_str,
               task->state == TASK_CUSTOM && task->custom_state.len ? task->custom_state
                                                                    : str_of(task_state_name(task->state)));
    write_times(w, task);
    write_origin(w, task);
    json_key(w, STR("retries"));
    if (task->retries >= 0) {
        json_int(w, task->retries);
    } else {
        json_nil(w);
    }
    json_field(w, "runtime", json_double, task->runtime);
    json_field(w, "clock", json_int, task->clock);
    json_field(w, "terminated", json_bool, task->terminated);
    json_field(w, "expired", json_bool, task->expired);
    write_text(w, STR("exception"), task->exception);
    write_text(w, STR("exception_class"), task_exception_class(task->exception));
    json_key(w, STR("attempts"));
    json_begin_array(w);
    for (uint32_t i = 0; i < task->attempt_count; i++) {
        write_attempt(w, &task->attempts[i]);
    }
    json_end_array(w);
    json_field(w, "attempts_dropped", json_int, task->attempts_dropped);
    if (full) {
        write_payload(w, task);
    }
    json_end_object(w);
}
