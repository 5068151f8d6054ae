/*
 * A block: the samples of a group of series in one window, compressed; one LMDB value, about 100 to 400 KiB, or, for a
 * single cohort in the head, a piece of memory.
 *
 * A directory of columns leads to a value column each, and to the time column it shares with the others of its scrape.
 * Header and directory have a checksum, and so has each column: damage costs one column, not the block. Bytes:
 * FORMAT.md.
 *
 * The key starts with tier and window, so that retention deletes runs of pages; `number` tells blocks of the same
 * group and window apart (late samples make another one) and orders them: at equal times the higher number wins.
 */
#pragma once
#include "src/base/vec.h"
#include "storage/chunk.h"
#include "storage/read.h"
#include "storage/series.h"

#define GROUP_COHORTS 4 /* cohorts that share blocks: a value of many pages wastes little of its last one */
#define GROUP_SLOTS   (GROUP_COHORTS * COHORT_SLOTS)

#define BLOCK_KEY_SIZE    (1 + 8 + 4 + 8 + GROUP_SLOTS / 8)
#define BLOCK_PREFIX_SIZE (1 + 8 + 4)
#define BLOCK_FIELDS      8 /* of a series in one block: a raw sample has one, a point of a tier several */
#define BLOCK_COLUMNS_MAX (GROUP_SLOTS * BLOCK_FIELDS)

/* The slot in its group of a slot of a cohort. */
static inline unsigned group_slot(uint32_t cohort, unsigned slot)
{
    return cohort % GROUP_COHORTS * COHORT_SLOTS + slot;
}

struct block_key {
    uint8_t tier; /* enum tier */
    int64_t window_ms;
    uint32_t group; /* cohort / GROUP_COHORTS */
    uint64_t number;
    uint8_t slots[GROUP_SLOTS / 8]; /* bit s % 8 of byte s / 8: the series in slot s of the group has samples here */
};
void block_key_write(const struct block_key *key, uint8_t out[BLOCK_KEY_SIZE]);
bool block_key_read(struct str in, struct block_key *out);
static inline bool block_key_has(const struct block_key *key, unsigned slot)
{
    return key->slots[slot / 8] >> (slot % 8) & 1;
}
static inline void block_key_set(struct block_key *key, unsigned slot)
{
    key->slots[slot / 8] |= (uint8_t)(1u << slot % 8);
}

/* The name of a column in its block. */
static inline uint16_t block_column(unsigned slot, unsigned field)
{
    return (uint16_t)(slot * BLOCK_FIELDS + field);
}

struct block_time_column {
    size_t at; /* of block_builder.t_ms */
    uint32_t n, end;
    uint64_t hash;
};
struct block_value_column {
    uint16_t column, time_column;
    uint32_t end;
};
struct block_builder {
    struct buf times, values; /* columns, one after the other */
    vec(int64_t) t_ms;        /* the time columns as they came, to find the next series' among them */
    vec(struct block_time_column) time_columns;
    vec(struct block_value_column) columns;
    size_t samples;
    vec(double) reference; /* values of the last column that serves as one */
    uint16_t reference_times;
    struct chunk_scratch scratch;
};
void block_builder_init(struct block_builder *b);
void block_builder_release(struct block_builder *b);
void block_builder_clear(struct block_builder *b);
/* Descending columns, so that a histogram's count comes before its buckets, which lean on it; n >= 1, times ascending
 * and unique. */
void block_builder_add(struct block_builder *b, uint16_t column, const int64_t *t_ms, const double *v, size_t n);
size_t block_builder_size(const struct block_builder *b); /* of the block as it stands */
void block_builder_finish(const struct block_builder *b, struct buf *out);

struct block {
    const uint8_t *p;
    size_t size;
    uint32_t column_count, time_count;
    const uint8_t *times, *columns; /* directories */
    size_t times_at, values_at;
};
/* Checks header and directory against their checksum; whether a column lies within is seen when it is read. */
int block_open(struct str value, struct block *out) MUST_USE;
/* Of bytes that block_builder_finish() made in this process. */
void block_view(struct str value, struct block *out);
uint16_t block_column_id(const struct block *block, uint32_t index);
/* Appends the samples of one column with from <= t <= to. ERR_NOT_FOUND when the block has no such column,
 * ERR_CORRUPT. cache: of this block or of another one, may be NULL. */
struct block_cache;
int block_read(const struct block *block, uint16_t column, int64_t from_ms, int64_t to_ms, struct block_cache *cache,
               struct sample_columns *out) MUST_USE;

/* Decoded time and reference columns, so that reading one series after the other decodes them once. Zeroed is empty. */
struct block_cached {
    const uint8_t *at; /* the column's bytes: what it is known by */
    void *v;           /* times or values [from, to) of it */
    size_t from, to, cap;
};
struct block_cache {
    struct block_cached times, reference; /* of times all */
    int64_t from_ms, to_ms;               /* asked for last of these times, */
    size_t from, to;                      /* and what they are */
};
void block_cache_release(struct block_cache *cache);

static inline void sample_columns_clear(struct sample_columns *columns)
{
    columns->n = 0;
    columns->unsettled = false;
}
/* Room for n more samples behind columns->n. */
void sample_columns_reserve(struct sample_columns *columns, size_t n);
/* So many have been written there, with times that ascend. */
static inline void sample_columns_added(struct sample_columns *columns, size_t n)
{
    columns->unsettled |= columns->n && n && columns->t_ms[columns->n] <= columns->t_ms[columns->n - 1];
    columns->n += n;
}
/* Sorted by time, times unique: of equal ones the later appended stays. */
void sample_columns_settle(struct sample_columns *columns);
/* Of ascending times the place of the first that is not before at_ms; n if all are. */
size_t times_first_at_least(const int64_t *t_ms, size_t n, int64_t at_ms);
/* Cuts to from <= t <= to; settled columns only. */
void sample_columns_cut(struct sample_columns *columns, int64_t from_ms, int64_t to_ms);
