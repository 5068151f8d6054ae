/*
 * A fleet of hosts for the store's benches: 100 series a host, in the shares and with the labels of small installations
 * (Celery, Redis, PostgreSQL, the host itself). Values depend on host number and step alone, so a bench that ends early
 * or runs elsewhere has the same ones.
 *
 * Every 2,000 steps or so a host's workers start anew: their counters and histograms begin at zero again.
 *
 * Ownership: a host holds no memory but its own. Threads: one a host.
 */
#pragma once
#include "src/base/arena.h"
#include "src/model/labels.h"

#include <math.h>

#define FLEET_SERIES     100 /* a host */
#define FLEET_HISTOGRAMS 2
#define FLEET_BUCKETS    12

enum fleet_kind {
    FLEET_BUCKET,
    FLEET_COUNT,
    FLEET_SUM,
    FLEET_COUNTER,
    FLEET_SECONDS,
    FLEET_MANTISSA,
    FLEET_CENTS,
    FLEET_DEGREES,
    FLEET_PAGES,
    FLEET_SLOW,
    FLEET_SLOW_BYTES,
    FLEET_CONSTANT,
    FLEET_KINDS
};

/* A metric and its series: one for each pair of values of its two labels; values are separated by '|'. */
struct fleet_metric {
    enum fleet_kind kind;
    bool of_worker; /* begins anew with the host's workers */
    const char *name, *job, *label[2], *values[2];
};

#define FLEET_TASKS "mail.send|reports.build"
/* Series of one kind stand together; histograms first: buckets, counts, sums. */
static const struct fleet_metric fleet_metrics[] = {
    {FLEET_BUCKET,
     true,
     "celery_task_runtime_seconds_bucket",
     "celery",
     {"name", "le"},
     {FLEET_TASKS, "0.005|0.01|0.02|0.04|0.08|0.16|0.32|0.64|1.28|2.56|5.12|+Inf"}},
    {FLEET_COUNT, true, "celery_task_runtime_seconds_count", "celery", {"name"}, {FLEET_TASKS}},
    {FLEET_SUM, true, "celery_task_runtime_seconds_sum", "celery", {"name"}, {FLEET_TASKS}},
    {FLEET_COUNTER,
     true,
     "celery_tasks_total",
     "celery",
     {"name", "state"},
     {FLEET_TASKS, "received|started|succeeded|failed|retried"}},
    {FLEET_COUNTER, false, "redis_commands_total", "redis", {"cmd"}, {"get|set|lpush|brpop"}},
    {FLEET_SECONDS, false, "node_cpu_seconds_total", "host", {"cpu", "mode"}, {"0|1", "user|system|iowait|idle"}},
    {FLEET_MANTISSA,
     false,
     "pg_statement_mean_seconds",
     "postgres",
     {"database", "statement"},
     {"shop|stock", "1|2|3|4|5|6|7"}},
    {FLEET_CENTS, false, "node_load", "host", {"minutes"}, {"1|5|15"}},
    {FLEET_CENTS, false, "redis_operations_per_second", "redis", {0}, {0}},
    {FLEET_DEGREES, false, "node_temperature_celsius", "host", {"sensor"}, {"core0|core1|board|disk"}},
    {FLEET_PAGES, false, "process_resident_memory_bytes", "celery", {"process"}, {"worker|beat"}},
    {FLEET_SLOW, false, "celery_queue_length", "celery", {"queue"}, {"celery|mail|reports|images|billing|hooks"}},
    {FLEET_SLOW_BYTES, false, "node_filesystem_avail_bytes", "host", {"mountpoint"}, {"/|/boot|/home|/var"}},
    {FLEET_SLOW_BYTES, false, "pg_database_size_bytes", "postgres", {"database"}, {"shop|stock|users|archive"}},
    {FLEET_CONSTANT, false, "up", "celery", {"target"}, {"celery|redis|postgres|host"}},
    {FLEET_CONSTANT, false, "node_memory_total_bytes", "host", {0}, {0}},
    {FLEET_CONSTANT, false, "process_start_time_seconds", "celery", {"process"}, {"worker|beat"}},
    {FLEET_CONSTANT,
     false,
     "pg_setting",
     "postgres",
     {"name"},
     {"max_connections|shared_buffers|work_mem|wal_buffers|checkpoint_timeout"}},
};
#define FLEET_METRICS (sizeof(fleet_metrics) / sizeof(fleet_metrics[0]))

struct fleet_host {
    uint64_t random;
    uint32_t number;
    double v[FLEET_SERIES];    /* in the order of fleet_metrics */
    double rate[FLEET_SERIES]; /* what the series is like */
    const struct fleet_metric *metric[FLEET_SERIES];
};

static inline uint64_t fleet_random(uint64_t *state) /* splitmix64 */
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static inline double fleet_uniform(uint64_t *state)
{
    return (double)(fleet_random(state) >> 11) * 0x1p-53;
}

static inline double fleet_normal(uint64_t *state) /* near enough: twelve uniforms of 16 and 32 bits */
{
    double sum = 0;
    for (int i = 0; i < 3; i++) {
        uint64_t bits = fleet_random(state);
        sum += (double)((bits & 0xffff) + (bits >> 16 & 0xffff) + (bits >> 32 & 0xffff) + (bits >> 48));
    }
    return sum / 65536 - 6;
}

static inline double fleet_poisson(uint64_t *state, double mean)
{
    if (mean > 30) {
        return floor(fmax(0, mean + sqrt(mean) * fleet_normal(state)) + 0.5);
    }
    double limit = exp(-mean), product = fleet_uniform(state), k = 0;
    for (; product > limit; k++) {
        product *= fleet_uniform(state);
    }
    return k;
}

static inline size_t fleet_values_of(const struct fleet_metric *metric, int label)
{
    size_t n = 1;
    for (const char *p = metric->values[label]; p && *p; p++) {
        n += *p == '|';
    }
    return n;
}

static inline double fleet_start(enum fleet_kind kind, double *rate, uint64_t *random)
{
    *rate = fleet_uniform(random);
    double u = fleet_uniform(random);
    switch (kind) {
    case FLEET_BUCKET:
    case FLEET_COUNT:
    case FLEET_SUM:
        *rate = pow(10, -1.3 + 2.3 * *rate);
        return 0;
    case FLEET_COUNTER:
        *rate = pow(10, -2 + 3.6 * *rate);
        return floor(1e6 * u);
    case FLEET_SECONDS:
        return floor(1e8 * u) / 100;
    case FLEET_MANTISSA:
        *rate = pow(10, -4 + 3 * *rate);
        return *rate;
    case FLEET_PAGES:
    case FLEET_SLOW_BYTES:
        return 4096 * floor(2e6 * u);
    case FLEET_CONSTANT:
        return u < 0.5 ? 1 : u < 0.9 ? floor(1e10 * u) : 1.7e9 + u;
    default:
        return floor(40 * *rate);
    }
}

/* Before its first step. */
static inline void fleet_host_init(struct fleet_host *host, uint32_t number)
{
    *host = (struct fleet_host){.random = number * UINT64_C(0x2545f4914f6cdd1d) + 1, .number = number};
    size_t i = 0;
    for (size_t m = 0; m < FLEET_METRICS; m++) {
        size_t n = fleet_values_of(&fleet_metrics[m], 0) * fleet_values_of(&fleet_metrics[m], 1);
        for (size_t s = 0; s < n && i < FLEET_SERIES; s++, i++) {
            host->metric[i] = &fleet_metrics[m];
            host->v[i] = fleet_start(fleet_metrics[m].kind, &host->rate[i], &host->random);
        }
    }
}

static inline double fleet_next(enum fleet_kind kind, double v, double rate, uint64_t *random)
{
    switch (kind) {
    case FLEET_COUNTER:
        return v + fleet_poisson(random, rate);
    case FLEET_SECONDS:
        return round((v + 12 * rate * (0.8 + 0.4 * fleet_uniform(random))) * 100) / 100;
    case FLEET_MANTISSA:
        return rate * exp(0.2 * fleet_normal(random));
    case FLEET_CENTS:
        return fabs(round((v + 0.2 * (4 * rate - v) + 0.15 * fleet_normal(random)) * 100) / 100);
    case FLEET_DEGREES:
        return round(v + 0.1 * (40 * rate - v) + fleet_normal(random));
    case FLEET_PAGES:
        return v + (fleet_uniform(random) < 0.5 ? 4096 * round(12 * fleet_normal(random)) : 0);
    case FLEET_SLOW:
        return fleet_uniform(random) < 0.08 ? fmax(0, v + round(3 * fleet_normal(random))) : v;
    case FLEET_SLOW_BYTES:
        return fleet_uniform(random) < 0.05 ? v - 4096 * round(200 * fleet_uniform(random) - 80) : v;
    default:
        return v;
    }
}

/* Tasks of one step, log-normal runtimes around 80 ms, into cumulative buckets. */
static inline void fleet_observe(struct fleet_host *host, size_t histogram)
{
    double *bucket = host->v + histogram * FLEET_BUCKETS;
    double *count = host->v + FLEET_HISTOGRAMS * FLEET_BUCKETS + histogram, *sum = count + FLEET_HISTOGRAMS;
    double seen = fleet_poisson(&host->random, host->rate[histogram * FLEET_BUCKETS]);
    *count += seen;
    for (; seen > 0; seen--) {
        double took = 0.08 * exp(1.3 * fleet_normal(&host->random)), le = 0.005;
        for (int b = 0; b < FLEET_BUCKETS; b++, le *= 2) {
            bucket[b] += took <= le || b == FLEET_BUCKETS - 1;
        }
        *sum += took;
    }
}

static inline void fleet_host_step(struct fleet_host *host)
{
    bool restart = fleet_uniform(&host->random) < 1.0 / 2000;
    for (size_t i = 0; i < FLEET_SERIES; i++) {
        double v = restart && host->metric[i]->of_worker ? 0 : host->v[i];
        host->v[i] = fleet_next(host->metric[i]->kind, v, host->rate[i], &host->random);
    }
    for (size_t h = 0; h < FLEET_HISTOGRAMS; h++) {
        fleet_observe(host, h);
    }
}

/* Hosts are not scraped at once but spread over the interval, one scrape in fifty some milliseconds late. */
static inline int64_t fleet_time(const struct fleet_host *host, int64_t step_ms, int64_t interval_ms)
{
    uint64_t state = (uint64_t)step_ms ^ host->number;
    int64_t late = fleet_uniform(&state) < 0.02 ? 1 + (int64_t)(18 * fleet_uniform(&state)) : 0;
    return step_ms + host->number * INT64_C(7919) % (interval_ms > 40 ? interval_ms - 20 : 1) + late;
}

static inline struct str fleet_value(const char *values, size_t index)
{
    struct str rest = str_of(values), value = str_split(&rest, '|');
    for (; index > 0; index--) {
        value = str_split(&rest, '|');
    }
    return value;
}

/* Labels of series i, texts in the arena. The instance is "node-" and five digits of the host's number. */
static inline struct labels fleet_labels(const struct fleet_host *host, size_t i, struct arena *arena)
{
    const struct fleet_metric *metric = host->metric[i];
    size_t first = i;
    for (; first > 0 && host->metric[first - 1] == metric; first--) {
    }
    size_t second = fleet_values_of(metric, 1), place[2] = {(i - first) / second, (i - first) % second};
    struct labels_builder b;
    labels_builder_init(&b, arena);
    labels_set(&b, METRIC_NAME, str_of(metric->name));
    labels_set(&b, STR("instance"), arena_printf(arena, "node-%05u", host->number));
    labels_set(&b, STR("job"), str_of(metric->job));
    for (int l = 0; l < 2 && metric->label[l]; l++) {
        labels_set(&b, str_of(metric->label[l]), fleet_value(metric->values[l], place[l]));
    }
    return labels_finish(&b, false);
}
