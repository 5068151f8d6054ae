/* Readers of value columns as they were written before there were residuals: FORMAT.md, "Old modes". */
#include "src/base/error.h"
#include "src/base/mem.h"
#include "src/model/sample.h"
#include "storage/chunk_internal.h"
#include "storage/pack.h"

enum { MODE_OFFSET = 1, MODE_DELTA, MODE_DELTA2, MODE_XOR, MODE_RAW };

static void read_integers(struct bytes_reader *r, unsigned mode, uint64_t *k, size_t n)
{
    k[0] = (uint64_t)bytes_read_zigzag(r);
    if (mode == MODE_OFFSET) {
        uint64_t least = k[0];
        pack_read(r, k, n);
        for (size_t i = 0; i < n && !r->failed; i++) {
            k[i] += least;
        }
    } else if (mode == MODE_DELTA) {
        pack_read(r, k + 1, n - 1);
        for (size_t i = 1; i < n && !r->failed; i++) {
            k[i] = k[i - 1] + (uint64_t)bytes_unzigzag(k[i]);
        }
    } else {
        chunk_read_delta2(r, k, n);
    }
}

static int read_decimals(struct bytes_reader *r, unsigned mode, double *v, size_t n)
{
    unsigned scale = (unsigned)bytes_read_le(r, 1);
    struct bytes_reader strangers = *r; /* read again once the integers are there */
    uint64_t count = bytes_read_varint(r);
    if (r->failed || scale > CHUNK_MAX_SCALE || count > n) {
        return ERR_CORRUPT;
    }
    for (uint64_t i = 0; i < count && !r->failed; i++) {
        bytes_read_varint(r);
        bytes_read_le(r, 8);
    }
    auto_free uint64_t *k = mem_alloc(n * sizeof(*k));
    read_integers(r, mode, k, n);
    if (r->failed || bytes_left(r)) {
        return ERR_CORRUPT;
    }
    for (size_t i = 0; i < n; i++) {
        v[i] = (double)(int64_t)k[i] / chunk_powers[scale];
    }
    return chunk_read_strangers(&strangers, v, (struct chunk_part){n, 0, n}) ? 0 : ERR_CORRUPT;
}

/* Bits most significant first, as in the Gorilla paper. */
struct bit_reader {
    const uint8_t *p;
    size_t bits, at;
    bool failed;
};

static uint64_t get_bits(struct bit_reader *r, unsigned n)
{
    if (n > r->bits - r->at) {
        r->failed = true;
        return 0;
    }
    uint64_t v = 0;
    while (n > 0) {
        unsigned skip = (unsigned)(r->at % 8), take = n < 8 - skip ? n : 8 - skip;
        v = v << take | (r->p[r->at / 8] >> (8 - skip - take) & ((1u << take) - 1));
        r->at += take;
        n -= take;
    }
    return v;
}

static int read_xor(struct str in, double *v, size_t n)
{
    struct bit_reader r = {.p = (const uint8_t *)in.p, .bits = in.len * 8};
    uint64_t last = get_bits(&r, 64);
    unsigned lead = 0, length = 0;
    v[0] = sample_from_bits(last);
    for (size_t i = 1; i < n && !r.failed; i++) {
        if (get_bits(&r, 1)) {
            if (get_bits(&r, 1)) {
                lead = (unsigned)get_bits(&r, 5);
                length = (unsigned)get_bits(&r, 6) + 1;
            }
            if (length == 0 || lead + length > 64) {
                return ERR_CORRUPT;
            }
            last ^= get_bits(&r, length) << (64 - lead - length);
        }
        v[i] = sample_from_bits(last);
    }
    return r.failed || (r.at + 7) / 8 != in.len ? ERR_CORRUPT : 0;
}

int chunk_read_old(struct bytes_reader *r, unsigned mode, double *v, size_t n)
{
    if (mode == MODE_XOR) {
        return read_xor(bytes_read_run(r, bytes_left(r)), v, n);
    }
    if (mode >= MODE_OFFSET && mode <= MODE_DELTA2) {
        return read_decimals(r, mode, v, n);
    }
    if (mode != MODE_RAW || bytes_left(r) != n * 8) {
        return ERR_CORRUPT;
    }
    for (size_t i = 0; i < n; i++) {
        v[i] = sample_from_bits(bytes_read_le(r, 8));
    }
    return 0;
}
