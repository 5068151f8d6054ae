/* /api/v1/status/queries: the queries that wait or run now, of clients and of rules; and ending one of them. */
#include "src/query/active.h"
#include "web/api/endpoints.h"
#include "web/api/prom.h"

static void write_if(struct json_writer *w, const char *name, struct str value)
{
    if (value.len) {
        json_key(w, str_of(name));
        json_str(w, value);
    }
}

static void write_query(struct json_writer *w, const struct active_info *info)
{
    const struct active_query *q = &info->query;
    json_begin_object(w);
    json_field(w, "id", json_int, (int64_t)q->id);
    json_field(w, "query", json_str, q->text);
    json_field(w, "state", json_str,
               info->cancelled ? STR("canceled")
               : info->running ? STR("running")
                               : STR("queued"));
    json_field(w, "since", json_seconds, q->since_wall_ms);
    json_field(w, "seconds", json_double, (double)info->age_us / 1e6);
    if (q->step_ms) {
        json_field(w, "start", json_seconds, q->start_ms);
    }
    json_field(w, "end", json_seconds, q->end_ms);
    json_field(w, "step", json_double, (double)q->step_ms / 1000);
    json_field(w, "samples", json_int, (int64_t)info->samples);
    json_field(w, "memory", json_int, (int64_t)info->memory_bytes);
    write_if(w, "peer", q->peer);
    write_if(w, "userAgent", q->agent);
    write_if(w, "dashboard", q->dashboard);
    write_if(w, "user", q->user);
    write_if(w, "group", q->group);
    write_if(w, "rule", q->rule);
    json_end_object(w);
}

void api_queries(struct http_request *r, void *ctx)
{
    (void)ctx;
    struct active_info *infos;
    struct answer a;
    size_t n = active_list(http_arena(r), &infos);
    answer_begin(&a, r);
    json_begin_object(&a.w);
    json_key(&a.w, STR("queries"));
    json_begin_array(&a.w);
    for (size_t i = 0; i < n; i++) {
        write_query(&a.w, &infos[i]);
    }
    json_end_array(&a.w);
    json_end_object(&a.w);
    answer_end(&a, NULL, 0, NULL, 0);
}

void api_query_end(struct http_request *r, void *ctx)
{
    (void)ctx;
    struct str text = http_path_param(r, "id");
    int64_t id;
    if (!prom_same_origin(r)) {
        return;
    }
    if (!str_to_int64(text, &id) || id <= 0) {
        prom_error(r, "bad_data", "invalid query id \"" STR_FMT "\": expected a number of /api/v1/status/queries",
                   STR_ARG(text));
    } else if (!active_cancel((uint64_t)id)) {
        prom_error(r, "not_found", "no query %lld is waiting or running", (long long)id);
    } else {
        http_respond(r, 204, NULL, (struct str){0});
    }
}
