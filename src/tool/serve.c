/* The daemon: opens the store, starts loop, collectors, alerts and web, and takes them down in the opposite order. */
#include "alerts/alerts.h"
#include "src/base/clock.h"
#include "src/base/counter.h"
#include "src/base/log.h"
#include "src/collect/scheduler.h"
#include "src/loop/loop_http.h"
#include "src/query/features.h"
#include "src/tool/demo.h"
#include "src/tool/publish.h"
#include "src/tool/tool.h"
#include "web/api/api.h"

#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

enum {
    RELOAD_TIMEOUT_MS = 5000,
    STOP_LIMIT_S = 5,        /* the process ends then, whatever still hangs */
    PAGES_THREADS = 256,     /* one a connection: pages watch live */
    STORE_ONLY_THREADS = 64, /* no pages that watch live: senders and queries */
    FEED_SLOTS = 4096,
    FEED_BYTES = 2 << 20,
    LAG_PERIOD_MS = 100,
    LAG_WINDOW_MS = 60000,
    DAMAGE_PERIOD_MS = 10000, /* a query over many damaged blocks must not flood the log */
};

struct daemon {
    struct config_overrides overrides;
    struct config *config;
    struct config *started; /* the first one: web threads read texts of it */
    struct demo *demo;
    struct store *store;
    struct sink sink;
    struct board *board;
    struct feed *feed;
    struct loop *loop;
    struct http_client *http;
    struct scheduler *scheduler;
    struct alerts *alerts;
    struct http_server *server;
    struct api_context api;
    struct loop_timer *lag_timer;
    int64_t lag_expected_us, lag_max_us, lag_since_ms;
    uint64_t damages_told;
    int64_t damages_told_ms;
    int stopping; /* parts that have yet to stop */
    bool stop_asked;
};

int tool_fail(int status, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fputs("cloche: ", stderr);
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
    va_end(args);
    return status;
}

int tool_enable_feature(const char *list)
{
    struct error err = {0};
    return query_features_enable(str_of(list), &err) ? tool_fail(2, "--enable-feature: %s", err.text) : 0;
}

int tool_enable_features(const struct config *config, struct error *err)
{
    struct error why = {0};
    for (size_t i = 0; i < config->enabled_feature_count; i++) {
        if (query_features_enable(config->enabled_features[i], &why)) {
            return error_set(err, ERR_CONFIG, "\"enable_feature\": %s", why.text);
        }
    }
    return 0;
}

/* -- options -- */

struct serve_options {
    struct config_overrides overrides;
    bool demo;
};

static int parse_options(int argc, char **argv, struct serve_options *out)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'}, {"listen", required_argument, NULL, 'l'},
        {"data", required_argument, NULL, 'd'},   {"retention", required_argument, NULL, 'r'},
        {"store-only", no_argument, NULL, 's'},   {"enable-feature", required_argument, NULL, 'f'},
        {"demo", no_argument, NULL, 'm'},         {0},
    };
    optind = 1;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (c) {
        case 'c':
            out->overrides.file = str_of(optarg);
            break;
        case 'l':
            out->overrides.listen = str_of(optarg);
            break;
        case 'd':
            out->overrides.data_dir = str_of(optarg);
            break;
        case 'r':
            out->overrides.retention = str_of(optarg);
            break;
        case 's':
            out->overrides.store_only = true;
            break;
        case 'm':
            out->demo = true;
            break;
        case 'f':
            if (tool_enable_feature(optarg)) {
                return 2;
            }
            break;
        default:
            return tool_fail(2, "see cloche --help");
        }
    }
    if (optind < argc) {
        return tool_fail(2, "serve takes no argument \"%s\"; see cloche --help", argv[optind]);
    }
    if (out->demo && (out->overrides.file.len || out->overrides.store_only)) {
        return tool_fail(2, "--demo brings its own configuration: leave out --config and --store-only");
    }
    return 0;
}

static int web_threads(const struct daemon *d)
{
    return d->overrides.store_only ? STORE_ONLY_THREADS : PAGES_THREADS;
}

static void publish_config(struct daemon *d)
{
    publish_all(d->board, &(struct published){.now = d->config,
                                              .started = d->started,
                                              .store_only = d->overrides.store_only,
                                              .max_connections = web_threads(d),
                                              .demo_sink_url = d->demo ? demo_sink_url(d->demo) : NULL});
}

/* Web threads read them one by one: nothing needs two of them to be of one moment. */
static void apply_query_options(struct api_context *api, const struct config *config)
{
    api->query_timeout_ms = config->query_timeout_ms;
    api->query_max_samples = (uint64_t)config->query_max_samples;
    api->query_max_series = (uint64_t)config->query_max_series;
    api->query_max_memory = config->query_max_memory;
    api->query_max_concurrency = (int)config->query_max_concurrency;
    api->query_log_slower_ms = config->query_log_slower_ms;
    api->scrape_interval_ms = config->target_count ? config->targets[0].interval_ms : config->scrape_interval_ms;
}

/* -- reload: all of it or nothing -- */

struct reload_call {
    struct daemon *daemon;
    struct error err;
    int rc;
};

static void tell_what_waits(const struct config *started, const struct config *fresh)
{
    auto_buf names = {0};
    buf_init(&names, 1024);
    config_waiting_options(started, fresh, &names);
    if (names.len) {
        log_warn("config: some options take effect at the next start only", KV_S("options", buf_str(&names)));
    }
}

static int reload_on_loop(struct daemon *d, struct error *err) LOOP_ONLY
{
    struct config *fresh = NULL;
    int rc = config_load(&d->overrides, &fresh, err);
    if (!rc && !d->overrides.store_only) {
        rc = alerts_apply(d->alerts, fresh, err);
    }
    if (rc) {
        config_free(fresh);
        d->api.reload_failed = true;
        log_warn("config: not reloaded, the old one stays", KV_STR("error", err->text));
        return rc;
    }
    tell_what_waits(d->started, fresh);
    if (!d->overrides.store_only) {
        scheduler_apply(d->scheduler, fresh);
    }
    if (d->config != d->started) {
        config_free(d->config);
    }
    d->config = fresh;
    apply_query_options(&d->api, fresh);
    d->api.config_wall_ms = clock_wall_ms();
    d->api.reload_failed = false;
    publish_config(d);
    log_info("config: reloaded", KV_S("file", d->config->file));
    return 0;
}

static void run_reload(void *ctx)
{
    loop_assert();
    struct reload_call *call = ctx;
    call->rc = reload_on_loop(call->daemon, &call->err);
}

static int reload_from_web(void *ctx, struct error *err)
{
    struct reload_call call = {.daemon = ctx};
    int rc = loop_call(call.daemon->loop, run_reload, &call, RELOAD_TIMEOUT_MS);
    if (rc) {
        return error_set(err, rc, "the reload was not carried out: %s", error_text(rc));
    }
    if (call.rc && err) {
        *err = call.err;
    }
    return call.rc;
}

static void on_hangup(void *ctx)
{
    loop_assert();
    struct error err = {0};
    (void)reload_on_loop(ctx, &err); /* it has logged the reason */
}

/* -- stopping -- */

static void part_stopped(void *ctx)
{
    struct daemon *d = ctx;
    if (--d->stopping == 0) {
        loop_stop(d->loop);
    }
}

static void on_terminate(void *ctx)
{
    loop_assert();
    struct daemon *d = ctx;
    if (d->stop_asked) {
        return;
    }
    d->stop_asked = true;
    alarm(STOP_LIMIT_S);
    log_info("stopping", KV_INT("pid", getpid()));
    feed_close(d->feed);
    loop_timer_stop(d->lag_timer);
    d->lag_timer = NULL;
    d->stopping = 2;
    alerts_stop(d->alerts, part_stopped, d);
    scheduler_stop(d->scheduler, part_stopped, d);
}

/* -- the loop's own health, and the demo's -- */

/* Of many at once the newest are told by name. */
static void tell_damage(struct daemon *d, int64_t now_ms)
{
    char text[STORE_DAMAGE_TEXT];
    int64_t untold = 0;
    if (!store_damage(d->store, d->damages_told, text) || now_ms < d->damages_told_ms + DAMAGE_PERIOD_MS) {
        return;
    }
    d->damages_told_ms = now_ms;
    for (; store_damage(d->store, d->damages_told, text); d->damages_told++) {
        if (text[0]) {
            log_warn("store: damaged data was met and left out; the rest is served", KV_STR("what", text));
        } else {
            untold++;
        }
    }
    if (untold) {
        log_warn("store: more damaged data was met and left out", KV_INT("places", untold));
    }
}

static void on_lag_timer(void *ctx)
{
    loop_assert();
    struct daemon *d = ctx;
    int64_t now_us = clock_mono_us();
    int64_t lag = now_us - d->lag_expected_us;
    d->lag_expected_us = now_us + LAG_PERIOD_MS * 1000;
    if (now_us / 1000 - d->lag_since_ms > LAG_WINDOW_MS) {
        d->lag_since_ms = now_us / 1000;
        d->lag_max_us = 0;
    }
    d->lag_max_us = lag > d->lag_max_us ? lag : d->lag_max_us;
    self_set(SELF_LOOP_LAG_MAX_US, d->lag_max_us);
    tell_damage(d, now_us / 1000);
    struct error reason = {0};
    if (demo_has_died(d->demo, &reason)) {
        log_error("demo: ended", KV_STR("reason", reason.text));
    }
}

/* -- starting -- */

static int open_store(struct daemon *d, struct error *err)
{
    auto_arena arena = {0};
    arena_init(&arena);
    struct store_options options = {
        .dir = arena_cstr(&arena, d->config->data_dir),
        .retention_ms = d->config->retention_ms,
        .retention_5m_ms = d->config->retention_5m_ms,
        .retention_1h_ms = d->config->retention_1h_ms,
        .retention_bytes = d->config->retention_bytes,
        .out_of_order_ms = d->config->out_of_order_ms,
        .task_retention_ms = d->config->task_retention_ms,
        .sync_always = d->config->sync_always,
    };
    return store_open(&options, &d->store, err);
}

static int start_web(struct daemon *d, struct error *err)
{
    d->api = (struct api_context){
        .store = d->store,
        .board = d->board,
        .feed = d->feed,
        .version = CLOCHE_VERSION,
        .revision = "",
        .start_wall_ms = clock_wall_ms(),
        .start_mono_ms = clock_mono_ms(),
        .query_cache = d->config->query_cache_bytes ? query_cache_new(d->config->query_cache_bytes) : NULL,
        .retention_ms = d->config->retention_ms,
        .data_dir = d->started->data_dir,
        .dashboards_dir = d->started->dashboards_dir,
        .store_only = d->overrides.store_only,
        .reload = reload_from_web,
        .reload_ctx = d,
    };
    apply_query_options(&d->api, d->config);
    d->server = http_server_new();
    api_register(d->server, &d->api);
    pages_register(d->server, &d->api);
    struct http_server_options options = {
        .listen = d->config->listen,
        .allow_remote = d->config->allow_remote,
        .external_host = d->config->external_url,
        .cors_origin = d->config->cors_origin,
        .threads = web_threads(d),
    };
    return http_server_start(d->server, &options, err);
}

static int start_collecting(struct daemon *d, struct error *err) LOOP_ONLY
{
    d->sink = store_sink(d->store);
    d->http = http_client_new(d->loop);
    d->scheduler = scheduler_new(d->loop, &d->sink, d->board, d->feed);
    d->alerts = alerts_new(d->loop, d->http, d->store, d->board, d->feed);
    publish_config(d);
    if (d->overrides.store_only) {
        return 0;
    }
    int rc = alerts_apply(d->alerts, d->config, err);
    if (!rc) {
        scheduler_apply(d->scheduler, d->config);
    }
    return rc;
}

static int start(struct daemon *d, struct error *err) LOOP_ONLY
{
    int rc = open_store(d, err);
    if (rc) {
        return rc;
    }
    d->board = board_new();
    d->feed = feed_new(FEED_SLOTS, FEED_BYTES);
    d->loop = loop_new();
    rc = start_collecting(d, err);
    rc = rc ? rc : start_web(d, err);
    if (rc) {
        return rc;
    }
    loop_on_signal(d->loop, SIGTERM, on_terminate, d);
    loop_on_signal(d->loop, SIGINT, on_terminate, d);
    loop_on_signal(d->loop, SIGHUP, on_hangup, d);
    d->lag_since_ms = clock_mono_ms();
    d->damages_told_ms = -DAMAGE_PERIOD_MS;
    d->lag_expected_us = clock_mono_us() + LAG_PERIOD_MS * 1000;
    d->lag_timer = loop_timer_start(d->loop, LAG_PERIOD_MS, LAG_PERIOD_MS, on_lag_timer, d);
    return 0;
}

/* After a run: the loop has stopped, nothing of collectors and alerts can call back. */
static void tear_down(struct daemon *d) LOOP_ONLY
{
    http_server_stop(d->server);
    http_server_free(d->server);
    query_cache_free(d->api.query_cache);
    alerts_free(d->alerts);
    scheduler_free(d->scheduler);
    http_client_free(d->http);
    loop_free(d->loop);
    store_close(d->store);
    feed_free(d->feed);
    board_free(d->board);
    if (d->config != d->started) {
        config_free(d->config);
    }
    config_free(d->started);
    demo_stop(d->demo);
}

/* A start that failed half-way: the process ends next, so only what lies outside it is put in order. */
static void give_up(struct daemon *d)
{
    if (d->store) {
        store_close(d->store);
    }
    demo_stop(d->demo);
}

static void say_where(const struct daemon *d)
{
    log_info("serving", KV_S("address", d->config->listen), KV_S("data", d->config->data_dir),
             KV_STR("version", CLOCHE_VERSION));
    fprintf(stderr, "\n  Open http://%.*s/\n", STR_ARG(d->config->listen));
    if (d->demo) {
        fprintf(stderr, "  The demo application needs some seconds to start; its webhook sink shows at %s\n",
                demo_sink_url(d->demo));
    }
    fputc('\n', stderr);
}

int tool_serve(int argc, char **argv)
{
    struct serve_options options = {0};
    int status = parse_options(argc, argv, &options);
    if (status) {
        return status;
    }
    mallopt(M_ARENA_MAX, 2); /* 256 web threads with an arena each would cost memory for nothing */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a write past a file size limit is an error like a full disk, not our end */
    loop_claim();
    loop_assert();
    struct daemon d = {.overrides = options.overrides};
    struct error err = {0};
    int rc = 0;
    if (options.demo) {
        rc = demo_start(&d.demo, &err);
        if (!rc) {
            d.overrides.file = str_of(demo_config_file(d.demo));
            d.overrides.data_dir = d.overrides.data_dir.len ? d.overrides.data_dir : str_of(demo_data_dir(d.demo));
        }
    }
    rc = rc ? rc : config_load(&d.overrides, &d.started, &err);
    d.config = d.started;
    rc = rc ? rc : tool_enable_features(d.config, &err);
    if (!rc) {
        enum log_level level = LOG_INFO;
        (void)log_level_parse(d.config->log_level, &level); /* checked on loading */
        log_set_level(level);
    }
    rc = rc ? rc : start(&d, &err);
    if (rc) {
        give_up(&d);
        return tool_fail(1, "%s", err.text);
    }
    say_where(&d);
    loop_run(d.loop);
    tear_down(&d);
    return 0;
}
