#include "src/base/codec.h"
#include "src/model/sample.h"
#include "tests/support/test.h"

struct bench {
    struct arena arena;
    struct batch batch;
};

static int set_up(void **state)
{
    static struct bench bench;
    static const struct label common[] = {{{"instance", 8}, {"db:1", 4}}, {{"job", 3}, {"redis", 5}}};
    arena_init(&bench.arena);
    batch_init(&bench.batch, &bench.arena, STR("redis/main"), 1000, (struct labels){common, 2});
    *state = &bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;
    batch_release(&bench->batch);
    arena_release(&bench->arena);
    return 0;
}

static void samples_get_name_time_and_common_labels(void **state)
{
    struct bench *b = *state;
    char value[] = "0";
    struct label own[] = {{STR("db"), str_of(value)}, {STR("job"), STR("mine")}, {STR("empty"), STR("")}};
    assert_true(batch_add(&b->batch, STR("redis_keys"), own, 3, 7));
    assert_true(batch_add_at(&b->batch, STR("redis_up"), NULL, 0, 5, 1));
    value[0] = '?'; /* texts were copied */
    assert_int_equal(b->batch.samples.len, 2);
    auto_buf out;
    buf_init(&out, 1000);
    labels_print(b->batch.samples.p[0].labels, &out);
    assert_string_equal(out.p, "redis_keys{db=\"0\", instance=\"db:1\", job=\"mine\"}");
    assert_int_equal(b->batch.samples.p[0].t_ms, 1000);
    assert_int_equal(b->batch.samples.p[1].t_ms, 5);
    assert_true(b->batch.samples.p[0].value == 7);
}

static void illegal_samples_are_refused(void **state)
{
    struct bench *b = *state;
    struct label bad_name[] = {{STR("a-b"), STR("x")}}, second_name[] = {{METRIC_NAME, STR("x")}}, many[LABELS_MAX];
    assert_false(batch_add(&b->batch, STR("1x"), NULL, 0, 1));
    assert_false(batch_add(&b->batch, STR(""), NULL, 0, 1));
    assert_false(batch_add(&b->batch, STR("x"), bad_name, 1, 1));
    assert_false(batch_add(&b->batch, STR("x"), second_name, 1, 1));
    for (int i = 0; i < LABELS_MAX; i++) {
        many[i] = (struct label){arena_printf(&b->arena, "n%d", i), STR("v")};
    }
    assert_false(batch_add(&b->batch, STR("x"), many, LABELS_MAX, 1)); /* with name and common ones too many */
    assert_true(batch_add(&b->batch, STR("x"), many, LABELS_MAX - 3, 1));
    assert_int_equal(b->batch.samples.len, 1);
}

static void values_of_any_bytes_are_cut_and_mended(void **state)
{
    struct bench *b = *state;
    char large[LABEL_VALUE_MAX + 10], all[256];
    memset(large, 'x', sizeof(large));
    memcpy(large + LABEL_VALUE_MAX - 1, "é", 2); /* across the limit */
    for (int i = 0; i < 256; i++) {
        all[i] = (char)i;
    }
    struct label pairs[] = {{STR("l"), str_make(large, sizeof(large))}, {STR("a"), str_make(all, 256)}};
    assert_true(batch_add(&b->batch, STR("x"), pairs, 2, 1));
    struct labels labels = b->batch.samples.p[0].labels;
    assert_int_equal(labels_get(labels, STR("l")).len, LABEL_VALUE_MAX - 1);
    struct str mended = labels_get(labels, STR("a"));
    assert_true(utf8_valid(mended));
    assert_int_equal(mended.len, 128 + 128 * 3);

    memset(large, '\xff', sizeof(large));
    assert_true(batch_add(&b->batch, STR("x"), pairs, 1, 1));
    struct str cut = labels_get(b->batch.samples.p[1].labels, STR("l"));
    assert_true(utf8_valid(cut));
    assert_in_range(cut.len, LABEL_VALUE_MAX - 3, LABEL_VALUE_MAX);
}

static void families_are_noted_once(void **state)
{
    struct bench *b = *state;
    batch_family(&b->batch, STR("x_total"), METRIC_COUNTER, STR("Help."));
    batch_family(&b->batch, STR("x_total"), METRIC_GAUGE, STR("Other."));
    batch_family(&b->batch, STR("y"), METRIC_GAUGE, STR(""));
    assert_int_equal(b->batch.families.len, 2);
    assert_int_equal(b->batch.families.p[0].type, METRIC_COUNTER);
    assert_string_equal(metric_type_name(METRIC_HISTOGRAM), "histogram");
    assert_string_equal(metric_type_name(METRIC_UNKNOWN), "unknown");
}

static void the_stale_marker_is_told_by_its_bits(void **state)
{
    (void)state;
    assert_true(sample_is_stale(sample_from_bits(SAMPLE_STALE_BITS)));
    assert_true(isnan(sample_from_bits(SAMPLE_STALE_BITS)));
    assert_false(sample_is_stale((double)NAN));
    assert_false(sample_is_stale(0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(samples_get_name_time_and_common_labels, set_up, tear_down),
        cmocka_unit_test_setup_teardown(illegal_samples_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(values_of_any_bytes_are_cut_and_mended, set_up, tear_down),
        cmocka_unit_test_setup_teardown(families_are_noted_once, set_up, tear_down),
        cmocka_unit_test(the_stale_marker_is_told_by_its_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
