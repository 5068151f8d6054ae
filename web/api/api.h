/*
 * The HTTP APIs: Prometheus' under /api/v1, cloche's own under /api/ui (web/api/README.md has the shapes), health under
 * /-/.
 *
 * A file per endpoint or small family. Handlers read snapshots and board documents; what changes something goes to the
 * loop with a deadline. Threads: web threads.
 */
#pragma once
#include "config/config.h"
#include "src/base/board.h"
#include "src/base/feed.h"
#include "src/query/cache.h"
#include "web/server/server.h"

struct api_context {
    struct store *store;
    struct board *board;
    struct feed *feed;
    const char *version, *revision;
    int64_t start_wall_ms, start_mono_ms;
    /* A reload changes these while web threads read them. */
    _Atomic int64_t query_timeout_ms;
    _Atomic int64_t config_wall_ms; /* when the configuration in use was loaded; 0: at the start */
    _Atomic bool reload_failed;     /* the last reload; what was before it stays in use */
    _Atomic uint64_t query_max_samples, query_max_series; /* series 0: any number */
    _Atomic size_t query_max_memory;                      /* 0: 1 GiB */
    _Atomic int query_max_concurrency;                    /* 0: 20 */
    _Atomic int64_t query_log_slower_ms;                  /* 0: none is logged */
    _Atomic int64_t scrape_interval_ms;                   /* default of targets, for $__rate_interval */

    struct query_cache *query_cache; /* NULL: none */
    int64_t retention_ms;            /* of raw samples; 0: for ever */
    struct str data_dir;
    struct str dashboards_dir; /* more dashboards, re-read on request; may be empty */
    bool store_only;
    /* Reloads the configuration on the loop; blocks at most 5 s. */
    int (*reload)(void *ctx, struct error *err);
    void *reload_ctx;
};
void api_register(struct http_server *server, struct api_context *context);
void pages_register(struct http_server *server,
                    struct api_context *context); /* web/server/pages.c: embedded UI, SPA paths */
