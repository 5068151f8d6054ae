/*
 * The blocks that a read transaction sees: found by their keys, opened and checked once, read for one series after the
 * other.
 *
 * Series of one group that are read one after the other for the same times find the list of their blocks and what their
 * columns share (times, references) where the last one left it.
 *
 * Threads: one at a time. Lives no longer than the transaction. Damage is noted and left out.
 */
#pragma once
#include "storage/metrics.h"

struct block_reader;
int block_reader_new(struct metrics *m, MDB_txn *txn, struct block_reader **out) MUST_USE;
void block_reader_free(struct block_reader *reader); /* harmless on NULL */

/* Appends the raw samples of a series with from <= t <= to, block by block: older windows first, and of one window what
 * was written first. */
int block_reader_samples(struct block_reader *reader, const struct series *series, int64_t from_ms, int64_t to_ms,
                         struct sample_columns *out) MUST_USE;
/* Appends the points of a series in one window of a tier. */
int block_reader_points(struct block_reader *reader, const struct series *series, enum tier tier, int64_t window_ms,
                        struct point_columns *out) MUST_USE;
/* Into the job: deletes all blocks of a group's window. */
int block_reader_delete(struct block_reader *reader, enum tier tier, int64_t window_ms, uint32_t group,
                        struct kv_job *job) MUST_USE;
