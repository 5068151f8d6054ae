/* Grafana's JSON data sources over a real store: what both plugins send, and what nobody should. */
#include "tests/unit/web/api_server.h"
#include "web/api/grafana_request.h"

static int64_t t0_ms; /* newest sample; a multiple of five minutes */

static void add(struct batch *b, const char *name, const char *queue, double v)
{
    const struct label labels[] = {{STR("queue"), str_of(queue)}, {STR("job"), STR("celery")}};
    assert_true(batch_add(b, str_of(name), labels, 2, v));
}

/* Eleven minutes: queue_length of two queues; ALERTS for three minutes in the middle. */
static void fill_samples(void)
{
    for (int i = 0; i <= 10; i++) {
        auto_arena a;
        arena_init(&a);
        struct batch b;
        batch_init(&b, &a, STR("test"), t0_ms - (10 - i) * 60000, (struct labels){0});
        add(&b, "queue_length", "mail", i);
        add(&b, "queue_length", "a.b", 100);
        add(&b, "requests_total", "mail", 60 * i);
        const struct label alert[] = {{STR("alertname"), STR("Slow")}, {STR("alertstate"), STR("firing")}};
        if (i >= 4 && i <= 6) {
            assert_true(batch_add(&b, STR("ALERTS"), alert, 2, 1));
        } else if (i == 7) {
            assert_true(batch_add(&b, STR("ALERTS"), alert, 2, sample_from_bits(SAMPLE_STALE_BITS)));
        }
        assert_int_equal(store_append(store, &b, NULL, NULL), 0);
        batch_release(&b);
    }
}

static void fill_tasks(void)
{
    const struct task_event events[] = {{.type = TASK_EVENT_RECEIVED,
                                         .uuid = STR("11111111-root"),
                                         .hostname = STR("w1@h"),
                                         .t_ms = t0_ms - 120000,
                                         .retries = -1,
                                         .runtime = NAN,
                                         .queue = STR("mail"),
                                         .name = STR("shop.charge")},
                                        {.type = TASK_EVENT_FAILED,
                                         .uuid = STR("11111111-root"),
                                         .hostname = STR("w1@h"),
                                         .t_ms = t0_ms - 60000,
                                         .clock = 2,
                                         .retries = -1,
                                         .runtime = NAN,
                                         .exception = STR("ValueError('boom')")},
                                        {.type = TASK_EVENT_RECEIVED,
                                         .uuid = STR("22222222-other"),
                                         .hostname = STR("w2@h"),
                                         .t_ms = t0_ms - 30000,
                                         .clock = 3,
                                         .retries = -1,
                                         .runtime = NAN,
                                         .name = STR("shop.mail")}};
    assert_int_equal(store_append_tasks(store, events, sizeof(events) / sizeof(events[0]), NULL, NULL), 0);
    assert_int_equal(store_sync(store, 10000), 0);
}

static int start(void **state)
{
    (void)state;
    api_open_store(0);
    t0_ms = clock_wall_ms() / 300000 * 300000;
    fill_samples();
    fill_tasks();
    board = board_new();
    board_publish(
        board, "workers",
        STR("[{\"worker\":\"w1@h\",\"online\":true,\"active\":2,\"queues\":[\"mail\",\"a.b\"],\"last_seen\":5},"
            "{\"worker\":\"w2@h\",\"online\":false,\"concurrency\":null}]"));
    board_publish(board, "queues", STR("[{\"name\":\"mail\",\"length\":7,\"unacked\":null,\"broker\":\"main\"}]"));
    board_publish(board, "alerts",
                  STR("{\"alerts\":[{\"labels\":{\"alertname\":\"Slow\",\"severity\":\"page\"},\"state\":\"firing\","
                      "\"activeAt\":\"2026-01-01T00:00:00Z\",\"value\":\"1e+00\",\"summary\":\"It is slow\"}]}"));
    api = (struct api_context){.store = store,
                               .board = board,
                               .version = "0.1.0",
                               .query_timeout_ms = 60000,
                               .query_max_samples = 1000000,
                               .scrape_interval_ms = 15000};
    api_serve(16, NULL);
    return 0;
}

static struct str post(const char *path, const char *json)
{
    return api_post(arena_printf(&arena, "/grafana/%s", path).p, "application/json", "", json);
}

static void expect_not(struct str answer, const char *text)
{
    if (raw_status(answer) != 200 || raw_has(raw_body(answer), text)) {
        fail_msg("expected 200 without %s\ngot " STR_FMT, text, STR_ARG(answer));
    }
}

/* "@" becomes t0 in milliseconds, "#n" that less n minutes (a digit), "%" less ten, and $R the range of the last ten
 * minutes. */
static const char *at(const char *text)
{
    auto_buf out, from, to;
    buf_init(&out, 65536);
    buf_init(&from, 64);
    buf_init(&to, 64);
    clock_format_rfc3339(t0_ms - 600000, &from);
    clock_format_rfc3339(t0_ms, &to);
    for (; *text; text++) {
        if (*text == '@') {
            buf_addf(&out, "%lld", (long long)t0_ms);
        } else if (*text == '#') {
            buf_addf(&out, "%lld", (long long)(t0_ms - (*++text - '0') * 60000));
        } else if (*text == '%') {
            buf_addf(&out, "%lld", (long long)(t0_ms - 600000));
        } else if (strncmp(text, "$R", 2) == 0) {
            buf_addf(&out, "\"range\":{\"from\":\"%s\",\"to\":\"%s\",\"raw\":{\"from\":\"now-10m\",\"to\":\"now\"}}",
                     from.p, to.p);
            text++;
        } else {
            buf_add_char(&out, *text);
        }
    }
    return arena_cstr(&arena, buf_str(&out));
}

static struct str query(const char *rest)
{
    return post("query", arena_cstr(&arena, arena_printf(&arena, "{%s,%s}", at("$R,\"intervalMs\":300000"), rest)));
}

static void health_is_200_with_and_without_slash(void **state)
{
    (void)state;
    assert_int_equal(raw_status(raw_get(&arena, port, "/grafana", "Content-Type: application/json\r\n")), 200);
    assert_int_equal(raw_status(raw_get(&arena, port, "/grafana/", NULL)), 200);
    struct str options =
        raw_ask(&arena, port, STR("OPTIONS /grafana/query HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
    assert_int_equal(raw_status(options), 204);
}

static void a_target_answers_series_with_value_before_time(void **state)
{
    (void)state;
    expect_body(
        query("\"targets\":[{\"refId\":\"A\",\"target\":\"queue_length{queue=\\\"mail\\\"}\",\"payload\":{}}]"), 200,
        at("[{\"target\":\"queue_length{job=\\\"celery\\\", queue=\\\"mail\\\"}\",\"refId\":\"A\",\"meta\":{"
           "\"executedQueryString\":\"queue_length{queue=\\\"mail\\\"}\"},\"tags\":{\"__name__\":\"queue_length\","
           "\"job\":\"celery\",\"queue\":\"mail\"},\"datapoints\":"
           "[[0,%],[5,#5],[10,@]]}]"));
}

static void hidden_and_empty_targets_answer_nothing(void **state)
{
    (void)state;
    expect_body(query("\"targets\":[]"), 200, "[]");
    expect_body(post("query", "{}"), 200, "[]");
    expect_body(query("\"targets\":[{\"refId\":\"A\",\"target\":\"queue_length\",\"hide\":true},{\"refId\":\"B\"},"
                      "{\"refId\":\"C\",\"target\":\" \"}]"),
                200, "[]");
    expect_body(query("\"targets\":[{\"target\":\"queue_length > 1000\"}]"), 200, "[]");
}

static void tables_legends_and_scalars(void **state)
{
    (void)state;
    struct str a =
        query("\"targets\":[{\"refId\":\"T\",\"type\":\"table\",\"target\":\"sum by (queue) (queue_length)\"}]");
    expect_part(a, 200,
                "\"columns\":[{\"text\":\"Time\",\"type\":\"time\"},{\"text\":\"queue\",\"type\":\"string\"},"
                "{\"text\":\"Value\",\"type\":\"number\"}]");
    expect_part(a, 200, at("[@,\"mail\",10]"));
    expect_part(query("\"targets\":[{\"target\":\"queue_length\",\"payload\":{\"legend\":\"q {{ queue }}!\"}}]"), 200,
                "\"target\":\"q mail!\",\"title\":\"q mail!\"");
    expect_part(query("\"targets\":[{\"target\":\"1 / 0\",\"payload\":{\"instant\":true}}]"), 200,
                at("\"datapoints\":[[null,@]]"));
}

static void filters_reach_every_selector(void **state)
{
    (void)state;
    const char *both = "\"targets\":[{\"target\":\"sum(queue_length) + 1000 * count(queue_length offset 1m)\","
                       "\"payload\":{\"instant\":true}}]";
    expect_part(query(both), 200, at("[[2110,@]]"));
    struct str a = query(arena_cstr(&arena, arena_printf(&arena,
                                                         "\"filters\":[{\"key\":\"queue\",\"operator\":\"=\",\"value\":"
                                                         "\"mail\"}],%s",
                                                         both)));
    expect_part(a, 200, at("[[1010,@]]"));
    /* A value cannot leave its place in the expression. */
    a = query(arena_cstr(&arena, arena_printf(&arena,
                                              "\"adhocFilters\":[{\"key\":\"queue\",\"operator\":\"=\",\"value\":\"x"
                                              "\\\"} or vector(1) #\"}],%s",
                                              both)));
    expect_body(a, 200, "[]");
    a = query("\"filters\":[{\"key\":\"queue\",\"operator\":\"=|\",\"values\":[\"a.b\",\"none\"]}],"
              "\"targets\":[{\"target\":\"count(queue_length)\",\"payload\":{\"instant\":true}}]");
    expect_part(a, 200, at("[[1,@]]"));
    expect_part(query("\"filters\":[{\"key\":\"queue\",\"operator\":\">\",\"value\":\"1\"}],\"targets\":[]"), 400,
                "operator '>' is not possible");
    expect_part(query("\"filters\":[{\"key\":\"queue\",\"operator\":\"=~\",\"value\":\"(\"}],\"targets\":[{\"refId\":"
                      "\"Q\",\"target\":\"queue_length\"}]"),
                400, "{\"message\":\"query Q: ");
}

static void payload_chooses_labels(void **state)
{
    (void)state;
    struct str a =
        query("\"targets\":[{\"target\":\"queue_length\",\"payload\":{\"queue\":[\"a\\\\.b\"],\"job\":\"\"}}]");
    expect_part(a, 200, "\"queue\":\"a.b\"");
    expect_not(a, "\"queue\":\"mail\"");
    expect_part(query("\"targets\":[{\"target\":\"queue_length\",\"payload\":{\"queue\":{\"a\":1}}}]"), 400,
                "payload.queue: expected a text or an array of texts");
    expect_part(query("\"targets\":[{\"target\":\"queue_length\",\"payload\":[1]}]"), 400,
                "payload must be a JSON object");
    expect_part(query("\"targets\":[{\"target\":\"queue_length\",\"payload\":\"\"}]"), 200, "datapoints");
}

static void variables_are_replaced_and_their_escapes_mended(void **state)
{
    (void)state;
    const char *vars =
        "\"scopedVars\":{\"queue\":{\"text\":\"x\",\"value\":[\"a.b\",\"x\"]},\"one\":{\"value\":\"a.b\"},"
        "\"__sceneObject\":{}}";
    static const char *const targets[] = {"queue_length{queue=~\\\"$queue\\\"}",
                                          "queue_length{queue=~\\\"[[queue]]\\\"}",
                                          "queue_length{queue=\\\"${one}\\\"}", "queue_length{queue=\\\"a\\\\.b\\\"}",
                                          "queue_length{queue=~\\\"(a\\\\.b|x)\\\"}"};
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        struct str a =
            query(arena_cstr(&arena, arena_printf(&arena, "%s,\"targets\":[{\"target\":\"%s\"}]", vars, targets[i])));
        expect_part(a, 200, "\"queue\":\"a.b\"");
        expect_not(a, "\"queue\":\"mail\"");
    }
    expect_part(query("\"targets\":[{\"target\":\"rate(requests_total[$__rate_interval])\"}]"), 200,
                "rate(requests_total[5m15s])");
    expect_part(query("\"targets\":[{\"target\":\"queue_length * $nothing\"}]"), 400, "unexpected");
}

static void steps_keep_to_the_pixels(void **state)
{
    (void)state;
    auto_arena a;
    arena_init(&a);
    static const char *const bodies[] = {
        ("{\"range\":{\"from\":\"2026-01-01T00:00:01.470Z\",\"to\":\"2026-01-01T01:00:01.470Z\"},\"intervalMs\":1,"
         "\"maxDataPoints\":100}"),
        "{\"range\":{\"from\":1000,\"to\":999999999999},\"maxDataPoints\":1}",
        "{\"range\":{\"from\":\"5\",\"to\":5},\"maxDataPoints\":1e300,\"intervalMs\":-3}",
        "{\"range\":{\"from\":-1000000,\"to\":1000001},\"maxDataPoints\":7,\"interval\":\"30s\"}"};
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        auto_grafana in = {0};
        assert_int_equal(grafana_read(str_of(bodies[i]), 0, 15000, &a, &in, NULL), 0);
        struct grafana_steps s = grafana_steps(&in);
        assert_true(s.start_ms >= in.from_ms && s.end_ms <= in.to_ms && s.start_ms <= s.end_ms);
        assert_true((s.end_ms - s.start_ms) / s.step_ms + 1 <= in.max_points);
    }
}

static void product_data_are_tables(void **state)
{
    (void)state;
    struct str a = query("\"targets\":[{\"refId\":\"F\",\"target\":\"cloche.failed_tasks\"}]");
    expect_part(a, 200, at("\"rows\":[[#1,\"shop.charge\",\"FAILURE\",\"ValueError\",\"ValueError('boom')\",\"w1"));
    expect_not(a, "shop.mail");
    expect_part(a, 200, "\"refId\":\"F\"");
    expect_part(query("\"targets\":[{\"target\":\"cloche.tasks\"}]"), 200, "shop.mail");
    expect_part(query("\"targets\":[{\"target\":\"cloche.failed_tasks\",\"payload\":{\"name\":\"other\"}}]"), 200,
                "\"rows\":[]");
    a = query("\"filters\":[{\"key\":\"worker\",\"operator\":\"=\",\"value\":\"w1@h\"}],\"targets\":[{\"target\":"
              "\"cloche.workers\"}]");
    expect_part(a, 200, "[\"w1@h\",\"\",1,2,null,null,null,null,null,\"\",\"mail, a.b\",5000]");
    expect_not(a, "w2@h");
    expect_part(query("\"targets\":[{\"target\":\"cloche.queues\"}]"), 200,
                "[[\"mail\",7,null,null,null,null,\"main\"]]");
    expect_part(query("\"targets\":[{\"target\":\"cloche.alerts\"}]"), 200,
                "[[1767225600000,\"Slow\",\"page\",\"firing\",\"1e+00\",\"It is slow\",\"\"]]");
    expect_part(
        query("\"targets\":[{\"refId\":\"A\",\"target\":\"cloche.nothing\"}]"), 400,
        "\"error\":{\"code\":\"unknown_target\",\"message\":\"query A: unknown target cloche.nothing: there are ");
}

static void annotations_of_alerts_tasks_and_promql(void **state)
{
    (void)state;
    struct str a =
        post("annotations", at("{$R,\"annotation\":{\"name\":\"n\",\"enable\":true,\"query\":\"cloche.alerts\"}}"));
    expect_part(a, 200, "[{\"annotation\":{\"name\":\"n\",\"enable\":true,\"query\":\"cloche.alerts\"},\"time\":");
    expect_part(a, 200, "\"isRegion\":true,\"title\":\"Slow\"");
    expect_part(a, 200, "\"tags\":[\"alertname:Slow\",\"alertstate:firing\"]");
    a = post("annotations", at("{$R,\"annotation\":{\"query\":\"cloche.failed_tasks\"}}"));
    expect_part(a, 200, at("\"time\":#1,\"title\":\"shop.charge FAILURE\",\"text\":\"ValueError('boom')\""));
    expect_part(post("annotations", "{}"), 400, "\\\"annotation\\\" is missing");
    expect_part(post("annotations", at("{$R,\"annotation\":{\"query\":\"cloche.workers\"}}")), 400,
                "gives no annotations");
    /* The new plugin: the values 0 … 10 are not 0 from the second minute to the end. */
    a = post("query", at("{$R,\"intervalMs\":60000,\"targets\":[{\"refId\":\"Anno\",\"target\":"
                         "\"queue_length{queue=\\\"mail\\\"}\"}]}"));
    expect_part(a, 200, "\"columns\":[{\"text\":\"time\",\"type\":\"time\"},{\"text\":\"timeEnd\",\"type\":\"time\"},");
    expect_part(a, 200, at("\"rows\":[[#9,@,\"queue_length{job=\\\"celery\\\", queue=\\\"mail\\\"}\","));
}

static void metrics_hold_the_chosen_one_with_its_labels(void **state)
{
    (void)state;
    expect_part(post("metrics", "{}"), 200, "{\"value\":\"cloche.failed_tasks\",\"label\":\"cloche.failed_tasks\",");
    struct str a = post("metrics", "{\"metric\":\"queue_length\",\"payload\":{\"queue\":[\"mail\"]}}");
    expect_part(a, 200, "{\"value\":\"queue_length\",\"label\":\"queue_length\",\"payloads\":[{\"name\":\"job\",");
    expect_part(post("metrics", "{\"metric\":\"gone\",\"payload\":{}}"), 200, "{\"value\":\"gone\",");
    expect_body(post("metric-payload-options",
                     "{\"metric\":\"queue_length\",\"payload\":{\"queue\":\"mail\"},\"name\":\"queue\"}"),
                200, "[{\"label\":\"a.b\",\"value\":\"a.b\"},{\"label\":\"mail\",\"value\":\"mail\"}]");
    expect_body(post("metric-payload-options", "{\"metric\":\"requests_total\",\"payload\":{},\"name\":\"queue\"}"),
                200, "[{\"label\":\"mail\",\"value\":\"mail\"}]");
    expect_body(post("metric-payload-options", "{\"metric\":\"cloche.tasks\",\"name\":\"queue\"}"), 200,
                "[{\"label\":\"mail\",\"value\":\"mail\"}]");
    expect_part(post("metric-payload-options", "{}"), 400, "expected the texts");
}

static void variables_and_search(void **state)
{
    (void)state;
    expect_body(
        post("variable",
             at("{\"payload\":{\"target\":\"label_values(queue_length{job=~\\\"a,b|celery\\\"}, queue)\"},$R}")),
        200, "[{\"__text\":\"a.b\",\"__value\":\"a.b\"},{\"__text\":\"mail\",\"__value\":\"mail\"}]");
    expect_body(post("variable", "{\"payload\":{\"target\":\"label_values(job)\"}}"), 200,
                "[{\"__text\":\"celery\",\"__value\":\"celery\"}]");
    expect_body(post("search", "{\"target\":\"label_names(requests_total)\"}"), 200,
                "[\"__name__\",\"job\",\"queue\"]");
    expect_body(post("search", "{\"target\":\"metrics(^queue|total$)\"}"), 200,
                "[\"queue_length\",\"requests_total\"]");
    expect_body(post("search", "{\"target\":\"LENGTH\",\"type\":\"timeserie\"}"), 200, "[\"queue_length\"]");
    expect_part(post("search", "{\"target\":\"\"}"), 200, "\"cloche.alerts\",\"ALERTS\",\"queue_length\"");
    expect_body(post("variable", at("{\"payload\":{\"target\":\"query_result(sum(queue_length))\"},$R}")), 200,
                "[{\"__text\":\"sum(queue_length) 110\",\"__value\":\"sum(queue_length) 110\"}]");
    expect_body(
        post("variable", "{\"payload\":{\"target\":\"cloche.task_names\"}}"), 200,
        "[{\"__text\":\"shop.charge\",\"__value\":\"shop.charge\"},{\"__text\":\"shop.mail\",\"__value\":\"shop."
        "mail\"}]");
    expect_part(post("variable", "{\"payload\":{\"target\":\"label_values(up{, job)\"}}"), 400, "expected");
    expect_part(post("variable", "{}"), 400, "\\\"payload\\\" must be an object");
}

static void keys_and_values_for_ad_hoc_filters(void **state)
{
    (void)state;
    expect_part(post("tag-keys", ""), 200,
                "{\"type\":\"string\",\"text\":\"queue\",\"value\":\"queue\",\"key\":\"queue\"}");
    expect_not(post("tag-keys", "{}"), "__name__");
    expect_body(post("tag-values", "{\"key\":\"queue\",\"filters\":[]}"), 200,
                "[{\"text\":\"a.b\",\"value\":\"a.b\"},{\"text\":\"mail\",\"value\":\"mail\"}]");
    expect_body(post("tag-values",
                     "{\"key\":\"queue\",\"filters\":[{\"key\":\"queue\",\"operator\":\"=\",\"value\":\"mail\"},"
                     "{\"key\":\"alertname\",\"operator\":\"=\",\"value\":\"Slow\"}]}"),
                200, "[]");
    expect_part(post("tag-values", "{}"), 400, "\\\"key\\\" must be");
}

static void hostile_bodies_are_told_what_is_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *body, *text;
    } cases[] = {
        {"{", "the body is not JSON: line 1, column 1: "},
        {"[]", "must be a JSON object"},
        {"{\"range\":{\"from\":\"yesterday\"}}", "range.from is no time"},
        {"{\"range\":{\"from\":1e400}}", "not JSON"},
        {"{\"range\":{\"from\":10,\"to\":5}}", "range.to lies before range.from"},
        {"{\"targets\":{}}", "\\\"targets\\\" must be an array"},
        {"{\"targets\":[3]}", "a target must be a JSON object"},
        {"{\"targets\":[{\"refId\":\"A\",\"target\":5}]}", "query A: \\\"target\\\" must be a text"},
        {"{\"targets\":[{\"refId\":\"A\",\"target\":\"sum(\"}]}", "query A: 1:5: "},
        {"{\"targets\":[{\"target\":\"no_such\"}]}", "unknown metric no_such"},
        {"{\"targets\":[{\"target\":\"queue_length[5m]\"}]}", "\"message\":\""},
        {"{\"filters\":[{\"key\":\"a\",\"operator\":\"=\",\"value\":{}}]}", "must be a text"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        expect_part(post("query", cases[i].body), 400, cases[i].text);
    }
    auto_buf body;
    buf_init(&body, 4u << 20);
    for (int i = 0; i < 200; i++) {
        buf_add(&body, STR("{\"a\":["));
    }
    expect_part(post("query", body.p), 400, "nested deeper than 100");
    buf_clear(&body);
    buf_add(&body, STR("{\"targets\":[{}"));
    for (int i = 0; i < 100; i++) {
        buf_add(&body, STR(",{}"));
    }
    buf_add(&body, STR("]}"));
    expect_part(post("query", body.p), 400, "101 targets are more than 100");
    buf_clear(&body);
    char *room = buf_reserve(&body, (1u << 20) + 1);
    memset(room, ' ', (1u << 20) + 1);
    body.len = (1u << 20) + 1;
    body.p[body.len] = '\0';
    assert_int_equal(raw_status(post("query", body.p)), 413);
}

static void other_paths_are_404_and_other_methods_405(void **state)
{
    (void)state;
    expect_part(post("nothing", "{}"), 404, "\"error\":{\"code\":\"not_found\",\"message\":\"there is nothing");
    expect_part(raw_get(&arena, port, "/grafana/query", NULL), 405, "only OPTIONS, POST");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(health_is_200_with_and_without_slash),
        cmocka_unit_test(a_target_answers_series_with_value_before_time),
        cmocka_unit_test(hidden_and_empty_targets_answer_nothing),
        cmocka_unit_test(tables_legends_and_scalars),
        cmocka_unit_test(filters_reach_every_selector),
        cmocka_unit_test(payload_chooses_labels),
        cmocka_unit_test(variables_are_replaced_and_their_escapes_mended),
        cmocka_unit_test(steps_keep_to_the_pixels),
        cmocka_unit_test(product_data_are_tables),
        cmocka_unit_test(annotations_of_alerts_tasks_and_promql),
        cmocka_unit_test(metrics_hold_the_chosen_one_with_its_labels),
        cmocka_unit_test(variables_and_search),
        cmocka_unit_test(keys_and_values_for_ad_hoc_filters),
        cmocka_unit_test(hostile_bodies_are_told_what_is_wrong),
        cmocka_unit_test(other_paths_are_404_and_other_methods_405),
    };
    return cmocka_run_group_tests(tests, start, api_close);
}
