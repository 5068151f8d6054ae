#include "src/model/matcher.h"
#include "tests/support/test.h"

static bool matches(enum matcher_op op, const char *pattern, const char *value)
{
    struct matcher m;
    struct error err = {0};
    if (matcher_init(&m, op, STR("l"), str_of(pattern), &err) != 0) {
        fail_msg("%s: %s", pattern, err.text);
    }
    bool result = matcher_matches(&m, str_of(value));
    matcher_release(&m);
    return result;
}

static void the_four_operators_decide(void **state)
{
    (void)state;
    assert_true(matches(MATCH_EQ, "a", "a") && !matches(MATCH_EQ, "a", "b"));
    assert_true(matches(MATCH_NE, "a", "b") && !matches(MATCH_NE, "a", "a"));
    assert_true(matches(MATCH_RE, "a|b.*", "bcd") && !matches(MATCH_RE, "a|b.*", "xa"));
    assert_true(matches(MATCH_NRE, "a.+", "a") && !matches(MATCH_NRE, "a.+", "ab"));
}

static void a_missing_label_is_the_empty_text(void **state)
{
    (void)state;
    static const struct {
        enum matcher_op op;
        const char *value;
        bool matches;
    } cases[] = {
        {MATCH_EQ, "", true},   {MATCH_EQ, "x", false},  {MATCH_NE, "", false},  {MATCH_NE, "x", true},
        {MATCH_RE, ".*", true}, {MATCH_RE, ".+", false}, {MATCH_RE, "|x", true}, {MATCH_NRE, "x?", false},
    };
    struct label pair = {STR("job"), STR("y")};
    struct labels labels = {&pair, 1};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct matcher m[2];
        assert_int_equal(matcher_init(&m[0], MATCH_EQ, STR("job"), STR("y"), NULL), 0);
        assert_int_equal(matcher_init(&m[1], cases[i].op, STR("absent"), str_of(cases[i].value), NULL), 0);
        assert_int_equal(matchers_match(m, 2, labels), cases[i].matches);
        matcher_release(&m[0]);
        matcher_release(&m[1]);
    }
    assert_true(matchers_match(NULL, 0, labels));
}

static void a_bad_regex_is_reported_and_only_there(void **state)
{
    (void)state;
    struct matcher m;
    struct error err = {0};
    assert_int_equal(matcher_init(&m, MATCH_RE, STR("l"), STR("(a"), &err), ERR_PARSE);
    assert_true(err.text[0] != '\0');
    assert_int_equal(matcher_init(&m, MATCH_EQ, STR("l"), STR("(a"), &err), 0);
    matcher_release(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_four_operators_decide),
        cmocka_unit_test(a_missing_label_is_the_empty_text),
        cmocka_unit_test(a_bad_regex_is_reported_and_only_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
