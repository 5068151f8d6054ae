/*
 * The payload of a WAL record: what one append brought, with the series it was the first to use.
 *
 * Pure: bytes in, bytes out; the frame around it, with checksum and sequence number, is wal_file.c's. Values are cut to
 * the bytes that are not zero at their low end (small integers have two or three), which costs a load and a shift to
 * read. Bytes: FORMAT.md.
 */
#pragma once
#include "storage/head.h"

#define WAL_RECORD_VALUES_MAX ((size_t)1 << 24)

/* Begins a record in an empty buffer; then the series, then wal_record_runs() once. */
void wal_record_begin(struct buf *out, size_t series_count);
void wal_record_series(struct buf *out, uint64_t id, uint32_t cohort, unsigned slot, struct labels labels);
void wal_record_runs(struct buf *out, const struct run *runs, size_t n, const double *values, size_t value_count);

struct wal_run {
    uint64_t cohort;
    int64_t t_ms;
    uint64_t present[PRESENT_WORDS];
    const double *values; /* n */
    size_t n;
};
struct wal_visitor {
    void *ctx;
    /* labels live during the call. A non-zero result ends the reading and is returned. */
    int (*series)(void *ctx, uint64_t id, uint32_t cohort, unsigned slot, struct labels labels);
    int (*run)(void *ctx, const struct wal_run *run);
};
/* Everything is checked before anything of the samples is visited. */
int wal_record_read(struct str payload, const struct wal_visitor *visitor, struct arena *arena) MUST_USE;

/* The labels as they stand in WAL records and in the series table. */
void labels_add_bytes(struct buf *out, struct labels labels);
struct bytes_reader;
/* Array in the arena, texts in the input. Checked with labels_acceptable(). */
int labels_read_bytes(struct bytes_reader *r, struct arena *arena, struct labels *out) MUST_USE;
