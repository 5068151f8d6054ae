#include "src/model/remote_write.h"
#include "tests/support/protobuf.h"
#include "tests/support/test.h"

static struct remote_write rw;
static struct arena arena;
static struct buf message, series;
static struct error err;

static int begin(void **state)
{
    (void)state;
    arena_init(&arena);
    buf_init(&message, 64 << 20);
    buf_init(&series, 64 << 20);
    err = (struct error){0};
    return 0;
}

static int end(void **state)
{
    (void)state;
    remote_write_release(&rw);
    arena_release(&arena);
    buf_release(&message);
    buf_release(&series);
    return 0;
}

static void add_series(void)
{
    pb_bytes(&message, 1, buf_str(&series));
    buf_clear(&series);
}

/* On a copy of exact size, so that a sanitizer sees a read beyond it. */
static int decode(struct str bytes)
{
    char *copy = arena_alloc(&arena, bytes.len);
    memcpy(copy, bytes.p ? bytes.p : "", bytes.len);
    return remote_write_decode(&rw, str_make(copy, bytes.len), &err);
}

static struct str labels_text(size_t i)
{
    struct labels labels;
    struct error why = {0};
    auto_buf out;
    buf_init(&out, 65536);
    if (remote_write_labels(&rw, i, &arena, &labels, &why)) {
        return arena_dup(&arena, str_of(why.text));
    }
    labels_print(labels, &out);
    return arena_dup(&arena, buf_str(&out));
}

static void expect_refusal(const char *text)
{
    struct labels labels = {0};
    struct error why = {0};
    add_series();
    assert_int_equal(decode(buf_str(&message)), 0);
    assert_int_equal(rw.series.len, 1);
    assert_int_not_equal(remote_write_labels(&rw, 0, &arena, &labels, &why), 0);
    assert_string_equal(why.text, text);
}

static void a_request_of_two_series(void **state)
{
    (void)state;
    pb_label(&series, "__name__", "up");
    pb_label(&series, "job", "a");
    pb_sample(&series, 1000, 1);
    pb_sample(&series, 2000, 0);
    add_series();
    pb_label(&series, "__name__", "x");
    pb_sample(&series, -5, 1.5);
    add_series();
    assert_int_equal(decode(buf_str(&message)), 0);
    assert_int_equal(rw.series.len, 2);
    assert_int_equal(rw.samples.len, 3);
    assert_int_equal(rw.series.p[0].count, 2);
    assert_int_equal(rw.series.p[1].first, 2);
    assert_int_equal(rw.samples.p[1].t_ms, 2000);
    assert_int_equal(rw.samples.p[2].t_ms, -5);
    assert_true(rw.samples.p[2].value == 1.5);
    assert_str_is(labels_text(0), "up{job=\"a\"}");
    assert_str_is(labels_text(1), "x");
}

static void fields_may_be_left_out_or_come_in_any_order(void **state)
{
    (void)state;
    pb_bytes(&series, 2, STR("")); /* value 0 at time 0: proto3 leaves out zeros */
    pb_label(&series, "__name__", "up");
    add_series();
    auto_buf sample;
    buf_init(&sample, 64);
    pb_varint(&sample, 2, 7);
    pb_double(&sample, 1, 3);
    pb_bytes(&series, 2, buf_str(&sample));
    auto_buf label;
    buf_init(&label, 64);
    pb_bytes(&label, 2, STR("y"));
    pb_bytes(&label, 1, STR("first, but the last of a field counts"));
    pb_bytes(&label, 1, STR("__name__"));
    pb_bytes(&series, 1, buf_str(&label));
    add_series();
    assert_int_equal(decode(buf_str(&message)), 0);
    assert_int_equal(rw.samples.p[0].t_ms, 0);
    assert_true(rw.samples.p[0].value == 0);
    assert_int_equal(rw.samples.p[1].t_ms, 7);
    assert_true(rw.samples.p[1].value == 3);
    assert_str_is(labels_text(1), "y");
}

static void values_keep_their_bits(void **state)
{
    (void)state;
    static const uint64_t bits[] = {SAMPLE_STALE_BITS,  0x7ff8000000000001, 0x7ff4000000000003, 0xfff8dead0000beef,
                                    0x7ff0000000000000, 0xfff0000000000000, 0x8000000000000000, 1,
                                    0x000fffffffffffff};
    pb_label(&series, "__name__", "x");
    for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
        pb_sample(&series, (int64_t)i, sample_from_bits(bits[i]));
    }
    add_series();
    assert_int_equal(decode(buf_str(&message)), 0);
    for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
        assert_true(sample_bits(rw.samples.p[i].value) == bits[i]);
    }
}

static void a_key_is_the_label_fields_alone(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) { /* together, then with a sample and an unknown field between */
        pb_label(&series, "__name__", "x");
        if (i) {
            pb_sample(&series, 1, 1);
            pb_varint(&series, 99, 300);
        }
        pb_label(&series, "a", "b");
        pb_sample(&series, 2, 1);
        add_series();
    }
    assert_int_equal(decode(buf_str(&message)), 0);
    assert_str_eq(rw.series.p[0].key, rw.series.p[1].key);
    assert_int_equal(rw.series.p[1].count, 2);
    assert_str_is(labels_text(1), "x{a=\"b\"}");
}

static void labels_are_sorted_and_empty_ones_dropped(void **state)
{
    (void)state;
    pb_label(&series, "z", "1");
    pb_label(&series, "none", "");
    pb_label(&series, "a", "2");
    pb_label(&series, "__name__", "x");
    pb_sample(&series, 1, 1);
    add_series();
    assert_int_equal(decode(buf_str(&message)), 0);
    struct labels labels;
    assert_int_equal(remote_write_labels(&rw, 0, &arena, &labels, &err), 0);
    assert_int_equal(labels.n, 3);
    assert_str_is(labels.v[0].name, "__name__");
    assert_str_is(labels.v[2].name, "z");
}

static void a_label_given_twice_is_refused(void **state)
{
    (void)state;
    pb_label(&series, "__name__", "up");
    pb_label(&series, "job", "a");
    pb_label(&series, "job", "a");
    pb_sample(&series, 1, 1);
    expect_refusal("series up{job=\"a\", job=\"a\"}: a label is given twice: 'job'");
}

static void a_series_without_a_name_is_refused(void **state)
{
    (void)state;
    pb_label(&series, "job", "a");
    pb_sample(&series, 1, 1);
    expect_refusal("series {job=\"a\"}: it has no metric name (label __name__)");
}

static void no_labels_at_all_are_refused(void **state)
{
    (void)state;
    pb_sample(&series, 1, 1);
    expect_refusal("series {}: it has no metric name (label __name__)");
}

static void names_may_be_any_utf8(void **state)
{
    (void)state;
    pb_label(&series, "__name__", "http.größe");
    pb_label(&series, "service.name", "a");
    pb_sample(&series, 1, 1);
    add_series();
    assert_int_equal(decode(buf_str(&message)), 0);
    struct labels labels;
    assert_int_equal(remote_write_labels(&rw, 0, &arena, &labels, &err), 0);
    assert_str_is(labels_get(labels, METRIC_NAME), "http.größe");
    assert_str_is(labels_get(labels, STR("service.name")), "a");
}

static void a_name_of_control_characters_is_refused_and_not_repeated(void **state)
{
    (void)state;
    pb_label(&series, "__name__", "up");
    pb_label(&series, "a\r\nb", "c");
    pb_sample(&series, 1, 1);
    expect_refusal("series up{?=\"c\"}: a label's name is empty, longer than 256 bytes, not UTF-8 or holds control "
                   "characters");
}

static void a_label_without_a_name_is_refused(void **state)
{
    (void)state;
    pb_label(&series, "__name__", "up");
    pb_label(&series, "", "c");
    pb_sample(&series, 1, 1);
    expect_refusal("series up{?=\"c\"}: a label's name is empty, longer than 256 bytes, not UTF-8 or holds control "
                   "characters");
}

static void a_metric_name_that_is_not_utf8_is_refused(void **state)
{
    (void)state;
    pb_label(&series, "__name__", "a\xff");
    pb_sample(&series, 1, 1);
    expect_refusal("series {__name__=\"a\\xff\"}: its name is longer than 256 bytes, not UTF-8 or holds control "
                   "characters: '__name__'");
}

static void a_value_that_is_not_utf8_is_refused(void **state)
{
    (void)state;
    pb_label(&series, "__name__", "up");
    pb_label(&series, "job", "\xc3\x28");
    pb_sample(&series, 1, 1);
    expect_refusal("series up{job=\"\\xc3(\"}: a label's value is not UTF-8: 'job'");
}

static void a_long_value_is_refused_and_its_series_named_in_short(void **state)
{
    (void)state;
    char *value = arena_alloc(&arena, LABEL_VALUE_MAX + 1);
    memset(value, 'v', LABEL_VALUE_MAX + 1);
    pb_label(&series, "__name__", "up");
    pb_label_of(&series, STR("job"), str_make(value, LABEL_VALUE_MAX));
    pb_sample(&series, 1, 1);
    add_series();
    assert_int_equal(decode(buf_str(&message)), 0);
    struct labels labels;
    assert_int_equal(remote_write_labels(&rw, 0, &arena, &labels, &err), 0);
    pb_label(&series, "__name__", "up");
    pb_label_of(&series, STR("job"), str_make(value, LABEL_VALUE_MAX + 1));
    pb_sample(&series, 1, 1);
    add_series();
    assert_int_equal(decode(buf_str(&message)), 0);
    assert_int_equal(remote_write_labels(&rw, 1, &arena, &labels, &err), ERR_LIMIT);
    assert_true(str_ends(str_of(err.text), STR("vvv…: a label's value is longer than 4096 bytes: 'job'")));
}

static void a_65th_label_is_refused(void **state)
{
    (void)state;
    pb_label(&series, "__name__", "up");
    for (int i = 0; i < LABELS_MAX; i++) {
        pb_label(&series, arena_printf(&arena, "l%02d", i).p, "x");
    }
    pb_sample(&series, 1, 1);
    add_series();
    assert_int_equal(decode(buf_str(&message)), 0);
    assert_true(str_ends(labels_text(0), STR("it has more than 64 labels")));
}

static void a_damaged_label_is_its_series_fault_alone(void **state)
{
    (void)state;
    pb_bytes(&series, 1, STR("\x0a\x7fx"));
    pb_sample(&series, 1, 1);
    expect_refusal("series {}: a length reaches beyond the end");
}

static void native_histograms_are_refused_and_exemplars_skipped(void **state)
{
    (void)state;
    pb_label(&series, "__name__", "h");
    pb_sample(&series, 1, 1);
    pb_bytes(&series, 4, STR("\x08\x01"));
    pb_bytes(&series, 4, STR("\x08\x02"));
    add_series();
    pb_label(&series, "__name__", "up");
    pb_bytes(&series, 3, STR("\x08\x01"));
    pb_sample(&series, 1, 1);
    add_series();
    pb_label(&series, "__name__", "exemplars_alone");
    pb_bytes(&series, 3, STR("\x08\x01"));
    add_series();
    assert_int_equal(decode(buf_str(&message)), 0);
    assert_int_equal(rw.series.len, 1);
    assert_int_equal(rw.samples.len, 1);
    assert_str_is(labels_text(0), "up");
    assert_int_equal(rw.refused_series, 1);
    assert_int_equal(rw.refused_samples, 3);
    assert_string_equal(rw.refused.text, "series h: native histograms are not supported, send it as a classic one (le "
                                         "buckets)");
}

static void metadata_is_read(void **state)
{
    (void)state;
    auto_buf m;
    buf_init(&m, 1024);
    pb_varint(&m, 1, 1);
    pb_bytes(&m, 2, STR("requests_total"));
    pb_bytes(&m, 4, STR("Requests seen."));
    pb_bytes(&m, 5, STR("bytes"));
    pb_bytes(&message, 3, buf_str(&m));
    buf_clear(&m);
    pb_varint(&m, 1, 77); /* a type to come */
    pb_bytes(&m, 2, STR("future"));
    pb_bytes(&message, 3, buf_str(&m));
    buf_clear(&m);
    pb_bytes(&m, 2, STR("not\na name"));
    pb_bytes(&message, 3, buf_str(&m));
    assert_int_equal(decode(buf_str(&message)), 0);
    assert_int_equal(rw.families.len, 2);
    assert_int_equal(rw.families.p[0].type, METRIC_COUNTER);
    assert_str_is(rw.families.p[0].help, "Requests seen.");
    assert_int_equal(rw.families.p[1].type, METRIC_UNKNOWN);
}

static void unknown_fields_are_skipped(void **state)
{
    (void)state;
    pb_varint(&message, 2, 5);
    pb_double(&message, 17, 5);
    pb_bytes(&message, 1000, STR("x"));
    buf_add(&message, STR("\x95\x01"
                          "abcd")); /* field 18, four bytes */
    pb_label(&series, "__name__", "up");
    pb_sample(&series, 1, 1);
    add_series();
    assert_int_equal(decode(buf_str(&message)), 0);
    assert_int_equal(rw.series.len, 1);
}

static void an_empty_request_is_one(void **state)
{
    (void)state;
    assert_int_equal(remote_write_decode(&rw, (struct str){0}, &err), 0);
    assert_int_equal(rw.series.len, 0);
}

static void every_truncation_is_an_error_or_less(void **state)
{
    (void)state;
    pb_label(&series, "__name__", "up");
    pb_sample(&series, 1700000000000, 1);
    add_series();
    for (size_t n = 1; n < message.len; n++) {
        assert_int_equal(decode(str_make(message.p, n)), ERR_PARSE);
    }
}

static void faults_are_told(void **state)
{
    (void)state;
    const struct {
        struct str bytes;
        const char *text;
    } faults[] = {
        {STR("\x08\x01"), "a known field has the wrong wire type"},
        {STR("\x18\x01"), "a known field has the wrong wire type"},
        {STR("\x0a\x02\x08\x01"), "a known field has the wrong wire type"},
        {STR("\x0a\x02\x10\x01"), "a known field has the wrong wire type"},
        {STR("\x0a\x04\x12\x02\x08\x01"), "a known field has the wrong wire type"},
        {STR("\x0a\x05\x12\x03\x12\x01x"), "a known field has the wrong wire type"},
        {STR("\x0b"), "a field has an unknown wire type"},
        {STR("\x02\x00"), "a field has an impossible number"},
        {STR("\xff\xff\xff\xff\xff\x01\x00"), "a field has an impossible number"},
        {STR("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"), "a number has more than 64 bits"},
        {STR("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), "a length reaches beyond the end"},
        {STR("\x0a\x80"), "it ends within a number"},
        {STR("\x0a\x02\x12\x01"), "a length reaches beyond the end"},
        {STR("\x0a\x04\x12\x02\x09\x01"), "it ends within a number"},
    };
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        assert_int_equal(decode(faults[i].bytes), ERR_PARSE);
        if (!str_ends(str_of(err.text), str_of(faults[i].text))) {
            fail_msg("%zu: %s", i, err.text);
        }
    }
}

static void too_many_samples_are_too_many(void **state)
{
    (void)state;
    pb_label(&series, "__name__", "up");
    for (int i = 0; i <= REMOTE_WRITE_SAMPLES_MAX; i++) {
        buf_add(&series, STR("\x12\x00"));
    }
    add_series();
    assert_int_equal(decode(buf_str(&message)), ERR_LIMIT);
    assert_true(rw.samples.len <= REMOTE_WRITE_SAMPLES_MAX);
    assert_int_equal(decode(STR("\x0a\x02\x12\x00")), 0); /* and the next one is as if it had not been */
    assert_int_equal(rw.samples.len, 1);
}

static void too_many_series_are_too_many(void **state)
{
    (void)state;
    for (int i = 0; i <= REMOTE_WRITE_SERIES_MAX; i++) {
        buf_add(&message, STR("\x0a\x02\x12\x00"));
    }
    assert_int_equal(decode(buf_str(&message)), ERR_LIMIT);
    assert_string_equal(err.text, "the request has more than 250000 series or 1000000 samples: send less at once");
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, begin, end)
int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_request_of_two_series),
        CASE(fields_may_be_left_out_or_come_in_any_order),
        CASE(values_keep_their_bits),
        CASE(a_key_is_the_label_fields_alone),
        CASE(labels_are_sorted_and_empty_ones_dropped),
        CASE(a_label_given_twice_is_refused),
        CASE(a_series_without_a_name_is_refused),
        CASE(no_labels_at_all_are_refused),
        CASE(names_may_be_any_utf8),
        CASE(a_name_of_control_characters_is_refused_and_not_repeated),
        CASE(a_label_without_a_name_is_refused),
        CASE(a_metric_name_that_is_not_utf8_is_refused),
        CASE(a_value_that_is_not_utf8_is_refused),
        CASE(a_long_value_is_refused_and_its_series_named_in_short),
        CASE(a_65th_label_is_refused),
        CASE(a_damaged_label_is_its_series_fault_alone),
        CASE(native_histograms_are_refused_and_exemplars_skipped),
        CASE(metadata_is_read),
        CASE(unknown_fields_are_skipped),
        CASE(an_empty_request_is_one),
        CASE(every_truncation_is_an_error_or_less),
        CASE(faults_are_told),
        CASE(too_many_samples_are_too_many),
        CASE(too_many_series_are_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
