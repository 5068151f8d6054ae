/*
 * Remote control: requests by PUBLISH, replies from our own list.
 *
 * The list is polled with RPOP on timers while replies are awaited, not with BRPOP, which would need a connection of
 * its own. Its name is stable for this host, broker and target, so that a process that was killed leaves at most one
 * list and one binding behind and the next one clears them. When replies to tickets that are not ours turn up, another
 * cloche shares the name: we take a random one and leave the other its binding. Ours are known by their beginning, also
 * when they are long forgotten: a worker of the solo pool answers everything at once after a task of an hour.
 *
 * Nothing is sent but inspections, `heartbeat` and `enable_events`.
 */
#include "src/base/clock.h"
#include "src/base/codec.h"
#include "src/base/log.h"
#include "src/collect/celery/celery_internal.h"

#include <hiredis/hiredis.h>
#include <unistd.h>

#define REPLIES_MS       2000 /* how long replies are awaited */
#define POLL_FIRST_MS    10
#define POLL_MAX_MS      200
#define POPS_MAX         16
#define ENABLE_EVENTS_MS 5000
#define ACTIVE_MS        15000
#define STATS_MS         60000
#define SOON_MS          1000 /* a herd of workers that come together is asked once */
#define DESTINATIONS_MAX 50   /* more workers than that are all asked */
#define REQUEST_MAX      (64u << 10)

static void on_ignored(void *ctx, const struct redisReply *reply, const struct error *err)
{
    (void)ctx;
    (void)reply;
    (void)err;
}

static void send_command(struct celery *celery, const struct str *argv, size_t argc, redis_reply_fn fn) LOOP_ONLY;
static void send_command(struct celery *celery, const struct str *argv, size_t argc, redis_reply_fn fn)
{
    redis_command(celery->control.conn, argv, argc, CELERY_TIMEOUT_MS, fn ? fn : on_ignored, celery);
}

/* -- names -- */

static void stable_oid(const struct celery *celery, char out[40])
{
    char host[256] = "";
    (void)gethostname(host, sizeof(host) - 1);
    struct str url = target_config(celery->target)->url;
    uint64_t a = fnv1a64(FNV1A64_INIT, str_of(host));
    a = fnv1a64(a, url);
    a = fnv1a64(a, celery->name);
    uint64_t b = fnv1a64(a ^ FNV1A64_INIT, celery->prefix);
    b = fnv1a64(b, STR("cloche"));
    snprintf(out, 40, "%08x-%04x-4%03x-8%03x-%012llx", (unsigned)(a >> 32), (unsigned)(a >> 16 & 0xffff),
             (unsigned)(a & 0xfff), (unsigned)(b >> 52), (unsigned long long)(b & 0xffffffffffffULL));
}

static char *make_name(struct str prefix, const char *format, const char *oid)
{
    auto_buf out;
    buf_init(&out, 8192);
    buf_add(&out, prefix);
    for (const char *p = format; *p; p++) {
        if (*p == '#') {
            buf_add(&out, str_of(oid));
        } else {
            buf_add_char(&out, *p);
        }
    }
    return mem_strdup(out.p ? out.p : "");
}

static void free_names(struct celery_control *c)
{
    mem_free(c->reply_list);
    mem_free(c->bindings);
    mem_free(c->member);
    mem_free(c->channel);
    c->reply_list = c->bindings = c->member = c->channel = NULL;
}

static void make_names(struct celery *celery)
{
    struct celery_control *c = &celery->control;
    auto_buf channel;
    buf_init(&channel, 8192);
    celery_channel_prefix(celery, &channel);
    buf_add(&channel, STR("celery.pidbox"));
    free_names(c);
    c->reply_list = make_name(celery->prefix, "#.reply.celery.pidbox", c->oid);
    c->bindings = make_name(celery->prefix, "_kombu.binding.reply.celery.pidbox", "");
    c->member = make_name(STR(""), "#" CELERY_SEPARATOR CELERY_SEPARATOR "#.reply.celery.pidbox", c->oid);
    c->channel = mem_str_dup(buf_str(&channel));
}

void celery_control_init(struct celery *celery)
{
    char random[UUID_LEN + 1];
    stable_oid(celery, celery->control.oid);
    uuid_random(random);
    memcpy(celery->control.ours, random, sizeof(celery->control.ours) - 1);
    celery_envelope_init(&celery->control.envelope);
}

void celery_control_release(struct celery *celery)
{
    free_names(&celery->control);
    celery_envelope_release(&celery->control.envelope);
}

/* -- requests -- */

struct request {
    const char *method;
    const char *arguments;          /* JSON object */
    const struct str *destinations; /* NULL: all */
    size_t destination_count;
    const char *ticket; /* NULL: no replies wanted */
};

static void write_request(struct json_writer *w, const struct request *r, const char *oid)
{
    json_begin_object(w);
    json_field(w, "method", json_str, str_of(r->method));
    json_field(w, "arguments", json_raw, str_of(r->arguments));
    json_key(w, STR("destination"));
    if (r->destinations) {
        json_begin_array(w);
        for (size_t i = 0; i < r->destination_count; i++) {
            json_str(w, r->destinations[i]);
        }
        json_end_array(w);
    } else {
        json_nil(w);
    }
    json_key(w, STR("pattern"));
    json_nil(w);
    json_key(w, STR("matcher"));
    json_nil(w);
    if (r->ticket) {
        json_field(w, "ticket", json_str, str_of(r->ticket));
        json_key(w, STR("reply_to"));
        json_begin_object(w);
        json_field(w, "exchange", json_str, STR("reply.celery.pidbox"));
        json_field(w, "routing_key", json_str, str_of(oid));
        json_end_object(w);
    }
    json_end_object(w);
}

static void publish(struct celery *celery, const struct request *r, redis_reply_fn fn) LOOP_ONLY;
static void publish(struct celery *celery, const struct request *r, redis_reply_fn fn)
{
    struct celery_control *c = &celery->control;
    auto_buf body, message;
    struct json_writer w;
    buf_init(&body, REQUEST_MAX);
    buf_init(&message, 2 * REQUEST_MAX);
    json_init(&w, &body);
    write_request(&w, r, c->oid);
    celery_envelope_write(&message, STR("celery.pidbox"), buf_str(&body));
    if (!body.failed && !message.failed) {
        send_command(celery, (const struct str[]){STR("PUBLISH"), str_of(c->channel), buf_str(&message)}, 3, fn);
    }
}

/* PUBLISH answers with the number of receivers: that many replies may come at most. */
static void on_published(void *ctx, const struct redisReply *reply, const struct error *err)
{
    struct celery *celery = ctx;
    struct celery_control *c = &celery->control;
    (void)err;
    if (!reply) {
        return;
    }
    /* Answers come in the order of the requests: this is the oldest that has not been published. */
    for (size_t i = 0; i < CELERY_TICKETS_MAX; i++) {
        struct celery_request *r = &c->requests[(c->next_request + i) % CELERY_TICKETS_MAX];
        if (r->until_ms && r->expected == SIZE_MAX) {
            bool counted = reply->type == REDIS_REPLY_INTEGER && reply->integer > 0;
            r->expected = counted ? (size_t)reply->integer : 0;
            return;
        }
    }
}

static void poll_soon(struct celery *celery, int64_t delay_ms) LOOP_ONLY;

static void ask(struct celery *celery, enum celery_method method, const struct str *destinations, size_t n) LOOP_ONLY;
static void ask(struct celery *celery, enum celery_method method, const struct str *destinations, size_t n)
{
    struct celery_control *c = &celery->control;
    struct celery_request *r = &c->requests[c->next_request++ % CELERY_TICKETS_MAX];
    int64_t now = clock_mono_ms();
    *r = (struct celery_request){.method = method, .expected = SIZE_MAX, .until_ms = now + REPLIES_MS};
    uuid_random(r->ticket);
    memcpy(r->ticket, c->ours, strlen(c->ours));
    c->asked_ms[method] = now;
    publish(celery,
            &(struct request){.method = celery_method_name(method),
                              .arguments = method == CELERY_ACTIVE ? "{\"safe\":true}" : "{}",
                              .destinations = destinations,
                              .destination_count = n,
                              .ticket = r->ticket},
            on_published);
    c->poll_delay_ms = POLL_FIRST_MS;
    poll_soon(celery, POLL_FIRST_MS);
}

/* -- replies -- */

static void take_active(struct celery *celery, const struct celery_reply *reply)
{
    struct celery_worker *worker = celery_workers_find(celery->workers, reply->node);
    if (worker) {
        worker->active = (int64_t)reply->task_count;
    }
    for (size_t i = 0; i < reply->task_count; i++) {
        struct celery_joined *joined = celery_join_touch(celery->join, reply->tasks[i].uuid);
        if (!joined->name) {
            joined->name = celery_words_add(celery->words, reply->tasks[i].name);
        }
        if (!joined->queue) {
            joined->queue = celery_words_add(celery->words, reply->tasks[i].queue);
        }
    }
}

static void take_reply(void *ctx, const struct celery_reply *reply)
{
    struct celery *celery = ctx;
    struct celery_worker *worker = celery_workers_find(celery->workers, reply->node);
    switch (reply->method) {
    case CELERY_STATS:
        celery_workers_stats(celery->workers, reply);
        celery_queues_set_steps(celery->queues, reply->steps, reply->step_count);
        break;
    case CELERY_ACTIVE_QUEUES:
        celery_workers_queues(celery->workers, reply);
        break;
    case CELERY_ACTIVE:
        take_active(celery, reply);
        break;
    case CELERY_ENABLE_EVENTS:
        if (worker && worker->online) {
            worker->task_events = true;
        }
        break;
    case CELERY_METHOD_COUNT:
        break;
    }
}

static struct celery_request *request_of(struct celery_control *c, const char *ticket)
{
    for (size_t i = 0; i < CELERY_TICKETS_MAX; i++) {
        if (c->requests[i].ticket[0] && strcmp(c->requests[i].ticket, ticket) == 0) {
            return &c->requests[i];
        }
    }
    return NULL;
}

static void bind_replies(struct celery *celery) LOOP_ONLY;

/* Replies that nobody here asked for: of an earlier life of ours, once, or of a twin. */
static void meet_twin(struct celery *celery) LOOP_ONLY;
static void meet_twin(struct celery *celery)
{
    log_warn("celery: another process uses our reply list; taking another name", KV_S("target", celery->name));
    uuid_random(celery->control.oid);
    bind_replies(celery);
}

static void take_message(struct celery *celery, struct str payload) LOOP_ONLY;
static void take_message(struct celery *celery, struct str payload)
{
    struct celery_control *c = &celery->control;
    enum celery_fault fault = celery_envelope_read(&c->envelope, payload, true);
    struct celery_request *request = fault == CELERY_OK ? request_of(c, c->envelope.ticket) : NULL;
    if (fault == CELERY_OK && !request) {
        if (strncmp(c->envelope.ticket, c->ours, strlen(c->ours)) != 0) {
            meet_twin(celery);
        }
        return;
    }
    if (fault == CELERY_OK) {
        auto_arena arena;
        arena_init(&arena);
        request->got++;
        fault = celery_reply_parse(request->method, buf_str(&c->envelope.body), &arena, take_reply, celery);
    }
    celery->stream.faults[fault] += fault != CELERY_OK;
}

/* How many replies may still come; closes requests whose time is over. */
static size_t awaited(struct celery_control *c, int64_t now_ms)
{
    size_t n = 0;
    for (size_t i = 0; i < CELERY_TICKETS_MAX; i++) {
        struct celery_request *r = &c->requests[i];
        if (r->until_ms && (r->got >= r->expected || now_ms >= r->until_ms)) {
            r->until_ms = 0;
        }
        if (r->until_ms) {
            n += r->expected == SIZE_MAX ? 1 : r->expected - r->got;
        }
    }
    return n;
}

static void poll(struct celery *celery) LOOP_ONLY;

static void on_popped(void *ctx, const struct redisReply *reply, const struct error *err)
{
    struct celery *celery = ctx;
    struct celery_control *c = &celery->control;
    (void)err;
    loop_assert();
    c->pops--;
    if (reply && reply->type == REDIS_REPLY_STRING) {
        c->got_one = true;
        take_message(celery, str_make(reply->str, reply->len));
    }
    if (c->pops == 0 && reply) {
        poll(celery);
    }
}

/* After a round that brought something at once, else after a growing delay, while anything is awaited. */
static void poll(struct celery *celery)
{
    struct celery_control *c = &celery->control;
    size_t n = awaited(c, clock_mono_ms());
    if (n == 0 || c->pops || !c->bound) {
        return;
    }
    if (!c->got_one) {
        c->poll_delay_ms = c->poll_delay_ms * 2 > POLL_MAX_MS ? POLL_MAX_MS : c->poll_delay_ms * 2;
        poll_soon(celery, c->poll_delay_ms);
        return;
    }
    c->got_one = false;
    c->pops = n < POPS_MAX ? n : POPS_MAX;
    for (size_t left = c->pops; left; left--) {
        send_command(celery, (const struct str[]){STR("RPOP"), str_of(c->reply_list)}, 2, on_popped);
    }
}

static void on_poll(void *ctx)
{
    struct celery *celery = ctx;
    loop_assert();
    celery->control.got_one = true; /* look again */
    poll(celery);
}

static void poll_soon(struct celery *celery, int64_t delay_ms)
{
    struct celery_control *c = &celery->control;
    if (c->poll) {
        loop_timer_again(c->poll, delay_ms);
    } else {
        c->poll = loop_timer_start(celery->loop, delay_ms, 0, on_poll, celery);
    }
}

/* -- life -- */

static void on_bound(void *ctx, const struct redisReply *reply, const struct error *err)
{
    struct celery *celery = ctx;
    (void)err;
    if (reply && reply->type == REDIS_REPLY_ERROR) {
        log_warn("celery: cannot bind the reply list; workers cannot be asked", KV_S("target", celery->name),
                 KV_STR("reason", reply->str));
    }
    celery->control.bound = reply && reply->type != REDIS_REPLY_ERROR;
}

static void bind_replies(struct celery *celery)
{
    struct celery_control *c = &celery->control;
    make_names(celery);
    send_command(celery, (const struct str[]){STR("DEL"), str_of(c->reply_list)}, 2, NULL);
    send_command(celery, (const struct str[]){STR("SADD"), str_of(c->bindings), str_of(c->member)}, 3, on_bound);
}

void celery_control_ready(struct celery *celery)
{
    struct celery_control *c = &celery->control;
    memset(c->asked_ms, 0, sizeof(c->asked_ms));
    c->ask_soon = true;
    bind_replies(celery);
}

void celery_control_down(struct celery *celery)
{
    struct celery_control *c = &celery->control;
    loop_timer_stop(c->poll);
    c->poll = NULL;
    c->bound = false;
    c->pops = 0;
    for (size_t i = 0; i < CELERY_TICKETS_MAX; i++) {
        c->requests[i].until_ms = 0; /* the ticket is kept: its replies may still be in the list */
    }
}

void celery_control_goodbye(struct celery *celery, redis_reply_fn done, void *ctx)
{
    struct celery_control *c = &celery->control;
    send_command(celery, (const struct str[]){STR("SREM"), str_of(c->bindings), str_of(c->member)}, 3, NULL);
    redis_command(c->conn, (const struct str[]){STR("DEL"), str_of(c->reply_list)}, 2, 300, done, ctx);
}

struct silent_workers {
    struct str names[DESTINATIONS_MAX];
    size_t count, online;
};

static void collect_silent(void *ctx, struct celery_worker *worker)
{
    struct silent_workers *s = ctx;
    s->online += worker->online;
    if (worker->online && !worker->task_events) {
        if (s->count < DESTINATIONS_MAX) {
            s->names[s->count] = str_of(worker->hostname);
        }
        s->count++;
    }
}

static bool is_due(const struct celery_control *c, enum celery_method method, int64_t every_ms, int64_t now_ms)
{
    return c->asked_ms[method] == 0 || now_ms - c->asked_ms[method] >= every_ms;
}

/* Only the workers that are not known to send task events, and only while there are any. */
static void enable_events(struct celery *celery, int64_t now_ms) LOOP_ONLY;
static void enable_events(struct celery *celery, int64_t now_ms)
{
    struct silent_workers silent = {.count = 0};
    celery_workers_each(celery->workers, collect_silent, &silent);
    if (silent.count && is_due(&celery->control, CELERY_ENABLE_EVENTS, ENABLE_EVENTS_MS, now_ms)) {
        bool all = silent.count > DESTINATIONS_MAX;
        ask(celery, CELERY_ENABLE_EVENTS, all ? NULL : silent.names, all ? 0 : silent.count);
    }
}

void celery_control_tick(struct celery *celery, int64_t now_ms)
{
    struct celery_control *c = &celery->control;
    if (!c->bound) {
        return;
    }
    if (c->asked_ms[CELERY_STATS] == 0) { /* first on this connection: who is there? */
        publish(celery, &(struct request){.method = "heartbeat", .arguments = "{}"}, NULL);
    }
    bool soon = c->ask_soon && is_due(c, CELERY_STATS, SOON_MS, now_ms);
    if (soon || is_due(c, CELERY_STATS, STATS_MS, now_ms)) {
        c->ask_soon = false;
        ask(celery, CELERY_STATS, NULL, 0);
        ask(celery, CELERY_ACTIVE_QUEUES, NULL, 0);
    }
    if (soon || is_due(c, CELERY_ACTIVE, ACTIVE_MS, now_ms)) {
        ask(celery, CELERY_ACTIVE, NULL, 0);
    }
    if (target_config(celery->target)->enable_events) {
        if (soon) {
            c->asked_ms[CELERY_ENABLE_EVENTS] = 0;
        }
        enable_events(celery, now_ms);
    }
}
