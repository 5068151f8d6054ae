/* Documents of the board, as published, with their version: workers, queues, targets, notifications, receivers, celery.
 */
#include "web/api/endpoints.h"
#include "web/api/ui.h"

void ui_board(struct http_request *r, void *ctx)
{
    const struct api_context *api = ctx;
    struct str path = http_path(r);
    const char *name = arena_cstr(http_arena(r), str_slice(path, sizeof("/api/ui/") - 1, path.len));
    const struct board_doc *doc = board_read(api->board, name);
    auto_buf out;
    buf_init(&out, (doc ? doc->json.len : 0) + 1024);
    struct json_writer w;
    json_init(&w, &out);
    json_begin_object(&w);
    json_field(&w, "version", json_int, doc ? (int64_t)doc->version : 0);
    ui_time_or_null(&w, "published", doc ? doc->published_ms : 0);
    json_key(&w, STR("data"));
    if (doc) {
        json_raw(&w, doc->json);
    } else {
        json_nil(&w);
    }
    json_end_object(&w);
    board_unref(doc);
    ui_answer(r, &out);
}
