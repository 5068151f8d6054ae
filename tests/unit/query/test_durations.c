/* Durations as arithmetic: how they parse and print, what they are in a query, and what is said about wrong ones. */
#include "src/query/ast.h"
#include "src/query/features.h"
#include "tests/support/test.h"

#define COUNT(v) (sizeof(v) / sizeof((v)[0]))

static struct expr *parse(const char *text, struct arena *arena)
{
    struct expr *expr = NULL;
    struct error err = {0};
    if (query_parse(str_of(text), arena, &expr, &err) < 0) {
        fail_msg("%s: %d:%d %s", text, err.line, err.column, err.text);
    }
    return expr;
}

static void assert_prints(const char *text, const char *expected)
{
    auto_arena arena;
    auto_buf out;
    arena_init(&arena);
    buf_init(&out, 1 << 16);
    struct expr *expr = parse(text, &arena);
    expr_print(expr, &out);
    assert_str_is(buf_str(&out), expected);
    expr_release(expr);
}

static void durations_print_as_they_were_meant(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"foo[5m]", "foo[5m]"},
        {"foo[26m+4m]", "foo[26m + 4m]"},
        {"foo[60*30]", "foo[60 * 30]"},
        {"foo[(5m)]", "foo[(5m)]"},
        {"foo[+5m]", "foo[5m]"},
        {"foo[--5m]", "foo[5m]"},
        {"foo[-5m+35m]", "foo[-5m + 35m]"},
        {"foo[STEP( )*2]", "foo[step() * 2]"},
        {"foo[max(step(),1m)]", "foo[max_of(step(), 1m)]"},
        {"foo[Min_Of(1h, range() / 2)]", "foo[min_of(1h, range() / 2)]"},
        {"foo[1h:step()]", "foo[1h:step()]"},
        {"foo[range():5m/5]", "foo[range():5m / 5]"},
        {"foo[2^-(-1)]", "foo[2 ^ -(-1)]"},
        {"foo offset step()", "foo offset step()"},
        {"foo offset +step()", "foo offset step()"},
        {"foo offset -range()", "foo offset -range()"},
        {"foo offset -(5m*2) @ end()", "foo @ end() offset -(5m * 2)"},
        {"foo[5m] offset -min_of(1m, step())", "foo[5m] offset -min_of(1m, step())"},
        {"foo offset (1m - 1m)", "foo offset (1m - 1m)"},
        {"foo offset 5m * 2", "foo offset 5m * 2"},
        {"foo offset (5m) @ 8 * 2", "foo offset (5m) @ 8.000 * 2"},
        {"foo offset (5m) - range() @ 8 * 2", "foo offset (5m) - range() @ 8.000 * 2"},
        {"foo offset max_of(5m, 1m) @ 8 * 2", "foo @ 8.000 offset max_of(5m, 1m) * 2"},
        {"step + range", "step + range"},
        {"rate(step[5m])", "rate(step[5m])"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_prints(cases[i][0], cases[i][1]);
        assert_prints(cases[i][1], cases[i][1]);
    }
}

/* The range of "foo[...]" in a query of 1 hour in steps of 30 seconds. */
static void operators_bind_as_in_expressions(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = {
        {"foo[5m + 1m * 2]", 420000},
        {"foo[(5m + 1m) * 2]", 720000},
        {"foo[10m - 2m - 1m]", 420000},
        {"foo[1h / 2 / 3]", 600000},
        {"foo[2 ^ 3 ^ 2]", 512000},
        {"foo[600 + -2 ^ 2]", 596000},
        {"foo[-2 * -3]", 6000},
        {"foo[2 ^ -1]", 500},
        {"foo[1h30m % 1h]", 1800000},
        {"foo[0.0015]", 2}, /* numbers are rounded, arithmetic is cut */
        {"foo[0.0015 * 1]", 1},
        {"foo[step()]", 30000},
        {"foo[range() / 2]", 1800000},
        {"foo[min_of(step(), range())]", 30000},
        {"foo[max_of(step() * 4, 1m) + 1]", 121000},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        auto_arena arena;
        arena_init(&arena);
        struct expr *expr = parse(cases[i].text, &arena);
        const struct expr *resolved = NULL;
        assert_int_equal(expr_resolve(expr, duration_scope_of(0, 3600000, 30000), &arena, &resolved, NULL), 0);
        if (resolved->range.range_ms != cases[i].ms) {
            fail_msg("%s: %lld ms", cases[i].text, (long long)resolved->range.range_ms);
        }
        expr_release(expr);
    }
}

static void an_offset_ends_with_its_operand(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum expr_kind kind;
        int64_t offset_ms; /* of the selector */
    } cases[] = {
        {"foo offset 5m * 2", EXPR_BINARY, 300000},
        {"foo offset -5m ^ 2", EXPR_BINARY, -300000},
        {"foo offset max_of(1m, 2m) + 1", EXPR_BINARY, 120000},
        {"foo offset -(1m + 1m) * 2", EXPR_BINARY, -120000},
        {"foo offset (5m * 2)", EXPR_SELECTOR, 600000},
        {"foo offset (-2 ^ 2)", EXPR_SELECTOR, -4000},
        {"foo offset (5m) * 2", EXPR_SELECTOR, 600000},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        auto_arena arena;
        arena_init(&arena);
        struct expr *expr = parse(cases[i].text, &arena);
        const struct expr *selector = expr->kind == EXPR_BINARY ? expr->binary.lhs : expr;
        assert_int_equal(expr->kind, cases[i].kind);
        assert_int_equal(selector->shift.offset_ms, cases[i].offset_ms);
        expr_release(expr);
    }
}

static void only_what_varies_is_copied(void **state)
{
    (void)state;
    auto_arena arena;
    arena_init(&arena);
    struct expr *fixed = parse("rate(foo[5m + 5m] offset (1m * 2))", &arena);
    const struct expr *resolved = NULL;
    assert_int_equal(expr_resolve(fixed, duration_scope_of(0, 60000, 1000), &arena, &resolved, NULL), 0);
    assert_ptr_equal(resolved, fixed);
    expr_release(fixed);

    struct expr *varying = parse("sum(rate(foo[step()] offset -range())) / -max_over_time(a[2m:step() * 2] offset 1m) "
                                 "+ topk(scalar(b offset step()), (c)) + d",
                                 &arena);
    auto_buf before, after, resolved_text;
    buf_init(&before, 1024);
    buf_init(&after, 1024);
    buf_init(&resolved_text, 1024);
    expr_print(varying, &before);
    assert_int_equal(expr_resolve(varying, duration_scope_of(0, 600000, 15000), &arena, &resolved, NULL), 0);
    expr_print(resolved, &resolved_text);
    expr_print(varying, &after);
    assert_str_is(buf_str(&resolved_text),
                  "sum(rate(foo[15s] offset -10m)) / -max_over_time(a[2m:30s] offset 1m) + topk(scalar(b offset 15s), "
                  "(c)) + d");
    assert_str_is(buf_str(&after), before.p);
    assert_ptr_equal(resolved->binary.rhs, varying->binary.rhs);
    expr_release(varying);
}

static void wrong_ones_are_refused_where_they_stand(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int line, column;
        const char *says;
    } cases[] = {
        {"foo[5m - 5m]", 1, 5, "duration must be greater than 0, it is 0s"},
        {"foo[1m:5m - 6m]", 1, 8, "duration must be greater than 0, it is -60s"},
        {"foo[0.0001 * 2]", 1, 5, "duration must be greater than 0, it is 0.0002s"},
        {"foo[5m / 0]", 1, 8, "division by zero"},
        {"foo[5m\n  % (1m - 60)]", 2, 3, "modulo by zero"},
        {"foo offset (1y * 1000)", 1, 12, "duration is out of range"},
        {"foo offset ((-8) ^ 0.5)", 1, 12, "duration is out of range"},
        {"foo[1e20 * 1]", 1, 5, "duration out of range"},
        {"foo[bar]", 1, 5, "expected a duration like 5m, a number of seconds, step(), range(), min_of(a, b)"},
        {"foo[step]", 1, 9, "expected \"(\""},
        {"foo[step(1)]", 1, 10, "expected \")\""},
        {"foo[min_of(1m)]", 1, 14, "expected an operator or \",\" and a second duration"},
        {"foo[max_of(1m, 2m, 3m)]", 1, 18, "expected an operator or \")\""},
        {"foo[(1m]", 1, 8, "expected an operator or \")\""},
        {"foo[1m +]", 1, 9, "expected a duration"},
        {"foo offset", 1, 11, "expected a duration"},
        {"foo offset - -1m", 1, 14, "expected a duration"},
        {"foo[1m * sum(2)]", 1, 10, "expected a duration"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        auto_arena arena;
        arena_init(&arena);
        struct expr *expr = NULL;
        struct error err = {0};
        if (query_parse(str_of(cases[i].text), &arena, &expr, &err) >= 0) {
            fail_msg("%s: no error", cases[i].text);
        }
        if (err.line != cases[i].line || err.column != cases[i].column || !strstr(err.text, cases[i].says)) {
            fail_msg("%s: %d:%d %s", cases[i].text, err.line, err.column, err.text);
        }
    }
}

static void what_is_wrong_in_one_query_alone_is_told_by_that(void **state)
{
    (void)state;
    auto_arena arena;
    arena_init(&arena);
    struct error err = {0};
    const struct expr *resolved = NULL;
    struct expr *expr = parse("rate(foo[5m]) + rate(bar[step()])", &arena);
    assert_int_equal(expr_resolve(expr, (struct duration_scope){0}, &arena, &resolved, &err), ERR_PARSE);
    assert_string_equal(err.text,
                        "1:26: duration must be greater than 0, it is 0s here (step() and range() are 0 in an "
                        "instant query, and so in a rule)");
    expr_release(expr);
    expr = parse("foo offset (1m / range())", &arena);
    assert_int_equal(expr_resolve(expr, (struct duration_scope){0}, &arena, &resolved, &err), ERR_PARSE);
    assert_string_equal(err.text, "1:16: division by zero");
    assert_int_equal(expr_resolve(expr, duration_scope_of(0, 2000, 1000), &arena, &resolved, &err), 0);
    assert_int_equal(resolved->shift.offset_ms, 30000);
    expr_release(expr);
}

static void text_of_any_depth_ends(void **state)
{
    (void)state;
    static const char *const pieces[] = {"(", "-(", "1+", "2^", "min_of(1,"};
    for (size_t i = 0; i < COUNT(pieces); i++) {
        auto_buf text;
        auto_arena arena;
        struct expr *expr = NULL;
        struct error err = {0};
        buf_init(&text, 1 << 18);
        arena_init(&arena);
        buf_add(&text, STR("foo["));
        for (int k = 0; k < 20000; k++) {
            buf_add(&text, str_of(pieces[i]));
        }
        buf_add(&text, STR("1"));
        assert_true(query_parse(buf_str(&text), &arena, &expr, &err) < 0);
        assert_non_null(strstr(err.text, "nested too deeply"));
    }
}

static void json_has_the_arithmetic(void **state)
{
    (void)state;
    auto_arena arena;
    auto_buf out;
    arena_init(&arena);
    buf_init(&out, 1 << 16);
    struct expr *expr = parse("foo[(5m) + step()] offset -(2 * 3)", &arena);
    expr_to_json(expr, &out);
    buf_add_char(&out, '\0');
    assert_non_null(strstr(out.p, "\"range\":0,\"rangeExpr\":{\"type\":\"durationExpr\",\"op\":\"+\",\"lhs\":{\"type\":"
                                  "\"durationExpr\",\"op\":\"+\",\"lhs\":null,\"rhs\":{\"type\":\"numberLiteral\","
                                  "\"val\":\"300\",\"duration\":true},\"wrapped\":true},\"rhs\":{\"type\":"
                                  "\"durationExpr\",\"op\":\"step\",\"lhs\":null,\"rhs\":null,\"wrapped\":false},"
                                  "\"wrapped\":false}"));
    assert_non_null(strstr(out.p, "\"offset\":0,\"offsetExpr\":{\"type\":\"durationExpr\",\"op\":\"-\",\"lhs\":null,"
                                  "\"rhs\":{\"type\":\"durationExpr\",\"op\":\"*\","));
    expr_release(expr);
    expr = parse("foo[5m]", &arena);
    buf_clear(&out);
    expr_to_json(expr, &out);
    buf_add_char(&out, '\0');
    assert_non_null(strstr(out.p, "\"range\":300000,\"rangeExpr\":null"));
    expr_release(expr);
}

int main(void)
{
    if (query_features_enable(STR("promql-duration-expr"), NULL) < 0) {
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_print_as_they_were_meant),
        cmocka_unit_test(operators_bind_as_in_expressions),
        cmocka_unit_test(an_offset_ends_with_its_operand),
        cmocka_unit_test(only_what_varies_is_copied),
        cmocka_unit_test(wrong_ones_are_refused_where_they_stand),
        cmocka_unit_test(what_is_wrong_in_one_query_alone_is_told_by_that),
        cmocka_unit_test(text_of_any_depth_ends),
        cmocka_unit_test(json_has_the_arithmetic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
