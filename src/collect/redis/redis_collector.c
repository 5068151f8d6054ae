/*
 * Talks to one Redis server: a few small commands and INFO in one pipeline per tick; redis_info.c makes samples of it.
 *
 * Only INFO decides whether the server is up. What an ACL forbids (CONFIG, SLOWLOG, LATENCY) is not asked again on the
 * same connection, so that we do not fill the server's own error statistics.
 */
#include "src/base/number.h"
#include "src/collect/reconnect.h"
#include "src/collect/redis/redis_info.h"
#include "src/collect/target_internal.h"
#include "src/collect/text.h"
#include "src/loop/loop_redis.h"

#include <hiredis/hiredis.h>

struct redis_state;

struct command {
    struct str argv[3];
    size_t argc;
    void (*take)(struct redis_state *state, struct batch *batch, const struct redisReply *reply);
};

/* Of one outstanding command. */
struct call {
    struct redis_state *state;
    const struct command *command;
    uint64_t ticket;
};

enum { COMMAND_MAX = 8 };

struct redis_state {
    struct target *target;
    struct redis_conn *conn;
    struct reconnect reconnect;
    struct error reason; /* why the connection is down */
    uint64_t waiting;    /* ticket that waits for the connection; 0: none */
    uint32_t refused;    /* bit per command: the server does not let us */
    size_t outstanding;
    struct call calls[COMMAND_MAX];
    struct redis_info info;
};

/* ---- the commands beside INFO ---- */

static bool reply_number(const struct redisReply *reply, double *out)
{
    if (reply->type == REDIS_REPLY_INTEGER) {
        *out = (double)reply->integer;
        return true;
    }
    return reply->type == REDIS_REPLY_STRING && number_parse(str_make(reply->str, reply->len), out);
}

static const struct redisReply *reply_item(const struct redisReply *reply, size_t i)
{
    return reply->type == REDIS_REPLY_ARRAY && i < reply->elements ? reply->element[i] : NULL;
}

static void add_gauge(struct batch *batch, struct str name, struct str help, double value)
{
    batch_family(batch, name, METRIC_GAUGE, help);
    batch_add(batch, name, NULL, 0, value);
}

static void take_databases(struct redis_state *state, struct batch *batch, const struct redisReply *reply)
{
    const struct redisReply *value = reply_item(reply, 1);
    double v;
    (void)batch;
    if (value && reply_number(value, &v) && v >= 1 && v <= REDIS_DATABASES_MAX) {
        state->info.databases = (int64_t)v;
    }
}

static void take_io_threads(struct redis_state *state, struct batch *batch, const struct redisReply *reply)
{
    const struct redisReply *value = reply_item(reply, 1);
    double v;
    (void)state;
    if (value && reply_number(value, &v)) {
        add_gauge(batch, STR("redis_config_io_threads"), STR("Configured I/O threads."), v);
    }
}

static void take_slowlog_length(struct redis_state *state, struct batch *batch, const struct redisReply *reply)
{
    double v;
    (void)state;
    if (reply_number(reply, &v)) {
        add_gauge(batch, STR("redis_slowlog_length"), STR("Entries in the slow log."), v);
    }
}

/* [[id, time, microseconds, ...]], or an empty array when nothing was slow. */
static void take_slowlog_last(struct redis_state *state, struct batch *batch, const struct redisReply *reply)
{
    double id = 0, usec = 0;
    const struct redisReply *entry = reply_item(reply, 0);
    const struct redisReply *id_reply = entry ? reply_item(entry, 0) : NULL;
    const struct redisReply *usec_reply = entry ? reply_item(entry, 2) : NULL;
    (void)state;
    if (reply->type != REDIS_REPLY_ARRAY) {
        return;
    }
    if (id_reply && usec_reply && (!reply_number(id_reply, &id) || !reply_number(usec_reply, &usec))) {
        return;
    }
    add_gauge(batch, STR("redis_slowlog_last_id"), STR("Number of the newest slow log entry."), id);
    add_gauge(batch, STR("redis_last_slow_execution_duration_seconds"), STR("Duration of the newest slow log entry."),
              usec / 1e6);
}

/* [[event, time, milliseconds, ...], ...]; the server knows fewer than 20 events. */
static void take_latency(struct redis_state *state, struct batch *batch, const struct redisReply *reply)
{
    const struct redisReply *entry;
    (void)state;
    for (size_t i = 0; i < 64 && (entry = reply_item(reply, i)); i++) {
        const struct redisReply *event = reply_item(entry, 0), *when = reply_item(entry, 1);
        const struct redisReply *took = reply_item(entry, 2);
        double t, ms;
        if (!took || event->type != REDIS_REPLY_STRING || !reply_number(when, &t) || !reply_number(took, &ms)) {
            continue;
        }
        const struct label labels[] = {{STR("event_name"), str_make(event->str, event->len)}};
        batch_family(batch, STR("redis_latency_spike_last"), METRIC_GAUGE,
                     STR("When the last latency spike was, Unix time, by event."));
        batch_add(batch, STR("redis_latency_spike_last"), labels, 1, t);
        batch_family(batch, STR("redis_latency_spike_duration_seconds"), METRIC_GAUGE,
                     STR("How long the last latency spike was, by event."));
        batch_add(batch, STR("redis_latency_spike_duration_seconds"), labels, 1, ms / 1e3);
    }
}

static void take_cluster(struct redis_state *state, struct batch *batch, const struct redisReply *reply)
{
    (void)state;
    if (reply->type == REDIS_REPLY_STRING) {
        redis_cluster_parse(str_make(reply->str, reply->len), batch);
    }
}

/* In this order on the wire; CONFIG GET databases before INFO, which needs it. */
static const struct command commands[] = {
    {{TEXT("CONFIG"), TEXT("GET"), TEXT("databases")}, 3, take_databases},
    {{TEXT("CONFIG"), TEXT("GET"), TEXT("io-threads")}, 3, take_io_threads},
    {{TEXT("SLOWLOG"), TEXT("LEN")}, 2, take_slowlog_length},
    {{TEXT("SLOWLOG"), TEXT("GET"), TEXT("1")}, 3, take_slowlog_last},
    {{TEXT("LATENCY"), TEXT("LATEST")}, 2, take_latency},
    {{TEXT("CLUSTER"), TEXT("INFO")}, 2, take_cluster},
};
#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))
static const struct command info_command = {{TEXT("INFO"), TEXT("ALL")}, 2, NULL};

/* ---- one collection ---- */

static void on_command(void *ctx, const struct redisReply *reply, const struct error *err)
{
    struct call *call = ctx;
    struct redis_state *state = call->state;
    struct batch *batch = target_batch(state->target, call->ticket);
    (void)err; /* the connection is down: on_down() comes with the same reason */
    state->outstanding--;
    if (!reply) {
        return;
    }
    if (reply->type == REDIS_REPLY_ERROR) {
        state->refused |= 1u << (call->command - commands);
    } else if (batch) {
        call->command->take(state, batch, reply);
    }
}

/* "NOAUTH Authentication required." and its kin, as Redis says them. */
static void error_of_reply(struct error *err, const struct redisReply *reply)
{
    struct str text = str_make(reply->str, reply->len);
    bool auth = str_starts(text, STR("NOAUTH")) || str_starts(text, STR("WRONGPASS")) ||
                str_starts(text, STR("NOPERM")) || str_starts(text, STR("ERR invalid password"));
    error_set(err, auth ? ERR_AUTH : ERR_PROTOCOL, "INFO: " STR_FMT, STR_ARG(text));
}

static void note_what_is_missing(struct redis_state *state)
{
    if (state->info.skipped) {
        struct arena arena;
        arena_init(&arena);
        target_set_hint(state->target,
                        arena_printf(&arena, "%llu lines of INFO were left out: more than %d of one kind.",
                                     (unsigned long long)state->info.skipped, REDIS_INFO_LIST_MAX));
        arena_release(&arena);
    } else if (state->refused) {
        target_set_hint(state->target, STR("The server refuses CONFIG GET, SLOWLOG or LATENCY to this user; INFO is "
                                           "enough for the rest."));
    } else {
        target_set_hint(state->target, STR(""));
    }
}

static void on_info(void *ctx, const struct redisReply *reply, const struct error *err)
{
    struct call *call = ctx;
    struct redis_state *state = call->state;
    uint64_t ticket = call->ticket;
    struct batch *batch = target_batch(state->target, ticket);
    struct error failure = {0};
    state->outstanding--;
    if (!reply) {
        target_done(state->target, ticket, err);
        return;
    }
    reconnect_worked(&state->reconnect);
    if (!batch) {
        return;
    }
    if (reply->type == REDIS_REPLY_ERROR) {
        error_of_reply(&failure, reply);
    } else if (reply->type != REDIS_REPLY_STRING) {
        error_set(&failure, ERR_PROTOCOL, "INFO was not answered with a text: is this a Redis server?");
    } else {
        state->info.now_ms = batch->t_ms;
        if (redis_info_parse(str_make(reply->str, reply->len), &state->info, batch, &failure) == 0) {
            note_what_is_missing(state);
        }
    }
    target_done(state->target, ticket, &failure);
}

static void send_commands(struct redis_state *state, uint64_t ticket)
{
    loop_assert();
    /* the timeout brings a silent connection down; the target's deadline is a little earlier and gives the reason */
    int64_t timeout_ms = target_config(state->target)->timeout_ms;
    size_t n = 0;
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        /* the INFO before told whether it is a cluster's node; others refuse CLUSTER */
        if (state->refused & 1u << i || (commands[i].take == take_cluster && !state->info.cluster)) {
            continue;
        }
        struct call *call = &state->calls[n++];
        *call = (struct call){.state = state, .command = &commands[i], .ticket = ticket};
        state->outstanding++;
        redis_command(state->conn, commands[i].argv, commands[i].argc, timeout_ms, on_command, call);
    }
    struct call *call = &state->calls[n];
    *call = (struct call){.state = state, .command = &info_command, .ticket = ticket};
    state->outstanding++;
    redis_command(state->conn, info_command.argv, info_command.argc, timeout_ms, on_info, call);
}

static void redis_collect(struct target *target, uint64_t ticket)
{
    struct redis_state *state = target_state(target);
    loop_assert();
    if (reconnect_waiting(&state->reconnect)) {
        target_done(target, ticket, &state->reason);
    } else if (!redis_is_ready(state->conn) || state->outstanding) {
        state->waiting = ticket; /* on_ready or on_down decides, or the deadline */
    } else {
        send_commands(state, ticket);
    }
}

/* ---- the connection ---- */

static void on_ready(void *ctx)
{
    struct redis_state *state = ctx;
    uint64_t ticket = state->waiting;
    state->waiting = 0;
    state->refused = 0;
    state->info.databases = 0;
    target_set_instance(state->target, str_of(redis_address(state->conn)));
    if (target_batch(state->target, ticket)) {
        send_commands(state, ticket);
    } else {
        target_nudge(state->target);
    }
}

static void on_down(void *ctx, const struct error *reason)
{
    struct redis_state *state = ctx;
    uint64_t ticket = state->waiting;
    state->waiting = 0;
    state->reason = *reason;
    target_set_hint(state->target, STR(""));
    reconnect_later(&state->reconnect);
    target_done(state->target, ticket, &state->reason);
}

static void on_reconnect(void *ctx)
{
    struct redis_state *state = ctx;
    loop_assert();
    redis_reconnect(state->conn);
}

static int redis_start(struct target *target, struct error *err)
{
    static const struct redis_callbacks callbacks = {.on_ready = on_ready, .on_down = on_down};
    const struct config_target *config = target_config(target);
    struct redis_state *state = mem_zalloc(sizeof(*state));
    loop_assert();
    state->target = target;
    target_set_up_metric(target, "redis_up", "1 if INFO was answered, else 0.");
    reconnect_init(&state->reconnect, target_loop(target), config->interval_ms, on_reconnect, state);
    const struct redis_options options = {.url = config->url,
                                          .connect_timeout_ms = config->timeout_ms < 5000 ? config->timeout_ms : 5000};
    state->conn = redis_open(target_loop(target), &options, &callbacks, state, err);
    if (!state->conn) {
        mem_free(state);
        return err && err->code ? err->code : ERR_CONFIG;
    }
    target_set_state(target, state);
    return 0;
}

static void redis_stop(struct target *target)
{
    struct redis_state *state = target_state(target);
    loop_assert();
    reconnect_stop(&state->reconnect);
    redis_close(state->conn);
    mem_free(state);
    target_set_state(target, NULL);
    target_stopped(target);
}

const struct collector redis_collector = {
    .name = "redis", .start = redis_start, .collect = redis_collect, .stop = redis_stop};
