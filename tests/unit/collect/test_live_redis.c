/* The Redis collector, the scheduler and a real redis-server; and servers that misbehave. */
#include "tests/unit/collect/server.h"

static char have_redis;

static pid_t start_redis(int port, const char *password)
{
    char text[16];
    snprintf(text, sizeof(text), "%d", port);
    const char *argv[] = {"redis-server", "--port", text,    "--bind", "127.0.0.1",     "--save", "",
                          "--appendonly", "no",     "--dir", "/tmp",   "--requirepass", password, NULL};
    pid_t pid = server_spawn(argv);
    wait_for_port(port);
    return pid;
}

static struct config_target redis_at(char *room, size_t size, const char *user, int port)
{
    snprintf(room, size, "redis://%s127.0.0.1:%d/0", user, port);
    return (struct config_target){.kind = STR("redis"),
                                  .name = STR("main"),
                                  .url = str_of(room),
                                  .job = STR("redis"),
                                  .interval_ms = 300,
                                  .timeout_ms = 200};
}

static char *series_at(const char *name, int port)
{
    static char text[4][200];
    static int next;
    char *room = text[next++ % 4];
    snprintf(room, sizeof(text[0]), "%s{instance=\"127.0.0.1:%d\", job=\"redis\"}", name, port);
    return room;
}

static int setup(void **state)
{
    static struct live live;
    live_start(&live);
    *state = &live;
    return 0;
}

static int teardown(void **state)
{
    live_stop(*state);
    return 0;
}

#define NEEDS_REDIS()                                                                                                  \
    if (!have_redis) {                                                                                                 \
        print_message("skipped: no redis-server in PATH\n");                                                           \
        skip();                                                                                                        \
    }

static void a_real_server_gives_its_figures(void **state)
{
    NEEDS_REDIS();
    struct live *live = *state;
    char url[128];
    int port = free_port();
    pid_t pid = start_redis(port, "");
    const struct config_target target = redis_at(url, sizeof(url), "", port);
    live_apply(live, &target, 1);
    live_wait_value(live, series_at("up", port), 1);
    live_wait_value(live, series_at("redis_up", port), 1);
    live_wait_value(live, series_at("redis_slowlog_length", port), 0);
    live_wait_value(live, series_at("redis_config_io_threads", port), 1);
    live_wait_more(live, series_at("redis_memory_used_bytes", port), 1);
    live_wait_more(live, series_at("redis_commands_processed_total", port), 1);
    char keys[200];
    snprintf(keys, sizeof(keys), "redis_db_keys{db=\"db15\", instance=\"127.0.0.1:%d\", job=\"redis\"}", port);
    live_wait_value(live, keys, 0);
    server_kill(pid);
}

static void a_refused_server_is_down_and_comes_back(void **state)
{
    NEEDS_REDIS();
    struct live *live = *state;
    char url[128];
    int port = free_port();
    const struct config_target target = redis_at(url, sizeof(url), "", port);
    live_apply(live, &target, 1);
    live_wait_value(live, series_at("up", port), 0);
    live_wait_value(live, series_at("redis_up", port), 0);
    live_wait_board(live, "refused");
    pid_t pid = start_redis(port, "");
    live_wait_value(live, series_at("up", port), 1);
    live_wait_more(live, series_at("redis_connected_clients", port), 1);
    server_kill(pid);
    live_wait_value(live, series_at("up", port), 0);
    live_wait_stale(live, series_at("redis_connected_clients", port));
    pid = start_redis(port, "");
    live_wait_value(live, series_at("up", port), 1);
    live_wait_value(live, series_at("redis_up", port), 1);
    server_kill(pid);
}

static void a_wrong_password_is_named_and_not_shown(void **state)
{
    NEEDS_REDIS();
    struct live *live = *state;
    char url[128];
    int port = free_port();
    pid_t pid = start_redis(port, "right");
    const struct config_target wrong = redis_at(url, sizeof(url), ":hunter2@", port);
    live_apply(live, &wrong, 1);
    live_wait_value(live, series_at("up", port), 0);
    live_wait_board(live, "WRONGPASS");
    const struct board_doc *doc = board_read(live->board, "targets");
    assert_true(str_find(doc->json, STR("hunter2")) < 0);
    board_unref(doc);
    char right_url[128];
    const struct config_target right = redis_at(right_url, sizeof(right_url), ":right@", port);
    live_apply(live, &right, 1);
    live_wait_value(live, series_at("up", port), 1);
    server_kill(pid);
}

static void a_server_that_hangs_is_down_until_it_wakes(void **state)
{
    NEEDS_REDIS();
    struct live *live = *state;
    char url[128];
    int port = free_port();
    pid_t pid = start_redis(port, "");
    const struct config_target target = redis_at(url, sizeof(url), "", port);
    live_apply(live, &target, 1);
    live_wait_value(live, series_at("up", port), 1);
    kill(pid, SIGSTOP);
    live_wait_value(live, series_at("up", port), 0);
    live_wait_stale(live, series_at("redis_connected_clients", port));
    live_wait_more(live, series_at("up", port), 2);
    kill(pid, SIGCONT);
    live_wait_value(live, series_at("up", port), 1);
    live_wait_more(live, series_at("redis_connected_clients", port), 1);
    server_kill(pid);
}

static void what_an_acl_forbids_is_left_out(void **state)
{
    NEEDS_REDIS();
    struct live *live = *state;
    char url[128];
    int port = free_port();
    pid_t pid = start_redis(port, "");
    char command[256];
    snprintf(command, sizeof(command),
             "redis-cli -p %d ACL SETUSER cloche on '>pw' +info +ping +select >/dev/null 2>&1", port);
    assert_int_equal(system(command), 0);
    const struct config_target target = redis_at(url, sizeof(url), "cloche:pw@", port);
    live_apply(live, &target, 1);
    live_wait_value(live, series_at("up", port), 1);
    live_wait_more(live, series_at("redis_connected_clients", port), 3);
    assert_int_equal(recorder_count(&live->recorder, series_at("redis_slowlog_length", port)), 0);
    live_wait_board(live, "refuses CONFIG GET, SLOWLOG or LATENCY");
    char errors[200]; /* five commands were refused once, and not asked again */
    snprintf(errors, sizeof(errors), "redis_errors_total{err=\"NOPERM\", instance=\"127.0.0.1:%d\", job=\"redis\"}",
             port);
    live_wait_value(live, errors, 5);
    server_kill(pid);
}

static void a_server_that_dies_in_its_reply_is_down(void **state)
{
    struct live *live = *state;
    char url[128];
    struct false_server server;
    false_start(&server, "+PONG\r\n", "*2\r\n$9\r\ndatabases\r\n$2\r\n16\r\n$100000\r\nredis_ver");
    const struct config_target target = redis_at(url, sizeof(url), "", server.port);
    live_apply(live, &target, 1);
    live_wait_value(live, series_at("up", server.port), 0);
    live_wait_more(live, series_at("up", server.port), 3);
    assert_int_equal(recorder_count(&live->recorder, series_at("redis_connected_clients", server.port)), 0);
    assert_true(atomic_load(&server.connections) >= 1);
    false_end(&server);
}

static void a_server_that_speaks_nonsense_is_named(void **state)
{
    struct live *live = *state;
    char url[128];
    struct false_server server;
    false_start(&server, "HTTP/1.1 400 Bad Request\r\n\r\n", NULL);
    const struct config_target target = redis_at(url, sizeof(url), "", server.port);
    live_apply(live, &target, 1);
    live_wait_value(live, series_at("up", server.port), 0);
    live_wait_board(live, "\"health\":\"down\"");
    false_end(&server);
}

static void a_silent_server_does_not_disturb_the_others(void **state)
{
    NEEDS_REDIS();
    struct live *live = *state;
    char url[128], silent_url[128];
    int port = free_port(), silent_port;
    int fd = listen_free(&silent_port); /* connects, never answers */
    pid_t pid = start_redis(port, "");
    struct config_target targets[2] = {redis_at(url, sizeof(url), "", port),
                                       redis_at(silent_url, sizeof(silent_url), "", silent_port)};
    targets[1].name = STR("silent");
    targets[1].interval_ms = targets[1].timeout_ms = LIVE_PATIENCE_MS * 10; /* it waits all the time */
    live_apply(live, targets, 2);
    live_wait_more(live, series_at("redis_connected_clients", port), 5);
    live_wait_value(live, series_at("up", port), 1);
    server_kill(pid);
    close(fd);
}

static void a_silent_server_fails_at_its_deadline_each_interval(void **state)
{
    struct live *live = *state;
    char url[128];
    int port;
    int fd = listen_free(&port);
    const struct config_target target = redis_at(url, sizeof(url), "", port);
    live_apply(live, &target, 1);
    live_wait_value(live, series_at("up", port), 0);
    live_wait_board(live, "answer");
    live_wait_more(live, series_at("redis_up", port), 3);
    close(fd);
}

static void a_url_that_is_none_is_shown(void **state)
{
    struct live *live = *state;
    const struct config_target target = {.kind = STR("redis"),
                                         .name = STR("main"),
                                         .url = STR("http://127.0.0.1:1"),
                                         .job = STR("redis"),
                                         .interval_ms = 100,
                                         .timeout_ms = 100};
    live_apply(live, &target, 1);
    live_wait_value(live, series_at("up", 1), 0);
    live_wait_board(live, "\"health\":\"down\"");
}

int main(void)
{
    have_redis = system("command -v redis-server >/dev/null 2>&1") == 0;
#define LIVE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        LIVE(a_real_server_gives_its_figures),
        LIVE(a_refused_server_is_down_and_comes_back),
        LIVE(a_wrong_password_is_named_and_not_shown),
        LIVE(a_server_that_hangs_is_down_until_it_wakes),
        LIVE(what_an_acl_forbids_is_left_out),
        LIVE(a_server_that_dies_in_its_reply_is_down),
        LIVE(a_server_that_speaks_nonsense_is_named),
        LIVE(a_silent_server_does_not_disturb_the_others),
        LIVE(a_silent_server_fails_at_its_deadline_each_interval),
        LIVE(a_url_that_is_none_is_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
