/* What scripts cannot say: limits, time, cancellation, failing reads, order, JSON. Values are in tests/promql. */
#include "src/base/clock.h"
#include "src/query/query.h"
#include "tests/support/test.h"
#include "tests/unit/query/fake_store.h"

struct fixture {
    struct store store;
    struct arena arena;
    struct query_result result;
    struct error err;
};

static void add(struct fixture *f, const char *name, const char *key, const char *value, int64_t t_ms, double v)
{
    auto_arena arena;
    arena_init(&arena);
    struct labels_builder b;
    labels_builder_init(&b, &arena);
    labels_set(&b, METRIC_NAME, str_of(name));
    labels_set(&b, str_of(key), str_of(value));
    fake_add(&f->store, labels_finish(&b, false), t_ms, v);
}

static int setup(void **state)
{
    struct fixture *f = mem_zalloc(sizeof(*f));
    fake_init(&f->store);
    arena_init(&f->arena);
    for (int i = 0; i <= 40; i++) {
        add(f, "jobs_total", "queue", "mail", i * 15000, i * 3);
        add(f, "jobs_total", "queue", "video", i * 15000, i);
        add(f, "other_total", "queue", "mail", i * 15000, 7);
    }
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    fake_release(&f->store);
    arena_release(&f->arena);
    mem_free(f);
    return 0;
}

static int run(struct fixture *f, const char *text, bool range, const struct query_options *options)
{
    struct expr *expr = NULL;
    f->err = (struct error){0};
    int rc = query_parse(str_of(text), &f->arena, &expr, &f->err);
    if (rc == 0) {
        rc = range ? query_range(&f->store, expr, 0, 600000, 15000, options, &f->arena, &f->result, &f->err)
                   : query_instant(&f->store, expr, 600000, options, &f->arena, &f->result, &f->err);
    }
    expr_release(expr);
    return rc;
}

static void instant(struct fixture *f, const char *text)
{
    if (run(f, text, false, NULL) < 0) {
        fail_msg("%s: %s", text, f->err.text);
    }
}

static void assert_json(struct fixture *f, const char *expected)
{
    auto_buf out;
    buf_init(&out, 1 << 20);
    struct json_writer w;
    json_init(&w, &out);
    query_result_to_json(&f->result, &w);
    assert_str_is(buf_str(&out), expected);
}

static void results_are_json_as_prometheus_writes_it(void **state)
{
    struct fixture *f = *state;
    instant(f, "jobs_total{queue=\"mail\"}");
    assert_json(f,
                "{\"resultType\":\"vector\",\"result\":[{\"metric\":{\"__name__\":\"jobs_total\",\"queue\":\"mail\"},"
                "\"value\":[600,\"120\"]}]}");
    instant(f, "1 / 0");
    assert_json(f, "{\"resultType\":\"scalar\",\"result\":[600,\"+Inf\"]}");
    instant(f, "\"a\\\"b\"");
    assert_json(f, "{\"resultType\":\"string\",\"result\":[600,\"a\\\"b\"]}");
    instant(f, "jobs_total{queue=\"mail\"}[30s]");
    assert_json(f,
                "{\"resultType\":\"matrix\",\"result\":[{\"metric\":{\"__name__\":\"jobs_total\",\"queue\":\"mail\"},"
                "\"values\":[[585,\"117\"],[600,\"120\"]]}]}");
    instant(f, "nothing");
    assert_json(f, "{\"resultType\":\"vector\",\"result\":[]}");
}

static void a_range_query_of_a_scalar_is_a_matrix_without_labels(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(run(f, "2", true, NULL), 0);
    assert_int_equal(f->result.type, VALUE_MATRIX);
    assert_int_equal(f->result.n, 1);
    assert_int_equal(f->result.series[0].labels.n, 0);
    assert_int_equal(f->result.series[0].n, 41);
}

static void range_queries_refuse_what_has_no_steps(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(run(f, "jobs_total[5m]", true, NULL), ERR_EXEC);
    assert_int_equal(run(f, "\"text\"", true, NULL), ERR_EXEC);
    struct expr *expr = NULL;
    assert_int_equal(query_parse(STR("1"), &f->arena, &expr, NULL), 0);
    struct query_result *r = &f->result;
    assert_int_equal(query_range(&f->store, expr, 0, 1000, 0, NULL, &f->arena, r, &f->err), ERR_EXEC);
    assert_int_equal(query_range(&f->store, expr, 1000, 0, 1, NULL, &f->arena, r, &f->err), ERR_EXEC);
    assert_int_equal(query_range(&f->store, expr, 0, 11000, 1, NULL, &f->arena, r, &f->err), 0);
    assert_int_equal(query_range(&f->store, expr, 0, 11001, 1, NULL, &f->arena, r, &f->err), ERR_LIMIT);
    assert_true(str_starts(str_of(f->err.text), STR("exceeded maximum resolution of 11,000 points")));
    assert_int_equal(query_range(&f->store, expr, INT64_MIN, INT64_MAX, 1, NULL, &f->arena, r, &f->err), ERR_LIMIT);
}

static bool is_sixth_question(void *ctx)
{
    int *asked = ctx;
    return ++*asked >= 6;
}

static void one_series_with_long_windows_can_be_cancelled(void **state)
{
    struct fixture *f = *state;
    int asked = 0;
    struct query_options options = {.cancelled = is_sixth_question, .cancelled_ctx = &asked};
    for (int i = 0; i <= 100000; i++) {
        add(f, "long", "queue", "mail", i * 6, i % 7);
    }
    assert_int_equal(run(f, "stddev_over_time(long[10m])", true, &options), ERR_CANCELLED);
}

static void a_sample_limit_stops_the_query(void **state)
{
    struct fixture *f = *state;
    struct query_options options = {.max_samples = 60};
    assert_int_equal(run(f, "jobs_total", true, &options), ERR_LIMIT);
    assert_str_is(str_of(f->err.text), "query processing would load too many samples into memory in query execution");
    options.max_samples = 20; /* fewer than one window holds */
    assert_int_equal(run(f, "count_over_time(jobs_total[9m])", false, &options), ERR_LIMIT);
    options.max_samples = 60; /* of two series with 36 each */
    assert_int_equal(run(f, "jobs_total[9m]", false, &options), ERR_LIMIT);
    options.max_samples = 80;
    assert_int_equal(run(f, "jobs_total[9m]", false, &options), 0);
    assert_int_equal(f->result.stats.peak_samples, 72);
    options.max_samples = 100;
    assert_int_equal(run(f, "sum(jobs_total)", true, &options), 0); /* series go by: only one group's values are held */
}

static void a_memory_limit_stops_the_query(void **state)
{
    struct fixture *f = *state;
    struct query_options options = {.max_memory_bytes = 1 << 20};
    assert_int_equal(run(f, "max_over_time(jobs_total[1000d:1s])", false, &options), ERR_LIMIT);
    assert_true(str_find(str_of(f->err.text), STR("subquery")) >= 0);
    options.max_memory_bytes = 2000;
    assert_int_equal(run(f, "sum by (queue) (jobs_total) + jobs_total", true, &options), ERR_LIMIT);
}

static void a_passed_deadline_stops_the_query(void **state)
{
    struct fixture *f = *state;
    struct query_options options = {.deadline_mono_ms = clock_mono_ms() - 1};
    assert_int_equal(run(f, "sum(jobs_total)", false, &options), ERR_TIMEOUT);
    assert_str_is(str_of(f->err.text), "query timed out in expression evaluation");
    options.deadline_mono_ms = clock_mono_ms() + 3600000;
    assert_int_equal(run(f, "sum(jobs_total)", false, &options), 0);
}

static bool yes(void *ctx)
{
    ++*(int *)ctx;
    return true;
}

static void a_cancelled_query_stops(void **state)
{
    struct fixture *f = *state;
    int asked = 0;
    struct query_options options = {.cancelled = yes, .cancelled_ctx = &asked};
    assert_int_equal(run(f, "sum(jobs_total)", false, &options), ERR_CANCELLED);
    assert_true(asked > 0);
}

static void a_failing_read_fails_the_query(void **state)
{
    struct fixture *f = *state;
    f->store.fail_read = ERR_CORRUPT;
    assert_int_equal(run(f, "sum(jobs_total)", false, NULL), ERR_CORRUPT);
    assert_true(str_find(str_of(f->err.text), STR("reading the store failed")) >= 0);
}

static void many_to_many_names_the_group_and_both_series(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(run(f, "sum(jobs_total) * on () jobs_total", false, NULL), ERR_EXEC);
    assert_str_is(str_of(f->err.text),
                  "found duplicate series for the match group {} on the right hand-side of the operation: "
                  "[jobs_total{queue=\"video\"}, jobs_total{queue=\"mail\"}];many-to-many matching not allowed: "
                  "matching labels must be unique on one side");
    assert_int_equal(run(f, "jobs_total * on () sum(jobs_total)", false, NULL), ERR_EXEC);
    assert_true(
        str_starts(str_of(f->err.text), STR("multiple matches for labels: many-to-one matching must be explicit")));
}

static void instant_vectors_keep_an_order_that_was_asked_for(void **state)
{
    struct fixture *f = *state;
    static const char *const ordered[] = {"sort_desc(jobs_total)", "topk(5, jobs_total)", "(sort_desc(jobs_total)) > 0",
                                          "-sort(-jobs_total)"};
    for (size_t i = 0; i < sizeof(ordered) / sizeof(ordered[0]); i++) {
        instant(f, ordered[i]);
        assert_int_equal(f->result.n, 2);
        assert_str_is(labels_get(f->result.series[0].labels, STR("queue")), "mail");
    }
    instant(f, "sort(jobs_total)");
    assert_str_is(labels_get(f->result.series[0].labels, STR("queue")), "video");
    instant(f, "sum by (queue) (jobs_total)");
    assert_str_is(labels_get(f->result.series[0].labels, STR("queue")), "mail");
}

static void a_counter_without_a_counters_name_is_remarked_on(void **state)
{
    struct fixture *f = *state;
    add(f, "plain", "a", "b", 590000, 1);
    add(f, "plain", "a", "b", 595000, 2);
    instant(f, "sum(rate(plain[1m]))");
    assert_int_equal(f->result.info_count, 1);
    assert_str_is(f->result.infos[0], "PromQL info: metric might not be a counter, name does not end in "
                                      "_total/_sum/_count/_bucket: \"plain\" (1:10)");
    instant(f, "rate(jobs_total[1m])");
    assert_int_equal(f->result.info_count, 0);
}

static void statistics_count_what_was_read(void **state)
{
    struct fixture *f = *state;
    instant(f, "rate(jobs_total[1m])");
    assert_int_equal(f->result.stats.series, 2);
    assert_int_equal(f->result.stats.samples, 8);
}

static void results_outlive_the_store(void **state)
{
    struct fixture *f = *state;
    instant(f, "label_replace(rate(jobs_total[1m]), \"q\", \"$1\", \"queue\", \"(.).*\")");
    fake_release(&f->store);
    fake_init(&f->store);
    assert_int_equal(f->result.n, 2);
    assert_str_is(labels_get(f->result.series[0].labels, STR("q")), "m");
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(results_are_json_as_prometheus_writes_it),
        CASE(a_range_query_of_a_scalar_is_a_matrix_without_labels),
        CASE(range_queries_refuse_what_has_no_steps),
        CASE(a_sample_limit_stops_the_query),
        CASE(a_memory_limit_stops_the_query),
        CASE(a_passed_deadline_stops_the_query),
        CASE(a_cancelled_query_stops),
        CASE(one_series_with_long_windows_can_be_cancelled),
        CASE(a_failing_read_fails_the_query),
        CASE(many_to_many_names_the_group_and_both_series),
        CASE(instant_vectors_keep_an_order_that_was_asked_for),
        CASE(a_counter_without_a_counters_name_is_remarked_on),
        CASE(statistics_count_what_was_read),
        CASE(results_outlive_the_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
