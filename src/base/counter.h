/*
 * cloche's own figures: counters and gauges any thread may change, listed in self.def, shown at
 * /metrics and stored as series by the `self` collector.
 * SELF(id, type, name, help) in src/base/self.def. Relaxed atomics: no ordering is implied.
 */
#pragma once
#include <stdint.h>

enum self_id {
#define SELF(id, type, name, help) id,
#define SELF_HISTOGRAM(id, name, help)
#include "src/base/self.def"
#undef SELF
#undef SELF_HISTOGRAM
    SELF_COUNT
};

/* Durations: SELF_HISTOGRAM(id, name, help) in the same table; buckets in microseconds. */
enum self_histogram_id {
#define SELF(id, type, name, help)
#define SELF_HISTOGRAM(id, name, help) id,
#include "src/base/self.def"
#undef SELF
#undef SELF_HISTOGRAM
    SELF_HISTOGRAM_COUNT
};
#define SELF_BUCKETS 9 /* without +Inf */
extern const int64_t self_bucket_us[SELF_BUCKETS];
struct self_histogram {
    int64_t cumulative[SELF_BUCKETS + 1]; /* the last one: +Inf, the count */
    int64_t sum_us;
};
void self_observe_us(enum self_histogram_id id, int64_t us);
void self_histogram_get(enum self_histogram_id id, struct self_histogram *out);

struct self_info {
    const char *name, *type, *help;
};

void self_add(enum self_id id, int64_t delta);
void self_set(enum self_id id, int64_t value);
int64_t self_get(enum self_id id);
const struct self_info *self_info(enum self_id id);
const struct self_info *self_histogram_info(enum self_histogram_id id);
