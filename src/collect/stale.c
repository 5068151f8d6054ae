#include "src/collect/stale.h"

/* The usual case, and cheap: the same series in the same order. */
static bool same_series(const struct batch *a, const struct batch *b)
{
    if (a->samples.len != b->samples.len) {
        return false;
    }
    for (size_t i = 0; i < a->samples.len; i++) {
        if (!labels_eq(a->samples.p[i].labels, b->samples.p[i].labels)) {
            return false;
        }
    }
    return true;
}

/* Open addressing over the samples of one batch: slot = index + 1, 0 is free. */
struct series_set {
    const struct batch *batch;
    uint32_t *slots;
    size_t mask;
};

static size_t set_slot(const struct series_set *set, struct labels labels)
{
    size_t i = (size_t)labels_hash(labels) & set->mask;
    while (set->slots[i] && !labels_eq(set->batch->samples.p[set->slots[i] - 1].labels, labels)) {
        i = (i + 1) & set->mask;
    }
    return i;
}

static void set_init(struct series_set *set, const struct batch *batch)
{
    size_t size = 16;
    while (size < batch->samples.len * 2) {
        size *= 2;
    }
    set->batch = batch;
    set->slots = mem_zalloc(size * sizeof(*set->slots));
    set->mask = size - 1;
    for (size_t i = 0; i < batch->samples.len; i++) {
        set->slots[set_slot(set, batch->samples.p[i].labels)] = (uint32_t)(i + 1);
    }
}

void stale_append(struct batch *now, const struct batch *before)
{
    if (before->samples.len == 0 || same_series(now, before)) {
        return;
    }
    struct series_set set;
    set_init(&set, now);
    for (size_t i = 0; i < before->samples.len; i++) {
        const struct batch_sample *old = &before->samples.p[i];
        if (old->t_ms == before->t_ms && set.slots[set_slot(&set, old->labels)] == 0) {
            vec_push(&now->samples, (struct batch_sample){.labels = old->labels,
                                                          .t_ms = now->t_ms,
                                                          .value = sample_from_bits(SAMPLE_STALE_BITS)});
        }
    }
    mem_free(set.slots);
}
