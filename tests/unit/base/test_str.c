#include "src/base/mem.h"
#include "src/base/vec.h"
#include "tests/support/test.h"

static void comparing_is_by_bytes_and_shorter_first(void **state)
{
    (void)state;
    assert_true(str_cmp(STR("a"), STR("b")) < 0);
    assert_true(str_cmp(STR("a"), STR("ab")) < 0);
    assert_true(str_cmp(STR("\xff"), STR("a")) > 0);
    assert_int_equal(str_cmp((struct str){0}, STR("")), 0);
    assert_true(str_eq((struct str){0}, STR("")));
    assert_true(str_is(STR("x"), "x"));
    assert_true(str_is((struct str){0}, NULL));
    assert_true(str_starts(STR("abc"), STR("ab")) && !str_starts(STR("a"), STR("ab")));
    assert_true(str_ends(STR("abc"), STR("bc")) && !str_ends(STR("c"), STR("bc")));
    assert_true(str_starts((struct str){0}, (struct str){0}));
}

static void cutting_stays_within_the_text(void **state)
{
    (void)state;
    assert_str_is(str_trim(STR(" \t\r\nx y\n ")), "x y");
    assert_str_is(str_trim(STR("  ")), "");
    assert_str_is(str_slice(STR("abc"), 1, 2), "b");
    assert_str_is(str_slice(STR("abc"), 1, 99), "bc");
    assert_str_is(str_slice(STR("abc"), 5, 2), "");
    assert_str_is(str_slice((struct str){0}, 1, 2), "");
}

static void finding_gives_the_first_place(void **state)
{
    (void)state;
    assert_int_equal(str_find_char(STR("a.b.c"), '.'), 1);
    assert_int_equal(str_find_char((struct str){0}, '.'), -1);
    assert_int_equal(str_find(STR("abcabc"), STR("ca")), 2);
    assert_int_equal(str_find(STR("abc"), STR("x")), -1);
    assert_int_equal(str_find(STR("abc"), STR("")), 0);
    assert_int_equal(str_find_nocase(STR("Content-LENGTH"), STR("length")), 8);
    assert_int_equal(str_find_nocase(STR("ab"), STR("abc")), -1);
}

static void splitting_takes_part_after_part(void **state)
{
    (void)state;
    struct str rest = STR("a,,b");
    assert_str_is(str_split(&rest, ','), "a");
    assert_str_is(str_split(&rest, ','), "");
    assert_str_is(str_split(&rest, ','), "b");
    assert_int_equal(rest.len, 0);
    assert_str_is(str_split(&rest, ','), "");
}

static void integers_must_fit_and_fill_the_text(void **state)
{
    (void)state;
    int64_t i = 7;
    uint64_t u = 7;
    assert_true(str_to_int64(STR("-9223372036854775808"), &i) && i == INT64_MIN);
    assert_true(str_to_int64(STR("9223372036854775807"), &i) && i == INT64_MAX);
    assert_true(str_to_int64(STR("+5"), &i) && i == 5);
    assert_true(str_to_uint64(STR("18446744073709551615"), &u) && u == UINT64_MAX);
    static const char *const bad[] = {
        "", "-", "+", "1x", " 1", "1 ", "9223372036854775808", "-9223372036854775809", "--1", "0x1", "1.0"};
    for (size_t k = 0; k < sizeof(bad) / sizeof(bad[0]); k++) {
        i = 7;
        assert_false(str_to_int64(str_of(bad[k]), &i));
        assert_int_equal(i, 7);
    }
    assert_false(str_to_uint64(STR("18446744073709551616"), &u));
    assert_false(str_to_uint64(STR("-1"), &u));
}

static void arrays_grow_and_keep_their_elements(void **state)
{
    (void)state;
    vec(int) v = {0};
    for (int i = 0; i < 1000; i++) {
        vec_push(&v, i);
    }
    int sum = 0;
    vec_each (int *, it, &v) {
        sum += *it;
    }
    assert_int_equal(sum, 499500);
    assert_int_equal(vec_last(&v), 999);
    assert_int_equal(vec_pop(&v), 999);
    assert_int_equal(v.len, 999);
    vec_release(&v);
    assert_null(v.p);
}

static void copies_end_with_nul(void **state)
{
    (void)state;
    auto_free char *a = mem_str_dup(str_make("abc", 2)), *b = mem_strdup(NULL), *c = mem_str_dup((struct str){0});
    assert_string_equal(a, "ab");
    assert_null(b);
    assert_string_equal(c, "");
    char *taken = steal(a);
    assert_null(a);
    mem_free(taken);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comparing_is_by_bytes_and_shorter_first),
        cmocka_unit_test(cutting_stays_within_the_text),
        cmocka_unit_test(finding_gives_the_first_place),
        cmocka_unit_test(splitting_takes_part_after_part),
        cmocka_unit_test(integers_must_fit_and_fill_the_text),
        cmocka_unit_test(arrays_grow_and_keep_their_elements),
        cmocka_unit_test(copies_end_with_nul),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
