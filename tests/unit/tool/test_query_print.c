/* Results as people and scripts see them. */
#include "src/tool/query_print.h"
#include "src/tool/query_when.h"
#include "src/tool/table.h"
#include "tests/support/test.h"

#define T0 1760000000000 /* 2025-10-09T08:53:20Z */
#define LABELS(...)                                                                                                    \
    (struct labels)                                                                                                    \
    {                                                                                                                  \
        (const struct label[]){__VA_ARGS__}, sizeof((const struct label[]){__VA_ARGS__}) / sizeof(struct label)        \
    }
#define SERIES(count, array, ...)                                                                                      \
    {                                                                                                                  \
        .labels = LABELS(__VA_ARGS__), .points = (array), .n = (count)                                                 \
    }
#define NAME(text)                                                                                                     \
    {                                                                                                                  \
        STR("__name__"), STR(text)                                                                                     \
    }

static void assert_printed(const struct query_result *result, struct query_view view, const char *expected)
{
    auto_buf out;
    buf_init(&out, 1 << 20);
    view.width = view.width ? view.width : 100;
    query_print(result, &view, &out);
    assert_str_is(buf_str(&out), expected);
}

static const struct query_view instant = {.header = true};
static const struct query_view minutes = {.header = true, .start_ms = T0, .end_ms = T0 + 300000, .step_ms = 60000};

static void common_labels_stand_above_and_numbers_at_the_right(void **state)
{
    (void)state;
    struct point p[] = {{T0, 10}, {T0, -0.5}, {T0, NAN}};
    struct result_series series[] = {
        SERIES(1, p, NAME("up"), {STR("instance"), STR("東京")}, {STR("job"), STR("x")}),
        SERIES(1, p + 1, NAME("up"), {STR("instance"), STR("é:1")}, {STR("job"), STR("x")}, {STR("z"), STR("1")}),
        SERIES(1, p + 2, NAME("up"), {STR("instance"), STR("b")}, {STR("job"), STR("x")}),
    };
    struct query_result result = {.type = VALUE_VECTOR, .series = series, .n = 3};
    assert_printed(&result, instant,
                   "up{job=\"x\"}  2025-10-09T08:53:20.000Z\n"
                   "instance  z  value\n"
                   "東京            10\n"
                   "é:1       1   -0.5\n"
                   "b              NaN\n");
    assert_printed(&result, (struct query_view){.header = false},
                   "東京       10\n"
                   "é:1   1  -0.5\n"
                   "b         NaN\n");
    result.n = 1;
    assert_printed(&result, instant,
                   "up{instance=\"東京\", job=\"x\"}  2025-10-09T08:53:20.000Z\n"
                   "value\n"
                   "   10\n");
    assert_printed(&result, (struct query_view){.header = false}, "10\n");
}

static void texts_never_command_the_terminal(void **state)
{
    (void)state;
    struct point p[] = {{T0, 1}, {T0, 2}};
    struct result_series series[] = {SERIES(1, p, {STR("a"), STR("\x1b[2J\n\t")}),
                                     SERIES(1, p + 1, {STR("a"), STR("\xc2\x9b\xff\xe2\x82")})};
    struct query_result result = {.type = VALUE_VECTOR, .series = series, .n = 2};
    assert_printed(&result, (struct query_view){.header = false},
                   "\\x1b[2J\\n\\t           1\n"
                   "\\xc2\\x9b\\xff\\xe2\\x82  2\n");
    auto_arena arena;
    arena_init(&arena);
    assert_str_is(text_visible(STR("a\xe2\x80\xae"
                                   "b\xe2\x80\xa8\x7f é"),
                               &arena),
                  "a\\xe2\\x80\\xaeb\\xe2\\x80\\xa8\\x7f é"); /* right to left, line separator */
}

static void widths_are_those_of_a_terminal(void **state)
{
    (void)state;
    assert_int_equal(text_width(STR("abc")), 3);
    assert_int_equal(text_width(STR("é東")), 3);
    assert_int_equal(text_width(STR("e\xcc\x81")), 1); /* a combining accent */
    assert_int_equal(text_width(STR("\xff\xff")), 2);
    assert_int_equal(text_width(STR("한글😀\xf0\xa0\x80\x80")), 8); /* wide ones of three and four bytes */
    assert_int_equal(text_width(STR("─▁█·ｱ")), 5);
    assert_int_equal(text_width((struct str){0}), 0);
}

static void scalars_and_strings_are_a_line(void **state)
{
    (void)state;
    struct query_result scalar = {.type = VALUE_SCALAR, .scalar = INFINITY, .t_ms = 4500};
    struct query_result string = {.type = VALUE_STRING, .string = STR("a,\n\"b\""), .t_ms = 4500};
    assert_printed(&scalar, instant, "1970-01-01T00:00:04.500Z\n+Inf\n");
    assert_printed(&string, (struct query_view){0}, "a,\\n\"b\"\n");
    assert_printed(&string, (struct query_view){.format = FORMAT_CSV, .header = true},
                   "timestamp,value\n1970-01-01T00:00:04.500Z,\"a,\n\"\"b\"\"\"\n");
    assert_printed(&scalar, (struct query_view){.format = FORMAT_JSON},
                   "{\"status\":\"success\",\"data\":{\"resultType\":\"scalar\",\"result\":[4.500,\"+Inf\"]}}\n");
}

static void sparklines_scale_each_series_and_show_gaps(void **state)
{
    (void)state;
    struct point rising[] = {{T0, 0}, {T0 + 60000, 1}, {T0 + 120000, 2}, {T0 + 240000, 6}, {T0 + 300000, 7.5}};
    struct point odd[] = {{T0, NAN}, {T0 + 60000, -INFINITY}, {T0 + 120000, INFINITY}, {T0 + 180000, 5}};
    struct result_series series[] = {SERIES(5, rising, {STR("a"), STR("1")}), SERIES(4, odd, {STR("a"), STR("2")})};
    struct query_result result = {.type = VALUE_MATRIX, .series = series, .n = 2};
    assert_printed(&result, minutes,
                   "2025-10-09T08:53:20.000Z to 2025-10-09T08:58:20.000Z, step 1m\n"
                   "a   min  avg   max  last\n"
                   "1     0  3.3   7.5   7.5  ▁▂▃·▇█\n"
                   "2  -Inf  NaN  +Inf     5  ?▁█▄··\n");
}

static void more_steps_than_room_share_cells(void **state)
{
    (void)state;
    struct point p[60];
    for (int i = 0; i < 60; i++) {
        p[i] = (struct point){T0 + i * 1000, i};
    }
    struct result_series series[] = {SERIES(60, p, {STR("a"), STR("1")})};
    struct query_result result = {.type = VALUE_MATRIX, .series = series, .n = 1};
    struct query_view view = {.start_ms = T0, .end_ms = T0 + 59000, .step_ms = 1000, .width = 28};
    assert_printed(&result, view, "0  29.5  59  59  ▁▁▂▃▄▅▆▇██\n");
    view.start_ms = T0 + 1000000; /* a server that answers what was not asked */
    view.end_ms = T0 + 1059000;
    assert_printed(&result, view, "0  29.5  59  59  ··········\n");
}

static void a_matrix_is_a_grid_where_it_fits_else_blocks(void **state)
{
    (void)state;
    struct point a[] = {{T0, 1}, {T0 + 60000, 2}}, b[] = {{T0 + 60000, 3.25}};
    struct result_series series[] = {SERIES(2, a, NAME("m"), {STR("q"), STR("fast")}), SERIES(1, b, NAME("m"))};
    struct query_result result = {.type = VALUE_MATRIX, .series = series, .n = 2};
    struct query_view view = minutes;
    view.format = FORMAT_TABLE;
    assert_printed(&result, view,
                   "m  2025-10-09T08:53:20.000Z to 2025-10-09T08:58:20.000Z, step 1m\n"
                   "time                      q=\"fast\"    {}\n"
                   "2025-10-09T08:53:20.000Z         1     -\n"
                   "2025-10-09T08:54:20.000Z         2  3.25\n");
    view.width = 30;
    assert_printed(&result, view,
                   "m{q=\"fast\"}\n"
                   "2025-10-09T08:53:20.000Z  1\n"
                   "2025-10-09T08:54:20.000Z  2\n"
                   "\n"
                   "m\n"
                   "2025-10-09T08:54:20.000Z  3.25\n");
}

static void csv_has_every_label_and_quotes(void **state)
{
    (void)state;
    struct point a[] = {{T0, 1}, {T0 + 60000, 1e300}}, b[] = {{T0, 0.1}};
    struct result_series series[] = {SERIES(2, a, NAME("m"), {STR("q"), STR("a,b")}), SERIES(1, b, NAME("m"))};
    struct query_result result = {.type = VALUE_MATRIX, .series = series, .n = 2};
    assert_printed(&result, (struct query_view){.format = FORMAT_CSV, .header = true},
                   "__name__,q,timestamp,value\n"
                   "m,\"a,b\",2025-10-09T08:53:20.000Z,1\n"
                   "m,\"a,b\",2025-10-09T08:54:20.000Z,1e+300\n"
                   "m,,2025-10-09T08:53:20.000Z,0.1\n");
}

static void json_carries_the_notes(void **state)
{
    (void)state;
    struct query_result result = {.type = VALUE_VECTOR,
                                  .warnings = (const struct str[]){STR("w")},
                                  .warning_count = 1,
                                  .infos = (const struct str[]){STR("i")},
                                  .info_count = 1};
    assert_printed(&result, (struct query_view){.format = FORMAT_JSON},
                   "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[]},\"warnings\":[\"w\"],"
                   "\"infos\":[\"i\"]}\n");
    assert_printed(&result, instant, "");
}

static void parse_errors_point_into_the_query(void **state)
{
    (void)state;
    static const struct {
        const char *expr, *text, *shown;
        bool parse;
    } cases[] = {
        {"sum(a", "1:6: parse error: x", "1:6: parse error: x\n  sum(a\n       ^\n", true},
        {"a +\n\t東{", "invalid parameter \"query\": 2:3: parse error: y", "2:3: parse error: y\n  \\t東{\n      ^\n",
         true},
        {"a", "1:99: parse error: end", "1:99: parse error: end\n  …\n   ^\n", true},
        {"a", "7:1: parse error: line", "7:1: parse error: line\n  a\n  ^\n", true},
        {"", "unknown position: parse error: none", "unknown position: parse error: none\n", true},
        {"a", "many-to-many \x1b matching", "many-to-many \\x1b matching\n", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        auto_buf out;
        buf_init(&out, 10000);
        assert_int_equal(query_print_error(str_of(cases[i].expr), str_of(cases[i].text), &out), cases[i].parse);
        assert_str_is(buf_str(&out), cases[i].shown);
    }
}

static void times_may_be_relative(void **state)
{
    (void)state;
    int64_t ms = 0;
    struct error err = {0};
    assert_int_equal(when_parse(STR("now"), T0, &ms, &err), 0);
    assert_int_equal(ms, T0);
    assert_int_equal(when_parse(STR("now-1h30m"), T0, &ms, &err), 0);
    assert_int_equal(ms, T0 - 5400000);
    assert_int_equal(when_parse(STR("now+5m"), T0, &ms, &err), 0);
    assert_int_equal(ms, T0 + 300000);
    assert_int_equal(when_parse(STR("1760000000.5"), 0, &ms, &err), 0);
    assert_int_equal(ms, T0 + 500);
    assert_int_equal(when_parse(STR("2025-10-09T08:53:20Z"), 0, &ms, &err), 0);
    assert_int_equal(ms, T0);
    static const char *const bad[] = {"", "now-", "now1h", "now-x", "nowhere", "yesterday", "now-999999999999y"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(when_parse(str_of(bad[i]), T0, &ms, &err), ERR_PARSE);
    }
}

static void steps_are_round_and_at_most_sixty(void **state)
{
    (void)state;
    assert_int_equal(when_step_ms(0), 1000);
    assert_int_equal(when_step_ms(3600000), 60000);
    assert_int_equal(when_step_ms(3600001), 120000);
    assert_int_equal(when_step_ms(86400000), 1800000);
    for (int64_t range_ms = 1000; range_ms < (int64_t)86400000 * 100000; range_ms = range_ms * 3 + 7) {
        assert_true(range_ms / when_step_ms(range_ms) <= 60);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(common_labels_stand_above_and_numbers_at_the_right),
        cmocka_unit_test(texts_never_command_the_terminal),
        cmocka_unit_test(widths_are_those_of_a_terminal),
        cmocka_unit_test(scalars_and_strings_are_a_line),
        cmocka_unit_test(sparklines_scale_each_series_and_show_gaps),
        cmocka_unit_test(more_steps_than_room_share_cells),
        cmocka_unit_test(a_matrix_is_a_grid_where_it_fits_else_blocks),
        cmocka_unit_test(csv_has_every_label_and_quotes),
        cmocka_unit_test(json_carries_the_notes),
        cmocka_unit_test(parse_errors_point_into_the_query),
        cmocka_unit_test(times_may_be_relative),
        cmocka_unit_test(steps_are_round_and_at_most_sixty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
