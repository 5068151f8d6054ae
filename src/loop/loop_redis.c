#include "src/loop/loop_redis.h"

#include "src/base/clock.h"
#include "src/base/mem.h"
#include "src/loop/loop_stream.h"
#include "src/loop/redis_target.h"

#include <hiredis/hiredis.h>
#include <stdarg.h>

enum {
    CONNECT_TIMEOUT_MS = 5000,
    FEED_BYTES = 16384, /* the reader moves its rest to the front again and again: keep that short */
    LINE_MAX_BYTES = 65536,
    ARRAY_MAX_ELEMENTS = 1 << 20, /* allocated before they arrive: an announced number must not cost memory */
    QUEUE_MAX_BYTES = 16 << 20,
    QUEUE_MAX_COMMANDS = 10000,
};

struct command {
    struct command *next;
    redis_reply_fn fn;
    void *ctx;
    int64_t deadline_ms; /* monotonic; 0: none */
    size_t replies;      /* a SUBSCRIBE is confirmed once a channel */
};

struct command_list {
    struct command *first, **end;
    size_t n;
};

enum state { STATE_DOWN, STATE_CONNECTING, STATE_READY };

struct redis_conn {
    struct loop *loop;
    struct redis_callbacks callbacks;
    void *ctx;
    struct redis_target target;
    struct tls_context *tls;
    int64_t connect_timeout_ms;

    int refs;    /* the owner, messages on their way, functions that call back */
    bool closed; /* redis_close() was called: nobody listens any more */
    bool failing;
    enum state state;
    struct stream *stream;
    redisReader *reader;     /* NULL while on_stream_data() has it */
    uint64_t generation;     /* of the stream; tells a loop over replies that it is over */
    size_t unfinished_bytes; /* input since the last whole reply */
    bool subscribed, paused;
    struct command_list sent;    /* in the order of the replies to come */
    struct command_list refused; /* not sent; answered with an error from the loop */
    struct loop_timer *timer;    /* the next deadline of a command */
    int64_t timer_at_ms;         /* 0: not armed */
    struct loop_timer *connect_timer;
};

static void go_down(struct redis_conn *c, const struct error *reason) LOOP_ONLY;

/* -- lists of commands -- */

static void list_init(struct command_list *list)
{
    *list = (struct command_list){.end = &list->first};
}

static void list_push(struct command_list *list, struct command *command)
{
    command->next = NULL;
    *list->end = command;
    list->end = &command->next;
    list->n++;
}

static struct command *list_pop(struct command_list *list)
{
    struct command *command = list->first;
    if (command) {
        list->first = command->next;
        list->n--;
        if (!list->first) {
            list->end = &list->first;
        }
    }
    return command;
}

static void list_drop(struct command_list *list)
{
    for (struct command *command; (command = list_pop(list));) {
        mem_free(command);
    }
}

/* -- life -- */

static void unref(struct redis_conn *c)
{
    if (--c->refs > 0) {
        return;
    }
    redis_target_release(&c->target);
    tls_context_free(c->tls);
    mem_free(c);
}

/* Ends the stream and what belongs to it, silently. */
static void disconnect(struct redis_conn *c) LOOP_ONLY;
static void disconnect(struct redis_conn *c)
{
    c->state = STATE_DOWN;
    c->generation++;
    stream_close(steal(c->stream));
    loop_timer_stop(steal(c->timer));
    loop_timer_stop(steal(c->connect_timer));
    if (c->reader) {
        redisReaderFree(steal(c->reader));
    }
    c->timer_at_ms = 0;
    c->subscribed = false;
}

void redis_close(struct redis_conn *c)
{
    if (!c) {
        return;
    }
    c->closed = true;
    disconnect(c);
    list_drop(&c->sent);
    list_drop(&c->refused);
    unref(c);
}

/* Calls back for each with no reply. The callbacks may close the connection. */
static void fail_commands(struct redis_conn *c, struct command_list *list, const struct error *err)
{
    for (struct command *command; !c->closed && (command = list_pop(list));) {
        if (command->fn) {
            command->fn(command->ctx, NULL, err);
        }
        mem_free(command);
    }
}

static void go_down(struct redis_conn *c, const struct error *reason)
{
    if (c->closed || c->state == STATE_DOWN) {
        return;
    }
    struct error copy = *reason;
    c->refs++;
    disconnect(c);
    c->failing = true;
    fail_commands(c, &c->sent, &copy);
    c->failing = false;
    if (!c->closed && c->callbacks.on_down) {
        c->callbacks.on_down(c->ctx, &copy);
    }
    unref(c);
}

static void go_down_text(struct redis_conn *c, int code, const char *fmt, ...) LOOP_ONLY PRINTF_LIKE(3, 4);
static void go_down_text(struct redis_conn *c, int code, const char *fmt, ...)
{
    char text[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    struct error reason;
    error_set(&reason, code, "Redis at %s %s", c->target.address, text);
    go_down(c, &reason);
}

/* -- deadlines -- */

static void on_connect_timer(void *ctx)
{
    loop_assert();
    struct redis_conn *c = ctx;
    go_down_text(c, ERR_TIMEOUT, "was not ready within %.3g s: waited for %s", (double)c->connect_timeout_ms / 1000,
                 stream_waits_for(c->stream));
}

static void arm_timer(struct redis_conn *c, int64_t at_ms) LOOP_ONLY;

static void on_timer(void *ctx)
{
    loop_assert();
    struct redis_conn *c = ctx;
    int64_t now = clock_mono_ms(), next = 0;
    c->timer_at_ms = 0;
    for (const struct command *it = c->sent.first; it; it = it->next) {
        if (it->deadline_ms && it->deadline_ms <= now) {
            go_down_text(c, ERR_TIMEOUT, "did not answer a command in time");
            return;
        }
        if (it->deadline_ms && (next == 0 || it->deadline_ms < next)) {
            next = it->deadline_ms;
        }
    }
    if (next) {
        arm_timer(c, next);
    }
}

/* The timer may be early (its command was answered meanwhile): it then looks for the next deadline. */
static void arm_timer(struct redis_conn *c, int64_t at_ms)
{
    if (c->timer_at_ms && c->timer_at_ms <= at_ms) {
        return;
    }
    int64_t delay_ms = at_ms - clock_mono_ms();
    c->timer_at_ms = at_ms;
    if (c->timer) {
        loop_timer_again(c->timer, delay_ms);
    } else {
        c->timer = loop_timer_start(c->loop, delay_ms, 0, on_timer, c);
    }
}

/* -- sending -- */

static void answer_refused(void *ctx)
{
    loop_assert();
    struct redis_conn *c = ctx;
    struct error err;
    error_set(&err, ERR_CLOSED, "Redis at %s is not connected, or too many commands wait", c->target.address);
    /* Only those that are here now: a callback that tries again at once must not keep us from the loop. */
    struct command_list now;
    list_init(&now);
    while (c->refused.first) {
        list_push(&now, list_pop(&c->refused));
    }
    fail_commands(c, &now, &err);
    list_drop(&now);
    unref(c);
}

static void refuse(struct redis_conn *c, struct command *command)
{
    if (c->refused.n == 0) {
        c->refs++;
        loop_post(c->loop, answer_refused, c);
    }
    list_push(&c->refused, command);
}

static bool send_argv(struct redis_conn *c, const struct str *argv, size_t argc) LOOP_ONLY;
static bool send_argv(struct redis_conn *c, const struct str *argv, size_t argc)
{
    const char **texts = mem_alloc(argc * sizeof(*texts));
    size_t *lengths = mem_alloc(argc * sizeof(*lengths));
    for (size_t i = 0; i < argc; i++) {
        texts[i] = argv[i].p ? argv[i].p : "";
        lengths[i] = argv[i].len;
    }
    char *bytes = NULL;
    int n = redisFormatCommandArgv(&bytes, (int)argc, texts, lengths);
    bool taken = n > 0 && stream_write(c->stream, str_make(bytes, (size_t)n));
    redisFreeCommand(bytes);
    mem_free(lengths);
    mem_free(texts);
    return taken;
}

/* Sends in any state in which the stream is open; the handshake's own commands go this way too. */
static bool submit(struct redis_conn *c, const struct str *argv, size_t argc, struct command *command) LOOP_ONLY;
static bool submit(struct redis_conn *c, const struct str *argv, size_t argc, struct command *command)
{
    if (c->sent.n >= QUEUE_MAX_COMMANDS || !send_argv(c, argv, argc)) {
        return false;
    }
    list_push(&c->sent, command);
    if (command->deadline_ms) {
        arm_timer(c, command->deadline_ms);
    }
    return true;
}

static struct command *command_new(redis_reply_fn fn, void *ctx, int64_t timeout_ms, size_t replies)
{
    struct command *command = mem_alloc(sizeof(*command));
    *command = (struct command){
        .fn = fn,
        .ctx = ctx,
        .deadline_ms = timeout_ms > 0 ? clock_mono_ms() + timeout_ms : 0,
        .replies = replies,
    };
    return command;
}

void redis_command(struct redis_conn *c, const struct str *argv, size_t argc, int64_t timeout_ms, redis_reply_fn fn,
                   void *ctx)
{
    invariant(argc > 0 && !c->closed);
    struct command *command = command_new(fn, ctx, timeout_ms, 1);
    if (c->state != STATE_READY || !submit(c, argv, argc, command)) {
        refuse(c, command);
    }
}

void redis_subscribe(struct redis_conn *c, const struct str *argv, size_t argc, redis_reply_fn fn, void *ctx)
{
    invariant(argc > 1 && !c->closed);
    struct command *command = command_new(fn, ctx, 0, argc - 1);
    if (c->state != STATE_READY || !submit(c, argv, argc, command)) {
        refuse(c, command);
        return;
    }
    c->subscribed = true;
}

/* -- the handshake: AUTH, SELECT and PING in one go -- */

static void explain_refusal(struct redis_conn *c, const char *text, struct error *err)
{
    const char *where = c->target.address;
    struct str s = str_of(text);
    if (str_starts(s, STR("NOAUTH"))) {
        error_set(err, ERR_AUTH, "Redis at %s wants a password (NOAUTH): put it into the URL, redis://:PASSWORD@...",
                  where);
    } else if (str_starts(s, STR("WRONGPASS")) || str_starts(s, STR("ERR invalid password"))) {
        error_set(err, ERR_AUTH, "Redis at %s refuses the password (WRONGPASS): check the user and password in the URL",
                  where);
    } else if (str_starts(s, STR("ERR AUTH")) || str_starts(s, STR("ERR Client sent AUTH"))) {
        error_set(err, ERR_AUTH, "Redis at %s has no password set, but the URL has one: remove it from the URL", where);
    } else {
        error_set(err, ERR_PROTOCOL, "Redis at %s is not usable: %s", where, text);
    }
}

/* Whoever may not PING has been let in all the same. */
static bool is_refusal(const struct redisReply *reply)
{
    return reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, "NOPERM", 6) != 0;
}

static void on_handshake_reply(void *ctx, const struct redisReply *reply, const struct error *err)
{
    loop_assert();
    (void)err;
    struct redis_conn *c = ctx;
    if (!reply) {
        return; /* going down already */
    }
    if (is_refusal(reply)) {
        struct error reason;
        explain_refusal(c, reply->str, &reason);
        go_down(c, &reason);
        return;
    }
    if (c->sent.n == 0) {
        c->state = STATE_READY;
        loop_timer_stop(steal(c->connect_timer));
        stream_pause(c->stream, c->paused);
        if (c->callbacks.on_ready) {
            c->callbacks.on_ready(c->ctx);
        }
    }
}

static void send_step(struct redis_conn *c, const struct str *argv, size_t argc) LOOP_ONLY;
static void send_step(struct redis_conn *c, const struct str *argv, size_t argc)
{
    bool sent = submit(c, argv, argc, command_new(on_handshake_reply, c, 0, 1));
    invariant(sent); /* nothing else is queued yet */
}

static void on_stream_open(void *ctx)
{
    loop_assert();
    struct redis_conn *c = ctx;
    const struct redis_target *t = &c->target;
    if (t->has_password && t->user.len) {
        send_step(c, (struct str[]){STR("AUTH"), t->user, t->password}, 3);
    } else if (t->has_password) {
        send_step(c, (struct str[]){STR("AUTH"), t->password}, 2);
    }
    if (t->db) {
        char db[16];
        snprintf(db, sizeof(db), "%d", t->db);
        send_step(c, (struct str[]){STR("SELECT"), str_of(db)}, 2);
    }
    send_step(c, (struct str[]){STR("PING")}, 1);
}

/* -- receiving -- */

static bool is_push(const struct redis_conn *c, const struct redisReply *reply)
{
    if (!c->subscribed || reply->type != REDIS_REPLY_ARRAY || reply->elements < 3 ||
        reply->element[0]->type != REDIS_REPLY_STRING) {
        return false;
    }
    struct str kind = str_make(reply->element[0]->str, (size_t)reply->element[0]->len);
    return str_is(kind, "message") || str_is(kind, "pmessage");
}

static void dispatch(struct redis_conn *c, const struct redisReply *reply) LOOP_ONLY;
static void dispatch(struct redis_conn *c, const struct redisReply *reply)
{
    if (is_push(c, reply)) {
        if (c->callbacks.on_push) {
            c->callbacks.on_push(c->ctx, reply);
        }
        return;
    }
    struct command *command = c->sent.first;
    if (!command) {
        go_down_text(c, ERR_PROTOCOL, "sent a reply that nobody asked for");
        return;
    }
    if (command->replies > 1 && reply->type != REDIS_REPLY_ERROR) {
        command->replies--;
        return;
    }
    (void)list_pop(&c->sent);
    redis_reply_fn fn = command->fn;
    void *fn_ctx = command->ctx;
    mem_free(command);
    if (fn) {
        fn(fn_ctx, reply, NULL);
    }
}

static void explain_reader_error(struct redis_conn *c, const redisReader *reader) LOOP_ONLY;
static void explain_reader_error(struct redis_conn *c, const redisReader *reader)
{
    if (reader->err == REDIS_ERR_OOM) {
        go_down_text(c, ERR_LIMIT, "sent an array of more than %d elements", ARRAY_MAX_ELEMENTS);
    } else {
        go_down_text(c, ERR_PROTOCOL, "does not speak the Redis protocol (%s)", reader->errstr);
    }
}

/* Hands on every whole reply the reader holds. False: this stream is over. */
static bool drain(struct redis_conn *c, redisReader *reader, uint64_t generation) LOOP_ONLY;
static bool drain(struct redis_conn *c, redisReader *reader, uint64_t generation)
{
    for (;;) {
        void *reply = NULL;
        if (redisReaderGetReply(reader, &reply) != REDIS_OK) {
            explain_reader_error(c, reader);
            return false;
        }
        if (!reply) {
            return true;
        }
        c->unfinished_bytes = 0;
        dispatch(c, reply);
        freeReplyObject(reply);
        if (c->generation != generation) {
            return false;
        }
    }
}

/* A line without end would be searched again with each part that comes. */
static bool line_too_long(const redisReader *reader)
{
    return reader->len - reader->pos > LINE_MAX_BYTES && !memchr(reader->buf + reader->pos, '\n', LINE_MAX_BYTES);
}

/* Takes one part of the input. False: this stream is over. */
static bool feed(struct redis_conn *c, redisReader *reader, struct str part) LOOP_ONLY;
static bool feed(struct redis_conn *c, redisReader *reader, struct str part)
{
    uint64_t generation = c->generation;
    redisReaderFeed(reader, part.p, part.len);
    c->unfinished_bytes += part.len;
    if (!drain(c, reader, generation)) {
        return false;
    }
    if (c->unfinished_bytes > REDIS_REPLY_MAX) {
        go_down_text(c, ERR_LIMIT, "sent a reply of more than %u MiB", REDIS_REPLY_MAX >> 20);
    } else if (line_too_long(reader)) {
        go_down_text(c, ERR_PROTOCOL, "does not speak the Redis protocol (a line without end)");
    }
    return c->generation == generation;
}

static void on_stream_data(void *ctx, const char *p, size_t n)
{
    loop_assert();
    struct redis_conn *c = ctx;
    redisReader *reader = steal(c->reader); /* ours until the end, whatever the callbacks do */
    uint64_t generation = c->generation;
    struct str rest = str_make(p, n);
    bool going = true;
    c->refs++;
    while (rest.len && going) {
        going = feed(c, reader, str_slice(rest, 0, FEED_BYTES));
        rest = str_slice(rest, FEED_BYTES, rest.len);
    }
    if (c->generation == generation) {
        c->reader = reader;
    } else {
        redisReaderFree(reader);
    }
    unref(c);
}

static void on_stream_end(void *ctx, const struct error *reason)
{
    loop_assert();
    struct redis_conn *c = ctx;
    if (reason->code == ERR_CLOSED) {
        bool early = c->state != STATE_READY;
        go_down_text(c, ERR_CLOSED, "%s",
                     early ? "closed the connection before it was ready" : "closed the connection");
        return;
    }
    go_down_text(c, reason->code, "is not reachable: %s", reason->text);
}

/* -- connecting -- */

static void *(*create_array)(const redisReadTask *, int);

static void *create_small_array(const redisReadTask *task, int elements)
{
    return elements > ARRAY_MAX_ELEMENTS ? NULL : create_array(task, elements);
}

/* hiredis allocates an array by its announced length; its default functions can be had from a reader only. */
static redisReader *reader_new(void)
{
    static redisReplyObjectFunctions functions;
    redisReader *reader = redisReaderCreate();
    invariant(reader != NULL);
    if (!create_array) {
        functions = *reader->fn;
        create_array = functions.createArray;
        functions.createArray = create_small_array;
    }
    reader->fn = &functions;
    return reader;
}

static void connect_now(struct redis_conn *c) LOOP_ONLY;
static void connect_now(struct redis_conn *c)
{
    static const struct stream_callbacks callbacks = {on_stream_open, on_stream_data, on_stream_end};
    const struct redis_target *t = &c->target;
    c->state = STATE_CONNECTING;
    c->generation++;
    c->unfinished_bytes = 0;
    c->reader = reader_new();
    struct stream_options options = {
        .host = t->host,
        .port = t->port,
        .unix_path = t->unix_path,
        .tls = c->tls,
        .max_queued_bytes = QUEUE_MAX_BYTES,
    };
    c->stream = stream_open(c->loop, &options, &callbacks, c);
    c->connect_timer = loop_timer_start(c->loop, c->connect_timeout_ms, 0, on_connect_timer, c);
}

struct redis_conn *redis_open(struct loop *loop, const struct redis_options *options,
                              const struct redis_callbacks *callbacks, void *ctx, struct error *err)
{
    struct redis_conn *c = mem_zalloc(sizeof(*c));
    c->refs = 1;
    c->loop = loop;
    c->callbacks = *callbacks;
    c->ctx = ctx;
    c->connect_timeout_ms = options->connect_timeout_ms > 0 ? options->connect_timeout_ms : CONNECT_TIMEOUT_MS;
    list_init(&c->sent);
    list_init(&c->refused);
    int rc = redis_target_parse(options->url, &c->target, err);
    if (rc == 0 && c->target.use_tls) {
        rc = tls_context_new(&c->target.tls, &c->tls, err);
    }
    if (rc) {
        unref(c);
        return NULL;
    }
    connect_now(c);
    return c;
}

void redis_reconnect(struct redis_conn *c)
{
    invariant(!c->closed && c->state == STATE_DOWN && !c->failing);
    connect_now(c);
}

bool redis_is_ready(const struct redis_conn *c)
{
    return c->state == STATE_READY;
}

void redis_pause(struct redis_conn *c, bool paused)
{
    c->paused = paused;
    if (c->state == STATE_READY) {
        stream_pause(c->stream, paused);
    }
}

const char *redis_address(const struct redis_conn *c)
{
    return c->target.address;
}

int redis_db(const struct redis_conn *c)
{
    return c->target.db;
}
