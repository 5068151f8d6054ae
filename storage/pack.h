/*
 * Runs of 64-bit integers at a common bit width: the carrier of storage/residual.c and, with the few larger ones
 * patched, of time columns.
 *
 * Low bits: value i at bit i * width, least significant bit first, ceil(n * width / 8) bytes.
 *
 * A pack: width u8 (0..64), patch count varint, low bits, then per patch: varint distance of its index to the last
 * patch's (the first: index), varint of its high bits (value >> width).
 */
#pragma once
#include "storage/bytes.h"

/* Blocks of this many values begin at whole bytes at any width. */
#define PACK_BLOCK 64

struct pack_plan {
    unsigned width;
    size_t patches;
    size_t bits; /* size of the whole, estimated */
};
/* The cheapest width for these values. */
struct pack_plan pack_choose(const uint64_t *v, size_t n);
void pack_add(struct buf *out, const uint64_t *v, size_t n, struct pack_plan plan);
/* Sets the reader's failed on damage. */
void pack_read(struct bytes_reader *r, uint64_t *v, size_t n);

static inline size_t pack_size(uint64_t n, unsigned width)
{
    return (size_t)((n * width + 7) / 8);
}
/* The low bits alone; width 0 adds nothing. */
void pack_add_bits(struct buf *out, const uint64_t *v, size_t n, unsigned width);
/* One block: the first `count` (<= PACK_BLOCK) values at p; bytes from `end` on are not read and count as zero. All
 * of v[PACK_BLOCK] may be written. */
void pack_read_block(const uint8_t *p, const uint8_t *end, unsigned width, uint64_t *v, size_t count);
/* `width` (0..64) bits at any bit position; bytes beyond size count as zero. */
uint64_t pack_read_at(const uint8_t *p, size_t size, uint64_t bit, unsigned width);
