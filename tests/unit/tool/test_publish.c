#include "src/tool/publish.h"
#include "tests/support/test.h"

#include <jansson.h>
#include <stdio.h>
#include <unistd.h>

static struct config *load(const char *yaml)
{
    char path[] = "/tmp/cloche-publish-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, yaml, strlen(yaml)), strlen(yaml));
    close(fd);
    struct config_overrides overrides = {.file = str_of(path), .data_dir = STR("/data")};
    struct config *config = NULL;
    struct error err = {0};
    if (config_load(&overrides, &config, &err)) {
        fail_msg("%s", err.text);
    }
    unlink(path);
    return config;
}

static const char configuration[] = "cors_origin: http://a\n"
                                    "scrape_interval: 20s\n"
                                    "external_labels: {site: 'a\"b'}\n"
                                    "external_url: http://me:geheim1@cloche.example\n"
                                    "retention: 15d\n"
                                    "retention_size: 10GB\n"
                                    "query_timeout: 90s\n"
                                    "query_max_samples: 7000\n"
                                    "shipped_rules: false\n"
                                    "targets:\n"
                                    "  redis:\n"
                                    "    - url: redis://:geheim2@h1:6379/0\n"
                                    "      labels: {env: 'x: y'}\n"
                                    "    - url: redis://u:geheim3@h2:6380/0\n"
                                    "      name: two\n"
                                    "      interval: 30s\n"
                                    "  postgres:\n"
                                    "    - url: postgresql://u:geheim4@h3/db\n"
                                    "receivers:\n"
                                    "  - name: r\n"
                                    "    webhook_configs: [{url: 'http://hook/geheim5', bearer_token: geheim6}]\n";

static void targets_are_scrape_configurations(void **state)
{
    (void)state;
    struct config *config = load(configuration);
    auto_buf yaml = {0};
    buf_init(&yaml, 1 << 20);
    publish_print_yaml(config, &yaml);
    const char *const parts[] = {
        "global:\n  scrape_interval: 20s\n  scrape_timeout: 10s\n  evaluation_interval: 15s\n  external_labels:\n"
        "    \"site\": \"a\\\"b\"\n",
        "scrape_configs:\n",
        "- job_name: \"redis\"\n  scrape_interval: 20s\n  scrape_timeout: 10s\n  static_configs:\n"
        "  - targets:\n    - \"h1:6379\"\n    labels:\n      \"env\": \"x: y\"\n"
        "  - targets:\n    - \"h2:6380\"\n    labels:\n      __scrape_interval__: 30s\n",
        "- job_name: \"postgres\"\n  scrape_interval: 20s\n  scrape_timeout: 10s\n  static_configs:\n"
        "  - targets:\n    - \"h3:5432\"\n",
    };
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (str_find(buf_str(&yaml), str_of(parts[i])) < 0) {
            fail_msg("no\n%s\nin\n%s", parts[i], yaml.p);
        }
    }
    assert_int_equal(str_find(buf_str(&yaml), STR("geheim")), -1);
    config_free(config);
}

static const char *text_of(json_t *flags, const char *name)
{
    const char *text = json_string_value(json_object_get(flags, name));
    return text ? text : "(none)";
}

static void flags_are_texts_of_what_is_so(void **state)
{
    (void)state;
    struct config *started = load(configuration), *now = load("listen: 127.0.0.1:1\nquery_timeout: 3m\n");
    struct board *board = board_new();
    publish_all(board, &(struct published){.now = now, .started = started, .max_connections = 256});
    const struct board_doc *doc = board_read(board, "flags");
    assert_int_equal(str_find(doc->json, STR("geheim")), -1);
    json_t *flags = json_loadb(doc->json.p, doc->json.len, 0, NULL);
    assert_string_equal(text_of(flags, "query.timeout"), "3m"); /* a reload applies it */
    assert_string_equal(text_of(flags, "query.max-samples"), "50000000");
    assert_string_equal(text_of(flags, "query.max-concurrency"), "20");
    assert_string_equal(text_of(flags, "web.listen-address"), "127.0.0.1:9900"); /* but not this */
    assert_string_equal(text_of(flags, "web.cors.origin"), "http://a");
    assert_string_equal(text_of(flags, "web.max-connections"), "256");
    assert_string_equal(text_of(flags, "storage.tsdb.path"), "/data");
    assert_string_equal(text_of(flags, "storage.tsdb.retention.time"), "15d");
    assert_string_equal(text_of(flags, "storage.tsdb.retention.size"), "10GB");
    assert_string_equal(text_of(flags, "web.enable-lifecycle"), "true");
    const char *name;
    json_t *value;
    json_object_foreach(flags, name, value)
    {
        assert_true(json_is_string(value));
    }
    json_decref(flags);
    board_unref(doc);
    board_free(board);
    config_free(now);
    config_free(started);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(targets_are_scrape_configurations),
        cmocka_unit_test(flags_are_texts_of_what_is_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
