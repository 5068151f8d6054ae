/* /api/ui/status: what runs, since when, and whether it can keep what it collects; /api/ui/functions. */
#include "src/base/clock.h"
#include "web/api/endpoints.h"
#include "web/api/ui.h"

static void write_damage(struct json_writer *w, struct store *store, uint64_t count)
{
    char newest[STORE_DAMAGE_TEXT] = "";
    if (count) {
        (void)store_damage(store, count - 1, newest);
    }
    json_field(w, "damages", json_int, (int64_t)count);
    json_field(w, "newest_damage", json_str, str_of(newest));
}

static void write_store(struct json_writer *w, struct store *store, const struct store_status *status)
{
    json_key(w, STR("store"));
    json_begin_object(w);
    json_field(w, "writable", json_bool, status->writable);
    json_field(w, "error", json_str, status->writable ? STR("") : str_of(status->failure.text));
    json_field(w, "series", json_int, (int64_t)status->series);
    json_field(w, "oldest", json_seconds, status->oldest_ms);
    json_field(w, "newest", json_seconds, status->newest_ms);
    json_field(w, "disk_bytes", json_int, (int64_t)status->disk_bytes);
    write_damage(w, store, status->damage_count);
    json_end_object(w);
}

void ui_status(struct http_request *r, void *ctx)
{
    const struct api_context *api = ctx;
    struct store_status status = {0};
    store_get_status(api->store, &status);
    auto_buf out;
    buf_init(&out, 16u << 20);
    struct json_writer w;
    json_init(&w, &out);
    json_begin_object(&w);
    json_field(&w, "version", json_str, str_of(api->version));
    json_field(&w, "revision", json_str, str_of(api->revision));
    json_field(&w, "start", json_seconds, api->start_wall_ms);
    json_field(&w, "uptime", json_seconds, clock_mono_ms() - api->start_mono_ms);
    json_field(&w, "now", json_seconds, clock_wall_ms());
    write_store(&w, api->store, &status);
    json_key(&w, STR("config"));
    ui_board_value(&w, api->board, "config");
    json_key(&w, STR("celery"));
    ui_board_value(&w, api->board, "celery");
    json_field(&w, "scrape_interval", json_seconds, api->scrape_interval_ms);
    json_field(&w, "store_only", json_bool, api->store_only);
    json_end_object(&w);
    ui_answer(r, &out);
}

void ui_functions(struct http_request *r, void *ctx)
{
    (void)ctx;
    size_t n = 0;
    const struct function_info *functions = query_functions(&n);
    auto_buf out;
    buf_init(&out, 1u << 20);
    struct json_writer w;
    json_init(&w, &out);
    json_begin_array(&w);
    for (size_t i = 0; i < n; i++) {
        json_begin_object(&w);
        json_field(&w, "name", json_str, str_of(functions[i].name));
        json_field(&w, "signature", json_str, str_of(functions[i].signature));
        json_field(&w, "help", json_str, str_of(functions[i].help));
        json_end_object(&w);
    }
    json_end_array(&w);
    ui_answer(r, &out);
}
