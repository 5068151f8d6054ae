#include "src/base/error.h"
#include "storage/block.h"
#include "storage/bytes.h"
#include "tests/support/test.h"

#include <xxhash.h>

#define N           100
#define HEAD        24 /* FORMAT.md: then one entry of 12 bytes for the time column, and one for the values */
#define TIME_ENTRY  HEAD
#define DIRECTORIES (HEAD + 2 * 12)
#define WIDTH_AT    11 /* of the times' differences, behind the first time and a varint of three bytes; up to 64 */

static void make_block(struct buf *out)
{
    int64_t t_ms[N];
    double v[N];
    for (int i = 0; i < N; i++) {
        t_ms[i] = 1000 + i * 15000 + i % 7;
        v[i] = i * i;
    }
    struct block_builder builder;
    block_builder_init(&builder);
    block_builder_add(&builder, block_column(0, 0), t_ms, v, N);
    block_builder_finish(&builder, out);
    block_builder_release(&builder);
}

static void sign(struct buf *block)
{
    bytes_store_le((uint8_t *)block->p, XXH3_64bits(block->p + 8, DIRECTORIES - 8), 8);
}

static int read_all(const struct buf *bytes, struct block_cache *cache, struct sample_columns *out)
{
    struct block block;
    assert_int_equal(block_open(buf_str(bytes), &block), 0);
    sample_columns_clear(out);
    return block_read(&block, block_column(0, 0), INT64_MIN, INT64_MAX, cache, out);
}

static void a_column_outside_is_damage_whatever_was_read_before(void **state)
{
    (void)state;
    auto_buf good, broken, outside;
    buf_init(&good, 100000);
    buf_init(&broken, 100000);
    buf_init(&outside, 100000);
    make_block(&good);
    make_block(&broken);
    make_block(&outside);
    size_t times = bytes_load_le((const uint8_t *)broken.p + TIME_ENTRY + 4, 4);
    broken.p[DIRECTORIES + WIDTH_AT] = 100;
    bytes_store_le((uint8_t *)broken.p + TIME_ENTRY + 8, (uint32_t)XXH3_64bits(broken.p + DIRECTORIES, times), 4);
    sign(&broken);
    bytes_store_le((uint8_t *)outside.p + TIME_ENTRY + 4, 1000000, 4); /* their end */
    sign(&outside);
    struct block_cache cache = {0};
    struct sample_columns out = {0};
    assert_int_equal(read_all(&good, &cache, &out), 0);
    assert_int_equal(out.n, N);
    assert_int_equal(read_all(&outside, &cache, &out), ERR_CORRUPT);
    assert_int_equal(read_all(&broken, &cache, &out), ERR_CORRUPT);
    assert_int_equal(read_all(&outside, &cache, &out), ERR_CORRUPT);
    assert_int_equal(out.n, 0);
    assert_int_equal(read_all(&good, &cache, &out), 0);
    assert_int_equal(out.n, N);
    block_cache_release(&cache);
    sample_columns_release(&out);
}

static void times_that_do_not_ascend_are_damage(void **state)
{
    (void)state;
    const int64_t t_ms[] = {1000, 3000, 2000, 4000};
    const double v[] = {1, 2, 3, 4};
    struct block_builder builder;
    auto_buf bytes;
    buf_init(&bytes, 100000);
    block_builder_init(&builder);
    block_builder_add(&builder, block_column(0, 0), t_ms, v, 4); /* against what it asks for */
    block_builder_finish(&builder, &bytes);
    block_builder_release(&builder);
    struct sample_columns out = {0};
    assert_int_equal(read_all(&bytes, NULL, &out), ERR_CORRUPT);
    sample_columns_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_column_outside_is_damage_whatever_was_read_before),
        cmocka_unit_test(times_that_do_not_ascend_are_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
