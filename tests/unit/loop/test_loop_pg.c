#include "src/loop/loop_pg.h"
#include "tests/support/test.h"
#include "tests/unit/loop/servers.h"

#include <dirent.h>
#include <pwd.h>

enum { LIMIT_MS = 30000 };

/* -- a real server: the newest that Debian's packages installed -- */

static struct {
    pid_t pid;
    int port;
    char dir[64], bin[128];
} server;

static bool find_postgres(void)
{
    DIR *dir = opendir("/usr/lib/postgresql");
    int newest = 0;
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        int64_t version;
        if (str_to_int64(str_of(entry->d_name), &version) && version > newest) {
            newest = (int)version;
        }
    }
    if (dir) {
        closedir(dir);
    }
    snprintf(server.bin, sizeof(server.bin), "/usr/lib/postgresql/%d/bin", newest);
    return newest > 0;
}

/* PostgreSQL refuses to run as root. */
static pid_t start_as_postgres(const char *const argv[])
{
    static const char *with_user[24] = {"runuser", "-u", "postgres", "--"};
    int n = geteuid() == 0 ? 4 : 0;
    for (int i = 0; argv[i]; i++) {
        with_user[n++] = argv[i];
    }
    with_user[n] = NULL;
    return spawn(with_user);
}

static int run_as_postgres(const char *const argv[])
{
    int status = -1;
    waitpid(start_as_postgres(argv), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void server_start(void)
{
    char program[160], data[96], port[16], socket[96];
    snprintf(program, sizeof(program), "%s/postgres", server.bin);
    snprintf(data, sizeof(data), "%s/data", server.dir);
    snprintf(port, sizeof(port), "%d", server.port);
    snprintf(socket, sizeof(socket), "unix_socket_directories=%s", server.dir);
    server.pid = start_as_postgres((const char *const[]){program, "-D", data, "-p", port, "-h", "127.0.0.1", "-c",
                                                         socket, "-c", "fsync=off", NULL});
    assert_true(wait_for_port(server.port));
}

/* The process we started may be runuser: the server's own id is in its pid file. */
static void server_signal(int signum)
{
    char path[128];
    int pid = 0;
    snprintf(path, sizeof(path), "%s/data/postmaster.pid", server.dir);
    FILE *f = fopen(path, "r");
    if (f && fscanf(f, "%d", &pid) == 1 && pid > 1) {
        kill(pid, signum);
    }
    if (f) {
        fclose(f);
    }
}

static void server_end(void)
{
    server_signal(SIGQUIT);
    waitpid(server.pid, NULL, 0);
    server.pid = 0;
}

static int set_up(void **state)
{
    (void)state;
    loop_claim();
    if (!find_postgres()) {
        print_message("postgresql is not installed: tests with a real server are skipped\n");
        return 0;
    }
    char program[160], data[96], password[96];
    make_temp_dir(server.dir);
    struct passwd *user = getpwnam("postgres");
    if (geteuid() == 0 && (!user || chown(server.dir, user->pw_uid, user->pw_gid) != 0)) {
        return -1;
    }
    snprintf(program, sizeof(program), "%s/initdb", server.bin);
    snprintf(data, sizeof(data), "%s/data", server.dir);
    snprintf(password, sizeof(password), "%s/password", server.dir);
    FILE *f = fopen(password, "w");
    fputs("open sesame\n", f);
    fclose(f);
    chmod(password, 0644);
    char pwfile[112];
    snprintf(pwfile, sizeof(pwfile), "--pwfile=%s", password);
    if (run_as_postgres((const char *const[]){program, "-D", data, "-U", "boss", "-A", "scram-sha-256", pwfile,
                                              "--no-sync", "-E", "UTF8", "--no-locale", NULL}) != 0) {
        print_message("initdb failed: tests with a real server are skipped\n");
        return 0;
    }
    server.port = free_port();
    server_start();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (server.pid) {
        server_end();
    }
    if (server.dir[0]) {
        remove_dir(server.dir);
    }
    return 0;
}

#define NEEDS_POSTGRES                                                                                                 \
    do {                                                                                                               \
        if (!server.pid) {                                                                                             \
            skip();                                                                                                    \
        }                                                                                                              \
    } while (0)

/* -- a recorder -- */

struct record {
    struct pg_conn *conn;
    bool ready, down, answered, down_before_answers;
    int ready_count, down_count, answer_count, failed_count, rows, columns;
    char value[64], name[64];
    bool is_null;
    struct error reason, err;
    const char *close_in;
};

static void maybe_close(struct record *r, const char *where) LOOP_ONLY;
static void maybe_close(struct record *r, const char *where)
{
    if (r->close_in && strcmp(r->close_in, where) == 0) {
        pg_close(r->conn);
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

static void on_result(void *ctx, const struct pg_result *res, const struct error *err)
{
    loop_assert();
    struct record *r = ctx;
    r->answered = true;
    r->answer_count++;
    r->rows = r->columns = 0;
    if (res) {
        r->rows = pg_rows(res);
        r->columns = pg_columns(res);
    } else {
        r->failed_count++;
        r->err = *err;
        r->down_before_answers = r->down_before_answers || r->down;
    }
    if (r->rows > 0) {
        struct str value = pg_value(res, 0, 0);
        r->is_null = value.p == NULL;
        snprintf(r->value, sizeof(r->value), STR_FMT, STR_ARG(value));
        snprintf(r->name, sizeof(r->name), "%s", pg_column_name(res, 0));
    }
    maybe_close(r, "result");
}

static const struct pg_callbacks callbacks = {on_ready, on_down};

static struct pg_conn *open_url(struct loop *loop, struct record *r, const char *url, int64_t timeout_ms) LOOP_ONLY;
static struct pg_conn *open_url(struct loop *loop, struct record *r, const char *url, int64_t timeout_ms)
{
    struct pg_options options = {.url = str_of(url), .connect_timeout_ms = timeout_ms, .statement_timeout_ms = 20000};
    struct error err = {0};
    r->conn = pg_open(loop, &options, &callbacks, r, &err);
    if (!r->conn) {
        fail_msg("%s: %s", url, err.text);
    }
    return r->conn;
}

/* A server that has just started listens a moment before it lets anybody in. */
static void wait_until_ready(struct loop *loop, struct record *r) LOOP_ONLY;
static void wait_until_ready(struct loop *loop, struct record *r)
{
    while (!r->ready) {
        uv_run(loop_uv(loop), UV_RUN_ONCE);
        if (r->down && !strstr(r->reason.text, "the database system is")) {
            fail_msg("not ready: %s", r->reason.text);
        }
        if (r->down) {
            r->down = false;
            r->down_count--;
            pg_reconnect(r->conn);
        }
    }
}

static void open_good(struct loop *loop, struct record *r) LOOP_ONLY;
static void open_good(struct loop *loop, struct record *r)
{
    char url[128];
    snprintf(url, sizeof(url), "postgresql+psycopg2://boss:open%%20sesame@127.0.0.1:%d/postgres", server.port);
    open_url(loop, r, url, 0);
    wait_until_ready(loop, r);
}

static void query(struct record *r, const char *sql, int64_t timeout_ms) LOOP_ONLY;
static void query(struct record *r, const char *sql, int64_t timeout_ms)
{
    r->answered = false;
    pg_query(r->conn, sql, timeout_ms, on_result, r);
    assert_false(r->answered);
}

static void finish(struct loop *loop, struct record *r) LOOP_ONLY;
static void finish(struct loop *loop, struct record *r)
{
    pg_close(r->conn);
    loop_free(loop);
}

static void assert_says(const struct error *err, const char *part)
{
    if (!strstr(err->text, part)) {
        fail_msg("\"%s\" does not say \"%s\"", err->text, part);
    }
}

static void expect_down(const char *url, int64_t timeout_ms, int code, const char *says) LOOP_ONLY;
static void expect_down(const char *url, int64_t timeout_ms, int code, const char *says)
{
    struct loop *loop = loop_new();
    struct record r = {0};
    open_url(loop, &r, url, timeout_ms);
    assert_true(turn_until(loop, &r.down, LIMIT_MS));
    assert_says(&r.reason, says);
    assert_int_equal(r.reason.code, code);
    assert_null(strstr(r.reason.text, "s3cret"));
    assert_int_equal(r.ready_count, 0);
    turn_for(loop, 20);
    assert_int_equal(r.down_count, 1);
    finish(loop, &r);
}

/* -- cases -- */

static void bad_urls_are_refused_with_a_reason(void **state)
{
    (void)state;
    loop_assert();
    static const struct {
        const char *url, *says;
    } cases[] = {
        {"mysql://host/db", "not a PostgreSQL URL's scheme"},
        {"host=localhost dbname=x", "control character"},
        {"postgresql://a,b/db", "several hosts"},
        {"postgresql://host:s3cret/db", "port"},
        {"postgresql:///db?port=s3cret", "port"},
    };
    struct loop *loop = loop_new();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct error err = {0};
        struct pg_options options = {.url = str_of(cases[i].url)};
        assert_null(pg_open(loop, &options, &callbacks, NULL, &err));
        assert_says(&err, cases[i].says);
        assert_null(strstr(err.text, "s3cret"));
    }
    loop_free(loop);
}

static void queries_are_answered_in_order(void **state)
{
    (void)state;
    loop_assert();
    NEEDS_POSTGRES;
    struct loop *loop = loop_new();
    struct record r = {0};
    open_good(loop, &r);
    assert_true(pg_server_version(r.conn) >= 90000);
    assert_string_equal(pg_dbname(r.conn), "postgres");
    for (int i = 1; i <= 20; i++) {
        char sql[64];
        snprintf(sql, sizeof(sql), "SELECT %d AS n", i);
        query(&r, sql, 0);
    }
    while (r.answer_count < 20) {
        r.answered = false;
        assert_true(turn_until(loop, &r.answered, LIMIT_MS));
        assert_int_equal(strtol(r.value, NULL, 10), r.answer_count);
    }
    assert_string_equal(r.name, "n");
    query(&r, "SELECT NULL, 'x'", 0);
    assert_true(turn_until(loop, &r.answered, LIMIT_MS));
    assert_true(r.is_null);
    assert_int_equal(r.columns, 2);
    query(&r, "SELECT repeat('x', 1000) FROM generate_series(1, 20000)", 0);
    assert_true(turn_until(loop, &r.answered, LIMIT_MS));
    assert_int_equal(r.rows, 20000);
    query(&r, "SHOW statement_timeout", 0);
    assert_true(turn_until(loop, &r.answered, LIMIT_MS));
    assert_string_equal(r.value, "20s");
    finish(loop, &r);
}

static void an_sql_error_leaves_the_connection_up(void **state)
{
    (void)state;
    loop_assert();
    NEEDS_POSTGRES;
    struct loop *loop = loop_new();
    struct record r = {0};
    open_good(loop, &r);
    query(&r, "SELECT nonsense", 0);
    assert_true(turn_until(loop, &r.answered, LIMIT_MS));
    assert_int_equal(r.err.code, ERR_EXEC);
    assert_says(&r.err, "column \"nonsense\" does not exist (SQLSTATE 42703)");
    query(&r, "SELECT 1; SELECT 1/0; SELECT 2", 0);
    assert_true(turn_until(loop, &r.answered, LIMIT_MS));
    assert_says(&r.err, "division by zero");
    query(&r, "SET statement_timeout = 20; SELECT pg_sleep(30)", 0);
    assert_true(turn_until(loop, &r.answered, LIMIT_MS));
    assert_int_equal(r.err.code, ERR_TIMEOUT);
    query(&r, "", 0);
    assert_true(turn_until(loop, &r.answered, LIMIT_MS));
    query(&r, "SELECT 'still here'", 0);
    assert_true(turn_until(loop, &r.answered, LIMIT_MS));
    assert_string_equal(r.value, "still here");
    assert_int_equal(r.down_count, 0);
    query(&r, "COPY (SELECT 1) TO STDOUT", 0);
    assert_true(turn_until(loop, &r.down, LIMIT_MS));
    finish(loop, &r);
}

static void wrong_passwords_and_databases_are_explained(void **state)
{
    (void)state;
    loop_assert();
    NEEDS_POSTGRES;
    char url[160];
    snprintf(url, sizeof(url), "postgres://boss:s3cret@127.0.0.1:%d/postgres", server.port);
    expect_down(url, 0, ERR_AUTH, "password authentication failed for user \"boss\"");
    snprintf(url, sizeof(url), "postgres://boss@127.0.0.1:%d/postgres?passfile=/nowhere", server.port);
    expect_down(url, 0, ERR_AUTH, "no password supplied");
    snprintf(url, sizeof(url), "postgres://boss:open%%20sesame@127.0.0.1:%d/nowhere", server.port);
    expect_down(url, 0, ERR_CONNECT, "database \"nowhere\" does not exist");
    /* localhost may mean ::1 first, where nobody listens: the reason that matters is the other's. */
    snprintf(url, sizeof(url), "postgres://boss:s3cret@localhost:%d/postgres", server.port);
    expect_down(url, 0, ERR_AUTH, "password authentication failed");
}

static void unix_sockets_work(void **state)
{
    (void)state;
    loop_assert();
    NEEDS_POSTGRES;
    char url[200];
    snprintf(url, sizeof(url), "postgresql://boss:open%%20sesame@/postgres?host=%s&port=%d", server.dir, server.port);
    struct loop *loop = loop_new();
    struct record r = {0};
    open_url(loop, &r, url, 0);
    assert_true(turn_until(loop, &r.ready, LIMIT_MS));
    finish(loop, &r);
    expect_down("postgresql:///x?host=/nowhere", 0, ERR_CONNECT, "/nowhere");
}

static void refused_and_unknown_hosts_are_reported(void **state)
{
    (void)state;
    loop_assert();
    char url[64];
    snprintf(url, sizeof(url), "postgresql://u:s3cret@127.0.0.1:%d/x", free_port());
    expect_down(url, 0, ERR_CONNECT, "Connection refused");
    expect_down("postgresql://u:s3cret@no-such-host.invalid/x", 15000, ERR_NOT_FOUND, "no-such-host.invalid");
}

static void a_silent_server_runs_into_the_connect_timeout(void **state)
{
    (void)state;
    loop_assert();
    char url[64];
    struct fake_server fake = {0};
    fake_server_start(&fake, serve_silence);
    snprintf(url, sizeof(url), "postgresql://u@127.0.0.1:%d/x", fake.port);
    expect_down(url, 100, ERR_TIMEOUT, "not ready within 0.1 s");
    fake_server_stop(&fake);
}

static void garbage_is_reported(void **state)
{
    (void)state;
    loop_assert();
    char url[64];
    struct fake_server fake = {.data = "HTTP/1.1 400 Bad Request\r\n\r\n", .len = 28};
    fake_server_start(&fake, serve_data);
    snprintf(url, sizeof(url), "postgresql://u@127.0.0.1:%d/x", fake.port);
    expect_down(url, 15000, ERR_CONNECT, "invalid response");
    fake_server_stop(&fake);
}

static void a_query_past_its_deadline_ends_the_connection(void **state)
{
    (void)state;
    loop_assert();
    NEEDS_POSTGRES;
    struct loop *loop = loop_new();
    struct record r = {0};
    open_good(loop, &r);
    query(&r, "SELECT pg_sleep(5)", 50);
    query(&r, "SELECT 1", 0);
    assert_true(turn_until(loop, &r.down, LIMIT_MS));
    assert_int_equal(r.reason.code, ERR_TIMEOUT);
    assert_int_equal(r.failed_count, 2);
    assert_false(r.down_before_answers);
    finish(loop, &r);
}

static void too_many_queries_are_refused(void **state)
{
    (void)state;
    loop_assert();
    NEEDS_POSTGRES;
    struct loop *loop = loop_new();
    struct record r = {0};
    open_good(loop, &r);
    for (int i = 0; i < 65; i++) {
        query(&r, "SELECT 1", 0);
    }
    while (r.answer_count < 65) {
        r.answered = false;
        assert_true(turn_until(loop, &r.answered, LIMIT_MS));
    }
    assert_int_equal(r.failed_count, 1);
    assert_int_equal(r.err.code, ERR_FULL);
    finish(loop, &r);
}

static void a_restart_is_noticed_and_reconnecting_works(void **state)
{
    (void)state;
    loop_assert();
    NEEDS_POSTGRES;
    struct loop *loop = loop_new();
    struct record r = {0};
    open_good(loop, &r);
    query(&r, "SELECT pg_sleep(60)", 0);
    turn_for(loop, 30);
    server_end();
    assert_true(turn_until(loop, &r.down, LIMIT_MS));
    assert_int_equal(r.failed_count, 1);
    query(&r, "SELECT 1", 0);
    assert_true(turn_until(loop, &r.answered, LIMIT_MS));
    assert_int_equal(r.err.code, ERR_CLOSED);
    r.down = r.ready = false;
    pg_reconnect(r.conn);
    assert_true(turn_until(loop, &r.down, LIMIT_MS));
    server_start();
    r.down = false;
    pg_reconnect(r.conn);
    wait_until_ready(loop, &r);
    query(&r, "SELECT pg_terminate_backend(pg_backend_pid())", 0);
    assert_true(turn_until(loop, &r.down, LIMIT_MS));
    assert_says(&r.reason, "terminating connection");
    finish(loop, &r);
}

static void the_end_of_an_idle_connection_is_noticed(void **state)
{
    (void)state;
    loop_assert();
    NEEDS_POSTGRES;
    struct loop *loop = loop_new();
    struct record idle = {0}, killer = {0};
    open_good(loop, &idle);
    open_good(loop, &killer);
    query(&killer,
          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'cloche'"
          " AND pid <> pg_backend_pid()",
          0);
    assert_true(turn_until(loop, &idle.down, LIMIT_MS));
    assert_says(&idle.reason, "terminating connection");
    pg_close(idle.conn);
    finish(loop, &killer);
}

static void no_callback_comes_after_close(void **state)
{
    (void)state;
    loop_assert();
    NEEDS_POSTGRES;
    static const char *const places[] = {"ready", "result", "down"};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        struct loop *loop = loop_new();
        struct record r = {.close_in = places[i]};
        open_good(loop, &r);
        if (strcmp(places[i], "result") == 0) {
            query(&r, "SELECT 1", 0);
            query(&r, "SELECT 2", 0);
        } else if (strcmp(places[i], "down") == 0) {
            query(&r, "SELECT pg_terminate_backend(pg_backend_pid())", 0);
        }
        while (r.conn) {
            uv_run(loop_uv(loop), UV_RUN_ONCE);
        }
        turn_for(loop, 30);
        assert_int_equal(r.ready_count, 1);
        assert_int_equal(r.answer_count, strcmp(places[i], "ready") != 0);
        assert_int_equal(r.down_count, strcmp(places[i], "down") == 0);
        finish(loop, &r);
    }
}

static void closing_while_connecting_is_silent(void **state)
{
    (void)state;
    loop_assert();
    char url[64];
    struct fake_server fake = {0};
    fake_server_start(&fake, serve_silence);
    snprintf(url, sizeof(url), "postgresql://u@127.0.0.1:%d/x", fake.port);
    struct loop *loop = loop_new();
    struct record a = {0}, b = {0};
    open_url(loop, &a, url, 0);
    pg_close(a.conn);
    open_url(loop, &b, url, 0);
    turn_for(loop, 20);
    query(&b, "SELECT 1", 0);
    pg_close(b.conn);
    turn_for(loop, 30);
    assert_int_equal(a.down_count + b.down_count + b.answer_count, 0);
    loop_free(loop);
    fake_server_stop(&fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_urls_are_refused_with_a_reason),
        cmocka_unit_test(queries_are_answered_in_order),
        cmocka_unit_test(an_sql_error_leaves_the_connection_up),
        cmocka_unit_test(wrong_passwords_and_databases_are_explained),
        cmocka_unit_test(unix_sockets_work),
        cmocka_unit_test(refused_and_unknown_hosts_are_reported),
        cmocka_unit_test(a_silent_server_runs_into_the_connect_timeout),
        cmocka_unit_test(garbage_is_reported),
        cmocka_unit_test(a_query_past_its_deadline_ends_the_connection),
        cmocka_unit_test(too_many_queries_are_refused),
        cmocka_unit_test(a_restart_is_noticed_and_reconnecting_works),
        cmocka_unit_test(the_end_of_an_idle_connection_is_noticed),
        cmocka_unit_test(no_callback_comes_after_close),
        cmocka_unit_test(closing_while_connecting_is_silent),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
