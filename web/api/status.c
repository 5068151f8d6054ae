/* /api/v1/status/…: who answers, since when, with which limits, and what the store holds. */
#include "src/base/clock.h"
#include "web/api/endpoints.h"
#include "web/api/prom.h"

#include <unistd.h>

#define TOP                10
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

void api_runtimeinfo(struct http_request *r, void *ctx)
{
    const struct api_context *api = ctx;
    char host[256] = "", cwd[4096] = "";
    (void)gethostname(host, sizeof(host) - 1);
    (void)!getcwd(cwd, sizeof(cwd));
    struct answer a;
    answer_begin(&a, r);
    json_begin_object(&a.w);
    time_field(&a.w, "startTime", api->start_wall_ms);
    text_field(&a.w, "CWD", cwd);
    text_field(&a.w, "hostname", host);
    time_field(&a.w, "serverTime", clock_wall_ms());
    json_field(&a.w, "reloadConfigSuccess", json_bool, true); /* a failed reload changes nothing */
    json_field(&a.w, "GOMAXPROCS", json_int, sysconf(_SC_NPROCESSORS_ONLN));
    finish(&a);
}

static struct str duration_text(struct http_request *r, int64_t ms)
{
    auto_buf text;
    buf_init(&text, 64);
    duration_format(ms, &text);
    return arena_dup(http_arena(r), buf_str(&text));
}

/* The configuration holds secrets: only what concerns the API's users is shown. */
void api_config(struct http_request *r, void *ctx)
{
    const struct api_context *api = ctx;
    struct str yaml = arena_printf(http_arena(r), "global:\n  scrape_interval: " STR_FMT "\n",
                                   STR_ARG(duration_text(r, api->scrape_interval_ms)));
    struct answer a;
    answer_begin(&a, r);
    json_begin_object(&a.w);
    json_field(&a.w, "yaml", json_str, yaml);
    finish(&a);
}

void api_flags(struct http_request *r, void *ctx)
{
    const struct api_context *api = ctx;
    struct answer a;
    answer_begin(&a, r);
    json_begin_object(&a.w);
    json_field(&a.w, "query.timeout", json_str, duration_text(r, api->query_timeout_ms));
    json_field(&a.w, "query.max-samples", json_str,
               arena_printf(http_arena(r), "%llu", (unsigned long long)api->query_max_samples));
    json_field(&a.w, "query.lookback-delta", json_str, STR("5m"));
    json_field(&a.w, "store-only", json_str, api->store_only ? STR("true") : STR("false"));
    finish(&a);
}

struct name_count {
    struct str name;
    uint64_t count;
};

static int by_text(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* Series by metric name, most first; the set comes by id, names repeat anywhere. */
static int count_names(struct http_request *r, const struct series_set *set, struct name_count top[TOP])
{
    struct str *names = arena_array(http_arena(r), struct str, set->n + 1);
    for (size_t i = 0; i < set->n; i++) {
        names[i] = labels_get(set->v[i].labels, METRIC_NAME);
    }
    if (set->n > 1) {
        qsort(names, set->n, sizeof(*names), by_text);
    }
    int used = 0;
    for (size_t i = 0, next; i < set->n; i = next) {
        for (next = i + 1; next < set->n && str_eq(names[i], names[next]);) {
            next++;
        }
        int at = used < TOP ? used++ : TOP;
        for (; at > 0 && top[at - 1].count < next - i; at--) {
            if (at < TOP) {
                top[at] = top[at - 1];
            }
        }
        if (at < TOP) {
            top[at] = (struct name_count){names[i], next - i};
        }
    }
    return used;
}

static void write_tsdb(struct json_writer *w, const struct store_status *status, const struct name_count *top, int n)
{
    json_begin_object(w);
    json_key(w, STR("headStats"));
    json_begin_object(w);
    json_field(w, "numSeries", json_int, (int64_t)status->series);
    json_field(w, "minTime", json_int, status->oldest_ms);
    json_field(w, "maxTime", json_int, status->newest_ms);
    json_end_object(w);
    json_key(w, STR("seriesCountByMetricName"));
    json_begin_array(w);
    for (int i = 0; i < n; i++) {
        json_begin_object(w);
        json_field(w, "name", json_str, top[i].name);
        json_field(w, "value", json_int, (int64_t)top[i].count);
        json_end_object(w);
    }
    json_end_array(w);
    json_end_object(w);
}

void api_tsdb(struct http_request *r, void *ctx)
{
    const struct api_context *api = ctx;
    struct store_status status = {0};
    store_get_status(api->store, &status);
    struct matcher all;
    struct snapshot *snapshot = NULL;
    struct series_set set = {0};
    int rc = matcher_init(&all, MATCH_NE, METRIC_NAME, STR(""), NULL);
    rc = rc ? rc : snapshot_open(api->store, &snapshot);
    rc = rc ? rc : snapshot_select(snapshot, &all, 1, TIME_MIN_MS, TIME_MAX_MS, 0, http_arena(r), &set);
    struct name_count top[TOP] = {0};
    struct answer a;
    answer_begin(&a, r);
    if (rc == 0) { /* names point into the snapshot: written before it closes, sent after */
        write_tsdb(&a.w, &status, top, count_names(r, &set, top));
    }
    snapshot_close(snapshot);
    matcher_release(&all);
    if (rc) {
        buf_release(&a.out);
        prom_fail(r, rc, NULL);
    } else {
        answer_end(&a, NULL, 0, NULL, 0);
    }
}
