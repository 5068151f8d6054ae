/*
 * The coarser tiers on disk: how points become blocks and are read again, and the upkeep that builds them.
 *
 * A window of 5 minute points is a day, one of hours is eight; it is built once it is over and all its samples are in
 * blocks, from the next finer tier that is kept. A point of a series has up to BLOCK_FIELDS columns in the block; those
 * that say the same as another one are left out. Which windows are built stands in the database `tiers`; a flush of
 * late samples takes the windows it touches off that list in the same transaction.
 *
 * Threads: building is the upkeep thread's; reading any snapshot's.
 */
#pragma once
#include "storage/metrics.h"

/* Is the tier made and kept? One that is not kept longer than the next finer one would be of no use. */
bool tier_is_kept(const struct metrics *m, enum tier tier);
int64_t tier_retention_ms(const struct metrics *m, enum tier tier); /* 0: for ever */

/* Adds one series' points to the block: descending columns, so descending slots. */
void tier_add_points(struct block_builder *builder, unsigned slot, const struct point_columns *points);
/* Appends the points of one series. ERR_NOT_FOUND, ERR_CORRUPT. */
int tier_read_points(const struct block *block, unsigned slot, struct block_cache *cache,
                     struct point_columns *out) MUST_USE;

/* One round: builds what is due, a window after the other. flush_lock is held. */
int tiers_build(struct metrics *m) MUST_USE;
/* The raw window went into blocks: the job takes the windows it touches off the list, tiers_touched() afterwards does
 * so in memory (both locks are held). */
void tiers_touch(struct kv_job *job, int64_t raw_window_ms);
void tiers_touched(struct metrics *m, int64_t raw_window_ms);
/* At the start: marks the windows that are built. */
int tiers_load(struct metrics *m, MDB_txn *txn) MUST_USE;
#define TIER_KEY_SIZE 9
void tier_key(enum tier tier, int64_t window_ms, uint8_t out[TIER_KEY_SIZE]);
