/*
 * The fleet into a store of this process, the way remote write goes (store_write()) and the way collectors go
 * (store_append()), without HTTP.
 *
 * Ownership: a feed holds hosts and label texts; feed_release(). Threads: one at a time.
 */
#pragma once
#include "storage/store.h"
#include "tests/bench/store/bench.h"
#include "tests/bench/store/fleet.h"

#define FEED_HOSTS 10 /* of one request: 1,000 series */

struct feed {
    struct fleet_host *hosts;
    struct labels *labels; /* of all series */
    struct str *keys;      /* as a sender's bytes: what names the series in one piece */
    size_t count;          /* hosts */
    struct arena arena;
};

static inline struct store *feed_open(const struct store_options *options)
{
    struct store *store = NULL;
    struct error err = {0};
    if (store_open(options, &store, &err)) {
        bench_fail("store_open: %s", err.text);
    }
    return store;
}

/* Hosts numbered from `first` on. A used feed is released first. */
static inline void feed_init(struct feed *feed, uint32_t first, size_t hosts)
{
    *feed = (struct feed){.count = hosts};
    arena_init(&feed->arena);
    feed->hosts = mem_alloc(hosts * sizeof(*feed->hosts));
    feed->labels = mem_alloc(hosts * FLEET_SERIES * sizeof(*feed->labels));
    feed->keys = mem_alloc(hosts * FLEET_SERIES * sizeof(*feed->keys));
    for (size_t h = 0; h < hosts; h++) {
        fleet_host_init(&feed->hosts[h], first + (uint32_t)h);
        for (size_t i = 0; i < FLEET_SERIES; i++) {
            struct labels labels = fleet_labels(&feed->hosts[h], i, &feed->arena);
            auto_buf key;
            buf_init(&key, 4096);
            labels_print(labels, &key);
            feed->labels[h * FLEET_SERIES + i] = labels;
            feed->keys[h * FLEET_SERIES + i] = arena_dup(&feed->arena, buf_str(&key));
        }
    }
}

static inline void feed_release(struct feed *feed)
{
    mem_free(feed->hosts);
    mem_free(feed->labels);
    mem_free(feed->keys);
    arena_release(&feed->arena);
}

static inline void feed_step(struct feed *feed)
{
    for (size_t h = 0; h < feed->count; h++) {
        fleet_host_step(&feed->hosts[h]);
    }
}

struct feed_request {
    const struct labels *labels;
};

static inline int feed_labels(void *ctx, size_t i, struct arena *arena, struct labels *out, struct error *err)
{
    (void)arena;
    (void)err;
    *out = ((const struct feed_request *)ctx)->labels[i];
    return 0;
}

/* One sample of every series of some hosts, as one request. */
static inline void feed_write_hosts(const struct feed *feed, struct store *store, size_t from, size_t to,
                                    int64_t step_ms, int64_t interval_ms)
{
    struct write_series series[FEED_HOSTS * FLEET_SERIES];
    struct write_sample samples[FEED_HOSTS * FLEET_SERIES];
    uint32_t n = 0;
    for (size_t h = from; h < to; h++) {
        int64_t t_ms = fleet_time(&feed->hosts[h], step_ms, interval_ms);
        for (size_t i = 0; i < FLEET_SERIES; i++, n++) {
            series[n] = (struct write_series){.key = feed->keys[h * FLEET_SERIES + i], .first = n, .count = 1};
            samples[n] = (struct write_sample){t_ms, feed->hosts[h].v[i]};
        }
    }
    struct feed_request ctx = {feed->labels + from * FLEET_SERIES};
    struct write_request request = {.group = STR("bench"),
                                    .series = series,
                                    .series_count = n,
                                    .samples = samples,
                                    .sample_count = n,
                                    .labels = feed_labels,
                                    .ctx = &ctx};
    struct write_result result;
    int rc = store_write(store, &request, &result);
    if (rc || result.samples != n) {
        bench_fail("store_write: %s, %zu of %u samples taken; %s", error_text(rc), result.samples, n,
                   result.first.text);
    }
}

static inline void feed_write(const struct feed *feed, struct store *store, int64_t step_ms, int64_t interval_ms)
{
    for (size_t h = 0; h < feed->count; h += FEED_HOSTS) {
        size_t to = h + FEED_HOSTS < feed->count ? h + FEED_HOSTS : feed->count;
        feed_write_hosts(feed, store, h, to, step_ms, interval_ms);
    }
}
