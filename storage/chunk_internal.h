/*
 * What storage/chunk.c and the readers of columns that earlier versions wrote (storage/chunk_old.c) share.
 */
#pragma once
#include "storage/bytes.h"

/* The first byte of a value column: an old mode, or MODE_RESIDUAL with flags (these and residual_flags). */
#define MODE_CONSTANT 0
#define MODE_RESIDUAL 0x80u
enum chunk_flags {
    FLAG_BITS = 1 << 0, /* raw bits for integers, not decimals */
    FLAG_DELTA = 1 << 1,
    FLAG_REFERENCE = 1 << 2,
    FLAG_STRANGERS = 1 << 3
};

#define CHUNK_MAX_SCALE 9
extern const double chunk_powers[CHUNK_MAX_SCALE + 1]; /* of ten */

/* Which values of a column are wanted: from <= i < to <= n, at least one. */
struct chunk_part {
    size_t n, from, to;
};
/* In the place of the decimals that are none. v: of the part; false on damage. */
bool chunk_read_strangers(struct bytes_reader *r, double *v, struct chunk_part part);
/* Second order differences behind v[0], which is set. Whether all, as signed integers, ascend. */
bool chunk_read_delta2(struct bytes_reader *r, uint64_t *v, size_t n);
/* Modes 1 to 5; the mode byte is read. */
int chunk_read_old(struct bytes_reader *r, unsigned mode, double *v, size_t n) MUST_USE;
