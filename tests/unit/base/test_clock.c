#include "src/base/clock.h"
#include "tests/support/test.h"

static void the_clock_can_be_frozen(void **state)
{
    (void)state;
    clock_fake(1700000000123, 42);
    assert_int_equal(clock_wall_ms(), 1700000000123);
    assert_int_equal(clock_mono_ms(), 42);
    assert_int_equal(clock_mono_us(), 42000);
    clock_real();
    assert_true(clock_wall_ms() > 1700000000123);
    int64_t a = clock_mono_us(), b = clock_mono_us();
    assert_true(b >= a);
}

static void times_are_printed_and_read_back(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {1700000000123, "2023-11-14T22:13:20.123Z"},
        {951782400000, "2000-02-29T00:00:00.000Z"},
        {-1, "1969-12-31T23:59:59.999Z"},
        {-62135596800000, "0001-01-01T00:00:00.000Z"},
        {253402300799999, "9999-12-31T23:59:59.999Z"},
        {4107542399000, "2100-02-28T23:59:59.000Z"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        auto_buf out;
        buf_init(&out, 100);
        clock_format_rfc3339(cases[i].ms, &out);
        assert_string_equal(out.p, cases[i].text);
        int64_t back = 1;
        assert_true(clock_parse_rfc3339(buf_str(&out), &back));
        assert_int_equal(back, cases[i].ms);
    }
}

static void zones_and_fractions_are_understood(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = {
        {"2023-11-14T22:13:20Z", 1700000000000},      {"2023-11-14T22:13:20", 1700000000000},
        {"2023-11-15T00:13:20+02:00", 1700000000000}, {"2023-11-14T16:43:20-05:30", 1700000000000},
        {"2023-11-14t22:13:20.5z", 1700000000500},    {"2023-11-14 22:13:20.123456789Z", 1700000000123},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t ms = 0;
        assert_true(clock_parse_rfc3339(str_of(cases[i].text), &ms));
        assert_int_equal(ms, cases[i].ms);
    }
    static const char *const bad[] = {"",
                                      "2023-11-14",
                                      "2023-11-14T22:13",
                                      "2023-13-14T22:13:20Z",
                                      "2023-02-29T00:00:00Z",
                                      "2023-04-31T00:00:00Z",
                                      "2023-11-14T24:00:00Z",
                                      "2023-11-14T22:60:20Z",
                                      "2023-11-14T22:13:60Z",
                                      "2023-11-14T22:13:20.Z",
                                      "2023-11-14T22:13:20+0200",
                                      "2023-11-14T22:13:20Zx",
                                      "1900-02-29T00:00:00Z",
                                      "23-11-14T22:13:20Z",
                                      "2023-00-10T00:00:00Z",
                                      "2023-11-14T22:13:20+24:00"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int64_t ms = 7;
        if (clock_parse_rfc3339(str_of(bad[i]), &ms)) {
            fail_msg("'%s' was accepted", bad[i]);
        }
        assert_int_equal(ms, 7);
    }
}

/* Cases of prometheus/common model.TestParseDuration and TestDuration_String among them. */
static void durations_read_like_prometheus(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
        const char *printed;
    } cases[] = {
        {"0", 0, "0s"},
        {"0w", 0, "0s"},
        {"0s", 0, "0s"},
        {"324ms", 324, "324ms"},
        {"3s", 3000, "3s"},
        {"5m", 300000, "5m"},
        {"1h", 3600000, "1h"},
        {"4d", 345600000, "4d"},
        {"4d1h", 349200000, "4d1h"},
        {"14d", 1209600000, "2w"},
        {"3w", 1814400000, "3w"},
        {"3w2d1h", 1990800000, "23d1h"},
        {"10y", 315360000000, "10y"},
        {"90d", 7776000000, "90d"},
        {"1h30m", 5400000, "1h30m"},
        {"1m500ms", 60500, "1m500ms"},
        {"90m", 5400000, "1h30m"},
        {"1y2w3d4h5m6s7ms", 31536000000 + 1209600000 + 259200000 + 14400000 + 300000 + 6000 + 7, "382d4h5m6s7ms"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t ms = -1;
        if (!duration_parse(str_of(cases[i].text), &ms)) {
            fail_msg("'%s' was refused", cases[i].text);
        }
        assert_int_equal(ms, cases[i].ms);
        auto_buf out;
        buf_init(&out, 100);
        duration_format(ms, &out);
        assert_string_equal(out.p, cases[i].printed);
    }
    static const char *const bad[] = {
        "",    "1",   "1y1m1d", "-1w",  "1.5d",       "d",       "1h1h",     "1s1m",
        " 1s", "1s ", "1ms1s",  "294y", "200y10400w", "107675d", "2584200h", "99999999999999999999s",
        "1M",  "00",  "1sm",    "1h30"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int64_t ms = 7;
        if (duration_parse(str_of(bad[i]), &ms)) {
            fail_msg("'%s' was accepted", bad[i]);
        }
        assert_int_equal(ms, 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_clock_can_be_frozen),
        cmocka_unit_test(times_are_printed_and_read_back),
        cmocka_unit_test(zones_and_fractions_are_understood),
        cmocka_unit_test(durations_read_like_prometheus),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
