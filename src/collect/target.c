#include "src/base/clock.h"
#include "src/base/counter.h"
#include "src/base/log.h"
#include "src/base/url.h"
#include "src/collect/stale.h"
#include "src/collect/target_config.h"
#include "src/collect/target_internal.h"

#include <stdint.h>
#include <unistd.h>

enum health { HEALTH_UNKNOWN, HEALTH_UP, HEALTH_DOWN };
static const char *const health_names[] = {"unknown", "up", "down"};

/* One collection's memory. Two of them take turns: the batch before is needed to see which series are gone. */
struct scrape {
    struct arena arena;
    struct batch batch;
};

struct target {
    struct target_env env;
    const struct collector *collector;
    struct arena arena; /* config, labels, names: small, freed with the target */
    struct config_target config;
    struct str job, instance, group;
    struct labels common;
    void *state;
    bool started; /* collector->start() succeeded: stop() is owed */
    bool stopping;
    struct error start_error;
    const char *up_metric, *up_help;

    struct loop_timer *tick, *deadline, *nudge;
    uint64_t ticket; /* of the newest collection */
    bool running;
    int64_t begun_ms, begun_us, begun_wall_ms; /* monotonic, monotonic, wall */
    struct scrape scrapes[2];
    int current; /* the one being filled; the other was the last the sink took */

    enum health health;
    struct error failure; /* code 0 while up */
    struct buf hint;
    int64_t last_scrape_ms, last_success_ms; /* wall; 0: never */
    double last_duration_s;
    size_t last_samples;
    bool sink_full;

    loop_fn stopped;
    void *stopped_ctx;
};

/* ---- what collectors ask ---- */

struct loop *target_loop(struct target *target)
{
    return target->env.loop;
}

struct sink *target_sink(struct target *target)
{
    return target->env.sink;
}

struct board *target_board(struct target *target)
{
    return target->env.board;
}

struct feed *target_feed(struct target *target)
{
    return target->env.feed;
}

const struct config_target *target_config(const struct target *target)
{
    return &target->config;
}

void target_set_state(struct target *target, void *state)
{
    target->state = state;
}

void *target_state(struct target *target)
{
    return target->state;
}

void target_set_up_metric(struct target *target, const char *name, const char *help)
{
    target->up_metric = name;
    target->up_help = help;
}

static void changed(struct target *target)
{
    if (target->env.changed) {
        target->env.changed(target->env.ctx);
    }
}

void target_set_hint(struct target *target, struct str hint)
{
    if (str_eq(buf_str(&target->hint), hint)) {
        return;
    }
    buf_clear(&target->hint);
    buf_add(&target->hint, hint);
    changed(target);
}

static void set_common_labels(struct target *target)
{
    struct labels_builder b;
    labels_builder_from(&b, &target->arena, target->config.labels);
    labels_set(&b, STR("job"), target->job);
    labels_set(&b, STR("instance"), target->instance);
    target->common = labels_finish(&b, true);
}

/* The old label set is not freed: series of the last batch may still point at it. It is a few bytes, and an instance
 * changes only when a server turns out to be called something else than its URL. */
void target_set_instance(struct target *target, struct str instance)
{
    if (instance.len == 0 || str_eq(target->instance, instance)) {
        return;
    }
    target->instance = arena_dup(&target->arena, instance);
    set_common_labels(target);
}

struct batch *target_batch(struct target *target, uint64_t ticket)
{
    return target->running && target->ticket == ticket ? &target->scrapes[target->current].batch : NULL;
}

/* ---- making ---- */

bool target_config_same(const struct target *target, const struct config_target *config)
{
    struct arena arena;
    arena_init(&arena);
    /* through the copy, so that defaults are filled in as they were in ours */
    struct config_target other = target_config_dup(&arena, config);
    bool same = target_config_equal(&target->config, &other);
    arena_release(&arena);
    return same;
}

static int default_port(struct str scheme)
{
    if (str_starts(scheme, STR("postgres"))) {
        return 5432;
    }
    return str_starts(scheme, STR("redis")) ? 6379 : 0;
}

struct str target_default_instance(struct arena *arena, struct str url_text)
{
    struct url url;
    if (url_text.len && url_parse(url_text, arena, &url, NULL) == 0) {
        int port = url.port ? url.port : default_port(url.scheme);
        if (url.host.len && port) {
            return arena_printf(arena, STR_FMT ":%d", STR_ARG(url.host), port);
        }
        if (url.host.len || url.path.len) {
            return arena_dup(arena, url.host.len ? url.host : url.path);
        }
    }
    char name[256] = "";
    if (gethostname(name, sizeof(name) - 1) != 0 || !name[0]) {
        return STR("localhost");
    }
    return arena_dup(arena, str_of(name));
}

struct target *target_new(const struct target_env *env, const struct collector *collector,
                          const struct config_target *config)
{
    struct target *target = mem_zalloc(sizeof(*target));
    target->env = *env;
    target->collector = collector;
    arena_init(&target->arena);
    arena_init(&target->scrapes[0].arena);
    arena_init(&target->scrapes[1].arena);
    buf_init(&target->hint, 8192);
    target->config = target_config_dup(&target->arena, config);
    target->job = target->config.job.len ? target->config.job : str_of(collector->name);
    target->instance = target_default_instance(&target->arena, target->config.url);
    target->group = arena_printf(&target->arena, "%s/" STR_FMT, collector->name, STR_ARG(target->config.name));
    set_common_labels(target);
    return target;
}

void target_free(struct target *target)
{
    if (!target) {
        return;
    }
    for (int i = 0; i < 2; i++) {
        batch_release(&target->scrapes[i].batch);
        arena_release(&target->scrapes[i].arena);
    }
    buf_release(&target->hint);
    arena_release(&target->arena);
    mem_free(target);
}

/* ---- one collection ---- */

static void begin(struct target *target);

static void on_deadline(void *ctx)
{
    struct target *target = ctx;
    struct buf text = {0};
    buf_init(&text, 64);
    duration_format(target->config.timeout_ms, &text);
    struct error failure = {0};
    error_set(&failure, ERR_TIMEOUT, "no answer within " STR_FMT, STR_ARG(buf_str(&text)));
    buf_release(&text);
    /* what came so far is half a picture: it is dropped, so that the series it lacks do not look like real zeros */
    struct batch *batch = target_batch(target, target->ticket);
    if (batch) {
        vec_clear(&batch->samples);
        vec_clear(&batch->families);
    }
    target_done(target, target->ticket, &failure);
}

static void on_tick(void *ctx)
{
    struct target *target = ctx;
    if (target->running) {
        if (clock_mono_ms() - target->begun_ms < target->config.timeout_ms) {
            return; /* a nudged collection is still within its time */
        }
        on_deadline(target);
    }
    begin(target);
}

static void on_nudge(void *ctx)
{
    struct target *target = ctx;
    loop_assert();
    loop_timer_stop(target->nudge);
    target->nudge = NULL;
    if (!target->running) {
        begin(target);
    }
}

void target_nudge(struct target *target)
{
    loop_assert();
    if (target->running || target->nudge || target->stopping || !target->started) {
        return;
    }
    int64_t since = clock_mono_ms() - target->begun_ms;
    int64_t delay = target->ticket == 0 || since >= 1000 ? 0 : 1000 - since;
    target->nudge = loop_timer_start(target->env.loop, delay, 0, on_nudge, target);
}

static void begin(struct target *target)
{
    loop_assert();
    if (target->stopping) {
        return;
    }
    self_add(SELF_SCRAPES, 1);
    target->ticket++;
    target->running = true;
    target->begun_ms = clock_mono_ms();
    target->begun_us = clock_mono_us();
    target->begun_wall_ms = clock_wall_ms();
    struct scrape *scrape = &target->scrapes[target->current];
    batch_release(&scrape->batch);
    arena_clear(&scrape->arena);
    batch_init(&scrape->batch, &scrape->arena, target->group, target->begun_wall_ms, target->common);
    if (target->start_error.code) {
        target_done(target, target->ticket, &target->start_error);
        return;
    }
    target->deadline = loop_timer_start(target->env.loop, target->config.timeout_ms, 0, on_deadline, target);
    target->collector->collect(target, target->ticket);
}

/* ---- its end ---- */

static void publish_health(struct target *target, int64_t now_ms)
{
    struct buf json = {0};
    buf_init(&json, 4096);
    struct json_writer w;
    json_init(&w, &json);
    json_begin_object(&w);
    json_field(&w, "t", json_seconds, now_ms);
    json_field(&w, "name", json_str, target->group);
    json_field(&w, "health", json_str, str_of(health_names[target->health]));
    json_field(&w, "error", json_str, str_of(target->failure.text));
    json_end_object(&w);
    feed_publish(target->env.feed, "target", buf_str(&json));
    buf_release(&json);
}

static void set_health(struct target *target, const struct error *failure)
{
    enum health health = failure ? HEALTH_DOWN : HEALTH_UP;
    target->failure = failure ? *failure : (struct error){0};
    if (health == target->health) {
        return;
    }
    target->health = health;
    publish_health(target, clock_wall_ms());
    if (failure) {
        log_warn("target: down", KV_S("target", target->group), KV_S("instance", target->instance),
                 KV_STR("error", failure->text));
    } else {
        log_info("target: up", KV_S("target", target->group), KV_S("instance", target->instance));
    }
}

static void add_report(struct target *target, struct batch *batch, bool up, size_t samples)
{
    double duration_s = (double)(clock_mono_us() - target->begun_us) / 1e6;
    batch_family(batch, STR("up"), METRIC_GAUGE, STR("1 if the last collection of this target succeeded, else 0."));
    batch_add(batch, STR("up"), NULL, 0, up);
    if (target->up_metric) {
        batch_family(batch, str_of(target->up_metric), METRIC_GAUGE, str_of(target->up_help));
        batch_add(batch, str_of(target->up_metric), NULL, 0, up);
    }
    batch_family(batch, STR("scrape_duration_seconds"), METRIC_GAUGE, STR("Time the collection took."));
    batch_add(batch, STR("scrape_duration_seconds"), NULL, 0, duration_s);
    batch_family(batch, STR("scrape_samples_scraped"), METRIC_GAUGE, STR("Samples the collection gave."));
    batch_add(batch, STR("scrape_samples_scraped"), NULL, 0, (double)samples);
    target->last_duration_s = duration_s;
    target->last_samples = samples;
}

/* The store's queue has no room: a gap, shown once and counted by sample. */
static void on_refused(struct target *target, const struct batch *batch, int code)
{
    self_add(SELF_SAMPLES_REJECTED, (int64_t)batch->samples.len);
    if (target->sink_full) {
        return;
    }
    target->sink_full = true;
    log_warn("target: samples not stored", KV_S("target", target->group), KV_STR("error", error_text(code)));
    struct buf json = {0};
    buf_init(&json, 1024);
    struct json_writer w;
    json_init(&w, &json);
    json_begin_object(&w);
    json_field(&w, "t", json_seconds, clock_wall_ms());
    json_field(&w, "from", json_seconds, batch->t_ms);
    json_field(&w, "to", json_seconds, batch->t_ms);
    json_field(&w, "reason", json_str, STR("the store's queue is full"));
    json_end_object(&w);
    feed_publish(target->env.feed, "gap", buf_str(&json));
    buf_release(&json);
}

/* Hands the batch on, with stale markers for what is gone. Only an accepted batch becomes the one to compare with: the
 * markers of a refused one are due again. */
static void deliver(struct target *target)
{
    struct batch *batch = &target->scrapes[target->current].batch;
    const struct batch *before = &target->scrapes[1 - target->current].batch;
    size_t live = batch->samples.len;
    stale_append(batch, before);
    int rc = target->env.sink->append(target->env.sink->ctx, batch);
    if (rc != 0) {
        on_refused(target, batch, rc);
        return;
    }
    if (target->sink_full) {
        target->sink_full = false;
        log_info("target: samples stored again", KV_S("target", target->group));
    }
    batch->samples.len = live;
    target->current = 1 - target->current;
}

void target_done(struct target *target, uint64_t ticket, const struct error *failure)
{
    loop_assert();
    struct batch *batch = target_batch(target, ticket);
    if (!batch) {
        return;
    }
    struct error over = {0};
    if (batch->samples.len > TARGET_SAMPLES_MAX) {
        error_set(&over, ERR_LIMIT,
                  "%zu samples in one collection, at most %d are taken: watch fewer databases or keys",
                  batch->samples.len, TARGET_SAMPLES_MAX);
        vec_clear(&batch->samples);
        failure = &over;
    }
    if (failure && failure->code == 0) {
        failure = NULL;
    }
    loop_timer_stop(target->deadline);
    target->deadline = NULL;
    add_report(target, batch, !failure, batch->samples.len);
    target->running = false;
    target->last_scrape_ms = target->begun_wall_ms;
    if (failure) {
        self_add(SELF_SCRAPE_FAILURES, 1);
    } else {
        target->last_success_ms = target->begun_wall_ms;
    }
    deliver(target);
    set_health(target, failure);
    changed(target);
}

/* ---- start, stop ---- */

void target_start(struct target *target, int64_t first_delay_ms)
{
    loop_assert();
    if (target->collector->start(target, &target->start_error) == 0) {
        target->started = true;
    } else if (target->start_error.code == 0) {
        error_set(&target->start_error, ERR_CONFIG, "the collector could not start");
    }
    target->tick = loop_timer_start(target->env.loop, first_delay_ms, target->config.interval_ms, on_tick, target);
    changed(target);
}

static void end_series(struct target *target)
{
    struct scrape *scrape = &target->scrapes[target->current];
    batch_release(&scrape->batch);
    arena_clear(&scrape->arena);
    batch_init(&scrape->batch, &scrape->arena, target->group, clock_wall_ms(), target->common);
    stale_append(&scrape->batch, &target->scrapes[1 - target->current].batch);
    if (scrape->batch.samples.len && target->env.sink->append(target->env.sink->ctx, &scrape->batch) != 0) {
        self_add(SELF_SAMPLES_REJECTED, (int64_t)scrape->batch.samples.len);
    }
}

void target_stop(struct target *target, bool removed, loop_fn stopped, void *ctx)
{
    loop_assert();
    target->stopping = true;
    target->running = false;
    target->stopped = stopped;
    target->stopped_ctx = ctx;
    loop_timer_stop(target->tick);
    loop_timer_stop(target->deadline);
    loop_timer_stop(target->nudge);
    target->tick = target->deadline = target->nudge = NULL;
    if (removed) {
        end_series(target);
    }
    if (target->started) {
        target->collector->stop(target);
    } else {
        target_stopped(target);
    }
}

void target_stopped(struct target *target)
{
    loop_assert();
    loop_fn stopped = target->stopped;
    if (stopped) {
        target->stopped = NULL;
        stopped(target->stopped_ctx);
    }
}

/* ---- what the targets page shows ---- */

static struct str hint_of(const struct target *target)
{
    if (target->hint.len) {
        return buf_str(&target->hint);
    }
    switch (target->failure.code) {
    case 0:
        return STR("");
    case ERR_AUTH:
        return STR("Check user and password in the target's url.");
    case ERR_NOT_FOUND:
        return STR("Check the host name in the target's url.");
    case ERR_CONNECT:
        return STR("Is the server running, and does it listen on this address?");
    case ERR_TIMEOUT:
        return STR("The server accepts but does not answer, or a firewall drops packets.");
    default:
        return STR("");
    }
}

static void json_time(struct json_writer *w, int64_t wall_ms)
{
    struct buf text = {0};
    buf_init(&text, 64);
    if (wall_ms) {
        clock_format_rfc3339(wall_ms, &text);
    }
    json_str(w, buf_str(&text));
    buf_release(&text);
}

static void json_duration(struct json_writer *w, int64_t ms)
{
    struct buf text = {0};
    buf_init(&text, 64);
    duration_format(ms, &text);
    json_str(w, buf_str(&text));
    buf_release(&text);
}

static void json_labels(struct json_writer *w, struct labels labels)
{
    json_begin_object(w);
    for (uint32_t i = 0; i < labels.n; i++) {
        json_key(w, labels.v[i].name);
        json_str(w, labels.v[i].value);
    }
    json_end_object(w);
}

void target_json(const struct target *target, struct json_writer *w)
{
    struct arena arena;
    arena_init(&arena);
    struct str url = target->config.url.len
                         ? url_redact(target->config.url, &arena)
                         : arena_printf(&arena, "%s://" STR_FMT, target->collector->name, STR_ARG(target->instance));
    json_begin_object(w);
    json_key(w, STR("discoveredLabels"));
    json_begin_object(w);
    json_field(w, "__address__", json_str, target->instance);
    json_field(w, "job", json_str, target->job);
    json_end_object(w);
    json_key(w, STR("labels"));
    json_labels(w, target->common);
    json_field(w, "scrapePool", json_str, target->job);
    json_field(w, "scrapeUrl", json_str, url);
    json_field(w, "globalUrl", json_str, url);
    json_field(w, "lastError", json_str, str_of(target->failure.text));
    json_key(w, STR("lastScrape"));
    if (target->last_scrape_ms) {
        json_time(w, target->last_scrape_ms);
    } else {
        json_str(w, STR("0001-01-01T00:00:00Z")); /* Prometheus' "never": its clients parse a time here */
    }
    json_field(w, "lastScrapeDuration", json_double, target->last_duration_s);
    json_field(w, "health", json_str, str_of(health_names[target->health]));
    json_key(w, STR("scrapeInterval"));
    json_duration(w, target->config.interval_ms);
    json_key(w, STR("scrapeTimeout"));
    json_duration(w, target->config.timeout_ms);
    json_field(w, "collector", json_str, str_of(target->collector->name));
    json_field(w, "name", json_str, target->config.name);
    json_key(w, STR("lastSuccess"));
    json_time(w, target->last_success_ms);
    json_field(w, "samples", json_int, (int64_t)target->last_samples);
    json_field(w, "hint", json_str, hint_of(target));
    json_end_object(w);
    arena_release(&arena);
}
