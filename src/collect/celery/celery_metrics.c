#include "src/collect/celery/celery_metrics.h"

#include "src/collect/text.h"

#define uthash_malloc(size)  mem_alloc(size)
#define uthash_free(p, size) mem_free(p)
#include <uthash.h>

#define BUCKETS_MAX    15
#define EXCEPTIONS_MAX 50 /* classes of one series; more are counted as "(other)" */

/* Bounds and their texts as Prometheus prints them; the last bucket is +Inf. Source: celery-exporter 0.12. */
static const struct buckets {
    size_t n;
    double bound[BUCKETS_MAX];
    const char *le[BUCKETS_MAX];
} buckets[CELERY_HISTOGRAM_COUNT] = {
    [CELERY_RUNTIME] = {15,
                        {.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10, INFINITY},
                        {"0.005", "0.01", "0.025", "0.05", "0.075", "0.1", "0.25", "0.5", "0.75", "1", "2.5", "5",
                         "7.5", "10", "+Inf"}},
    [CELERY_QUEUE_WAIT] = {15,
                           {.05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, INFINITY},
                           {"0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "30", "60", "120", "300", "600",
                            "1800", "+Inf"}},
};

struct metric {
    struct str name, help;
};

static const struct metric counter_metrics[TASK_EVENT_CUSTOM] = {
#define COUNTER(event, metric, help) [event] = {TEXT(#metric), TEXT(help)},
#include "src/collect/celery/metrics.def"
};

static const struct histogram_metric {
    enum celery_histogram which;
    struct str family, bucket, sum, count, help;
} histogram_metrics[] = {
#define HISTOGRAM(id, metric, help)                                                                                    \
    {id, TEXT(#metric), TEXT(#metric "_bucket"), TEXT(#metric "_sum"), TEXT(#metric "_count"), TEXT(help)},
#include "src/collect/celery/metrics.def"
};
#define HISTOGRAM_METRICS (sizeof(histogram_metrics) / sizeof(histogram_metrics[0]))

static size_t histogram_samples(enum celery_histogram which)
{
    size_t n = 0;
    for (size_t i = 0; i < HISTOGRAM_METRICS; i++) {
        n += histogram_metrics[i].which == which ? buckets[which].n + 2 : 0;
    }
    return n;
}

struct failures {
    struct failures *next;
    uint32_t exception; /* word */
    bool shown;
    uint64_t count;
};

struct histogram {
    bool shown;
    uint64_t count[BUCKETS_MAX]; /* not cumulated */
    double sum;
};

struct series {
    struct celery_series_key key;
    bool shown;
    int64_t last_ms;
    uint64_t count[TASK_EVENT_CUSTOM];
    struct failures *failures;
    size_t failure_kinds;
    struct histogram *histograms[CELERY_HISTOGRAM_COUNT]; /* NULL: nothing observed yet */
    UT_hash_handle hh;
};

struct celery_metrics {
    struct celery_words *words;
    struct series *series; /* by key */
    size_t samples;        /* one scrape writes so many */
    uint64_t limited;
};

struct celery_metrics *celery_metrics_new(struct celery_words *words)
{
    struct celery_metrics *metrics = mem_zalloc(sizeof(*metrics));
    metrics->words = words;
    return metrics;
}

static void free_series(struct celery_metrics *metrics, struct series *series)
{
    metrics->samples -= TASK_EVENT_CUSTOM + series->failure_kinds;
    for (int i = 0; i < CELERY_HISTOGRAM_COUNT; i++) {
        metrics->samples -= series->histograms[i] ? histogram_samples((enum celery_histogram)i) : 0;
        mem_free(series->histograms[i]);
    }
    for (struct failures *next, *f = series->failures; f; f = next) {
        next = f->next;
        mem_free(f);
    }
    mem_free(series);
}

void celery_metrics_free(struct celery_metrics *metrics)
{
    if (!metrics) {
        return;
    }
    struct series *series = metrics->series;
    HASH_CLEAR(hh, metrics->series);
    for (struct series *next; series; series = next) {
        next = series->hh.next;
        free_series(metrics, series);
    }
    mem_free(metrics);
}

uint64_t celery_metrics_limited(const struct celery_metrics *metrics)
{
    return metrics->limited;
}

static bool is_full(const struct celery_metrics *metrics)
{
    return metrics->samples >= CELERY_SAMPLES_MAX;
}

static struct series *add_series(struct celery_metrics *metrics, struct celery_series_key key)
{
    struct series *series;
    HASH_FIND(hh, metrics->series, &key, sizeof(key), series);
    if (!series) {
        series = mem_zalloc(sizeof(*series));
        series->key = key;
        HASH_ADD(hh, metrics->series, key, sizeof(series->key), series);
        metrics->samples += TASK_EVENT_CUSTOM;
    }
    return series;
}

/* What is counted when there are too many series. */
static struct series *other_series(struct celery_metrics *metrics)
{
    metrics->limited++;
    return add_series(metrics, (struct celery_series_key){CELERY_WORD_OTHER, CELERY_WORD_OTHER, CELERY_WORD_OTHER});
}

static struct series *series_of(struct celery_metrics *metrics, struct celery_series_key key, int64_t now_ms)
{
    struct series *series;
    HASH_FIND(hh, metrics->series, &key, sizeof(key), series);
    if (!series) {
        series = is_full(metrics) ? other_series(metrics) : add_series(metrics, key);
    }
    series->last_ms = now_ms;
    return series;
}

static void count_failure(struct celery_metrics *metrics, struct series *series, struct str exception)
{
    uint32_t word = celery_words_add(metrics->words, exception.len ? exception : STR("UnknownException"));
    bool full = series->failure_kinds >= EXCEPTIONS_MAX || is_full(metrics);
    for (struct failures *f = series->failures; f; f = f->next) {
        if (f->exception == word || (full && f->exception == CELERY_WORD_OTHER)) {
            f->count++;
            return;
        }
    }
    struct failures *f = mem_alloc(sizeof(*f));
    *f = (struct failures){.next = series->failures, .exception = full ? CELERY_WORD_OTHER : word, .count = 1};
    series->failures = f;
    series->failure_kinds++;
    metrics->samples++;
}

void celery_metrics_count(struct celery_metrics *metrics, struct celery_series_key key, enum task_event_type type,
                          struct str exception, int64_t now_ms)
{
    if (type >= TASK_EVENT_CUSTOM) {
        return;
    }
    struct series *series = series_of(metrics, key, now_ms);
    series->count[type]++;
    if (type == TASK_EVENT_FAILED) {
        count_failure(metrics, series, exception);
    }
}

void celery_metrics_observe(struct celery_metrics *metrics, struct celery_series_key key, enum celery_histogram which,
                            double seconds, int64_t now_ms)
{
    if (isnan(seconds)) {
        return;
    }
    seconds = seconds > 0 ? seconds : 0; /* clocks of two hosts */
    struct series *series = series_of(metrics, key, now_ms);
    if (!series->histograms[which] && is_full(metrics)) {
        series = other_series(metrics);
        series->last_ms = now_ms;
    }
    struct histogram *h = series->histograms[which];
    if (!h) {
        h = series->histograms[which] = mem_zalloc(sizeof(*h));
        metrics->samples += histogram_samples(which);
    }
    size_t i = 0;
    while (i < buckets[which].n - 1 && seconds > buckets[which].bound[i]) {
        i++;
    }
    h->count[i]++;
    h->sum += seconds;
}

struct writer {
    struct batch *batch;
    int64_t since_ms;
    struct label labels[4]; /* name, hostname, queue_name, and one more */
};

static void write_sample(struct writer *w, struct str name, size_t labels, double value, bool is_new)
{
    if (is_new && w->since_ms < w->batch->t_ms) {
        batch_add_at(w->batch, name, w->labels, labels, w->since_ms, 0);
    }
    batch_add(w->batch, name, w->labels, labels, value);
}

/* The failures of all classes are the one counter that has a further label. */
static void write_failures(struct writer *w, const struct celery_words *words, struct series *series)
{
    const struct str name = counter_metrics[TASK_EVENT_FAILED].name;
    write_sample(w, name, 3, 0, !series->shown);
    for (struct failures *f = series->failures; f; f = f->next) {
        w->labels[3] = (struct label){STR("exception"), celery_words_text(words, f->exception)};
        write_sample(w, name, 4, (double)f->count, !f->shown);
        f->shown = true;
    }
}

static void write_histogram(struct writer *w, const struct histogram_metric *metric, const struct histogram *h)
{
    const struct buckets *b = &buckets[metric->which];
    uint64_t count = 0;
    for (size_t i = 0; i < b->n; i++) {
        count += h->count[i];
        w->labels[3] = (struct label){STR("le"), str_of(b->le[i])};
        write_sample(w, metric->bucket, 4, (double)count, !h->shown);
    }
    write_sample(w, metric->sum, 3, h->sum, !h->shown);
    write_sample(w, metric->count, 3, (double)count, !h->shown);
}

static void write_series(struct writer *w, const struct celery_words *words, struct series *series)
{
    w->labels[0] = (struct label){STR("name"), celery_words_text(words, series->key.name)};
    w->labels[1] = (struct label){STR("hostname"), celery_words_text(words, series->key.host)};
    w->labels[2] = (struct label){STR("queue_name"), celery_words_text(words, series->key.queue)};
    for (int i = 0; i < TASK_EVENT_CUSTOM; i++) {
        if (i != TASK_EVENT_FAILED) {
            write_sample(w, counter_metrics[i].name, 3, (double)series->count[i], !series->shown);
        }
    }
    write_failures(w, words, series);
    series->shown = true;
    for (size_t i = 0; i < HISTOGRAM_METRICS; i++) {
        const struct histogram *h = series->histograms[histogram_metrics[i].which];
        if (h) {
            write_histogram(w, &histogram_metrics[i], h);
        }
    }
    for (int i = 0; i < CELERY_HISTOGRAM_COUNT; i++) {
        if (series->histograms[i]) {
            series->histograms[i]->shown = true;
        }
    }
}

static void declare_families(struct batch *batch)
{
    for (int i = 0; i < TASK_EVENT_CUSTOM; i++) {
        batch_family(batch, counter_metrics[i].name, METRIC_COUNTER, counter_metrics[i].help);
    }
    for (size_t i = 0; i < HISTOGRAM_METRICS; i++) {
        batch_family(batch, histogram_metrics[i].family, METRIC_HISTOGRAM, histogram_metrics[i].help);
    }
}

void celery_metrics_write(struct celery_metrics *metrics, struct batch *batch, int64_t since_ms, int64_t now_ms)
{
    struct writer w = {.batch = batch, .since_ms = since_ms};
    declare_families(batch);
    for (struct series *next, *series = metrics->series; series; series = next) {
        next = series->hh.next;
        if (now_ms - series->last_ms > CELERY_SERIES_IDLE_MS) {
            HASH_DEL(metrics->series, series);
            free_series(metrics, series);
        } else {
            write_series(&w, metrics->words, series);
        }
    }
}
