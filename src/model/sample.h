/*
 * Samples, and the batch in which collectors hand them on.
 *
 * A batch is one scrape of one target: its samples share a time and, mostly, their order with the
 * batch before (same `group`), which the store uses to find series without hashing.
 */
#pragma once
#include "src/base/arena.h"
#include "src/base/vec.h"
#include "src/model/labels.h"

#include <math.h>

/* Prometheus' stale marker: a NaN with these bits ends a series at once. Compare bits, not values.
 * Source: prometheus model/value/value.go. */
#define SAMPLE_STALE_BITS 0x7ff0000000000002ULL
static inline uint64_t sample_bits(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof(bits));
    return bits;
}
static inline double sample_from_bits(uint64_t bits)
{
    double v;
    memcpy(&v, &bits, sizeof(v));
    return v;
}
static inline bool sample_is_stale(double v)
{
    return sample_bits(v) == SAMPLE_STALE_BITS;
}

enum metric_type { METRIC_UNKNOWN, METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM, METRIC_SUMMARY, METRIC_INFO };
const char *metric_type_name(enum metric_type type); /* "counter", ... "unknown" */

/* What is known of a metric: one entry per name (a histogram's family has the bare name). */
struct metric_family {
    struct str name, help;
    enum metric_type type;
};

struct batch_sample {
    struct labels labels; /* with __name__; target labels included when it reaches the sink */
    int64_t t_ms;
    double value;
};

struct batch {
    struct arena *arena; /* owns every text of the batch */
    struct str group;    /* scrape group: stable id of target ("redis/main"); "" for none */
    int64_t t_ms;        /* time of the scrape; default of samples */
    struct labels
        common; /* target labels (job, instance, ...): added to each sample; a sample's own label of that name wins */
    vec(struct batch_sample) samples;
    vec(struct metric_family) families;
};

void batch_init(struct batch *batch, struct arena *arena, struct str group, int64_t t_ms, struct labels common);
void batch_release(struct batch *batch); /* the arrays; the arena is the caller's */
/* Texts are copied. labels: pairs name, value; n pairs. Illegal names are refused (false), values cut at
 * LABEL_VALUE_MAX. */
bool batch_add(struct batch *batch, struct str name, const struct label *labels, size_t n, double value);
bool batch_add_at(struct batch *batch, struct str name, const struct label *labels, size_t n, int64_t t_ms,
                  double value);
/* Texts are borrowed for the process' life (literals and tables) or the arena's. Doubles are ignored. */
void batch_family(struct batch *batch, struct str name, enum metric_type type, struct str help);

/*
 * What a remote-write sender brings, on its way without copies (src/model/remote_write.h makes it, storage/store.h
 * takes it): flat samples, and series that name runs of them.
 */
struct write_sample {
    int64_t t_ms;
    double value;
};
struct write_series {
    struct str key; /* the label fields as the sender wrote them; equal bytes are the same series. May be empty */
    uint32_t first, count; /* its samples, of write_request.samples */
};
