/* /api/v1/status/tsdb: what makes the number of series; and /api/v1/status/walreplay. */
#include "web/api/endpoints.h"
#include "web/api/prom.h"

#define LIMIT_DEFAULT 10
#define LIMIT_MAX     10000

static void write_list(struct json_writer *w, const char *name, const struct cardinality_list *list)
{
    json_key(w, str_of(name));
    json_begin_array(w);
    for (size_t i = 0; i < list->n; i++) {
        json_begin_object(w);
        json_field(w, "name", json_str, list->v[i].name);
        json_field(w, "value", json_int, (int64_t)list->v[i].value);
        json_end_object(w);
    }
    json_end_array(w);
}

static void write_tsdb(struct json_writer *w, const struct store_status *status, const struct cardinality *c)
{
    json_begin_object(w);
    json_key(w, STR("headStats"));
    json_begin_object(w);
    json_field(w, "numSeries", json_int, (int64_t)c->series);
    json_field(w, "numLabelPairs", json_int, (int64_t)c->label_pairs);
    json_field(w, "chunkCount", json_int, (int64_t)status->head_pieces);
    json_field(w, "minTime", json_int, status->oldest_ms);
    json_field(w, "maxTime", json_int, status->newest_ms);
    json_end_object(w);
    write_list(w, "seriesCountByMetricName", &c->series_by_metric);
    write_list(w, "labelValueCountByLabelName", &c->values_by_label);
    write_list(w, "memoryInBytesByLabelName", &c->bytes_by_label);
    write_list(w, "seriesCountByLabelValuePair", &c->series_by_pair);
    json_end_object(w);
}

/* 0 is no limit elsewhere; here it would be a listing of every label value. */
static bool read_limit(struct http_request *r, uint64_t *limit)
{
    if (!http_param(r, "limit").len) {
        *limit = LIMIT_DEFAULT;
        return true;
    }
    if (!prom_limit(r, limit)) {
        return false;
    }
    if (*limit < 1 || *limit > LIMIT_MAX) {
        prom_error(r, "bad_data", "limit must be a number between 1 and %d", LIMIT_MAX);
        return false;
    }
    return true;
}

void api_tsdb(struct http_request *r, void *ctx)
{
    const struct api_context *api = ctx;
    uint64_t limit;
    if (!read_limit(r, &limit)) {
        return;
    }
    struct store_status status = {0};
    store_get_status(api->store, &status);
    struct cardinality c = {0};
    struct snapshot *snapshot = NULL;
    int rc = snapshot_open(api->store, &snapshot);
    rc = rc ? rc : snapshot_cardinality(snapshot, (size_t)limit, http_arena(r), &c);
    snapshot_close(snapshot);
    if (rc) {
        prom_fail(r, rc, NULL);
        return;
    }
    struct answer a;
    answer_begin(&a, r);
    write_tsdb(&a.w, &status, &c);
    answer_end(&a, NULL, 0, NULL, 0);
}

/* Whoever can ask is answered by a store that has replayed its log. */
void api_walreplay(struct http_request *r, void *ctx)
{
    (void)ctx;
    struct answer a;
    answer_begin(&a, r);
    json_begin_object(&a.w);
    json_field(&a.w, "min", json_int, 0);
    json_field(&a.w, "max", json_int, 0);
    json_field(&a.w, "current", json_int, 0);
    json_field(&a.w, "state", json_str, STR("done"));
    json_end_object(&a.w);
    answer_end(&a, NULL, 0, NULL, 0);
}
