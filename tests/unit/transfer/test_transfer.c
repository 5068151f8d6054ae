/* Out of a store and into another: what is exported, imported and exported again is the same to the byte. */
#include "src/transfer/export.h"
#include "src/transfer/import.h"
#include "tests/unit/storage/store_test.h"

static struct str export(struct store *store, const struct export_selector *selectors, size_t n, int64_t from_ms,
                         int64_t to_ms, struct buf *out)
{
    struct export_options options = {
        .store = store, .selectors = selectors, .n = n, .start_ms = from_ms, .end_ms = to_ms};
    struct exporter *exporter = exporter_new(&options);
    buf_init(out, 256u << 20);
    for (bool done = false; !done;) {
        size_t before = out->len;
        assert_int_equal(exporter_next(exporter, out, &done), 0);
        assert_true(out->len - before < EXPORT_PIECE + 65536);
    }
    exporter_free(exporter);
    return buf_str(out);
}

static struct str export_all(struct store *store, struct buf *out)
{
    return export(store, NULL, 0, INT64_MIN / 2, INT64_MAX / 2, out);
}

/* In pieces of `cut` bytes. */
static struct import_totals import(struct store *store, struct str text, enum text_format format, bool skip_bad,
                                   size_t cut, int expected)
{
    struct importer *importer = importer_new(
        &(struct import_options){.store = store, .format = format, .skip_bad = skip_bad, .wait_ms = 10000});
    struct error err = {0};
    int rc = 0;
    for (; rc == 0 && text.len; text = str_slice(text, cut, text.len)) {
        rc = importer_feed(importer, str_slice(text, 0, cut), &err);
    }
    rc = rc ? rc : importer_finish(importer, &err);
    if (rc != expected) {
        fail_msg("%d:%d: %s", err.line, err.column, err.text);
    }
    assert_int_equal(store_sync(store, 10000), 0);
    struct import_totals totals = *importer_totals(importer);
    importer_free(importer);
    return totals;
}

static void add(struct maker *m, const char *name, const char *label, struct str value, int64_t t_ms, double v)
{
    struct label labels[] = {{str_of(label), value}};
    assert_true(batch_add_at(&m->batch, str_of(name), labels, 1, t_ms, v));
}

static const uint64_t odd_bits[] = {0x0000000000000000, 0x8000000000000000, 0x0000000000000001, 0x800fffffffffffff,
                                    0x7fefffffffffffff, 0x7ff0000000000000, 0xfff0000000000000, 0x7ff8000000000000,
                                    0x7ff8000000000001, SAMPLE_STALE_BITS,  0xfff8000000000000, 0x7ff0000000000001,
                                    0x3fb999999999999a, 0x7fe1ccf385ebc8a0};

static void fill_odd(struct store *store)
{
    struct maker m;
    maker_init(&m, "g", START);
    for (size_t i = 0; i < sizeof(odd_bits) / sizeof(odd_bits[0]); i++) {
        add(&m, "odd", "l", STR("values"), START + (int64_t)i * 15001, sample_from_bits(odd_bits[i]));
        add(&m, "odd", "l", STR("old"), -(int64_t)i * 7200001, sample_from_bits(odd_bits[i]));
    }
    static const char *const texts[] = {"\"",         "\\",    "\n",       "a\\nb",        "\\\"\n\\",
                                        "{},=# \t\r", " pad ", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80",
                                        "\x01\x7f",   "# EOF"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        add(&m, "odd", "l", str_of(texts[i]), START, (double)i);
    }
    static const char *const bounds[] = {"10", "+Inf", "2", "0.5"};
    for (size_t i = 0; i < 4; i++) {
        add(&m, "h_seconds_bucket", "le", str_of(bounds[i]), START, (double)i);
        add(&m, "s_seconds", "quantile", str_of(bounds[i]), START, (double)i);
    }
    add(&m, "h_seconds_count", "a", STR("b"), START, 4);
    add(&m, "h_seconds_sum", "a", STR("b"), START, 4);
    add(&m, "s_seconds_sum", "a", STR("b"), START, 4);
    add(&m, "jobs_total", "a", STR("b"), START, 4);
    add(&m, "events_total", "a", STR("b"), START, 4);
    add(&m, "events", "a", STR("b"), START, 4);
    add(&m, "no_suffix", "a", STR("b"), START, 4);
    add(&m, "build_info", "a", STR("b"), START, 1);
    batch_family(&m.batch, STR("h_seconds"), METRIC_HISTOGRAM, STR("Histogram."));
    batch_family(&m.batch, STR("s_seconds"), METRIC_SUMMARY, STR("Summary."));
    batch_family(&m.batch, STR("jobs_total"), METRIC_COUNTER, STR("Jobs \"done\" \\ or\nnot."));
    batch_family(&m.batch, STR("events_total"), METRIC_COUNTER, STR(""));
    batch_family(&m.batch, STR("events"), METRIC_GAUGE, STR("Now."));
    batch_family(&m.batch, STR("no_suffix"), METRIC_COUNTER, STR("A counter without a suffix."));
    batch_family(&m.batch, STR("build_info"), METRIC_INFO, STR("Info."));
    struct label utf8[] = {{METRIC_NAME, STR("my.metric")}, {STR("my label"), STR("x")}};
    vec_push(&m.batch.samples, ((struct batch_sample){{utf8, 2}, START, 1}));
    assert_int_equal(store_append(store, &m.batch, NULL, NULL), 0);
    maker_release(&m);
}

static void a_round_trip_gives_the_same_bytes(void **state)
{
    (void)state;
    struct fixture a, b;
    struct buf first, second;
    fixture_init(&a);
    fixture_init(&b);
    fixture_open(&a);
    fixture_open(&b);
    fill_odd(a.store);
    struct str text = export_all(a.store, &first);
    struct import_totals totals = import(b.store, text, TEXT_AUTO, false, 7, 0);
    assert_int_equal(totals.refused, 0);
    assert_int_equal(totals.samples, 2 * 14 + 12 + 8 + 8 + 1);
    assert_int_equal(totals.series, 2 + 12 + 8 + 8 + 1);
    assert_true(totals.ended);
    assert_str_eq(export_all(b.store, &second), text);
    buf_release(&second);

    /* The same again, over blocks instead of the head, and after a restart. */
    assert_int_equal(store_flush(b.store), 0);
    totals = import(b.store, text, TEXT_OPENMETRICS, false, 100000, 0);
    assert_int_equal(totals.refused, 0);
    fixture_reopen(&b);
    assert_str_eq(export_all(b.store, &second), text);
    buf_release(&second);
    buf_release(&first);
    fixture_release(&a);
    fixture_release(&b);
}

static bool has(struct str text, const char *part)
{
    return str_find(text, str_of(part)) >= 0;
}

static void families_stand_as_openmetrics_wants_them(void **state)
{
    (void)state;
    struct fixture f;
    struct buf out;
    fixture_init(&f);
    fixture_open(&f);
    fill_odd(f.store);
    struct str text = export_all(f.store, &out);
    assert_true(has(text, "# TYPE h_seconds histogram\n# HELP h_seconds Histogram.\n"
                          "h_seconds_bucket{le=\"0.5\"} 3 1700006400.000\nh_seconds_bucket{le=\"2\"} 2 1700006400.000\n"
                          "h_seconds_bucket{le=\"10\"} 0 1700006400.000\n"
                          "h_seconds_bucket{le=\"+Inf\"} 1 1700006400.000\n"
                          "h_seconds_count{a=\"b\"} 4 1700006400.000\nh_seconds_sum{a=\"b\"} 4 1700006400.000\n#"));
    assert_true(has(text, "# TYPE jobs counter\n# HELP jobs Jobs \\\"done\\\" \\\\ or\\nnot.\njobs_total{a=\"b\"} 4 "));
    assert_true(has(text, "# TYPE events gauge\n# HELP events Now.\nevents{a=\"b\"} 4 "));
    assert_true(has(text, "# TYPE events_total unknown\nevents_total{a=\"b\"} 4 "));
    assert_true(has(text, "# TYPE no_suffix unknown\n# HELP no_suffix A counter without a suffix.\nno_suffix{"));
    assert_true(has(text, "# TYPE build info\n# HELP build Info.\nbuild_info{a=\"b\"} 1 "));
    assert_true(has(text, "# TYPE \"my.metric\" unknown\n{\"my.metric\",\"my label\"=\"x\"} 1 1700006400.000\n"));
    assert_true(has(text, "# TYPE odd unknown\n"));
    assert_true(str_ends(text, STR("\n# EOF\n")));
    buf_release(&out);
    /* The type that text could not carry is not lost by importing it where it is known. */
    (void)import(f.store,
                 STR("# TYPE no_suffix unknown\n# HELP no_suffix Other.\nno_suffix{a=\"b\"} 4 1700006400.000\n"),
                 TEXT_AUTO, false, 4096, 0);
    auto_snapshot struct snapshot *snapshot = NULL;
    auto_arena arena;
    arena_init(&arena);
    struct metric_family *family;
    size_t n;
    assert_int_equal(snapshot_open(f.store, &snapshot), 0);
    assert_int_equal(snapshot_metadata(snapshot, STR("no_suffix"), &arena, &family, &n), 0);
    assert_int_equal(family->type, METRIC_COUNTER);
    snapshot_close(steal(snapshot));
    fixture_release(&f);
}

static void selectors_and_times_narrow_an_export(void **state)
{
    (void)state;
    struct fixture f;
    struct buf out;
    fixture_init(&f);
    fixture_open(&f);
    for (int i = 0; i < 10; i++) {
        put(f.store, "a", "one", START + i * HOUR, i);
        put(f.store, "a", "two", START + i * HOUR, i);
        put(f.store, "b", "one", START + i * HOUR, i);
    }
    struct matcher m[3];
    assert_int_equal(matcher_init(&m[0], MATCH_EQ, STR("instance"), STR("one"), NULL), 0);
    assert_int_equal(matcher_init(&m[1], MATCH_EQ, METRIC_NAME, STR("b"), NULL), 0);
    assert_int_equal(matcher_init(&m[2], MATCH_EQ, METRIC_NAME, STR("none"), NULL), 0);
    const struct export_selector selectors[] = {{&m[0], 1}, {&m[1], 1}, {&m[2], 1}};
    struct str text = export(f.store, selectors, 3, START + HOUR, START + 2 * HOUR, &out);
    assert_str_is(text, "# TYPE a unknown\na{instance=\"one\",job=\"test\"} 1 1700010000.000\n"
                        "a{instance=\"one\",job=\"test\"} 2 1700013600.000\n"
                        "# TYPE b unknown\nb{instance=\"one\",job=\"test\"} 1 1700010000.000\n"
                        "b{instance=\"one\",job=\"test\"} 2 1700013600.000\n# EOF\n");
    buf_release(&out);
    assert_str_is(export(f.store, selectors + 2, 1, START, START + HOUR, &out), "# EOF\n");
    buf_release(&out);
    assert_str_is(export(f.store, NULL, 0, START - HOUR, START - 1, &out), "# EOF\n");
    buf_release(&out);
    fixture_release(&f);
}

static void a_long_history_is_read_in_slices(void **state)
{
    (void)state;
    struct fixture f, g;
    struct buf out, again;
    fixture_init(&f);
    fixture_init(&g);
    fixture_open(&f);
    fixture_open(&g);
    const int64_t day_ms = 24 * HOUR;
    struct maker m;
    maker_init(&m, "g", START);
    for (int64_t day = -8000; day <= 0; day += day < -400 ? 1900 : 1) {
        maker_add(&m, "a", "one", START + day * day_ms, (double)day);
        maker_add(&m, "b", "one", START + day * day_ms + 1, (double)day);
    }
    size_t n = m.batch.samples.len;
    assert_int_equal(store_append(f.store, &m.batch, NULL, NULL), 0);
    maker_release(&m);
    struct str text = export_all(f.store, &out);
    struct import_totals totals = import(g.store, text, TEXT_AUTO, false, 65536, 0);
    assert_int_equal(totals.samples, n);
    assert_str_eq(export_all(g.store, &again), text);
    buf_release(&out);
    buf_release(&again);
    fixture_release(&f);
    fixture_release(&g);
}

/* The store takes samples of 4096 windows at a time: what is more goes to blocks in between. */
static void years_of_windows_are_imported(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    fixture_open(&f);
    struct buf text;
    buf_init(&text, 16 << 20);
    for (int i = 0; i < 6000; i++) {
        text_write_sample(STR("a{instance=\"one\"}"), START - i * 2 * HOUR, i, &text);
    }
    struct import_totals totals = import(f.store, buf_str(&text), TEXT_AUTO, false, 65536, 0);
    assert_int_equal(totals.refused, 0);
    assert_int_equal(totals.samples, 6000);
    buf_release(&text);
    struct sample_columns columns = get(f.store, "a", "one", INT64_MIN / 2, INT64_MAX / 2);
    assert_int_equal(columns.n, 6000);
    sample_columns_release(&columns);
    fixture_release(&f);
}

static void a_bad_line_ends_an_import_and_keeps_what_was_before(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    fixture_open(&f);
    struct str text = STR("a{instance=\"one\"} 1 1700006400.000\na{instance=\"one\"} x 1700006401.000\n"
                          "a{instance=\"one\"} 2 1700006402.000\na{instance=\"one\"} 3 99999999999.000");
    struct import_totals totals = import(f.store, text, TEXT_AUTO, false, 4096, ERR_PARSE);
    assert_int_equal(totals.samples, 1);
    assert_int_equal(totals.first_bad.line, 2);
    assert_int_equal(totals.first_bad.column, 19);
    totals = import(f.store, text, TEXT_AUTO, true, 4096, 0);
    assert_int_equal(totals.samples, 2);
    assert_int_equal(totals.bad_lines, 1);
    assert_int_equal(totals.refused, 1);
    assert_non_null(strstr(totals.first_refused.text, "ahead of this machine's clock"));
    assert_false(totals.ended);
    struct sample_columns columns = get(f.store, "a", "one", INT64_MIN / 2, INT64_MAX / 2);
    assert_int_equal(columns.n, 2);
    sample_columns_release(&columns);
    fixture_release(&f);
}

static void a_line_without_end_is_refused(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    fixture_open(&f);
    char *zeros = mem_zalloc(3 << 20);
    struct import_totals totals = import(f.store, str_make(zeros, 3 << 20), TEXT_AUTO, true, 100000, ERR_LIMIT);
    assert_int_equal(totals.samples, 0);
    mem_free(zeros);
    fixture_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_round_trip_gives_the_same_bytes),
        cmocka_unit_test(families_stand_as_openmetrics_wants_them),
        cmocka_unit_test(selectors_and_times_narrow_an_export),
        cmocka_unit_test(a_long_history_is_read_in_slices),
        cmocka_unit_test(years_of_windows_are_imported),
        cmocka_unit_test(a_bad_line_ends_an_import_and_keeps_what_was_before),
        cmocka_unit_test(a_line_without_end_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
