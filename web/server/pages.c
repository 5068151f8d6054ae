/*
 * The embedded pages: assets as they are, index.html at every path that the pages' own router knows.
 *
 * All URLs in index.html are relative to <base>, and <base> is relative to the path asked for ("/d/redis" gets
 * "../"): so the pages work below any sub-path of a proxy without anybody telling us which.
 */
#include "src/base/thread.h"
#include "src/base/url.h"
#include "web/api/api.h"
#include "web/server/embed.h"
#include "web/server/request.h"

#include <civetweb.h>
#include <pthread.h>

#define DEPTH_MAX 3 /* slashes after the first in a page's path, and one */
#define INDEX_MAX (1u << 20)
#define BASE_MARK "<base href=\"/\">"

/* What web/ui/src/main.tsx routes. */
static const char *const page_paths[] = {
    "/",     "/tasks",  "/tasks/{uuid}", "/workers", "/workers/{name}", "/queues",     "/queues/{name}",
    "/live", "/alerts", "/alerts/{id}",  "/explore", "/targets",        "/dashboards", "/dashboards/{uid}",
};
/* Short forms that people type and other tools link to. */
static const struct {
    const char *pattern, *parameter, *page;
} aliases[] = {
    {"/task/{uuid}", "uuid", "tasks"}, {"/worker/{name}", "name", "workers"},    {"/queue/{name}", "name", "queues"},
    {"/d/{uid}", "uid", "dashboards"}, {"/d/{uid}/{slug}", "uid", "dashboards"},
};

struct index_page {
    char *gzip;
    size_t len;
    char etag[40];
};
static struct index_page index_pages[DEPTH_MAX];
static pthread_once_t index_once = PTHREAD_ONCE_INIT;

static const char *const bases[DEPTH_MAX] = {"./", "../", "../../"};

static void inflate_index(struct str gzip, struct buf *out)
{
    z_stream z = {.next_in = (const Bytef *)gzip.p, .avail_in = (uInt)gzip.len};
    char *to = buf_reserve(out, INDEX_MAX - 1);
    z.next_out = (Bytef *)to;
    z.avail_out = INDEX_MAX - 1;
    invariant(inflateInit2(&z, 15 + 16) == Z_OK);
    invariant(inflate(&z, Z_FINISH) == Z_STREAM_END); /* our own file, and small */
    out->len = z.total_out;
    inflateEnd(&z);
}

static void deflate_index(struct str html, struct index_page *page)
{
    z_stream z = {0};
    invariant(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    size_t bound = deflateBound(&z, html.len) + 64;
    page->gzip = mem_alloc(bound);
    z.next_in = (const Bytef *)html.p;
    z.avail_in = (uInt)html.len;
    z.next_out = (Bytef *)page->gzip;
    z.avail_out = (uInt)bound;
    invariant(deflate(&z, Z_FINISH) == Z_STREAM_END);
    page->len = z.total_out;
    deflateEnd(&z);
}

/* One index.html for each depth, made once: the file says <base href="/">. */
static void make_index_pages(void)
{
    const struct embedded_file *file = embedded_find(STR("index.html"));
    invariant(file);
    auto_buf html;
    buf_init(&html, INDEX_MAX);
    inflate_index(embedded_bytes(file), &html);
    ptrdiff_t at = str_find(buf_str(&html), STR(BASE_MARK));
    invariant(at >= 0);
    for (int depth = 0; depth < DEPTH_MAX; depth++) {
        auto_buf page;
        buf_init(&page, INDEX_MAX + 256);
        buf_add(&page, str_slice(buf_str(&html), 0, (size_t)at));
        buf_addf(&page, "<base href=\"%s\">", bases[depth]);
        buf_add(&page, str_slice(buf_str(&html), (size_t)at + sizeof(BASE_MARK) - 1, html.len));
        deflate_index(buf_str(&page), &index_pages[depth]);
        (void)snprintf(index_pages[depth].etag, sizeof(index_pages[depth].etag), "%s-%d", file->etag, depth);
    }
}

/* Folders between the root and the path: 0 for "/tasks". */
static int depth_of(struct str path)
{
    int depth = -1;
    for (size_t i = 0; i < path.len; i++) {
        depth += path.p[i] == '/';
    }
    return depth < DEPTH_MAX ? depth : DEPTH_MAX - 1;
}

static void serve_index(struct http_request *r, void *ctx)
{
    (void)ctx;
    pthread_once(&index_once, make_index_pages);
    const struct index_page *page = &index_pages[depth_of(http_path(r))];
    http_respond_static(r, "text/html; charset=utf-8", str_make(page->gzip, page->len), page->etag, false);
}

static void redirect_alias(struct http_request *r, void *ctx)
{
    size_t i = (size_t)(uintptr_t)ctx;
    struct str query = str_of(r->info->query_string);
    struct str raw = route_param(&r->match, str_of(aliases[i].parameter)); /* as it came: encoded */
    http_set_header(r, "Location",
                    arena_printf(http_arena(r), "%s%s/" STR_FMT "%s" STR_FMT, bases[depth_of(http_path(r))],
                                 aliases[i].page, STR_ARG(raw), query.len ? "?" : "", STR_ARG(query)));
    http_respond(r, 307, NULL, (struct str){0});
}

/* Prometheus' address of an expression, as its users and our notifications write it: the page Explore. */
static void redirect_graph(struct http_request *r, void *ctx)
{
    (void)ctx;
    struct str expr = http_param(r, "g0.expr");
    struct str encoded = url_encode(expr, http_arena(r));
    http_set_header(r, "Location",
                    arena_printf(http_arena(r), "explore%s" STR_FMT, expr.len ? "?q=" : "", STR_ARG(encoded)));
    http_respond(r, 307, NULL, (struct str){0});
}

/* Names of assets hold a hash of their bytes. */
static void serve_asset(struct http_request *r, void *ctx)
{
    (void)ctx;
    struct str path = http_path(r);
    const struct embedded_file *file = embedded_find(str_slice(path, 1, path.len));
    if (file) {
        http_respond_static(r, file->content_type, embedded_bytes(file), file->etag, true);
    } else {
        http_respond_error(r, 404, "not_found", STR("there is nothing at this path"));
    }
}

void pages_register(struct http_server *server, struct api_context *context)
{
    for (size_t i = 0; i < sizeof(page_paths) / sizeof(page_paths[0]); i++) {
        http_route(server, HTTP_GET, page_paths[i], serve_index, context);
    }
    for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++) {
        http_route(server, HTTP_GET, aliases[i].pattern, redirect_alias, (void *)(uintptr_t)i);
    }
    http_route(server, HTTP_GET, "/graph", redirect_graph, context);
    http_route(server, HTTP_GET, "/assets/{rest*}", serve_asset, context);
}
