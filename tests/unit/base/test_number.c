#include "src/base/number.h"
#include "tests/support/test.h"

#include <float.h>

/* What Go prints: strconv.FormatFloat by jsonutil's rule, and with 'g', -1. */
static const struct {
    double v;
    const char *json, *g;
} shapes[] = {
    {0, "0", "0"},
    {-0.0, "-0", "-0"},
    {1, "1", "1"},
    {-1.5, "-1.5", "-1.5"},
    {0.1, "0.1", "0.1"},
    {0.25, "0.25", "0.25"},
    {1.0 / 3, "0.3333333333333333", "0.3333333333333333"},
    {100000, "100000", "100000"},
    {999999, "999999", "999999"},
    {1e6, "1000000", "1e+06"},
    {1234567, "1234567", "1.234567e+06"},
    {1234567.5, "1234567.5", "1.2345675e+06"},
    {123456789, "123456789", "1.23456789e+08"},
    {9007199254740992, "9007199254740992", "9.007199254740992e+15"},
    {1.7e18, "1700000000000000000", "1.7e+18"},
    {1e20, "100000000000000000000", "1e+20"},
    {100000000000000016384.0, "100000000000000020000", "1.0000000000000002e+20"},
    {1e21, "1e+21", "1e+21"},
    {-1.5e21, "-1.5e+21", "-1.5e+21"},
    {1.7976931348623157e308, "1.7976931348623157e+308", "1.7976931348623157e+308"},
    {0.0001, "0.0001", "0.0001"},
    {0.00012, "0.00012", "0.00012"},
    {0.00001, "0.00001", "1e-05"},
    {0.000001, "0.000001", "1e-06"},
    {0.0000012345678901234567, "0.0000012345678901234567", "1.2345678901234567e-06"},
    {9.99e-7, "9.99e-07", "9.99e-07"},
    {1e-7, "1e-07", "1e-07"},
    {1e-10, "1e-10", "1e-10"},
    {5e-324, "5e-324", "5e-324"},
    {2.2250738585072014e-308, "2.2250738585072014e-308", "2.2250738585072014e-308"},
    {NAN, "NaN", "NaN"},
    {INFINITY, "+Inf", "+Inf"},
    {-INFINITY, "-Inf", "-Inf"},
};

static void numbers_read_as_go_prints_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        char text[NUMBER_MAX];
        assert_str_is(str_make(text, number_format(shapes[i].v, text)), shapes[i].json);
        assert_str_is(str_make(text, number_format_g(shapes[i].v, text)), shapes[i].g);
    }
}

static void fixed_numbers_have_all_digits_and_no_exponent(void **state)
{
    (void)state;
    static const struct {
        double v;
        const char *text;
    } cases[] = {{0, "0"}, {-1.5, "-1.5"}, {1e-9, "0.000000001"}, {1.5e22, "15000000000000000000000"}, {NAN, "NaN"}};
    char text[NUMBER_FIXED_MAX];
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_str_is(str_make(text, number_format_fixed(cases[i].v, text)), cases[i].text);
    }
    assert_int_equal(number_format_fixed(-2.2250738585072014e-308, text), 2 + 1 + 307 + 17);
    assert_int_equal(number_format_fixed(-1.7976931348623157e308, text), 1 + 309);
}

static bool same_bits(double a, double b)
{
    return memcmp(&a, &b, sizeof(a)) == 0;
}

static void every_double_comes_back_as_it_was(void **state)
{
    (void)state;
    uint64_t bits = 0x9e3779b97f4a7c15;
    for (int i = 0; i < 200000; i++) {
        bits ^= bits << 13;
        bits ^= bits >> 7;
        bits ^= bits << 17;
        double v, back = 0;
        memcpy(&v, &bits, sizeof(v));
        if (isnan(v)) {
            continue;
        }
        char text[NUMBER_MAX];
        assert_true(number_parse(str_make(text, number_format(v, text)), &back));
        assert_true(same_bits(v, back));
        assert_true(number_parse(str_make(text, number_format_g(v, text)), &back));
        assert_true(same_bits(v, back));
    }
}

static void what_go_parses_is_parsed(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double v;
    } cases[] = {
        {"0", 0},
        {"-0", -0.0},
        {"+1", 1},
        {"1.", 1},
        {".5", 0.5},
        {"1e3", 1000},
        {"1E+3", 1000},
        {"1e-3", 0.001},
        {"0x1p-2", 0.25},
        {"0X1.8P1", 3},
        {"-0x.8p0", -0.5},
        {"inf", INFINITY},
        {"+Inf", INFINITY},
        {"-INFINITY", -INFINITY},
        {"1e-400", 0},
        {"4.9e-324", 4.9406564584124654e-324},
        {"0.1000000000000000055511151231257827021181583404541015625", 0.1},
        {"179769313486231570000000000000000000000e270", 1.7976931348623157e308},
        {"000000000000000000000000000000000000000000000000000000000000001", 1},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        double v = -12345;
        if (!number_parse(str_of(cases[i].text), &v) || !same_bits(v, cases[i].v)) {
            fail_msg("%s: %a, expected %a", cases[i].text, v, cases[i].v);
        }
    }
    double v = 0;
    assert_true(number_parse(STR("nAn"), &v) && isnan(v));
}

static void what_go_refuses_is_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",      " ",   " 1",   "1 ",    "1x",     "e",     "e5",      "1e",  "1e+",       ".",     "-",
        "+-1",   "--1", "+nan", "-nan",  "nan(1)", "infin", "infinit", "0x",  "0x1",       "0x1.8", "0xp1",
        "1_000", "1,5", "0b1",  "1e400", "-1e400", "1.2.3", "٣",       "1p3", "0x1p99999",
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        double v = 7;
        if (number_parse(str_of(cases[i]), &v)) {
            fail_msg("'%s' was taken for %g", cases[i], v);
        }
        assert_true(v == 7);
    }
    double v;
    assert_false(number_parse((struct str){0}, &v));
    assert_false(number_parse(str_make("1\0", 2), &v));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_read_as_go_prints_them),
        cmocka_unit_test(fixed_numbers_have_all_digits_and_no_exponent),
        cmocka_unit_test(every_double_comes_back_as_it_was),
        cmocka_unit_test(what_go_parses_is_parsed),
        cmocka_unit_test(what_go_refuses_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
