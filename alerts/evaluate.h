/*
 * One evaluation of a rule group, on a worker thread: PromQL, templates, recorded series.
 *
 * The loop makes a job, hands it to LANE_QUERY and takes the results back; while it runs, the job is the worker's.
 * Rules run one after another at the same timestamp, so a rule sees what recording rules before it wrote.
 *
 * Ownership: results live in the job's arena until evaluate_free(). The previous recorded series of each rule are lent
 * to the job and come back renewed.
 */
#pragma once
#include "alerts/rule_file.h"
#include "alerts/state.h"
#include "storage/store.h"

#include <stdatomic.h>

#define RULE_RESULTS_MAX 10000 /* alerts or series of one rule */

/* What a recording rule wrote last, to end with stale markers what it does not write any more. */
struct recorded {
    struct arena arena;
    struct labels *v; /* sorted */
    size_t n;
};
void recorded_free(struct recorded *recorded);
/* Ends all of its series. */
void recorded_end(struct recorded *recorded, struct store *store, int64_t t_ms);

struct evaluation_rule {
    const struct rule *rule;
    struct recorded *recorded; /* RULE_RECORD; NULL: nothing yet */
    int rc;
    struct error err;
    bool over_limit;
    struct alert_result *results; /* RULE_ALERT */
    size_t n;
    int64_t took_us, at_ms;
};

struct evaluation {
    struct arena arena;
    struct store *store;
    struct rule_file *file; /* counted */
    const struct rule_group *group;
    int64_t t_ms; /* wall time of the slot */
    int64_t mono_ms;
    int64_t timeout_ms, slow_ms; /* slow_ms 0: none is logged */
    uint64_t max_samples, max_series;
    size_t max_memory_bytes;
    struct str external_url;
    struct labels external_labels;
    struct evaluation_rule *rules;
    size_t n;
    int64_t took_us;
    const atomic_bool *cancelled;
    void *owner; /* the group on the loop */
};

void evaluate_run(void *evaluation); /* a loop_fn */
void evaluate_free(struct evaluation *evaluation);
