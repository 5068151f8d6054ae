/*
 * For the tests of alerts on a real loop, store and HTTP client: a world with rules, and a receiver that keeps what it
 * is sent and answers as told.
 */
#pragma once
#include "alerts/alerts.h"
#include "src/base/log.h"
#include "src/query/query.h"
#include "tests/support/test.h"
#include "tests/unit/loop/servers.h"

#define LIMIT_MS    30000
#define SINK_MAX    64
#define SECRET_PATH "/services/T0SECRET/B0SECRET"

enum answer_mode { ANSWER_OK, ANSWER_500, ANSWER_429, ANSWER_404, ANSWER_HANG };

struct sink_request {
    int64_t mono_ms;
    char text[16384]; /* head and body */
};
struct sink_server {
    pthread_t thread;
    pthread_mutex_t lock;
    int fd, port;
    enum answer_mode mode;
    size_t n;
    struct sink_request v[SINK_MAX];
};

static const char *sink_reply(enum answer_mode mode)
{
    switch (mode) {
    case ANSWER_500:
        return "HTTP/1.1 500 Oops\r\nContent-Length: 4\r\nConnection: close\r\n\r\noops";
    case ANSWER_429:
        return "HTTP/1.1 429 Slow\r\nRetry-After: 1\r\nContent-Length: 12\r\nConnection: close\r\n\r\nrate_limited";
    case ANSWER_404: /* as many servers do, it repeats the path */
        return "HTTP/1.1 404 No\r\nContent-Length: 30\r\nConnection: close\r\n\r\n" SECRET_PATH " is";
    default:
        return "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
    }
}

static bool sink_read(int fd, char *text, size_t size)
{
    size_t len = 0;
    for (;;) {
        ssize_t got = read(fd, text + len, size - 1 - len);
        if (got <= 0) {
            return false;
        }
        len += (size_t)got;
        text[len] = '\0';
        const char *head_end = strstr(text, "\r\n\r\n"), *length = strstr(text, "Content-Length: ");
        if (head_end && length && len >= (size_t)(head_end + 4 - text) + strtoul(length + 16, NULL, 10)) {
            return true;
        }
    }
}

static void *sink_main(void *ctx)
{
    struct sink_server *s = ctx;
    static _Thread_local struct sink_request request;
    int hung[SINK_MAX], hung_count = 0;
    for (int fd; (fd = accept(s->fd, NULL, NULL)) >= 0;) {
        if (!sink_read(fd, request.text, sizeof(request.text))) {
            close(fd);
            continue;
        }
        pthread_mutex_lock(&s->lock);
        enum answer_mode mode = s->mode;
        if (s->n < SINK_MAX) {
            request.mono_ms = clock_mono_ms();
            s->v[s->n++] = request;
        }
        pthread_mutex_unlock(&s->lock);
        if (mode == ANSWER_HANG && hung_count < SINK_MAX) {
            hung[hung_count++] = fd;
            continue;
        }
        const char *reply = sink_reply(mode);
        (void)!write(fd, reply, strlen(reply));
        close(fd);
    }
    while (hung_count) {
        close(hung[--hung_count]);
    }
    return NULL;
}

static UNUSED_HELPER void sink_start(struct sink_server *s)
{
    memset(s, 0, sizeof(*s));
    pthread_mutex_init(&s->lock, NULL);
    s->fd = bind_loopback(&s->port);
    assert_int_equal(listen(s->fd, 64), 0);
    assert_int_equal(pthread_create(&s->thread, NULL, sink_main, s), 0);
}

static UNUSED_HELPER void sink_stop(struct sink_server *s)
{
    shutdown(s->fd, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->fd);
}

static UNUSED_HELPER void sink_answer(struct sink_server *s, enum answer_mode mode)
{
    pthread_mutex_lock(&s->lock);
    s->mode = mode;
    pthread_mutex_unlock(&s->lock);
}

static UNUSED_HELPER size_t sink_count(struct sink_server *s)
{
    pthread_mutex_lock(&s->lock);
    size_t n = s->n;
    pthread_mutex_unlock(&s->lock);
    return n;
}

static UNUSED_HELPER const char *sink_body(struct sink_server *s, size_t i)
{
    assert_true(i < sink_count(s));
    const char *head_end = strstr(s->v[i].text, "\r\n\r\n");
    return head_end ? head_end + 4 : "";
}

struct world {
    char dir[64];
    struct loop *loop;
    struct http_client *http;
    struct store *store;
    struct board *board;
    struct feed *feed;
    struct alerts *alerts;
    struct config config;
    struct config_receiver receiver;
    struct config_receiver_item items[2];
    char urls[2][128], rules_path[128];
    struct str rule_files[1], group_by[1];
};

static UNUSED_HELPER void world_rules(struct world *w, const char *yaml)
{
    FILE *f = fopen(w->rules_path, "w");
    assert_non_null(f);
    fputs(yaml, f);
    fclose(f);
}

/* The configuration: a webhook at the sink, short waits. */
static UNUSED_HELPER void world_config(struct world *w, int port)
{
    w->config = (struct config){.external_url = STR("http://c:9900/"), .evaluation_interval_ms = 200};
    w->config.query_timeout_ms = 10000;
    w->rule_files[0] = str_of(w->rules_path);
    w->config.rule_files = w->rule_files;
    w->config.rule_file_count = 1;
    snprintf(w->urls[0], sizeof(w->urls[0]), "http://127.0.0.1:%d" SECRET_PATH, port);
    w->items[0] = (struct config_receiver_item){
        .kind = RECEIVER_WEBHOOK, .url = str_of(w->urls[0]), .bearer_token = STR("t0ken"), .send_resolved = true};
    w->receiver = (struct config_receiver){STR("team"), w->items, 1};
    w->config.receivers = &w->receiver;
    w->config.receiver_count = 1;
    w->group_by[0] = STR("alertname");
    w->config.route = (struct config_route){.group_by = w->group_by,
                                            .group_by_count = 1,
                                            .group_wait_ms = 50,
                                            .group_interval_ms = 300,
                                            .repeat_interval_ms = 4 * 3600 * 1000};
}

static UNUSED_HELPER void world_open(struct world *w)
{
    struct error err = {0};
    struct store_options options = {.dir = w->dir, .map_bytes = (size_t)1 << 28};
    log_set_level(LOG_ERROR);
    if (store_open(&options, &w->store, &err)) {
        fail_msg("%s", err.text);
    }
    w->loop = loop_new();
    loop_claim();
    loop_assert();
    w->http = http_client_new(w->loop);
    w->board = board_new();
    w->feed = feed_new(100, 1 << 20);
    w->alerts = alerts_new(w->loop, w->http, w->store, w->board, w->feed);
    if (alerts_apply(w->alerts, &w->config, &err)) {
        fail_msg("%s", err.text);
    }
}

static void world_stopped(void *ctx)
{
    *(bool *)ctx = true;
}

static UNUSED_HELPER void world_close(struct world *w)
{
    bool stopped = false;
    loop_assert();
    alerts_stop(w->alerts, world_stopped, &stopped);
    assert_true(turn_until(w->loop, &stopped, LIMIT_MS));
    http_client_free(w->http);
    alerts_free(w->alerts);
    loop_stop(w->loop);
    loop_run(w->loop);
    loop_free(w->loop);
    feed_free(w->feed);
    board_free(w->board);
    store_close(w->store);
}

static UNUSED_HELPER void world_sample(struct world *w, const char *name, const char *instance, double value)
{
    auto_arena arena;
    struct batch batch;
    arena_init(&arena);
    batch_init(&batch, &arena, STR("test"), clock_wall_ms(), (struct labels){0});
    struct label label = {STR("instance"), str_of(instance)};
    assert_true(batch_add(&batch, str_of(name), &label, 1, value));
    assert_int_equal(store_append(w->store, &batch, NULL, NULL), 0);
    batch_release(&batch);
}

/* Turns the loop until the sink has n requests. */
static UNUSED_HELPER bool world_until_requests(struct world *w, struct sink_server *s, size_t n)
{
    loop_assert();
    int64_t end = clock_mono_ms() + LIMIT_MS;
    while (sink_count(s) < n && clock_mono_ms() < end) {
        turn_for(w->loop, 20);
    }
    return sink_count(s) >= n;
}

static UNUSED_HELPER bool world_doc_has(struct world *w, const char *name, const char *text)
{
    const struct board_doc *doc = board_read(w->board, name);
    bool has = doc && str_find(doc->json, str_of(text)) >= 0;
    board_unref(doc);
    return has;
}

/* Turns the loop until a document of the board holds the text. */
static UNUSED_HELPER void world_until_doc(struct world *w, const char *name, const char *text)
{
    loop_assert();
    int64_t end = clock_mono_ms() + LIMIT_MS;
    while (!world_doc_has(w, name, text) && clock_mono_ms() < end) {
        turn_for(w->loop, 20);
    }
    if (!world_doc_has(w, name, text)) {
        const struct board_doc *doc = board_read(w->board, name);
        fail_msg("%s never held %s: " STR_FMT, name, text, STR_ARG(doc ? doc->json : STR("nothing")));
    }
}

/* Value of an instant query's only sample; NaN if there is none. */
static UNUSED_HELPER double world_query(struct world *w, const char *text)
{
    auto_arena arena;
    struct expr *expr;
    struct query_result result = {0};
    struct query_options options = {0};
    struct error err = {0};
    arena_init(&arena);
    assert_int_equal(query_parse(str_of(text), &arena, &expr, &err), 0);
    if (query_instant(w->store, expr, clock_wall_ms(), &options, &arena, &result, &err)) {
        fail_msg("%s", err.text);
    }
    expr_release(expr);
    return result.n == 1 && result.series[0].n ? result.series[0].points[0].v : NAN;
}
