#include "src/base/buf.h"
#include "tests/support/test.h"

static void appending_keeps_the_end_nul(void **state)
{
    (void)state;
    auto_buf b;
    buf_init(&b, 1000);
    assert_string_equal(b.p, "");
    buf_add(&b, STR("abc"));
    buf_add_char(&b, 'd');
    buf_addf(&b, "%d-%s", 42, "x");
    assert_string_equal(b.p, "abcd42-x");
    assert_int_equal(b.len, 8);
    buf_drop_front(&b, 4);
    assert_string_equal(b.p, "42-x");
    buf_drop_front(&b, 99);
    assert_string_equal(b.p, "");
}

static void long_formats_are_not_cut(void **state)
{
    (void)state;
    auto_buf b;
    buf_init(&b, 5000);
    buf_addf(&b, "%0*d", 2000, 7);
    assert_int_equal(b.len, 2000);
    assert_int_equal(b.p[1999], '7');
    assert_int_equal(strlen(b.p), 2000);
}

static void an_append_past_the_limit_fails_for_good(void **state)
{
    (void)state;
    auto_buf b;
    buf_init(&b, 4);
    buf_add(&b, STR("abc"));
    buf_add(&b, STR("de")); /* would make 5 */
    assert_true(b.failed);
    buf_add_char(&b, 'd'); /* would fit, but the text has a hole by now */
    assert_string_equal(b.p, "abc");
    assert_null(buf_reserve(&b, 1));
    buf_clear(&b);
    assert_false(b.failed);
    buf_addf(&b, "%s", "wxyz");
    assert_string_equal(b.p, "wxyz");
    buf_addf(&b, "%s", "!");
    assert_true(b.failed);
    buf_clear(&b);
    assert_null(buf_reserve(&b, SIZE_MAX));
}

static void stolen_memory_is_the_callers(void **state)
{
    (void)state;
    struct buf b;
    size_t len = 9;
    buf_init(&b, 100);
    auto_free char *empty = buf_steal(&b, &len);
    assert_string_equal(empty, "");
    assert_int_equal(len, 0);
    buf_add(&b, STR("text"));
    auto_free char *text = buf_steal(&b, &len);
    assert_string_equal(text, "text");
    assert_int_equal(len, 4);
    assert_int_equal(b.len, 0);
    buf_add(&b, STR("more"));
    assert_string_equal(b.p, "more");
    buf_release(&b);
    buf_release(&b);
    struct buf zeroed = {0};
    buf_release(&zeroed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appending_keeps_the_end_nul),
        cmocka_unit_test(long_formats_are_not_cut),
        cmocka_unit_test(an_append_past_the_limit_fails_for_good),
        cmocka_unit_test(stolen_memory_is_the_callers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
