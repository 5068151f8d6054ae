/* /api/v1/query_range: one expression at every step of a range, both ends included. */
#include "web/api/endpoints.h"
#include "web/api/run.h"

struct range {
    int64_t start_ms, end_ms, step_ms;
};

static bool read_time(struct http_request *r, const char *name, int64_t *ms)
{
    struct error err = {0};
    if (param_time(http_param(r, name), ms, &err) == 0) {
        return true;
    }
    prom_invalid(r, name, &err);
    return false;
}

static bool read_range(struct http_request *r, struct range *out)
{
    struct error err = {0};
    if (!read_time(r, "start", &out->start_ms) || !read_time(r, "end", &out->end_ms)) {
        return false;
    }
    if (out->end_ms < out->start_ms) {
        prom_error(r, "bad_data", "invalid parameter \"end\": end timestamp must not be before start time");
        return false;
    }
    if (param_duration(http_param(r, "step"), &out->step_ms, &err)) {
        prom_invalid(r, "step", &err);
        return false;
    }
    if (out->step_ms <= 0) {
        prom_error(r, "bad_data",
                   "invalid parameter \"step\": zero or negative query resolution step widths are not accepted. Try a "
                   "positive integer");
        return false;
    }
    if ((out->end_ms - out->start_ms) / out->step_ms > QUERY_STEPS_MAX) {
        prom_error(r, "bad_data",
                   "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution "
                   "(?step=XX)");
        return false;
    }
    return true;
}

/* Prometheus asks for what it can make a matrix of. */
static bool has_range_type(struct http_request *r, const struct expr *expr)
{
    enum value_type type = expr_type(expr);
    if (type == VALUE_SCALAR || type == VALUE_VECTOR) {
        return true;
    }
    prom_error(r, "bad_data",
               "invalid parameter \"query\": invalid expression type \"%s\" for range query, must be Scalar or instant "
               "Vector",
               type == VALUE_MATRIX ? "range vector" : value_type_name(type));
    return false;
}

void api_query_range(struct http_request *r, void *ctx)
{
    const struct api_context *api = ctx;
    struct run_options options;
    uint64_t limit;
    struct range range;
    struct expr *expr = NULL;
    if (!prom_limit(r, &limit) || !read_range(r, &range) || !run_options_read(r, api, &options) ||
        !run_parse(r, &expr)) {
        return;
    }
    struct query_result result = {0};
    struct error err = {0};
    if (has_range_type(r, expr)) {
        int rc = run_query(r, api, expr, &options, range.start_ms, range.end_ms, range.step_ms, &result, &err);
        if (rc) {
            prom_fail(r, rc, &err);
        } else {
            run_answer(r, &options, &result, limit);
        }
    }
    expr_release(expr);
}
