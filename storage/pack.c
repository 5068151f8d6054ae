#include "storage/pack.h"

/* A patch costs a byte or so of distance, and its high bits as a varint. */
static size_t patch_bits(unsigned length, unsigned width)
{
    return 8 + (size_t)(length - width + 6) / 7 * 8;
}

struct pack_plan pack_choose(const uint64_t *v, size_t n)
{
    size_t lengths[65] = {0};
    unsigned max = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned length = bytes_bit_length(v[i]);
        lengths[length]++;
        max = length > max ? length : max;
    }
    struct pack_plan best = {.width = max, .bits = n * max + 16};
    for (unsigned width = max; width-- > 0;) {
        struct pack_plan plan = {.width = width, .bits = n * width + 16};
        for (unsigned length = width + 1; length <= max; length++) {
            plan.patches += lengths[length];
            plan.bits += lengths[length] * patch_bits(length, width);
        }
        if (plan.bits < best.bits) {
            best = plan;
        }
    }
    return best;
}

static uint64_t mask_of(unsigned width)
{
    return width == 64 ? UINT64_MAX : ((uint64_t)1 << width) - 1;
}

/* Writes through a 64-bit accumulator. */
static void write_bits(uint8_t *p, const uint64_t *v, size_t n, unsigned width)
{
    uint64_t mask = mask_of(width), acc = 0;
    unsigned filled = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t low = v[i] & mask;
        acc |= low << filled;
        if (filled + width < 64) {
            filled += width;
            continue;
        }
        bytes_store64(p, acc);
        p += 8;
        unsigned used = 64 - filled;
        acc = used < 64 ? low >> used : 0;
        filled = filled + width - 64;
    }
    bytes_store_le(p, acc, (filled + 7) / 8);
}

void pack_add_bits(struct buf *out, const uint64_t *v, size_t n, unsigned width)
{
    size_t size = pack_size(n, width);
    char *p = size ? buf_reserve(out, size) : NULL;
    if (p) {
        write_bits((uint8_t *)p, v, n, width);
        out->len += size;
        out->p[out->len] = '\0';
    }
}

void pack_add(struct buf *out, const uint64_t *v, size_t n, struct pack_plan plan)
{
    char head = (char)plan.width;
    buf_add_char(out, head);
    bytes_add_varint(out, plan.patches);
    pack_add_bits(out, v, n, plan.width);
    size_t last = 0;
    for (size_t i = 0; plan.patches && i < n; i++) {
        if (bytes_bit_length(v[i]) > plan.width) {
            bytes_add_varint(out, i - last);
            bytes_add_varint(out, v[i] >> plan.width);
            last = i;
        }
    }
}

/*
 * Eight values take `width` whole bytes, so that byte and shift of each are constants of the width: a function for each
 * of the 64 widths, whose loop is eight loads, shifts and masks. Reads up to 9 bytes from the last value's first byte.
 */
#define VALUE(width, j)                                                                                                \
    v[j] = (bytes_load64(p + (width) * (j) / 8) >> (width) * (j) % 8 |                                                 \
            ((width) + (width) * (j) % 8 > 64 ? (uint64_t)p[(width) * (j) / 8 + 8] << (64 - (width) * (j) % 8) % 64    \
                                              : 0)) &                                                                  \
           UINT64_MAX >> (64 - (width));
#define UNPACK(width)                                                                                                  \
    static void unpack_##width(const uint8_t *p, uint64_t *v, size_t groups)                                           \
    {                                                                                                                  \
        for (; groups > 0; groups--, p += (width), v += 8) {                                                           \
            VALUE(width, 0)                                                                                            \
            VALUE(width, 1)                                                                                            \
            VALUE(width, 2) VALUE(width, 3) VALUE(width, 4) VALUE(width, 5) VALUE(width, 6) VALUE(width, 7)            \
        }                                                                                                              \
    }
#define EIGHT(x, a, b, c, d, e, f, g, h) x(a) x(b) x(c) x(d) x(e) x(f) x(g) x(h)
#define WIDTHS(x)                                                                                                      \
    EIGHT(x, 1, 2, 3, 4, 5, 6, 7, 8)                                                                                   \
    EIGHT(x, 9, 10, 11, 12, 13, 14, 15, 16)                                                                            \
    EIGHT(x, 17, 18, 19, 20, 21, 22, 23, 24)                                                                           \
    EIGHT(x, 25, 26, 27, 28, 29, 30, 31, 32)                                                                           \
    EIGHT(x, 33, 34, 35, 36, 37, 38, 39, 40)                                                                           \
    EIGHT(x, 41, 42, 43, 44, 45, 46, 47, 48)                                                                           \
    EIGHT(x, 49, 50, 51, 52, 53, 54, 55, 56)                                                                           \
    EIGHT(x, 57, 58, 59, 60, 61, 62, 63, 64)
#define NAME(width) unpack_##width,

WIDTHS(UNPACK)
static void (*const unpack[])(const uint8_t *p, uint64_t *v, size_t groups) = {NULL, WIDTHS(NAME)};

void pack_read_block(const uint8_t *p, const uint8_t *end, unsigned width, uint64_t *v, size_t count)
{
    if (width == 0) {
        memset(v, 0, PACK_BLOCK * sizeof(*v));
        return;
    }
    size_t groups = (count + 7) / 8, left = (size_t)(end - p);
    uint8_t padded[PACK_BLOCK * 8 + 8];
    if (left < groups * width + 8) {
        memcpy(padded, p, left);
        memset(padded + left, 0, groups * width + 8 - left);
        p = padded;
    }
    unpack[width](p, v, groups);
}

uint64_t pack_read_at(const uint8_t *p, size_t size, uint64_t bit, unsigned width)
{
    uint64_t at = bit / 8;
    unsigned shift = (unsigned)(bit % 8);
    if (width == 0 || at >= size) {
        return 0;
    }
    uint8_t padded[9] = {0};
    if (size - at < sizeof(padded)) {
        memcpy(padded, p + at, size - at);
        p = padded;
    } else {
        p += at;
    }
    uint64_t v = bytes_load64(p) >> shift;
    v |= shift ? (uint64_t)p[8] << (64 - shift) : 0;
    return v & mask_of(width);
}

void pack_read(struct bytes_reader *r, uint64_t *v, size_t n)
{
    unsigned width = (unsigned)bytes_read_le(r, 1);
    uint64_t patches = bytes_read_varint(r);
    if (width > 64 || patches > n) {
        bytes_fail(r);
        return;
    }
    struct str bits = bytes_read_run(r, pack_size(n, width));
    if (r->failed) {
        return;
    }
    const uint8_t *p = (const uint8_t *)bits.p, *end = p + bits.len;
    size_t i = 0;
    for (; i + PACK_BLOCK <= n; i += PACK_BLOCK) {
        pack_read_block(p + i / 8 * width, end, width, v + i, PACK_BLOCK);
    }
    if (i < n) {
        uint64_t rest[PACK_BLOCK];
        pack_read_block(p + i / 8 * width, end, width, rest, n - i);
        memcpy(v + i, rest, (n - i) * sizeof(*v));
    }
    uint64_t at = 0;
    for (uint64_t k = 0; k < patches; k++) {
        at += bytes_read_varint(r);
        uint64_t high = bytes_read_varint(r);
        if (r->failed || at >= n || width == 64) {
            bytes_fail(r);
            return;
        }
        v[at] |= high << width;
    }
}
