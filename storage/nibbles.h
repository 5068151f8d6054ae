/*
 * Runs of nibbles (0..15) in a prefix code of their own: what the high bits of storage/residual.c are stored in.
 *
 * Bytes: the lengths of the code, then two bit streams that are read side by side, because a prefix code is decoded no
 * faster than one symbol after the other: nibbles of even index in a stream that begins at the first byte, those of odd
 * index in one that begins at the last byte and goes backwards. Bits and codes: FORMAT.md, "Nibbles".
 *
 * Reading is bounded by the count asked for and never leaves the bytes given; nibbles_end() tells whether they fitted.
 */
#pragma once
#include "storage/bytes.h"

#define NIBBLES_LENGTH_MAX 7

struct nibble_code {
    unsigned symbols;    /* one more than the largest that occurs */
    uint8_t lengths[16]; /* 0: does not occur */
    size_t bits;         /* of code and streams together, but for the padding */
};
/* false when fewer than two different nibbles occur: there is nothing to store. */
bool nibbles_choose(const size_t counts[16], struct nibble_code *out);
void nibbles_add_code(struct buf *out, const struct nibble_code *code);
/* `room`: n bytes of the caller's for the second stream. */
void nibbles_add(struct buf *out, const struct nibble_code *code, const uint8_t *v, size_t n, uint8_t *room);

struct nibble_reader {
    const uint8_t *p;
    size_t size;
    uint64_t even, odd;                      /* bits read */
    uint16_t table[1 << NIBBLES_LENGTH_MAX]; /* by the next bits: symbol << 8 | length */
};
/* Sets in->failed on damage. The streams follow by nibbles_start(): all the rest of the column. */
void nibbles_read_code(struct nibble_reader *r, struct bytes_reader *in);
void nibbles_start(struct nibble_reader *r, struct str streams);
/* The next n; from an even index, so every n but the last is even. */
void nibbles_read(struct nibble_reader *r, uint8_t *v, size_t n);
/* Whether exactly the bytes given were used. */
bool nibbles_end(const struct nibble_reader *r);
