#include "web/api/run.h"

#include "src/base/clock.h"
#include "src/base/counter.h"

#include <pthread.h>

#define QUERIES_AT_ONCE 20
#define RESULT_MEMORY   (1u << 30)

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t left;
    int inside;
} gate = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};

/* Waits in slices, so that a client that leaves frees its thread. */
static int gate_enter(struct http_request *r, int64_t deadline_mono_ms)
{
    int rc = 0;
    pthread_mutex_lock(&gate.mutex);
    while (gate.inside >= QUERIES_AT_ONCE && rc == 0) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += 200 * 1000000;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&gate.left, &gate.mutex, &until);
        rc = clock_mono_ms() >= deadline_mono_ms ? ERR_TIMEOUT : http_client_gone(r) ? ERR_CANCELLED : 0;
    }
    gate.inside += rc == 0;
    pthread_mutex_unlock(&gate.mutex);
    return rc;
}

static void gate_leave(void)
{
    pthread_mutex_lock(&gate.mutex);
    gate.inside--;
    pthread_cond_signal(&gate.left);
    pthread_mutex_unlock(&gate.mutex);
}

bool run_options_read(struct http_request *r, const struct api_context *api, struct run_options *out)
{
    struct error err = {0};
    struct str timeout = http_param(r, "timeout"), lookback = http_param(r, "lookback_delta"),
               resolution = http_param(r, "resolution");
    *out = (struct run_options){.timeout_ms = api->query_timeout_ms};
    if (timeout.len) {
        int64_t asked;
        if (param_duration(timeout, &asked, &err)) {
            prom_invalid(r, "timeout", &err);
            return false;
        }
        out->timeout_ms = asked < out->timeout_ms ? asked : out->timeout_ms;
    }
    if (lookback.len && param_duration(lookback, &out->lookback_ms, &err)) {
        prom_error(r, "bad_data", "error parsing lookback delta duration: %s", err.text);
        return false;
    }
    if (resolution.len && !query_resolution_parse(resolution, &out->resolution)) {
        prom_error(r, "bad_data", "invalid parameter \"resolution\": expected auto, raw, 5m or 1h");
        return false;
    }
    return true;
}

bool run_parse(struct http_request *r, struct expr **out)
{
    struct str text = http_param(r, "query");
    struct error err = {0};
    if (str_trim(text).len == 0) {
        prom_error(r, "bad_data",
                   "invalid parameter \"query\": unknown position: parse error: no expression found in input");
        return false;
    }
    if (query_parse(text, http_arena(r), out, &err)) {
        prom_invalid_promql(r, "query", &err);
        return false;
    }
    return true;
}

static bool is_cancelled(void *ctx)
{
    return http_client_gone(ctx);
}

int run_query(struct http_request *r, const struct api_context *api, const struct expr *expr,
              const struct run_options *options, int64_t start_ms, int64_t end_ms, int64_t step_ms,
              struct query_result *out, struct error *err)
{
    struct query_options q = {.lookback_ms = options->lookback_ms,
                              .resolution = options->resolution,
                              .deadline_mono_ms = clock_mono_ms() + options->timeout_ms,
                              .max_samples = api->query_max_samples,
                              .max_memory_bytes = RESULT_MEMORY,
                              .cancelled = is_cancelled,
                              .cancelled_ctx = r};
    int rc = options->timeout_ms > 0 ? gate_enter(r, q.deadline_mono_ms) : ERR_TIMEOUT;
    if (rc) {
        self_add(SELF_QUERY_FAILURES, 1);
        return error_set(err, rc, rc == ERR_TIMEOUT ? "query timed out in query queue" : "query was canceled");
    }
    struct arena *arena = http_arena(r);
    rc = step_ms ? query_range(api->store, expr, start_ms, end_ms, step_ms, &q, arena, out, err)
                 : query_instant(api->store, expr, end_ms, &q, arena, out, err);
    gate_leave();
    self_add(rc ? SELF_QUERY_FAILURES : SELF_QUERIES, 1);
    return rc;
}

static void write_point(struct json_writer *w, int64_t t_ms, double v)
{
    json_begin_array(w);
    json_seconds(w, t_ms);
    json_sample_value(w, v);
    json_end_array(w);
}

static bool write_series(struct answer *a, const struct result_series *s, bool matrix)
{
    struct json_writer *w = &a->w;
    json_begin_object(w);
    json_key(w, STR("metric"));
    write_labels(w, s->labels);
    json_key(w, matrix ? STR("values") : STR("value"));
    if (matrix) {
        json_begin_array(w);
    }
    for (size_t i = 0; i < s->n && (matrix || i == 0); i++) {
        write_point(w, s->points[i].t_ms, s->points[i].v);
        if (!answer_flush(a)) {
            return false;
        }
    }
    if (matrix) {
        json_end_array(w);
    }
    json_end_object(w);
    return true;
}

/* resultType before result: Grafana before 9.4 needs that order. */
static bool write_result(struct answer *a, const struct query_result *result)
{
    struct json_writer *w = &a->w;
    json_field(w, "resultType", json_str, str_of(value_type_name(result->type)));
    json_key(w, STR("result"));
    json_begin_array(w);
    if (result->type == VALUE_SCALAR) { /* a single time is written as a plain number, 4.5, in a series as 4.500 */
        json_double(w, (double)result->t_ms / 1000);
        json_sample_value(w, result->scalar);
    } else if (result->type == VALUE_STRING) {
        json_double(w, (double)result->t_ms / 1000);
        json_str(w, result->string);
    }
    for (size_t i = 0; i < result->n; i++) {
        if (!write_series(a, &result->series[i], result->type == VALUE_MATRIX)) {
            return false;
        }
    }
    json_end_array(w);
    return true;
}

static void write_stats(struct json_writer *w, const struct query_stats *stats)
{
    double seconds = (double)stats->eval_us / 1e6;
    json_key(w, STR("stats"));
    json_begin_object(w);
    json_key(w, STR("timings"));
    json_begin_object(w);
    json_field(w, "evalTotalTime", json_double, seconds);
    json_field(w, "execTotalTime", json_double, seconds);
    json_end_object(w);
    json_key(w, STR("samples"));
    json_begin_object(w);
    json_field(w, "totalQueryableSamples", json_int, (int64_t)stats->samples);
    json_end_object(w);
    if (stats->tier != TIER_RAW) {
        json_field(w, "resolution", json_str, str_of(query_tier_name(stats->tier)));
    }
    json_end_object(w);
}

/* The result's own texts and one more, in the request's arena. */
static const struct str *add_text(struct http_request *r, const struct str *texts, size_t n, struct str more)
{
    struct str *all = arena_array(http_arena(r), struct str, n + 1);
    for (size_t i = 0; i < n; i++) {
        all[i] = texts[i];
    }
    all[n] = more;
    return all;
}

void run_answer(struct http_request *r, struct query_result *result, uint64_t limit)
{
    if (limit && result->n > limit) {
        result->n = (size_t)limit;
        result->warnings = add_text(r, result->warnings, result->warning_count, WARNING_TRUNCATED);
        result->warning_count++;
    }
    struct answer a;
    answer_begin(&a, r);
    json_begin_object(&a.w);
    if (!write_result(&a, result)) { /* gone in the middle */
        buf_release(&a.out);
        return;
    }
    if (http_param(r, "stats").len) {
        write_stats(&a.w, &result->stats);
    }
    json_end_object(&a.w);
    answer_end(&a, result->warnings, result->warning_count, result->infos, result->info_count);
}
