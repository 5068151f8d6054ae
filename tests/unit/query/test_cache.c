/*
 * The cache of range queries: whatever is written between, cached answers are those of a fresh evaluation.
 *
 * CLOCHE_SEED and CLOCHE_ROUNDS in the environment repeat or prolong the random part.
 */
#include "src/base/clock.h"
#include "src/base/counter.h"
#include "src/query/ast.h"
#include "src/query/cache.h"
#include "src/query/features.h"
#include "tests/support/test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#define SCRAPE_MS  15000
#define SERIES_MAX 60
#define COUNT(v)   (sizeof(v) / sizeof((v)[0]))

static struct store *store;
static struct query_cache *cache;
static char dir[] = "/tmp/cloche-cache-XXXXXX";
static int64_t begin_ms, newest_ms;
static size_t series_count = 24;
static unsigned seed;

static unsigned dice(unsigned n)
{
    return (unsigned)rand_r(&seed) % n;
}

static void add_sample(struct batch *b, struct arena *a, size_t i, int64_t t_ms, double v)
{
    const char *name = i % 2 ? "requests_total" : "temperature";
    const struct label labels[] = {{STR("group"), arena_printf(a, "g%zu", i % 5)},
                                   {STR("i"), arena_printf(a, "%zu", i)}};
    size_t before = b->samples.len;
    assert_true(batch_add(b, str_of(name), labels, 2, v));
    assert_int_equal(b->samples.len, before + 1);
    b->samples.p[before].t_ms = t_ms;
}

static void append(size_t from, size_t count, int64_t t_ms, double v)
{
    auto_arena a;
    struct batch b;
    arena_init(&a);
    batch_init(&b, &a, STR("test"), t_ms, (struct labels){0});
    for (size_t i = from; i < from + count; i++) {
        add_sample(&b, &a, i, t_ms, isnan(v) ? v : v + (double)dice(100));
    }
    assert_int_equal(store_append(store, &b, NULL, NULL), 0);
    batch_release(&b);
}

static void scrape(void)
{
    newest_ms += SCRAPE_MS;
    append(0, series_count, newest_ms, (double)(newest_ms - begin_ms) / 100);
}

static int rounds(void)
{
    const char *given = getenv("CLOCHE_ROUNDS");
    return given ? (int)strtol(given, NULL, 10) : 6000;
}

static int start(void **state)
{
    (void)state;
    struct error err = {0};
    const char *given = getenv("CLOCHE_SEED");
    seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)clock_mono_us();
    print_message("CLOCHE_SEED=%u\n", seed);
    assert_int_equal(
        query_features_enable(STR("promql-experimental-functions,promql-extended-range-selectors,promql-duration-expr"),
                              &err),
        0);
    assert_non_null(mkdtemp(dir));
    struct store_options options = {.dir = dir, .map_bytes = (size_t)1 << 30};
    assert_int_equal(store_open(&options, &store, &err), 0);
    cache = query_cache_new(4u << 20);
    begin_ms = clock_wall_ms() / 3600000 * 3600000 - (rounds() + 1000) * (int64_t)SCRAPE_MS / 60000 * 60000;
    newest_ms = begin_ms;
    for (int i = 0; i < 240; i++) {
        scrape();
    }
    return 0;
}

static int stop(void **state)
{
    (void)state;
    query_cache_free(cache);
    store_close(store);
    char command[64];
    (void)snprintf(command, sizeof(command), "rm -rf %s", dir);
    return system(command);
}

/* -- comparing -- */

static bool same_value(double a, double b)
{
    return (isnan(a) && isnan(b)) || a == b || fabs(a - b) <= 1e-12 * fmax(fabs(a), fabs(b));
}

/* The first difference. */
static void describe(const struct query_result *cached, const struct query_result *fresh)
{
    for (size_t i = 0; i < cached->n && i < fresh->n; i++) {
        const struct result_series *a = &cached->series[i], *b = &fresh->series[i];
        auto_buf text;
        buf_init(&text, 65536);
        labels_print(a->labels, &text);
        for (size_t k = 0; labels_eq(a->labels, b->labels) && k < a->n && k < b->n; k++) {
            if (a->points[k].t_ms != b->points[k].t_ms || !same_value(a->points[k].v, b->points[k].v)) {
                print_error("%.*s: point %zu: cached %+lld s %.17g, fresh %+lld s %.17g\n", (int)text.len,
                            text.p ? text.p : "", k, (long long)(a->points[k].t_ms - newest_ms) / 1000, a->points[k].v,
                            (long long)(b->points[k].t_ms - newest_ms) / 1000, b->points[k].v);
                return;
            }
        }
    }
}

static bool same_series(const struct result_series *a, const struct result_series *b)
{
    if (!labels_eq(a->labels, b->labels) || a->n != b->n) {
        return false;
    }
    for (size_t i = 0; i < a->n; i++) {
        if (a->points[i].t_ms != b->points[i].t_ms || !same_value(a->points[i].v, b->points[i].v)) {
            return false;
        }
    }
    return true;
}

static bool same_result(const struct query_result *a, const struct query_result *b)
{
    if (a->type != b->type || a->n != b->n || a->warning_count != b->warning_count || a->info_count != b->info_count) {
        return false;
    }
    for (size_t i = 0; i < a->n; i++) {
        if (!same_series(&a->series[i], &b->series[i])) {
            return false;
        }
    }
    return true;
}

static void compare(const char *text, int64_t start_ms, int64_t end_ms, int64_t step_ms, int round)
{
    auto_arena a;
    struct expr *expr;
    struct error err = {0}, err_fresh = {0};
    struct query_result cached = {0}, fresh = {0};
    const struct query_options options = {0};
    arena_init(&a);
    assert_int_equal(query_parse(str_of(text), &a, &expr, &err), 0);
    int rc = query_range_cached(cache, store, expr, start_ms, end_ms, step_ms, &options, &a, &cached, &err);
    int rc_fresh = query_range(store, expr, start_ms, end_ms, step_ms, &options, &a, &fresh, &err_fresh);
    if (rc != rc_fresh || (rc == 0 && !same_result(&cached, &fresh))) {
        describe(&cached, &fresh);
        fail_msg("seed above, round %d: %s over [%+lld s, %+lld s] step %lld s: %d series cached, %d fresh (%d, %d)",
                 round, text, (long long)(start_ms - newest_ms) / 1000, (long long)(end_ms - newest_ms) / 1000,
                 (long long)step_ms / 1000, (int)cached.n, (int)fresh.n, rc, rc_fresh);
    }
    expr_release(expr);
}

/* -- what happens between -- */

static void delete_some(void)
{
    auto_arena a;
    struct matcher *matchers;
    size_t n, found;
    struct error err = {0};
    arena_init(&a);
    struct str selector = arena_printf(&a, "{i=\"%u\"}", dice((unsigned)series_count));
    assert_int_equal(query_parse_selector(selector, &a, &matchers, &n, &err), 0);
    int64_t to_ms = newest_ms - dice(7200) * 1000LL;
    assert_int_equal(store_delete_series(store, matchers, n, to_ms - dice(600) * 1000LL, to_ms, &found, &err), 0);
    matchers_release(matchers, n);
}

static void something_happens(void)
{
    size_t i = dice((unsigned)series_count);
    unsigned what = dice(100);
    if (what < 45) {
        scrape();
    } else if (what < 60) { /* late, and off the scrapes */
        append(i, 1 + dice(2), newest_ms - (int64_t)dice(dice(4) ? 300000 : 3600000), 7);
    } else if (what < 65) { /* a value of before is another now */
        append(i, 1, newest_ms - dice(dice(4) ? 10 : 100) * (int64_t)SCRAPE_MS, 1000);
    } else if (what < 70) {
        append(i, 1, newest_ms - dice(40) * (int64_t)SCRAPE_MS, sample_from_bits(SAMPLE_STALE_BITS));
    } else if (what < 72) {
        series_count += series_count < SERIES_MAX;
    } else if (what < 73) { /* some do not come again */
        series_count -= series_count > 10 ? dice(5) : 0;
    } else if (what < 74) {
        delete_some();
    } else if (what < 75) {
        assert_int_equal(store_flush(store), 0);
    } else if (what < 76) { /* ahead of the others */
        append(i, 1, newest_ms + (int64_t)dice(60000), 3);
    }
}

static void whatever_is_written_the_answer_is_that_of_a_fresh_evaluation(void **state)
{
    (void)state;
    char fixed[2][128];
    (void)snprintf(fixed[0], sizeof(fixed[0]), "temperature - on(i) temperature @ %lld", (long long)newest_ms / 1000);
    (void)snprintf(fixed[1], sizeof(fixed[1]), "sum_over_time(temperature[10m:30s] @ %lld offset -5m)",
                   (long long)newest_ms / 1000 + 900);
    const char *const texts[] = {"temperature",
                                 "sum by (group) (rate(requests_total[5m]))",
                                 "rate(requests_total[1m])",
                                 "max_over_time(temperature[3m]) > 50",
                                 "avg(temperature) by (group)",
                                 "topk(3, temperature)",
                                 "increase(requests_total[2m] anchored)",
                                 "temperature smoothed",
                                 "changes(temperature[5m]) + stddev_over_time(temperature[4m])",
                                 "min_over_time(temperature[10m]) - quantile_over_time(0.5, temperature[6m])",
                                 "temperature offset -1m",
                                 "sum(rate(requests_total[2m] offset 10m))",
                                 "max_over_time(rate(requests_total[1m] offset -30s)[4m:30s] offset -45s)",
                                 "temperature @ end()",
                                 "temperature + start() / range() - end()",
                                 "min_over_time(temperature[1m]) + max_of(step(), 20)",
                                 "{group=\"g1\"} or absent(temperature{i=\"2\"})",
                                 "count_values(\"v\", floor(temperature / 5000))",
                                 "label_replace(temperature, \"j\", \"$1\", \"i\", \"(.).*\") unless requests_total",
                                 "avg_over_time(temperature[10m])",
                                 "sum_over_time(temperature[90s])",
                                 "quantile(0.9, temperature) + time()",
                                 "rate(temperature[5m])",
                                 "increase({__name__=~\"requests_total|temperature\"}[1m])",
                                 "last_over_time({__name__=~\".+l|.+e\", i=~\"1.\"}[2m])",
                                 "avg_over_time(temperature[range() / 8])",
                                 "rate(requests_total[step() * 2]) - temperature offset (range() / 50)",
                                 "max_over_time(temperature[2m:step() / 3] offset -step())",
                                 fixed[0],
                                 fixed[1]};
    int64_t hits = self_get(SELF_QUERY_CACHE_HITS);
    for (int round = 0; round < rounds(); round++) {
        something_happens();
        int64_t step_ms = (1 + dice(2) * 3) * (int64_t)SCRAPE_MS;
        int64_t end_ms = newest_ms / step_ms * step_ms + (dice(3) == 0 ? dice(4) * step_ms : 0);
        int64_t start_ms = end_ms - (40 + dice(2) * 40 + dice(6)) * step_ms;
        end_ms -= dice(4) == 0 ? dice(30) * step_ms : 0;
        compare(texts[dice(COUNT(texts))], start_ms, end_ms + (int64_t)dice(2) * 1000, step_ms, round);
    }
    hits = self_get(SELF_QUERY_CACHE_HITS) - hits;
    print_message("%d rounds, %lld from the cache\n", rounds(), (long long)hits);
    assert_true(hits > rounds() / 5);
}

static void a_refresh_reads_the_new_steps_only(void **state)
{
    (void)state;
    const char *text = "sum(rate(requests_total[1m])) + 0";
    series_count = 20;              /* however few were left */
    for (int i = 0; i < 220; i++) { /* whatever was deleted before: every step has samples of all series */
        scrape();
    }
    for (int i = 0; i < 2; i++) {
        auto_arena a;
        struct expr *expr;
        struct error err = {0};
        struct query_result out = {0};
        const struct query_options options = {0};
        arena_init(&a);
        assert_int_equal(query_parse(str_of(text), &a, &expr, &err), 0);
        scrape();
        assert_int_equal(query_range_cached(cache, store, expr, newest_ms - 200 * SCRAPE_MS, newest_ms, SCRAPE_MS,
                                            &options, &a, &out, &err),
                         0);
        assert_int_equal(out.series[0].n, 201);
        assert_true(i == 0 ? out.stats.samples > 1000 : out.stats.samples < 300);
        expr_release(expr);
    }
}

/* -- several at once -- */

static atomic_bool done;
static atomic_llong last_ms;

static double newest_count(struct arena *a, int64_t end_ms)
{
    const struct str text = STR("sum(count_over_time(temperature[15s]))");
    struct expr *expr;
    struct error err = {0};
    struct query_result out = {0};
    const struct query_options options = {0};
    assert_int_equal(query_parse(text, a, &expr, &err), 0);
    int rc =
        query_range_cached(cache, store, expr, end_ms - 100 * SCRAPE_MS, end_ms, SCRAPE_MS, &options, a, &out, &err);
    expr_release(expr);
    assert_int_equal(rc, 0);
    const struct result_series *s = out.series;
    return out.n && s->n && s->points[s->n - 1].t_ms == end_ms ? s->points[s->n - 1].v : 0;
}

static void *ask_on(void *ctx)
{
    (void)ctx;
    while (!atomic_load(&done)) {
        auto_arena a;
        arena_init(&a);
        (void)newest_count(&a, atomic_load(&last_ms));
    }
    return NULL;
}

static void what_was_acknowledged_is_seen_while_others_ask(void **state)
{
    (void)state;
    pthread_t threads[3];
    series_count = 20;
    newest_ms += 60 * SCRAPE_MS; /* after whatever was ahead */
    atomic_store(&last_ms, newest_ms);
    for (size_t i = 0; i < COUNT(threads); i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, ask_on, NULL), 0);
    }
    for (int i = 0; i < 300; i++) {
        auto_arena a;
        arena_init(&a);
        atomic_store(&last_ms, newest_ms + SCRAPE_MS); /* they may ask just before the samples come */
        scrape();
        double count = newest_count(&a, newest_ms);
        if (count != 10) {
            fail_msg("%g of 10 samples seen in round %d", count, i);
        }
    }
    atomic_store(&done, true);
    for (size_t i = 0; i < COUNT(threads); i++) {
        pthread_join(threads[i], NULL);
    }
}

static void reach_is_how_far_ahead_a_step_looks(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t forward_ms, fixed_ms;
        bool whole;
    } cases[] = {
        {"m", 0, INT64_MIN, false},
        {"rate(m[5m] offset -1m) + m offset 1h", 60000, INT64_MIN, false},
        {"m offset 1h", -3600000, INT64_MIN, false},
        {"max_over_time((m offset -1m)[5m:1m] offset -2m)", 180000, INT64_MIN, false},
        {"max_over_time((m offset -1m)[5m:1m] offset 2m)", -60000, INT64_MIN, false},
        {"m + m @ 100", 0, 100000, false},
        {"m + max_over_time((m offset -1m)[5m:1m] @ 100 offset -2m)", 0, 280000, false},
        {"topk(scalar(n offset -3s), m)", 3000, INT64_MIN, false},
        {"sum(rate(m[1m] @ end()))", 0, INT64_MIN, true},
        {"max_over_time(m[5m:1m] @ start())", 0, INT64_MIN, true},
        {"rate(m[1m] smoothed)", 0, INT64_MIN, true},
        {"rate(m[1m] anchored)", 0, INT64_MIN, false},
        {"sum(info(vector(1)))", 0, INT64_MIN, false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        auto_arena a;
        struct expr *expr;
        struct error err = {0};
        arena_init(&a);
        assert_int_equal(query_parse(str_of(cases[i].text), &a, &expr, &err), 0);
        struct expr_reach reach = expr_reach(expr);
        if (reach.whole_range != cases[i].whole || reach.fixed_ms != cases[i].fixed_ms ||
            reach.forward_ms != cases[i].forward_ms) {
            fail_msg("%s: %lld %lld", cases[i].text, (long long)reach.forward_ms, (long long)reach.fixed_ms);
        }
        expr_release(expr);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reach_is_how_far_ahead_a_step_looks),
        cmocka_unit_test(whatever_is_written_the_answer_is_that_of_a_fresh_evaluation),
        cmocka_unit_test(a_refresh_reads_the_new_steps_only),
        cmocka_unit_test(what_was_acknowledged_is_seen_while_others_ask),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
