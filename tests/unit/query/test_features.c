/* Experimental parts: off until they are named, and errors tell how. */
#include "src/query/features.h"
#include "src/query/query.h"
#include "tests/support/test.h"

static void unknown_names_list_the_known_ones(void **state)
{
    (void)state;
    struct error err = {0};
    assert_int_equal(query_features_enable(STR("promql-duration-expr,promql-durations"), &err), ERR_CONFIG);
    assert_non_null(strstr(err.text, "unknown feature \"promql-durations\""));
    assert_non_null(strstr(err.text, "promql-experimental-functions, promql-duration-expr, "));
    assert_non_null(strstr(err.text, "promql-negative-offset"));
    assert_int_equal(query_features(), 0);
}

static void lists_add_up(void **state)
{
    (void)state;
    struct error err = {0};
    auto_buf out = {0};
    buf_init(&out, 1024);
    assert_int_equal(query_features_enable(STR(""), &err), 0);
    assert_int_equal(query_features_enable(STR("promql-at-modifier,promql-negative-offset"), &err), 0);
    assert_int_equal(query_features(), 0);
    assert_false(query_feature_required(FEATURE_DURATION_EXPR, "duration expressions are", 1, 5, &err));
    assert_string_equal(err.text,
                        "duration expressions are experimental, enable with --enable-feature=promql-duration-expr");
    assert_int_equal(err.column, 5);
    assert_int_equal(query_features_enable(STR("promql-duration-expr, promql-per-step-stats"), &err), 0);
    assert_int_equal(query_features_enable(STR("promql-experimental-functions"), &err), 0);
    assert_true(query_feature_required(FEATURE_DURATION_EXPR, "duration expressions are", 1, 1, &err));
    query_features_print(&out);
    assert_str_is(buf_str(&out), "promql-experimental-functions,promql-duration-expr,promql-per-step-stats");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_names_list_the_known_ones),
        cmocka_unit_test(lists_add_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
