/* Points answer as raw samples do, wherever tiers.h says so; where they cannot, the answer is near and says so. */
#include "src/query/function.h"
#include "src/query/query.h"
#include "tests/support/test.h"
#include "tests/unit/query/fake_store.h"

#define MINUTE ((int64_t)60000)
#define HOUR   (60 * MINUTE)
#define BEGIN  ((int64_t)1700006400000) /* a full hour */
#define END    (BEGIN + 30 * HOUR)

struct fixture {
    struct store store;
    struct arena arena;
};

struct random {
    uint64_t state;
};
static uint64_t random_next(struct random *r)
{
    r->state ^= r->state << 13;
    r->state ^= r->state >> 7;
    r->state ^= r->state << 17;
    return r->state;
}
static double random_unit(struct random *r)
{
    return (double)(random_next(r) >> 11) / 9007199254740992.0;
}

static void add(struct fixture *f, const char *name, const char *kind, int64_t t_ms, double v)
{
    struct label labels[] = {{METRIC_NAME, str_of(name)}, {STR("kind"), str_of(kind)}};
    fake_add(&f->store, (struct labels){labels, 2}, t_ms, v);
}

static double stale(void)
{
    return sample_from_bits(SAMPLE_STALE_BITS);
}

struct shape {
    const char *name, *kind;
    int64_t gap_ms;
    bool counter, whole, ends, nan;
};

/* Random walks with scrapes a little late, gaps of up to three hours, resets, ends with and without marker. */
static void fill(struct fixture *f, const struct shape *shape, struct random *r)
{
    double v = 1000;
    for (int64_t t = BEGIN - 6 * HOUR + (int64_t)(random_next(r) % 15000); t < END;) {
        uint64_t dice = random_next(r) % 1000;
        double change = shape->whole ? (double)(random_next(r) % 40) : random_unit(r) * 40;
        v += shape->counter || random_next(r) % 2 ? change : -change;
        v = shape->counter && dice < 10 ? 3 : v;
        bool ends = shape->ends && dice >= 20 && dice < 40;
        add(f, shape->name, shape->kind, t, ends ? stale() : shape->nan && dice >= 100 && dice < 300 ? NAN : v);
        t += shape->gap_ms + (dice % 5 ? 0 : (int64_t)(random_next(r) % 300));
        t += dice < 5 || (ends && dice % 2) ? (int64_t)(random_next(r) % (uint64_t)(3 * HOUR)) : 0;
    }
}

static int setup(void **state)
{
    static const struct shape shapes[] = {
        {"whole_total", "steady", 15000, true, true, false, false},
        {"whole_total", "ending", 15000, true, true, true, false},
        {"whole_total", "slow", 4 * MINUTE, true, true, true, false},
        {"whole_total", "full minutes", MINUTE, true, true, true, false},
        {"float_total", "steady", 30000, true, false, false, false},
        {"float_total", "ending", MINUTE, true, false, true, false},
        {"gauge", "whole", 15000, false, true, true, false},
        {"gauge", "nan", MINUTE, false, true, true, true},
        {"gauge", "sparse", 17 * MINUTE, false, true, true, false},
        {"float_gauge", "steady", 15000, false, false, false, false},
        {"float_gauge", "nan", 90000, false, false, true, true},
    };
    struct random r = {88172645463325252u};
    struct fixture *f = mem_zalloc(sizeof(*f));
    fake_init(&f->store);
    arena_init(&f->arena);
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        fill(f, &shapes[i], &r);
    }
    for (int64_t t = BEGIN - 6 * HOUR; t <= END; t += 15000) { /* two a second, from zero */
        add(f, "linear_total", "x", t + 7000, (double)(t - BEGIN + 6 * HOUR) / 500);
        add(f, "level", "x", t + 7000, 40);
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

struct grid_case {
    int64_t start_ms, end_ms, step_ms; /* step 0: instant query at end_ms */
};

static struct query_result ask(struct fixture *f, const char *text, struct grid_case g,
                               const struct query_options *options)
{
    struct expr *expr = NULL;
    struct error err = {0};
    struct query_result result = {0};
    int rc = query_parse(str_of(text), &f->arena, &expr, &err);
    if (rc == 0) {
        rc = g.step_ms
                 ? query_range(&f->store, expr, g.start_ms, g.end_ms, g.step_ms, options, &f->arena, &result, &err)
                 : query_instant(&f->store, expr, g.end_ms, options, &f->arena, &result, &err);
    }
    if (rc) {
        fail_msg("%s: %s", text, err.text);
    }
    expr_release(expr);
    return result;
}

static bool near(double a, double b, double slack)
{
    return isnan(a) || isnan(b) ? isnan(a) && isnan(b) : a == b || fabs(a - b) <= slack * fmax(fabs(a), fabs(b));
}

static void assert_same_result(const char *text, const struct query_result *a, const struct query_result *b,
                               double slack)
{
    if (a->n != b->n) {
        fail_msg("%s: %zu series and %zu", text, a->n, b->n);
    }
    for (size_t i = 0; i < a->n; i++) {
        const struct result_series *x = &a->series[i], *y = &b->series[i];
        assert_true(labels_eq(x->labels, y->labels));
        for (size_t k = 0; k < x->n && k < y->n; k++) {
            if (x->points[k].t_ms != y->points[k].t_ms || !near(x->points[k].v, y->points[k].v, slack)) {
                fail_msg("%s, series %zu: at %lld %.17g, at %lld %.17g", text, i, (long long)x->points[k].t_ms,
                         x->points[k].v, (long long)y->points[k].t_ms, y->points[k].v);
            }
        }
        if (x->n != y->n) {
            fail_msg("%s, series %zu: %zu values and %zu", text, i, x->n, y->n);
        }
    }
}

static size_t served_infos(const struct query_result *r)
{
    size_t n = 0;
    for (size_t i = 0; i < r->info_count; i++) {
        n += str_find(r->infos[i], STR("served from")) >= 0;
    }
    return n;
}

/* The tier alone, raw alone, and what is chosen by itself give one answer. */
static void assert_exact(struct fixture *f, const char *text, struct grid_case g, enum tier tier, double slack,
                         int64_t lookback_ms)
{
    struct query_options raw_only = {.resolution = RESOLUTION_RAW, .lookback_ms = lookback_ms};
    struct query_options tier_only = {.resolution = (enum query_resolution)(RESOLUTION_RAW + tier),
                                      .lookback_ms = lookback_ms};
    struct query_options automatic = {.lookback_ms = lookback_ms};
    struct query_result raw = ask(f, text, g, &raw_only), forced = ask(f, text, g, &tier_only),
                        chosen = ask(f, text, g, &automatic);
    assert_same_result(text, &forced, &raw, slack);
    assert_same_result(text, &chosen, &raw, slack);
    assert_int_equal(raw.stats.tier, TIER_RAW);
    if (forced.stats.tier != tier && raw.n) {
        fail_msg("%s: served from %s", text, query_tier_name(forced.stats.tier));
    }
    if (served_infos(&forced) + served_infos(&chosen) + served_infos(&raw)) {
        fail_msg("%s: said to be approximate", text);
    }
}

static const struct {
    enum tier tier;
    struct grid_case grid;
    const char *range;
} aligned[] = {
    {TIER_5M, {BEGIN, END, 5 * MINUTE}, "[5m]"},
    {TIER_5M, {BEGIN, END, 5 * MINUTE}, "[25m]"},
    {TIER_5M, {BEGIN + 5 * MINUTE, END, 15 * MINUTE}, "[1h]"},
    {TIER_5M, {BEGIN, END, 10 * MINUTE}, "[10m] offset 35m"},
    {TIER_5M, {BEGIN + MINUTE, END, 10 * MINUTE}, "[10m] offset 1m"},
    {TIER_5M, {BEGIN, END, 5 * MINUTE}, "[5m] offset -5m"},
    {TIER_5M, {BEGIN + 1, END, 71007}, "[30m] @ 1700020800"},
    {TIER_5M, {0, BEGIN + 7 * HOUR, 0}, "[5m]"},
    {TIER_5M, {0, BEGIN + 7 * HOUR, 0}, "[6h]"},
    {TIER_1H, {BEGIN, END, HOUR}, "[1h]"},
    {TIER_1H, {BEGIN, END, 2 * HOUR}, "[6h]"},
    {TIER_1H, {BEGIN + 30 * MINUTE, END, HOUR}, "[2h] offset 30m"},
    {TIER_1H, {0, BEGIN + 7 * HOUR, 0}, "[12h]"},
};

static double slack_of(const char *function, const char *metric)
{
    static const char *const adding[] = {"rate", "increase", "delta", "avg_over_time", "sum_over_time"};
    for (size_t i = 0; i < sizeof(adding) / sizeof(adding[0]); i++) {
        if (!strcmp(function, adding[i])) {
            return str_starts(str_of(metric), STR("float")) ? 1e-12 : 0;
        }
    }
    return 0;
}

static void over_whole_buckets_points_answer_as_samples_do(void **state)
{
    struct fixture *f = *state;
    static const char *const metrics[] = {"whole_total", "float_total", "gauge", "float_gauge"};
    size_t n, with_points = 0;
    const struct function_info *infos = query_functions(&n);
    for (size_t i = 0; i < n; i++) {
        const struct function *function = function_find(str_of(infos[i].name));
        if (!function || function->kind != FUNCTION_ROLLUP || !function->points) {
            continue;
        }
        with_points++;
        for (size_t k = 0; k < sizeof(aligned) / sizeof(aligned[0]); k++) {
            for (size_t m = 0; m < 4; m++) {
                char text[200];
                snprintf(text, sizeof(text), "%s(%s%s)", infos[i].name, metrics[m], aligned[k].range);
                assert_exact(f, text, aligned[k].grid, aligned[k].tier, slack_of(infos[i].name, metrics[m]), 0);
            }
            arena_clear(&f->arena);
        }
    }
    assert_int_equal(with_points, 13);
}

static void an_instant_selector_sees_the_last_sample_of_the_bucket_and_its_end(void **state)
{
    struct fixture *f = *state;
    static const char *const texts[] = {"whole_total",
                                        "gauge",
                                        "timestamp(gauge)",
                                        "float_gauge offset 1h",
                                        "sum by (kind) (whole_total) - 1",
                                        "whole_total @ 1700020800"};
    static const int64_t lookbacks[] = {0, MINUTE, 12 * MINUTE, 3 * HOUR};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        for (size_t k = 0; k < sizeof(lookbacks) / sizeof(lookbacks[0]); k++) {
            assert_exact(f, texts[i], (struct grid_case){BEGIN, END, 5 * MINUTE}, TIER_5M, 0, lookbacks[k]);
            assert_exact(f, texts[i], (struct grid_case){BEGIN, END, HOUR}, TIER_1H, 0, lookbacks[k]);
            assert_exact(f, texts[i], (struct grid_case){0, BEGIN + 9 * HOUR, 0}, TIER_1H, 0, lookbacks[k]);
        }
        arena_clear(&f->arena);
    }
}

static void what_is_absent_over_time_is_absent_among_points(void **state)
{
    struct fixture *f = *state;
    assert_exact(f, "absent_over_time(gauge{kind=\"sparse\"}[5m])", (struct grid_case){BEGIN, END, 5 * MINUTE}, TIER_5M,
                 0, 0);
    assert_exact(f, "absent_over_time(gauge{kind=\"sparse\"}[1h])", (struct grid_case){BEGIN, END, HOUR}, TIER_1H, 0,
                 0);
}

static void in_a_subquery_the_inner_grid_decides(void **state)
{
    struct fixture *f = *state;
    struct grid_case odd = {BEGIN + 1234, END, 77777};
    assert_exact(f, "max_over_time(rate(whole_total[5m])[1h:5m])", odd, TIER_5M, 0, 0);
    assert_exact(f, "quantile_over_time(0.9, whole_total[3h:1h])", odd, TIER_1H, 0, 0);
    struct query_result r = ask(f, "max_over_time(rate(whole_total[5m])[1h:1m])", odd, NULL);
    assert_int_equal(r.stats.tier, TIER_RAW);
}

static void samples_answer_what_points_cannot(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *text;
        struct grid_case grid;
    } cases[] = {
        {"rate(gauge[5m])", {BEGIN + MINUTE, END, 5 * MINUTE}},
        {"rate(gauge[5m])", {BEGIN, END, MINUTE}},
        {"rate(gauge[7m])", {BEGIN, END, 5 * MINUTE}},
        {"rate(gauge[5m] offset 1m)", {BEGIN, END, 5 * MINUTE}},
        {"gauge", {BEGIN, END, MINUTE}},
        {"gauge", {0, BEGIN, 0}}, /* a single step: raw is as quick */
        {"gauge[1h]", {0, BEGIN, 0}},
        {"quantile_over_time(0.5, gauge[1h])", {BEGIN, END, HOUR}},
        {"irate(gauge[1h])", {BEGIN, END, HOUR}},
        {"changes(gauge[1h])", {BEGIN, END, HOUR}},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct query_result r = ask(f, cases[i].text, cases[i].grid, NULL);
        assert_true(r.n > 0);
        assert_int_equal(r.stats.tier, TIER_RAW);
        assert_int_equal(served_infos(&r), 0);
    }
    struct query_result r = ask(f, "rate(gauge[1h])", (struct grid_case){BEGIN, END, HOUR}, NULL);
    assert_int_equal(r.stats.tier, TIER_1H);
    r = ask(f, "rate(gauge[2h])", (struct grid_case){BEGIN, END, 5 * MINUTE}, NULL);
    assert_int_equal(r.stats.tier, TIER_5M);
}

static void points_that_are_not_stored_are_not_made_while_samples_are_there(void **state)
{
    struct fixture *f = *state;
    struct grid_case hours = {BEGIN, END, HOUR};
    f->store.stored_ms = BEGIN + 10 * HOUR; /* a third */
    struct query_result r = ask(f, "rate(whole_total[1h])", hours, NULL);
    assert_int_equal(r.stats.tier, TIER_RAW);
    f->store.stored_ms = BEGIN + 20 * HOUR;
    r = ask(f, "rate(whole_total[1h])", hours, NULL);
    assert_int_equal(r.stats.tier, TIER_1H);
    f->store.stored_ms = INT64_MIN;
    f->store.kept_from_ms[TIER_RAW] = BEGIN + HOUR;
    r = ask(f, "rate(whole_total[1h])", hours, NULL);
    assert_int_equal(r.stats.tier, TIER_1H);
}

/* ---- raw samples are gone ---- */

#define RAW_FROM (BEGIN + 20 * HOUR)
#define R5M_FROM (BEGIN + 10 * HOUR)

static int64_t raw_from_ms = RAW_FROM; /* some cases try a time within a bucket, too */

/* Where retention cut: hours reach back to the begin, 5 minutes for 20 hours, raw samples for the last ten. */
static void forget(struct fixture *f)
{
    f->store.kept_from_ms[TIER_RAW] = raw_from_ms;
    f->store.kept_from_ms[TIER_5M] = R5M_FROM;
}
static void remember(struct fixture *f)
{
    f->store.kept_from_ms[TIER_RAW] = f->store.kept_from_ms[TIER_5M] = f->store.kept_from_ms[TIER_1H] = INT64_MIN;
}

static void assert_all_near(const struct query_result *r, struct grid_case g, double expected, double slack)
{
    assert_int_equal(r->n, 1);
    assert_int_equal(r->series[0].n, (size_t)((g.end_ms - g.start_ms) / g.step_ms) + 1); /* no holes */
    for (size_t i = 0; i < r->series[0].n; i++) {
        if (!near(r->series[0].points[i].v, expected, slack)) {
            fail_msg("at step %zu: %.17g, not %.17g", i, r->series[0].points[i].v, expected);
        }
    }
}

static void assert_near_answers(struct fixture *f, struct grid_case odd)
{
    static const struct {
        const char *text;
        double expected, slack;
    } cases[] = {
        {"rate(linear_total[5m])", 2, 1e-9},       {"rate(linear_total[3h])", 2, 1e-9},
        {"increase(linear_total[5m])", 600, 1e-9}, {"delta(linear_total[10m])", 1200, 1e-9},
        {"deriv(linear_total[2h])", 2, 1e-9},      {"irate(linear_total[2h])", 2, 1e-9},
        {"count_over_time(level[5m])", 20, 0.06}, /* windows half of points, half of samples are not even */
        {"sum_over_time(level[5m])", 800, 0.06},   {"avg_over_time(level[5m])", 40, 0},
        {"max_over_time(level[1m])", 40, 0},       {"quantile_over_time(0.5, level[5m])", 40, 0},
        {"stddev_over_time(level[5m])", 0, 0},     {"level", 40, 0},
        {"max_over_time(level[1h:7m])", 40, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        forget(f);
        struct query_result r = ask(f, cases[i].text, odd, NULL);
        remember(f);
        assert_all_near(&r, odd, cases[i].expected, cases[i].slack);
        assert_int_equal(served_infos(&r), 1);
        assert_int_equal(r.stats.tier, TIER_1H);
    }
}

static void where_samples_are_gone_answers_are_near_and_say_so(void **state)
{
    struct fixture *f = *state;
    struct grid_case odd = {BEGIN + 1234, END, 61 * 1000};
    assert_near_answers(f, odd);
    raw_from_ms = RAW_FROM + 12345 * 17;
    assert_near_answers(f, odd);
    raw_from_ms = RAW_FROM;
    forget(f);
    struct query_result r = ask(f, "rate(linear_total[5m])", odd, NULL);
    assert_str_is(r.infos[0], "PromQL info: served from 1h points before 2023-11-15T20:00:00.000Z, the answer is "
                              "approximate there (1:6)");
    odd.start_ms = R5M_FROM + HOUR;
    r = ask(f, "rate(linear_total[5m])", odd, NULL);
    assert_true(str_find(r.infos[0], STR("served from 5m points before")) >= 0);
    assert_int_equal(r.stats.tier, TIER_5M);
    remember(f);
}

static void assert_later_steps_exact(struct fixture *f)
{
    static const char *const texts[] = {"rate(whole_total[7m])", "quantile_over_time(0.3, gauge[11m])", "gauge",
                                        "sum_over_time(gauge[7m])", "whole_total"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct grid_case all = {RAW_FROM - HOUR, END, 61 * 1000};
        struct query_result full = ask(f, texts[i], all, &(struct query_options){.resolution = RESOLUTION_RAW});
        forget(f);
        struct query_result cut = ask(f, texts[i], all, NULL);
        remember(f);
        assert_int_equal(served_infos(&cut), 1);
        struct query_result *both[] = {&full, &cut};
        for (size_t b = 0; b < 2; b++) { /* keep what lies a window after the cut */
            for (size_t s = 0; s < both[b]->n; s++) {
                struct result_series *series = &both[b]->series[s];
                while (series->n && series->points->t_ms < raw_from_ms + 12 * MINUTE) {
                    series->points++;
                    series->n--;
                }
            }
        }
        assert_same_result(texts[i], &cut, &full, 0);
    }
}

static void steps_that_samples_reach_are_exact_beside_those_that_they_do_not(void **state)
{
    assert_later_steps_exact(*state);
    raw_from_ms = RAW_FROM + 12345 * 17;
    assert_later_steps_exact(*state);
    raw_from_ms = RAW_FROM;
}

static void whole_buckets_stay_exact_when_samples_are_gone(void **state)
{
    struct fixture *f = *state;
    static const char *const texts[] = {"rate(whole_total[1h])", "max_over_time(gauge[2h])", "whole_total", "gauge"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct grid_case hours = {BEGIN, END, HOUR};
        struct query_result full = ask(f, texts[i], hours, &(struct query_options){.resolution = RESOLUTION_RAW});
        forget(f);
        struct query_result cut = ask(f, texts[i], hours, NULL);
        assert_same_result(texts[i], &cut, &full, 0);
        assert_int_equal(served_infos(&cut), 0);
        assert_int_equal(cut.stats.tier, TIER_1H);
        hours.start_ms = hours.end_ms = R5M_FROM + HOUR; /* a single step */
        hours.step_ms = 0;
        cut = ask(f, texts[i], hours, NULL);
        assert_int_equal(served_infos(&cut), 0);
        assert_int_equal(cut.stats.tier, TIER_1H);
        remember(f);
    }
}

static void before_all_tiers_there_is_nothing_and_no_remark(void **state)
{
    struct fixture *f = *state;
    struct grid_case before = {BEGIN - 3 * HOUR, END, MINUTE};
    for (enum tier tier = TIER_RAW; tier < TIER_COUNT; tier++) { /* no tier reaches further than raw samples */
        f->store.kept_from_ms[tier] = RAW_FROM + 1234;
    }
    struct query_result r = ask(f, "rate(whole_total[5m])", before, NULL);
    assert_true(r.n && r.series[0].points[0].t_ms >= RAW_FROM);
    assert_int_equal(r.stats.tier, TIER_RAW);
    assert_int_equal(served_infos(&r), 0);
    f->store.kept_from_ms[TIER_5M] = f->store.kept_from_ms[TIER_1H] = R5M_FROM;
    r = ask(f, "rate(whole_total[5m])", before, NULL);
    assert_true(r.n && r.series[0].points[0].t_ms >= R5M_FROM && r.series[0].points[0].t_ms < R5M_FROM + HOUR);
    assert_int_equal(r.stats.tier, TIER_5M);
    assert_int_equal(served_infos(&r), 1);
    r = ask(f, "rate(whole_total[5m])", before, &(struct query_options){.resolution = RESOLUTION_RAW});
    assert_true(r.n && r.series[0].points[0].t_ms >= RAW_FROM);
    assert_int_equal(served_infos(&r), 0);
    remember(f);
}

static void a_tier_that_is_asked_for_answers_alone(void **state)
{
    struct fixture *f = *state;
    struct grid_case odd = {BEGIN + 1234, END, 61 * 1000};
    struct query_result r = ask(f, "rate(linear_total[5m])", odd, &(struct query_options){.resolution = RESOLUTION_1H});
    assert_all_near(&r, odd, 2, 1e-9);
    assert_str_is(r.infos[0], "PromQL info: served from 1h points, the answer is approximate there (1:6)");
    r = ask(f, "linear_total[1h]", (struct grid_case){0, END, 0}, &(struct query_options){.resolution = RESOLUTION_5M});
    assert_int_equal(r.n, 1);
    assert_int_equal(r.series[0].n, 12);
}

static void a_failing_read_of_points_fails_the_query(void **state)
{
    struct fixture *f = *state;
    struct expr *expr = NULL;
    struct query_result r;
    struct error err = {0};
    assert_int_equal(query_parse(STR("rate(gauge[1h])"), &f->arena, &expr, NULL), 0);
    f->store.fail_read = ERR_CORRUPT;
    assert_int_equal(query_instant(&f->store, expr, BEGIN, NULL, &f->arena, &r, &err), ERR_CORRUPT);
    f->store.fail_read = 0;
    struct query_options few = {.max_samples = 20};
    assert_int_equal(query_range(&f->store, expr, BEGIN, END, HOUR, &few, &f->arena, &r, &err), ERR_LIMIT);
    expr_release(expr);
}

static void resolutions_have_names(void **state)
{
    (void)state;
    static const char *const names[] = {"auto", "raw", "5m", "1h"};
    enum query_resolution resolution;
    for (int i = 0; i < 4; i++) {
        assert_true(query_resolution_parse(str_of(names[i]), &resolution));
        assert_int_equal(resolution, i);
    }
    assert_false(query_resolution_parse(STR("10m"), &resolution));
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(over_whole_buckets_points_answer_as_samples_do),
        CASE(an_instant_selector_sees_the_last_sample_of_the_bucket_and_its_end),
        CASE(what_is_absent_over_time_is_absent_among_points),
        CASE(in_a_subquery_the_inner_grid_decides),
        CASE(samples_answer_what_points_cannot),
        CASE(points_that_are_not_stored_are_not_made_while_samples_are_there),
        CASE(where_samples_are_gone_answers_are_near_and_say_so),
        CASE(steps_that_samples_reach_are_exact_beside_those_that_they_do_not),
        CASE(whole_buckets_stay_exact_when_samples_are_gone),
        CASE(before_all_tiers_there_is_nothing_and_no_remark),
        CASE(a_tier_that_is_asked_for_answers_alone),
        CASE(a_failing_read_of_points_fails_the_query),
        cmocka_unit_test(resolutions_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
