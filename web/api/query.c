/* /api/v1/query: one expression at one time. */
#include "src/base/clock.h"
#include "web/api/endpoints.h"
#include "web/api/run.h"

void api_query(struct http_request *r, void *ctx)
{
    const struct api_context *api = ctx;
    struct run_options options;
    uint64_t limit;
    int64_t t_ms;
    struct expr *expr = NULL;
    if (!prom_limit(r, &limit) || !prom_time(r, "time", clock_wall_ms(), &t_ms) ||
        !run_options_read(r, api, &options) || !run_parse(r, &expr)) {
        return;
    }
    struct query_result result = {0};
    struct error err = {0};
    int rc = run_query(r, api, expr, &options, t_ms, t_ms, 0, &result, &err);
    if (rc) {
        prom_fail(r, rc, &err);
    } else {
        run_answer(r, &options, &result, limit);
    }
    expr_release(expr);
}
