/* The HTTP APIs over a real store: one server for all cases, a small history of samples and tasks. */
#include "tests/unit/web/api_server.h"

#include <jansson.h>
#include <sys/stat.h>

static char dashboards[64];
static int reload_result;
static int64_t t0_ms;

static int reload(void *ctx, struct error *err)
{
    (void)ctx;
    return reload_result ? error_set(err, reload_result, "cloche.yaml: line 3: unknown key 'retenton'") : 0;
}

static void add(struct batch *b, const char *name, const char *job, const char *instance, double v)
{
    const struct label labels[] = {{STR("job"), str_of(job)}, {STR("instance"), str_of(instance)}};
    assert_true(batch_add(b, str_of(name), labels, 2, v));
}

/* Eleven scrapes, 15 s apart, the last at t0: up{job="a"|"b"}, requests_total growing by 30 a scrape. */
static void fill_samples(void)
{
    for (int i = 0; i <= 10; i++) {
        auto_arena a;
        arena_init(&a);
        struct batch b;
        batch_init(&b, &a, STR("test"), t0_ms - (10 - i) * 15000, (struct labels){0});
        batch_family(&b, STR("requests_total"), METRIC_COUNTER, STR("Requests \"seen\"."));
        add(&b, "up", "a", "one", 1);
        add(&b, "up", "b", "two", 0);
        add(&b, "requests_total", "a", "one", 30 * i);
        assert_int_equal(store_append(store, &b, NULL, NULL), 0);
        batch_release(&b);
    }
}

static void fill_tasks(void)
{
    const struct task_event events[] = {
        {.type = TASK_EVENT_RECEIVED,
         .uuid = STR("11111111-root"),
         .hostname = STR("w1@h"),
         .t_ms = t0_ms,
         .retries = -1,
         .runtime = NAN,
         .name = STR("shop.charge"),
         .args = STR("(1,)")},
        {.type = TASK_EVENT_FAILED,
         .uuid = STR("11111111-root"),
         .hostname = STR("w1@h"),
         .t_ms = t0_ms + 1000,
         .clock = 2,
         .retries = -1,
         .runtime = NAN,
         .exception = STR("ValueError('boom')"),
         .traceback = STR("Traceback…")},
        {.type = TASK_EVENT_RECEIVED,
         .uuid = STR("22222222-child"),
         .hostname = STR("w1@h"),
         .t_ms = t0_ms + 2000,
         .clock = 3,
         .retries = -1,
         .runtime = NAN,
         .name = STR("shop.mail"),
         .parent_id = STR("11111111-root"),
         .root_id = STR("11111111-root")},
    };
    assert_int_equal(store_append_tasks(store, events, sizeof(events) / sizeof(events[0]), NULL, NULL), 0);
    assert_int_equal(store_sync(store, 10000), 0);
}

static void write_file(const char *name, const char *text)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/%s", dashboards, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    (void)fputs(text, f);
    (void)fclose(f);
}

static int start(void **state)
{
    (void)state;
    api_open_store(0);
    t0_ms = clock_wall_ms() / 60000 * 60000;
    fill_samples();
    fill_tasks();
    (void)snprintf(dashboards, sizeof(dashboards), "%s/boards", dir);
    assert_int_equal(mkdir(dashboards, 0700), 0);
    board = board_new();
    feed = feed_new(64, 65536);
    api = (struct api_context){.store = store,
                               .board = board,
                               .feed = feed,
                               .version = "0.1.0",
                               .revision = "abc",
                               .start_wall_ms = t0_ms,
                               .start_mono_ms = clock_mono_ms(),
                               .query_timeout_ms = 60000,
                               .query_max_samples = 1000000,
                               .scrape_interval_ms = 15000,
                               .data_dir = str_of(dir),
                               .dashboards_dir = str_of(dashboards),
                               .reload = reload};
    api_serve(16, pages_register);
    return 0;
}

static struct str post(const char *path, const char *form)
{
    return api_post(path, "application/x-www-form-urlencoded", "", form);
}

#define AT(fmt) arena_cstr(&arena, at_(fmt))
/* "@" becomes t0 in seconds, "#" ten scrapes before. */
static struct str at_(const char *text)
{
    auto_buf out;
    buf_init(&out, 65536);
    for (; *text; text++) {
        if (*text == '@') {
            buf_addf(&out, "%lld", (long long)(t0_ms / 1000));
        } else if (*text == '#') {
            buf_addf(&out, "%lld", (long long)(t0_ms / 1000 - 150));
        } else {
            buf_add_char(&out, *text);
        }
    }
    return arena_dup(&arena, buf_str(&out));
}

static void an_instant_query_answers_a_vector(void **state)
{
    (void)state;
    const char *want =
        AT("{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[{\"metric\":{\"__name__\":"
           "\"up\",\"instance\":\"one\",\"job\":\"a\"},\"value\":[@,\"1\"]}]}}");
    expect_body(api_get(AT("/api/v1/query?query=up%7Bjob%3D%22a%22%7D&time=@")), 200, want);
    expect_body(post("/api/v1/query", AT("query=up%7Bjob%3D%22a%22%7D&time=@")), 200, want);
    expect_body(post(AT("/api/v1/query?time=@"), "query=up{job%3D\"a\"}"), 200, want); /* parameters from both */
    expect_body(api_get("/api/v1/query?query=1%2B1&time=4"), 200,
                "{\"status\":\"success\",\"data\":{\"resultType\":\"scalar\",\"result\":[4,\"2\"]}}");
    expect_body(api_get("/api/v1/query?query=%22x%22&time=4.5"), 200,
                "{\"status\":\"success\",\"data\":{\"resultType\":\"string\",\"result\":[4.5,\"x\"]}}");
    expect_body(api_get("/api/v1/query?query=nothing"), 200,
                "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[]}}");
}

static void targets_are_listed_by_pool_and_with_what_they_expose(void **state)
{
    (void)state;
    board_publish(board, "targets",
                  STR("{\"activeTargets\":[{\"scrapePool\":\"b\",\"labels\":{\"job\":\"b\",\"instance\":\"two\"}},"
                      "{\"scrapePool\":\"a\",\"labels\":{\"job\":\"a\",\"instance\":\"one\"}}],"
                      "\"droppedTargets\":[]}"));
    expect_body(api_get("/api/v1/scrape_pools"), 200,
                "{\"status\":\"success\",\"data\":{\"scrapePools\":[\"a\",\"b\"]}}");
    struct str one = api_get("/api/v1/targets?scrapePool=a");
    expect_part(one, 200, "\"instance\":\"one\"");
    assert_false(raw_has(raw_body(one), "\"instance\":\"two\""));
    const char *want = "{\"status\":\"success\",\"data\":[{\"target\":{\"instance\":\"one\",\"job\":\"a\"},\"metric\":"
                       "\"requests_total\",\"type\":\"counter\",\"help\":\"Requests \\\"seen\\\".\",\"unit\":\"\"}]}";
    expect_body(api_get("/api/v1/targets/metadata"), 200, want); /* two has no such metric */
    expect_body(api_get("/api/v1/targets/metadata?match_target=%7Bjob%3D%22b%22%7D"), 200,
                "{\"status\":\"success\",\"data\":[]}");
    expect_body(api_get("/api/v1/targets/metadata?limit=0"), 200, "{\"status\":\"success\",\"data\":[]}");
    struct str named = api_get("/api/v1/targets/metadata?metric=requests_total");
    expect_part(named, 200, "\"type\":\"counter\"");
    assert_false(raw_has(raw_body(named), "\"metric\":"));
    expect_part(api_get("/api/v1/targets/metadata?limit=x"), 400, "limit must be a number");
    expect_part(api_get("/api/v1/targets/metadata?match_target=%7B"), 400, "invalid parameter");
    expect_body(api_get("/api/v1/alertmanagers"), 200,
                "{\"status\":\"success\",\"data\":{\"activeAlertmanagers\":[],\"droppedAlertmanagers\":[]}}");
    expect_body(api_get("/api/v1/notifications"), 200, "{\"status\":\"success\",\"data\":[]}");
    expect_part(api_get("/api/v1/status/runtimeinfo"), 200, "\"storageRetention\":");
}

static void expressions_are_formatted_and_told_as_a_tree(void **state)
{
    (void)state;
    expect_body(api_get("/api/v1/format_query?query=sum(up)by(job)"), 200,
                "{\"status\":\"success\",\"data\":\"sum by (job) (up)\"}");
    expect_part(post("/api/v1/format_query", "query=sum("), 400, "\"errorType\":\"bad_data\"");
    struct str tree = api_get("/api/v1/parse_query?query=sum(rate(up%5B5m%5D))by(job)");
    expect_part(tree, 200, "\"type\":\"aggregation\"");
    expect_part(tree, 200, "\"grouping\":[\"job\"]");
    expect_part(tree, 200, "\"range\":300000");
    expect_part(api_get("/api/v1/parse_query?query=1%2B"), 400, "parse error");
}

static void series_are_federated_as_text(void **state)
{
    (void)state;
    struct str answer = api_get("/federate?match[]=up&match[]=requests_total");
    assert_int_equal(raw_status(answer), 200);
    assert_true(raw_has(answer, "text/plain; version=0.0.4"));
    struct str body = raw_body(answer);
    assert_true(
        raw_has(body, arena_cstr(&arena, arena_printf(&arena, "requests_total{instance=\"one\",job=\"a\"} 300 %lld\n",
                                                      (long long)t0_ms))));
    assert_true(raw_has(body, "# TYPE up untyped\n"));
    assert_true(raw_has(body, "up{instance=\"two\",job=\"b\"} 0 "));
    assert_int_equal(raw_status(api_get("/federate?match[]=%7B")), 400);
}

static void a_limit_cuts_and_says_so(void **state)
{
    (void)state;
    struct str a = api_get(AT("/api/v1/query?query=up&time=@&limit=1"));
    expect_part(a, 200, "\"warnings\":[\"results truncated due to limit\"]");
    expect_part(api_get("/api/v1/query?query=up&limit=-1"), 400, "limit must be non-negative");
    expect_part(api_get(AT("/api/v1/series?match[]=up&limit=1")), 200, "results truncated due to limit");
    expect_part(api_get("/api/v1/query?query=up&stats=all"), 200, "\"stats\":{\"timings\":{\"evalTotalTime\":");
}

static void a_tier_may_be_asked_for_and_is_named_in_the_stats(void **state)
{
    (void)state;
    char path[200];
    snprintf(path, sizeof(path), "/api/v1/query?query=count_over_time(up[2h])&stats=all&resolution=1h&time=%lld",
             (long long)(t0_ms / 3600000 + 1) * 3600);
    expect_part(api_get(path), 200, "\"resolution\":\"1h\"");
    expect_part(api_get("/api/v1/query?query=up&resolution=10m"), 400, "expected auto, raw, 5m or 1h");
}

static void a_range_query_answers_every_step_with_both_ends(void **state)
{
    (void)state;
    const char *want =
        AT("{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[{\"metric\":{\"__name__\":"
           "\"requests_total\",\"instance\":\"one\",\"job\":\"a\"},\"values\":[[#,\"0\"],");
    struct str a = post("/api/v1/query_range", AT("query=requests_total&start=#&end=@&step=75"));
    expect_part(a, 200, want);
    expect_part(a, 200, AT(",\"150\"],[@,\"300\"]]}]}}"));
    expect_part(api_get(AT("/api/v1/query_range?query=increase(requests_total[30s])*0%2B2&start=@&end=@&step=1m0s")),
                200, AT("\"values\":[[@,\"2\"]]"));
}

static void bad_requests_are_told_as_prometheus_tells_them(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        int status;
        const char *body;
    } cases[] = {
        {"/api/v1/query?query=sum(", 400, "\"errorType\":\"bad_data\",\"error\":\"invalid parameter \\\"query\\\": 1:"},
        {"/api/v1/query", 400,
         "invalid parameter \\\"query\\\": unknown position: parse error: no expression found in input"},
        {"/api/v1/query?query=up&time=x", 400,
         "invalid parameter \\\"time\\\": Invalid time value for 'time': cannot parse \\\"x\\\" to a valid timestamp"},
        {"/api/v1/query?query=up&timeout=x", 400,
         "invalid parameter \\\"timeout\\\": cannot parse \\\"x\\\" to a valid duration"},
        {"/api/v1/query_range?query=up", 400,
         "invalid parameter \\\"start\\\": cannot parse \\\"\\\" to a valid timestamp"},
        {"/api/v1/query_range?query=up&start=5&end=4&step=1", 400,
         "invalid parameter \\\"end\\\": end timestamp must not be before start time"},
        {"/api/v1/query_range?query=up&start=4&end=5&step=0", 400,
         "invalid parameter \\\"step\\\": zero or negative query resolution step widths are not accepted"},
        {"/api/v1/query_range?query=up&start=0&end=11001&step=1", 400,
         "exceeded maximum resolution of 11,000 points per timeseries"},
        {"/api/v1/query_range?query=up[1m]&start=0&end=1&step=1", 400,
         "invalid expression type \\\"range vector\\\" for range query, must be Scalar or instant Vector"},
        {"/api/v1/series", 400, "no match[] parameter provided"},
        {"/api/v1/series?match[]={job=~\".*\"}", 400, "must contain at least one non-empty matcher"},
        {"/api/v1/query?query=up&timeout=0", 503, "\"errorType\":\"timeout\""},
        {"/api/v1/rules?type=x", 400, "invalid parameter \\\"type\\\": not supported value \\\"x\\\""},
        {"/api/v1/query?query=%zz", 400, "invalid URL escape"},
        {"/api/v1/nope", 404, "404 page not found"},
        {"/api/ui/nope", 404, "\"error\":"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        expect_part(api_get(cases[i].path), cases[i].status, cases[i].body);
    }
    expect_part(api_get("/api/v1/query?query=up%20%2B%20"), 400, "1:");
    expect_part(post("/api/v1/label/job/values", ""), 405, "Method Not Allowed");
}

static void labels_and_series_are_listed(void **state)
{
    (void)state;
    expect_body(api_get("/api/v1/labels"), 200,
                "{\"status\":\"success\",\"data\":[\"__name__\",\"instance\",\"job\"]}");
    expect_body(api_get("/api/v1/label/job/values"), 200, "{\"status\":\"success\",\"data\":[\"a\",\"b\"]}");
    expect_body(api_get("/api/v1/label/job/values?match[]=requests_total"), 200,
                "{\"status\":\"success\",\"data\":[\"a\"]}");
    expect_body(api_get("/api/v1/label/job/values?match[]=requests_total&match[]=up"), 200,
                "{\"status\":\"success\",\"data\":[\"a\",\"b\"]}");
    expect_body(api_get("/api/v1/label/U__http_2e_status/values"), 200, "{\"status\":\"success\",\"data\":[]}");
    expect_body(api_get("/api/v1/labels?match[]=nothing"), 200, "{\"status\":\"success\",\"data\":[]}");
    expect_body(api_get("/api/v1/label/__name__/values?match[]={__name__!=\"\"}"), 200,
                "{\"status\":\"success\",\"data\":[\"requests_total\",\"up\"]}");
    expect_body(post("/api/v1/series", "match[]=up{job=\"a\"}&match[]={instance=\"one\",__name__=\"up\"}"), 200,
                "{\"status\":\"success\",\"data\":[{\"__name__\":\"up\",\"instance\":\"one\",\"job\":\"a\"}]}");
    expect_body(api_get("/api/v1/series?match[]=up&start=5&end=4"), 200, "{\"status\":\"success\",\"data\":[]}");
    expect_body(api_get("/api/v1/metadata?limit=40000"), 200,
                "{\"status\":\"success\",\"data\":{\"requests_total\":[{\"type\":\"counter\",\"help\":\"Requests "
                "\\\"seen\\\".\",\"unit\":\"\"}]}}");
    expect_body(api_get("/api/v1/query_exemplars?query=test&start=1795332600000&end=1795336200000"), 200,
                "{\"status\":\"success\",\"data\":[]}");
}

static void published_documents_are_passed_on(void **state)
{
    (void)state;
    expect_body(api_get("/api/v1/targets?state=active"), 200,
                "{\"status\":\"success\",\"data\":{\"activeTargets\":[],\"droppedTargets\":[]}}");
    expect_body(api_get("/api/v1/alerts"), 200, "{\"status\":\"success\",\"data\":{\"alerts\":[]}}");
    expect_body(api_get("/api/ui/workers"), 200, "{\"version\":0,\"published\":null,\"data\":null}");
    board_publish(
        board, "rules",
        STR("{\"groups\":[{\"name\":\"g\",\"file\":\"f.yml\",\"rules\":[{\"name\":\"A\",\"type\":\"alerting\","
            "\"alerts\":[{\"state\":\"firing\"}]},{\"name\":\"r\",\"type\":\"recording\"}]}]}"));
    expect_part(api_get("/api/v1/rules"), 200, "\"name\":\"r\"");
    expect_body(
        api_get("/api/v1/rules?type=alert&exclude_alerts=true"), 200,
        "{\"status\":\"success\",\"data\":{\"groups\":[{\"name\":\"g\",\"file\":\"f.yml\",\"rules\":[{\"name\":\"A\","
        "\"type\":\"alerting\",\"alerts\":[]}]}]}}");
    expect_body(api_get("/api/v1/rules?rule_name[]=none"), 200, "{\"status\":\"success\",\"data\":{\"groups\":[]}}");
    board_publish(board, "workers",
                  STR("[{\"worker\":\"w1@h\",\"online\":true,\"expected\":true},"
                      "{\"worker\":\"w2@h\",\"online\":false,\"expected\":true},"
                      "{\"worker\":\"more@h\",\"online\":false,\"expected\":false}]"));
    expect_part(api_get("/api/ui/workers"), 200, "{\"version\":1,\"published\":");
    expect_part(api_get("/api/ui/overview"), 200, "1 of 2 expected workers are online.");
    expect_part(api_get("/api/ui/overview"), 200, "Offline: w2@h.");
    /* without a list in the configuration no worker is marked, and all of them count */
    board_publish(board, "workers",
                  STR("[{\"worker\":\"w1@h\",\"online\":true,\"expected\":false},"
                      "{\"worker\":\"w2@h\",\"online\":false,\"expected\":false},"
                      "{\"worker\":\"w3@h\",\"online\":true,\"expected\":false}]"));
    expect_part(api_get("/api/ui/overview"), 200, "2 of 3 expected workers are online.");
}

static void status_and_health_tell_the_truth(void **state)
{
    (void)state;
    expect_part(api_get("/api/v1/status/buildinfo"), 200, "\"data\":{\"version\":\"3.5.0\",\"revision\":\"abc\"");
    expect_part(api_get("/api/v1/status/runtimeinfo"), 200, "\"startTime\":\"20");
    expect_body(api_get("/api/v1/status/flags"), 200, "{\"status\":\"success\",\"data\":{}}");
    board_publish(board, "flags", STR("{\"query.timeout\":\"1m\"}"));
    expect_body(api_get("/api/v1/status/flags"), 200, "{\"status\":\"success\",\"data\":{\"query.timeout\":\"1m\"}}");
    board_publish(board, "prometheus_config", STR("{\"yaml\":\"global: {}\"}"));
    expect_part(api_get("/api/v1/status/config"), 200, "\"data\":{\"yaml\":\"global: {}\"}}");
    expect_part(
        api_get("/api/v1/status/tsdb"), 200,
        "\"seriesCountByMetricName\":[{\"name\":\"up\",\"value\":2},{\"name\":\"requests_total\",\"value\":1}]");
    expect_part(api_get("/-/healthy"), 200, "healthy");
    expect_part(api_get("/-/ready"), 200, "ready");
    expect_part(api_get("/metrics"), 200, "# TYPE cloche_http_requests_total counter\ncloche_http_requests_total ");
    expect_part(api_get("/metrics"), 200, "\nprocess_resident_memory_bytes ");
    expect_part(api_get("/api/ui/status"), 200, "\"store\":{\"writable\":true");
    expect_part(api_get("/api/ui/functions"), 200, "{\"name\":\"rate\"");
}

static void reload_is_posted_by_nobody_else(void **state)
{
    (void)state;
    assert_int_equal(raw_status(api_get("/-/reload")), 405);
    assert_int_equal(raw_status(post("/-/reload", "")), 200);
    reload_result = ERR_CONFIG;
    expect_part(post("/-/reload", ""), 500, "unknown key 'retenton'");
    reload_result = 0;
    expect_part(raw_ask(&arena, port,
                        STR("POST /-/reload HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nOrigin: "
                            "http://evil.example\r\nContent-Length: 0\r\n\r\n")),
                403, "another origin");
}

static void tasks_are_listed_and_shown(void **state)
{
    (void)state;
    struct str a = api_get("/api/ui/tasks?limit=1");
    expect_part(a, 200, "{\"tasks\":[{");
    expect_part(a, 200, "22222222-child");
    json_t *root = json_loadb(raw_body(a).p, raw_body(a).len, 0, NULL);
    const char *next = json_string_value(json_object_get(root, "next"));
    assert_non_null(next);
    expect_part(api_get(arena_cstr(&arena, arena_printf(&arena, "/api/ui/tasks?limit=1&before=%s", next))), 200,
                "11111111-root");
    json_decref(root);
    expect_part(api_get("/api/ui/tasks?state=failure&state=RETRY"), 200, "\"exception_class\":\"ValueError\"");
    expect_part(api_get("/api/ui/tasks?state=LOST"), 400, "{\"error\":\"state 'LOST' is not known");
    expect_part(api_get("/api/ui/tasks?before=x"), 400, "before is not a cursor");
    expect_part(api_get("/api/ui/tasks/facets"), 200, "\"names\":[\"shop.charge\",\"shop.mail\"]");
    a = api_get("/api/ui/tasks/11111111-root");
    expect_part(a, 200, "\"traceback\":\"Traceback…\"");
    expect_part(a, 200, "\"parent_task\":null,\"root_task\":null,\"children\":[{\"uuid\":\"22222222-child\"");
    expect_part(api_get("/api/ui/tasks/22222222-child"), 200,
                "\"parent_task\":{\"uuid\":\"11111111-root\",\"name\":\"shop.charge\"");
    expect_part(api_get("/api/ui/tasks/33333333-none"), 404, "{\"error\":\"no task '33333333-none' in the history");
}

static void dashboards_come_from_the_binary_and_the_folder(void **state)
{
    (void)state;
    write_file("own.json", "{\"dashboard\":{\"uid\":\"own\",\"title\":\"My own\",\"panels\":[]},\"meta\":{}}");
    write_file("broken.json", "{\n  \"title\": \"x\",\n}");
    write_file("v2.json", "{\"apiVersion\":\"dashboard.grafana.app/v2beta1\",\"spec\":{\"elements\":{}}}");
    struct str a = api_get("/api/ui/dashboards");
    expect_part(a, 200, "\"source\":\"built-in\"");
    expect_part(a, 200, "{\"uid\":\"own\",\"title\":\"My own\",\"tags\":[],\"source\":\"own.json\"}");
    expect_part(a, 200, "\"error\":\"line 3, column");
    expect_part(a, 200, "export it in the classic JSON model");
    expect_body(api_get("/api/ui/dashboards/own"), 200, "{\"uid\":\"own\",\"title\":\"My own\",\"panels\":[]}");
    expect_part(api_get("/api/ui/dashboards/broken"), 422, "broken.json: line 3");
    expect_part(api_get("/api/ui/dashboards/none"), 404, "no dashboard has the uid 'none'");
}

static void pages_are_served_at_their_paths_only(void **state)
{
    (void)state;
    expect_part(api_get("/"), 200, "<base href=\"./\">");
    expect_part(api_get("/tasks"), 200, "<base href=\"./\">");
    struct str a = api_get("/tasks/a%2Fb");
    expect_part(a, 200, "<base href=\"../\">");
    assert_true(raw_has(a, "Content-Type: text/html"));
    assert_true(raw_has(a, "Cache-Control: no-cache"));
    a = api_get("/d/redis/some-slug?from=now-1h");
    assert_int_equal(raw_status(a), 307);
    assert_true(raw_has(a, "Location: ../../dashboards/redis?from=now-1h\r\n"));
    assert_int_equal(raw_status(api_get("/nothing")), 404);
    assert_int_equal(raw_status(api_get("/assets/nothing.js")), 404);
    assert_int_equal(raw_status(api_get("/assets/../index.html")), 404);
    assert_int_equal(raw_status(post("/", "")), 405);
    const char *etag = "";
    for (struct str rest = api_get("/"); rest.len;) {
        struct str line = str_trim(str_split(&rest, '\n'));
        if (str_starts(line, STR("ETag: "))) {
            etag = arena_cstr(&arena,
                              arena_printf(&arena, "If-None-Match: " STR_FMT "\r\n", STR_ARG(str_slice(line, 6, 99))));
        }
    }
    assert_int_equal(raw_status(raw_get(&arena, port, "/", etag)), 304);
    assert_int_equal(raw_status(raw_get(&arena, port, "/tasks/x", etag)), 200); /* another base: another page */
}

static void events_are_streamed_and_resumed(void **state)
{
    (void)state;
    feed_publish(feed, "task", STR("{\"n\":1}"));
    feed_publish(feed, "worker", STR("{\"n\":2}"));
    auto_buf in;
    buf_init(&in, 1u << 20);
    int fd = raw_connect(port);
    raw_send(fd, STR("GET /api/ui/events?after=1 HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    assert_true(raw_read_until(fd, &in, "id: 2\nevent: worker\ndata: {\"n\":2}\n\n"));
    assert_false(raw_has(buf_str(&in), "{\"n\":1}"));
    feed_publish(feed, "alert", STR("{\"n\":3}"));
    assert_true(raw_read_until(fd, &in, "{\"n\":3}"));
    close(fd);

    buf_clear(&in);
    fd = raw_connect(port);
    raw_send(fd,
             STR("GET /api/ui/events?types=alert,gap&after=3 HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: 1\r\n\r\n"));
    assert_true(raw_read_until(fd, &in, "{\"n\":3}"));
    assert_false(raw_has(buf_str(&in), "{\"n\":2}"));
    close(fd);

    for (int i = 0; i < 200; i++) {
        feed_publish(feed, "gap", STR("{}"));
    }
    buf_clear(&in);
    fd = raw_connect(port);
    raw_send(fd, STR("GET /api/ui/events HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: 3\r\n\r\n"));
    assert_true(raw_read_until(fd, &in, "event: missed\ndata: {\"count\":136}\n\n"));
    close(fd);
    expect_part(api_get("/api/ui/events?after=x"), 400, "numbers of events");
}

static void a_large_answer_is_streamed(void **state)
{
    (void)state;
    /* 11,000 points: more than is held before sending. */
    struct str a = api_get("/api/v1/query_range?query=vector(0.1234567890123)&start=0&end=10999&step=1");
    assert_true(raw_has(a, "Transfer-Encoding: chunked"));
    assert_true(raw_has(a, "[10999,\"0.1234567890123\"]]}]}}"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_instant_query_answers_a_vector),
        cmocka_unit_test(a_limit_cuts_and_says_so),
        cmocka_unit_test(a_tier_may_be_asked_for_and_is_named_in_the_stats),
        cmocka_unit_test(a_range_query_answers_every_step_with_both_ends),
        cmocka_unit_test(bad_requests_are_told_as_prometheus_tells_them),
        cmocka_unit_test(labels_and_series_are_listed),
        cmocka_unit_test(published_documents_are_passed_on),
        cmocka_unit_test(status_and_health_tell_the_truth),
        cmocka_unit_test(reload_is_posted_by_nobody_else),
        cmocka_unit_test(tasks_are_listed_and_shown),
        cmocka_unit_test(dashboards_come_from_the_binary_and_the_folder),
        cmocka_unit_test(pages_are_served_at_their_paths_only),
        cmocka_unit_test(events_are_streamed_and_resumed),
        cmocka_unit_test(targets_are_listed_by_pool_and_with_what_they_expose),
        cmocka_unit_test(expressions_are_formatted_and_told_as_a_tree),
        cmocka_unit_test(series_are_federated_as_text),
        cmocka_unit_test(a_large_answer_is_streamed),
    };
    return cmocka_run_group_tests(tests, start, api_close);
}
