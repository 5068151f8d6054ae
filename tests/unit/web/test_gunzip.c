#include "src/base/arena.h"
#include "tests/support/test.h"
#include "web/server/gunzip.h"

#include <zlib.h>

static struct str zip(struct arena *arena, struct str plain)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)plain.p, .avail_in = (uInt)plain.len};
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    size_t bound = deflateBound(&z, plain.len);
    char *to = arena_alloc(arena, bound);
    z.next_out = (Bytef *)to;
    z.avail_out = (uInt)bound;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    size_t len = z.total_out;
    deflateEnd(&z);
    return str_make(to, len);
}

static int unzip(struct str gzip, size_t max_bytes, struct buf *out)
{
    struct error err = {0};
    buf_release(out);
    buf_init(out, max_bytes + 1);
    return gunzip(gzip, max_bytes, out, &err);
}

static void what_was_packed_comes_out(void **state)
{
    (void)state;
    auto_arena arena;
    auto_buf out = {0};
    arena_init(&arena);
    char *long_text = arena_alloc(&arena, 300000);
    for (size_t i = 0; i < 300000; i++) {
        long_text[i] = (char)(i * i % 251);
    }
    const struct str texts[] = {STR(""), STR("query=up"), str_make(long_text, 300000)};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(unzip(zip(&arena, texts[i]), texts[i].len, &out), 0); /* just as much as is allowed */
        assert_true(str_eq(buf_str(&out), texts[i]));
    }
    struct str a = zip(&arena, STR("query=")), b = zip(&arena, STR("up"));
    char *joined = arena_alloc(&arena, a.len + b.len);
    memcpy(joined, a.p, a.len);
    memcpy(joined + a.len, b.p, b.len);
    assert_int_equal(unzip(str_make(joined, a.len + b.len), 100, &out), 0);
    assert_true(str_is(buf_str(&out), "query=up"));
}

static void a_bomb_ends_at_the_limit(void **state)
{
    (void)state;
    auto_arena arena;
    auto_buf out = {0};
    arena_init(&arena);
    char *zeros = arena_alloc(&arena, 16u << 20);
    memset(zeros, 0, 16u << 20);
    struct str bomb = zip(&arena, str_make(zeros, 16u << 20));
    assert_true(bomb.len < 20000);
    assert_int_equal(unzip(bomb, 1u << 20, &out), ERR_LIMIT);
    assert_true(out.len <= (1u << 20) + 1);
    assert_int_equal(unzip(zip(&arena, STR("query=up")), 7, &out), ERR_LIMIT);
}

static void what_is_damaged_is_refused(void **state)
{
    (void)state;
    auto_arena arena;
    auto_buf out = {0};
    arena_init(&arena);
    struct str good = zip(&arena, STR("query=sum(rate(requests_total[5m]))"));
    for (size_t cut = 0; cut < good.len; cut++) {
        assert_int_equal(unzip(str_slice(good, 0, cut), 1000, &out), ERR_PARSE);
    }
    char *bad = arena_cstr(&arena, good);
    bad[good.len - 6] ^= 1; /* of the checksum */
    assert_int_equal(unzip(str_make(bad, good.len), 1000, &out), ERR_PARSE);
    assert_int_equal(unzip(STR("query=up"), 1000, &out), ERR_PARSE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_packed_comes_out),
        cmocka_unit_test(a_bomb_ends_at_the_limit),
        cmocka_unit_test(what_is_damaged_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
