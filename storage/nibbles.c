#include "storage/nibbles.h"

#define TABLE_SIZE (1u << NIBBLES_LENGTH_MAX)

/* Joins the two rarest trees until one is left; the depth of each symbol is its length. */
static unsigned huffman(const size_t counts[16], uint8_t lengths[16])
{
    size_t weight[16];
    uint16_t members[16]; /* of each tree, as a set of symbols */
    unsigned trees = 0, longest = 0;
    for (unsigned s = 0; s < 16; s++) {
        lengths[s] = 0;
        if (counts[s]) {
            weight[trees] = counts[s];
            members[trees++] = (uint16_t)(1u << s);
        }
    }
    while (trees > 1) {
        unsigned a = 0, b = 1; /* the rarest and the next */
        if (weight[b] < weight[a]) {
            a = 1;
            b = 0;
        }
        for (unsigned i = 2; i < trees; i++) {
            if (weight[i] < weight[a]) {
                b = a;
                a = i;
            } else if (weight[i] < weight[b]) {
                b = i;
            }
        }
        weight[a] += weight[b];
        members[a] |= members[b];
        for (unsigned set = members[a]; set; set &= set - 1) {
            unsigned s = (unsigned)__builtin_ctz(set);
            lengths[s]++;
            longest = lengths[s] > longest ? lengths[s] : longest;
        }
        trees--;
        weight[b] = weight[trees];
        members[b] = members[trees];
    }
    return longest;
}

bool nibbles_choose(const size_t counts[16], struct nibble_code *out)
{
    size_t flat[16];
    unsigned used = 0;
    for (unsigned s = 0; s < 16; s++) {
        flat[s] = counts[s];
        if (counts[s]) {
            used++;
            out->symbols = s + 1;
        }
    }
    if (used < 2) {
        return false;
    }
    while (huffman(flat, out->lengths) > NIBBLES_LENGTH_MAX) {
        for (unsigned s = 0; s < 16; s++) { /* until the rare ones are no longer so rare */
            flat[s] = flat[s] ? flat[s] / 2 + 1 : 0;
        }
    }
    out->bits = 4 + 3 * (size_t)out->symbols;
    for (unsigned s = 0; s < 16; s++) {
        out->bits += counts[s] * out->lengths[s];
    }
    return true;
}

/* Canonical codes: by length, then symbol; as they stand in the stream, first bit lowest. */
static void make_codes(const uint8_t lengths[16], uint8_t codes[16])
{
    unsigned next[NIBBLES_LENGTH_MAX + 2] = {0}; /* by length: in the upper bits of NIBBLES_LENGTH_MAX */
    for (unsigned s = 0; s < 16; s++) {
        next[lengths[s] + 1] += lengths[s] ? TABLE_SIZE >> lengths[s] : 0;
    }
    for (unsigned length = 1; length <= NIBBLES_LENGTH_MAX; length++) {
        next[length] += next[length - 1];
    }
    for (unsigned s = 0; s < 16; s++) {
        unsigned code = next[lengths[s]];
        next[lengths[s]] += lengths[s] ? TABLE_SIZE >> lengths[s] : 0;
        code = (code & 0x0f) << 4 | (code & 0xf0) >> 4; /* reversed within a byte */
        code = (code & 0x33) << 2 | (code & 0xcc) >> 2;
        code = (code & 0x55) << 1 | (code & 0xaa) >> 1;
        codes[s] = (uint8_t)(code >> (8 - NIBBLES_LENGTH_MAX));
    }
}

void nibbles_add_code(struct buf *out, const struct nibble_code *code)
{
    uint64_t bits = code->symbols - 1;
    for (unsigned s = 0; s < code->symbols; s++) {
        bits |= (uint64_t)code->lengths[s] << (4 + 3 * s);
    }
    bytes_add_le(out, bits, (4 + 3 * code->symbols + 7) / 8);
}

/* Every second nibble from v on; the number of bytes written, at most one a nibble. */
static size_t write_stream(uint8_t *p, const struct nibble_code *code, const uint8_t codes[16], const uint8_t *v,
                           const uint8_t *end)
{
    uint8_t *start = p;
    uint64_t acc = 0;
    unsigned filled = 0;
    for (; v < end; v += 2) {
        acc |= (uint64_t)codes[*v] << filled;
        filled += code->lengths[*v];
        if (filled >= 8) {
            *p++ = (uint8_t)acc;
            acc >>= 8;
            filled -= 8;
        }
    }
    if (filled) {
        *p++ = (uint8_t)acc;
    }
    return (size_t)(p - start);
}

void nibbles_add(struct buf *out, const struct nibble_code *code, const uint8_t *v, size_t n, uint8_t *room)
{
    uint8_t codes[16] = {0};
    make_codes(code->lengths, codes);
    uint8_t *p = (uint8_t *)buf_reserve(out, n);
    if (!p) {
        return;
    }
    size_t even = write_stream(p, code, codes, v, v + n);
    size_t odd = n > 1 ? write_stream(room, code, codes, v + 1, v + n) : 0;
    for (size_t i = 0; i < odd; i++) {
        p[even + i] = room[odd - 1 - i];
    }
    out->len += even + odd;
    out->p[out->len] = '\0';
}

void nibbles_read_code(struct nibble_reader *r, struct bytes_reader *in)
{
    unsigned symbols = bytes_left(in) ? (in->p[0] & 15u) + 1 : 1;
    uint64_t bits = bytes_read_le(in, (4 + 3 * symbols + 7) / 8) >> 4;
    uint8_t lengths[16] = {0}, codes[16] = {0};
    unsigned filled = 0;
    for (unsigned s = 0; s < symbols; s++, bits >>= 3) {
        lengths[s] = bits & 7;
        filled += lengths[s] ? TABLE_SIZE >> lengths[s] : 0;
    }
    if (in->failed || bits || filled != TABLE_SIZE) {
        bytes_fail(in); /* not a complete code: some bits would mean nothing */
        return;
    }
    make_codes(lengths, codes);
    for (unsigned s = 0; s < symbols; s++) {
        uint16_t entry = (uint16_t)(s << 8 | lengths[s]);
        for (unsigned i = codes[s]; lengths[s] && i < TABLE_SIZE; i += 1u << lengths[s]) {
            r->table[i] = entry;
        }
    }
}

void nibbles_start(struct nibble_reader *r, struct str streams)
{
    r->p = (const uint8_t *)streams.p;
    r->size = streams.len;
    r->even = r->odd = 0;
}

/* At least 57 bits of the stream from the first byte, or of that from the last; zeros beyond the other end. */
static uint64_t peek_even(const struct nibble_reader *r)
{
    uint64_t at = r->even / 8, bits = 0;
    if (r->size >= 8 && at <= r->size - 8) {
        bits = bytes_load64(r->p + at);
    } else if (at < r->size) {
        bits = bytes_load_le(r->p + at, (unsigned)(r->size - at));
    }
    return bits >> r->even % 8;
}

static uint64_t peek_odd(const struct nibble_reader *r)
{
    uint64_t at = r->odd / 8, bits = 0;
    if (r->size >= 8 && at <= r->size - 8) {
        bits = __builtin_bswap64(bytes_load64(r->p + r->size - at - 8));
    } else if (at < r->size) {
        unsigned left = (unsigned)(r->size - at);
        bits = __builtin_bswap64(bytes_load_le(r->p, left) << (64 - 8 * left));
    }
    return bits >> r->odd % 8;
}

/* Up to 16: eight codes of 7 bits are in what one peek gives. */
static inline void read_some(struct nibble_reader *r, uint8_t *v, size_t n)
{
    uint64_t even = peek_even(r), odd = peek_odd(r);
    unsigned even_bits = 0, odd_bits = 0; /* lengths add up in the low byte */
#pragma GCC unroll 8
    for (size_t i = 0; i + 2 <= n; i += 2) {
        unsigned e = r->table[even % TABLE_SIZE], o = r->table[odd % TABLE_SIZE];
        v[i] = (uint8_t)(e >> 8);
        v[i + 1] = (uint8_t)(o >> 8);
        even >>= e & 63;
        odd >>= o & 63;
        even_bits += e;
        odd_bits += o;
    }
    if (n % 2) {
        unsigned e = r->table[even % TABLE_SIZE];
        v[n - 1] = (uint8_t)(e >> 8);
        even_bits += e;
    }
    r->even += even_bits & 0xff;
    r->odd += odd_bits & 0xff;
}

void nibbles_read(struct nibble_reader *r, uint8_t *v, size_t n)
{
    for (; n >= 16; n -= 16, v += 16) {
        read_some(r, v, 16);
    }
    if (n) {
        read_some(r, v, n);
    }
}

bool nibbles_end(const struct nibble_reader *r)
{
    return (r->even + 7) / 8 + (r->odd + 7) / 8 == r->size;
}
