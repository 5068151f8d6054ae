/* Experimental parts: off until they are named, and errors tell how. */
#include "src/query/features.h"
#include "src/query/query.h"
#include "tests/support/test.h"
#include "tests/unit/query/tree_equal.h"

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

static void assert_refused(const char *text, const char *says)
{
    auto_arena arena;
    arena_init(&arena);
    struct expr *expr = NULL;
    struct error err = {0};
    assert_true(query_parse(str_of(text), &arena, &expr, &err) < 0);
    if (!strstr(err.text, says)) {
        fail_msg("%s: got \"%s\", expected \"%s\"", text, err.text, says);
    }
}

static void experimental_syntax_is_refused_until_it_is_enabled(void **state)
{
    (void)state;
    assert_refused("a + fill(0) b",
                   "fill modifiers are experimental, enable with --enable-feature=promql-binop-fill-modifiers");
    assert_refused("histogram_quantiles(a_bucket, \"q\", 0.5)",
                   "histogram_quantiles is experimental, enable with --enable-feature=promql-experimental-functions");
    assert_refused("histogram_avg(a)", "native histograms, which are not supported");
}

static void print_again(const char *text, const char *expected)
{
    auto_arena arena;
    arena_init(&arena);
    struct expr *expr = NULL;
    struct error err = {0};
    if (query_parse(str_of(text), &arena, &expr, &err) < 0) {
        fail_msg("%s: %d:%d %s", text, err.line, err.column, err.text);
    }
    assert_str_is(tree_round_trip(expr, str_of(text), &arena), expected);
    expr_release(expr);
}

static void fill_modifiers_are_printed_and_checked(void **state)
{
    (void)state;
    struct error err = {0};
    assert_int_equal(query_features_enable(STR("promql-binop-fill-modifiers"), &err), 0);
    print_again("a+fill(0)b", "a + fill (0) b");
    print_again("fill + fill (-1m) fill", "fill + fill (-60) fill");
    print_again("a == bool on(x) group_left(y) fill_right(NaN) fill_left(-Inf) b",
                "a == bool on (x) group_left (y) fill_left (-Inf) fill_right (NaN) b");
    print_again("a - ignoring(x) fill_left(2) fill_right(2) b", "a - ignoring (x) fill (2) b");
    assert_refused("a and fill(0) b", "not allowed for set operators");
    assert_refused("a + fill(0) fill_left(1) b", "only once");
    assert_refused("a + fill(0) 1", "only allowed between instant vectors");
    assert_refused("a + fill(b) c", "expected a number to fill in");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_names_list_the_known_ones),
        cmocka_unit_test(experimental_syntax_is_refused_until_it_is_enabled),
        cmocka_unit_test(lists_add_up),
        cmocka_unit_test(fill_modifiers_are_printed_and_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
