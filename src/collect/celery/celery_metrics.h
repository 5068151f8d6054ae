/*
 * Counters and histograms of tasks by (name, hostname, queue_name), as celery-exporter has them.
 *
 * A counter that is new since the last scrape is written twice, once as 0 at that scrape's time: otherwise rate() and
 * increase() would miss what it counted before its first sample. All counters of a new (name, hostname, queue) appear
 * together with 0. The number of samples is bounded (CELERY_SAMPLES_MAX); what comes beyond is counted under
 * "(other)". Series without an event for CELERY_SERIES_IDLE_MS end.
 */
#pragma once
#include "src/collect/celery/celery_words.h"
#include "src/model/sample.h"
#include "src/model/task.h"

#define CELERY_SAMPLES_MAX    45000 /* twice as many in the scrape where all are new: below TARGET_SAMPLES_MAX */
#define CELERY_SERIES_IDLE_MS (24 * 3600 * 1000LL)

enum celery_histogram { CELERY_RUNTIME, CELERY_QUEUE_WAIT, CELERY_HISTOGRAM_COUNT };

/* Of which task an event speaks: words. */
struct celery_series_key {
    uint32_t name, host, queue;
};

struct celery_metrics;
struct celery_metrics *celery_metrics_new(struct celery_words *words);
void celery_metrics_free(struct celery_metrics *metrics);
/* exception: class, only for TASK_EVENT_FAILED. TASK_EVENT_CUSTOM is not counted. */
void celery_metrics_count(struct celery_metrics *metrics, struct celery_series_key key, enum task_event_type type,
                          struct str exception, int64_t now_ms);
void celery_metrics_observe(struct celery_metrics *metrics, struct celery_series_key key, enum celery_histogram which,
                            double seconds, int64_t now_ms);
/* since_ms: time of the scrape before, or of the start. */
void celery_metrics_write(struct celery_metrics *metrics, struct batch *batch, int64_t since_ms, int64_t now_ms);
uint64_t celery_metrics_limited(const struct celery_metrics *metrics); /* events counted under "(other)" */
