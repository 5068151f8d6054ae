#include "storage/chunk.h"

#include "src/base/error.h"
#include "src/base/mem.h"
#include "src/model/sample.h"
#include "storage/chunk_internal.h"
#include "storage/residual.h"

#define MAX_DECIMAL 9007199254740992.0 /* 2^53: integers beyond are not exact */
#define TRIAL       16                 /* values looked at before decimals are given up */
#define LOOK        16                 /* integers looked at before offsets are given up */
#define DEAR        32                 /* bits of a decimal beyond which raw bits may be shorter */

const double chunk_powers[CHUNK_MAX_SCALE + 1] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9};

void chunk_scratch_release(struct chunk_scratch *scratch)
{
    mem_free(scratch->words);
    *scratch = (struct chunk_scratch){0};
}

static uint64_t *scratch_words(struct chunk_scratch *scratch, size_t count)
{
    if (scratch->cap < count) {
        mem_free(scratch->words);
        scratch->words = mem_alloc(count * sizeof(*scratch->words));
        scratch->cap = count;
    }
    return scratch->words;
}

/* Differences wrap: the reader's additions wrap back, whatever the values are. */
static uint64_t delta(uint64_t a, uint64_t b)
{
    return bytes_zigzag((int64_t)(a - b));
}

void chunk_add_times(struct buf *out, const int64_t *t_ms, size_t n, struct chunk_scratch *scratch)
{
    const uint64_t *t = (const uint64_t *)t_ms;
    bytes_add_le(out, t[0], 8);
    if (n > 1) {
        bytes_add_varint(out, delta(t[1], t[0]));
    }
    if (n > 2) {
        uint64_t *coded = scratch_words(scratch, n);
        for (size_t i = 2; i < n; i++) {
            coded[i - 2] = delta(t[i] - t[i - 1], t[i - 1] - t[i - 2]);
        }
        pack_add(out, coded, n - 2, pack_choose(coded, n - 2));
    }
}

bool chunk_read_delta2(struct bytes_reader *r, uint64_t *v, size_t n)
{
    if (n < 2) {
        return true;
    }
    uint64_t step = (uint64_t)bytes_read_zigzag(r), last = v[0] + step;
    bool ascending = (int64_t)last > (int64_t)v[0];
    v[1] = last;
    if (n > 2) {
        pack_read(r, v + 2, n - 2);
    }
    if (r->failed) {
        return false;
    }
    for (size_t i = 2; i < n; i++) {
        step += (uint64_t)bytes_unzigzag(v[i]);
        uint64_t next = last + step;
        ascending &= (int64_t)next > (int64_t)last;
        v[i] = last = next;
    }
    return ascending;
}

int chunk_read_times(struct str in, int64_t *t_ms, size_t n, bool *ascending)
{
    struct bytes_reader r = bytes_reader_of(in);
    uint64_t *t = (uint64_t *)t_ms;
    t[0] = bytes_read_le(&r, 8);
    *ascending = chunk_read_delta2(&r, t, n);
    return r.failed || bytes_left(&r) ? ERR_CORRUPT : 0;
}

/* v * 10^scale as an integer that divides back to the same bits. */
static bool to_decimal(double v, unsigned scale, uint64_t *out)
{
    double scaled = v * chunk_powers[scale];
    if (!(scaled > -MAX_DECIMAL && scaled < MAX_DECIMAL)) {
        return false;
    }
    int64_t k = (int64_t)(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
    double back = scale ? (double)k / chunk_powers[scale] : (double)k;
    *out = (uint64_t)k;
    return sample_bits(back) == sample_bits(v);
}

/* From `scale` on, the smallest that serves v; beyond CHUNK_MAX_SCALE if none does. */
static unsigned scale_of(double v, unsigned scale)
{
    uint64_t k;
    while (scale <= CHUNK_MAX_SCALE && !to_decimal(v, scale, &k)) {
        scale++;
    }
    return scale;
}

/* A column as integers. Strangers among decimals have their predecessor's and stand in `strangers`. */
struct integers {
    uint64_t *k;
    size_t n;
    unsigned scale;
    size_t *strangers, stranger_count; /* n / 8 + 3 */
};

/* At its scale; beyond CHUNK_MAX_SCALE when too many are no decimals, else a larger one to begin again with, or the
 * same: done. */
static unsigned convert(struct integers *c, const double *v)
{
    uint64_t last = 0;
    c->stranger_count = 0;
    for (size_t i = 0; i < c->n; i++) {
        uint64_t k;
        if (!to_decimal(v[i], c->scale, &k)) {
            unsigned scale = scale_of(v[i], c->scale + 1);
            if (scale <= CHUNK_MAX_SCALE) {
                return scale;
            }
            if (c->stranger_count >= c->n / 8 + 2 || (i < TRIAL && c->stranger_count >= TRIAL / 2)) {
                return CHUNK_MAX_SCALE + 1;
            }
            c->strangers[c->stranger_count++] = i;
            k = last;
        }
        c->k[i] = last = k;
    }
    return c->scale;
}

static bool make_decimals(struct integers *c, const double *v)
{
    unsigned scale = 0;
    do {
        c->scale = scale;
        scale = convert(c, v);
    } while (scale <= CHUNK_MAX_SCALE && scale != c->scale);
    return scale == c->scale;
}

static void make_bits(struct integers *c, const double *v)
{
    c->stranger_count = 0;
    for (size_t i = 0; i < c->n; i++) {
        c->k[i] = sample_bits(v[i]);
    }
}

/* The same number on both sides, whatever the reference holds. */
static uint64_t reference_integer(double v)
{
    return v > -MAX_DECIMAL && v < MAX_DECIMAL ? (uint64_t)(int64_t)v : 0;
}

/* A way to write the column: what becomes residuals, and how. */
struct candidate {
    unsigned flags, scale;
    uint64_t first; /* with FLAG_DELTA */
    uint64_t *x;
    struct residual_plan plan;
    size_t bits; /* of residuals and strangers, estimated */
};

static size_t residual_count(size_t n, unsigned flags)
{
    return flags & FLAG_DELTA ? n - 1 : n;
}

static void make_candidate(struct candidate *c, const struct integers *in, unsigned flags, const double *reference)
{
    const uint64_t *k = in->k;
    uint64_t *x = c->x, n = in->n;
    c->flags = flags;
    c->scale = in->scale;
    c->first = k[0];
    if (flags & FLAG_REFERENCE) {
        uint64_t last = c->first = k[0] - reference_integer(reference[0]);
        for (size_t i = 1; i < n; i++) {
            uint64_t apart = k[i] - reference_integer(reference[i]);
            x[i - 1] = apart - last;
            last = apart;
        }
    } else if (flags & FLAG_DELTA) {
        for (size_t i = 1; i < n; i++) {
            x[i - 1] = k[i] - k[i - 1];
        }
    } else {
        memcpy(x, k, n * sizeof(*x));
    }
    residual_prepare(x, residual_count(n, flags), &c->plan);
    c->bits = c->plan.bits + in->stranger_count * 80;
}

static void try_candidate(struct candidate *best, struct candidate *other, const struct integers *in, unsigned flags,
                          const double *reference)
{
    make_candidate(other, in, flags, reference);
    if (other->bits < best->bits) {
        struct candidate last = *best;
        *best = *other;
        *other = last;
    }
}

/* The integers themselves win where they stay near one another; a look at a few saves the trial on counters. */
static bool offsets_may_win(const struct integers *in, const struct candidate *best)
{
    size_t far = 0, near_bits = best->bits / in->n + 3;
    for (size_t i = 0; i < LOOK; i++) {
        int64_t apart = (int64_t)(in->k[(in->n - 1) * i / (LOOK - 1)] - in->k[in->n / 2]);
        far += bytes_bit_length(bytes_zigzag(apart / (int64_t)best->plan.unit)) > near_bits;
    }
    return far <= LOOK / 2;
}

static void try_all(struct candidate *best, struct candidate *other, const struct integers *in, unsigned flags,
                    const double *reference)
{
    if (in->n > 1) {
        try_candidate(best, other, in, flags | FLAG_DELTA, NULL);
    }
    if (in->n > 1 && reference && in->scale == 0 && !(flags & FLAG_BITS)) {
        try_candidate(best, other, in, flags | FLAG_DELTA | FLAG_REFERENCE, reference);
    }
    if (in->n == 1 || offsets_may_win(in, best)) {
        try_candidate(best, other, in, flags, NULL);
    }
}

static void add_strangers(struct buf *out, const struct integers *in, const double *v)
{
    bytes_add_varint(out, in->stranger_count);
    size_t last = 0;
    for (size_t i = 0; i < in->stranger_count; i++) {
        bytes_add_varint(out, in->strangers[i] - last);
        bytes_add_le(out, sample_bits(v[in->strangers[i]]), 8);
        last = in->strangers[i];
    }
}

bool chunk_read_strangers(struct bytes_reader *r, double *v, struct chunk_part part)
{
    uint64_t count = bytes_read_varint(r), at = 0;
    for (uint64_t i = 0; i < count && !r->failed; i++) {
        at += bytes_read_varint(r);
        uint64_t bits = bytes_read_le(r, 8);
        if (at >= part.n) {
            return false;
        }
        if (at >= part.from && at < part.to) {
            v[at - part.from] = sample_from_bits(bits);
        }
    }
    return !r->failed;
}

static bool add_constant(struct buf *out, const double *v, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        if (sample_bits(v[i]) != sample_bits(v[0])) {
            return false;
        }
    }
    unsigned scale = scale_of(v[0], 0);
    uint64_t k = 0;
    if (scale <= CHUNK_MAX_SCALE && to_decimal(v[0], scale, &k) && bytes_zigzag((int64_t)k) >> 42 == 0) {
        buf_add_char(out, (char)MODE_RESIDUAL);
        buf_add_char(out, (char)scale);
        buf_add_char(out, 0);
        bytes_add_varint(out, bytes_zigzag((int64_t)k));
    } else {
        buf_add_char(out, MODE_CONSTANT);
        bytes_add_le(out, sample_bits(v[0]), 8);
    }
    return true;
}

void chunk_add_values(struct buf *out, const double *v, size_t n, const double *reference,
                      struct chunk_scratch *scratch)
{
    if (add_constant(out, v, n)) {
        return;
    }
    size_t bytes_words = n / 4 + 3, stranger_words = n / 8 + 3;
    uint64_t *words = scratch_words(scratch, 5 * n + bytes_words + stranger_words);
    uint8_t *bytes = (uint8_t *)(words + 5 * n);
    struct integers in = {.k = words, .n = n, .strangers = (size_t *)(words + 5 * n + bytes_words)};
    struct candidate best = {.x = words + n, .bits = SIZE_MAX}, other = {.x = words + 2 * n};
    if (make_decimals(&in, v)) {
        try_all(&best, &other, &in, 0, reference);
    }
    size_t strangers = in.stranger_count;
    if (best.bits / n >= DEAR) {
        make_bits(&in, v);
        try_all(&best, &other, &in, FLAG_BITS, NULL);
    }
    size_t count = residual_count(n, best.flags);
    residual_refine(best.x, count, bytes, &best.plan);
    in.stranger_count = best.flags & FLAG_BITS ? 0 : strangers;
    buf_add_char(out, (char)(MODE_RESIDUAL | best.flags | best.plan.flags | (in.stranger_count ? FLAG_STRANGERS : 0)));
    if (!(best.flags & FLAG_BITS)) {
        buf_add_char(out, (char)best.scale);
    }
    if (in.stranger_count) {
        add_strangers(out, &in, v);
    }
    if (best.flags & FLAG_DELTA) {
        bytes_add_varint(out, bytes_zigzag((int64_t)best.first));
    }
    residual_add(out, best.x, count, &best.plan, words + 3 * n, bytes);
}

/* How integers become values again. */
struct restorer {
    unsigned flags, scale;
    uint64_t base, sum;      /* added to each; with FLAG_DELTA: the last integer */
    const double *reference; /* with FLAG_REFERENCE: of the first value to come */
};

/* One pass for each combination of flags, which are constants here. */
__attribute__((always_inline)) static inline void restore_as(struct restorer *r, const uint64_t *x, double *v,
                                                             size_t count, unsigned flags)
{
    uint64_t sum = r->sum, base = r->base;
    const double *reference = r->reference;
#pragma GCC unroll 8
    for (size_t i = 0; i < count; i++) {
        uint64_t k = x[i] + base;
        if (flags & FLAG_DELTA) {
            k = sum += k;
        }
        if (flags & FLAG_REFERENCE) {
            k += reference_integer(reference[i]);
        }
        v[i] = flags & FLAG_BITS ? sample_from_bits(k) : (double)(int64_t)k;
    }
    r->sum = sum;
}

static void restore(struct restorer *r, const uint64_t *x, double *v, size_t count)
{
    switch (r->flags & (FLAG_BITS | FLAG_DELTA | FLAG_REFERENCE)) {
    case FLAG_BITS:
        restore_as(r, x, v, count, FLAG_BITS);
        return;
    case FLAG_BITS | FLAG_DELTA:
        restore_as(r, x, v, count, FLAG_BITS | FLAG_DELTA);
        return;
    case FLAG_DELTA:
        restore_as(r, x, v, count, FLAG_DELTA);
        break;
    case FLAG_DELTA | FLAG_REFERENCE:
        restore_as(r, x, v, count, FLAG_DELTA | FLAG_REFERENCE);
        r->reference += count;
        break;
    default:
        restore_as(r, x, v, count, 0);
        break;
    }
    if (r->scale) {
        double power = chunk_powers[r->scale];
        for (size_t i = 0; i < count; i++) {
            v[i] /= power;
        }
    }
}

static bool flags_fit(unsigned flags, size_t n, const double *reference)
{
    if (flags & FLAG_BITS && flags & (FLAG_REFERENCE | FLAG_STRANGERS)) {
        return false;
    }
    if (flags & FLAG_REFERENCE && (!(flags & FLAG_DELTA) || !reference)) {
        return false;
    }
    return n > 1 || !(flags & FLAG_DELTA);
}

/* All like the first. */
static void fill(double *v, size_t n)
{
    double value = v[0];
    for (size_t i = 1; i < n; i++) {
        v[i] = value;
    }
}

/* Of the integers x of values at, at + 1, ... those before the part are added up, those in it are restored. */
static void restore_wanted(struct restorer *to, const uint64_t *x, size_t at, size_t count, struct chunk_part part,
                           double *v)
{
    size_t first = at < part.from ? part.from - at : 0, last = at + count > part.to ? part.to - at : count;
    first = first < count ? first : count;
    for (size_t i = 0; i < first; i++) {
        to->sum += x[i] + to->base;
    }
    if (first < last) {
        restore(to, x + first, v + (at + first - part.from), last - first);
    }
}

static bool restore_part(struct restorer *to, struct residual_reader *r, size_t at, struct chunk_part part, double *v)
{
    uint64_t x[PACK_BLOCK], *sum = to->flags & FLAG_DELTA ? &to->sum : NULL;
    for (; at + PACK_BLOCK <= part.from; at += PACK_BLOCK) {
        residual_skip(r, sum);
        to->sum += to->base * PACK_BLOCK;
    }
    while (at < part.to) {
        size_t count = part.n - at < PACK_BLOCK ? part.n - at : PACK_BLOCK;
        residual_read(r, x, count);
        restore_wanted(to, x, at, count, part, v);
        at += count;
    }
    return at < part.n || residual_end(r);
}

static bool read_residuals(struct bytes_reader *in, unsigned flags, struct chunk_part part, double *v,
                           const double *reference)
{
    if (!flags_fit(flags, part.n, reference)) {
        return false;
    }
    struct restorer to = {.flags = flags, .reference = reference};
    to.scale = flags & FLAG_BITS ? 0 : (unsigned)bytes_read_le(in, 1);
    struct bytes_reader strangers = *in; /* read again once the decimals are there */
    for (uint64_t left = flags & FLAG_STRANGERS ? bytes_read_varint(in) : 0; left > 0 && !in->failed; left--) {
        bytes_read_varint(in);
        bytes_read_le(in, 8);
    }
    if (in->failed || to.scale > CHUNK_MAX_SCALE) {
        return false;
    }
    size_t at = 0;
    if (flags & FLAG_DELTA) {
        uint64_t first = (uint64_t)bytes_read_zigzag(in);
        restore_wanted(&to, &first, 0, 1, part, v);
        at = 1;
    }
    struct residual_reader r;
    if (!residual_open(&r, in, flags, part.n - at)) {
        return false;
    }
    to.base = r.base;
    if (r.width == 0 && !(flags & (FLAG_DELTA | RESIDUAL_EXCEPTIONS | RESIDUAL_CODED))) {
        uint64_t zero = 0;
        restore(&to, &zero, v, 1);
        fill(v, part.to - part.from);
    } else if (!restore_part(&to, &r, at, part, v)) {
        return false;
    }
    return !(flags & FLAG_STRANGERS) || chunk_read_strangers(&strangers, v, part);
}

static bool read_constant(struct bytes_reader *r, double *v, size_t n)
{
    v[0] = sample_from_bits(bytes_read_le(r, 8));
    fill(v, n);
    return !r->failed && bytes_left(r) == 0;
}

static int read_old_part(struct bytes_reader *r, unsigned mode, struct chunk_part part, double *v)
{
    auto_free double *all = mem_alloc(part.n * sizeof(*all));
    int rc = chunk_read_old(r, mode, all, part.n);
    if (rc == 0) {
        memcpy(v, all + part.from, (part.to - part.from) * sizeof(*v));
    }
    return rc;
}

int chunk_read_part(struct str in, size_t n, size_t from, size_t to, double *v, const double *reference)
{
    struct bytes_reader r = bytes_reader_of(in);
    struct chunk_part part = {n, from, to};
    unsigned mode = (unsigned)bytes_read_le(&r, 1);
    if (r.failed) {
        return ERR_CORRUPT;
    }
    if (mode & MODE_RESIDUAL) {
        return read_residuals(&r, mode & ~MODE_RESIDUAL, part, v, reference) ? 0 : ERR_CORRUPT;
    }
    if (mode == MODE_CONSTANT) {
        return read_constant(&r, v, to - from) ? 0 : ERR_CORRUPT;
    }
    return read_old_part(&r, mode, part, v);
}

int chunk_read_values(struct str in, double *v, size_t n, const double *reference)
{
    return chunk_read_part(in, n, 0, n, v, reference);
}

bool chunk_needs_reference(struct str in)
{
    unsigned mode = in.len ? (uint8_t)in.p[0] : 0;
    return mode & MODE_RESIDUAL && mode & FLAG_REFERENCE;
}

bool chunk_serves_as_reference(struct str in)
{
    unsigned mode = in.len > 1 ? (uint8_t)in.p[0] : 0, scale = in.len > 1 ? (uint8_t)in.p[1] : 0;
    return mode & MODE_RESIDUAL && mode & FLAG_DELTA && !(mode & (FLAG_BITS | FLAG_REFERENCE)) && scale == 0;
}
