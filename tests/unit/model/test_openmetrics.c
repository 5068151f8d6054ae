#include "src/model/openmetrics.h"
#include "tests/support/test.h"

static struct text_reader reader;
static struct text_line line;
static struct error err;

static int setup(void **state)
{
    (void)state;
    text_reader_init(&reader, TEXT_AUTO);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    text_reader_release(&reader);
    return 0;
}

static void use(enum text_format format)
{
    text_reader_release(&reader);
    text_reader_init(&reader, format);
}

static void reads(const char *text)
{
    if (text_reader_line(&reader, str_of(text), &line, &err)) {
        fail_msg("%s: %d:%d: %s", text, err.line, err.column, err.text);
    }
}

static void series_is(const char *expected)
{
    struct buf out;
    buf_init(&out, 1 << 16);
    text_write_series(line.labels, &out);
    assert_str_is(buf_str(&out), expected);
    buf_release(&out);
}

static void fails(const char *text, int column, const char *reason)
{
    err = (struct error){0};
    assert_int_equal(text_reader_line(&reader, str_of(text), &line, &err), ERR_PARSE);
    if (err.column != column || !strstr(err.text, reason)) {
        fail_msg("%s: column %d: %s", text, err.column, err.text);
    }
}

static void openmetrics_has_seconds(void **state)
{
    (void)state;
    use(TEXT_OPENMETRICS);
    static const struct {
        const char *time;
        int64_t ms;
    } times[] = {
        {"1700000000.123", 1700000000123},
        {"1700000000", 1700000000000},
        {"1.700000000123e+09", 1700000000123},
        {"0", 0},
        {"-0.001", -1},
        {"-1.5", -1500},
        {"1.0004", 1000},
        {"1.0005", 1001},
        {"1700000000.", 1700000000000},
    };
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        char text[64];
        snprintf(text, sizeof(text), "up 1 %s", times[i].time);
        reads(text);
        assert_int_equal(line.t_ms, times[i].ms);
    }
}

static void prometheus_has_milliseconds(void **state)
{
    (void)state;
    use(TEXT_PROMETHEUS);
    reads("http_requests_total { code=\"200\", } \t 1027\t1395066363000  ");
    series_is("http_requests_total{code=\"200\"}");
    assert_int_equal(line.t_ms, 1395066363000);
    assert_true(line.value == 1027);
    reads("up 1 -5");
    assert_int_equal(line.t_ms, -5);
    fails("up 1 1395066363.5", 6, "whole milliseconds");
}

static void the_first_telling_line_decides(void **state)
{
    (void)state;
    reads("# TYPE a counter");
    assert_int_equal(reader.format, TEXT_AUTO);
    fails("up 1 5", 6, "cannot tell");
    reads("up 1 1700000000000");
    assert_int_equal(reader.format, TEXT_PROMETHEUS);
    assert_int_equal(line.t_ms, 1700000000000);
    static const char *const openmetrics[] = {"up 1 17.5", "# TYPE a unknown", "# UNIT a_seconds seconds", "# EOF"};
    for (size_t i = 0; i < sizeof(openmetrics) / sizeof(openmetrics[0]); i++) {
        use(TEXT_AUTO);
        reads(openmetrics[i]);
        assert_int_equal(reader.format, TEXT_OPENMETRICS);
    }
    use(TEXT_AUTO);
    reads("# TYPE a untyped");
    assert_int_equal(reader.format, TEXT_PROMETHEUS);
}

static void what_promtool_dumps_is_read(void **state)
{
    (void)state;
    reads("{__name__=\"up\", job=\"a\\tb\\x01\\u00e9\\\"\\\\\"} NaN 1700000000123");
    series_is("up{job=\"a\tb\x01\xc3\xa9\\\"\\\\\"}");
    assert_int_equal(line.t_ms, 1700000000123);
    reads("{\"my label\"=\"x\", __name__=\"up\"} 1 5");
    series_is("up{\"my label\"=\"x\"}");
    assert_int_equal(line.t_ms, 5);
    fails("{job=\"a\"} 1 5", 1, "without a metric name");
    fails("{__name__=\"h\"} {count:1, sum:2} 5", 16, "native histogram");
}

static void odd_texts_come_through(void **state)
{
    (void)state;
    use(TEXT_OPENMETRICS);
    reads("a{b=\"q\\\"b\\\\n\\nu\xc3\xa9\\t{},=# \",c=\"\"} 1 1");
    assert_str_is(labels_get(line.labels, STR("b")), "q\"b\\n\nu\xc3\xa9\\t{},=# ");
    assert_int_equal(line.labels.n, 2);
    reads("{\"my.metric\",\"my.label\"=\"x\"} 1 1");
    series_is("{\"my.metric\",\"my.label\"=\"x\"}");
    reads("a_total 1 1 # {trace_id=\"x y\"} 0.5 3");
    reads("a_bucket{le=\"+Inf\"} 1 1 # {} 1");
}

static void a_series_of_the_line_before_is_not_read_again(void **state)
{
    (void)state;
    use(TEXT_OPENMETRICS);
    reads("up 1 1");
    reads("up 2 2");
    assert_true(line.same_series);
    reads("up {a=\"b\"} 2 2");
    assert_false(line.same_series);
    series_is("up{a=\"b\"}");
    reads("up {a=\"b\"} 3 3");
    assert_true(line.same_series);
    assert_true(line.value == 3);
    reads("up_total 3 3");
    assert_false(line.same_series);
    fails("up{ 1 1", 5, "label name");
    reads("up 4 4");
    assert_false(line.same_series);
}

static void bad_lines_say_where_and_what(void **state)
{
    (void)state;
    use(TEXT_OPENMETRICS);
    fails("1up 1 1", 1, "a metric name expected, not \"1up 1 1\"");
    fails("up", 3, "the line ends here");
    fails("up x 1", 4, "a value expected, not \"x 1\"");
    fails("up 1", 5, "a time is missing");
    fails("up 1 # {} 1", 6, "a time is missing");
    fails("up 1 x", 6, "a time in seconds");
    fails("up 1 nan", 6, "a time in seconds");
    fails("up 1 1e300", 6, "a time in seconds");
    fails("up 1 9999999999999", 6, "a time in seconds");
    fails("up 1 1 1", 8, "end of the line");
    fails("up{a=\"\xc3\xa9\",b} 1 1", 11, "'='");
    fails("up{a=\"b} 1 1", 6, "does not end");
    fails("up{a=\"b\\", 6, "does not end");
    fails("up{a=b} 1 1", 6, "double quotes");
    fails("up{a=\"1\" b=\"2\"} 1 1", 10, "',' or '}'");
    fails("up{a=\"1\",a=\"2\"} 1 1", 10, "that was there");
    fails("up{__name__=\"down\"} 1 1", 4, "second metric name");
    fails("up{a=\"\xff\"} 1 1", 6, "UTF-8");
    fails("{} 1 1", 1, "without a metric name");
    fails("# TYPE a oddity", 10, "a metric type");
    fails("# HELP 5 x", 8, "a metric name");
    assert_int_equal(err.line, 21);
}

static void limits_are_kept(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, 1 << 20);
    buf_add(&text, STR("m{"));
    for (int i = 0; i < 63; i++) {
        buf_addf(&text, "l%d=\"x\",", i);
    }
    size_t n = text.len;
    buf_add(&text, STR("} 1 1.0"));
    assert_int_equal(text_reader_line(&reader, buf_str(&text), &line, &err), 0);
    assert_int_equal(line.labels.n, 64);
    text.len = n;
    buf_add(&text, STR("z=\"1\"} 1 1.0"));
    fails(text.p, (int)n + 1, "more than 64 labels");
    buf_clear(&text);
    buf_add(&text, STR("m{a=\""));
    for (int i = 0; i < 4097; i++) {
        buf_add_char(&text, 'x');
    }
    buf_add(&text, STR("\"} 1 1"));
    fails(text.p, 3, "4096");
    buf_release(&text);
}

static void families_are_read_and_written(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 1 << 16);
    text_write_family(STR("a"), METRIC_COUNTER, STR("Says \"x\\y\"\nand more\xc3"), &out);
    assert_str_is(buf_str(&out), "# TYPE a counter\n# HELP a Says \\\"x\\\\y\\\"\\nand more\n");
    reads("# TYPE a counter");
    assert_int_equal(line.kind, TEXT_TYPE);
    assert_int_equal(line.type, METRIC_COUNTER);
    assert_str_is(line.name, "a");
    reads("# HELP a Says \\\"x\\\\y\\\"\\nand more");
    assert_int_equal(line.kind, TEXT_HELP);
    assert_str_is(line.help, "Says \"x\\y\"\nand more");
    reads("# HELP b");
    assert_int_equal(line.help.len, 0);
    reads("# a remark");
    assert_int_equal(line.kind, TEXT_NOTHING);
    reads("");
    reads(" \t\r");
    assert_int_equal(line.kind, TEXT_NOTHING);
    buf_release(&out);
}

/* What is written is read back to the same bits, whatever they are. */
static void values_keep_their_bits(void **state)
{
    (void)state;
    use(TEXT_OPENMETRICS);
    const uint64_t bits[] = {
        sample_bits(0.0),     sample_bits(-0.0),     sample_bits(0.1),       sample_bits(1e308), 1,
        sample_bits(-5e-324), sample_bits(INFINITY), sample_bits(-INFINITY), 0x7ff8000000000000, 0x7ff8000000000001,
        SAMPLE_STALE_BITS,    0xffffffffffffffff,    0xfff0000000000001,     0x7ff0000000000001, sample_bits(1.0 / 3),
        0x0010000000000000};
    const int64_t times[] = {0, -1, -1500, 1700000000123, 4000000000999, ((int64_t)1 << 52), -((int64_t)1 << 52)};
    for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
        for (size_t k = 0; k < sizeof(times) / sizeof(times[0]); k++) {
            struct buf out;
            buf_init(&out, 4096);
            text_write_sample(STR("up{a=\"b\"}"), times[k], sample_from_bits(bits[i]), &out);
            out.p[out.len - 1] = '\0';
            reads(out.p);
            assert_true(sample_bits(line.value) == bits[i]);
            assert_true(line.t_ms == times[k]);
            buf_release(&out);
        }
    }
}

int main(void)
{
#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(openmetrics_has_seconds),        CASE(prometheus_has_milliseconds),
        CASE(the_first_telling_line_decides), CASE(what_promtool_dumps_is_read),
        CASE(odd_texts_come_through),         CASE(a_series_of_the_line_before_is_not_read_again),
        CASE(bad_lines_say_where_and_what),   CASE(limits_are_kept),
        CASE(families_are_read_and_written),  CASE(values_keep_their_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
