/* /api/v1/metadata, and /api/v1/query_exemplars, which knows of none. */
#include "web/api/endpoints.h"
#include "web/api/run.h"

static int64_t limit_of(struct http_request *r, const char *name)
{
    int64_t n = -1;
    return str_to_int64(http_param(r, name), &n) ? n : -1;
}

/* limit 0 asks for nothing cut, as Grafana means it; Prometheus' own -1 does, too. */
void api_metadata(struct http_request *r, void *ctx)
{
    const struct api_context *api = ctx;
    struct str text = http_param(r, "limit");
    int64_t limit = limit_of(r, "limit");
    if (text.len && limit < 0 && !str_is(text, "-1")) {
        prom_error(r, "bad_data", "limit must be a number");
        return;
    }
    int64_t per_metric; /* one is all there is of each */
    if (http_param(r, "limit_per_metric").len && !str_to_int64(http_param(r, "limit_per_metric"), &per_metric)) {
        prom_error(r, "bad_data", "limit_per_metric must be a number");
        return;
    }
    struct snapshot *snapshot = NULL;
    struct metric_family *families = NULL;
    size_t n = 0;
    int rc = snapshot_open(api->store, &snapshot);
    rc = rc ? rc : snapshot_metadata(snapshot, http_param(r, "metric"), http_arena(r), &families, &n);
    snapshot_close(snapshot);
    if (rc && rc != ERR_NOT_FOUND) {
        prom_fail(r, rc, NULL);
        return;
    }
    n = rc ? 0 : limit > 0 && (size_t)limit < n ? (size_t)limit : n;
    struct answer a;
    answer_begin(&a, r);
    json_begin_object(&a.w);
    for (size_t i = 0; i < n; i++) {
        json_key(&a.w, families[i].name);
        json_begin_array(&a.w);
        json_begin_object(&a.w);
        json_field(&a.w, "type", json_str, str_of(metric_type_name(families[i].type)));
        json_field(&a.w, "help", json_str, families[i].help);
        json_field(&a.w, "unit", json_str, STR(""));
        json_end_object(&a.w);
        json_end_array(&a.w);
    }
    json_end_object(&a.w);
    answer_end(&a, NULL, 0, NULL, 0);
}

/* There are none, but what is wrong with the request is told. Grafana probes it with times in milliseconds. */
void api_query_exemplars(struct http_request *r, void *ctx)
{
    (void)ctx;
    int64_t start_ms, end_ms;
    struct expr *expr = NULL;
    if (!prom_time(r, "start", TIME_MIN_MS, &start_ms) || !prom_time(r, "end", TIME_MAX_MS, &end_ms)) {
        return;
    }
    if (end_ms < start_ms) {
        prom_error(r, "bad_data", "end timestamp must not be before start timestamp");
        return;
    }
    if (!run_parse(r, &expr)) {
        return;
    }
    expr_release(expr);
    struct answer a;
    answer_begin(&a, r);
    json_raw(&a.w, STR("[]"));
    answer_end(&a, NULL, 0, NULL, 0);
}
