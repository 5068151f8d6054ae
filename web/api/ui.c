#include "web/api/ui.h"

void ui_error(struct http_request *r, int status, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    auto_buf out;
    buf_init(&out, 8192);
    struct json_writer w;
    json_init(&w, &out);
    json_begin_object(&w);
    json_field(&w, "error", json_str, str_of(text));
    json_end_object(&w);
    http_respond(r, status, "application/json", buf_str(&out));
}

void ui_text_or_null(struct json_writer *w, const char *name, struct str text)
{
    json_key(w, str_of(name));
    if (text.len) {
        json_str(w, text);
    } else {
        json_nil(w);
    }
}

void ui_time_or_null(struct json_writer *w, const char *name, int64_t ms)
{
    json_key(w, str_of(name));
    if (ms) {
        json_seconds(w, ms);
    } else {
        json_nil(w);
    }
}

void ui_board_value(struct json_writer *w, struct board *board, const char *name)
{
    const struct board_doc *doc = board_read(board, name);
    if (doc) {
        json_raw(w, doc->json);
    } else {
        json_nil(w);
    }
    board_unref(doc);
}

void ui_answer(struct http_request *r, struct buf *json)
{
    http_set_header(r, "Cache-Control", STR("no-store"));
    if (json->failed) {
        ui_error(r, 500, "the answer is too large");
    } else {
        http_respond(r, 200, "application/json", buf_str(json));
    }
}
