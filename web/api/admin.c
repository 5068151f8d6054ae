/* /api/v1/admin/tsdb/…: what changes the store as a whole. Not for pages of other origins. */
#include "src/base/clock.h"
#include "web/api/endpoints.h"
#include "web/api/prom.h"

#include <errno.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>

static void answer_done(struct http_request *r, int rc, const struct error *err)
{
    if (rc) {
        prom_fail(r, rc, err);
    } else {
        http_respond(r, 204, NULL, (struct str){0});
    }
}

void admin_flush(struct http_request *r, void *ctx)
{
    const struct api_context *api = ctx;
    if (prom_same_origin(r)) {
        answer_done(r, store_flush(api->store), NULL);
    }
}

void admin_delete_series(struct http_request *r, void *ctx)
{
    const struct api_context *api = ctx;
    auto_selection selection = {0};
    if (!prom_same_origin(r) || !selection_read(r, &selection)) {
        return;
    }
    if (selection.n == 0) {
        prom_error(r, "bad_data", "no match[] parameter provided");
        return;
    }
    struct error err = {0};
    int rc = 0;
    size_t series;
    for (size_t i = 0; rc == 0 && !selection.empty && i < selection.n; i++) {
        rc = store_delete_series(api->store, selection.v[i].matchers, selection.v[i].n, selection.start_ms,
                                 selection.end_ms, &series, &err);
    }
    answer_done(r, rc, &err);
}

/* What is deleted is gone at once: there are no tombstones. */
void admin_clean_tombstones(struct http_request *r, void *ctx)
{
    (void)ctx;
    if (prom_same_origin(r)) {
        answer_done(r, 0, NULL);
    }
}

/* 20261128T120000Z-1f2e3d4c */
static struct str snapshot_name(struct arena *arena)
{
    uint32_t random = 0;
    (void)!getrandom(&random, sizeof(random), 0);
    time_t now = (time_t)(clock_wall_ms() / 1000);
    struct tm tm;
    char text[32];
    gmtime_r(&now, &tm);
    (void)strftime(text, sizeof(text), "%Y%m%dT%H%M%SZ", &tm);
    return arena_printf(arena, "%s-%08x", text, random);
}

static int make_snapshot(struct http_request *r, const struct api_context *api, struct str name, struct error *err)
{
    struct str folder = arena_printf(http_arena(r), STR_FMT "/snapshots", STR_ARG(api->data_dir));
    if (api->data_dir.len == 0) {
        return error_set(err, ERR_UNSUPPORTED, "this server has no data directory");
    }
    if (mkdir(folder.p, 0700) && errno != EEXIST) {
        return error_set(err, -errno, STR_FMT ": %s", STR_ARG(folder), error_text(-errno));
    }
    struct str target = arena_printf(http_arena(r), STR_FMT "/" STR_FMT, STR_ARG(folder), STR_ARG(name));
    return store_backup(api->store, target.p, NULL, NULL, err);
}

void admin_snapshot(struct http_request *r, void *ctx)
{
    if (!prom_same_origin(r)) {
        return;
    }
    struct str name = snapshot_name(http_arena(r));
    struct error err = {0};
    int rc = make_snapshot(r, ctx, name, &err);
    if (rc) {
        prom_fail(r, rc, &err);
        return;
    }
    struct answer a;
    answer_begin(&a, r);
    json_begin_object(&a.w);
    json_field(&a.w, "name", json_str, name);
    json_end_object(&a.w);
    answer_end(&a, NULL, 0, NULL, 0);
}
