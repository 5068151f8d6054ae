/* Export, import and administration over HTTP, over a real store. */
#include "tests/unit/web/api_server.h"

static int start(void **state)
{
    (void)state;
    api_open_store(0);
    board = board_new();
    feed = feed_new(64, 65536);
    api = (struct api_context){
        .store = store, .board = board, .feed = feed, .version = "0.1.0", .revision = "abc", .data_dir = str_of(dir)};
    api_serve(8, NULL);
    return 0;
}

static struct str post(const char *path, const char *headers, const char *body)
{
    return api_post(path, "text/plain", headers, body);
}

static const char history[] = "# TYPE jobs counter\n# HELP jobs Jobs.\n"
                              "jobs_total{job=\"a\"} 1 1700000000.000\njobs_total{job=\"a\"} 2 1700000015.000\n"
                              "jobs_total{job=\"b\"} 3 1700000000.500\n"
                              "# TYPE up gauge\nup{job=\"a\"} 1 1700000000.000\n# EOF\n";

static void what_is_imported_is_exported(void **state)
{
    (void)state;
    struct str a = post("/api/v1/import", "", history);
    assert_int_equal(raw_status(a), 204);
    assert_int_equal(raw_body(a).len, 0);
    a = raw_ask(&arena, port, STR("GET /api/v1/export HTTP/1.0\r\nHost: localhost\r\n\r\n"));
    assert_true(raw_has(a, "Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n"));
    assert_str_is(raw_body(a), history);
    a = api_get("/api/v1/export?match[]=up&match[]=jobs_total%7Bjob%3D%22b%22%7D");
    expect_part(a, 200,
                "# TYPE jobs counter\n# HELP jobs Jobs.\njobs_total{job=\"b\"} 3 1700000000.500\n"
                "# TYPE up gauge\nup{job=\"a\"} 1 1700000000.000\n# EOF\n");
    expect_part(api_get("/api/v1/export?start=1700000001&end=1700000020"), 200,
                "jobs_total{job=\"a\"} 2 1700000015.000");
    assert_false(raw_has(api_get("/api/v1/export?start=1700000001"), "1700000000"));
    expect_part(api_get("/api/v1/export?match[]=%7B"), 400, "invalid parameter \\\"match[]\\\"");
    expect_part(api_get("/api/v1/export?start=x"), 400, "Invalid time value");
    assert_int_equal(raw_status(api_get("/api/v1/import")), 405);
}

static void an_import_tells_what_became_of_it(void **state)
{
    (void)state;
    expect_part(post("/api/v1/import?summary=1", "", history), 200,
                "\"data\":{\"samples\":4,\"series\":3,\"refused\":0,\"bad_lines\":0,\"first_refused\":null,"
                "\"first_bad\":null,\"format\":\"openmetrics\",\"ended\":true}}");
    expect_part(post("/api/v1/import?first_line=100", "", "up 1 1700000000000\nup x 1700000000000\n"), 400,
                "line 101, column 4: a value expected, not \\\"x 1700000000000\\\"; 1 samples before it were taken");
    expect_part(post("/api/v1/import?skip_bad=1&summary=1", "", "up x 1700000000000\nup 1 1700000000000\n"), 200,
                "\"bad_lines\":1,\"first_refused\":null,\"first_bad\":{\"line\":1,\"column\":4,");
    expect_part(post("/api/v1/import?format=csv", "", ""), 400, "auto, openmetrics or prometheus");
    expect_part(post("/api/v1/import?first_line=0", "", ""), 400, "first_line");
    expect_part(post("/api/v1/import?format=openmetrics&summary=1", "", "up 1 99999999999\n"), 200,
                "\"refused\":1,\"bad_lines\":0,\"first_refused\":{\"line\":0,\"column\":0,\"text\":\"series up: its "
                "sample of 99999999999000 ms is "
                "more than an hour ahead of this machine's clock");
}

static void pages_of_other_origins_change_nothing(void **state)
{
    (void)state;
    static const char *const paths[] = {
        "/api/v1/import",
        "/api/v1/admin/tsdb/flush",
        "/api/v1/admin/tsdb/delete_series?match[]=up",
        "/api/v1/admin/tsdb/clean_tombstones",
        "/api/v1/admin/tsdb/snapshot",
    };
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        expect_part(post(paths[i], "Sec-Fetch-Site: cross-site\r\n", ""), 403, "another origin");
        expect_part(post(paths[i], "Origin: http://evil.example\r\n", ""), 403, "another origin");
        assert_int_equal(raw_status(api_get(paths[i])), 405);
    }
}

static void administration_answers_as_prometheus_does(void **state)
{
    (void)state;
    assert_int_equal(raw_status(post("/api/v1/admin/tsdb/flush", "", "")), 204);
    struct store_status status;
    store_get_status(store, &status);
    assert_int_equal(status.samples_in_head, 0);
    assert_int_equal(raw_status(post("/api/v1/admin/tsdb/clean_tombstones", "", "")), 204);
    expect_part(post("/api/v1/admin/tsdb/delete_series", "", ""), 400, "no match[] parameter provided");
    struct str a = post("/api/v1/admin/tsdb/delete_series?match[]=none", "", "");
    assert_int_equal(raw_status(a), 204);
    a = post("/api/v1/admin/tsdb/snapshot", "", "");
    expect_part(a, 200, "{\"name\":\"20");
}

static void the_state_of_the_store_is_told(void **state)
{
    (void)state;
    expect_part(api_get("/api/v1/status/tsdb"), 200,
                "\"headStats\":{\"numSeries\":4,\"numLabelPairs\":4,\"chunkCount\":0,\"minTime\":");
    expect_part(
        api_get("/api/v1/status/tsdb"), 200,
        "\"seriesCountByMetricName\":[{\"name\":\"jobs_total\",\"value\":2},{\"name\":\"up\",\"value\":2}],"
        "\"labelValueCountByLabelName\":[{\"name\":\"__name__\",\"value\":2},{\"name\":\"job\",\"value\":2}],"
        "\"memoryInBytesByLabelName\":[{\"name\":\"__name__\",\"value\":24},{\"name\":\"job\",\"value\":3}],"
        "\"seriesCountByLabelValuePair\":[{\"name\":\"__name__=jobs_total\",\"value\":2},"
        "{\"name\":\"__name__=up\",\"value\":2},{\"name\":\"job=a\",\"value\":2},{\"name\":\"job=b\",\"value\":1}]");
    expect_part(api_get("/api/v1/status/tsdb?limit=1"), 200,
                "\"seriesCountByMetricName\":[{\"name\":\"jobs_total\",\"value\":2}],");
    expect_part(api_get("/api/v1/status/tsdb?limit=x"), 400, "limit");
    expect_part(api_get("/api/v1/status/walreplay"), 200,
                "\"data\":{\"min\":0,\"max\":0,\"current\":0,\"state\":\"done\"}}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_imported_is_exported),
        cmocka_unit_test(an_import_tells_what_became_of_it),
        cmocka_unit_test(pages_of_other_origins_change_nothing),
        cmocka_unit_test(administration_answers_as_prometheus_does),
        cmocka_unit_test(the_state_of_the_store_is_told),
    };
    return cmocka_run_group_tests(tests, start, api_close);
}
