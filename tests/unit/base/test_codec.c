#include "src/base/codec.h"
#include "tests/support/test.h"

/* RFC 4648 section 10, and bytes that need '+' and '/'. */
static void base64_goes_both_ways(void **state)
{
    (void)state;
    static const struct {
        struct str plain;
        const char *text;
    } cases[] = {
        {{"", 0}, ""},
        {{"f", 1}, "Zg=="},
        {{"fo", 2}, "Zm8="},
        {{"foo", 3}, "Zm9v"},
        {{"foob", 4}, "Zm9vYg=="},
        {{"foobar", 6}, "Zm9vYmFy"},
        {{"\xfb\xff\xfe", 3}, "+//+"},
        {{"\0\0", 2}, "AAA="},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        auto_buf out, back;
        buf_init(&out, 100);
        buf_init(&back, 100);
        buf_add_char(&out, '>');
        base64_encode(cases[i].plain, &out);
        assert_str_is(str_slice(buf_str(&out), 1, out.len), cases[i].text);
        assert_true(base64_decode(str_of(cases[i].text), &back));
        assert_str_eq(buf_str(&back), cases[i].plain);
    }
}

static void what_is_no_base64_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"Z",    "Zg",     "Zg=",  "Zg===", "Z===", "====",    "Zg=a",
                                      "=Zg=", "Zm9v\n", "Zm-v", "Zh==",  "Zm9=", "Zg==Zg=="};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        auto_buf out;
        buf_init(&out, 100);
        buf_add(&out, STR("kept"));
        if (base64_decode(str_of(bad[i]), &out)) {
            fail_msg("'%s' was accepted", bad[i]);
        }
        assert_string_equal(out.p, "kept");
    }
}

static void uuids_are_version_four_and_differ(void **state)
{
    (void)state;
    char a[UUID_LEN + 1], b[UUID_LEN + 1];
    uuid_random(a);
    uuid_random(b);
    assert_int_equal(strlen(a), UUID_LEN);
    assert_int_equal(a[8], '-');
    assert_int_equal(a[14], '4');
    assert_non_null(strchr("89ab", a[19]));
    assert_string_not_equal(a, b);
}

static void fnv_is_the_published_function(void **state)
{
    (void)state;
    assert_true(fnv1a64(FNV1A64_INIT, STR("")) == 0xcbf29ce484222325);
    assert_true(fnv1a64(FNV1A64_INIT, STR("foobar")) == 0x85944171f73967e8);
}

static void utf8_is_checked_strictly(void **state)
{
    (void)state;
    static const char *const good[] = {"",
                                       "plain ascii, longer than a word",
                                       "é",
                                       "€",
                                       "😀",
                                       "\xed\x9f\xbf",
                                       "\xee\x80\x80",
                                       "\xf4\x8f\xbf\xbf",
                                       "12345678é"};
    static const char *const bad[] = {"\x80",
                                      "\xc0\x80",
                                      "\xc1\xbf",
                                      "\xe0\x9f\xbf",
                                      "\xed\xa0\x80",
                                      "\xf0\x8f\xbf\xbf",
                                      "\xf4\x90\x80\x80",
                                      "\xf5\x80\x80\x80",
                                      "\xff",
                                      "\xc3",
                                      "\xe2\x82",
                                      "12345678\xff",
                                      "\xc3(",
                                      "ok\xe2\x28\xa1"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(utf8_valid(str_of(good[i])));
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(utf8_valid(str_of(bad[i])));
    }
    assert_int_equal(utf8_char(STR("€x")), 3);
    assert_int_equal(utf8_char(STR("\xff")), 0);
    assert_int_equal(utf8_char(STR("")), 0);
}

static void cuts_fall_between_characters(void **state)
{
    (void)state;
    struct str s = STR("aé€😀");
    static const size_t expected[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10};
    for (size_t max = 0; max <= 10; max++) {
        assert_int_equal(utf8_cut(s, max), expected[max]);
    }
    assert_int_equal(utf8_cut(s, 99), 10);
    assert_int_equal(utf8_cut(STR("\x80\x80\x80\x80\x80\x80\x80"), 5), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64_goes_both_ways),
        cmocka_unit_test(what_is_no_base64_is_refused),
        cmocka_unit_test(uuids_are_version_four_and_differ),
        cmocka_unit_test(fnv_is_the_published_function),
        cmocka_unit_test(utf8_is_checked_strictly),
        cmocka_unit_test(cuts_fall_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
