/*
 * The lossless codec of sample columns: times and values apart, so that series of one scrape share their times.
 *
 * Times: delta of delta, bit-packed with patches; a regular scrape costs no bits per sample. Values: as decimal
 * integers (what is no such number, a stale marker say, stands beside with its raw bits) or else the raw bits taken for
 * integers; these themselves or their differences, by storage/residual.c. Every bit comes back: NaN payloads, -0,
 * infinities and denormals, too. Bytes: FORMAT.md; what earlier versions wrote is read as well.
 *
 * A column may lean on a reference: another column of the same times that moves alike, such as the count of a
 * histogram for its buckets. What is stored then are the differences between the two. A reader must decode the
 * reference first: let it be a column that needs none itself, so that no column costs more than two.
 *
 * The count is not in the encoding: the container knows it. Decoding hostile bytes is safe and ends with ERR_CORRUPT or
 * some values; checksums are the container's.
 *
 * Threads: pure functions; a scratch serves one thread at a time.
 */
#pragma once
#include "src/base/buf.h"

#define CHUNK_MAX_SAMPLES ((size_t)1 << 23) /* a 2 h window has 7.2 million milliseconds */

/* Working memory of the writer, kept from column to column: about 45 bytes a sample. Zeroed is initialised. */
struct chunk_scratch {
    uint64_t *words;
    size_t cap;
};
void chunk_scratch_release(struct chunk_scratch *scratch);
#define auto_chunk_scratch __attribute__((cleanup(chunk_scratch_release))) struct chunk_scratch

/* n >= 1. Appended to out. reference: n values, or NULL; it is not used when it does not pay. */
void chunk_add_times(struct buf *out, const int64_t *t_ms, size_t n, struct chunk_scratch *scratch);
void chunk_add_values(struct buf *out, const double *v, size_t n, const double *reference,
                      struct chunk_scratch *scratch);
/* All n, from exactly these bytes. On ERR_CORRUPT the output is undefined. ascending: each greater than the last. */
int chunk_read_times(struct str in, int64_t *t_ms, size_t n, bool *ascending) MUST_USE;
/* reference: what chunk_add_values() had; NULL will do where chunk_needs_reference() says false. */
int chunk_read_values(struct str in, double *v, size_t n, const double *reference) MUST_USE;
/* Those with from <= i < to <= n, at least one; v and reference begin with that at `from`. What lies before is only
 * added up and what lies behind is not looked at: damage there may go unseen. */
int chunk_read_part(struct str in, size_t n, size_t from, size_t to, double *v, const double *reference) MUST_USE;
bool chunk_needs_reference(struct str in);
/* Whether a column so encoded is worth trying as a reference: integers that move, without one of their own. Walking a
 * scrape backwards with the last such column finds a histogram's count before its buckets. */
bool chunk_serves_as_reference(struct str in);
