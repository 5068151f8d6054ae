#include "alerts/notify/message.h"
#include "tests/support/test.h"

#define T0 1795500000000 /* 2026-11-24T06:00:00Z */

static struct labels pairs(struct arena *arena, const char *const *p)
{
    struct labels_builder b;
    labels_builder_init(&b, arena);
    for (; *p; p += 2) {
        labels_set(&b, str_of(p[0]), str_of(p[1]));
    }
    return labels_finish(&b, true);
}
#define PAIRS(arena, ...) pairs(arena, (const char *const[]){__VA_ARGS__, NULL})

static struct notify_message message_of(struct arena *arena, const struct notify_alert *alerts, size_t n)
{
    const struct notify_alert **v = arena_array(arena, const struct notify_alert *, n + 1);
    struct notify_message m = {.receiver = STR("team"), .external_url = STR("http://c:9900"), .now_ms = T0 + 180000};
    for (size_t i = 0; i < n; i++) {
        v[i] = &alerts[i];
        m.firing += alerts[i].firing;
    }
    notify_sort(v, n);
    m.alerts = v;
    m.n = n;
    m.group_labels = PAIRS(arena, "alertname", "Backlog");
    m.group_key = notify_group_key(m.group_labels, arena);
    return m;
}

static void two_alerts(struct arena *arena, struct notify_alert out[2])
{
    out[0] = (struct notify_alert){.id = 2,
                                   .labels = PAIRS(arena, "alertname", "Backlog", "instance", "h:1", "job", "celery",
                                                   "queue_name", "mail", "severity", "warning"),
                                   .annotations = PAIRS(arena, "summary", "Queue mail holds 150 messages",
                                                        "description", "See <https://wiki/x|the wiki> & act"),
                                   .firing = false,
                                   .starts_ms = T0,
                                   .ends_ms = T0 + 120050,
                                   .value = 150,
                                   .generator_url = STR("http://c:9900/graph?g0.expr=q+%3E+100&g0.tab=1")};
    out[1] = out[0];
    out[1].id = 1;
    out[1].labels = PAIRS(arena, "alertname", "Backlog", "instance", "h:1", "job", "celery", "queue_name", "a<b>&c",
                          "severity", "warning");
    out[1].annotations = PAIRS(arena, "summary", "Queue a<b>&c holds 250 messages", "description",
                               "See <https://wiki/x|the wiki> & act");
    out[1].firing = true;
    out[1].starts_ms = T0 + 48;
    out[1].ends_ms = 0;
    out[1].value = 250;
}

static void render(const struct notifier *notifier, const struct config_receiver_item *item,
                   const struct notify_message *m, struct buf *out)
{
    struct error err = {0};
    buf_init(out, notifier->body_max);
    if (notifier->render(item, m, out, &err)) {
        fail_msg("%s", err.text);
    }
}

static void webhook_is_version_4_to_the_byte(void **state)
{
    (void)state;
    auto_arena arena;
    auto_buf body;
    arena_init(&arena);
    struct notify_alert alerts[2];
    two_alerts(&arena, alerts);
    struct notify_message m = message_of(&arena, alerts, 2);
    render(&webhook_notifier, &(struct config_receiver_item){0}, &m, &body);
    const char *expected =
        "{\"receiver\":\"team\",\"status\":\"firing\",\"alerts\":[{\"status\":\"firing\",\"labels\":{\"alertname\":"
        "\"Backlog\",\"instance\":\"h:1\",\"job\":\"celery\",\"queue_name\":\"a\\u003cb\\u003e\\u0026c\",\"severity\":"
        "\"warning\"},\"annotations\":{\"description\":\"See \\u003chttps://wiki/x|the wiki\\u003e \\u0026 act\","
        "\"summary\":\"Queue a\\u003cb\\u003e\\u0026c holds 250 messages\"},\"startsAt\":\"2026-11-24T06:00:00.048Z\","
        "\"endsAt\":\"0001-01-01T00:00:00Z\",\"generatorURL\":\"http://c:9900/graph?g0.expr=q+%3E+100\\u0026g0.tab=1\","
        "\"fingerprint\":\"267aba29c19406ee\"},{\"status\":\"resolved\",\"labels\":{\"alertname\":\"Backlog\","
        "\"instance\":"
        "\"h:1\",\"job\":\"celery\",\"queue_name\":\"mail\",\"severity\":\"warning\"},\"annotations\":{\"description\":"
        "\"See \\u003chttps://wiki/x|the wiki\\u003e \\u0026 act\",\"summary\":\"Queue mail holds 150 messages\"},"
        "\"startsAt\":\"2026-11-24T06:00:00Z\",\"endsAt\":\"2026-11-24T06:02:00.05Z\",\"generatorURL\":"
        "\"http://c:9900/"
        "graph?g0.expr=q+%3E+100\\u0026g0.tab=1\",\"fingerprint\":\"037ae770dbbb0aaf\"}],\"groupLabels\":{"
        "\"alertname\":\"Backlog\"},\"commonLabels\":{\"alertname\":\"Backlog\",\"instance\":\"h:1\",\"job\":"
        "\"celery\",\"severity\":\"warning\"},\"commonAnnotations\":{\"description\":\"See \\u003chttps://wiki/x|the "
        "wiki\\u003e \\u0026 act\"},\"externalURL\":\"http://c:9900\",\"version\":\"4\",\"groupKey\":"
        "\"{}:{alertname=\\\"Backlog\\\"}\",\"truncatedAlerts\":0}\n";
    assert_str_is(buf_str(&body), expected);
}

static void webhook_cuts_at_max_alerts(void **state)
{
    (void)state;
    auto_arena arena;
    auto_buf body;
    arena_init(&arena);
    struct notify_alert alerts[2];
    two_alerts(&arena, alerts);
    struct notify_message m = message_of(&arena, alerts, 2);
    render(&webhook_notifier, &(struct config_receiver_item){.max_alerts = 1}, &m, &body);
    assert_null(strstr(body.p, "\"status\":\"resolved\""));
    assert_non_null(strstr(body.p, ",\"truncatedAlerts\":1}\n"));
    /* what is common is common to all alerts, not to those shown */
    assert_non_null(strstr(body.p,
                           "\"commonLabels\":{\"alertname\":\"Backlog\",\"instance\":\"h:1\",\"job\":\"celery\","
                           "\"severity\":\"warning\"}"));
}

/* The capture of a real Alertmanager, where it is at hand. */
static void webhook_equals_the_capture(void **state)
{
    (void)state;
    char path[256];
    static char text[65536];
    snprintf(path, sizeof(path), "%s/../../shared/fixtures/alerts/webhook.txt", TEST_DATA_DIR);
    FILE *f = fopen(path, "rb");
    if (!f) {
        skip();
    }
    text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
    fclose(f);
    const char *from = strstr(text, "{\"receiver\""), *to = strchr(from, '\n') + 1;
    auto_arena arena;
    auto_buf body;
    arena_init(&arena);
    struct notify_alert a = {
        .labels = PAIRS(&arena, "alertname", "CelerySuccessRateLow", "env", "prod", "name", "app.tasks.render_template",
                        "severity", "critical", "stack", "triton", "team", "backend"),
        .annotations =
            PAIRS(&arena, "description",
                  "Task *app.tasks.render_template* on <http://vm:7720|prometheus>\nFailed rate: 2.36/s & "
                  "more <b>\"quoted\"</b>",
                  "runbook_url", "https://runbooks.example.org/celery/success-rate?task=app.tasks.render_template",
                  "summary", "Success rate of app.tasks.render_template is 76.38% (below 90%)"),
        .firing = true,
        .starts_ms = 1795331717048,
        .generator_url = STR("http://vm:7720/graph?g0.expr=name%3Acelery_task_success%3Aratio1m+%3C+0.9&g0.tab=1")};
    struct notify_message m = message_of(&arena, &a, 1);
    m.receiver = STR("all");
    m.external_url = STR("http://vm:7721");
    m.group_labels = PAIRS(&arena, "alertname", "CelerySuccessRateLow", "env", "prod");
    m.group_key = notify_group_key(m.group_labels, &arena);
    render(&webhook_notifier, &(struct config_receiver_item){0}, &m, &body);
    assert_str_eq(buf_str(&body), str_make(from, (size_t)(to - from)));
}

static void slack_says_what_value_since_when_and_where(void **state)
{
    (void)state;
    auto_arena arena;
    auto_buf body;
    arena_init(&arena);
    struct notify_alert alerts[2];
    two_alerts(&arena, alerts);
    struct notify_message m = message_of(&arena, alerts, 2);
    render(&slack_notifier, &(struct config_receiver_item){.channel = STR("#ops"), .username = STR("cloche")}, &m,
           &body);
    const char *expected =
        "{\"channel\":\"#ops\",\"username\":\"cloche\",\"attachments\":[{\"title\":\"[FIRING:1] Backlog "
        "instance=h:1\",\"title_link\":\"http://c:9900/alerts\",\"text\":\"*Queue a\\u0026lt;b\\u0026gt;\\u0026amp;c "
        "holds 250 messages*\\nSee \\u003chttps://wiki/x|the wiki\\u003e \\u0026 act\\nValue 250 · since 06:00 UTC "
        "(2m59s) · \\u003chttp://c:9900/alerts?id=0000000000000001|alert\\u003e · "
        "\\u003chttp://c:9900/graph?g0.expr=q+%3E+100\\u0026g0.tab=1|query\\u003e\\n\\n✓ *Queue mail holds 150 "
        "messages*\\nSee \\u003chttps://wiki/x|the wiki\\u003e \\u0026 act\\nFired 06:00 UTC, resolved 06:02 UTC after "
        "2m · last value while firing 150 · \\u003chttp://c:9900/alerts?id=0000000000000002|alert\\u003e · "
        "\\u003chttp://c:9900/graph?g0.expr=q+%3E+100\\u0026g0.tab=1|query\\u003e\",\"fallback\":\"[FIRING:1] Backlog "
        "instance=h:1 | http://c:9900/alerts\",\"fields\":[{\"title\":\"Severity\",\"value\":\"warning\",\"short\":"
        "true}],\"footer\":\"cloche\",\"color\":\"danger\",\"mrkdwn_in\":[\"fallback\",\"pretext\",\"text\"]}]}\n";
    assert_str_is(buf_str(&body), expected);
}

static void slack_shows_the_ten_worst_of_a_thousand(void **state)
{
    (void)state;
    auto_arena arena;
    auto_buf body;
    arena_init(&arena);
    struct notify_alert *alerts = arena_array(&arena, struct notify_alert, 1000);
    for (size_t i = 0; i < 1000; i++) {
        struct str queue = arena_printf(&arena, "tenant-%04zu", i);
        struct labels_builder b;
        labels_builder_from(&b, &arena,
                            PAIRS(&arena, "alertname", "Backlog", "severity", i == 777 ? "critical" : "warning"));
        labels_set(&b, STR("queue_name"), queue);
        alerts[i] = (struct notify_alert){.id = i,
                                          .labels = labels_finish(&b, true),
                                          .annotations = PAIRS(&arena, "summary", queue.p),
                                          .firing = true,
                                          .starts_ms = T0 + (int64_t)(1000 - i)};
    }
    struct notify_message m = message_of(&arena, alerts, 1000);
    render(&slack_notifier, &(struct config_receiver_item){0}, &m, &body);
    assert_true(body.len < 16384);
    const char *text = body.p;
    assert_non_null(strstr(text, "\"title\":\"[FIRING:1000] Backlog\""));
    assert_non_null(strstr(text, "*tenant-0777*"));                             /* critical comes first */
    assert_true(strstr(text, "*tenant-0777*") < strstr(text, "*tenant-0999*")); /* then the oldest */
    assert_null(strstr(text, "tenant-0500"));
    assert_non_null(strstr(text, "and 990 more: \\u003chttp://c:9900/alerts|all alerts\\u003e"));
}

static void slack_resolved_and_late(void **state)
{
    (void)state;
    auto_arena arena;
    auto_buf body;
    arena_init(&arena);
    struct notify_alert alerts[2];
    two_alerts(&arena, alerts);
    struct notify_message m = message_of(&arena, alerts, 1);
    m.late_ms = 52 * 60000;
    render(&slack_notifier, &(struct config_receiver_item){0}, &m, &body);
    assert_non_null(strstr(body.p, "\"title\":\"[RESOLVED] Backlog instance=h:1 queue_name=mail\""));
    assert_non_null(strstr(body.p, "\"text\":\"_Delivered late by 52m: Slack could not be reached before._\\n"));
    assert_non_null(strstr(body.p, "\"color\":\"good\""));
}

static void slack_texts_of_the_configuration_are_templates(void **state)
{
    (void)state;
    static const char *const no_vars[] = {NULL};
    auto_arena arena;
    auto_buf body;
    arena_init(&arena);
    struct notify_alert alerts[2];
    two_alerts(&arena, alerts);
    struct notify_message m = message_of(&arena, alerts, 2);
    struct template *title, *text;
    struct error err = {0};
    assert_int_equal(template_compile(STR("[{{ .Status | toUpper }}:{{ .Alerts.Firing | len }}] {{ "
                                          ".CommonLabels.alertname }}"),
                                      no_vars, &arena, &title, &err),
                     0);
    assert_int_equal(
        template_compile(STR("{{ range .Alerts.Firing }}*{{ .Labels.queue_name }}* {{ .Annotations.summary }} "
                             "at {{ .StartsAt.Format \"15:04\" }}{{ end }}; {{ range "
                             ".GroupLabels.SortedPairs }}{{ .Name }}={{ .Value }}{{ end }}"),
                         no_vars, &arena, &text, &err),
        0);
    m.title = title;
    m.text = text;
    render(&slack_notifier, &(struct config_receiver_item){0}, &m, &body);
    assert_non_null(strstr(body.p, "\"title\":\"[FIRING:1] Backlog\""));
    assert_non_null(strstr(body.p,
                           "\"text\":\"*a\\u0026lt;b\\u0026gt;\\u0026amp;c* Queue a\\u0026lt;b\\u0026gt;\\u0026amp;c "
                           "holds 250 messages at 06:00; alertname=Backlog\""));
}

static void group_keys_escape_their_values(void **state)
{
    (void)state;
    auto_arena arena;
    arena_init(&arena);
    assert_str_is(notify_group_key((struct labels){0}, &arena), "{}:{}");
    assert_str_is(notify_group_key(PAIRS(&arena, "b", "x\"y\\z\n", "a", "1"), &arena),
                  "{}:{a=\"1\", b=\"x\\\"y\\\\z\\n\"}");
}

static void json_is_written_as_go_writes_it(void **state)
{
    (void)state;
    static const struct {
        struct str in;
        const char *out;
    } table[] = {
        {{"<a&b>", 5}, "\"\\u003ca\\u0026b\\u003e\""},
        {{"\"\\\n\r\t\x01\x7f", 7}, "\"\\\"\\\\\\n\\r\\t\\u0001\x7f\""},
        {{"\xff"
          "a\xc3",
          3},
         "\"\\ufffda\\ufffd\""},
        {{"\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa", 9}, "\"\\u2028\\u2029\xe2\x80\xaa\""},
        {{"\xf0\x9f\x90\x8e", 4}, "\"\xf0\x9f\x90\x8e\""},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        auto_buf out;
        buf_init(&out, 1000);
        go_json_str(&out, table[i].in);
        assert_str_is(buf_str(&out), table[i].out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(webhook_is_version_4_to_the_byte),
        cmocka_unit_test(webhook_cuts_at_max_alerts),
        cmocka_unit_test(webhook_equals_the_capture),
        cmocka_unit_test(slack_says_what_value_since_when_and_where),
        cmocka_unit_test(slack_shows_the_ten_worst_of_a_thousand),
        cmocka_unit_test(slack_resolved_and_late),
        cmocka_unit_test(slack_texts_of_the_configuration_are_templates),
        cmocka_unit_test(group_keys_escape_their_values),
        cmocka_unit_test(json_is_written_as_go_writes_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
