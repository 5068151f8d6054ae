/* /api/v1/status/…: who answers, since when, with which limits. */
#include "src/base/clock.h"
#include "src/base/processors.h"
#include "web/api/endpoints.h"
#include "web/api/prom.h"

#include <unistd.h>

/* Whose API this is: Grafana picks features by it. It must look like a released Prometheus; cloche's own version is in
 * fields of its own. No "features", no "application": they would make Grafana take us for Mimir. */
#define COMPATIBLE_VERSION "3.5.0"

static void text_field(struct json_writer *w, const char *key, const char *value)
{
    json_key(w, str_of(key));
    json_str(w, str_of(value));
}

static void time_field(struct json_writer *w, const char *key, int64_t wall_ms)
{
    auto_buf text;
    buf_init(&text, 64);
    clock_format_rfc3339(wall_ms, &text);
    json_key(w, str_of(key));
    json_str(w, buf_str(&text));
}

static void finish(struct answer *a)
{
    json_end_object(&a->w);
    answer_end(a, NULL, 0, NULL, 0);
}

void api_buildinfo(struct http_request *r, void *ctx)
{
    const struct api_context *api = ctx;
    struct answer a;
    answer_begin(&a, r);
    json_begin_object(&a.w);
    text_field(&a.w, "version", COMPATIBLE_VERSION);
    text_field(&a.w, "revision", api->revision);
    text_field(&a.w, "branch", "");
    text_field(&a.w, "buildUser", "");
    text_field(&a.w, "buildDate", "");
    text_field(&a.w, "goVersion", "");
    text_field(&a.w, "product", "cloche");
    text_field(&a.w, "productVersion", api->version);
    finish(&a);
}

static struct str duration_text(struct http_request *r, int64_t ms)
{
    auto_buf text;
    buf_init(&text, 64);
    duration_format(ms, &text);
    return arena_dup(http_arena(r), buf_str(&text));
}

void api_runtimeinfo(struct http_request *r, void *ctx)
{
    const struct api_context *api = ctx;
    char host[256] = "", cwd[4096] = "";
    (void)gethostname(host, sizeof(host) - 1);
    (void)!getcwd(cwd, sizeof(cwd));
    struct store_status status = {0};
    store_get_status(api->store, &status);
    struct answer a;
    answer_begin(&a, r);
    json_begin_object(&a.w);
    time_field(&a.w, "startTime", api->start_wall_ms);
    text_field(&a.w, "CWD", cwd);
    text_field(&a.w, "hostname", host);
    time_field(&a.w, "serverTime", clock_wall_ms());
    json_field(&a.w, "reloadConfigSuccess", json_bool, !api->reload_failed);
    time_field(&a.w, "lastConfigTime", api->config_wall_ms ? api->config_wall_ms : api->start_wall_ms);
    json_field(&a.w, "corruptionCount", json_int, (int64_t)status.damage_count);
    json_field(&a.w, "goroutineCount", json_int, 0); /* nor the next ones: there is no Go here */
    text_field(&a.w, "GOGC", "");
    text_field(&a.w, "GODEBUG", "");
    json_field(&a.w, "storageRetention", json_str, duration_text(r, api->retention_ms));
    json_field(&a.w, "GOMAXPROCS", json_int, processors_usable());
    finish(&a);
}

void api_config(struct http_request *r, void *ctx)
{
    const struct api_context *api = ctx;
    prom_board(r, api->board, "prometheus_config", "{\"yaml\":\"\"}");
}

void api_flags(struct http_request *r, void *ctx)
{
    const struct api_context *api = ctx;
    prom_board(r, api->board, "flags", "{}");
}
