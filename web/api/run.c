#include "web/api/run.h"

#include "src/base/clock.h"
#include "src/base/codec.h"
#include "src/base/counter.h"

#include <pthread.h>

#define QUERIES_AT_ONCE 20
#define GATE_SLICE_NS   100000000
#define ASKER_MAX       200 /* bytes of each header that tells who asks */

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t left;
    int inside;
} gate = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};

bool run_options_read(struct http_request *r, const struct api_context *api, struct run_options *out)
{
    struct error err = {0};
    struct str timeout = http_param(r, "timeout"), lookback = http_param(r, "lookback_delta"),
               resolution = http_param(r, "resolution");
    *out = (struct run_options){.timeout_ms = api->query_timeout_ms, .nocache = str_is(http_param(r, "nocache"), "1")};
    /* what was read from the cache looked at nothing */
    out->per_step = http_param(r, "stats").len > 0;
    out->nocache = out->nocache || out->per_step;
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

bool run_cancelled(void *ctx)
{
    struct run *run = ctx;
    return active_cancelled(&run->active) || http_client_gone(run->request);
}

/* Waits in slices, so that a client that leaves frees its thread. */
static int gate_enter(struct run *run)
{
    int rc = 0;
    int places = run->api->query_max_concurrency ? run->api->query_max_concurrency : QUERIES_AT_ONCE;
    pthread_mutex_lock(&gate.mutex);
    while (gate.inside >= places && rc == 0) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += GATE_SLICE_NS;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&gate.left, &gate.mutex, &until);
        rc = clock_mono_ms() >= run->deadline_mono_ms ? ERR_TIMEOUT : run_cancelled(run) ? ERR_CANCELLED : 0;
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

static struct str header(struct http_request *r, const char *name)
{
    struct str value = http_header(r, name);
    return str_slice(value, 0, utf8_cut(value, ASKER_MAX));
}

/* As it was asked, or, where the request is about more than one query, the expression's own text. */
static struct str text_of(struct http_request *r, const struct expr *expr)
{
    struct str asked = str_trim(http_param(r, "query"));
    if (asked.len) {
        return asked;
    }
    auto_buf text = {0};
    buf_init(&text, ACTIVE_TEXT_MAX);
    expr_print(expr, &text);
    return arena_dup(http_arena(r), buf_str(&text));
}

static void describe_asker(struct run *run)
{
    struct http_request *r = run->request;
    struct str dashboard = header(r, "X-Dashboard-Uid"), panel = header(r, "X-Panel-Id");
    if (dashboard.len && panel.len) {
        dashboard = arena_printf(http_arena(r), STR_FMT "/" STR_FMT, STR_ARG(dashboard), STR_ARG(panel));
    }
    run->active.peer = http_peer(r);
    run->active.agent = header(r, "User-Agent");
    run->active.dashboard = dashboard;
    run->active.user = header(r, "X-Grafana-User");
}

static void account(const struct run *run, const struct query_result *result, int rc)
{
    int64_t took_us = clock_mono_us() - run->active.since_mono_us - run->queue_us;
    int64_t slow_ms = run->api->query_log_slower_ms;
    self_add(rc ? SELF_QUERY_FAILURES : SELF_QUERIES, 1);
    if (rc == ERR_CANCELLED || rc == ERR_TIMEOUT || rc == ERR_LIMIT) {
        self_add(rc == ERR_CANCELLED ? SELF_QUERIES_CANCELLED
                 : rc == ERR_TIMEOUT ? SELF_QUERIES_TIMED_OUT
                                     : SELF_QUERIES_LIMITED,
                 1);
    }
    self_observe_us(SELF_QUERY_SECONDS, took_us);
    if (slow_ms && took_us >= slow_ms * 1000) {
        active_log_slow(&run->active, result, rc, took_us, run->queue_us);
    }
}

int run_begin(struct run *run, int64_t timeout_ms, struct error *err)
{
    describe_asker(run);
    run->deadline_mono_ms = clock_mono_ms() + timeout_ms;
    active_begin(&run->active);
    int rc = timeout_ms > 0 ? gate_enter(run) : ERR_TIMEOUT;
    run->queue_us = clock_mono_us() - run->active.since_mono_us;
    if (rc == 0) {
        active_running(&run->active);
        return 0;
    }
    active_end(&run->active);
    account(run, &(struct query_result){0}, rc);
    return error_set(err, rc,
                     rc == ERR_TIMEOUT ? "query timed out in query queue" : "query was canceled in query queue");
}

void run_end(struct run *run, const struct query_result *result, int rc)
{
    gate_leave();
    active_end(&run->active);
    account(run, result, rc);
}

static int evaluate(struct run *run, const struct expr *expr, const struct run_options *options,
                    struct query_result *out, struct error *err)
{
    const struct api_context *api = run->api;
    struct active_query *active = &run->active;
    struct arena *arena = http_arena(run->request);
    const struct query_options q = {.lookback_ms = options->lookback_ms,
                                    .resolution = options->resolution,
                                    .per_step = options->per_step,
                                    .deadline_mono_ms = run->deadline_mono_ms,
                                    .max_samples = api->query_max_samples,
                                    .max_series = api->query_max_series,
                                    .max_memory_bytes = api->query_max_memory,
                                    .cancelled = run_cancelled,
                                    .cancelled_ctx = run,
                                    .progress = &active->progress};
    if (active->step_ms == 0) {
        return query_instant(api->store, expr, active->end_ms, &q, arena, out, err);
    }
    return query_range_cached(options->nocache ? NULL : api->query_cache, api->store, expr, active->start_ms,
                              active->end_ms, active->step_ms, &q, arena, out, err);
}

int run_query(struct http_request *r, const struct api_context *api, const struct expr *expr,
              struct run_options *options, int64_t start_ms, int64_t end_ms, int64_t step_ms, struct query_result *out,
              struct error *err)
{
    struct run run = {.request = r,
                      .api = api,
                      .active = {.text = text_of(r, expr), .start_ms = start_ms, .end_ms = end_ms, .step_ms = step_ms}};
    int rc = run_begin(&run, options->timeout_ms, err);
    options->queue_us = run.queue_us;
    if (rc == 0) {
        rc = evaluate(&run, expr, options, out, err);
        run_end(&run, out, rc);
    }
    return rc;
}
