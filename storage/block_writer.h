/*
 * Blocks of one window on their way to the disk: columns in, jobs of the writer thread out.
 *
 * Fill `builder` and `key` (group, slots), close the block, go on with the next; what goes with the blocks in the last
 * transaction is put into `job` before the end. Blocks of some megabytes go in a transaction of their own, so the last
 * one is the one that tells that all are there.
 *
 * Threads: one; flush_lock is held (it guards the numbers of blocks). The end waits for the writer thread.
 */
#pragma once
#include "storage/metrics.h"

#define BLOCK_BYTES ((size_t)1 << 20) /* a block is closed beyond that */

struct block_writer {
    struct metrics *m;
    struct kv_job *job;
    struct block_builder builder;
    struct block_key key; /* of the block being built */
    struct buf block;
    int64_t blocks;
    pthread_mutex_t lock;
    pthread_cond_t done;
    size_t pending;
    int rc;
};

void block_writer_begin(struct block_writer *w, struct metrics *m, enum tier tier, int64_t window_ms);
void block_writer_close_block(struct block_writer *w); /* harmless on an empty one */
/* rc 0: pushes the last job and waits for all; else lets go of what was not pushed. Releases everything. */
int block_writer_end(struct block_writer *w, int rc) MUST_USE;
