/*
 * /api/v1/admin/tsdb/…: flush, delete_series, clean_tombstones, snapshot; as Prometheus with --web.enable-admin-api.
 *
 * They change the store, so a page of another origin is refused. They work on the web thread and may take seconds.
 */
#include "src/base/clock.h"
#include "web/api/endpoints.h"
#include "web/api/prom.h"

#include <errno.h>
#include <sys/random.h>
#include <sys/stat.h>

static bool may_change(struct http_request *r)
{
    if (http_same_origin(r)) {
        return true;
    }
    http_respond_error(r, 403, "forbidden", STR("a page of another origin may not do this"));
    return false;
}

static void no_content(struct http_request *r)
{
    http_respond(r, 204, NULL, (struct str){0});
}

void admin_flush(struct http_request *r, void *ctx)
{
    const struct api_context *api = ctx;
    if (!may_change(r)) {
        return;
    }
    int rc = store_flush(api->store);
    if (rc) {
        prom_error(r, rc == ERR_FULL ? "unavailable" : "internal", "the flush failed: %s", error_text(rc));
    } else {
        no_content(r);
    }
}

void admin_delete_series(struct http_request *r, void *ctx)
{
    const struct api_context *api = ctx;
    auto_selection s;
    if (!may_change(r) || !selection_read(r, &s)) {
        return;
    }
    if (!s.n) {
        prom_error(r, "bad_data", "no match[] parameter provided");
        return;
    }
    for (size_t i = 0; i < s.n && !s.empty; i++) {
        struct error err = {0};
        size_t series = 0;
        int rc = store_delete_series(api->store, s.v[i].matchers, s.v[i].n, s.start_ms, s.end_ms, &series, &err);
        if (rc) {
            prom_fail(r, rc, &err);
            return;
        }
    }
    no_content(r);
}

/* What is deleted is gone at once: there are no tombstones. */
void admin_clean_tombstones(struct http_request *r, void *ctx)
{
    (void)ctx;
    if (may_change(r)) {
        no_content(r);
    }
}

/* As Prometheus names them: time and 64 random bits. */
static struct str snapshot_name(struct http_request *r)
{
    int64_t now_ms = clock_wall_ms();
    time_t now_s = (time_t)(now_ms / 1000);
    struct tm tm = {0};
    char text[32];
    uint64_t noise = (uint64_t)now_ms;
    (void)!getrandom(&noise, sizeof(noise), GRND_NONBLOCK);
    (void)gmtime_r(&now_s, &tm);
    (void)strftime(text, sizeof(text), "%Y%m%dT%H%M%SZ", &tm);
    return arena_printf(http_arena(r), "%s-%016llx", text, (unsigned long long)noise);
}

void admin_snapshot(struct http_request *r, void *ctx)
{
    const struct api_context *api = ctx;
    struct error err = {0};
    if (!may_change(r)) {
        return;
    }
    struct str name = snapshot_name(r);
    struct str folder = arena_printf(http_arena(r), STR_FMT "/snapshots", STR_ARG(api->data_dir));
    if (mkdir(arena_cstr(http_arena(r), folder), 0700) && errno != EEXIST) {
        prom_error(r, "internal", STR_FMT " cannot be made: %s", STR_ARG(folder), error_text(-errno));
        return;
    }
    struct str target = arena_printf(http_arena(r), STR_FMT "/" STR_FMT, STR_ARG(folder), STR_ARG(name));
    int rc = store_backup(api->store, arena_cstr(http_arena(r), target), NULL, NULL, &err);
    if (rc) {
        prom_error(r, rc == ERR_FULL || rc == -ENOSPC ? "unavailable" : "internal", "%s", err.text);
        return;
    }
    struct answer a;
    answer_begin(&a, r);
    json_begin_object(&a.w);
    json_field(&a.w, "name", json_str, name);
    json_end_object(&a.w);
    answer_end(&a, NULL, 0, NULL, 0);
}
