#include "src/base/counter.h"

#include "src/base/thread.h"

#include <stdatomic.h>

static _Atomic int64_t values[SELF_COUNT];

static const struct self_info infos[SELF_COUNT] = {
#define SELF(id, type, name, help) [id] = {name, #type, help},
#define SELF_HISTOGRAM(id, name, help)
#include "src/base/self.def"
#undef SELF
#undef SELF_HISTOGRAM
};

static const struct self_info histogram_infos[SELF_HISTOGRAM_COUNT] = {
#define SELF(id, type, name, help)
#define SELF_HISTOGRAM(id, name, help) [id] = {name, "histogram", help},
#include "src/base/self.def"
#undef SELF
#undef SELF_HISTOGRAM
};

const int64_t self_bucket_us[SELF_BUCKETS] = {10, 100, 1000, 5000, 25000, 100000, 500000, 2500000, 10000000};
static struct {
    _Atomic int64_t bucket[SELF_BUCKETS + 1], sum_us;
} histograms[SELF_HISTOGRAM_COUNT];

void self_add(enum self_id id, int64_t delta)
{
    atomic_fetch_add_explicit(&values[id], delta, memory_order_relaxed);
}

void self_set(enum self_id id, int64_t value)
{
    atomic_store_explicit(&values[id], value, memory_order_relaxed);
}

int64_t self_get(enum self_id id)
{
    return atomic_load_explicit(&values[id], memory_order_relaxed);
}

const struct self_info *self_info(enum self_id id)
{
    invariant(id < SELF_COUNT);
    return &infos[id];
}

const struct self_info *self_histogram_info(enum self_histogram_id id)
{
    invariant(id < SELF_HISTOGRAM_COUNT);
    return &histogram_infos[id];
}

void self_observe_us(enum self_histogram_id id, int64_t us)
{
    int i = 0;
    while (i < SELF_BUCKETS && us > self_bucket_us[i]) {
        i++;
    }
    atomic_fetch_add_explicit(&histograms[id].bucket[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&histograms[id].sum_us, us, memory_order_relaxed);
}

void self_histogram_get(enum self_histogram_id id, struct self_histogram *out)
{
    int64_t sum = 0;
    for (int i = 0; i <= SELF_BUCKETS; i++) {
        sum += atomic_load_explicit(&histograms[id].bucket[i], memory_order_relaxed);
        out->cumulative[i] = sum;
    }
    out->sum_us = atomic_load_explicit(&histograms[id].sum_us, memory_order_relaxed);
}
