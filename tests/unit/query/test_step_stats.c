/* What each step of a query looks at, counted by hand. */
#include "src/query/query.h"
#include "tests/support/test.h"
#include "tests/unit/query/fake_store.h"

#define STEPS 4

static struct store store;

static void add(const char *name, const char *i, int64_t t_s, double v)
{
    auto_arena arena;
    arena_init(&arena);
    struct labels_builder b;
    labels_builder_init(&b, &arena);
    labels_set(&b, METRIC_NAME, str_of(name));
    labels_set(&b, STR("i"), str_of(i));
    fake_add(&store, labels_finish(&b, false), t_s * 1000, v);
}

/* Every 15 s from 0 to 600 s; the second one of foo ends at 315 s, with a marker. */
static int fill(void **state)
{
    (void)state;
    fake_init(&store);
    for (int k = 0; k <= 40; k++) {
        add("foo", "1", k * 15, k);
        add("bar", "1", k * 15, k);
        if (k <= 21) {
            add("foo", "2", k * 15, k < 21 ? k : sample_from_bits(SAMPLE_STALE_BITS));
        }
    }
    return 0;
}

static int empty(void **state)
{
    (void)state;
    fake_release(&store);
    return 0;
}

/* Steps at 247, 307, 367 and 427 seconds. */
static void each_step_counts_what_it_would_alone(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t range[STEPS];
    } cases[] = {
        {"foo", {2, 2, 1, 1}},
        {"-foo + on(i) group_left bar", {3, 3, 2, 2}},
        {"foo offset 1m", {2, 2, 2, 1}},
        {"foo @ 300", {2, 2, 2, 2}},
        {"timestamp(foo)", {2, 2, 1, 1}},
        {"count_over_time(foo[2m])", {16, 16, 12, 8}},
        {"rate(foo[2m] @ 300)", {16, 16, 16, 16}},
        {"sum(rate(foo[1m])) + sum(max_over_time(bar[30s]))", {10, 10, 6, 6}},
        {"absent_over_time(foo[1m])", {8, 8, 4, 4}},
        /* the subquery's steps, not what they looked at */
        {"max_over_time(foo[2m:1m])", {4, 4, 3, 2}},
        {"sum_over_time(count_over_time(foo[5m])[1m:20s])", {6, 6, 6, 6}},
        {"vector(time())", {0, 0, 0, 0}},
        {"nothing or absent(nothing)", {0, 0, 0, 0}},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        auto_arena arena;
        struct expr *expr = NULL;
        struct error err = {0};
        struct query_result range, alone, plain;
        struct query_options options = {.per_step = true};
        arena_init(&arena);
        assert_int_equal(query_parse(str_of(cases[i].text), &arena, &expr, &err), 0);
        assert_int_equal(query_range(&store, expr, 247000, 430000, 60000, &options, &arena, &range, &err), 0);
        assert_int_equal(range.step_count, STEPS);
        assert_int_equal(range.step_ms, 60000);
        for (size_t k = 0; k < STEPS; k++) {
            int64_t t_ms = 247000 + (int64_t)k * 60000;
            assert_int_equal(query_instant(&store, expr, t_ms, &options, &arena, &alone, &err), 0);
            assert_int_equal(alone.step_count, 1);
            if (range.step_samples[k] != cases[i].range[k] || alone.step_samples[0] != cases[i].range[k]) {
                fail_msg("%s: step %zu: %d in the range, %d alone", cases[i].text, k, (int)range.step_samples[k],
                         (int)alone.step_samples[0]);
            }
        }
        assert_int_equal(query_range(&store, expr, 247000, 430000, 60000, NULL, &arena, &plain, &err), 0);
        assert_null(plain.step_samples);
        expr_release(expr);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_step_counts_what_it_would_alone, fill, empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
