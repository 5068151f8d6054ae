/* The Celery collector, a real broker and real workers of Debian's python3-celery. */
#include "src/base/codec.h"
#include "tests/unit/collect/server.h"

#include <fcntl.h>

static bool have_celery;

struct kitchen {
    struct live live;
    int port;
    pid_t redis, workers[2];
    char url[64];
    const char *prefix;
    pthread_mutex_t mutex;
    size_t events[TASK_EVENT_COUNT];
    size_t calls;
    int answer; /* of the sink */
};

static int take_tasks(void *ctx, const struct task_event *events, size_t n)
{
    struct kitchen *k = (struct kitchen *)((char *)ctx - offsetof(struct kitchen, live.recorder));
    pthread_mutex_lock(&k->mutex);
    int answer = k->answer;
    for (size_t i = 0; i < n && answer == 0; i++) {
        k->events[events[i].type]++;
    }
    k->calls++;
    pthread_mutex_unlock(&k->mutex);
    return answer;
}

static void wait_events(struct kitchen *k, enum task_event_type type, size_t n)
{
    int64_t end = clock_mono_ms() + LIVE_PATIENCE_MS;
    for (;;) {
        pthread_mutex_lock(&k->mutex);
        size_t got = k->events[type];
        pthread_mutex_unlock(&k->mutex);
        if (got >= n) {
            assert_int_equal(got, n);
            return;
        }
        if (clock_mono_ms() > end) {
            fail_msg("%s: %zu of %zu events came", task_event_name(type), got, n);
        }
        live_nap();
    }
}

/* Waits until a document of the board holds the text. */
static void wait_doc(struct kitchen *k, const char *name, const char *text)
{
    int64_t end = clock_mono_ms() + LIVE_PATIENCE_MS;
    for (;;) {
        const struct board_doc *doc = board_read(k->live.board, name);
        bool found = doc && str_find(doc->json, str_of(text)) >= 0;
        if (!found && clock_mono_ms() > end) {
            fail_msg("\"%s\" does not say %s: " STR_FMT, name, text, STR_ARG(doc ? doc->json : STR("nothing")));
        }
        board_unref(doc);
        if (found) {
            return;
        }
        live_nap();
    }
}

static void start_redis(struct kitchen *k)
{
    char port[16];
    snprintf(port, sizeof(port), "%d", k->port);
    const char *argv[] = {"redis-server", "--port", port,           "--bind", "127.0.0.1", "--save", "",
                          "--dir",        "/tmp",   "--appendonly", "no",     NULL};
    k->redis = server_spawn(argv);
    wait_for_port(k->port);
}

static void start_worker(struct kitchen *k, int i, bool events)
{
    static const char *const names[] = {"w1@kitchen", "w2@kitchen"};
    const char *argv[] = {"/usr/bin/python3",
                          "-m",
                          "celery",
                          "-A",
                          "celery_app",
                          "worker",
                          "-n",
                          names[i],
                          "-c",
                          "2",
                          "-Q",
                          i ? "slow" : "celery",
                          "--without-mingle",
                          events ? "-E" : NULL,
                          NULL};
    k->workers[i] = server_spawn(argv);
}

static void run_app(const char *what)
{
    const char *argv[] = {"/usr/bin/python3", TEST_DATA_DIR "/unit/collect/data/celery_app.py", what, NULL};
    assert_int_equal(server_wait(server_spawn(argv)), 0);
}

static int setup(void **state)
{
    struct kitchen *k = mem_zalloc(sizeof(*k));
    pthread_mutex_init(&k->mutex, NULL);
    live_start(&k->live);
    k->live.recorder.sink.tasks = take_tasks;
    k->port = free_port();
    snprintf(k->url, sizeof(k->url), "redis://127.0.0.1:%d/3", k->port);
    setenv("BROKER", k->url, 1);
    k->prefix = "app:";
    setenv("KEY_PREFIX", k->prefix, 1);
    setenv("PYTHONPATH", TEST_DATA_DIR "/unit/collect/data", 1);
    setenv("PYTHONDONTWRITEBYTECODE", "1", 1);
    setenv("C_FORCE_ROOT", "1", 1);
    *state = k;
    return 0;
}

static int teardown(void **state)
{
    struct kitchen *k = *state;
    live_stop(&k->live);
    for (int i = 0; i < 2; i++) {
        server_kill(k->workers[i]);
    }
    server_kill(k->redis);
    pthread_mutex_destroy(&k->mutex);
    mem_free(k);
    return 0;
}

static void watch(struct kitchen *k)
{
    static struct config_target target;
    target = (struct config_target){.kind = STR("celery"),
                                    .name = STR("main"),
                                    .url = str_of(k->url),
                                    .job = STR("celery"),
                                    .key_prefix = str_of(k->prefix),
                                    .enable_events = true,
                                    .interval_ms = 500,
                                    .timeout_ms = 400,
                                    .worker_timeout_ms = 6000};
    live_apply(&k->live, &target, 1);
}

/* The series with # as the broker's port. */
static char *series(const struct kitchen *k, const char *pattern)
{
    static char text[8][400];
    static int next;
    char *room = text[next++ % 8];
    const char *mark = strchr(pattern, '#');
    assert_non_null(mark);
    snprintf(room, sizeof(text[0]), "%.*s%d%s", (int)(mark - pattern), pattern, k->port, mark + 1);
    return room;
}
#define TARGET "instance=\"127.0.0.1:#\", job=\"celery\""

#define NEEDS_CELERY()                                                                                                 \
    if (!have_celery) {                                                                                                \
        print_message("skipped: needs redis-server and /usr/bin/python3 with celery\n");                               \
        skip();                                                                                                        \
    }

static void real_workers_are_watched(void **state)
{
    NEEDS_CELERY();
    struct kitchen *k = *state;
    start_redis(k);
    watch(k);
    live_wait_value(&k->live, series(k, "celery_broker_up{" TARGET "}"), 1);
    start_worker(k, 0, true);
    start_worker(k, 1, false); /* events off: we turn them on */
    live_wait_value(&k->live, series(k, "celery_workers{" TARGET "}"), 2);
    wait_doc(k, "celery", "\"task_events_off\":[]");
    run_app("some");
    wait_events(k, TASK_EVENT_SENT, 13); /* the retry is sent, too */
    wait_events(k, TASK_EVENT_SUCCEEDED, 11);
    wait_events(k, TASK_EVENT_FAILED, 1);
    wait_events(k, TASK_EVENT_RETRIED, 1);
#define ADD "hostname=\"kitchen\", instance=\"127.0.0.1:#\", job=\"celery\""
    live_wait_value(&k->live,
                    series(k, "celery_task_succeeded_total{" ADD ", name=\"shop.add\", queue_name=\"celery\"}"), 10);
    live_wait_value(&k->live,
                    series(k, "celery_task_failed_total{exception=\"ValueError\", " ADD
                              ", name=\"shop.boom\", queue_name=\"celery\"}"),
                    1);
    live_wait_value(&k->live,
                    series(k, "celery_task_runtime_seconds_count{" ADD ", name=\"shop.add\", queue_name=\"celery\"}"),
                    10);
    live_wait_value(&k->live,
                    series(k, "celery_task_queue_wait_time_count{" ADD ", name=\"shop.add\", queue_name=\"celery\"}"),
                    10);
    live_wait_value(&k->live, series(k, "celery_active_process_count{" TARGET ", queue_name=\"celery\"}"), 2);
    wait_doc(k, "workers", "\"concurrency\":2");
    wait_doc(k, "workers", "\"queues\":[\"slow\"]");

    /* a queue nobody takes from, with three priorities */
    run_app("nobody");
    live_wait_value(&k->live, series(k, "celery_queue_length{" TARGET ", queue_name=\"nobody\"}"), 3);
    live_wait_value(&k->live, series(k, "celery_active_worker_count{" TARGET ", queue_name=\"nobody\"}"), 0);

    /* an orderly goodbye, and a murder */
    kill(k->workers[1], SIGTERM);
    live_wait_value(&k->live, series(k, "celery_worker_up{" ADD ", worker=\"w2@kitchen\"}"), 0);
    server_wait(k->workers[1]);
    k->workers[1] = 0;
    server_kill(k->workers[0]);
    k->workers[0] = 0;
    live_wait_value(&k->live, series(k, "celery_worker_up{" ADD ", worker=\"w1@kitchen\"}"), 0);
    live_wait_value(&k->live, series(k, "celery_workers{" TARGET "}"), 0);
    wait_doc(k, "workers", "\"lost\":true");
}

static void a_broker_that_goes_leaves_a_gap(void **state)
{
    NEEDS_CELERY();
    struct kitchen *k = *state;
    start_redis(k);
    watch(k);
    live_wait_value(&k->live, series(k, "celery_broker_up{" TARGET "}"), 1);
    wait_doc(k, "celery", "\"listening\":true");
    server_kill(k->redis);
    live_wait_value(&k->live, series(k, "celery_broker_up{" TARGET "}"), 0);
    wait_doc(k, "celery", "\"listening\":false");
    start_redis(k);
    live_wait_value(&k->live, series(k, "celery_broker_up{" TARGET "}"), 1);
    wait_doc(k, "celery", "not connected to the broker for");
}

/* One command to the broker; what it answers, as text. */
static void redis_says(const struct kitchen *k, const char *command, char *out, size_t size)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in addr = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)k->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    assert_true(write(fd, command, strlen(command)) > 0);
    size_t len = 0;
    /* two lines end the answers to SELECT and to a command that answers with a number */
    for (size_t lines = 0; lines < 2 && len + 1 < size;) {
        ssize_t n = read(fd, out + len, size - 1 - len);
        if (n <= 0) {
            break;
        }
        for (ssize_t i = 0; i < n; i++) {
            lines += out[len + (size_t)i] == '\n';
        }
        len += (size_t)n;
    }
    out[len] = '\0';
    close(fd);
}

static void hostile_messages_are_counted_and_harmless(void **state)
{
    NEEDS_CELERY();
    struct kitchen *k = *state;
    char out[200];
    k->prefix = "app[1]:"; /* special in a pattern: must be escaped */
    start_redis(k);
    watch(k);
    wait_doc(k, "celery", "\"listening\":true");
    redis_says(k, "SELECT 3\r\nPUBLISH app[1]:/3.celeryev/task.multi hello\r\n", out, sizeof(out));
    assert_string_equal(out, "+OK\r\n:1\r\n");
    redis_says(k, "SELECT 3\r\nPUBLISH app[1]:/3.celeryev {}\r\n", out, sizeof(out)); /* fanout_patterns off */
    assert_string_equal(out, "+OK\r\n:1\r\n");
    redis_says(k, "SELECT 3\r\nPUBLISH app1:/3.celeryev/task.multi hello\r\n", out, sizeof(out)); /* [1] is no set */
    assert_string_equal(out, "+OK\r\n:0\r\n");
    live_wait_value(&k->live, series(k, "celery_messages_undecodable_total{" TARGET ", reason=\"not_json\"}"), 1);
    live_wait_value(&k->live, series(k, "celery_messages_undecodable_total{" TARGET ", reason=\"no_body\"}"), 1);
    wait_doc(k, "celery", "\"undecodable\":2");
}

static void a_refused_subscription_is_asked_for_again(void **state)
{
    NEEDS_CELERY();
    struct kitchen *k = *state;
    char out[200];
    start_redis(k);
    redis_says(k, "SELECT 3\r\nACL SETUSER default resetchannels\r\n", out, sizeof(out));
    assert_string_equal(out, "+OK\r\n+OK\r\n");
    watch(k);
    live_wait_board(&k->live, "cannot subscribe to Celery's events: NOPERM");
    redis_says(k, "SELECT 3\r\nACL SETUSER default allchannels\r\n", out, sizeof(out));
    wait_doc(k, "celery", "\"listening\":true");
}

static void nothing_is_left_on_the_broker(void **state)
{
    NEEDS_CELERY();
    struct kitchen *k = *state;
    char out[200];
    start_redis(k);
    watch(k);
    wait_doc(k, "celery", "\"remote_control\":true");
    redis_says(k, "SELECT 3\r\nSCARD app:_kombu.binding.reply.celery.pidbox\r\n", out, sizeof(out));
    assert_string_equal(out, "+OK\r\n:1\r\n");
    live_apply(&k->live, NULL, 0);
    for (int64_t end = clock_mono_ms() + LIVE_PATIENCE_MS; clock_mono_ms() < end; live_nap()) {
        redis_says(k, "SELECT 3\r\nDBSIZE\r\n", out, sizeof(out));
        if (strcmp(out, "+OK\r\n:0\r\n") == 0) {
            return;
        }
    }
    fail_msg("keys are left: %s", out);
}

static int connect_to(const struct kitchen *k)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in addr = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)k->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    return fd;
}

/* Reads on until the decoded body of a request says the word; what follows it up to a quote. */
static void hear(int fd, const char *word, char *out, size_t size)
{
    static char text[65536];
    auto_buf body;
    buf_init(&body, sizeof(text));
    for (size_t len = 0; len + 1 < sizeof(text);) {
        ssize_t n = read(fd, text + len, sizeof(text) - 1 - len);
        assert_true(n > 0);
        len += (size_t)n;
        text[len] = '\0';
        for (const char *p = text; (p = strstr(p, "\"body\":\"")); p++) {
            struct str encoded = str_of(p + 8), rest;
            rest = str_split(&encoded, '"');
            buf_clear(&body);
            if (!base64_decode(rest, &body)) {
                continue;
            }
            ptrdiff_t at = str_find(buf_str(&body), str_of(word));
            if (at >= 0) {
                struct str tail = str_slice(buf_str(&body), (size_t)at + strlen(word), body.len);
                struct str value = str_split(&tail, '"');
                assert_true(value.len < size);
                memcpy(out, value.p, value.len);
                out[value.len] = '\0';
                return;
            }
        }
    }
    fail_msg("no request says %s", word);
}

/* A worker of the solo pool answers hours later: that must not look like another cloche, each of which costs a key. */
static void a_late_reply_is_told_from_a_twins(void **state)
{
    NEEDS_CELERY();
    struct kitchen *k = *state;
    char ticket[100], oid[100], out[200], command[1000];
    start_redis(k);
    int fd = connect_to(k);
    const char *listen = "SUBSCRIBE app:/3.celery.pidbox\r\n"; /* and be counted as a worker */
    assert_true(write(fd, listen, strlen(listen)) > 0);
    watch(k);
    hear(fd, "\"ticket\":\"", ticket, sizeof(ticket));
    hear(fd, "\"routing_key\":\"", oid, sizeof(oid));
    memset(ticket + 10, '0', 3); /* one of ours, but long forgotten */
#define REPLY "'{\"headers\":{\"ticket\":\"%s\"},\"body\":\"{}\"}'"
    snprintf(command, sizeof(command), "SELECT 3\r\nLPUSH app:%s.reply.celery.pidbox " REPLY " " REPLY "\r\n", oid,
             ticket, "a-twin");
    redis_says(k, command, out, sizeof(out));
    assert_string_equal(out, "+OK\r\n:2\r\n");
    snprintf(command, sizeof(command), "SELECT 3\r\nLLEN app:%s.reply.celery.pidbox\r\n", oid);
    for (int64_t end = clock_mono_ms() + LIVE_PATIENCE_MS; strcmp(out, "+OK\r\n:0\r\n") != 0; live_nap()) {
        redis_says(k, command, out, sizeof(out));
        assert_true(clock_mono_ms() < end);
    }
    for (int64_t end = clock_mono_ms() + LIVE_PATIENCE_MS; strcmp(out, "+OK\r\n:2\r\n") != 0; live_nap()) {
        redis_says(k, "SELECT 3\r\nSCARD app:_kombu.binding.reply.celery.pidbox\r\n", out, sizeof(out));
        if (clock_mono_ms() > end) {
            fail_msg("bindings: %s", out);
        }
    }
    close(fd);
}

static void sleep_long(void *ctx)
{
    (void)ctx;
    usleep(16500000); /* longer than worker_timeout_ms after the ten seconds a new connection excuses */
}

static void a_stall_of_ours_loses_no_worker(void **state)
{
    NEEDS_CELERY();
    struct kitchen *k = *state;
    char out[200];
    start_redis(k);
    watch(k);
    wait_doc(k, "celery", "\"listening\":true");
    redis_says(k,
               "SELECT 3\r\nPUBLISH app:/3.celeryev/worker.online "
               "'{\"body\":\"{\\\"type\\\":\\\"worker-online\\\",\\\"hostname\\\":\\\"w@h\\\"}\"}'\r\n",
               out, sizeof(out));
    wait_doc(k, "workers", "\"online\":true");
    loop_post(k->live.loop, sleep_long, NULL);
    redis_says(k,
               "SELECT 3\r\nPUBLISH app:/3.celeryev/worker.heartbeat "
               "'{\"body\":\"{\\\"type\\\":\\\"worker-heartbeat\\\",\\\"hostname\\\":\\\"w@h\\\","
               "\\\"active\\\":1,\\\"processed\\\":77}\"}'\r\n",
               out, sizeof(out));
    bool lost = false;
    for (bool heard = false; !heard; live_nap()) {
        const struct board_doc *doc = board_read(k->live.board, "workers");
        lost |= str_find(doc->json, STR("\"lost\":true")) >= 0;
        heard = str_find(doc->json, STR("\"processed\":77")) >= 0;
        board_unref(doc);
    }
    assert_false(lost);
}

static void a_full_history_is_shown_as_a_gap(void **state)
{
    NEEDS_CELERY();
    struct kitchen *k = *state;
    char out[200];
    start_redis(k);
    watch(k);
    wait_doc(k, "celery", "\"listening\":true");
    pthread_mutex_lock(&k->mutex);
    k->answer = ERR_FULL;
    pthread_mutex_unlock(&k->mutex);
    redis_says(
        k,
        "SELECT 3\r\nPUBLISH app:/3.celeryev/task.sent "
        "'{\"body\":\"{\\\"type\\\":\\\"task-sent\\\",\\\"uuid\\\":\\\"u\\\",\\\"hostname\\\":\\\"h\\\"}\"}'\r\n",
        out, sizeof(out));
    assert_string_equal(out, "+OK\r\n:1\r\n");
    wait_doc(k, "celery", "\"lost_events\":1");
    wait_doc(k, "celery", "queue is full");
    live_wait_value(&k->live, series(k, "celery_events_lost_total{" TARGET "}"), 1);
}

int main(void)
{
    const char *check[] = {"/usr/bin/python3", "-c", "import celery, redis", NULL};
    const char *redis[] = {"redis-server", "--version", NULL};
    have_celery = server_wait(server_spawn(check)) == 0 && server_wait(server_spawn(redis)) == 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(real_workers_are_watched, setup, teardown),
        cmocka_unit_test_setup_teardown(a_broker_that_goes_leaves_a_gap, setup, teardown),
        cmocka_unit_test_setup_teardown(a_late_reply_is_told_from_a_twins, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stall_of_ours_loses_no_worker, setup, teardown),
        cmocka_unit_test_setup_teardown(hostile_messages_are_counted_and_harmless, setup, teardown),
        cmocka_unit_test_setup_teardown(a_refused_subscription_is_asked_for_again, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_is_left_on_the_broker, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_history_is_shown_as_a_gap, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
