/*
 * The record of the write-ahead log: one accepted batch, with the series it was the first to use.
 *
 * Pure: bytes in, bytes out. A record has a checksum; what does not fit it is ERR_CORRUPT as a whole. Bytes: FORMAT.md.
 */
#pragma once
#include "storage/series.h"

struct wal_writer {
    struct buf out;
    struct buf ids, times, values; /* columns until wal_finish() */
    uint64_t samples, series;
    uint64_t last_id, run;
    int64_t base_ms, last_ms;
    bool one_time;
};
void wal_init(struct wal_writer *w, int64_t base_ms);
void wal_release(struct wal_writer *w);
/* All series before all samples. */
void wal_add_series(struct wal_writer *w, uint64_t id, uint32_t cohort, uint8_t slot, struct labels labels);
void wal_add_sample(struct wal_writer *w, uint64_t id, int64_t t_ms, double value);
/* The finished record, valid until wal_release(). */
struct str wal_finish(struct wal_writer *w);

struct wal_visitor {
    void *ctx;
    /* labels live during the call. A non-zero result ends the reading and is returned. */
    int (*series)(void *ctx, uint64_t id, uint32_t cohort, uint8_t slot, struct labels labels);
    int (*sample)(void *ctx, uint64_t id, int64_t t_ms, double value);
};
/* Visits nothing unless the checksum is right. */
int wal_read(struct str record, const struct wal_visitor *visitor, struct arena *arena) MUST_USE;

/* The labels as they stand in WAL records and in the series table. */
void labels_add_bytes(struct buf *out, struct labels labels);
struct bytes_reader;
/* Array in the arena, texts in the input. Checked with labels_acceptable(). */
int labels_read_bytes(struct bytes_reader *r, struct arena *arena, struct labels *out) MUST_USE;
