/*
 * Little-endian integers and varints to and from byte runs; the alphabet of FORMAT.md.
 *
 * A reader is sticky: after a short or malformed read `failed` is set and everything reads as 0; check once at the end.
 */
#pragma once
#include "src/base/buf.h"

#include <string.h>

struct bytes_reader {
    const uint8_t *p, *end;
    bool failed;
};

static inline struct bytes_reader bytes_reader_of(struct str s)
{
    const uint8_t *p = (const uint8_t *)s.p;
    return (struct bytes_reader){p, s.len ? p + s.len : p, false};
}
static inline size_t bytes_left(const struct bytes_reader *r)
{
    return (size_t)(r->end - r->p);
}
static inline uint64_t bytes_load_le(const uint8_t *p, unsigned bytes)
{
    uint64_t v = 0;
    for (unsigned i = bytes; i-- > 0;) {
        v = v << 8 | p[i];
    }
    return v;
}
static inline void bytes_store_le(uint8_t *p, uint64_t v, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++, v >>= 8) {
        p[i] = (uint8_t)v;
    }
}
/* The same for 8 bytes, as one load or store. */
static inline uint64_t bytes_load64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof(v));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap64(v);
#endif
    return v;
}
static inline void bytes_store64(uint8_t *p, uint64_t v)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap64(v);
#endif
    memcpy(p, &v, sizeof(v));
}
static inline void bytes_add_le(struct buf *out, uint64_t v, unsigned bytes)
{
    uint8_t raw[8];
    bytes_store_le(raw, v, bytes);
    buf_add_bytes(out, raw, bytes);
}
/* LEB128: 7 bits a byte, least significant first. */
static inline void bytes_add_varint(struct buf *out, uint64_t v)
{
    uint8_t raw[10];
    unsigned n = 0;
    for (; v >= 0x80; v >>= 7) {
        raw[n++] = (uint8_t)(v | 0x80);
    }
    raw[n++] = (uint8_t)v;
    buf_add_bytes(out, raw, n);
}
static inline uint64_t bytes_zigzag(int64_t v)
{
    return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
}
static inline int64_t bytes_unzigzag(uint64_t v)
{
    return (int64_t)(v >> 1 ^ (0 - (v & 1)));
}
static inline unsigned bytes_bit_length(uint64_t v) /* 0 for 0, without a branch: half of all differences are */
{
    return 64 - (unsigned)__builtin_clzll(v | 1) - (v == 0);
}
static inline void bytes_add_str(struct buf *out, struct str s)
{
    bytes_add_varint(out, s.len);
    buf_add(out, s);
}

static inline uint64_t bytes_fail(struct bytes_reader *r)
{
    r->failed = true;
    r->p = r->end;
    return 0;
}
static inline uint64_t bytes_read_le(struct bytes_reader *r, unsigned bytes)
{
    if (bytes_left(r) < bytes) {
        return bytes_fail(r);
    }
    uint64_t v = bytes_load_le(r->p, bytes);
    r->p += bytes;
    return v;
}
static inline uint64_t bytes_read_varint(struct bytes_reader *r)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64 && r->p < r->end; shift += 7) {
        uint8_t byte = *r->p++;
        if (shift == 63 && byte > 1) {
            break;
        }
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            return v;
        }
    }
    return bytes_fail(r);
}
static inline int64_t bytes_read_zigzag(struct bytes_reader *r)
{
    return bytes_unzigzag(bytes_read_varint(r));
}
static inline struct str bytes_read_run(struct bytes_reader *r, uint64_t n)
{
    if (n > bytes_left(r)) {
        bytes_fail(r);
        return (struct str){"", 0};
    }
    struct str s = {(const char *)r->p, (size_t)n};
    r->p += n;
    return s;
}
static inline struct str bytes_read_str(struct bytes_reader *r)
{
    return bytes_read_run(r, bytes_read_varint(r));
}
