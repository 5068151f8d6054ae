/*
 * A block: the samples of one cohort in one window, compressed; one LMDB value, about 32 to 256 KiB.
 *
 * A directory of series leads to a value column each, and to the time column it shares with the others of its scrape.
 * Header and directory have a checksum, and so has each column: damage costs one column, not the block. Bytes:
 * FORMAT.md.
 *
 * The key starts with tier and window, so that retention deletes runs of pages; `number` tells blocks of the same
 * cohort and window apart (late samples make another one) and orders them: at equal times the higher number wins.
 */
#pragma once
#include "src/base/vec.h"
#include "storage/read.h"
#include "storage/series.h"

#define BLOCK_KEY_SIZE    (1 + 8 + 4 + 8 + COHORT_SLOTS / 8)
#define BLOCK_PREFIX_SIZE (1 + 8 + 4)
#define BLOCK_SERIES_MAX  4096

struct block_key {
    uint8_t tier;
    int64_t window_ms;
    uint32_t cohort;
    uint64_t number;
    uint8_t slots[COHORT_SLOTS / 8]; /* bit s % 8 of byte s / 8: the series in slot s has samples here */
};
void block_key_write(const struct block_key *key, uint8_t out[BLOCK_KEY_SIZE]);
bool block_key_read(struct str in, struct block_key *out);
static inline bool block_key_has(const struct block_key *key, uint8_t slot)
{
    return key->slots[slot / 8] >> (slot % 8) & 1;
}

struct block_time_column {
    int64_t *t_ms;
    size_t n;
    uint32_t offset, size;
};
struct block_series {
    uint64_t id;
    uint32_t time_column, offset, size;
};
struct block_builder {
    struct buf data; /* columns, one after the other */
    vec(struct block_time_column) times;
    vec(struct block_series) series;
    size_t samples;
};
void block_builder_init(struct block_builder *b);
void block_builder_release(struct block_builder *b);
void block_builder_clear(struct block_builder *b);
/* Ascending ids; n >= 1, times ascending and unique. */
void block_builder_add(struct block_builder *b, uint64_t id, const int64_t *t_ms, const double *v, size_t n);
size_t block_builder_size(const struct block_builder *b); /* of the block as it stands */
void block_builder_finish(const struct block_builder *b, struct buf *out);

struct block {
    const uint8_t *p;
    size_t size;
    uint32_t series_count, time_count;
    const uint8_t *series, *times; /* directories */
};
/* Checks the directory: every column lies within. */
int block_open(struct str value, struct block *out) MUST_USE;
uint64_t block_series_id(const struct block *block, uint32_t index);
/* Appends the samples of one series. ERR_NOT_FOUND when it has none here, ERR_CORRUPT. */
int block_read(const struct block *block, uint64_t id, struct sample_columns *out) MUST_USE;

/* Room for n more samples behind out->n. */
void sample_columns_reserve(struct sample_columns *columns, size_t n);
/* Sorted by time, times unique: of equal ones the later appended stays. */
void sample_columns_settle(struct sample_columns *columns);
/* Cuts to from <= t <= to; settled columns only. */
void sample_columns_cut(struct sample_columns *columns, int64_t from_ms, int64_t to_ms);
