/*
 * The lossless codec of sample columns: times and values apart, so that series of one scrape share their times.
 *
 * Times: delta of delta, bit-packed with patches; a regular scrape costs no bits per sample. Values: the smallest of
 * constant, decimal integers (offset, deltas or deltas of deltas, bit-packed with patches; what is not such a number,
 * a stale marker say, is patched in with its raw bits), Gorilla XOR, raw. Every bit comes back: NaN payloads, -0,
 * infinities and denormals, too. Bytes: FORMAT.md.
 *
 * The count is not in the encoding: the container knows it. Decoding hostile bytes is safe and ends with ERR_CORRUPT;
 * checksums are the container's.
 *
 * Threads: pure functions.
 */
#pragma once
#include "src/base/buf.h"

#define CHUNK_MAX_SAMPLES ((size_t)1 << 23) /* a 2 h window has 7.2 million milliseconds */

/* n >= 1. Appended to out. */
void chunk_add_times(struct buf *out, const int64_t *t_ms, size_t n);
void chunk_add_values(struct buf *out, const double *v, size_t n);
/* All n, from exactly these bytes. On ERR_CORRUPT the output is undefined. */
int chunk_read_times(struct str in, int64_t *t_ms, size_t n) MUST_USE;
int chunk_read_values(struct str in, double *v, size_t n) MUST_USE;
