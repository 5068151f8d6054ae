/* /api/v1/targets: what the loop published, by state. */
#include "web/api/endpoints.h"
#include "web/api/prom.h"

#define NO_TARGETS "{\"activeTargets\":[],\"droppedTargets\":[]}"

void api_targets(struct http_request *r, void *ctx)
{
    const struct api_context *api = ctx;
    struct str state = http_param(r, "state");
    /* Everything published is active: nothing is ever dropped by relabelling. */
    if (state.len == 0 || str_is(state, "any") || str_is(state, "active")) {
        prom_board(r, api->board, "targets", NO_TARGETS);
        return;
    }
    struct answer a;
    answer_begin(&a, r);
    json_raw(&a.w, STR(NO_TARGETS));
    answer_end(&a, NULL, 0, NULL, 0);
}
