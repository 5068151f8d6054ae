/* Every shape of series comes back bit for bit, and is small where it should be. */
#include "src/base/mem.h"
#include "src/model/sample.h"
#include "storage/chunk.h"
#include "storage/chunk_internal.h"
#include "storage/residual.h"
#include "tests/support/test.h"

static uint64_t seed = 88172645463325252ULL;

static uint64_t rnd(void) /* xorshift64 */
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static struct chunk_scratch scratch;

static unsigned mode_of(const struct buf *column)
{
    return (uint8_t)column->p[0];
}

static bool is_coded(const struct buf *column) /* a byte more or less may be other codes, which the count bounds */
{
    return (mode_of(column) & (MODE_RESIDUAL | RESIDUAL_CODED)) == (MODE_RESIDUAL | RESIDUAL_CODED);
}

/* Writes, reads back, cuts short, lengthens. The mode and size of what was written. */
static struct written {
    unsigned mode;
    size_t size;
} check_values_by(const double *v, size_t n, const double *reference)
{
    auto_buf out;
    buf_init(&out, 64 << 20);
    chunk_add_values(&out, v, n, reference, &scratch);
    assert_false(out.failed);
    auto_free double *back = mem_alloc(n * sizeof(*back));
    bool needs = chunk_needs_reference(buf_str(&out));
    assert_int_equal(chunk_read_values(buf_str(&out), back, n, needs ? reference : NULL), 0);
    assert_memory_equal(back, v, n * sizeof(*v));
    for (size_t i = 0; i < 40; i++) { /* about the ends and the borders of blocks, and anywhere */
        size_t from = (i < 20 ? i / 4 * 32 + i % 3 : i * 7919) % n, left = n - from;
        size_t to = from + 1 + (i % 4 == 0 ? left - 1 : i * i * 31 % left);
        assert_int_equal(chunk_read_part(buf_str(&out), n, from, to, back, needs ? reference + from : NULL), 0);
        assert_memory_equal(back, v + from, (to - from) * sizeof(*v));
    }
    if (needs) {
        assert_int_equal(chunk_read_values(buf_str(&out), back, n, NULL), ERR_CORRUPT);
    }
    struct written written = {mode_of(&out), out.len};
    bool coded = is_coded(&out);
    int rc = chunk_read_values(str_slice(buf_str(&out), 0, out.len - 1), back, n, reference);
    assert_true(rc == ERR_CORRUPT || (rc == 0 && coded));
    buf_add_char(&out, 0);
    rc = chunk_read_values(buf_str(&out), back, n, reference);
    assert_true(rc == ERR_CORRUPT || (rc == 0 && coded));
    return written;
}

static size_t check_values(const double *v, size_t n)
{
    return check_values_by(v, n, NULL).size;
}

static size_t check_times(const int64_t *t, size_t n)
{
    auto_buf out;
    buf_init(&out, 64 << 20);
    chunk_add_times(&out, t, n, &scratch);
    auto_free int64_t *back = mem_alloc(n * sizeof(*back));
    bool ascending, ascend = true;
    assert_int_equal(chunk_read_times(buf_str(&out), back, n, &ascending), 0);
    assert_memory_equal(back, t, n * sizeof(*t));
    for (size_t i = 1; i < n; i++) {
        ascend = ascend && t[i] > t[i - 1];
    }
    assert_int_equal(ascending, ascend);
    assert_int_equal(chunk_read_times(str_slice(buf_str(&out), 0, out.len - 1), back, n, &ascending), ERR_CORRUPT);
    return out.len;
}

enum shape { CONSTANT, COUNTER, GAUGE, DECIMAL, RANDOM_WALK, FULL, SPECIALS, STALE, SPARSE, HUGE, SHAPES };

static double next_value(enum shape shape, double last, size_t i)
{
    static const uint64_t specials[] = {SAMPLE_STALE_BITS,  0x8000000000000000, 0x7ff0000000000000,
                                        0xfff0000000000000, 0x7ff8000000000001, 1};
    switch (shape) {
    case CONSTANT:
        return 42.5;
    case COUNTER:
        return rnd() % 500 == 0 ? 0 : last + (double)(rnd() % 100);
    case GAUGE:
        return (double)(rnd() % 1000) - 500;
    case DECIMAL:
        return ((double)(rnd() % 100000) - 50000) / 1000;
    case RANDOM_WALK:
        return last + (double)rnd() / 1e19 - 0.9;
    case FULL:
        return sample_from_bits(rnd());
    case SPECIALS:
        return sample_from_bits(specials[rnd() % 6]);
    case STALE:
        return i % 37 == 36 ? sample_from_bits(SAMPLE_STALE_BITS) : (double)i;
    case SPARSE:
        return i % 100 == 99 ? last + 1 : last;
    default:
        return (double)(int64_t)rnd();
    }
}

static void values_of_every_shape_come_back(void **state)
{
    (void)state;
    static double v[5000];
    for (int shape = 0; shape < SHAPES; shape++) {
        for (int round = 0; round < 60; round++) {
            size_t n = round < 12 ? (size_t)round + 1 : 1 + rnd() % 5000;
            double last = 0;
            for (size_t i = 0; i < n; i++) {
                v[i] = last = next_value((enum shape)shape, last, i);
            }
            size_t size = check_values(v, n);
            assert_true(size <= n * 8 + 16);
        }
    }
}

static void common_shapes_are_small(void **state)
{
    (void)state;
    static double v[480];
    double last = 0;
    for (size_t i = 0; i < 480; i++) {
        v[i] = 7;
    }
    assert_int_equal(check_values(v, 480), 4);
    for (size_t i = 0; i < 480; i++) {
        v[i] = (double)i * 15;
    }
    assert_true(check_values(v, 480) < 8);
    for (size_t i = 0; i < 480; i++) {
        v[i] = last = next_value(SPARSE, last, i);
    }
    assert_true(check_values(v, 480) < 20);
    for (size_t i = 0; i < 480; i++) {
        v[i] = next_value(DECIMAL, 0, i);
    }
    assert_true(check_values(v, 480) < 480 * 18 / 8);
    for (size_t i = 0; i < 480; i++) {
        v[i] = next_value(STALE, 0, i);
    }
    assert_true(check_values(v, 480) < 250);
}

static void times_come_back(void **state)
{
    (void)state;
    static int64_t t[5000];
    for (int round = 0; round < 200; round++) {
        size_t n = round < 10 ? (size_t)round + 1 : 1 + rnd() % 5000;
        uint64_t now = round % 3 ? 1700000000000 : rnd();
        for (size_t i = 0; i < n; i++) {
            now += round % 2 ? 15000 + rnd() % 5 : rnd() >> (rnd() % 64);
            t[i] = (int64_t)now;
        }
        check_times(t, n);
    }
    for (size_t i = 0; i < 480; i++) {
        t[i] = 1700000000000 + (int64_t)i * 15000;
    }
    assert_true(check_times(t, 480) < 16);
    int64_t extremes[] = {INT64_MIN, INT64_MAX, 0, INT64_MIN, -1};
    check_times(extremes, 5);
}

static void packs_of_every_width_come_back(void **state)
{
    (void)state;
    uint64_t v[300], back[300];
    for (unsigned width = 0; width <= 64; width++) {
        for (size_t n = 0; n < 300; n += 1 + n / 3) {
            for (size_t i = 0; i < n; i++) {
                v[i] = width ? rnd() >> (64 - width) : 0;
                v[i] = rnd() % 50 == 0 ? rnd() : v[i];
            }
            auto_buf out;
            buf_init(&out, 1 << 20);
            pack_add(&out, v, n, pack_choose(v, n));
            struct bytes_reader r = bytes_reader_of(buf_str(&out));
            pack_read(&r, back, n);
            assert_false(r.failed);
            assert_int_equal(bytes_left(&r), 0);
            assert_memory_equal(back, v, n * sizeof(*v));
        }
    }
}

static void flipped_bytes_are_survived(void **state)
{
    (void)state;
    static double v[1000], other[1000];
    static int64_t t[1000];
    for (int round = 0; round < 2000; round++) {
        size_t n = 1 + rnd() % 200;
        double last = 0;
        for (size_t i = 0; i < n; i++) {
            v[i] = last = next_value((enum shape)(round % 4 ? (unsigned)round % SHAPES : rnd() % SHAPES), last, i);
            other[i] = v[i] + (double)(rnd() % 3);
        }
        auto_buf out;
        buf_init(&out, 1 << 20);
        chunk_add_values(&out, v, n, round % 2 ? other : NULL, &scratch);
        size_t reach = rnd() % 2 ? out.len : out.len < 24 ? out.len : 24; /* heads more often */
        out.p[rnd() % reach] ^= (char)(1 << rnd() % 8);
        int rc = chunk_read_values(buf_str(&out), v, n, other); /* any answer, no crash */
        assert_true(rc == 0 || rc == ERR_CORRUPT);
        bool ascending;
        rc = chunk_read_times(buf_str(&out), t, n, &ascending);
        assert_true(rc == 0 || rc == ERR_CORRUPT);
    }
}

/* A shape for every mode, so that none is left untried. */
static double shaped(unsigned flags, size_t i, double last)
{
    double unit = flags & RESIDUAL_UNIT ? 4096 : 1;
    double small = flags & RESIDUAL_CODED ? (double)__builtin_ctz((unsigned)rnd() | 0x80) : (double)(rnd() % 16);
    double step = unit * (flags & RESIDUAL_EXCEPTIONS && i % 50 == 7 ? 1e6 : small);
    double v = flags & FLAG_DELTA ? last + step : 70000 * unit + step;
    return v;
}

static void every_mode_is_written_and_read(void **state)
{
    (void)state;
    enum { N = 481 };
    static double v[N], reference[N];
    const unsigned residual[] = {0, RESIDUAL_EXCEPTIONS, RESIDUAL_CODED, RESIDUAL_UNIT,
                                 RESIDUAL_UNIT | RESIDUAL_CODED | RESIDUAL_EXCEPTIONS};
    const unsigned ways[] = {0,
                             FLAG_DELTA,
                             FLAG_DELTA | FLAG_REFERENCE,
                             FLAG_BITS,
                             FLAG_BITS | FLAG_DELTA,
                             FLAG_STRANGERS,
                             FLAG_STRANGERS | FLAG_DELTA};
    for (size_t w = 0; w < sizeof(ways) / sizeof(*ways); w++) {
        for (size_t f = 0; f < sizeof(residual) / sizeof(*residual); f++) {
            unsigned flags = ways[w] | residual[f];
            double last = 0, walk = 1e8;
            for (size_t i = 0; i < N; i++) {
                walk += flags & FLAG_REFERENCE ? (double)(rnd() % 100000) : 0;
                reference[i] = walk;
                last = shaped(flags, i, last);
                v[i] = last + (flags & FLAG_REFERENCE ? walk : 0);
                if (flags & FLAG_BITS) {
                    v[i] = sample_from_bits(0x3ff123456789abcd + (uint64_t)last);
                }
                if (flags & FLAG_STRANGERS && i % 100 == 3) {
                    v[i] = sample_from_bits(SAMPLE_STALE_BITS);
                }
            }
            struct written written = check_values_by(v, N, flags & FLAG_REFERENCE ? reference : NULL);
            unsigned more =
                flags & FLAG_STRANGERS ? RESIDUAL_EXCEPTIONS | RESIDUAL_CODED : 0; /* from the gap they leave */
            assert_int_equal(written.mode & ~(more & ~flags), MODE_RESIDUAL | flags);
        }
    }
}

static void a_reference_is_used_only_when_it_pays(void **state)
{
    (void)state;
    static double count[480], bucket[480], other[480];
    double c = 0, b = 0;
    for (size_t i = 0; i < 480; i++) {
        double seen = (double)(rnd() % 50);
        count[i] = c += seen;
        bucket[i] = b += seen - (rnd() % 20 == 0 && seen > 0);
        other[i] = (double)i;
    }
    size_t alone = check_values(bucket, 480);
    struct written by = check_values_by(bucket, 480, count);
    assert_true(by.mode & FLAG_REFERENCE);
    assert_true(by.size < alone / 4);
    assert_true(check_values_by(count, 480, count).size < 10);
    assert_false(check_values_by(other, 480, count).mode & FLAG_REFERENCE);
    other[7] = sample_from_bits(SAMPLE_STALE_BITS); /* in the reference and in the column */
    other[8] = 1e300;
    check_values_by(bucket, 480, other);
    check_values_by(other, 480, bucket);
    check_values_by(other, 480, other);
    check_values_by(bucket, 1, count);
}

static bool serves(const double *v, size_t n, const double *reference)
{
    auto_buf out;
    buf_init(&out, 1 << 20);
    chunk_add_values(&out, v, n, reference, &scratch);
    return chunk_serves_as_reference(buf_str(&out));
}

static void only_integers_that_move_alone_serve_as_reference(void **state)
{
    (void)state;
    static double counter[200], constant[200], decimals[200], mantissa[200];
    for (size_t i = 0; i < 200; i++) {
        counter[i] = (i ? counter[i - 1] : 1000) + (double)(rnd() % 50);
        constant[i] = 3;
        decimals[i] = counter[i] / 100;
        mantissa[i] = (double)rnd() / 3e18;
    }
    assert_true(serves(counter, 200, NULL));
    assert_false(serves(counter, 200, counter));
    assert_false(serves(constant, 200, NULL));
    assert_false(serves(decimals, 200, NULL));
    assert_false(serves(mantissa, 200, NULL));
    assert_false(chunk_serves_as_reference((struct str){"", 0}));
    assert_false(chunk_needs_reference((struct str){"", 0}));
}

static void special_values_come_back_in_any_company(void **state)
{
    (void)state;
    static const uint64_t specials[] = {SAMPLE_STALE_BITS,
                                        0x8000000000000000,
                                        0x7ff0000000000000,
                                        0xfff0000000000000,
                                        0x7ff8000000000001,
                                        0xffffffffffffffff,
                                        1,
                                        0x8000000000000001,
                                        0x7fefffffffffffff,
                                        0x000fffffffffffff,
                                        0x4340000000000000,
                                        0x433fffffffffffff};
    static double v[300];
    for (size_t s = 0; s < sizeof(specials) / sizeof(*specials); s++) {
        for (size_t n = 1; n < 300; n += 1 + n / 3) {
            for (int company = 0; company < 4; company++) {
                for (size_t i = 0; i < n; i++) {
                    v[i] = company == 0   ? sample_from_bits(specials[s])
                           : company == 1 ? (double)(rnd() % 9)
                           : company == 2 ? (double)(rnd() % 900) / 100
                                          : sample_from_bits(0x3fe0000000000000 + (rnd() >> 12));
                }
                v[rnd() % n] = sample_from_bits(specials[s]);
                v[n - 1] = sample_from_bits(specials[s]);
                check_values(v, n);
            }
        }
    }
}

static void columns_of_earlier_versions_are_read(void **state)
{
    (void)state;
    const double stale = sample_from_bits(SAMPLE_STALE_BITS);
    const double constant[] = {42.5, 42.5, 42.5};
    const double offset[] = {0.5, 99, 1.5, 90.25, stale, 97, 2, 88.75, -0.0, 95, 4, 99.5, 0.25, 98, 3, 93};
    const double delta[] = {100, 103, 109, 110, 130, 131, 150, 1000000, 1000007, 1000009, 1000030, 1000041};
    const double delta2[] = {0.01, 0.02, 0.04, 0.07, 0.11, 0.16, 0.22, 0.29, 0.37,
                             0.46, 0.56, 0.67, 0.79, 0.92, 1.06, 1.21, 1.37};
    const double patched[] = {1.5, -2.25, stale, 7, 3.75, -0.0, 0.5, -1};
    const double walk[] = {3.141592653589793, 3.141592653589793, 3.1415926535897936,
                           3.14159265358979,  3.141592653589793, 1e300,
                           3.3333333333333335};
    const double raw[] = {sample_from_bits(0x0123456789abcdef), sample_from_bits(0xfedcba9876543210),
                          sample_from_bits(0x7ff8dead0000beef)};
#define COLUMN(bytes)                                                                                                  \
    {                                                                                                                  \
        bytes, sizeof(bytes) - 1                                                                                       \
    }
    const struct {
        const double *v;
        size_t n;
        struct str column;
    } old[] = {
        {constant, 3, COLUMN("\x00\x00\x00\x00\x00\x00\x40\x45\x40")},
        {offset, 16,
         COLUMN("\x01\x02\x02\x04\x02\x00\x00\x00\x00\x00\xf0\x7f\x04\x00\x00\x00\x00\x00\x00\x00\x80\x32\x0e\x00\x19"
                "\xc0\xa4\xd9\x07\xa0\x8c\x28\xe3\x72\xf9\x0a\x48\x8a\x92\xe2\x40\x79\x17\x14\x9b\x00\xc0\x8b\x39\x11"
                "\xec\x90")},
        {delta, 12, COLUMN("\x02\x00\x00\xc8\x01\x06\x01\x06\x23\xa0\x82\x49\x39\x84\x6a\x01\x06\x8d\xf4\x01")},
        {delta2, 17, COLUMN("\x03\x02\x00\x02\x02\x02\x00\xaa\xaa\xaa\x2a")},
        {patched, 8,
         COLUMN("\x03\x02\x02\x02\x02\x00\x00\x00\x00\x00\xf0\x7f\x03\x00\x00\x00\x00\x00\x00\x00\x80"
                "\xac\x02\xed\x05\x0c\x00\xee\xa2\x73\xc3\xa9\x28\x89\xe2\x15")},
        {walk, 7,
         COLUMN("\x04\x40\x09\x21\xfb\x54\x44\x2d\x18\x7f\x80\x00\x00\x00\x03\x00\x00\x00\x02\x20\x00\x00"
                "\x00\x4e\x2e\xfe\x3e\xc5\xc7\xdc\x44\x58\x87\x17\xbf\x1e\xa7\x4b\x11\x55\x6f\x9b\x80")},
        {raw, 3,
         COLUMN("\x05\xef\xcd\xab\x89\x67\x45\x23\x01\x10\x32\x54\x76\x98\xba\xdc\xfe\xef\xbe\x00\x00\xad\xde"
                "\xf8\x7f")},
    };
    for (size_t i = 0; i < sizeof(old) / sizeof(*old); i++) {
        double back[32];
        assert_false(chunk_needs_reference(old[i].column));
        assert_int_equal(chunk_read_values(old[i].column, back, old[i].n, NULL), 0);
        assert_memory_equal(back, old[i].v, old[i].n * sizeof(*back));
        for (size_t len = 0; len < old[i].column.len; len++) {
            assert_int_equal(chunk_read_values(str_slice(old[i].column, 0, len), back, old[i].n, NULL), ERR_CORRUPT);
        }
    }
}

static void nonsense_is_refused(void **state)
{
    (void)state;
#define REFUSED(n, bytes)                                                                                              \
    assert_int_equal(chunk_read_values((struct str)COLUMN(bytes), back, n, back + 64), ERR_CORRUPT)
    double back[128] = {0};
    REFUSED(2, "");
    REFUSED(2, "\x06\x00\x00\x00");                                         /* a mode nobody wrote */
    REFUSED(2, "\x80\x0a\x00\x00");                                         /* scale 10 */
    REFUSED(2, "\x80\x00\x41\x00");                                         /* width 65 */
    REFUSED(1, "\x82\x00\x00\x00\x00");                                     /* differences of one value */
    REFUSED(2, "\x84\x00\x00\x00");                                         /* a reference without differences */
    REFUSED(2, "\x87\x00\x00\x00");                                         /* raw bits by a reference */
    REFUSED(2, "\x89\x00\x00\x00");                                         /* raw bits with strangers */
    REFUSED(2, "\x88\x00\x01\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"); /* a stranger beyond the end */
    REFUSED(2, "\x80\x00\x08\x00\x01");                                     /* one value of two */
    REFUSED(2, "\xa0\x00\x00\x00\x11\x01\x00");                             /* a code for width 0 */
    REFUSED(2, "\xa0\x00\x04\x00\x11\x01\x01\x01");                         /* codes that do not fill the table */
    REFUSED(2, "\x90\x00\x00\x00\x03\x00\x00\x00\x00");                     /* three exceptions among two */
    REFUSED(2, "\x90\x00\x00\x00\x01\x02\x00\x00\x01\x02");                 /* an exception beyond the end */
    REFUSED(2, "\x90\x00\x00\x00\x01\x41\x00\x00\x00");                     /* a gap of 65 bits */
    REFUSED(2, "\x90\x00\x00\x00\x01\x80\xc0\x00\x00");                     /* an escape of 64 bits */
    REFUSED(2, "\x90\x00\x00\x00\x01\x00\x00\x00\x7f"); /* more bytes of exceptions than there are */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_of_every_shape_come_back),
        cmocka_unit_test(every_mode_is_written_and_read),
        cmocka_unit_test(a_reference_is_used_only_when_it_pays),
        cmocka_unit_test(only_integers_that_move_alone_serve_as_reference),
        cmocka_unit_test(special_values_come_back_in_any_company),
        cmocka_unit_test(columns_of_earlier_versions_are_read),
        cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(common_shapes_are_small),
        cmocka_unit_test(times_come_back),
        cmocka_unit_test(packs_of_every_width_come_back),
        cmocka_unit_test(flipped_bytes_are_survived),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    chunk_scratch_release(&scratch);
    return failed;
}
