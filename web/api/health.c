/* /-/healthy, /-/ready, /-/reload. */
#include "web/api/api.h"
#include "web/api/endpoints.h"

void health_healthy(struct http_request *r, void *ctx)
{
    (void)ctx;
    http_respond(r, 200, "text/plain; charset=utf-8", STR("cloche is healthy.\n"));
}

/* Ready: what is collected can be kept. */
void health_ready(struct http_request *r, void *ctx)
{
    const struct api_context *api = ctx;
    struct store_status status = {0};
    store_get_status(api->store, &status);
    if (status.writable) {
        http_respond(r, 200, "text/plain; charset=utf-8", STR("cloche is ready.\n"));
        return;
    }
    struct str text = arena_printf(http_arena(r), "cloche is not ready: the store cannot be written: %s\n",
                                   status.failure.text[0] ? status.failure.text : error_text(status.failure.code));
    http_respond(r, 503, "text/plain; charset=utf-8", text);
}

void health_reload(struct http_request *r, void *ctx)
{
    const struct api_context *api = ctx;
    struct error err = {0};
    if (!http_same_origin(r)) {
        http_respond(r, 403, "text/plain; charset=utf-8", STR("a page of another origin may not do this\n"));
    } else if (!api->reload) {
        http_respond(r, 501, "text/plain; charset=utf-8", STR("nothing to reload\n"));
    } else if (api->reload(api->reload_ctx, &err)) {
        struct str text = arena_printf(http_arena(r), "failed to reload config: %s\n", err.text);
        http_respond(r, 500, "text/plain; charset=utf-8", text);
    } else {
        http_respond(r, 200, "text/plain; charset=utf-8", STR(""));
    }
}
