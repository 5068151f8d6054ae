/*
 * Running PromQL for a request: so many at once as the configuration says, a deadline, limits, and an end when the
 * client has gone or somebody ends it (src/query/active.h, /api/v1/status/queries). What took long is logged.
 *
 * Threads: any web thread; the gate is one for the process.
 */
#pragma once
#include "src/query/active.h"
#include "web/api/prom.h"

/* A request that is a query, or reads as much as one: what others see of it, and what ends it. On the stack. */
struct run {
    struct http_request *request;
    const struct api_context *api;
    struct active_query active; /* text, start_ms, end_ms and step_ms are the caller's, before run_begin() */
    int64_t deadline_mono_ms, queue_us;
};
/* Lists it and waits for a place. 0: run_end() is owed; ERR_TIMEOUT or ERR_CANCELLED: it has ended already. */
int run_begin(struct run *run, int64_t timeout_ms, struct error *err) MUST_USE;
/* Gives the place back, counts it, logs it if it was slow; result: its stats, and rc. */
void run_end(struct run *run, const struct query_result *result, int rc);
bool run_cancelled(void *run); /* by hand, or by a client that has gone */

struct run_options {
    int64_t timeout_ms, lookback_ms;
    enum query_resolution resolution;
    bool nocache;
    bool per_step; /* samples are counted as Prometheus counts them: stats are asked for */
    /* run_query() tells: */
    int64_t queue_us;
};

/* Parameters timeout, lookback_delta, resolution and nocache. False: refused with 400. */
bool run_options_read(struct http_request *r, const struct api_context *api, struct run_options *out) MUST_USE;
/* Parameter query, parsed into the request's arena: expr_release(). False: refused with 400. */
bool run_parse(struct http_request *r, struct expr **out) MUST_USE;
/* step_ms 0: an instant query at end_ms. ERR_TIMEOUT also when no place became free in time. */
int run_query(struct http_request *r, const struct api_context *api, const struct expr *expr,
              struct run_options *options, int64_t start_ms, int64_t end_ms, int64_t step_ms, struct query_result *out,
              struct error *err) MUST_USE;
/* Answers with the result, cut to `limit` series (0: all), streaming. */
void run_answer(struct http_request *r, const struct run_options *options, struct query_result *result, uint64_t limit);
