#include "src/query/features.h"
#include "tests/unit/alerts/world.h"

static struct sink_server sink;
static struct world world;

#define DOWN_RULE                                                                                                      \
    "groups:\n- name: g\n  rules:\n  - alert: Down\n    expr: up == 0\n    labels: {severity: critical}\n"             \
    "    annotations: {summary: '{{ $labels.instance }} is down'}\n"

static int begin(void **state)
{
    (void)state;
    memset(&world, 0, sizeof(world));
    make_temp_dir(world.dir);
    snprintf(world.rules_path, sizeof(world.rules_path), "%s/rules.yml", world.dir);
    sink_start(&sink);
    world_config(&world, sink.port);
    world_rules(&world, DOWN_RULE);
    return 0;
}

static int end(void **state)
{
    (void)state;
    sink_stop(&sink);
    remove_dir(world.dir);
    return 0;
}

static bool request_has(size_t i, const char *text)
{
    return i < sink_count(&sink) && strstr(sink.v[i].text, text);
}

static void an_alert_fires_and_resolves(void **state)
{
    (void)state;
    loop_claim();
    loop_assert();
    world_open(&world);
    world_sample(&world, "up", "db:1", 0);
    assert_true(world_until_requests(&world, &sink, 1));
    assert_true(request_has(0, "POST " SECRET_PATH " HTTP/1.1\r\n"));
    assert_true(request_has(0, "User-Agent: cloche/" CLOCHE_VERSION "\r\n"));
    assert_true(request_has(0, "Authorization: Bearer t0ken\r\n"));
    assert_true(
        request_has(0, "{\"receiver\":\"team\",\"status\":\"firing\",\"alerts\":[{\"status\":\"firing\",\"labels\":"
                       "{\"alertname\":\"Down\",\"instance\":\"db:1\",\"severity\":\"critical\"},\"annotations\":"
                       "{\"summary\":\"db:1 is down\"}"));
    assert_true(request_has(0, "\"generatorURL\":\"http://c:9900/graph?g0.expr=up+%3D%3D+0\\u0026g0.tab=1\""));
    world_until_doc(&world, "alerts", "\"state\":\"firing\"");
    assert_true(world_doc_has(&world, "alerts", "\"value\":\"0e+00\""));
    assert_true(world_doc_has(&world, "rules", "\"health\":\"ok\""));
    world_until_doc(&world, "notifications", "\"state\":\"sent\"");
    world_until_doc(&world, "receivers", "\"health\":\"ok\"");
    assert_true(world_query(&world, "ALERTS{alertname=\"Down\",alertstate=\"firing\"}") == 1);
    assert_true(world_query(&world, "ALERTS_FOR_STATE") > 1e9);
    world_sample(&world, "up", "db:1", 1);
    assert_true(world_until_requests(&world, &sink, 2));
    assert_true(request_has(1, "\"status\":\"resolved\""));
    world_until_doc(&world, "alerts", "{\"alerts\":[]}");
    assert_true(isnan(world_query(&world, "ALERTS"))); /* stale at once, not after five minutes */
    turn_for(world.loop, 1000);
    assert_int_equal(sink_count(&sink), 2);
    world_close(&world);
}

static void a_failing_receiver_is_tried_until_it_has_heard(void **state)
{
    (void)state;
    loop_claim();
    loop_assert();
    sink_answer(&sink, ANSWER_500);
    world_open(&world);
    world_sample(&world, "up", "db:1", 0);
    assert_true(world_until_requests(&world, &sink, 2));
    world_until_doc(&world, "receivers", "\"health\":\"retrying\"");
    world_until_doc(&world, "notifications", "\"error\":\"HTTP 500: oops\"");
    assert_true(sink.v[1].mono_ms - sink.v[0].mono_ms >= 800); /* 1 s less the jitter */
    sink_answer(&sink, ANSWER_OK);
    world_until_doc(&world, "receivers", "\"health\":\"ok\"");
    size_t heard = sink_count(&sink);
    turn_for(world.loop, 1000);
    assert_int_equal(sink_count(&sink), heard); /* one message */
    world_close(&world);
}

static void retry_after_is_honoured(void **state)
{
    (void)state;
    loop_claim();
    loop_assert();
    sink_answer(&sink, ANSWER_429);
    world_open(&world);
    world_sample(&world, "up", "db:1", 0);
    assert_true(world_until_requests(&world, &sink, 1));
    sink_answer(&sink, ANSWER_OK);
    assert_true(world_until_requests(&world, &sink, 2));
    assert_true(sink.v[1].mono_ms - sink.v[0].mono_ms >= 990);
    world_until_doc(&world, "receivers", "\"health\":\"ok\"");
    world_close(&world);
}

static void a_refused_message_is_not_repeated_and_shows_no_secret(void **state)
{
    (void)state;
    loop_claim();
    loop_assert();
    sink_answer(&sink, ANSWER_404);
    world_open(&world);
    world_sample(&world, "up", "db:1", 0);
    assert_true(world_until_requests(&world, &sink, 1));
    world_until_doc(&world, "receivers", "\"health\":\"broken\"");
    turn_for(world.loop, 2000); /* several ticks */
    assert_int_equal(sink_count(&sink), 1);
    static const char *const docs[] = {"rules", "alerts", "notifications", "receivers"};
    for (size_t i = 0; i < 4; i++) {
        assert_false(world_doc_has(&world, docs[i], "SECRET"));
        assert_false(world_doc_has(&world, docs[i], "t0ken"));
    }
    assert_true(world_doc_has(&world, "receivers", "\"last_error\":\"HTTP 404\""));
    sink_answer(&sink, ANSWER_OK); /* a change is tried again */
    world_sample(&world, "up", "db:2", 0);
    assert_true(world_until_requests(&world, &sink, 2));
    assert_true(request_has(1, "db:1") && request_has(1, "db:2"));
    world_until_doc(&world, "receivers", "\"health\":\"ok\"");
    world_close(&world);
}

/* Not at each repeat, for ever: nobody was told that it fired. */
static void what_was_refused_and_is_over_is_not_mentioned_again(void **state)
{
    (void)state;
    loop_claim();
    loop_assert();
    world.config.route.repeat_interval_ms = 900;
    sink_answer(&sink, ANSWER_404);
    world_open(&world);
    world_sample(&world, "up", "db:1", 0);
    assert_true(world_until_requests(&world, &sink, 1));
    world_until_doc(&world, "receivers", "\"health\":\"broken\"");
    world_sample(&world, "up", "db:1", 1);
    size_t n = 0;
    for (int64_t limit = clock_mono_ms() + LIMIT_MS; clock_mono_ms() < limit;) {
        n = sink_count(&sink);
        if (request_has(n - 1, "\"status\":\"resolved\"")) {
            break;
        }
        turn_for(world.loop, 50);
    }
    assert_true(request_has(n - 1, "\"status\":\"resolved\""));
    turn_for(world.loop, 3000);
    assert_int_equal(sink_count(&sink), n);
    world_close(&world);
}

static void a_hanging_receiver_does_not_hold_up_others(void **state)
{
    (void)state;
    loop_claim();
    loop_assert();
    static struct sink_server hanging;
    sink_start(&hanging);
    sink_answer(&hanging, ANSWER_HANG);
    snprintf(world.urls[1], sizeof(world.urls[1]), "http://127.0.0.1:%d/hook", hanging.port);
    world.items[1] = world.items[0];
    world.items[0].url = str_of(world.urls[1]);
    world.receiver.count = 2;
    world_open(&world);
    world_sample(&world, "up", "db:1", 0);
    assert_true(world_until_requests(&world, &hanging, 1));
    assert_true(world_until_requests(&world, &sink, 1));
    world_sample(&world, "up", "db:1", 1);
    assert_true(world_until_requests(&world, &sink, 2));
    assert_true(request_has(1, "\"status\":\"resolved\""));
    assert_int_equal(sink_count(&hanging), 1);
    world_close(&world);
    sink_stop(&hanging);
}

static void fired_and_resolved_while_down_is_one_message(void **state)
{
    (void)state;
    loop_claim();
    loop_assert();
    sink_answer(&sink, ANSWER_500);
    world_open(&world);
    world_sample(&world, "up", "db:1", 0);
    assert_true(world_until_requests(&world, &sink, 1));
    world_until_doc(&world, "alerts", "\"state\":\"firing\"");
    world_sample(&world, "up", "db:1", 1);
    world_until_doc(&world, "alerts", "{\"alerts\":[]}");
    world_close(&world); /* and a restart in between */
    sink_answer(&sink, ANSWER_OK);
    size_t before = sink_count(&sink);
    world_open(&world);
    assert_true(world_until_requests(&world, &sink, before + 1));
    const char *start = "{\"receiver\":\"team\",\"status\":\"resolved\"";
    if (strncmp(sink_body(&sink, before), start, strlen(start)) != 0) {
        fail_msg("%s", sink_body(&sink, before));
    }
    turn_for(world.loop, 1000);
    assert_int_equal(sink_count(&sink), before + 1);
    world_close(&world);
}

static void a_restart_repeats_nothing_and_forgets_nothing(void **state)
{
    (void)state;
    loop_claim();
    loop_assert();
    world_open(&world);
    world_sample(&world, "up", "db:1", 0);
    assert_true(world_until_requests(&world, &sink, 1));
    world_until_doc(&world, "receivers", "\"health\":\"ok\"");
    turn_for(world.loop, 300); /* the sent mark is committed */
    world_close(&world);
    world_open(&world);
    world_until_doc(&world, "alerts", "\"state\":\"firing\"");
    turn_for(world.loop, 1500);
    assert_int_equal(sink_count(&sink), 1);
    world_sample(&world, "up", "db:1", 1);
    assert_true(world_until_requests(&world, &sink, 2));
    assert_true(request_has(1, "\"status\":\"resolved\""));
    world_close(&world);
}

static void kill_9_repeats_nothing_and_forgets_nothing(void **state)
{
    (void)state;
#ifdef __SANITIZE_THREAD__
    skip(); /* ThreadSanitizer does not follow a fork that starts threads */
#endif
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        loop_claim();
        loop_assert();
        world_open(&world);
        world_sample(&world, "up", "db:1", 0);
        bool never = false;
        (void)turn_until(world.loop, &never, 10 * LIMIT_MS);
        _exit(1);
    }
    int64_t limit = clock_mono_ms() + LIMIT_MS;
    while (sink_count(&sink) < 1 && clock_mono_ms() < limit) {
        usleep(10000);
    }
    usleep(500000); /* the sent mark is committed some milliseconds after the answer */
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    assert_int_equal(sink_count(&sink), 1);
    loop_claim();
    loop_assert();
    world_open(&world);
    world_until_doc(&world, "alerts", "\"state\":\"firing\"");
    turn_for(world.loop, 1500);
    assert_int_equal(sink_count(&sink), 1);
    world_sample(&world, "up", "db:1", 1);
    assert_true(world_until_requests(&world, &sink, 2));
    assert_true(request_has(1, "\"status\":\"resolved\""));
    world_close(&world);
}

static void pending_keeps_its_time_over_a_restart(void **state)
{
    (void)state;
    loop_claim();
    loop_assert();
    world_rules(&world, "groups:\n- name: g\n  rules:\n  - {alert: Slow, expr: up == 0, for: 1h}\n");
    world_open(&world);
    world_sample(&world, "up", "db:1", 0);
    world_until_doc(&world, "alerts", "\"state\":\"pending\"");
    turn_for(world.loop, 600);
    const struct board_doc *doc = board_read(world.board, "alerts");
    ptrdiff_t at = str_find(doc->json, STR("\"activeAt\":"));
    char active[64];
    snprintf(active, sizeof(active), "%.36s", doc->json.p + at);
    board_unref(doc);
    world_close(&world);
    world_open(&world);
    world_until_doc(&world, "alerts", active);
    assert_true(world_doc_has(&world, "alerts", "\"state\":\"pending\""));
    assert_int_equal(sink_count(&sink), 0);
    world_close(&world);
}

static void a_broken_rule_file_leaves_the_old_rules(void **state)
{
    (void)state;
    loop_claim();
    loop_assert();
    world_open(&world);
    world_sample(&world, "up", "db:1", 0);
    assert_true(world_until_requests(&world, &sink, 1));
    world_rules(&world, "groups:\n- name: g\n  rules:\n  - alert: Down\n    expr: sum(up\n");
    struct error err = {0};
    assert_int_not_equal(alerts_apply(world.alerts, &world.config, &err), 0);
    assert_int_equal(err.line, 5);
    if (!strstr(err.text, "rules.yml:5:17: expr: ")) {
        fail_msg("%s", err.text);
    }
    turn_for(world.loop, 1000);
    assert_true(world_doc_has(&world, "alerts", "\"state\":\"firing\""));
    world_rules(&world, DOWN_RULE "    for: 1ms\n"); /* changed, but the same rule */
    assert_int_equal(alerts_apply(world.alerts, &world.config, &err), 0);
    turn_for(world.loop, 1500);
    assert_true(world_doc_has(&world, "alerts", "\"state\":\"firing\""));
    assert_int_equal(sink_count(&sink), 1);
    world_rules(&world, "groups: []\n");
    assert_int_equal(alerts_apply(world.alerts, &world.config, &err), 0);
    assert_true(world_until_requests(&world, &sink, 2)); /* its rule is gone: resolved */
    assert_true(request_has(1, "\"status\":\"resolved\""));
    world_close(&world);
}

static void rules_of_a_group_see_records_before_them(void **state)
{
    (void)state;
    loop_claim();
    loop_assert();
    world_rules(
        &world,
        "groups:\n- name: g\n  rules:\n"
        "  - {record: 'up:count', expr: count(up == 0), labels: {kind: n}}\n"
        "  - alert: Many\n    expr: up:count > 1\n"
        "    annotations:\n"
        "      summary: '{{ range query \"up == 0\" | sortByLabel \"instance\" }}{{ .Labels.instance }} {{ end }}'\n"
        "      broken: '{{ query \"nothing_here\" | first | value }}'\n"
        "  - {alert: Twins, expr: up, labels: {instance: x}}\n");
    world_open(&world);
    world_sample(&world, "up", "db:2", 0);
    world_sample(&world, "up", "db:1", 0);
    world_until_doc(&world, "alerts", "\"alertname\":\"Many\"");
    assert_true(world_doc_has(&world, "alerts", "\"summary\":\"db:1 db:2 \""));
    assert_true(world_doc_has(&world, "alerts", "<error expanding template: error calling first: first() called on"));
    assert_true(world_doc_has(&world, "rules", "two results have the same labels"));
    assert_true(world_query(&world, "up:count{kind=\"n\"}") == 2);
    world_sample(&world, "up", "db:2", 1);
    world_sample(&world, "up", "db:1", 1);
    world_until_doc(&world, "alerts", "{\"alerts\":[]}");
    assert_true(isnan(world_query(&world, "up:count")));
    world_close(&world);
}

/* A rule is an instant query: its step and range are 0. */
static void durations_of_rules_may_be_arithmetic(void **state)
{
    (void)state;
    loop_claim();
    loop_assert();
    assert_int_equal(query_features_enable(STR("promql-duration-expr"), NULL), 0);
    world_rules(&world, "groups:\n- name: g\n  rules:\n"
                        "  - {record: found, expr: 'sum_over_time(up[max_of(1m * 5, step())] offset (1m - 60s))'}\n"
                        "  - {alert: Never, expr: 'rate(up[step()]) > 0'}\n");
    world_open(&world);
    world_sample(&world, "up", "db:1", 7);
    world_until_doc(&world, "rules", "1:9: duration must be greater than 0, it is 0s here");
    world_sample(&world, "up", "db:1", 7);
    world_until_doc(&world, "rules", "\"health\":\"ok\"");
    assert_true(world_query(&world, "found") >= 7);
    world_close(&world);
}

static void slack_gets_its_own_payload(void **state)
{
    (void)state;
    loop_claim();
    loop_assert();
    world.items[0].kind = RECEIVER_SLACK;
    world.items[0].bearer_token = (struct str){0};
    world_open(&world);
    world_sample(&world, "up", "db:1", 0);
    assert_true(world_until_requests(&world, &sink, 1));
    assert_true(request_has(0, "\r\n\r\n{\"attachments\":[{\"title\":\"[FIRING:1] Down instance=db:1\""));
    world_close(&world);
}

static void receivers_are_checked_with_the_configuration(void **state)
{
    (void)state;
    loop_claim();
    loop_assert();
    struct error err = {0};
    world_open(&world);
    world.config.route.receiver = STR("nobody");
    assert_int_not_equal(alerts_apply(world.alerts, &world.config, &err), 0);
    assert_non_null(strstr(err.text, "no receiver named \"nobody\""));
    world.config.route.receiver = (struct str){0};
    world.items[0].kind = RECEIVER_SLACK;
    world.items[0].title = STR("{{ .Status");
    assert_int_not_equal(alerts_apply(world.alerts, &world.config, &err), 0);
    assert_non_null(strstr(err.text, "receiver team, title: template: unclosed action"));
    world_close(&world);
}

static void resolved_within_group_wait_is_not_mentioned(void **state)
{
    (void)state;
    loop_claim();
    loop_assert();
    world.config.route.group_wait_ms = 2000;
    world_open(&world);
    world_sample(&world, "up", "db:1", 0);
    world_until_doc(&world, "alerts", "\"state\":\"firing\"");
    world_sample(&world, "up", "db:1", 1);
    world_until_doc(&world, "alerts", "{\"alerts\":[]}");
    turn_for(world.loop, 3000);
    assert_int_equal(sink_count(&sink), 0);
    world_close(&world);
}

static void a_receiver_may_not_want_resolved_notices(void **state)
{
    (void)state;
    loop_claim();
    loop_assert();
    world.items[0].send_resolved = false;
    world_open(&world);
    world_sample(&world, "up", "db:1", 0);
    assert_true(world_until_requests(&world, &sink, 1));
    world_until_doc(&world, "alerts", "\"state\":\"firing\"");
    world_sample(&world, "up", "db:1", 1);
    world_until_doc(&world, "alerts", "{\"alerts\":[]}");
    turn_for(world.loop, 1000);
    assert_int_equal(sink_count(&sink), 1);
    world_sample(&world, "up", "db:1", 0); /* a new life is a new message */
    assert_true(world_until_requests(&world, &sink, 2));
    world_close(&world);
}

static void what_still_fires_is_repeated(void **state)
{
    (void)state;
    loop_claim();
    loop_assert();
    world.config.route.repeat_interval_ms = 900;
    world_open(&world);
    world_sample(&world, "up", "db:1", 0);
    assert_true(world_until_requests(&world, &sink, 3));
    assert_string_equal(sink_body(&sink, 1), sink_body(&sink, 2));
    world_close(&world);
}

static void a_thousand_alerts_are_one_message(void **state)
{
    (void)state;
    loop_claim();
    loop_assert();
    world.items[0].max_alerts = 10;
    world.config.route.group_wait_ms = 500;
    world_open(&world);
    auto_arena arena;
    struct batch batch;
    arena_init(&arena);
    batch_init(&batch, &arena, STR("test"), clock_wall_ms(), (struct labels){0});
    for (size_t i = 0; i < 1000; i++) {
        struct label label = {STR("instance"), arena_printf(&arena, "tenant-%04zu", i)};
        assert_true(batch_add(&batch, STR("up"), &label, 1, 0));
    }
    assert_int_equal(store_append(world.store, &batch, NULL, NULL), 0);
    batch_release(&batch);
    assert_true(world_until_requests(&world, &sink, 1));
    turn_for(world.loop, 1000);
    assert_int_equal(sink_count(&sink), 1);
    assert_true(request_has(0, "\"truncatedAlerts\":990}"));
    assert_true(request_has(0, "tenant-0009") && !request_has(0, "tenant-0010"));
    world_close(&world);
    world_open(&world); /* and none after a restart */
    world_until_doc(&world, "alerts", "tenant-0999");
    turn_for(world.loop, 1000);
    assert_int_equal(sink_count(&sink), 1);
    world_close(&world);
}

static void another_grouping_keeps_the_sent_marks(void **state)
{
    (void)state;
    loop_claim();
    loop_assert();
    struct error err = {0};
    world_open(&world);
    world_sample(&world, "up", "db:1", 0);
    world_sample(&world, "up", "db:2", 0);
    assert_true(world_until_requests(&world, &sink, 1));
    world_until_doc(&world, "receivers", "\"health\":\"ok\"");
    turn_for(world.loop, 500);
    size_t before = sink_count(&sink);
    world.group_by[0] = STR("instance");
    assert_int_equal(alerts_apply(world.alerts, &world.config, &err), 0);
    turn_for(world.loop, 1500);
    assert_int_equal(sink_count(&sink), before);
    world_close(&world); /* and they are kept under the keys of the new groups */
    world_open(&world);
    world_until_doc(&world, "alerts", "db:2");
    turn_for(world.loop, 1500);
    assert_int_equal(sink_count(&sink), before);
    world_sample(&world, "up", "db:1", 1);
    assert_true(world_until_requests(&world, &sink, before + 1));
    assert_true(request_has(before, "{}:{instance=\\\"db:1\\\"}") && request_has(before, "\"status\":\"resolved\""));
    world_close(&world);
}

static void the_event_feed_tells_transitions(void **state)
{
    (void)state;
    loop_claim();
    loop_assert();
    auto_buf out;
    uint64_t after = 0, missed = 0;
    buf_init(&out, 1 << 20);
    world_open(&world);
    world_sample(&world, "up", "db:1", 0);
    assert_true(world_until_requests(&world, &sink, 1));
    assert_true(feed_wait(world.feed, &after, 1000, 10, &out, &missed) > 0);
    assert_non_null(strstr(out.p, "event: alert\n"));
    assert_non_null(strstr(out.p, "\"alertname\":\"Down\",\"state\":\"firing\""));
    world_close(&world);
}

static void shipped_rules_evaluate_without_error(void **state)
{
    (void)state;
    loop_claim();
    loop_assert();
    static const char *const names[] = {"up",
                                        "celery_worker_up",
                                        "celery_queue_length",
                                        "celery_active_worker_count",
                                        "celery_task_failed_total",
                                        "celery_task_succeeded_total",
                                        "redis_memory_used_bytes",
                                        "redis_memory_max_bytes",
                                        "redis_evicted_keys_total",
                                        "redis_rejected_connections_total",
                                        "pg_stat_activity_count",
                                        "pg_settings_max_connections",
                                        "pg_stat_activity_max_tx_duration",
                                        "pg_stat_database_deadlocks",
                                        "node_filesystem_avail_bytes",
                                        "node_filesystem_size_bytes",
                                        "node_filesystem_readonly",
                                        "node_memory_MemAvailable_bytes",
                                        "node_memory_MemTotal_bytes"};
    world.config.default_rules = true;
    world.config.rule_file_count = 0;
    world_open(&world);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        world_sample(&world, names[i], "h:1", (double)(i > 0));
    }
    world_until_doc(&world, "alerts", "\"alertname\":\"TargetDown\"");
    assert_true(world_doc_has(&world, "alerts", "\"state\":\"pending\""));
    int64_t limit = clock_mono_ms() + LIMIT_MS;
    while (world_doc_has(&world, "rules", "\"health\":\"unknown\"") && clock_mono_ms() < limit) {
        turn_for(world.loop, 50);
    }
    assert_false(world_doc_has(&world, "rules", "\"health\":\"unknown\""));
    assert_false(world_doc_has(&world, "rules", "\"health\":\"err\""));
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_alert_fires_and_resolves, begin, end),
        cmocka_unit_test_setup_teardown(a_failing_receiver_is_tried_until_it_has_heard, begin, end),
        cmocka_unit_test_setup_teardown(retry_after_is_honoured, begin, end),
        cmocka_unit_test_setup_teardown(a_refused_message_is_not_repeated_and_shows_no_secret, begin, end),
        cmocka_unit_test_setup_teardown(what_was_refused_and_is_over_is_not_mentioned_again, begin, end),
        cmocka_unit_test_setup_teardown(a_hanging_receiver_does_not_hold_up_others, begin, end),
        cmocka_unit_test_setup_teardown(fired_and_resolved_while_down_is_one_message, begin, end),
        cmocka_unit_test_setup_teardown(a_restart_repeats_nothing_and_forgets_nothing, begin, end),
        cmocka_unit_test_setup_teardown(kill_9_repeats_nothing_and_forgets_nothing, begin, end),
        cmocka_unit_test_setup_teardown(pending_keeps_its_time_over_a_restart, begin, end),
        cmocka_unit_test_setup_teardown(a_broken_rule_file_leaves_the_old_rules, begin, end),
        cmocka_unit_test_setup_teardown(rules_of_a_group_see_records_before_them, begin, end),
        cmocka_unit_test_setup_teardown(durations_of_rules_may_be_arithmetic, begin, end),
        cmocka_unit_test_setup_teardown(slack_gets_its_own_payload, begin, end),
        cmocka_unit_test_setup_teardown(resolved_within_group_wait_is_not_mentioned, begin, end),
        cmocka_unit_test_setup_teardown(a_receiver_may_not_want_resolved_notices, begin, end),
        cmocka_unit_test_setup_teardown(what_still_fires_is_repeated, begin, end),
        cmocka_unit_test_setup_teardown(a_thousand_alerts_are_one_message, begin, end),
        cmocka_unit_test_setup_teardown(another_grouping_keeps_the_sent_marks, begin, end),
        cmocka_unit_test_setup_teardown(the_event_feed_tells_transitions, begin, end),
        cmocka_unit_test_setup_teardown(shipped_rules_evaluate_without_error, begin, end),
        cmocka_unit_test_setup_teardown(receivers_are_checked_with_the_configuration, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
