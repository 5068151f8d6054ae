/* Text to tree and back, and what is said about text that is none. */
#include "src/query/query.h"
#include "tests/support/test.h"

static void print_of(const char *text, struct buf *out)
{
    auto_arena arena;
    arena_init(&arena);
    struct expr *expr = NULL;
    struct error err = {0};
    if (query_parse(str_of(text), &arena, &expr, &err) < 0) {
        fail_msg("%s: %d:%d %s", text, err.line, err.column, err.text);
    }
    expr_print(expr, out);
    expr_release(expr);
}

static void assert_prints(const char *text, const char *expected)
{
    auto_buf out, again;
    buf_init(&out, 1 << 16);
    buf_init(&again, 1 << 16);
    print_of(text, &out);
    assert_str_is(buf_str(&out), expected);
    print_of(out.p, &again);
    assert_str_is(buf_str(&again), expected);
}

static void expressions_print_in_one_shape(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"1", "1"},
        {"0x1F", "31"},
        {"010", "8"},
        {"1_000", "1000"},
        {"1e3", "1000"},
        {".5", "0.5"},
        {"2.", "2"},
        {"Inf", "+Inf"},
        {"-inf", "-Inf"},
        {"nAn", "NaN"},
        {"--5", "5"},
        {"1.5e22", "15000000000000000000000"},
        {"-1.25e-7", "-0.000000125"},
        {"1e-9", "0.000000001"},
        {"1h30m", "1h30m"},
        {"90s", "1m30s"},
        {"\"a\\n\\x41\\u00e9\\u200b\\xff\\a\"", "\"a\\nAé\\u200b\\xff\\a\""},
        {"'it\\'s'", "\"it's\""},
        {"`raw\\n`", "\"raw\\\\n\""},
        {"foo", "foo"},
        {"foo:bar:sum", "foo:bar:sum"},
        {"foo{}", "foo"},
        {"foo{a=\"b\", c!=\"d\",e=~\"f.*\",g!~\"h\",}", "foo{a=\"b\",c!=\"d\",e=~\"f.*\",g!~\"h\"}"},
        {"{__name__=\"foo\",a=\"b\"}", "{__name__=\"foo\",a=\"b\"}"},
        {"{\"metric.name\", 'label.name'=\"x\"}", "{\"label.name\"=\"x\",__name__=\"metric.name\"}"},
        {"{\"plain\"}", "{__name__=\"plain\"}"},
        {"foo{by=\"1\",sum=\"2\",offset=\"3\",on=\"4\"}", "foo{by=\"1\",offset=\"3\",on=\"4\",sum=\"2\"}"},
        {"sum", "{__name__=\"sum\"}"},
        {"sum{a=\"b\"}", "{__name__=\"sum\",a=\"b\"}"},
        {"foo[5m]", "foo[5m]"},
        {"foo[300]", "foo[5m]"},
        {"foo[ 1h30m ] offset 1w", "foo[1h30m] offset 1w"},
        {"foo offset -5m", "foo offset -5m"},
        {"foo @ 1603774568.123", "foo @ 1603774568.123"},
        {"foo offset 5m @ start()", "foo @ start() offset 5m"},
        {"foo[5m:]", "foo[5m:]"},
        {"foo[1h:5m] @ end() offset 1d", "foo[1h:5m] @ end() offset 1d"},
        {"sum(foo)", "sum(foo)"},
        {"SUM BY (b, a) (foo)", "sum by (b, a) (foo)"},
        {"sum(foo) without (\"x y\")", "sum without (\"x y\") (foo)"},
        {"sum by () (foo)", "sum(foo)"},
        {"topk(3, foo)", "topk(3, foo)"},
        {"count_values by (a) (\"v\", foo)", "count_values by (a) (\"v\", foo)"},
        {"rate(foo[5m])", "rate(foo[5m])"},
        {"time()", "time()"},
        {"1 + 2 * 3 ^ 4", "1 + 2 * 3 ^ 4"},
        {"-2 ^ 2", "-2 ^ 2"},
        {"inf ^ --inf", "Inf ^ +Inf"},
        {"-inf ^ 2 + inf", "-Inf ^ 2 + +Inf"},
        {"(1 + 2) * 3", "(1 + 2) * 3"},
        {"a / on (x, y) group_left (z) b", "a / on (x, y) group_left (z) b"},
        {"a * ignoring(x) group_right b", "a * ignoring (x) group_right () b"},
        {"a > bool on () b", "a > bool on () b"},
        {"a and on(x) b or c unless d", "a and on (x) b or c unless d"},
        {"a AND b ATAN2 c", "a and b atan2 c"},
        {"info( a , { } )", "info(a, {})"},
        {"info(a, {b=~\".*\", __name__='c'})", "info(a, {__name__=\"c\",b=~\".*\"})"},
        {"a # comment\n + # more\n b", "a + b"},
        {"histogram_quantile(0.95, sum by (le, name) (rate(celery_task_runtime_seconds_bucket[5m])))",
         "histogram_quantile(0.95, sum by (le, name) (rate(celery_task_runtime_seconds_bucket[5m])))"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_prints(cases[i][0], cases[i][1]);
    }
}

static void errors_say_where_and_what_was_expected(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int line, column;
        const char *says;
    } cases[] = {
        {"", 1, 1, "no expression found in input"},
        {"# only a comment", 1, 17, "no expression found in input"},
        {"rat(foo[5m])", 1, 1, "unknown function with name \"rat\", did you mean \"rate\"?"},
        {"increse(foo[5m])", 1, 1, "did you mean \"increase\"?"},
        {"tokp(5, foo)", 1, 1, "did you mean \"topk\"?"},
        {"blabla_unheard_of(foo)", 1, 1, "unknown function with name \"blabla_unheard_of\""},
        {"sum(", 1, 5, "unclosed left parenthesis, expected an expression"},
        {"sum(foo", 1, 8, "unclosed left parenthesis, expected an operator, \",\" or \")\""},
        {"sum(up[5m]) by (", 1, 17, "unclosed left parenthesis, expected a label name"},
        {"(up{a='b'", 1, 10, "unexpected end of input inside braces, expected \",\" or \"}\""},
        {"up[5m", 1, 6, "unclosed left bracket, expected \":\" or \"]\""},
        {"(up) + {a='('} /", 1, 17, "unexpected end of input, expected an expression"},
        {"(foo", 1, 5, "expected an operator or \")\""},
        {"foo bar", 1, 5, "unexpected identifier \"bar\", expected an operator or the end of the query"},
        {"foo{a}", 1, 6, "expected one of \"=\""},
        {"foo{a=b}", 1, 7, "expected a quoted label value"},
        {"foo{a=\"b\"", 1, 10, "expected \",\" or \"}\""},
        {"foo{a=~\"(\"}", 1, 8, ""},
        {"{}", 1, 1, "vector selector must contain at least one non-empty matcher"},
        {"{a=\"\",b=~\".*\"}", 1, 1, "at least one non-empty matcher"},
        {"foo{__name__=\"bar\"}", 1, 14, "metric name must not be set twice: \"foo\" or \"bar\""},
        {"foo[5m", 1, 7, "expected \":\" or \"]\""},
        {"foo[]", 1, 5, "expected a duration"},
        {"foo[0s]", 1, 5, "duration must be greater than 0"},
        {"foo[5x]", 1, 5, "bad number or duration syntax: \"5x\""},
        {"foo[1m1h]", 1, 5, "bad number or duration syntax"},
        {"1.5.5", 1, 4, "expected an operator"},
        {"0x", 1, 1, "bad number"},
        {"sum(foo)[5m]", 1, 9, "ranges only allowed for vector selectors"},
        {"foo offset 5m [5m]", 1, 15, "no offset modifiers allowed before range"},
        {"foo offset 5m offset 5m", 1, 15, "offset may not be set multiple times"},
        {"sum(foo) offset 5m", 1, 10, "offset modifier must be preceded by"},
        {"foo @ 1 @ 2", 1, 9, "may not be set multiple times"},
        {"foo @ NaN", 1, 7, "timestamp out of bounds"},
        {"\"abc", 1, 1, "unterminated quoted string"},
        {"\"\\q\"", 1, 1, "invalid escape sequence"},
        {"foo & bar", 1, 5, "unexpected character: '&'"},
        {"foo ! bar", 1, 5, "expected \"!=\" or \"!~\""},
        {"foo +\n  * bar", 2, 3, "unexpected \"*\""},
        {"\"\xc3\xa9\" + )", 1, 7, "unexpected \")\""},
        {"rate(foo)", 1, 6, "expected type range vector in call to function \"rate\", got instant vector"},
        {"rate(foo[5m], 1)", 1, 1, "expected 1 argument(s) in call to \"rate\", got 2"},
        {"round()", 1, 1, "expected at least 1 argument(s)"},
        {"round(foo, 1, 2)", 1, 1, "expected at most 2 argument(s)"},
        {"abs(foo,)", 1, 9, "trailing commas not allowed"},
        {"sum(foo[5m])", 1, 5, "expected type instant vector in aggregation expression, got range vector"},
        {"topk(foo)", 1, 1, "expected 2, got 1"},
        {"topk(foo, foo)", 1, 6, "expected type scalar in aggregation parameter"},
        {"1 == 1", 1, 3, "comparisons between scalars must use BOOL modifier"},
        {"1 and foo", 1, 3, "set operator \"and\" not allowed in binary scalar expression"},
        {"foo + bool bar", 1, 7, "bool modifier can only be used on comparison operators"},
        {"foo and on(a) group_left b", 1, 15, "no grouping allowed for \"and\" operation"},
        {"foo + on(a) group_left(a) b", 1, 13, "label \"a\" must not occur in ON and GROUP clause at once"},
        {"1 + on(a) foo", 1, 3, "vector matching only allowed between instant vectors"},
        {"foo + foo[5m]", 1, 7, "binary expression must contain only scalar and instant vector types"},
        {"1 + foo anchored", 1, 5, "anchored modifier is experimental and not enabled"},
        {"rate(foo[5m] smoothed)", 1, 6, "--enable-feature=promql-extended-range-selectors"},
        {"foo[5m + 1m]", 1, 8,
         "experimental duration expression is not enabled: it needs "
         "--enable-feature=promql-duration-expr"},
        {"foo[(5m)]", 1, 5, "duration expression is not enabled"},
        {"foo offset -step()", 1, 13, "duration expression is not enabled"},
        {"foo[bar]", 1, 5, "expected a duration like 5m or a number of seconds"},
        {"foo[-5m]", 1, 5, "duration must be greater than 0"},
        {"1 + start()", 1, 5, "start is experimental, enable with --enable-feature=promql-experimental-functions"},
        {"max_of(1, 2)", 1, 1, "max_of is experimental"},
        {"info(foo, bar)", 1, 11, "expected label selectors only, got vector selector instead"},
        {"info(foo, {a=\"b\"} offset 5m)", 1, 11, "got a selector with a modifier"},
        {"info(foo, ({a=\"b\"}))", 1, 11, "expected label matchers like"},
        {"info({})", 1, 6, "vector selector must contain at least one non-empty matcher"},
        {"-\"a\"", 1, 1, "unary expression only allowed on"},
        {"1[5m:]", 1, 1, "subquery is only allowed on instant vector, got scalar"},
        {"sum by (1) (foo)", 1, 9, "expected a label name"},
        {"sum by (a b) (foo)", 1, 11, "expected \",\" or \")\""},
        {"\xff", 1, 1, "not valid UTF-8"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        auto_arena arena;
        arena_init(&arena);
        struct expr *expr = NULL;
        struct error err = {0};
        if (query_parse(str_of(cases[i].text), &arena, &expr, &err) >= 0) {
            fail_msg("%s: no error", cases[i].text);
        }
        if (err.line != cases[i].line || err.column != cases[i].column ||
            str_find(str_of(err.text), str_of(cases[i].says)) < 0) {
            fail_msg("%s: got %d:%d \"%s\", expected %d:%d \"%s\"", cases[i].text, err.line, err.column, err.text,
                     cases[i].line, cases[i].column, cases[i].says);
        }
    }
}

static void deep_nesting_is_refused_not_recursed(void **state)
{
    (void)state;
    static const char *const repeated[] = {"(", "-", "abs(", "1+", "x or ", "{", "a[5m:][1m:]"};
    for (size_t k = 0; k < sizeof(repeated) / sizeof(repeated[0]); k++) {
        auto_buf text;
        buf_init(&text, 1 << 20);
        for (int i = 0; i < 20000; i++) {
            buf_add(&text, str_of(repeated[k]));
        }
        auto_arena arena;
        arena_init(&arena);
        struct expr *expr = NULL;
        struct error err = {0};
        assert_true(query_parse(buf_str(&text), &arena, &expr, &err) < 0);
        assert_true(err.text[0] != 0);
    }
}

static void too_long_a_query_is_refused(void **state)
{
    (void)state;
    auto_buf text;
    buf_init(&text, 1 << 20);
    for (int i = 0; i < 300000; i++) {
        buf_add_char(&text, ' ');
    }
    auto_arena arena;
    arena_init(&arena);
    struct expr *expr = NULL;
    struct error err = {0};
    assert_int_equal(query_parse(buf_str(&text), &arena, &expr, &err), ERR_LIMIT);
}

static void types_are_known_before_evaluation(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum value_type type;
    } cases[] = {{"1", VALUE_SCALAR},       {"\"a\"", VALUE_STRING},      {"foo", VALUE_VECTOR},
                 {"foo[5m]", VALUE_MATRIX}, {"foo[5m:1m]", VALUE_MATRIX}, {"scalar(foo)", VALUE_SCALAR},
                 {"1 + 2", VALUE_SCALAR},   {"1 + foo", VALUE_VECTOR},    {"-(foo)", VALUE_VECTOR},
                 {"time()", VALUE_SCALAR},  {"1 > bool 2", VALUE_SCALAR}, {"vector(1)", VALUE_VECTOR}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        auto_arena arena;
        arena_init(&arena);
        struct expr *expr = NULL;
        assert_int_equal(query_parse(str_of(cases[i].text), &arena, &expr, NULL), 0);
        assert_int_equal(expr_type(expr), cases[i].type);
        expr_release(expr);
    }
}

static void selectors_parse_alone(void **state)
{
    (void)state;
    auto_arena arena;
    arena_init(&arena);
    struct matcher *matchers;
    size_t n;
    struct error err = {0};
    assert_int_equal(query_parse_selector(STR("up{job=~\"a|b\",x!=\"\"}"), &arena, &matchers, &n, &err), 0);
    assert_int_equal(n, 3);
    assert_str_is(matchers[0].value, "up");
    assert_int_equal(matchers[1].op, MATCH_RE);
    matchers_release(matchers, n);
    static const char *const refused[] = {"sum(up)", "up[5m]", "up offset 5m", "1", "up{", "{}"};
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        assert_true(query_parse_selector(str_of(refused[i]), &arena, &matchers, &n, &err) < 0);
    }
}

static void every_function_is_listed_with_help(void **state)
{
    (void)state;
    size_t n;
    const struct function_info *infos = query_functions(&n);
    assert_true(n > 70);
    bool rate = false, topk = false;
    for (size_t i = 0; i < n; i++) {
        assert_true(str_starts(str_of(infos[i].signature), str_of(infos[i].name)));
        assert_true(strlen(infos[i].help) > 5);
        rate = rate || strcmp(infos[i].name, "rate") == 0;
        topk = topk || strcmp(infos[i].name, "topk") == 0;
    }
    assert_true(rate && topk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expressions_print_in_one_shape),
        cmocka_unit_test(errors_say_where_and_what_was_expected),
        cmocka_unit_test(deep_nesting_is_refused_not_recursed),
        cmocka_unit_test(too_long_a_query_is_refused),
        cmocka_unit_test(types_are_known_before_evaluation),
        cmocka_unit_test(selectors_parse_alone),
        cmocka_unit_test(every_function_is_listed_with_help),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
