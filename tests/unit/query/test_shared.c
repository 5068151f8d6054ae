/* What stands twice is read once, and nothing else changes. */
#include "src/query/query.h"
#include "tests/support/test.h"
#include "tests/unit/query/fake_store.h"
#include "tests/unit/query/result_equal.h"

#define SERIES   20
#define SAMPLES  50
#define STEP_MS  15000
#define START_MS 1000000
#define END_MS   (START_MS + (int64_t)SAMPLES * STEP_MS)

static struct store store;
static struct arena arena;

static int set_up(void **state)
{
    (void)state;
    fake_init(&store);
    arena_init(&arena);
    for (int s = 0; s < SERIES; s++) {
        struct labels_builder b;
        char group[16], number[16];
        snprintf(group, sizeof(group), "g%d", s % 3);
        snprintf(number, sizeof(number), "%d", s);
        labels_builder_init(&b, &store.arena);
        labels_set(&b, METRIC_NAME, s % 2 ? STR("a_total") : STR("b_total"));
        labels_set(&b, STR("group"), str_of(group));
        labels_set(&b, STR("number"), str_of(number));
        struct labels labels = labels_finish(&b, false);
        for (int i = s; i < SAMPLES; i++) {
            fake_add(&store, labels, START_MS + (int64_t)i * STEP_MS, i * (s + 1));
        }
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fake_release(&store);
    arena_release(&arena);
    return 0;
}

static struct query_result ask(const char *text)
{
    struct expr *expr = NULL;
    struct error err = {0};
    struct query_result result = {0};
    assert_int_equal(query_parse(str_of(text), &arena, &expr, &err), 0);
    if (query_range(&store, expr, START_MS, END_MS, STEP_MS, NULL, &arena, &result, &err) < 0) {
        fail_msg("%s: %s", text, err.text);
    }
    expr_release(expr);
    return result;
}

/* Both mean the same; in `twice` a part stands twice, so that the whole reads what `part` reads. */
static void compare(const char *twice, const char *apart, const char *part)
{
    struct query_result a = ask(twice), b = ask(apart), p = ask(part);
    assert_same_series(&a, &b);
    assert_int_equal(a.stats.samples, p.stats.samples);
    assert_int_equal(a.stats.series, p.stats.series);
    assert_true(b.stats.samples > p.stats.samples);
}

/* A matcher that all have makes another text of the same meaning. */
static void read_once(void **state)
{
    (void)state;
    compare("a_total + a_total", "a_total + (a_total{number!=\"\"})", "a_total");
    compare("rate(a_total[1m]) / (rate(a_total[1m]) + 1)", "rate(a_total[1m]) / (rate(a_total{number!=\"\"}[1m]) + 1)",
            "rate(a_total[1m])");
    compare("sum by (group) (rate(a_total[1m])) / ignoring () sum by (group) (rate(a_total[1m]))",
            "sum by (group) (rate(a_total[1m])) / ignoring () sum by (group) (rate(a_total{number!=\"\"}[1m]))",
            "rate(a_total[1m])");
    compare("-abs(a_total) * on (number) (abs(a_total))", "-abs(a_total) * on (number) (abs(a_total{number!=\"\"}))",
            "a_total");
    compare("topk(2, a_total) or topk(2, a_total)", "topk(2, a_total) or topk(2, a_total{number!=\"\"})", "a_total");
}

static void other_steps_are_read_again(void **state)
{
    (void)state;
    struct query_result twice = ask("max_over_time(sum(a_total)[2m:10s]) - sum(a_total)");
    struct query_result apart = ask("max_over_time(sum(a_total)[2m:10s]) - sum(a_total{number!=\"\"})");
    assert_same_series(&twice, &apart);
    assert_int_equal(twice.stats.samples, apart.stats.samples);
    twice = ask("max_over_time(sum(a_total)[2m:10s]) - min_over_time(sum(a_total)[2m:10s])");
    apart = ask("max_over_time(sum(a_total)[2m:10s])");
    assert_int_equal(twice.stats.samples, apart.stats.samples);
}

/* An info at each place, with its position. */
static void notes_of_both_places_are_there(void **state)
{
    (void)state;
    struct query_result r =
        ask("rate({__name__=~\".+\",group=\"g0\"}[1m]) + rate({__name__=~\".+\",group=\"g0\"}[1m])");
    assert_int_equal(r.info_count, 0);
    struct labels_builder b;
    labels_builder_init(&b, &store.arena);
    labels_set(&b, METRIC_NAME, STR("gauge"));
    struct labels labels = labels_finish(&b, false);
    fake_add(&store, labels, START_MS, 1);
    fake_add(&store, labels, START_MS + 1000, 2);
    r = ask("rate(gauge[1m]) + rate(gauge[1m])");
    assert_int_equal(r.info_count, 2);
    assert_true(str_ends(r.infos[0], STR("(1:6)")) || str_ends(r.infos[1], STR("(1:6)")));
    assert_true(str_ends(r.infos[0], STR("(1:24)")) || str_ends(r.infos[1], STR("(1:24)")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(read_once),
        cmocka_unit_test(other_steps_are_read_again),
        cmocka_unit_test(notes_of_both_places_are_there),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
