/*
 * Runs of 64-bit integers that lie close to each other: what storage/chunk.c makes of values.
 *
 * Integer i is base + unit * residual. The residuals are unsigned and have a common width; the few that lie outside,
 * on either side, are exceptions, kept apart. The low bits of the residuals are packed; the upper four may be in a
 * prefix code (storage/nibbles.h). Additions wrap modulo 2^64. Bytes: FORMAT.md, "Residuals".
 */
#pragma once
#include "storage/nibbles.h"
#include "storage/pack.h"

/* In the mode byte of a column. */
enum residual_flags { RESIDUAL_EXCEPTIONS = 1 << 4, RESIDUAL_CODED = 1 << 5, RESIDUAL_UNIT = 1 << 6 };

struct residual_plan {
    unsigned flags;
    uint64_t origin, unit;
    int64_t low, from; /* of what residual_prepare() left in v: what becomes residual 0; where the window was sought */
    bool centred;
    unsigned width;
    size_t exceptions, bits; /* bits: of the whole, estimated */
    struct nibble_code code;
};

/* Makes the integers v[0..n), n >= 1, small (the quotients of their distances to the first by `unit`) and finds out
 * what they take without a code. */
void residual_prepare(uint64_t *v, size_t n, struct residual_plan *plan);
/* Sees whether a code makes them smaller, and settles the plan's flags. Scratch: `bytes` is 2 n + 16 bytes. */
void residual_refine(const uint64_t *v, size_t n, uint8_t *bytes, struct residual_plan *plan);
/* Scratch: `room` is 2 n integers, `bytes` as above. v is used up. */
void residual_add(struct buf *out, uint64_t *v, size_t n, const struct residual_plan *plan, uint64_t *room,
                  uint8_t *bytes);

/* A number among the exceptions. */
struct residual_field {
    unsigned width;
    bool escapes;          /* the largest says that 64 bits follow */
    uint64_t mask, escape; /* escape: what that looks like, or what no narrow field holds */
};
struct residual_reader {
    uint64_t base, unit;
    const uint8_t *p, *end; /* low bits */
    unsigned width, low_width, per_nibble;
    bool coded;
    struct nibble_reader nibbles;
    /* exceptions: those left, position and value of the next, and where the one after it is read */
    uint64_t exceptions, next, next_value, at, bit;
    const uint8_t *exception_bits;
    size_t exception_size;
    struct residual_field gap, value;
    uint64_t exception_base;
};
/* n >= 1 integers, all the rest of `in`. false on damage. */
bool residual_open(struct residual_reader *r, struct bytes_reader *in, unsigned flags, size_t n);
/* The next count (<= PACK_BLOCK; less only the last time), to each of which the caller adds r->base; all of
 * v[PACK_BLOCK] may be written. */
void residual_read(struct residual_reader *r, uint64_t *v, size_t count);
/* Passes over the next PACK_BLOCK. What residual_read() would have given is added to *sum, unless that is NULL. */
void residual_skip(struct residual_reader *r, uint64_t *sum);
/* Whether everything was there and was used. */
bool residual_end(const struct residual_reader *r);
