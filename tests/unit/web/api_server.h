/*
 * The whole API over a store in a temporary folder, on a port of its own: set-up, requests and checks that the tests of
 * web/api share. A test file is one process, so there is one of each.
 *
 * A test's start: api_open_store(), what it fills in, `api = (struct api_context){.store = store, …}`, api_serve();
 * its stop: api_close(). `board` and `feed` are the test's to make; they are freed here.
 */
#pragma once
#include "src/base/clock.h"
#include "tests/support/test.h"
#include "tests/unit/web/raw_http.h"
#include "web/api/api.h"

static struct arena arena;
static struct store *store;
static struct board *board;
static struct feed *feed;
static struct http_server *server;
static struct api_context api;
static char dir[] = "/tmp/cloche-web-XXXXXX"; /* mkdtemp() fills it in */
static int port;

/* retention_ms 0: none. */
static inline void api_open_store(int64_t retention_ms)
{
    struct error err = {0};
    arena_init(&arena);
    assert_non_null(mkdtemp(dir));
    struct store_options options = {.dir = dir, .map_bytes = 64u << 20, .retention_ms = retention_ms};
    assert_int_equal(store_open(&options, &store, &err), 0);
}

/* `more` registers further routes; may be NULL. */
static inline void api_serve(size_t threads, void (*more)(struct http_server *server, struct api_context *context))
{
    struct error err = {0};
    server = http_server_new();
    api_register(server, &api);
    if (more) {
        more(server, &api);
    }
    struct http_server_options listen = {.listen = STR("127.0.0.1:0"), .threads = (int)threads};
    assert_int_equal(http_server_start(server, &listen, &err), 0);
    port = http_server_port(server);
}

static inline int api_close(void **state)
{
    (void)state;
    if (feed) {
        feed_close(feed);
    }
    http_server_free(server);
    store_close(store);
    if (feed) {
        feed_free(feed);
    }
    if (board) {
        board_free(board);
    }
    arena_release(&arena);
    char command[64];
    (void)snprintf(command, sizeof(command), "rm -rf %s", dir);
    return system(command);
}

static inline struct str api_get(const char *path)
{
    return raw_get(&arena, port, path, NULL);
}

/* Further headers end with \r\n each. */
static inline struct str api_post(const char *path, const char *content_type, const char *headers, const char *body)
{
    return raw_ask(&arena, port,
                   arena_printf(&arena,
                                "POST %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: %s\r\n%s"
                                "Content-Length: %zu\r\n\r\n%s",
                                path, content_type, headers, strlen(body), body));
}

/* The whole body, word for word. */
static inline void expect_body(struct str answer, int status, const char *body)
{
    if (raw_status(answer) != status || !str_is(raw_body(answer), body)) {
        fail_msg("expected %d %s\ngot " STR_FMT, status, body, STR_ARG(answer));
    }
}

static inline void expect_part(struct str answer, int status, const char *text)
{
    if (raw_status(answer) != status || !raw_has(raw_body(answer), text)) {
        fail_msg("expected %d with %s\ngot " STR_FMT, status, text, STR_ARG(answer));
    }
}
