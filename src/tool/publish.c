#include "src/tool/publish.h"

#include "src/base/clock.h"
#include "src/base/json_writer.h"
#include "src/base/url.h"
#include "src/collect/target_config.h"
#include "src/query/features.h"

#define DOCUMENT_MAX (1u << 20)

/* -- for the pages -- */

static void write_text_or_nil(struct json_writer *w, bool is, struct str text)
{
    if (is) {
        json_str(w, text);
    } else {
        json_nil(w);
    }
}

static void publish_config(struct board *board, const struct published *of)
{
    const struct config *config = of->now;
    auto_buf json = {0};
    buf_init(&json, DOCUMENT_MAX);
    struct json_writer w;
    json_init(&w, &json);
    json_begin_object(&w);
    json_key(&w, STR("file"));
    write_text_or_nil(&w, config->file.len && !of->demo_sink_url, config->file);
    /* discovery_json is {"found":…,"missing":…}: its members become ours. */
    struct str found = config->discovery_json;
    buf_addf(&json, ",%.*s", (int)(found.len - 2), found.p + 1);
    w.comma[w.depth] = true;
    json_field(&w, "demo", json_bool, of->demo_sink_url != NULL);
    json_key(&w, STR("sink_url"));
    write_text_or_nil(&w, of->demo_sink_url != NULL, str_of(of->demo_sink_url ? of->demo_sink_url : ""));
    json_key(&w, STR("notes"));
    json_begin_array(&w);
    if (config->receiver_count == 0 && !of->store_only) {
        json_str(&w, STR("Nobody is told of alerts: add a Slack or webhook receiver to the configuration."));
    }
    json_end_array(&w);
    json_end_object(&w);
    board_publish(board, "config", buf_str(&json));
}

/* -- /api/v1/status/flags: every value a text, as Prometheus' -- */

static void flag(struct json_writer *w, const char *name, struct str value)
{
    json_key(w, str_of(name));
    json_str(w, value);
}

static void number_flag(struct json_writer *w, const char *name, int64_t value)
{
    char text[24];
    (void)snprintf(text, sizeof(text), "%lld", (long long)value);
    flag(w, name, str_of(text));
}

static void duration_flag(struct json_writer *w, const char *name, int64_t ms)
{
    auto_buf text;
    buf_init(&text, 64);
    duration_format(ms, &text);
    flag(w, name, buf_str(&text));
}

/* 10GB; 0B: no limit. */
static void size_flag(struct json_writer *w, const char *name, uint64_t bytes)
{
    static const char *const units[] = {"B", "KB", "MB", "GB", "TB"};
    size_t unit = 0;
    for (; bytes && bytes % 1024 == 0 && unit + 1 < sizeof(units) / sizeof(units[0]); unit++) {
        bytes /= 1024;
    }
    char text[32];
    (void)snprintf(text, sizeof(text), "%llu%s", (unsigned long long)bytes, units[unit]);
    flag(w, name, str_of(text));
}

/* Prometheus' flags that say here what is so, whatever the configuration. */
static const char *const fixed_flags[][2] = {
    {"query.lookback-delta", "5m"},
    {"storage.tsdb.no-lockfile", "false"},
    {"web.enable-admin-api", "true"},
    {"web.enable-lifecycle", "true"},
    {"web.enable-remote-write-receiver", "true"},
    {"web.page-title", "cloche"},
    {"web.read-timeout", "10s"},
    {"web.route-prefix", "/"},
};

static void publish_flags(struct board *board, const struct published *of)
{
    const struct config *now = of->now, *started = of->started;
    auto_buf json = {0}, features = {0};
    auto_arena arena;
    arena_init(&arena);
    buf_init(&json, DOCUMENT_MAX);
    buf_init(&features, 4096);
    query_features_print(&features);
    struct json_writer w;
    json_init(&w, &json);
    json_begin_object(&w);
    flag(&w, "config.file", now->file);
    flag(&w, "enable-feature", buf_str(&features));
    flag(&w, "log.level", started->log_level);
    number_flag(&w, "query.max-concurrency", now->query_max_concurrency);
    number_flag(&w, "query.max-samples", now->query_max_samples);
    duration_flag(&w, "query.timeout", now->query_timeout_ms);
    flag(&w, "storage.tsdb.path", started->data_dir);
    size_flag(&w, "storage.tsdb.retention.size", started->retention_bytes);
    duration_flag(&w, "storage.tsdb.retention.time", started->retention_ms);
    flag(&w, "store-only", of->store_only ? STR("true") : STR("false"));
    flag(&w, "web.cors.origin", started->cors_origin);
    flag(&w, "web.external-url", url_redact(now->external_url, &arena));
    flag(&w, "web.listen-address", started->listen);
    number_flag(&w, "web.max-connections", of->max_connections);
    for (size_t i = 0; i < sizeof(fixed_flags) / sizeof(fixed_flags[0]); i++) {
        flag(&w, fixed_flags[i][0], str_of(fixed_flags[i][1]));
    }
    json_end_object(&w);
    board_publish(board, "flags", buf_str(&json));
}

/* -- /api/v1/status/config -- */

/* A JSON text is a YAML scalar in double quotes. */
static void add_quoted(struct buf *out, struct str text)
{
    struct json_writer w;
    json_init(&w, out);
    json_str(&w, text);
}

static void add_duration(struct buf *out, const char *key, int64_t ms)
{
    buf_addf(out, "%s: ", key);
    duration_format(ms, out);
    buf_add_char(out, '\n');
}

static void add_labels(struct buf *out, const char *indent, struct labels labels)
{
    for (uint32_t i = 0; i < labels.n; i++) {
        buf_add(out, str_of(indent));
        add_quoted(out, labels.v[i].name);
        buf_add(out, STR(": "));
        add_quoted(out, labels.v[i].value);
        buf_add_char(out, '\n');
    }
}

static struct str job_of(const struct config_target *target)
{
    return target->job.len ? target->job : target->kind;
}

/* Intervals of its own stand as the labels that set them in Prometheus. */
static void add_target(struct buf *out, const struct config_target *target, const struct config_target *first)
{
    auto_arena arena;
    arena_init(&arena);
    buf_add(out, STR("  - targets:\n    - "));
    add_quoted(out, target_default_instance(&arena, target->url));
    buf_add_char(out, '\n');
    bool interval = target->interval_ms != first->interval_ms, timeout = target->timeout_ms != first->timeout_ms;
    if (interval || timeout || target->labels.n) {
        buf_add(out, STR("    labels:\n"));
    }
    if (interval) {
        add_duration(out, "      __scrape_interval__", target->interval_ms);
    }
    if (timeout) {
        add_duration(out, "      __scrape_timeout__", target->timeout_ms);
    }
    add_labels(out, "      ", target->labels);
}

/* A job with all its targets, where its first one stands. */
static void add_job(struct buf *out, const struct config *config, size_t at)
{
    const struct config_target *first = &config->targets[at];
    struct str job = job_of(first);
    for (size_t i = 0; i < at; i++) {
        if (str_eq(job_of(&config->targets[i]), job)) {
            return;
        }
    }
    buf_add(out, STR("- job_name: "));
    add_quoted(out, job);
    buf_add_char(out, '\n');
    add_duration(out, "  scrape_interval", first->interval_ms);
    add_duration(out, "  scrape_timeout", first->timeout_ms);
    buf_add(out, STR("  static_configs:\n"));
    for (size_t i = at; i < config->target_count; i++) {
        if (str_eq(job_of(&config->targets[i]), job)) {
            add_target(out, &config->targets[i], first);
        }
    }
}

void publish_print_yaml(const struct config *config, struct buf *out)
{
    buf_add(out, STR("global:\n"));
    add_duration(out, "  scrape_interval", config->scrape_interval_ms);
    add_duration(out, "  scrape_timeout", config->scrape_timeout_ms);
    add_duration(out, "  evaluation_interval", config->evaluation_interval_ms);
    if (config->external_labels.n) {
        buf_add(out, STR("  external_labels:\n"));
        add_labels(out, "    ", config->external_labels);
    }
    for (size_t i = 0; i < config->rule_file_count; i++) {
        buf_add(out, i ? STR("- ") : STR("rule_files:\n- "));
        add_quoted(out, config->rule_files[i]);
        buf_add_char(out, '\n');
    }
    for (size_t i = 0; i < config->target_count; i++) {
        buf_add(out, i ? STR("") : STR("scrape_configs:\n"));
        add_job(out, config, i);
    }
}

static void publish_yaml(struct board *board, const struct config *config)
{
    auto_buf json = {0}, yaml = {0};
    buf_init(&json, 2 * DOCUMENT_MAX);
    buf_init(&yaml, DOCUMENT_MAX);
    publish_print_yaml(config, &yaml);
    struct json_writer w;
    json_init(&w, &json);
    json_begin_object(&w);
    json_field(&w, "yaml", json_str, buf_str(&yaml));
    json_end_object(&w);
    board_publish(board, "prometheus_config", buf_str(&json));
}

void publish_all(struct board *board, const struct published *of)
{
    publish_config(board, of);
    publish_flags(board, of);
    publish_yaml(board, of->now);
}
