/* Every shape of series comes back bit for bit, and is small where it should be. */
#include "src/base/mem.h"
#include "src/model/sample.h"
#include "storage/chunk.h"
#include "storage/pack.h"
#include "tests/support/test.h"

static uint64_t seed = 88172645463325252ULL;

static uint64_t rnd(void) /* xorshift64 */
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static size_t check_values(const double *v, size_t n)
{
    auto_buf out;
    buf_init(&out, 64 << 20);
    chunk_add_values(&out, v, n);
    assert_false(out.failed);
    auto_free double *back = mem_alloc(n * sizeof(*back));
    assert_int_equal(chunk_read_values(buf_str(&out), back, n), 0);
    assert_memory_equal(back, v, n * sizeof(*v));
    assert_int_equal(chunk_read_values(str_slice(buf_str(&out), 0, out.len - 1), back, n), ERR_CORRUPT);
    buf_add_char(&out, 0);
    assert_int_equal(chunk_read_values(buf_str(&out), back, n), ERR_CORRUPT);
    return out.len - 1;
}

static size_t check_times(const int64_t *t, size_t n)
{
    auto_buf out;
    buf_init(&out, 64 << 20);
    chunk_add_times(&out, t, n);
    auto_free int64_t *back = mem_alloc(n * sizeof(*back));
    assert_int_equal(chunk_read_times(buf_str(&out), back, n), 0);
    assert_memory_equal(back, t, n * sizeof(*t));
    assert_int_equal(chunk_read_times(str_slice(buf_str(&out), 0, out.len - 1), back, n), ERR_CORRUPT);
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
            assert_true(size <= n * 8 + 9);
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
    assert_true(check_values(v, 480) == 9);
    for (size_t i = 0; i < 480; i++) {
        v[i] = (double)i * 15;
    }
    assert_true(check_values(v, 480) < 24);
    for (size_t i = 0; i < 480; i++) {
        v[i] = last = next_value(SPARSE, last, i);
    }
    assert_true(check_values(v, 480) < 32);
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
    static double v[1000];
    static int64_t t[1000];
    for (int round = 0; round < 2000; round++) {
        size_t n = 1 + rnd() % 200;
        double last = 0;
        for (size_t i = 0; i < n; i++) {
            v[i] = last = next_value((enum shape)(rnd() % SHAPES), last, i);
        }
        auto_buf out;
        buf_init(&out, 1 << 20);
        chunk_add_values(&out, v, n);
        out.p[rnd() % out.len] ^= (char)(1 << rnd() % 8);
        int rc = chunk_read_values(buf_str(&out), v, n); /* any answer, no crash */
        assert_true(rc == 0 || rc == ERR_CORRUPT);
        rc = chunk_read_times(buf_str(&out), t, n);
        assert_true(rc == 0 || rc == ERR_CORRUPT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_of_every_shape_come_back),
        cmocka_unit_test(common_shapes_are_small),
        cmocka_unit_test(times_come_back),
        cmocka_unit_test(packs_of_every_width_come_back),
        cmocka_unit_test(flipped_bytes_are_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
