#include "src/loop/loop_redis.h"
#include "tests/support/test.h"
#include "tests/unit/loop/servers.h"

#include <hiredis/hiredis.h>

enum { LIMIT_MS = 20000 };

/* -- a real server -- */

struct redis_server {
    pid_t pid;
    int port, tls_port;
    char dir[64], socket[96], password[32];
};

static struct redis_server server;

static bool have_redis(void)
{
    return run_program((const char *const[]){"redis-server", "--version", NULL}) == 0;
}

static void server_start(struct redis_server *s, const char *const extra[])
{
    char port[16];
    const char *argv[40] = {"redis-server", "--port", port, "--bind", "127.0.0.1", "--unixsocket",
                            s->socket,      "--save", "",   "--dir",  s->dir,      "--enable-debug-command",
                            "yes",          NULL};
    int n = 13;
    while (extra && *extra) {
        argv[n++] = *extra++;
    }
    snprintf(port, sizeof(port), "%d", s->port);
    s->pid = spawn(argv);
    assert_true(wait_for_port(s->port));
}

static int set_up(void **state)
{
    (void)state;
    loop_claim();
    if (!have_redis()) {
        print_message("redis-server is not installed: tests with a real server are skipped\n");
        return 0;
    }
    make_temp_dir(server.dir);
    snprintf(server.socket, sizeof(server.socket), "%s/redis.sock", server.dir);
    server.port = free_port();
    server_start(&server, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (server.pid) {
        end_process(server.pid, SIGKILL);
        remove_dir(server.dir);
    }
    return 0;
}

#define NEEDS_REDIS                                                                                                    \
    do {                                                                                                               \
        if (!server.pid) {                                                                                             \
            skip();                                                                                                    \
        }                                                                                                              \
    } while (0)

/* -- a recorder of callbacks -- */

struct record {
    struct redis_conn *conn;
    bool ready, down, replied, pushed;
    int ready_count, down_count, reply_count, push_count, failed_count;
    bool down_before_replies;
    struct error reason, reply_error;
    long long integer;
    char text[128];
    size_t text_len;
    const char *close_in; /* name of the callback that closes the connection */
};

static void maybe_close(struct record *r, const char *where) LOOP_ONLY;
static void maybe_close(struct record *r, const char *where)
{
    if (r->close_in && strcmp(r->close_in, where) == 0) {
        redis_close(r->conn);
        r->conn = NULL;
    }
}

static void on_ready(void *ctx)
{
    loop_assert();
    struct record *r = ctx;
    r->ready = true;
    r->ready_count++;
    maybe_close(r, "ready");
}

static void on_down(void *ctx, const struct error *reason)
{
    loop_assert();
    struct record *r = ctx;
    r->down = true;
    r->down_count++;
    r->reason = *reason;
    maybe_close(r, "down");
}

static void on_push(void *ctx, const struct redisReply *reply)
{
    loop_assert();
    struct record *r = ctx;
    r->pushed = true;
    r->push_count++;
    const struct redisReply *last = reply->element[reply->elements - 1];
    snprintf(r->text, sizeof(r->text), "%s", last->str);
    maybe_close(r, "push");
}

static void on_reply(void *ctx, const struct redisReply *reply, const struct error *err)
{
    loop_assert();
    struct record *r = ctx;
    r->replied = true;
    r->reply_count++;
    if (!reply) {
        r->failed_count++;
        r->down_before_replies = r->down_before_replies || r->down;
        r->reply_error = *err;
    } else if (reply->type == REDIS_REPLY_INTEGER) {
        r->integer = reply->integer;
    } else if (reply->str) {
        r->text_len = (size_t)reply->len;
        snprintf(r->text, sizeof(r->text), "%s", reply->str);
    }
    maybe_close(r, "reply");
}

static const struct redis_callbacks callbacks = {on_ready, on_down, on_push};

static struct redis_conn *open_url(struct loop *loop, struct record *r, const char *url, int64_t timeout_ms)
{
    loop_assert();
    struct redis_options options = {.url = str_of(url), .connect_timeout_ms = timeout_ms};
    struct error err = {0};
    r->conn = redis_open(loop, &options, &callbacks, r, &err);
    if (!r->conn) {
        fail_msg("%s: %s", url, err.text);
    }
    return r->conn;
}

static struct redis_conn *open_port(struct loop *loop, struct record *r, int port, int64_t timeout_ms)
{
    char url[64];
    snprintf(url, sizeof(url), "redis://127.0.0.1:%d/0", port);
    return open_url(loop, r, url, timeout_ms);
}

static void command(struct record *r, const char *const words[], int64_t timeout_ms)
{
    loop_assert();
    struct str argv[8];
    size_t n = 0;
    for (; words[n]; n++) {
        argv[n] = str_of(words[n]);
    }
    r->replied = false;
    redis_command(r->conn, argv, n, timeout_ms, on_reply, r);
}
#define COMMAND(r, timeout_ms, ...) command(r, (const char *const[]){__VA_ARGS__, NULL}, timeout_ms)

static void finish(struct loop *loop, struct record *r)
{
    loop_assert();
    redis_close(r->conn);
    loop_free(loop);
}

static void assert_says(const struct error *err, const char *part)
{
    if (!strstr(err->text, part)) {
        fail_msg("\"%s\" does not say \"%s\"", err->text, part);
    }
}

/* Opens, waits for the end, and checks what it says. */
static void expect_down(const char *url, int64_t timeout_ms, int code, const char *says)
{
    loop_assert();
    struct loop *loop = loop_new();
    struct record r = {0};
    open_url(loop, &r, url, timeout_ms);
    assert_true(turn_until(loop, &r.down, LIMIT_MS));
    assert_says(&r.reason, says);
    assert_int_equal(r.reason.code, code);
    assert_int_equal(r.ready_count, 0);
    assert_false(redis_is_ready(r.conn));
    turn_for(loop, 20);
    assert_int_equal(r.down_count, 1);
    finish(loop, &r);
}

static void expect_down_port(int port, int64_t timeout_ms, int code, const char *says)
{
    char url[64];
    snprintf(url, sizeof(url), "redis://127.0.0.1:%d/0", port);
    expect_down(url, timeout_ms, code, says);
}

/* -- cases -- */

static void bad_urls_are_refused_with_a_reason(void **state)
{
    (void)state;
    loop_assert();
    static const struct {
        const char *url, *says;
    } cases[] = {
        {"amqp://guest@host//", "not a Redis URL's scheme"},
        {"redis://host:6379/zero", "must be a number"},
        {"redis://host:99999999/0", "port"},
        {"redis-host", "begin with its scheme"},
        {"redis+socket://", "names no socket"},
        {"rediss://host/0?ssl_cert_reqs=maybe", "ssl_cert_reqs"},
        {"rediss://host/0?ssl_ca_certs=/nowhere/ca.pem", "/nowhere/ca.pem"},
        {"redis://:s3cret/x@host", "port"},
    };
    struct loop *loop = loop_new();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct error err = {0};
        struct redis_options options = {.url = str_of(cases[i].url)};
        assert_null(redis_open(loop, &options, &callbacks, NULL, &err));
        assert_says(&err, cases[i].says);
        assert_null(strstr(err.text, "s3cret"));
    }
    loop_free(loop);
}

static void commands_are_answered_in_order(void **state)
{
    (void)state;
    loop_assert();
    NEEDS_REDIS;
    struct loop *loop = loop_new();
    struct record r = {0};
    open_port(loop, &r, server.port, 0);
    assert_true(turn_until(loop, &r.ready, LIMIT_MS));
    for (int i = 0; i < 500; i++) {
        COMMAND(&r, 5000, "INCR", "order");
    }
    while (r.reply_count < 500) {
        r.replied = false;
        assert_true(turn_until(loop, &r.replied, LIMIT_MS));
        assert_int_equal(r.integer, r.reply_count);
    }
    COMMAND(&r, 0, "NOSUCHCOMMAND");
    assert_true(turn_until(loop, &r.replied, LIMIT_MS));
    assert_non_null(strstr(r.text, "unknown command"));
    assert_false(r.down);
    finish(loop, &r);
}

static void host_names_and_databases_are_honoured(void **state)
{
    (void)state;
    loop_assert();
    NEEDS_REDIS;
    char url[64];
    snprintf(url, sizeof(url), "redis://localhost:%d/3", server.port);
    struct loop *loop = loop_new();
    struct record r = {0};
    open_url(loop, &r, url, 0);
    assert_true(turn_until(loop, &r.ready, LIMIT_MS));
    assert_int_equal(redis_db(r.conn), 3);
    COMMAND(&r, 0, "CLIENT", "LIST");
    assert_true(turn_until(loop, &r.replied, LIMIT_MS));
    COMMAND(&r, 0, "SET", "here", "yes");
    assert_true(turn_until(loop, &r.replied, LIMIT_MS));
    redis_close(r.conn);
    r = (struct record){0};
    snprintf(url, sizeof(url), "redis://127.0.0.1:%d/0?db=3", server.port);
    open_url(loop, &r, url, 0);
    assert_true(turn_until(loop, &r.ready, LIMIT_MS));
    COMMAND(&r, 0, "GET", "here");
    assert_true(turn_until(loop, &r.replied, LIMIT_MS));
    assert_string_equal(r.text, "yes");
    finish(loop, &r);
}

static void unix_sockets_work(void **state)
{
    (void)state;
    loop_assert();
    NEEDS_REDIS;
    char url[160];
    snprintf(url, sizeof(url), "redis+socket://%s?virtual_host=2", server.socket);
    struct loop *loop = loop_new();
    struct record r = {0};
    open_url(loop, &r, url, 0);
    assert_true(turn_until(loop, &r.ready, LIMIT_MS));
    assert_string_equal(redis_address(r.conn), server.socket);
    assert_int_equal(redis_db(r.conn), 2);
    finish(loop, &r);
    expect_down("unix:///nowhere/redis.sock", 0, ERR_CONNECT, "no such file");
}

static void passwords_are_checked_and_explained(void **state)
{
    (void)state;
    loop_assert();
    NEEDS_REDIS;
    struct redis_server s = {.port = free_port()};
    make_temp_dir(s.dir);
    snprintf(s.socket, sizeof(s.socket), "%s/r.sock", s.dir);
    server_start(&s, (const char *const[]){"--requirepass", "open sesame", NULL});
    char url[96];
    snprintf(url, sizeof(url), "redis://127.0.0.1:%d", s.port);
    expect_down(url, 0, ERR_AUTH, "wants a password (NOAUTH)");
    snprintf(url, sizeof(url), "redis://:wrong@127.0.0.1:%d", s.port);
    expect_down(url, 0, ERR_AUTH, "refuses the password (WRONGPASS): check the user and password in the URL");
    snprintf(url, sizeof(url), "redis://bob:wrong@127.0.0.1:%d", s.port);
    expect_down(url, 0, ERR_AUTH, "WRONGPASS");
    snprintf(url, sizeof(url), "redis://:x@127.0.0.1:%d", server.port);
    expect_down(url, 0, ERR_AUTH, "has no password set");

    snprintf(url, sizeof(url), "redis://default:open%%20sesame@127.0.0.1:%d/1", s.port);
    struct loop *loop = loop_new();
    struct record r = {0};
    open_url(loop, &r, url, 0);
    assert_true(turn_until(loop, &r.ready, LIMIT_MS));
    finish(loop, &r);
    end_process(s.pid, SIGKILL);
    remove_dir(s.dir);
}

static void an_unknown_database_is_named(void **state)
{
    (void)state;
    NEEDS_REDIS;
    char url[64];
    snprintf(url, sizeof(url), "redis://127.0.0.1:%d/999", server.port);
    expect_down(url, 0, ERR_PROTOCOL, "DB index is out of range");
}

static void a_refused_port_is_reported(void **state)
{
    (void)state;
    expect_down_port(free_port(), 0, ERR_CONNECT, "connection refused");
}

static void an_unknown_host_is_reported(void **state)
{
    (void)state;
    expect_down("redis://no-such-host.invalid/0", 15000, ERR_NOT_FOUND, "no-such-host.invalid");
}

static void a_silent_server_runs_into_the_connect_timeout(void **state)
{
    (void)state;
    struct fake_server fake = {0};
    fake_server_start(&fake, serve_silence);
    expect_down_port(fake.port, 100, ERR_TIMEOUT, "accepts connections but does not answer");
    fake_server_stop(&fake);
}

static void expect_data(const char *data, size_t len, int code, const char *says)
{
    struct fake_server fake = {.data = data, .len = len};
    fake_server_start(&fake, serve_data);
    expect_down_port(fake.port, 15000, code, says);
    fake_server_stop(&fake);
}

static void servers_that_speak_something_else_are_told_apart(void **state)
{
    (void)state;
    char *line = mem_alloc(1 << 20);
    memset(line, 'x', 1 << 20);
    line[0] = '+';
    expect_data("HTTP/1.1 400 Bad Request\r\n\r\n", 28, ERR_PROTOCOL, "does not speak the Redis protocol");
    expect_data(line, 1 << 20, ERR_PROTOCOL, "a line without end");
    expect_data("*2147483646\r\n", 13, ERR_LIMIT, "array of more than");
    expect_data("-LOADING Redis is loading\r\n", 27, ERR_PROTOCOL, "LOADING");
    expect_data("-DENIED protected mode\r\n", 24, ERR_PROTOCOL, "DENIED");
    mem_free(line);
}

static void a_reply_that_nobody_asked_for_ends_the_connection(void **state)
{
    (void)state;
    loop_assert();
    struct fake_server fake = {.data = "+PONG\r\n+PONG\r\n", .len = 14};
    fake_server_start(&fake, serve_data);
    struct loop *loop = loop_new();
    struct record r = {0};
    open_port(loop, &r, fake.port, 0);
    assert_true(turn_until(loop, &r.down, LIMIT_MS));
    assert_int_equal(r.ready_count, 1);
    assert_int_equal(r.reason.code, ERR_PROTOCOL);
    finish(loop, &r);
    fake_server_stop(&fake);
}

static void close_at_once(struct fake_server *fake, int fd)
{
    (void)fake;
    (void)fd;
}

static void a_server_that_hangs_up_is_reported(void **state)
{
    (void)state;
    struct fake_server fake = {0};
    fake_server_start(&fake, close_at_once);
    struct loop *loop = loop_new();
    struct record r = {0};
    open_port(loop, &r, fake.port, 0);
    assert_true(turn_until(loop, &r.down, LIMIT_MS));
    finish(loop, &r);
    fake_server_stop(&fake);
}

static void a_reply_past_the_limit_ends_the_connection(void **state)
{
    (void)state;
    size_t len = (size_t)REDIS_REPLY_MAX + (1u << 20);
    char *data = mem_zalloc(len);
    memcpy(data, "$1000000000\r\n", 13);
    expect_data(data, len, ERR_LIMIT, "more than 64 MiB");
    mem_free(data);
}

static void a_large_reply_arrives_whole(void **state)
{
    (void)state;
    loop_assert();
    NEEDS_REDIS;
    size_t len = 10u << 20;
    char *value = mem_alloc(len);
    memset(value, 'v', len);
    struct loop *loop = loop_new();
    struct record r = {0};
    open_port(loop, &r, server.port, 0);
    assert_true(turn_until(loop, &r.ready, LIMIT_MS));
    struct str argv[] = {STR("SET"), STR("large"), str_make(value, len)};
    redis_command(r.conn, argv, 3, 0, NULL, NULL);
    COMMAND(&r, 0, "GET", "large");
    assert_true(turn_until(loop, &r.replied, LIMIT_MS));
    assert_int_equal(r.text_len, len);
    finish(loop, &r);
    mem_free(value);
}

static void commands_fail_before_down_when_the_server_dies(void **state)
{
    (void)state;
    loop_assert();
    NEEDS_REDIS;
    struct redis_server s = {.port = free_port()};
    make_temp_dir(s.dir);
    snprintf(s.socket, sizeof(s.socket), "%s/r.sock", s.dir);
    server_start(&s, NULL);
    struct loop *loop = loop_new();
    struct record r = {0};
    open_port(loop, &r, s.port, 0);
    assert_true(turn_until(loop, &r.ready, LIMIT_MS));
    COMMAND(&r, 0, "BLPOP", "nothing", "0");
    COMMAND(&r, 0, "PING");
    turn_for(loop, 20);
    assert_int_equal(r.reply_count, 0);
    end_process(s.pid, SIGKILL);
    assert_true(turn_until(loop, &r.down, LIMIT_MS));
    assert_int_equal(r.failed_count, 2);
    assert_false(r.down_before_replies);
    assert_int_equal(r.down_count, 1);

    /* Not connected: an answer comes, but not from within the call. */
    COMMAND(&r, 0, "PING");
    assert_false(r.replied);
    assert_true(turn_until(loop, &r.replied, LIMIT_MS));
    assert_int_equal(r.reply_error.code, ERR_CLOSED);

    /* Refused while it is away, ready again when it is back. */
    r.down = r.ready = false;
    redis_reconnect(r.conn);
    assert_true(turn_until(loop, &r.down, LIMIT_MS));
    server_start(&s, NULL);
    redis_reconnect(r.conn);
    assert_true(turn_until(loop, &r.ready, LIMIT_MS));
    finish(loop, &r);
    end_process(s.pid, SIGKILL);
    remove_dir(s.dir);
}

static void ask_again(void *ctx, const struct redisReply *reply, const struct error *err)
{
    loop_assert();
    (void)reply;
    (void)err;
    struct record *r = ctx;
    struct str argv[] = {STR("PING")};
    r->reply_count++;
    redis_command(r->conn, argv, 1, 0, ask_again, r);
}

static void asking_again_at_once_does_not_stop_the_loop(void **state)
{
    (void)state;
    loop_assert();
    struct loop *loop = loop_new();
    struct record r = {0};
    open_port(loop, &r, free_port(), 0);
    assert_true(turn_until(loop, &r.down, LIMIT_MS));
    ask_again(&r, NULL, NULL);
    turn_for(loop, 30); /* comes back, or this test hangs */
    assert_true(r.reply_count > 2);
    finish(loop, &r);
}

static void a_command_that_times_out_ends_the_connection(void **state)
{
    (void)state;
    loop_assert();
    NEEDS_REDIS;
    struct loop *loop = loop_new();
    struct record r = {0};
    open_port(loop, &r, server.port, 0);
    assert_true(turn_until(loop, &r.ready, LIMIT_MS));
    COMMAND(&r, 60000, "PING"); /* its deadline is later, its answer earlier */
    assert_true(turn_until(loop, &r.replied, LIMIT_MS));
    COMMAND(&r, 50, "DEBUG", "SLEEP", "0.5");
    COMMAND(&r, 0, "PING");
    assert_true(turn_until(loop, &r.down, LIMIT_MS));
    assert_int_equal(r.reason.code, ERR_TIMEOUT);
    assert_int_equal(r.failed_count, 2);
    assert_int_equal(r.reply_count, 3);
    finish(loop, &r);
}

static void subscribe(struct record *r, const char *pattern)
{
    loop_assert();
    struct str argv[] = {STR("PSUBSCRIBE"), str_of(pattern)};
    r->replied = false;
    redis_subscribe(r->conn, argv, 2, on_reply, r);
}

static void published_messages_are_pushed_and_can_be_paused(void **state)
{
    (void)state;
    loop_assert();
    NEEDS_REDIS;
    struct loop *loop = loop_new();
    struct record sub = {0}, pub = {0};
    open_port(loop, &sub, server.port, 0);
    open_port(loop, &pub, server.port, 0);
    assert_true(turn_until(loop, &sub.ready, LIMIT_MS));
    assert_true(turn_until(loop, &pub.ready, LIMIT_MS));
    subscribe(&sub, "news.*");
    assert_true(turn_until(loop, &sub.replied, LIMIT_MS));
    for (int i = 0; i < 100; i++) {
        COMMAND(&pub, 0, "PUBLISH", "news.x", "hello");
    }
    while (sub.push_count < 100) {
        sub.pushed = false;
        assert_true(turn_until(loop, &sub.pushed, LIMIT_MS));
    }
    assert_string_equal(sub.text, "hello");

    redis_pause(sub.conn, true);
    COMMAND(&pub, 0, "PUBLISH", "news.y", "later");
    assert_true(turn_until(loop, &pub.replied, LIMIT_MS));
    turn_for(loop, 30);
    assert_int_equal(sub.push_count, 100);
    sub.pushed = false;
    redis_pause(sub.conn, false);
    assert_true(turn_until(loop, &sub.pushed, LIMIT_MS));
    assert_string_equal(sub.text, "later");

    /* Commands are answered beside messages. */
    COMMAND(&sub, 0, "PING");
    assert_true(turn_until(loop, &sub.replied, LIMIT_MS));
    redis_close(sub.conn);
    finish(loop, &pub);
}

static void no_callback_comes_after_close(void **state)
{
    (void)state;
    loop_assert();
    NEEDS_REDIS;
    static const char *const places[] = {"ready", "reply", "push", "down"};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        struct loop *loop = loop_new();
        struct record r = {0}, pub = {0};
        open_port(loop, &pub, server.port, 0);
        assert_true(turn_until(loop, &pub.ready, LIMIT_MS));
        r.close_in = places[i];
        open_port(loop, &r, server.port, 0);
        assert_true(turn_until(loop, &r.ready, LIMIT_MS));
        if (strcmp(places[i], "reply") == 0) {
            COMMAND(&r, 0, "PING");
            COMMAND(&r, 0, "PING");
        } else if (strcmp(places[i], "push") == 0) {
            subscribe(&r, "burst");
            assert_true(turn_until(loop, &r.replied, LIMIT_MS));
            r.reply_count = 0;
            for (int k = 0; k < 3; k++) {
                COMMAND(&pub, 0, "PUBLISH", "burst", "x");
            }
        } else if (strcmp(places[i], "down") == 0) {
            COMMAND(&r, 0, "QUIT");
        }
        turn_for(loop, 50);
        assert_null(r.conn);
        assert_int_equal(r.push_count, strcmp(places[i], "push") == 0);
        assert_int_equal(r.reply_count, strcmp(places[i], "reply") == 0 || strcmp(places[i], "down") == 0);
        assert_int_equal(r.down_count, strcmp(places[i], "down") == 0);
        finish(loop, &pub);
    }
}

static void closing_while_connecting_is_silent(void **state)
{
    (void)state;
    loop_assert();
    struct fake_server fake = {0};
    fake_server_start(&fake, serve_silence);
    struct loop *loop = loop_new();
    struct record a = {0}, b = {0}, c = {0};
    open_port(loop, &a, fake.port, 0);
    redis_close(a.conn); /* before the address is known */
    open_port(loop, &b, fake.port, 0);
    turn_for(loop, 20); /* within the handshake */
    COMMAND(&b, 0, "PING");
    redis_close(b.conn);
    open_url(loop, &c, "redis://no-such-host.invalid", 0);
    redis_close(c.conn); /* while a thread looks the name up */
    turn_for(loop, 50);
    assert_int_equal(a.down_count + b.down_count + c.down_count + b.reply_count, 0);
    loop_free(loop);
    fake_server_stop(&fake);
}

/* -- TLS -- */

static bool make_certificate(const char *dir, char cert[128], char key[128])
{
    snprintf(cert, 128, "%s/cert.pem", dir);
    snprintf(key, 128, "%s/key.pem", dir);
    return run_program((const char *const[]){"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                                             "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                                             "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key,
                                             "-out", cert, NULL}) == 0;
}

static void tls_is_spoken_and_certificates_are_checked(void **state)
{
    (void)state;
    loop_assert();
    NEEDS_REDIS;
    struct redis_server s = {.port = free_port()};
    char cert[128], key[128], tls_port[16], url[400];
    make_temp_dir(s.dir);
    snprintf(s.socket, sizeof(s.socket), "%s/r.sock", s.dir);
    if (!make_certificate(s.dir, cert, key)) {
        print_message("the openssl program is not installed: TLS is not tested\n");
        remove_dir(s.dir);
        skip();
    }
    s.tls_port = free_port();
    snprintf(tls_port, sizeof(tls_port), "%d", s.tls_port);
    server_start(&s, (const char *const[]){"--tls-port", tls_port, "--tls-cert-file", cert, "--tls-key-file", key,
                                           "--tls-ca-cert-file", cert, "--tls-auth-clients", "optional", NULL});
    static const char *const good[] = {
        "rediss://localhost:%d/1?ssl_cert_reqs=required&ssl_ca_certs=%s",
        "rediss://localhost:%d/1?ssl_cert_reqs=CERT_REQUIRED&ssl_ca_certs=%s&ssl_certfile=%s&ssl_keyfile=%s",
        "rediss://127.0.0.1:%d/1?ssl_cert_reqs=none",
        "rediss://127.0.0.1:%d/1?ssl_check_hostname=false&ssl_ca_certs=%s",
    };
    char *value = mem_alloc(300000);
    memset(value, 'v', 300000);
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-extra-args"
        snprintf(url, sizeof(url), good[i], s.tls_port, cert, cert, key);
#pragma GCC diagnostic pop
        struct loop *loop = loop_new();
        struct record r = {0};
        open_url(loop, &r, url, 0);
        assert_true(turn_until(loop, &r.ready, LIMIT_MS));
        struct str argv[] = {STR("SET"), STR("large"), str_make(value, 300000)};
        redis_command(r.conn, argv, 3, 0, NULL, NULL);
        COMMAND(&r, 0, "GET", "large");
        assert_true(turn_until(loop, &r.replied, LIMIT_MS));
        assert_int_equal(r.text_len, 300000);
        finish(loop, &r);
    }
    mem_free(value);
    snprintf(url, sizeof(url), "rediss://localhost:%d/0", s.tls_port);
    expect_down(url, 0, ERR_AUTH, "certificate is refused");
    snprintf(url, sizeof(url), "rediss://127.0.0.1:%d/0?ssl_ca_certs=%s", s.tls_port, cert);
    expect_down(url, 0, ERR_AUTH, "certificate is refused");
    snprintf(url, sizeof(url), "rediss://127.0.0.1:%d/0?ssl_cert_reqs=none", s.port);
    expect_down(url, 300, ERR_TIMEOUT, "does this port speak TLS?");
    end_process(s.pid, SIGKILL);
    remove_dir(s.dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_urls_are_refused_with_a_reason),
        cmocka_unit_test(commands_are_answered_in_order),
        cmocka_unit_test(host_names_and_databases_are_honoured),
        cmocka_unit_test(unix_sockets_work),
        cmocka_unit_test(passwords_are_checked_and_explained),
        cmocka_unit_test(an_unknown_database_is_named),
        cmocka_unit_test(a_refused_port_is_reported),
        cmocka_unit_test(an_unknown_host_is_reported),
        cmocka_unit_test(a_silent_server_runs_into_the_connect_timeout),
        cmocka_unit_test(servers_that_speak_something_else_are_told_apart),
        cmocka_unit_test(a_reply_that_nobody_asked_for_ends_the_connection),
        cmocka_unit_test(a_server_that_hangs_up_is_reported),
        cmocka_unit_test(a_reply_past_the_limit_ends_the_connection),
        cmocka_unit_test(a_large_reply_arrives_whole),
        cmocka_unit_test(commands_fail_before_down_when_the_server_dies),
        cmocka_unit_test(asking_again_at_once_does_not_stop_the_loop),
        cmocka_unit_test(a_command_that_times_out_ends_the_connection),
        cmocka_unit_test(published_messages_are_pushed_and_can_be_paused),
        cmocka_unit_test(no_callback_comes_after_close),
        cmocka_unit_test(closing_while_connecting_is_silent),
        cmocka_unit_test(tls_is_spoken_and_certificates_are_checked),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
