#include "storage/pack.h"

static unsigned bit_length(uint64_t v)
{
    return v ? 64 - (unsigned)__builtin_clzll(v) : 0;
}

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
        unsigned length = bit_length(v[i]);
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

/* Writes through a 64-bit accumulator. */
static void add_low_bits(uint8_t *p, const uint64_t *v, size_t n, unsigned width)
{
    uint64_t mask = width == 64 ? UINT64_MAX : ((uint64_t)1 << width) - 1;
    uint64_t acc = 0;
    unsigned filled = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t low = v[i] & mask;
        acc |= low << filled;
        if (filled + width < 64) {
            filled += width;
            continue;
        }
        bytes_store_le(p, acc, 8);
        p += 8;
        unsigned used = 64 - filled;
        acc = used < 64 ? low >> used : 0;
        filled = filled + width - 64;
    }
    bytes_store_le(p, acc, (filled + 7) / 8);
}

void pack_add(struct buf *out, const uint64_t *v, size_t n, struct pack_plan plan)
{
    char head = (char)plan.width;
    buf_add_char(out, head);
    bytes_add_varint(out, plan.patches);
    size_t size = (n * plan.width + 7) / 8;
    char *p = size ? buf_reserve(out, size) : NULL;
    if (p) {
        add_low_bits((uint8_t *)p, v, n, plan.width);
        out->len += size;
        out->p[out->len] = '\0';
    }
    size_t last = 0;
    for (size_t i = 0; plan.patches && i < n; i++) {
        if (bit_length(v[i]) > plan.width) {
            bytes_add_varint(out, i - last);
            bytes_add_varint(out, v[i] >> plan.width);
            last = i;
        }
    }
}

static uint64_t read_bits_slow(const uint8_t *p, size_t size, size_t bit, unsigned width)
{
    uint64_t v = 0;
    for (unsigned got = 0; got < width;) {
        size_t byte = (bit + got) / 8;
        unsigned skip = (unsigned)((bit + got) % 8);
        uint64_t part = byte < size ? (uint64_t)p[byte] >> skip : 0;
        v |= part << got;
        got += 8 - skip;
    }
    return width == 64 ? v : v & (((uint64_t)1 << width) - 1);
}

static void read_low_bits(const uint8_t *p, size_t size, uint64_t *v, size_t n, unsigned width)
{
    size_t i = 0;
    if (width <= 56) { /* one unaligned 8-byte load holds a value at any bit offset */
        uint64_t mask = ((uint64_t)1 << width) - 1;
        for (; i < n && i * width / 8 + 8 <= size; i++) {
            size_t bit = i * width;
            v[i] = bytes_load_le(p + bit / 8, 8) >> (bit % 8) & mask;
        }
    }
    for (; i < n; i++) {
        v[i] = read_bits_slow(p, size, i * width, width);
    }
}

void pack_read(struct bytes_reader *r, uint64_t *v, size_t n)
{
    unsigned width = (unsigned)bytes_read_le(r, 1);
    uint64_t patches = bytes_read_varint(r);
    if (width > 64 || patches > n) {
        bytes_fail(r);
        return;
    }
    struct str bits = bytes_read_run(r, ((uint64_t)n * width + 7) / 8);
    if (r->failed) {
        return;
    }
    if (width == 0) {
        memset(v, 0, n * sizeof(*v));
    } else {
        read_low_bits((const uint8_t *)bits.p, bits.len, v, n, width);
    }
    uint64_t at = 0;
    for (uint64_t i = 0; i < patches; i++) {
        at += bytes_read_varint(r);
        uint64_t high = bytes_read_varint(r);
        if (r->failed || at >= n || width == 64) {
            bytes_fail(r);
            return;
        }
        v[at] |= high << width;
    }
}
