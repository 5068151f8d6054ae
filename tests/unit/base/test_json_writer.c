#include "src/base/json_writer.h"
#include "tests/support/test.h"

#include <float.h>

static void commas_and_colons_are_placed(void **state)
{
    (void)state;
    auto_buf out;
    struct json_writer w;
    buf_init(&out, 1000);
    json_init(&w, &out);
    json_begin_object(&w);
    json_field(&w, "a", json_int, INT64_MIN);
    json_key(&w, STR("b"));
    json_begin_array(&w);
    json_nil(&w);
    json_bool(&w, true);
    json_begin_object(&w);
    json_end_object(&w);
    json_begin_array(&w);
    json_end_array(&w);
    json_end_array(&w);
    json_field(&w, "c", json_raw, STR("{\"x\":1}"));
    json_field(&w, "d", json_str, STR("e"));
    json_end_object(&w);
    assert_string_equal(out.p, "{\"a\":-9223372036854775808,\"b\":[null,true,{},[]],\"c\":{\"x\":1},\"d\":\"e\"}");
}

static void write_text(struct buf *out, struct str s)
{
    struct json_writer w;
    buf_clear(out);
    json_init(&w, out);
    json_str(&w, s);
}

static void strings_are_escaped_and_mended(void **state)
{
    (void)state;
    auto_buf out;
    buf_init(&out, 1000);
    write_text(&out, STR("\"\\/\b\n\r\t\x01\x7f é😀"));
    assert_string_equal(out.p, "\"\\\"\\\\/\\u0008\\n\\r\\t\\u0001\x7f é😀\"");
    write_text(&out, STR("a\0b"));
    assert_string_equal(out.p, "\"a\\u0000b\"");
    write_text(&out, STR("x\xff\xc3(\xed\xa0\x80y\xe2\x82"));
    assert_string_equal(out.p,
                        "\"x\xef\xbf\xbd\xef\xbf\xbd(\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdy\xef\xbf\xbd\xef\xbf\xbd\"");
    write_text(&out, (struct str){0});
    assert_string_equal(out.p, "\"\"");
}

/* Plain bytes are looked at eight at a time. */
static void what_must_be_escaped_is_found_anywhere(void **state)
{
    (void)state;
    auto_buf out;
    buf_init(&out, 1000);
    for (size_t len = 1; len < 34; len++) {
        for (size_t at = 0; at < len; at++) {
            char text[34], expected[40];
            memset(text, 'a', len);
            text[at] = '"';
            int n = snprintf(expected, sizeof(expected), "\"%.*s\\%.*s\"", (int)at, text, (int)(len - at), text + at);
            write_text(&out, (struct str){text, len});
            assert_int_equal(out.len, n);
            assert_string_equal(out.p, expected);
        }
    }
}

static void numbers_have_prometheus_shapes(void **state)
{
    (void)state;
    auto_buf out;
    struct json_writer w;
    buf_init(&out, 1000);
    json_init(&w, &out);
    json_begin_array(&w);
    json_double(&w, 0.5);
    json_double(&w, NAN);
    json_double(&w, INFINITY);
    json_double(&w, 1e21);
    json_sample_value(&w, NAN);
    json_sample_value(&w, -INFINITY);
    json_sample_value(&w, 3);
    json_seconds(&w, 1700000000123);
    json_seconds(&w, 1700000000000);
    json_seconds(&w, 5);
    json_seconds(&w, 1500);
    json_seconds(&w, 0);
    json_seconds(&w, -1);
    json_seconds(&w, INT64_MIN);
    json_point(&w, 1700000000120, -1.5);
    json_point(&w, INT64_MIN, -DBL_MIN);
    json_point(&w, 10000, NAN);
    json_end_array(&w);
    assert_string_equal(out.p,
                        "[0.5,null,null,1e+21,\"NaN\",\"-Inf\",\"3\",1700000000.123,1700000000,0.005,1.500,0,-0.001,"
                        "-9223372036854775.808,[1700000000.120,\"-1.5\"],[-9223372036854775.808,"
                        "\"-2.2250738585072014e-308\"],[10,\"NaN\"]]");
}

static void running_out_of_room_is_sticky(void **state)
{
    (void)state;
    auto_buf out;
    struct json_writer w;
    buf_init(&out, 8);
    json_init(&w, &out);
    json_begin_array(&w);
    json_str(&w, STR("longer than eight"));
    json_int(&w, 1);
    json_end_array(&w);
    assert_true(out.failed);
    assert_true(out.len <= 8);
}

/* Kept or not, on one place or another, the text is the same. */
static void points_with_kept_values(void **state)
{
    (void)state;
    static struct json_values values;
    static const double some[] = {0,        -0.0,      1,
                                  -1,       0.1,       1.0 / 3,
                                  -1.0 / 3, 1e300,     -1.7976931348623157e308,
                                  5e-324,   1e-7,      123456789012345680.0,
                                  INFINITY, -INFINITY, NAN};
    auto_buf plain, kept;
    buf_init(&plain, 1 << 24);
    buf_init(&kept, 1 << 24);
    struct json_writer a, b;
    json_init(&a, &plain);
    json_init(&b, &kept);
    json_begin_array(&a);
    json_begin_array(&b);
    uint64_t random = 1;
    for (int i = 0; i < 200000; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        double v = i % 3 == 0   ? some[i / 3 % 15]
                   : i % 3 == 1 ? (double)(random >> 54) / 7
                                : (double)(int64_t)random * 1e-9;
        int64_t ms = (int64_t)(random % 2000000) - 1000000;
        struct json_seconds_text seconds;
        json_seconds_text(ms, &seconds);
        json_point(&a, ms, v);
        json_point_at(&b, &seconds, v, &values);
    }
    json_end_array(&a);
    json_end_array(&b);
    assert_true(str_eq(buf_str(&plain), buf_str(&kept)));
    assert_true(str_find(buf_str(&kept), STR("\"0.3333333333333333\"]")) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(points_with_kept_values),        cmocka_unit_test(commas_and_colons_are_placed),
        cmocka_unit_test(strings_are_escaped_and_mended), cmocka_unit_test(what_must_be_escaped_is_found_anywhere),
        cmocka_unit_test(numbers_have_prometheus_shapes), cmocka_unit_test(running_out_of_room_is_sticky),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
