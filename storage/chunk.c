#include "storage/chunk.h"

#include "src/base/error.h"
#include "src/base/mem.h"
#include "src/model/sample.h"
#include "storage/pack.h"

enum mode { MODE_CONSTANT, MODE_OFFSET, MODE_DELTA, MODE_DELTA2, MODE_XOR, MODE_RAW };

#define MAX_SCALE   9
#define MAX_DECIMAL 9007199254740992.0 /* 2^53: integers beyond are not exact */
#define TRIAL       16                 /* values looked at before decimals are given up */

static const double powers[MAX_SCALE + 1] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9};

/* Differences wrap: the reader's additions wrap back, whatever the values are. */
static uint64_t delta(uint64_t a, uint64_t b)
{
    return bytes_zigzag((int64_t)(a - b));
}

static uint64_t undelta(uint64_t base, uint64_t coded)
{
    return base + (uint64_t)bytes_unzigzag(coded);
}

/* coded: n - 1 (or n - 2) zigzag differences of the first (second) order. */
static void differences(const uint64_t *v, size_t n, unsigned order, uint64_t *coded)
{
    if (order == 1) {
        for (size_t i = 1; i < n; i++) {
            coded[i - 1] = delta(v[i], v[i - 1]);
        }
        return;
    }
    for (size_t i = 2; i < n; i++) {
        coded[i - 2] = delta(v[i] - v[i - 1], v[i - 1] - v[i - 2]);
    }
}

static void add_delta2(struct buf *out, const uint64_t *v, size_t n, const uint64_t *coded, struct pack_plan plan)
{
    if (n > 1) {
        bytes_add_varint(out, delta(v[1], v[0]));
    }
    if (n > 2) {
        pack_add(out, coded, n - 2, plan);
    }
}

/* v[0] is set. */
static void read_delta2(struct bytes_reader *r, uint64_t *v, size_t n)
{
    if (n < 2) {
        return;
    }
    uint64_t step = (uint64_t)bytes_read_zigzag(r);
    v[1] = v[0] + step;
    if (n > 2) {
        pack_read(r, v + 2, n - 2);
        for (size_t i = 2; i < n; i++) {
            step = undelta(step, v[i]);
            v[i] = v[i - 1] + step;
        }
    }
}

void chunk_add_times(struct buf *out, const int64_t *t_ms, size_t n)
{
    const uint64_t *t = (const uint64_t *)t_ms;
    bytes_add_le(out, t[0], 8);
    auto_free uint64_t *coded = n > 2 ? mem_alloc((n - 2) * sizeof(*coded)) : NULL;
    struct pack_plan plan = {0};
    if (coded) {
        differences(t, n, 2, coded);
        plan = pack_choose(coded, n - 2);
    }
    add_delta2(out, t, n, coded, plan);
}

int chunk_read_times(struct str in, int64_t *t_ms, size_t n)
{
    struct bytes_reader r = bytes_reader_of(in);
    uint64_t *t = (uint64_t *)t_ms;
    t[0] = bytes_read_le(&r, 8);
    read_delta2(&r, t, n);
    return r.failed || bytes_left(&r) ? ERR_CORRUPT : 0;
}

/* v * 10^scale as an integer that divides back to the same bits. */
static bool to_decimal(double v, unsigned scale, int64_t *out)
{
    double scaled = v * powers[scale];
    if (!(scaled > -MAX_DECIMAL && scaled < MAX_DECIMAL)) {
        return false;
    }
    int64_t k = (int64_t)(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
    if (sample_bits((double)k / powers[scale]) != sample_bits(v)) {
        return false;
    }
    *out = k;
    return true;
}

/* The smallest scale that serves the leading values, or -1 when they are no decimals. */
static int choose_scale(const double *v, size_t n)
{
    unsigned scale = 0;
    size_t strangers = 0;
    for (size_t i = 0; i < n; i++) {
        int64_t k;
        unsigned s = scale;
        while (s <= MAX_SCALE && !to_decimal(v[i], s, &k)) {
            s++;
        }
        if (s <= MAX_SCALE) {
            scale = s;
        } else if (++strangers > n / 8 + 2 || (i < TRIAL && strangers > TRIAL / 2)) {
            return -1;
        }
    }
    return (int)scale;
}

/* The column as integers at one scale; strangers take their predecessor's integer and stand in `patches`. */
struct decimals {
    unsigned scale;
    uint64_t *k;
    size_t *patches, patch_count;
};

static bool make_decimals(const double *v, size_t n, struct decimals *d)
{
    int scale = choose_scale(v, n);
    if (scale < 0) {
        return false;
    }
    d->scale = (unsigned)scale;
    int64_t last = 0;
    for (size_t i = 0; i < n; i++) {
        if (!to_decimal(v[i], d->scale, &last)) {
            if (d->patch_count > n / 8 + 2) {
                return false;
            }
            d->patches[d->patch_count++] = i;
        }
        d->k[i] = (uint64_t)last;
    }
    return true;
}

static int64_t smallest(const uint64_t *k, size_t n)
{
    int64_t min = (int64_t)k[0];
    for (size_t i = 1; i < n; i++) {
        min = (int64_t)k[i] < min ? (int64_t)k[i] : min;
    }
    return min;
}

static void add_decimal_head(struct buf *out, enum mode mode, const struct decimals *d, const double *v)
{
    buf_add_char(out, (char)mode);
    buf_add_char(out, (char)d->scale);
    bytes_add_varint(out, d->patch_count);
    size_t last = 0;
    for (size_t i = 0; i < d->patch_count; i++) {
        bytes_add_varint(out, d->patches[i] - last);
        bytes_add_le(out, sample_bits(v[d->patches[i]]), 8);
        last = d->patches[i];
    }
}

/* The cheapest of the three integer modes. */
static void add_decimals(struct buf *out, const double *v, size_t n, const struct decimals *d)
{
    auto_free uint64_t *coded = mem_alloc(n * 3 * sizeof(*coded));
    uint64_t *offsets = coded, *deltas = coded + n, *deltas2 = coded + 2 * n;
    int64_t min = smallest(d->k, n);
    for (size_t i = 0; i < n; i++) {
        offsets[i] = d->k[i] - (uint64_t)min;
    }
    struct pack_plan offset = pack_choose(offsets, n), first = {0}, second = {0};
    differences(d->k, n, 1, deltas);
    first = pack_choose(deltas, n - 1);
    enum mode mode = first.bits < offset.bits ? MODE_DELTA : MODE_OFFSET;
    if (n > 2) {
        differences(d->k, n, 2, deltas2);
        second = pack_choose(deltas2, n - 2);
        size_t best = mode == MODE_DELTA ? first.bits : offset.bits;
        mode = second.bits < best ? MODE_DELTA2 : mode;
    }
    add_decimal_head(out, mode, d, v);
    bytes_add_varint(out, bytes_zigzag(mode == MODE_OFFSET ? min : (int64_t)d->k[0]));
    if (mode == MODE_OFFSET) {
        pack_add(out, offsets, n, offset);
    } else if (mode == MODE_DELTA) {
        pack_add(out, deltas, n - 1, first);
    } else {
        add_delta2(out, d->k, n, deltas2, second);
    }
}

static int read_decimals(struct bytes_reader *r, enum mode mode, double *v, size_t n)
{
    unsigned scale = (unsigned)bytes_read_le(r, 1);
    uint64_t patches = bytes_read_varint(r);
    if (r->failed || scale > MAX_SCALE || patches > n) {
        return ERR_CORRUPT;
    }
    struct bytes_reader patch = *r; /* read again once the integers are there */
    for (uint64_t i = 0; i < patches && !r->failed; i++) {
        bytes_read_varint(r);
        bytes_read_le(r, 8);
    }
    uint64_t *k = (uint64_t *)mem_alloc(n * sizeof(*k));
    k[0] = (uint64_t)bytes_read_zigzag(r);
    if (mode == MODE_OFFSET) {
        uint64_t min = k[0];
        pack_read(r, k, n);
        for (size_t i = 0; i < n && !r->failed; i++) {
            k[i] += min;
        }
    } else if (mode == MODE_DELTA) {
        pack_read(r, k + 1, n - 1);
        for (size_t i = 1; i < n && !r->failed; i++) {
            k[i] = undelta(k[i - 1], k[i]);
        }
    } else {
        read_delta2(r, k, n);
    }
    for (size_t i = 0; i < n && !r->failed; i++) {
        v[i] = scale ? (double)(int64_t)k[i] / powers[scale] : (double)(int64_t)k[i];
    }
    mem_free(k);
    uint64_t at = 0;
    for (uint64_t i = 0; i < patches && !r->failed; i++) {
        at += bytes_read_varint(&patch);
        uint64_t bits = bytes_read_le(&patch, 8);
        if (at >= n) {
            return ERR_CORRUPT;
        }
        v[at] = sample_from_bits(bits);
    }
    return 0;
}

/* Bits most significant first, as in the Gorilla paper. */
struct bit_writer {
    struct buf *out;
    uint64_t acc;
    unsigned filled;
};

static void put_bits(struct bit_writer *w, uint64_t bits, unsigned n)
{
    while (n > 0) {
        unsigned take = n < 8 - w->filled ? n : 8 - w->filled;
        w->acc = w->acc << take | (bits >> (n - take) & ((1u << take) - 1));
        w->filled += take;
        n -= take;
        if (w->filled == 8) {
            buf_add_char(w->out, (char)w->acc);
            w->acc = 0;
            w->filled = 0;
        }
    }
}

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

/* '0': same value; '10': bits in the last window; '11': 5 bits leading zeros, 6 bits length - 1, bits. */
static void add_xor(struct buf *out, const double *v, size_t n)
{
    buf_add_char(out, MODE_XOR);
    struct bit_writer w = {.out = out};
    uint64_t last = sample_bits(v[0]);
    put_bits(&w, last, 64);
    unsigned lead = 65, trail = 0;
    for (size_t i = 1; i < n; i++) {
        uint64_t bits = sample_bits(v[i]), x = bits ^ last;
        last = bits;
        if (x == 0) {
            put_bits(&w, 0, 1);
            continue;
        }
        unsigned l = (unsigned)__builtin_clzll(x), t = (unsigned)__builtin_ctzll(x);
        l = l > 31 ? 31 : l;
        if (lead <= 31 && l >= lead && t >= trail) {
            put_bits(&w, 2, 2);
            put_bits(&w, x >> trail, 64 - lead - trail);
            continue;
        }
        lead = l;
        trail = t;
        put_bits(&w, 3, 2);
        put_bits(&w, l, 5);
        put_bits(&w, 64 - l - t - 1, 6);
        put_bits(&w, x >> t, 64 - l - t);
    }
    if (w.filled) {
        put_bits(&w, 0, 8 - w.filled);
    }
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

static bool is_constant(const double *v, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        if (sample_bits(v[i]) != sample_bits(v[0])) {
            return false;
        }
    }
    return true;
}

static void add_raw(struct buf *out, const double *v, size_t n)
{
    buf_add_char(out, MODE_RAW);
    for (size_t i = 0; i < n; i++) {
        bytes_add_le(out, sample_bits(v[i]), 8);
    }
}

/* Replaces what was written from `from` on, when `better` is shorter. */
static void keep_shorter(struct buf *out, size_t from, const struct buf *better)
{
    if (out->len == from || better->len < out->len - from) {
        out->len = from;
        buf_add(out, buf_str(better));
    }
}

void chunk_add_values(struct buf *out, const double *v, size_t n)
{
    if (is_constant(v, n)) {
        buf_add_char(out, MODE_CONSTANT);
        bytes_add_le(out, sample_bits(v[0]), 8);
        return;
    }
    size_t from = out->len;
    auto_free uint64_t *k = mem_alloc(n * sizeof(*k));
    auto_free size_t *patches = mem_alloc((n / 8 + 4) * sizeof(*patches));
    struct decimals d = {.k = k, .patches = patches};
    if (make_decimals(v, n, &d)) {
        add_decimals(out, v, n, &d);
    }
    if (out->len > from && (out->len - from) * 8 < n * 32) {
        return; /* XOR never gets below that on what decimals are good at */
    }
    auto_buf other;
    buf_init(&other, n * 10 + 64);
    add_xor(&other, v, n);
    keep_shorter(out, from, &other);
    if (out->len - from > n * 8) {
        buf_clear(&other);
        add_raw(&other, v, n);
        keep_shorter(out, from, &other);
    }
}

int chunk_read_values(struct str in, double *v, size_t n)
{
    struct bytes_reader r = bytes_reader_of(in);
    enum mode mode = (enum mode)bytes_read_le(&r, 1);
    if (r.failed) {
        return ERR_CORRUPT;
    }
    int rc = 0;
    switch (mode) {
    case MODE_CONSTANT:
        v[0] = sample_from_bits(bytes_read_le(&r, 8));
        for (size_t i = 1; i < n; i++) {
            v[i] = v[0];
        }
        break;
    case MODE_OFFSET:
    case MODE_DELTA:
    case MODE_DELTA2:
        rc = read_decimals(&r, mode, v, n);
        break;
    case MODE_XOR:
        return read_xor(bytes_read_run(&r, bytes_left(&r)), v, n);
    case MODE_RAW:
        for (size_t i = 0; i < n && !r.failed; i++) {
            v[i] = sample_from_bits(bytes_read_le(&r, 8));
        }
        break;
    default:
        return ERR_CORRUPT;
    }
    return rc || r.failed || bytes_left(&r) ? ERR_CORRUPT : 0;
}
