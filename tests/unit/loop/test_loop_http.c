#include "src/loop/loop_http.h"
#include "tests/support/test.h"
#include "tests/unit/loop/servers.h"

#include <time.h>

enum { LIMIT_MS = 20000 };

static int claim(void **state)
{
    (void)state;
    loop_claim();
    return 0;
}

/* -- a server that answers by path, and keeps the last request -- */

static char last_request[8192];
static pthread_mutex_t last_lock = PTHREAD_MUTEX_INITIALIZER;

static void send_text(int fd, const char *text)
{
    for (size_t len = strlen(text); len;) {
        ssize_t n = write(fd, text, len);
        if (n <= 0) {
            return;
        }
        text += n;
        len -= (size_t)n;
    }
}

static void send_huge(int fd)
{
    static char block[65536];
    memset(block, 'h', sizeof(block));
    send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n");
    while (write(fd, block, sizeof(block)) > 0) {
    }
}

static void send_dated(int fd)
{
    char text[256], date[64];
    time_t at = time(NULL) + 3600;
    struct tm tm;
    gmtime_r(&at, &tm);
    strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
    snprintf(text, sizeof(text), "HTTP/1.1 503 Busy\r\nretry-after: %s\r\nContent-Length: 0\r\n\r\n", date);
    send_text(fd, text);
}

/* Header and the announced body. */
static bool read_request(int fd, char *text, size_t size)
{
    size_t len = 0, want = SIZE_MAX;
    while (len < want && len < size - 1) {
        ssize_t n = read(fd, text + len, size - 1 - len);
        if (n <= 0) {
            return false;
        }
        len += (size_t)n;
        text[len] = '\0';
        const char *end = strstr(text, "\r\n\r\n"), *length = strcasestr(text, "content-length:");
        if (end) {
            want = (size_t)(end + 4 - text) + (length ? (size_t)strtoul(length + 15, NULL, 10) : 0);
        }
    }
    return true;
}

static void serve(struct fake_server *server, int fd)
{
    char text[8192];
    while (read_request(fd, text, sizeof(text))) {
        pthread_mutex_lock(&last_lock);
        memcpy(last_request, text, sizeof(text));
        pthread_mutex_unlock(&last_lock);
        const char *path = strchr(text, ' ') + 1;
        if (strncmp(path, "/ok", 3) == 0) {
            send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
        } else if (strncmp(path, "/fail", 5) == 0) {
            send_text(fd, "HTTP/1.1 500 Broken\r\nContent-Length: 3\r\n\r\nwhy");
        } else if (strncmp(path, "/later", 6) == 0) {
            send_text(fd, "HTTP/1.1 429 Slow down\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n");
        } else if (strncmp(path, "/dated", 6) == 0) {
            send_dated(fd);
        } else if (strncmp(path, "/moved", 6) == 0) {
            send_text(fd, "HTTP/1.1 302 Moved\r\nRetry-After: 9\r\nLocation: /ok\r\nContent-Length: 0\r\n\r\n");
        } else if (strncmp(path, "/round", 6) == 0) {
            send_text(fd, "HTTP/1.1 302 Moved\r\nLocation: /round\r\nContent-Length: 0\r\n\r\n");
        } else if (strncmp(path, "/file", 5) == 0) {
            send_text(fd, "HTTP/1.1 302 Moved\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n");
        } else if (strncmp(path, "/huge", 5) == 0) {
            send_huge(fd);
            return;
        } else if (strncmp(path, "/hang", 5) == 0) {
            serve_silence(server, fd);
            return;
        } else {
            send_text(fd, "garbage that is no HTTP\r\n\r\n");
            return;
        }
    }
}

/* -- a recorder -- */

struct got {
    struct http_client *client;
    bool done, free_client;
    int calls, status;
    int64_t retry_after_ms;
    size_t body_len;
    char body[64];
    struct error err;
};

static void on_answer(void *ctx, const struct http_answer *answer, const struct error *err)
{
    loop_assert();
    struct got *g = ctx;
    g->done = true;
    g->calls++;
    g->status = answer->status;
    g->retry_after_ms = answer->retry_after_ms;
    g->body_len = answer->body.len;
    snprintf(g->body, sizeof(g->body), "%.40s", answer->body.p ? answer->body.p : "");
    g->err = *err;
    if (g->free_client) {
        http_client_free(g->client);
    }
}

struct bench {
    struct fake_server server;
    struct loop *loop;
    struct http_client *client;
};

static void bench_start(struct bench *b) LOOP_ONLY;
static void bench_start(struct bench *b)
{
    *b = (struct bench){0};
    fake_server_start(&b->server, serve);
    b->loop = loop_new();
    b->client = http_client_new(b->loop);
}

static void bench_stop(struct bench *b) LOOP_ONLY;
static void bench_stop(struct bench *b)
{
    http_client_free(b->client);
    loop_free(b->loop);
    fake_server_stop(&b->server);
}

static void send_path(struct bench *b, struct got *g, const char *method, const char *path,
                      int64_t timeout_ms) LOOP_ONLY;
static void send_path(struct bench *b, struct got *g, const char *method, const char *path, int64_t timeout_ms)
{
    static const char *const headers[] = {"Content-Type: application/json", "X-Test: yes", NULL};
    char url[128];
    snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", b->server.port, path);
    struct http_call call = {.method = method,
                             .url = str_of(url),
                             .headers = headers,
                             .body = strcmp(method, "POST") == 0 ? STR("{\"a\":1}") : (struct str){0},
                             .timeout_ms = timeout_ms};
    g->client = b->client;
    http_send(b->client, &call, on_answer, g);
    assert_false(g->done);
}

static struct got fetch(struct bench *b, const char *method, const char *path) LOOP_ONLY;
static struct got fetch(struct bench *b, const char *method, const char *path)
{
    struct got g = {0};
    send_path(b, &g, method, path, LIMIT_MS);
    assert_true(turn_until(b->loop, &g.done, LIMIT_MS));
    return g;
}

/* -- cases -- */

static void answers_come_with_status_and_body(void **state)
{
    (void)state;
    loop_assert();
    struct bench b;
    bench_start(&b);
    struct got g = fetch(&b, "GET", "/ok");
    assert_int_equal(g.status, 200);
    assert_string_equal(g.body, "hello");
    assert_int_equal(g.retry_after_ms, -1);
    g = fetch(&b, "POST", "/fail");
    assert_int_equal(g.status, 500);
    assert_string_equal(g.body, "why");
    pthread_mutex_lock(&last_lock);
    assert_non_null(strstr(last_request, "POST /fail"));
    assert_non_null(strstr(last_request, "X-Test: yes"));
    assert_non_null(strstr(last_request, "\r\n\r\n{\"a\":1}"));
    pthread_mutex_unlock(&last_lock);
    bench_stop(&b);
}

static void retry_after_is_read_as_seconds_and_as_a_date(void **state)
{
    (void)state;
    loop_assert();
    struct bench b;
    bench_start(&b);
    struct got g = fetch(&b, "GET", "/later");
    assert_int_equal(g.status, 429);
    assert_int_equal(g.retry_after_ms, 7000);
    g = fetch(&b, "GET", "/dated");
    assert_int_equal(g.status, 503);
    assert_true(g.retry_after_ms > 3000000 && g.retry_after_ms <= 3600000);
    bench_stop(&b);
}

static void redirects_are_followed_within_limits(void **state)
{
    (void)state;
    loop_assert();
    struct bench b;
    bench_start(&b);
    struct got g = fetch(&b, "POST", "/moved");
    assert_int_equal(g.status, 200);
    assert_int_equal(g.retry_after_ms, -1); /* that of the redirect is not the answer's */
    pthread_mutex_lock(&last_lock);
    assert_non_null(strstr(last_request, "POST /ok")); /* a GET would deliver nothing */
    pthread_mutex_unlock(&last_lock);
    g = fetch(&b, "GET", "/round");
    assert_int_equal(g.status, 0);
    assert_true(g.err.code != 0);
    g = fetch(&b, "GET", "/file");
    assert_int_equal(g.status, 0);
    assert_int_equal(g.body_len, 0);
    bench_stop(&b);
}

static void a_huge_body_is_cut(void **state)
{
    (void)state;
    loop_assert();
    struct bench b;
    bench_start(&b);
    struct got g = fetch(&b, "GET", "/huge");
    assert_int_equal(g.status, 200);
    assert_int_equal(g.body_len, 1 << 20);
    bench_stop(&b);
}

static void a_server_that_hangs_times_out(void **state)
{
    (void)state;
    loop_assert();
    struct bench b;
    bench_start(&b);
    struct got g = {0};
    send_path(&b, &g, "GET", "/hang", 100);
    assert_true(turn_until(b.loop, &g.done, LIMIT_MS));
    assert_int_equal(g.status, 0);
    assert_int_equal(g.err.code, ERR_TIMEOUT);
    bench_stop(&b);
}

static void errors_name_the_host_and_not_the_rest_of_the_url(void **state)
{
    (void)state;
    loop_assert();
    struct bench b;
    bench_start(&b);
    char url[128];
    snprintf(url, sizeof(url), "http://user:s3cret@127.0.0.1:%d/s3cret?s3cret", free_port());
    const char *const urls[] = {url, "http://no-such-host.invalid/s3cret", "ftp://host/s3cret", "http:s3cret",
                                "http://host:s3cret/"};
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        struct got g = {0};
        http_send(b.client, &(struct http_call){.method = "GET", .url = str_of(urls[i])}, on_answer, &g);
        assert_true(turn_until(b.loop, &g.done, LIMIT_MS));
        assert_int_equal(g.status, 0);
        assert_true(g.err.code != 0);
        assert_null(strstr(g.err.text, "s3cret"));
    }
    struct got g = fetch(&b, "GET", "/garbage");
    assert_int_equal(g.status, 0);
    assert_non_null(strstr(g.err.text, "http://127.0.0.1"));
    bench_stop(&b);
}

static void freeing_ends_requests_that_wait(void **state)
{
    (void)state;
    loop_assert();
    struct bench b;
    bench_start(&b);
    static struct got got[50];
    memset(got, 0, sizeof(got));
    for (int i = 0; i < 50; i++) {
        send_path(&b, &got[i], "POST", "/fail", LIMIT_MS);
    }
    http_client_free(b.client); /* the server takes one connection at a time: most of them wait */
    for (int i = 0; i < 50; i++) {
        assert_int_equal(got[i].calls, 1);
        assert_int_equal(got[i].err.code, ERR_CLOSED);
    }
    b.client = http_client_new(b.loop);
    struct got g = fetch(&b, "GET", "/ok");
    assert_int_equal(g.status, 200);
    bench_stop(&b);
}

static void freeing_ends_what_is_under_way(void **state)
{
    (void)state;
    loop_assert();
    struct bench b;
    bench_start(&b);
    struct got g = {0};
    send_path(&b, &g, "GET", "/hang", LIMIT_MS);
    turn_for(b.loop, 30);
    assert_false(g.done);
    http_client_free(b.client);
    b.client = NULL;
    assert_int_equal(g.calls, 1);
    assert_int_equal(g.err.code, ERR_CLOSED);
    turn_for(b.loop, 20);
    assert_int_equal(g.calls, 1);
    bench_stop(&b);
}

static void a_callback_may_free_the_client(void **state)
{
    (void)state;
    loop_assert();
    struct bench b;
    bench_start(&b);
    /* The server takes one connection at a time: whichever comes first ends the other. */
    struct got first = {.free_client = true}, second = {.free_client = true};
    send_path(&b, &first, "GET", "/ok", LIMIT_MS);
    send_path(&b, &second, "GET", "/ok", LIMIT_MS);
    assert_true(turn_until(b.loop, &first.done, LIMIT_MS));
    b.client = NULL;
    assert_int_equal(first.calls + second.calls, 2);
    assert_int_equal(first.status + second.status, 200);
    assert_int_equal(first.err.code + second.err.code, ERR_CLOSED);
    bench_stop(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(answers_come_with_status_and_body, claim),
        cmocka_unit_test_setup(retry_after_is_read_as_seconds_and_as_a_date, claim),
        cmocka_unit_test_setup(redirects_are_followed_within_limits, claim),
        cmocka_unit_test_setup(a_huge_body_is_cut, claim),
        cmocka_unit_test_setup(a_server_that_hangs_times_out, claim),
        cmocka_unit_test_setup(errors_name_the_host_and_not_the_rest_of_the_url, claim),
        cmocka_unit_test_setup(freeing_ends_requests_that_wait, claim),
        cmocka_unit_test_setup(freeing_ends_what_is_under_way, claim),
        cmocka_unit_test_setup(a_callback_may_free_the_client, claim),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
