/* Sliding range functions against the same functions over one window each: a query of one step each. */
#include "src/query/query.h"
#include "tests/support/test.h"
#include "tests/unit/query/fake_store.h"

#include <math.h>

#define SAMPLES  600
#define STEPS    150
#define START_MS 100000

enum data { PLAIN, INTEGERS, CONSTANT, SPECIAL, CANCELLING, HUGE_VALUES, ZEROS, DATA_COUNT };

static uint64_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

static double value_of(enum data data, uint64_t *state)
{
    static const double special[] = {NAN, INFINITY, -INFINITY, 1, -1, 0.5};
    static const double cancelling[] = {1e16, -1e16, 1, 0.1, -1, 3e-5};
    uint64_t r = next_random(state);
    double unit = (double)r / (double)(1u << 31);
    switch (data) {
    case PLAIN:
        return unit - 0.3;
    case INTEGERS:
        return (double)(r % 10);
    case CONSTANT:
        return 4.25;
    case SPECIAL:
        return r % 7 ? (r % 20 < 14 ? NAN : unit) : special[r / 7 % 6];
    case CANCELLING:
        return cancelling[r % 6];
    case HUGE_VALUES:
        return (r % 2 ? 1.5e308 : -1.5e308) * unit;
    case ZEROS:
        return r % 2 ? 0.0 : -0.0;
    case DATA_COUNT:
        break;
    }
    return 0;
}

/* Irregular times, gaps, stale markers. */
static void fill(struct store *store, enum data data)
{
    struct labels_builder b;
    labels_builder_init(&b, &store->arena);
    labels_set(&b, METRIC_NAME, STR("m"));
    struct labels labels = labels_finish(&b, false);
    uint64_t state = 17 + (uint64_t)data;
    int64_t t_ms = 1;
    for (int i = 0; i < SAMPLES; i++) {
        uint64_t r = next_random(&state);
        t_ms += r % 40 == 0 ? 90000 : (int64_t)(r % 4000) + 1;
        fake_add(store, labels, t_ms, r % 23 == 0 ? sample_from_bits(SAMPLE_STALE_BITS) : value_of(data, &state));
    }
}

static struct query_result run(struct store *store, struct arena *arena, const char *text, int64_t start_ms, size_t n,
                               int64_t step_ms)
{
    struct expr *expr = NULL;
    struct error err = {0};
    struct query_result result = {0};
    assert_int_equal(query_parse(str_of(text), arena, &expr, &err), 0);
    int64_t end_ms = start_ms + (int64_t)(n - 1) * step_ms;
    if (query_range(store, expr, start_ms, end_ms, step_ms, NULL, arena, &result, &err) < 0) {
        fail_msg("%s: %s", text, err.text);
    }
    expr_release(expr);
    return result;
}

static bool same(double a, double b, bool exact)
{
    if (isnan(a) || isnan(b)) {
        return isnan(a) && isnan(b);
    }
    if (exact) {
        return sample_bits(a) == sample_bits(b);
    }
    return a == b || fabs(a - b) <= 1e-12 * fabs(b);
}

/* Every step of a range query is what that step alone gives. */
static void compare(const char *text, enum data data, int64_t step_ms, bool exact)
{
    auto_arena arena;
    arena_init(&arena);
    struct store store;
    fake_init(&store);
    fill(&store, data);
    struct query_result all = run(&store, &arena, text, START_MS, STEPS, step_ms);
    size_t seen = 0;
    for (size_t i = 0; i < STEPS; i++) {
        int64_t t_ms = START_MS + (int64_t)i * step_ms;
        struct query_result one = run(&store, &arena, text, t_ms, 1, step_ms);
        bool there = all.n == 1 && seen < all.series[0].n && all.series[0].points[seen].t_ms == t_ms;
        assert_int_equal(there, one.n == 1);
        if (there && !same(all.series[0].points[seen].v, one.series[0].points[0].v, exact)) {
            fail_msg("%s of data %d, step %zu: %.17g, alone %.17g", text, (int)data, i, all.series[0].points[seen].v,
                     one.series[0].points[0].v);
        }
        seen += there;
    }
    assert_true(seen > STEPS / 10);
    fake_release(&store);
}

static void compare_all(const char *function, bool exact)
{
    static const int64_t steps_ms[] = {3000, 7000, 700};
    static const char *const ranges[] = {"30s", "3m", "20m"};
    for (enum data data = 0; data < DATA_COUNT; data++) {
        for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
            for (size_t k = 0; k < sizeof(steps_ms) / sizeof(steps_ms[0]); k++) {
                char text[128];
                snprintf(text, sizeof(text), "%sm[%s])", function, ranges[i]);
                compare(text, data, steps_ms[k], exact);
            }
        }
    }
}

static void extremes_slide_bit_for_bit(void **state)
{
    (void)state;
    compare_all("max_over_time(", true);
    compare_all("min_over_time(", true);
    compare_all("ts_of_max_over_time(", true);
    compare_all("ts_of_min_over_time(", true);
}

static void changes_and_resets_slide_bit_for_bit(void **state)
{
    (void)state;
    compare_all("changes(", true);
    compare_all("resets(", true);
    compare_all("count_over_time(", true);
    compare_all("last_over_time(", true);
}

static void quantiles_slide_as_sorted(void **state)
{
    (void)state;
    compare_all("quantile_over_time(0.3, ", false); /* of 0 and -0 sorting anew keeps no order */
    compare_all("quantile_over_time(1, ", false);
    compare_all("quantile_over_time(1.5, ", true);
}

static void sums_and_means_slide_within_1e_12(void **state)
{
    (void)state;
    compare_all("sum_over_time(", false);
    compare_all("avg_over_time(", false);
}

static void windows_that_stand_still_and_subqueries_slide_too(void **state)
{
    (void)state;
    compare("max_over_time(m[3m] @ 300)", PLAIN, 3000, true);
    compare("sum_over_time(m[3m] offset 10s)", PLAIN, 3000, false);
    compare("max_over_time((-m)[3m:1s])", SPECIAL, 3000, true);
    compare("avg_over_time((-m)[3m:1s])", CANCELLING, 3000, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(extremes_slide_bit_for_bit),
        cmocka_unit_test(changes_and_resets_slide_bit_for_bit),
        cmocka_unit_test(quantiles_slide_as_sorted),
        cmocka_unit_test(sums_and_means_slide_within_1e_12),
        cmocka_unit_test(windows_that_stand_still_and_subqueries_slide_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
