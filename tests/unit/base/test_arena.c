#include "src/base/arena.h"
#include "tests/support/test.h"

static void allocations_are_aligned_and_apart(void **state)
{
    (void)state;
    auto_arena a;
    arena_init(&a);
    unsigned char *seen[500];
    for (size_t i = 0; i < 500; i++) {
        seen[i] = arena_alloc(&a, i * 37 % 5000);
        assert_int_equal((uintptr_t)seen[i] % 16, 0);
        memset(seen[i], (int)(i & 255), i * 37 % 5000);
    }
    for (size_t i = 0; i < 500; i++) {
        for (size_t k = 0; k < i * 37 % 5000; k++) {
            assert_int_equal(seen[i][k], i & 255);
        }
    }
}

static void large_requests_do_not_waste_the_open_block(void **state)
{
    (void)state;
    auto_arena a;
    arena_init(&a);
    char *before = arena_alloc(&a, 16);
    char *large = arena_zalloc(&a, 5 << 20);
    char *after = arena_alloc(&a, 16);
    assert_int_equal(large[(5 << 20) - 1], 0);
    assert_ptr_equal(after, before + 16);
}

static void the_limit_is_told_not_enforced(void **state)
{
    (void)state;
    auto_arena a;
    arena_init(&a);
    a.limit_bytes = 1000;
    char *first = arena_alloc(&a, 900);
    first[899] = 'x';
    assert_false(arena_exhausted(&a));
    char *p = arena_zalloc(&a, 900);
    p[899] = 'x';
    assert_true(arena_exhausted(&a));
    arena_clear(&a);
    assert_false(arena_exhausted(&a));
    assert_int_equal(a.used_bytes, 0);
}

static void texts_are_copied_and_printed(void **state)
{
    (void)state;
    auto_arena a;
    arena_init(&a);
    char source[] = "abc";
    struct str copy = arena_dup(&a, str_of(source));
    source[0] = 'x';
    assert_str_is(copy, "abc");
    assert_string_equal(arena_cstr(&a, str_make("abcdef", 3)), "abc");
    assert_str_is(arena_printf(&a, "%d/%s", 7, "y"), "7/y");
    struct str wide = arena_printf(&a, "%0*d", 3000, 1);
    assert_int_equal(wide.len, 3000);
    assert_int_equal(wide.p[2999], '1');
    arena_release(&a);
    arena_release(&a);
    arena_clear(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allocations_are_aligned_and_apart),
        cmocka_unit_test(large_requests_do_not_waste_the_open_block),
        cmocka_unit_test(the_limit_is_told_not_enforced),
        cmocka_unit_test(texts_are_copied_and_printed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
