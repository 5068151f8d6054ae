/* /api/v1/export and /api/v1/import: samples as text, out of the store and into it. */
#include "src/base/clock.h"
#include "src/transfer/export.h"
#include "src/transfer/import.h"
#include "web/api/endpoints.h"
#include "web/api/prom.h"

#define OPENMETRICS_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"
#define QUEUE_WAIT_MS    5000  /* a full queue is waited for before the client is sent away */
#define COMMIT_WAIT_MS   30000 /* for the answer that all is committed */
#define PIECE_MAX        (2u << 20)

static struct exporter *new_exporter(struct http_request *r, const struct api_context *api, const struct selection *s)
{
    struct export_selector *selectors = arena_array(http_arena(r), struct export_selector, s->n + 1);
    for (size_t i = 0; i < s->n; i++) {
        selectors[i] = (struct export_selector){s->v[i].matchers, s->v[i].n};
    }
    return exporter_new(&(struct export_options){
        .store = api->store, .selectors = selectors, .n = s->n, .start_ms = s->start_ms, .end_ms = s->end_ms});
}

/* An export that could not be finished lacks its last line, "# EOF". */
void api_export(struct http_request *r, void *ctx)
{
    auto_selection selection = {0};
    if (!selection_read(r, &selection)) {
        return;
    }
    struct exporter *exporter = new_exporter(r, ctx, &selection);
    auto_buf piece;
    buf_init(&piece, PIECE_MAX);
    bool done = false;
    int rc = exporter_next(exporter, &piece, &done);
    if (rc) {
        prom_fail(r, rc, NULL);
    } else if (http_stream_begin(r, OPENMETRICS_TYPE)) {
        while (rc == 0 && http_stream_write(r, buf_str(&piece)) && !done) {
            buf_clear(&piece);
            rc = exporter_next(exporter, &piece, &done);
        }
    }
    exporter_free(exporter);
}

static bool is_set(struct http_request *r, const char *name)
{
    struct str text = http_param(r, name);
    return str_is(text, "1") || str_is(text, "true");
}

static bool read_import_options(struct http_request *r, struct import_options *out)
{
    struct str format = http_param(r, "format"), line = http_param(r, "first_line");
    int64_t first = 1;
    if (format.len && !text_format_parse(format, &out->format)) {
        prom_error(r, "bad_data", "invalid parameter \"format\": it is auto, openmetrics or prometheus");
        return false;
    }
    if (line.len && (!str_to_int64(line, &first) || first < 1 || first > INT32_MAX)) {
        prom_error(r, "bad_data", "invalid parameter \"first_line\": it is the number of the text's first line");
        return false;
    }
    out->first_line = (int)first;
    out->skip_bad = is_set(r, "skip_bad");
    return true;
}

static void write_first(struct json_writer *w, struct str key, const struct error *first)
{
    json_key(w, key);
    if (first->code == 0) {
        json_nil(w);
        return;
    }
    json_begin_object(w);
    json_field(w, "line", json_int, first->line);
    json_field(w, "column", json_int, first->column);
    json_field(w, "text", json_str, str_of(first->text));
    json_end_object(w);
}

static void answer_summary(struct http_request *r, const struct import_totals *totals)
{
    struct answer a;
    answer_begin(&a, r);
    json_begin_object(&a.w);
    json_field(&a.w, "samples", json_int, (int64_t)totals->samples);
    json_field(&a.w, "series", json_int, (int64_t)totals->series);
    json_field(&a.w, "refused", json_int, (int64_t)totals->refused);
    json_field(&a.w, "bad_lines", json_int, (int64_t)totals->bad_lines);
    write_first(&a.w, STR("first_refused"), &totals->first_refused);
    write_first(&a.w, STR("first_bad"), &totals->first_bad);
    json_field(&a.w, "format", json_str, str_of(text_format_name(totals->format)));
    json_field(&a.w, "ended", json_bool, totals->ended);
    json_end_object(&a.w);
    answer_end(&a, NULL, 0, NULL, 0);
}

static void answer_failure(struct http_request *r, int rc, const struct error *err, const struct import_totals *totals)
{
    unsigned long long taken = totals->samples;
    if (rc == ERR_FULL || rc == ERR_TIMEOUT) {
        http_set_header(r, "Retry-After", STR("5"));
        prom_error(r, "unavailable", "%s; %llu samples were taken: send all again", err->text, taken);
    } else if (err->line) {
        prom_error(r, "bad_data", "line %d, column %d: %s; %llu samples before it were taken", err->line, err->column,
                   err->text, taken);
    } else {
        prom_error(r, "internal", "%s; %llu samples were taken", err->text, taken);
    }
}

void api_import(struct http_request *r, void *ctx)
{
    const struct api_context *api = ctx;
    struct import_options options = {.store = api->store, .wait_ms = QUEUE_WAIT_MS};
    if (!prom_same_origin(r) || !read_import_options(r, &options)) {
        return;
    }
    struct importer *importer = importer_new(&options);
    const struct import_totals *totals = importer_totals(importer);
    struct error err = {0};
    int rc = importer_feed(importer, http_body(r), &err);
    rc = rc ? rc : importer_finish(importer, &err);
    int committed = store_sync(api->store, COMMIT_WAIT_MS);
    if (rc == 0 && committed) {
        rc = error_set(&err, ERR_FULL, "the samples are not committed: %s", error_text(committed));
    }
    if (rc) {
        answer_failure(r, rc, &err, totals);
    } else if (is_set(r, "summary")) {
        answer_summary(r, totals);
    } else {
        http_respond(r, 204, NULL, (struct str){0});
    }
    importer_free(importer);
}
