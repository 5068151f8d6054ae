/* Queries with all processors against the same queries with one: not a bit may differ. */
#include "src/base/ordered.h"
#include "src/query/query.h"
#include "tests/support/test.h"
#include "tests/unit/query/fake_store.h"
#include "tests/unit/query/result_equal.h"

#include <math.h>

#define SERIES   800
#define SAMPLES  300
#define STEP_MS  15000
#define START_MS 1000000
#define END_MS   (START_MS + (int64_t)SAMPLES * STEP_MS)

static void fill(struct store *store)
{
    uint64_t state = 5;
    for (int s = 0; s < SERIES; s++) {
        struct labels_builder b;
        char name[16], group[16], number[16];
        snprintf(name, sizeof(name), s % 3 ? "m_total" : "gauge_%d", s % 20);
        snprintf(group, sizeof(group), "g%d", s % 7);
        snprintf(number, sizeof(number), "%d", s);
        labels_builder_init(&b, &store->arena);
        labels_set(&b, METRIC_NAME, str_of(name));
        labels_set(&b, STR("group"), str_of(group));
        labels_set(&b, STR("number"), str_of(number));
        struct labels labels = labels_finish(&b, false);
        double v = 0;
        for (int i = 0; i < SAMPLES; i++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            v = state >> 60 == 0 ? 0 : v + (double)(state >> 40) / 1e5;
            bool stale = (state >> 32) % 31 == 3;
            fake_add(store, labels, START_MS + (int64_t)i * STEP_MS + s % 2,
                     stale ? sample_from_bits(SAMPLE_STALE_BITS) : v);
        }
    }
}

struct outcome {
    struct arena arena;
    struct query_result result;
    struct error err;
    int rc;
};

static void ask(struct store *store, const char *text, const struct query_options *options, bool alone,
                struct outcome *out)
{
    unsigned taken = alone ? ordered_helpers_take(1000) : 0;
    struct expr *expr = NULL;
    *out = (struct outcome){.rc = 0};
    arena_init(&out->arena);
    assert_int_equal(query_parse(str_of(text), &out->arena, &expr, &out->err), 0);
    out->rc = query_range(store, expr, START_MS, END_MS, STEP_MS, options, &out->arena, &out->result, &out->err);
    expr_release(expr);
    ordered_helpers_give(taken);
}

static void assert_same_texts(const struct str *a, size_t n, const struct str *b, size_t m)
{
    assert_int_equal(n, m);
    for (size_t i = 0; i < n; i++) {
        assert_true(str_eq(a[i], b[i]));
    }
}

static void compare(struct store *store, const char *text, const struct query_options *options, int expected)
{
    struct outcome one, all;
    ask(store, text, options, true, &one);
    ask(store, text, options, false, &all);
    assert_int_equal(one.rc, expected);
    assert_int_equal(all.rc, expected);
    if (expected) {
        assert_string_equal(one.err.text, all.err.text);
    } else {
        const struct query_result *a = &one.result, *b = &all.result;
        assert_same_series(a, b);
        assert_int_equal(a->stats.samples, b->stats.samples);
        assert_int_equal(a->stats.series, b->stats.series);
        assert_int_equal(a->stats.peak_samples, b->stats.peak_samples);
        assert_same_texts(a->warnings, a->warning_count, b->warnings, b->warning_count);
        assert_same_texts(a->infos, a->info_count, b->infos, b->info_count);
    }
    arena_release(&one.arena);
    arena_release(&all.arena);
}

static void answers_are_the_same(void **state)
{
    (void)state;
    static const char *const queries[] = {
        "{group=~\".+\"}",
        "m_total offset 1m",
        "rate({group=~\".+\"}[2m])", /* with infos of more names than are kept */
        "sum by (group) (rate(m_total[5m]))",
        "quantile_over_time(1.5, {group=~\".+\"}[5m])", /* with a warning of each step */
        "max_over_time({group!=\"\"}[10m]) - on (number) group_left delta({group!=\"\"}[3m])",
        "topk(5, increase(m_total[1m]))",
        "timestamp(m_total) - 5",
        "max_over_time(sum by (group) (rate(m_total[1m]))[5m:30s])",
    };
    struct store store;
    fake_init(&store);
    fill(&store);
    for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
        compare(&store, queries[i], NULL, 0);
    }
    fake_release(&store);
}

static void points_of_tiers_are_the_same(void **state)
{
    (void)state;
    struct store store;
    fake_init(&store);
    fill(&store);
    store.kept_from_ms[TIER_RAW] = INT64_MAX;
    compare(&store, "rate(m_total[10m])", NULL, 0);
    compare(&store, "max_over_time({group!=\"\"}[10m])", NULL, 0);
    compare(&store, "m_total", NULL, 0);
    fake_release(&store);
}

static bool always(void *ctx)
{
    (void)ctx;
    return true;
}

static void ends_are_the_same(void **state)
{
    (void)state;
    struct store store;
    fake_init(&store);
    fill(&store);
    compare(&store, "double_exponential_smoothing(m_total[5m], 0.5, 1.5)", NULL, ERR_EXEC);
    compare(&store, "rate(m_total[5m])", &(struct query_options){.max_series = 100}, ERR_LIMIT);
    compare(&store, "rate(m_total[5m])", &(struct query_options){.max_samples = 20000}, ERR_LIMIT);
    compare(&store, "rate(m_total[5m])", &(struct query_options){.max_samples = 100}, ERR_LIMIT);
    compare(&store, "rate(m_total[5m])", &(struct query_options){.max_memory_bytes = 2 << 20}, ERR_LIMIT);
    compare(&store, "rate(m_total[5m])", &(struct query_options){.deadline_mono_ms = 1}, ERR_TIMEOUT);
    compare(&store, "rate(m_total[5m])", &(struct query_options){.cancelled = always}, ERR_CANCELLED);
    store.fail_read = -5;
    compare(&store, "rate(m_total[5m])", NULL, -5);
    fake_release(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_the_same),
        cmocka_unit_test(points_of_tiers_are_the_same),
        cmocka_unit_test(ends_are_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
