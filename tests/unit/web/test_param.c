#include "tests/support/test.h"
#include "web/api/param.h"

static void times_are_floats_or_rfc3339(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = {{"4", 4000},
                 {"1795332601.47", 1795332601470},
                 {"1795332601.4699998", 1795332601470},
                 {"-1.5", -1500},
                 {"1795332601470", 1795332601470000},    /* Grafana's exemplar probe: milliseconds */
                 {"-9223372036854775.808", TIME_MIN_MS}, /* Go's ends of time, in both forms, and beyond */
                 {"292277025-08-18T07:12:54.999999999Z", TIME_MAX_MS},
                 {"-292273086-05-16T16:47:06Z", TIME_MIN_MS},
                 {"1e300", TIME_MAX_MS},
                 {"2026-11-23T08:00:00Z", 1795420800000},
                 {"2026-11-23T08:00:00.123+02:00", 1795413600123}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t ms = 0;
        assert_int_equal(param_time(str_of(cases[i].text), &ms, NULL), 0);
        assert_int_equal(ms, cases[i].ms);
    }
    static const char *const bad[] = {"", "now", "1s", "NaN", "Inf", "2026-11-23", "12 "};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int64_t ms;
        struct error err = {0};
        assert_int_equal(param_time(str_of(bad[i]), &ms, &err), ERR_PARSE);
        assert_non_null(strstr(err.text, "to a valid timestamp"));
    }
}

static void durations_are_floats_or_gos(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = {{"15", 15000},     {"0.5", 500}, {"1m0s", 60000}, {"1h0m0s", 3600000},
                 {"2m30s", 150000}, {"0", 0},     {"-1", -1000}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t ms = -99;
        assert_int_equal(param_duration(str_of(cases[i].text), &ms, NULL), 0);
        assert_int_equal(ms, cases[i].ms);
    }
    int64_t ms;
    struct error err = {0};
    assert_int_equal(param_duration(STR("1e300"), &ms, &err), ERR_PARSE);
    assert_non_null(strstr(err.text, "It overflows int64"));
    assert_int_equal(param_duration(STR("5x"), &ms, &err), ERR_PARSE);
    assert_string_equal(err.text, "cannot parse \"5x\" to a valid duration");
}

static void limits_are_whole_and_not_negative(void **state)
{
    (void)state;
    uint64_t n = 7;
    assert_int_equal(param_limit(STR(""), &n, NULL), 0);
    assert_int_equal(n, 0);
    assert_int_equal(param_limit(STR("40000"), &n, NULL), 0);
    assert_int_equal(n, 40000);
    struct error err = {0};
    assert_int_equal(param_limit(STR("-1"), &n, &err), ERR_PARSE);
    assert_string_equal(err.text, "limit must be non-negative");
    assert_int_equal(param_limit(STR("1.5"), &n, &err), ERR_PARSE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_floats_or_rfc3339),
        cmocka_unit_test(durations_are_floats_or_gos),
        cmocka_unit_test(limits_are_whole_and_not_negative),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
