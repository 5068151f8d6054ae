/*
 * Runs of 64-bit integers at a common bit width, the few larger ones patched: the carrier of storage/chunk.c.
 *
 * Bytes: width u8 (0..64), patch count varint, ceil(n * width / 8) bytes of low bits (value i at bit i * width, least
 * significant bit first), then per patch: varint distance of its index to the last patch's (the first: index), varint
 * of its high bits (value >> width).
 */
#pragma once
#include "storage/bytes.h"

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
