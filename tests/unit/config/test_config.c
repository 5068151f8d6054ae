/* The configuration: defaults, every kind of mistake with its place, environment, secrets, discovery. */
#include "config/config.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char path[] = "/tmp/cloche-config-XXXXXX";

static void write_text(const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static int setup(void **state)
{
    (void)state;
    static const char *const variables[] = {"CELERY_BROKER_URL", "CELERY_RESULT_BACKEND", "REDIS_URL", "DATABASE_URL"};
    for (size_t i = 0; i < sizeof(variables) / sizeof(*variables); i++) {
        unsetenv(variables[i]);
    }
    int fd = mkstemp(path);
    close(fd);
    return fd < 0;
}

static int teardown(void **state)
{
    (void)state;
    return unlink(path);
}

static struct config *load(const char *text)
{
    write_text(text);
    struct config_overrides overrides = {.file = str_of(path)};
    struct config *config = NULL;
    struct error err = {0};
    if (config_load(&overrides, &config, &err)) {
        fail_msg("%s", err.text);
    }
    return config;
}

static void expect_error(const char *text, int line, int column, const char *part)
{
    write_text(text);
    struct config_overrides overrides = {.file = str_of(path)};
    struct config *config = NULL;
    struct error err = {0};
    assert_int_not_equal(config_load(&overrides, &config, &err), 0);
    assert_null(config);
    if (str_find(str_of(err.text), str_of(part)) < 0) {
        fail_msg("\"%s\" lacks \"%s\"", err.text, part);
    }
    assert_int_equal(err.line, line);
    assert_int_equal(err.column, column);
    assert_true(str_starts(str_of(err.text), str_of(path)));
}

static const struct config_target *find_target(const struct config *config, const char *kind)
{
    for (size_t i = 0; i < config->target_count; i++) {
        if (str_is(config->targets[i].kind, kind)) {
            return &config->targets[i];
        }
    }
    return NULL;
}

static void an_empty_file_gives_the_documented_defaults(void **state)
{
    (void)state;
    struct config *config = load("");
    assert_str_is(config->listen, "127.0.0.1:9900");
    assert_str_is(config->external_url, "http://127.0.0.1:9900");
    assert_int_equal(config->retention_ms, 15LL * 86400 * 1000);
    assert_int_equal(config->evaluation_interval_ms, 15000);
    assert_int_equal(config->route.group_wait_ms, 30000);
    assert_int_equal(config->route.repeat_interval_ms, 4LL * 3600 * 1000);
    assert_true(config->default_rules);
    assert_non_null(find_target(config, "host"));
    assert_str_is(find_target(config, "host")->job, "node");
    assert_non_null(find_target(config, "self"));
    config_free(config);
}

static void the_commented_file_is_valid(void **state)
{
    (void)state;
    struct config_overrides overrides = {.file = STR(SOURCE_DIR "/config/cloche.yaml")};
    struct config *config = NULL;
    struct error err = {0};
    if (config_load(&overrides, &config, &err)) {
        fail_msg("%s", err.text);
    }
    config_free(config);
}

static void targets_take_their_options(void **state)
{
    (void)state;
    struct config *config =
        load("scrape_interval: 30s\n"
             "targets:\n"
             "  celery:\n"
             "    - url: redis://:pw@broker:6379/3\n"
             "      queues: [a, b]\n"
             "      workers: w1@x\n"
             "      interval: 5s\n"
             "      labels: {team: shop}\n"
             "  redis: {url: 'unix:///run/redis.sock'}\n"
             "  postgres: [{url: 'postgresql+asyncpg://u:p@db/x'}, {url: 'postgres://db2/x', name: second}]\n");
    const struct config_target *celery = find_target(config, "celery");
    assert_int_equal(celery->interval_ms, 5000);
    assert_int_equal(celery->timeout_ms, 5000); /* never more than the interval */
    assert_int_equal(celery->queue_count, 2);
    assert_str_is(celery->expected_workers[0], "w1@x");
    assert_str_is(labels_get(celery->labels, STR("team")), "shop");
    assert_true(celery->enable_events);
    assert_int_equal(find_target(config, "redis")->interval_ms, 30000);
    assert_int_equal(config->target_count, 6);
    config_free(config);
}

static void mistakes_are_named_with_their_place(void **state)
{
    (void)state;
    expect_error("listn: 1\n", 1, 1, "did you mean \"listen\"");
    expect_error("a: 1\nlisten: x\nlisten: y\n", 3, 1, "twice");
    expect_error("retention: 15 days\n", 1, 12, "duration such as");
    expect_error("scrape_interval: 1ms\n", 1, 18, "between 1s and 1d");
    expect_error("allow_remote: maybe\n", 1, 15, "true or false");
    expect_error("cors_origin: 'http://(a'\n", 0, 0, "\"cors_origin\" is a regular expression");
    expect_error("query_max_samples: many\n", 1, 20, "whole number");
    expect_error("query_max_memory: 1KB\n", 0, 0, "query_max_memory");
    expect_error("query_cache_size: much\n", 0, 0, "query_cache_size");
    expect_error("query_max_concurrency: 0\n", 1, 24, "from 1 to 1000");
    expect_error("targets:\n  celry: []\n", 2, 3, "did you mean \"celery\"");
    expect_error("targets:\n  redis:\n    - name: x\n", 3, 7, "needs \"url\"");
    expect_error("targets:\n  redis:\n    - url: http://x\n", 3, 7, "begins with redis://");
    expect_error("targets:\n  redis:\n    - {url: 'redis://a', intervl: 5s}\n", 3, 26, "did you mean \"interval\"");
    expect_error("targets:\n  redis:\n    - {url: 'redis://a', name: n}\n    - {url: 'redis://b', name: n}\n", 4, 7,
                 "two redis targets named \"n\"");
    expect_error("receivers:\n  - webhook_configs: [{url: 'http://x'}]\n", 2, 5, "needs a \"name\"");
    expect_error("receivers:\n  - name: a\n    slack_configs: [{channel: x}]\n", 3, 21, "needs \"api_url\"");
    expect_error("route: {receiver: nobody}\n", 1, 8, "no receiver named \"nobody\"");
    expect_error("external_labels: {__x: y}\n", 1, 19, "no label name");
    expect_error("log_level: loud\n", 0, 0, "debug, info, warn or error");
    expect_error("rule_files: [missing.yml]\n", 0, 0, "missing.yml cannot be read");
}

static void environment_is_expanded_and_its_absence_named(void **state)
{
    (void)state;
    setenv("TEST_REDIS_HOST", "cache", 1);
    unsetenv("TEST_UNSET");
    struct config *config = load("targets:\n  redis:\n    - url: redis://${TEST_REDIS_HOST}:${TEST_UNSET:-6380}/0\n"
                                 "external_labels: {price: 5$$}\n");
    assert_str_is(find_target(config, "redis")->url, "redis://cache:6380/0");
    assert_str_is(labels_get(config->external_labels, STR("price")), "5$");
    config_free(config);
    expect_error("data: ${TEST_UNSET}\n", 1, 7, "TEST_UNSET is not set");
    expect_error("data: ${TEST\n", 1, 7, "without \"}\"");
}

static void secrets_come_from_files_and_never_show(void **state)
{
    (void)state;
    char secret[] = "/tmp/cloche-secret-XXXXXX";
    int fd = mkstemp(secret);
    assert_true(fd >= 0);
    assert_true(write(fd, "redis://:s3cret@h:1/0\nsecond line\n", 34) == 34);
    close(fd);
    char text[256];
    snprintf(text, sizeof(text), "targets:\n  redis:\n    - url_file: %s\n", secret);
    struct config *config = load(text);
    assert_str_is(find_target(config, "redis")->url, "redis://:s3cret@h:1/0");
    config_free(config);
    snprintf(text, sizeof(text), "targets:\n  redis:\n    - url_file: %s\n      url: redis://x\n", secret);
    expect_error(text, 3, 7, "not both");
    unlink(secret);
    expect_error(text, 3, 7, "not both");
    snprintf(text, sizeof(text), "targets:\n  redis:\n    - url_file: %s\n", secret);
    expect_error(text, 3, 17, "cannot be read");
    write_text("targets:\n  redis:\n    - url: redis://:s3cret@h:notaport/0\n");
    struct config_overrides overrides = {.file = str_of(path)};
    struct error err = {0};
    assert_int_not_equal(config_load(&overrides, &config, &err), 0);
    assert_true(str_find(str_of(err.text), STR("s3cret")) < 0);
}

static void twelve_factor_variables_are_found(void **state)
{
    (void)state;
    setenv("CELERY_BROKER_URL", "redis://:geheim@broker:6379/1", 1);
    setenv("REDIS_URL", "redis://:geheim@broker:6379/0", 1);
    setenv("DATABASE_URL", "postgresql+psycopg2://u:geheim@db:5432/app", 1);
    struct config_overrides overrides = {0};
    struct config *config = NULL;
    struct error err = {0};
    assert_int_equal(config_load(&overrides, &config, &err), 0);
    assert_str_is(find_target(config, "celery")->url, "redis://:geheim@broker:6379/1");
    assert_non_null(find_target(config, "postgres"));
    size_t redis = 0;
    for (size_t i = 0; i < config->target_count; i++) {
        redis += str_is(config->targets[i].kind, "redis");
    }
    assert_int_equal(redis, 1); /* broker and REDIS_URL are one server */
    assert_true(str_find(config->discovery_json, STR("CELERY_BROKER_URL")) > 0);
    assert_true(str_find(config->discovery_json, STR("geheim")) < 0);
    config_free(config);
    setenv("DATABASE_URL", "mysql://db/app", 1);
    setenv("CELERY_BROKER_URL", "amqp://broker", 1);
    assert_int_equal(config_load(&overrides, &config, &err), 0);
    assert_null(find_target(config, "postgres"));
    assert_null(find_target(config, "celery"));
    assert_true(str_find(config->discovery_json, STR("not Redis")) > 0);
    config_free(config);
    setup(&(void *){NULL});
}

static void what_is_kept_is_told_by_tier_and_size(void **state)
{
    (void)state;
    const int64_t day_ms = (int64_t)24 * 3600 * 1000;
    struct config *config = load("");
    assert_int_equal(config->retention_5m_ms, 90 * day_ms);
    assert_int_equal(config->retention_1h_ms, 2 * 365 * day_ms);
    assert_int_equal(config->retention_bytes, 0);
    assert_int_equal(config->out_of_order_ms, 3600 * 1000);
    config_free(config);
    static const struct {
        const char *text;
        uint64_t bytes;
    } sizes[] = {{"retention_size: 512MB", (uint64_t)512 << 20},
                 {"retention_size: 10 GB", (uint64_t)10 << 30},
                 {"retention_size: 2TB", (uint64_t)2 << 40},
                 {"retention_size: 0", 0}};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        config = load(sizes[i].text);
        assert_int_equal(config->retention_bytes, sizes[i].bytes);
        config_free(config);
    }
    static const char *const bad[] = {"10", "GB", "10XB", "-1GB", "1.5GB", "99999999999999TB", "999999999999TB"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        char text[64];
        snprintf(text, sizeof(text), "retention_size: %s", bad[i]);
        expect_error(text, 0, 0, "retention_size");
    }
    struct config_overrides overrides = {.file = str_of(path), .retention = STR("3d")};
    struct error err = {0};
    write_text("retention_5m: 30d\n");
    assert_int_equal(config_load(&overrides, &config, &err), 0);
    assert_int_equal(config->retention_ms, 3 * day_ms);
    assert_int_equal(config->retention_5m_ms, 0); /* nothing is kept longer than the command line says */
    config_free(config);
}

static void the_command_line_wins(void **state)
{
    (void)state;
    write_text("listen: 127.0.0.1:1\nretention: 1d\n");
    struct config_overrides overrides = {
        .file = str_of(path), .listen = STR("127.0.0.1:2"), .data_dir = STR("here"), .retention = STR("0")};
    struct config *config = NULL;
    struct error err = {0};
    assert_int_equal(config_load(&overrides, &config, &err), 0);
    assert_str_is(config->listen, "127.0.0.1:2");
    assert_str_is(config->data_dir, "here");
    assert_int_equal(config->retention_ms, 0);
    config_free(config);
    overrides.retention = STR("long");
    assert_int_not_equal(config_load(&overrides, &config, &err), 0);
}

static struct config *load_text(const char *text)
{
    write_text(text);
    struct config_overrides overrides = {.file = str_of(path), .data_dir = STR("/data")};
    struct config *config = NULL;
    struct error err = {0};
    assert_int_equal(config_load(&overrides, &config, &err), 0);
    return config;
}

static void what_a_reload_cannot_change_is_named(void **state)
{
    (void)state;
    struct config *started = load_text("listen: 127.0.0.1:1\nenable_feature: [promql-duration-expr]\n");
    struct config *same = load_text("listen: 127.0.0.1:1\nenable_feature: [promql-duration-expr]\nquery_timeout: 3s\n");
    struct config *other = load_text("listen: 127.0.0.1:2\nretention_size: 1GB\ncors_origin: .*\nsync: always\n");
    auto_buf names;
    buf_init(&names, 1000);
    config_waiting_options(started, same, &names);
    assert_int_equal(names.len, 0);
    config_waiting_options(started, other, &names);
    assert_string_equal(names.p, "listen, cors_origin, retention_size, sync, enable_feature");
    config_free(started);
    config_free(same);
    config_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_file_gives_the_documented_defaults),
        cmocka_unit_test(what_a_reload_cannot_change_is_named),
        cmocka_unit_test(the_commented_file_is_valid),
        cmocka_unit_test(targets_take_their_options),
        cmocka_unit_test(mistakes_are_named_with_their_place),
        cmocka_unit_test(environment_is_expanded_and_its_absence_named),
        cmocka_unit_test(secrets_come_from_files_and_never_show),
        cmocka_unit_test(twelve_factor_variables_are_found),
        cmocka_unit_test(what_is_kept_is_told_by_tier_and_size),
        cmocka_unit_test(the_command_line_wins),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
