/* Trees over several lines, and as JSON: what /api/v1/format_query and parse_query answer. */
#include "src/query/query.h"
#include "tests/support/test.h"

#include <jansson.h>

#define LONG_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define LONG_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static void written_as(const char *text, void (*write)(const struct expr *, struct buf *), struct buf *out)
{
    auto_arena arena;
    arena_init(&arena);
    struct expr *expr = NULL;
    struct error err = {0};
    if (query_parse(str_of(text), &arena, &expr, &err) < 0) {
        fail_msg("%s: %d:%d %s", text, err.line, err.column, err.text);
    }
    write(expr, out);
    expr_release(expr);
}

/* The expected texts are what Prometheus answers. */
static void long_expressions_are_split(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"sum(  up ) by(job)", "sum by (job) (up)"},
        {"foo[5m] @ start() offset 90s", "foo[5m] @ start() offset 1m30s"},
        {"a * on() b", "a * on () b"},
        {"a + ignoring() b", "a + b"},
        {"-(" LONG_A "{" LONG_B "=\"c\"} + 1)", "-(\n    " LONG_A "{" LONG_B "=\"c\"}\n  +\n    1\n)"},
        {"label_replace(foo, '" LONG_A "', '" LONG_B "', '', '')",
         "label_replace(\n  foo,\n  \"" LONG_A "\",\n  \"" LONG_B "\",\n  \"\",\n  \"\"\n)"},
        {"topk without (x) (3, " LONG_A "{" LONG_B "=\"c\"})",
         "topk without (x) (\n  3,\n  " LONG_A "{" LONG_B "=\"c\"}\n)"},
        {"max_over_time(rate(" LONG_A "{" LONG_B "='c'}[5m])[1h:5m]) + on (a) group_left max_over_time(b[5m:])",
         "  max_over_time(\n    rate(\n      " LONG_A "{" LONG_B
         "=\"c\"}[5m]\n    )[1h:5m]\n  )\n+ on (a) group_left ()\n"
         "  max_over_time(b[5m:])"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        auto_buf out, again;
        buf_init(&out, 1 << 16);
        buf_init(&again, 1 << 16);
        written_as(cases[i][0], expr_pretty, &out);
        assert_str_is(buf_str(&out), cases[i][1]);
        written_as(out.p, expr_pretty, &again);
        assert_str_is(buf_str(&again), cases[i][1]);
    }
}

static void trees_are_json_in_the_shape_of_prometheus(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"-5m", "{'type':'numberLiteral','val':'-300'}"},
        {"1e21", "{'type':'numberLiteral','val':'1000000000000000000000'}"},
        {"'x'", "{'type':'stringLiteral','val':'x'}"},
        {"foo{a='b'} offset 5m", "{'type':'vectorSelector','anchored':false,'smoothed':false,'name':'foo','offset':"
                                 "300000,'offsetExpr':null,'startOrEnd':null,'timestamp':null,'matchers':[{'name':"
                                 "'a','type':'=','value':'b'},{'name':'__name__','type':'=','value':'foo'}]}"},
        {"{'foo'}[5m] @ 1.5",
         "{'type':'matrixSelector','anchored':false,'smoothed':false,'name':'','offset':0,'range':"
         "300000,'offsetExpr':null,'rangeExpr':null,'startOrEnd':null,'timestamp':1500,'matchers':[{"
         "'name':'__name__','type':'=','value':'foo'}]}"},
        {"vector(pi())[1h:5m] @ end()",
         "{'type':'subquery','expr':{'type':'call','args':[{'type':'call','args':[],'func':{'name':'pi','argTypes':[],"
         "'variadic':0,'returnType':'scalar'}}],'func':{'name':'vector','argTypes':['scalar'],'variadic':0,"
         "'returnType':'vector'}},'range':3600000,'step':300000,'offset':0,'startOrEnd':'end','timestamp':null,"
         "'rangeExpr':null,'stepExpr':null,'offsetExpr':null}"},
        {"1 > bool (2)",
         "{'type':'binaryExpr','op':'>','bool':true,'matching':null,'lhs':{'type':'numberLiteral','val':'1'},'rhs':{"
         "'type':'parenExpr','expr':{'type':'numberLiteral','val':'2'}}}"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        auto_buf out, expected;
        buf_init(&out, 1 << 16);
        buf_init(&expected, 1 << 16);
        for (const char *c = cases[i][1]; *c; c++) {
            buf_add_char(&expected, *c == '\'' ? '"' : *c);
        }
        written_as(cases[i][0], expr_to_json, &out);
        json_t *ours = json_loadb(out.p, out.len, 0, NULL), *theirs = json_loadb(expected.p, expected.len, 0, NULL);
        assert_non_null(theirs);
        if (!json_equal(ours, theirs)) {
            fail_msg("%s: %s", cases[i][0], out.p);
        }
        json_decref(ours);
        json_decref(theirs);
    }
}

static json_t *tree_of(const char *text)
{
    auto_buf out;
    buf_init(&out, 1 << 22);
    written_as(text, expr_to_json, &out);
    json_t *tree = json_loadb(out.p, out.len, 0, NULL);
    assert_non_null(tree);
    return tree;
}

static void functions_and_matching_are_described(void **state)
{
    (void)state;
    json_t *call = tree_of("label_join(foo, 'a', ',', 'b', 'c')");
    json_t *function = json_object_get(call, "func");
    assert_int_equal(json_integer_value(json_object_get(function, "variadic")), -1);
    assert_int_equal(json_array_size(json_object_get(function, "argTypes")), 4);
    assert_int_equal(json_array_size(json_object_get(call, "args")), 5);
    json_decref(call);
    json_t *rounded = tree_of("round(foo)");
    assert_int_equal(json_integer_value(json_object_get(json_object_get(rounded, "func"), "variadic")), 1);
    json_decref(rounded);
    json_t *match = tree_of("a and on (y, x) b");
    json_t *matching = json_object_get(match, "matching");
    assert_string_equal(json_string_value(json_object_get(matching, "card")), "many-to-many");
    assert_string_equal(json_string_value(json_array_get(json_object_get(matching, "labels"), 0)), "y");
    json_decref(match);
}

static void deep_trees_are_whole(void **state)
{
    (void)state;
    auto_buf text;
    buf_init(&text, 4096);
    for (int i = 0; i < 300; i++) {
        buf_add_char(&text, '(');
    }
    buf_add_char(&text, '1');
    for (int i = 0; i < 300; i++) {
        buf_add_char(&text, ')');
    }
    json_t *tree = tree_of(text.p);
    json_t *inner = tree;
    for (int i = 0; i < 300; i++) {
        inner = json_object_get(inner, "expr");
    }
    assert_string_equal(json_string_value(json_object_get(inner, "val")), "1");
    json_decref(tree);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(long_expressions_are_split),
        cmocka_unit_test(trees_are_json_in_the_shape_of_prometheus),
        cmocka_unit_test(functions_and_matching_are_described),
        cmocka_unit_test(deep_trees_are_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
