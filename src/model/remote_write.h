/*
 * Prometheus remote write 1.0: a WriteRequest message to series, samples and metadata.
 *
 * Pure. Labels are looked at only for the series that remote_write_labels() is asked for: a sender repeats them with
 * every sample, and the store knows nearly all of them by their bytes. Unknown fields are skipped, exemplars too; a
 * series with native histograms is left out and counted.
 *
 * Ownership: everything points into the message, which must outlive it, or belongs to the struct; a later decoding into
 * the same struct reuses its memory. Threads: one at a time.
 * Errors: ERR_PARSE for bytes that are no such message, ERR_LIMIT for too much of something.
 * Source: https://prometheus.io/docs/specs/prw/remote_write_spec/, prometheus prompb/{remote,types}.proto.
 */
#pragma once
#include "src/model/sample.h"

#define REMOTE_WRITE_BYTES_MAX    (32u << 20) /* of a message; its sizes fit 32 bits */
#define REMOTE_WRITE_SERIES_MAX   250000
#define REMOTE_WRITE_SAMPLES_MAX  1000000
#define REMOTE_WRITE_FAMILIES_MAX 10000
#define REMOTE_WRITE_HELP_MAX     4096 /* bytes; longer texts are cut */

struct remote_write {
    vec(struct write_series) series; /* those with samples */
    vec(struct write_sample) samples;
    vec(struct metric_family) families;
    size_t refused_series, refused_samples; /* with native histograms */
    struct error refused;                   /* why the first of them was; its text names it */
    struct arena joined;                    /* keys whose label fields did not lie together */
};

/* A zeroed struct is ready. */
void remote_write_release(struct remote_write *rw);
int remote_write_decode(struct remote_write *rw, struct str message, struct error *err) MUST_USE;
/* Sorted labels of rw->series.p[i]; the array in the arena, texts in the message. Fits write_request.labels, ctx being
 * the struct. ERR_PARSE or ERR_LIMIT: err names the series and what is wrong with it. */
int remote_write_labels(void *ctx, size_t i, struct arena *arena, struct labels *out, struct error *err) MUST_USE;
