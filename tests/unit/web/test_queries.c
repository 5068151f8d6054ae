/* Queries that run: listed, ended by hand and with their client, bounded, logged. */
#include "src/base/counter.h"
#include "src/query/features.h"
#include "tests/unit/web/api_server.h"

/* A minute's work over nothing. */
#define SLOW_QUERY                                                                                                     \
    "/api/v1/query_range?query=quantile_over_time(0.5,vector(time())%5B12h:1s%5D)&start=0&end=1000000&step=100"

static int64_t begin_s;

static int start(void **state)
{
    (void)state;
    api_open_store(0);
    auto_arena a;
    arena_init(&a);
    struct batch b;
    batch_init(&b, &a, STR("test"), clock_wall_ms(), (struct labels){0});
    for (int i = 0; i < 20; i++) {
        const struct label labels[] = {{STR("i"), arena_printf(&a, "%d", i)}};
        assert_true(batch_add(&b, STR("many"), labels, 1, i));
    }
    assert_int_equal(store_append(store, &b, NULL, NULL), 0);
    batch_release(&b);
    batch_init(&b, &a, STR("long"), 0, (struct labels){0});
    begin_s = clock_wall_ms() / 1000 - 1000;
    for (int i = 0; i < 600; i++) {
        assert_true(batch_add_at(&b, STR("long"), NULL, 0, (begin_s + i) * 1000, i));
    }
    assert_int_equal(store_append(store, &b, NULL, NULL), 0);
    batch_release(&b);
    api = (struct api_context){.store = store,
                               .version = "0.1.0",
                               .query_timeout_ms = 60000,
                               .query_max_samples = 50000000,
                               .query_max_series = 10,
                               .query_max_concurrency = 1};
    api_serve(16, NULL);
    return 0;
}

static int send_slow(const char *headers)
{
    int fd = raw_connect(port);
    raw_send(fd, arena_printf(&arena, "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s\r\n", SLOW_QUERY,
                              headers));
    return fd;
}

static struct str listed(void)
{
    return raw_body(raw_get(&arena, port, "/api/v1/status/queries", NULL));
}

/* Waits until the list has, or has not, the text. */
static struct str wait_for(const char *text, bool there)
{
    struct str list;
    int64_t until = clock_mono_ms() + 20000;
    while (raw_has(list = listed(), text) != there) {
        if (clock_mono_ms() > until) {
            fail_msg("waited in vain for %s to be %s: " STR_FMT, text, there ? "there" : "gone", STR_ARG(list));
        }
        usleep(5000);
    }
    return list;
}

static long long id_of(struct str list, const char *state)
{
    ptrdiff_t at = str_find(list, str_of(state));
    assert_true(at > 0);
    while (at > 0 && memcmp(list.p + at, "{\"id\":", 6) != 0) {
        at--;
    }
    return strtoll(list.p + at + 6, NULL, 10);
}

static struct str end_query(const char *method, long long id, const char *headers)
{
    return raw_ask(&arena, port,
                   arena_printf(&arena,
                                "%s /api/v1/status/queries/%lld HTTP/1.1\r\nHost: localhost\r\nConnection: "
                                "close\r\nContent-Length: 0\r\n%s\r\n",
                                method, id, headers));
}

static struct str finish(int fd)
{
    auto_buf in;
    buf_init(&in, 64u << 20);
    (void)raw_read_until(fd, &in, NULL);
    close(fd);
    return arena_dup(&arena, buf_str(&in));
}

static void a_running_query_is_listed_and_ended(void **state)
{
    (void)state;
    int64_t cancelled = self_get(SELF_QUERIES_CANCELLED);
    int fd = send_slow("User-Agent: Grafana/11\r\nX-Dashboard-Uid: abc\r\nX-Panel-Id: 7\r\nX-Grafana-User: anna\r\n");
    struct str list = wait_for("\"state\":\"running\"", true);
    assert_true(raw_has(list, "\"query\":\"quantile_over_time(0.5,vector(time())[12h:1s])\""));
    assert_true(raw_has(list, "\"end\":1000000,\"step\":100,"));
    assert_true(raw_has(list, "\"peer\":\"127.0.0.1\",\"userAgent\":\"Grafana/11\",\"dashboard\":\"abc/7\",\"user\":"
                              "\"anna\""));
    long long id = id_of(list, "\"state\":\"running\"");
    assert_int_equal(raw_status(end_query("POST", id, "Origin: http://evil.example\r\n")), 403);
    assert_int_equal(raw_status(end_query("POST", id, "")), 204);
    struct str answer = finish(fd);
    assert_int_equal(raw_status(answer), 503);
    assert_true(
        raw_has(answer, "\"errorType\":\"canceled\",\"error\":\"query was canceled in expression evaluation\""));
    assert_int_equal(raw_status(end_query("DELETE", id, "")), 404);
    assert_int_equal(self_get(SELF_QUERIES_CANCELLED), cancelled + 1);
    assert_int_equal(self_get(SELF_QUERIES_RUNNING), 0);
}

static void a_query_waits_for_a_place_and_can_be_ended_there(void **state)
{
    (void)state;
    int first = send_slow("");
    wait_for("\"state\":\"running\"", true);
    int second = send_slow("User-Agent: waits\r\n");
    struct str list = wait_for("\"state\":\"queued\"", true);
    assert_int_equal(raw_status(end_query("DELETE", id_of(list, "\"state\":\"queued\""), "")), 204);
    struct str answer = finish(second);
    assert_true(raw_has(answer, "\"errorType\":\"canceled\",\"error\":\"query was canceled in query queue\""));
    answer = raw_get(&arena, port, "/api/v1/query?query=1&timeout=150ms", NULL);
    assert_int_equal(raw_status(answer), 503);
    assert_true(raw_has(answer, "\"errorType\":\"timeout\",\"error\":\"query timed out in query queue\""));
    close(first); /* the client hangs up: the place is free again */
    wait_for("\"state\":", false);
    assert_int_equal(raw_status(raw_get(&arena, port, "/api/v1/query?query=1", NULL)), 200);
}

static void a_federation_is_a_query_to_gate_and_limits(void **state)
{
    (void)state;
    struct str answer = raw_get(&arena, port, "/federate?match[]=many", NULL);
    assert_int_equal(raw_status(answer), 422);
    assert_true(raw_has(answer, "more than 10 series match: narrow match[], or raise query_max_series"));
    assert_int_equal(raw_status(raw_get(&arena, port, "/federate?match[]=many%7Bi%3D~%221.%22%7D", NULL)), 200);
    answer = raw_get(&arena, port, "/federate?match[]=many%7Bi%3D~%221.%22%7D&match[]=many%7Bi%3D%225%22%7D", NULL);
    assert_int_equal(raw_status(answer), 422); /* ten and one */
    api.query_max_samples = 5;
    answer = raw_get(&arena, port, "/federate?match[]=many%7Bi%3D~%221.%22%7D", NULL);
    api.query_max_samples = 50000000;
    assert_int_equal(raw_status(answer), 422);
    assert_true(raw_has(answer, "more than 5 samples would be read: narrow match[], or raise query_max_samples"));

    int first = send_slow("");
    wait_for("\"state\":\"running\"", true);
    int fd = raw_connect(port);
    raw_send(fd, STR("GET /federate?match[]=up HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
    struct str list = wait_for("\"state\":\"queued\"", true);
    assert_true(raw_has(list, "\"query\":\"federate up\""));
    assert_int_equal(raw_status(end_query("POST", id_of(list, "\"state\":\"queued\""), "")), 204);
    answer = finish(fd);
    assert_int_equal(raw_status(answer), 503);
    assert_true(raw_has(answer, "query was canceled in query queue"));
    close(first);
    wait_for("\"state\":", false);
}

static void limits_have_prometheus_types(void **state)
{
    (void)state;
    struct str answer = raw_get(&arena, port, "/api/v1/query?query=many", NULL);
    assert_int_equal(raw_status(answer), 422);
    assert_true(raw_has(answer, "\"errorType\":\"execution\",\"error\":\"query processing would load too many series"));
    assert_int_equal(raw_status(raw_get(&arena, port, "/api/v1/query?query=many%7Bi%3D~%221.%22%7D", NULL)), 200);
    answer = raw_get(&arena, port, "/api/v1/query?query=many%7Bi%3D~%221.%22%7D%2Bon(i)many%7Bi%3D~%221%5B0-9%5D%22%7D",
                     NULL);
    assert_int_equal(raw_status(answer), 422); /* ten and ten */
    int64_t limited = self_get(SELF_QUERIES_LIMITED);
    api.query_max_samples = 5;
    answer = raw_get(&arena, port, "/api/v1/query?query=many%7Bi%3D~%221.%22%7D", NULL);
    api.query_max_samples = 50000000;
    assert_int_equal(raw_status(answer), 422);
    assert_true(raw_has(answer, "query processing would load too many samples into memory in query execution"));
    assert_int_equal(self_get(SELF_QUERIES_LIMITED), limited + 1);
    answer = raw_get(&arena, port, SLOW_QUERY "&timeout=100ms", NULL);
    assert_true(raw_has(answer, "\"errorType\":\"timeout\",\"error\":\"query timed out in expression evaluation\""));
}

static void a_slow_query_gives_one_line_with_its_cost(void **state)
{
    (void)state;
    char path[] = "/tmp/cloche-log-XXXXXX";
    int file = mkstemp(path), before = dup(STDERR_FILENO);
    assert_true(file >= 0 && before >= 0);
    api.query_log_slower_ms = 50;
    dup2(file, STDERR_FILENO);
    struct str quick = raw_get(&arena, port, "/api/v1/query?query=1", NULL);
    struct str answer = raw_get(&arena, port, SLOW_QUERY "&timeout=200ms", "User-Agent: curl/8\r\n");
    dup2(before, STDERR_FILENO);
    close(before);
    api.query_log_slower_ms = 0;
    assert_int_equal(raw_status(answer), 503);
    assert_int_equal(raw_status(quick), 200);
    char text[16384];
    ssize_t n = pread(file, text, sizeof(text) - 1, 0);
    close(file);
    unlink(path);
    assert_true(n > 0);
    struct str log = {text, (size_t)n};
    assert_true(raw_has(log, "query: slow seconds=0."));
    assert_true(raw_has(log, "range=1000000 step=100 peer=127.0.0.1 agent=curl/8"));
    assert_true(raw_has(log, "query=quantile_over_time(0.5,vector(time())[12h:1s])\n"));
    assert_false(raw_has(log, "query=1\n"));
}

static void stats_have_prometheus_shape(void **state)
{
    (void)state;
    struct str answer = raw_get(&arena, port, "/api/v1/query?query=many%7Bi%3D%221%22%7D&stats=all", NULL);
    static const char *const names[] = {"\"timings\":{\"evalTotalTime\":",
                                        "\"resultSortTime\":",
                                        "\"queryPreparationTime\":",
                                        "\"innerEvalTime\":",
                                        "\"execQueueTime\":",
                                        "\"execTotalTime\":",
                                        "\"samples\":{\"totalQueryableSamples\":1,",
                                        "\"peakSamples\":1"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_true(raw_has(answer, names[i]));
    }
    answer = raw_get(&arena, port, "/api/v1/query?query=many%7Bi%3D%221%22%7D&stats=true", NULL);
    assert_true(raw_has(answer, "\"samples\":{\"totalQueryableSamples\":1,"));
    answer = raw_get(&arena, port, "/metrics", NULL);
    assert_true(raw_has(answer, "cloche_query_seconds_count ") && raw_has(answer, "cloche_queries_running 0"));
}

/* The last test: what is enabled stays so. */
static void steps_are_counted_where_that_is_enabled(void **state)
{
    (void)state;
    const char *range = arena_cstr(
        &arena,
        arena_printf(&arena, "/api/v1/query_range?query=sum_over_time(long%%5B20s%%5D)&start=%lld&end=%lld&step=5",
                     (long long)begin_s + 10, (long long)begin_s + 25));
    struct str all = raw_get(&arena, port, arena_cstr(&arena, arena_printf(&arena, "%s&stats=all", range)), NULL);
    assert_false(raw_has(all, "PerStep"));
    assert_int_equal(query_features_enable(STR("promql-per-step-stats"), NULL), 0);
    all = raw_get(&arena, port, arena_cstr(&arena, arena_printf(&arena, "%s&stats=all", range)), NULL);
    const char *expected = arena_cstr(
        &arena, arena_printf(&arena,
                             "\"samples\":{\"totalQueryableSamplesPerStep\":[[%lld,11],[%lld,16],[%lld,20],[%lld,20]],"
                             "\"totalQueryableSamples\":67,",
                             (long long)begin_s + 10, (long long)begin_s + 15, (long long)begin_s + 20,
                             (long long)begin_s + 25));
    assert_true(raw_has(all, expected));
    assert_false(raw_has(raw_get(&arena, port, arena_cstr(&arena, arena_printf(&arena, "%s&stats=true", range)), NULL),
                         "PerStep"));
    struct str one = raw_get(&arena, port, "/api/v1/query?query=many%7Bi%3D%221%22%7D&stats=all", NULL);
    assert_true(raw_has(one, ",1]],\"totalQueryableSamples\":1,"));
}

static void a_range_query_is_answered_from_the_cache_unless_asked_otherwise(void **state)
{
    (void)state;
    const char *path =
        arena_cstr(&arena, arena_printf(&arena, "/api/v1/query_range?query=sum(long)&start=%lld&end=%lld&step=10",
                                        (long long)begin_s, (long long)begin_s + 590));
    const char *anew = arena_cstr(&arena, arena_printf(&arena, "%s&nocache=1", path));
    api.query_cache = query_cache_new(1u << 20);
    struct str first = raw_body(raw_get(&arena, port, path, NULL));
    int64_t hits = self_get(SELF_QUERY_CACHE_HITS);
    assert_str_eq(raw_body(raw_get(&arena, port, path, NULL)), first);
    assert_int_equal(self_get(SELF_QUERY_CACHE_HITS), hits + 1);
    assert_true(raw_has(first, "\"580\"],") && raw_has(first, "\"590\"]]}]}}"));
    assert_str_eq(raw_body(raw_get(&arena, port, anew, NULL)), first);
    assert_int_equal(self_get(SELF_QUERY_CACHE_HITS), hits + 1);
    query_cache_free(steal(api.query_cache));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_running_query_is_listed_and_ended),
        cmocka_unit_test(a_query_waits_for_a_place_and_can_be_ended_there),
        cmocka_unit_test(a_federation_is_a_query_to_gate_and_limits),
        cmocka_unit_test(limits_have_prometheus_types),
        cmocka_unit_test(a_slow_query_gives_one_line_with_its_cost),
        cmocka_unit_test(stats_have_prometheus_shape),
        cmocka_unit_test(a_range_query_is_answered_from_the_cache_unless_asked_otherwise),
        cmocka_unit_test(steps_are_counted_where_that_is_enabled),
    };
    return cmocka_run_group_tests(tests, start, api_close);
}
