/*
 * Any text: parsing gives an error or a tree that prints to a text which parses to the same print; evaluating it gives
 * an error or a result; an instant query agrees with the middle of a range query; and where tiers may answer, the
 * answer is that of raw samples.
 */
#include "src/base/clock.h"
#include "src/base/thread.h"
#include "src/query/features.h"
#include "src/query/query.h"
#include "tests/unit/query/fake_store.h"

#define AT_MS 600000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct store store;

static void add(const char *name, const char *a, const char *le, int64_t t_ms, double v)
{
    auto_arena arena;
    arena_init(&arena);
    struct labels_builder b;
    labels_builder_init(&b, &arena);
    labels_set(&b, METRIC_NAME, str_of(name));
    labels_set(&b, STR("a"), str_of(a));
    labels_set(&b, STR("le"), str_of(le));
    fake_add(&store, labels_finish(&b, false), t_ms, v);
}

static void fill_once(void)
{
    if (store.series.len) {
        return;
    }
    (void)!query_features_enable(STR("promql-extended-range-selectors"), NULL);
    fake_init(&store);
    invariant(query_features_enable(STR("promql-experimental-functions,promql-duration-expr,"
                                        "promql-extended-range-selectors,promql-binop-fill-modifiers"),
                                    NULL) == 0);
    for (int i = 0; i < 45; i++) {
        add("foo", "x", "", i * 15000, i % 7);
        add("foo", "y", "", i * 15000, i % 5 ? (double)i : (double)NAN);
        add("bar", "x", "", i * 15000, i == 20 ? sample_from_bits(SAMPLE_STALE_BITS) : -i);
        add("h_bucket", "x", "1", i * 15000, i);
        add("h_bucket", "x", "+Inf", i * 15000, 2 * i);
    }
}

static bool same_value(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

/* Sums of windows that slide differ by less than 1e-12 from those of a window alone (rollup_slide.h). */
static bool near_value(double a, double b)
{
    return same_value(a, b) || fabs(a - b) <= 1e-12 * fabs(b);
}

static void check_series(const struct query_result *range, const struct result_series *wanted)
{
    for (size_t i = 0; i < range->n; i++) {
        if (!labels_eq(range->series[i].labels, wanted->labels)) {
            continue;
        }
        for (size_t k = 0; k < range->series[i].n; k++) {
            if (range->series[i].points[k].t_ms == AT_MS) {
                invariant(near_value(range->series[i].points[k].v, wanted->points[0].v));
                return;
            }
        }
    }
    bool found_in_range_query = false;
    invariant(found_in_range_query);
}

static void evaluate(const struct expr *expr, bool comparable)
{
    struct query_options options = {
        .max_samples = 200000, .max_memory_bytes = 16 << 20, .deadline_mono_ms = clock_mono_ms() + 1000};
    auto_arena arena;
    arena_init(&arena);
    struct query_result instant, range;
    int rc_instant = query_instant(&store, expr, AT_MS, &options, &arena, &instant, NULL);
    int rc_range = query_range(&store, expr, AT_MS - 60000, AT_MS + 60000, 60000, &options, &arena, &range, NULL);
    if (rc_instant == 0) {
        auto_buf json;
        buf_init(&json, 64 << 20);
        struct json_writer w;
        json_init(&w, &json);
        query_result_to_json(&instant, &w);
    }
    if (!comparable || rc_instant < 0 || rc_range < 0 || expr_type(expr) != VALUE_VECTOR) {
        return;
    }
    size_t there = 0;
    for (size_t i = 0; i < range.n; i++) {
        for (size_t k = 0; k < range.series[i].n; k++) {
            there += range.series[i].points[k].t_ms == AT_MS;
        }
    }
    invariant(there == instant.n);
    for (size_t i = 0; i < instant.n; i++) {
        check_series(&range, &instant.series[i]);
    }
}

/* All values are integers: bit for bit. */
static void compare_tiers(const struct expr *expr)
{
    struct query_options options = {
        .max_samples = 200000, .max_memory_bytes = 16 << 20, .deadline_mono_ms = clock_mono_ms() + 1000};
    auto_arena arena;
    arena_init(&arena);
    struct query_result tiers, raw;
    int rc_tiers = query_range(&store, expr, 0, 2 * AT_MS, AT_MS / 2, &options, &arena, &tiers, NULL);
    options.resolution = RESOLUTION_RAW;
    int rc_raw = query_range(&store, expr, 0, 2 * AT_MS, AT_MS / 2, &options, &arena, &raw, NULL);
    if (rc_tiers < 0 || rc_raw < 0) { /* limits differ */
        return;
    }
    invariant(tiers.n == raw.n);
    for (size_t i = 0; i < raw.n; i++) {
        const struct result_series *a = &tiers.series[i], *b = &raw.series[i];
        invariant(labels_eq(a->labels, b->labels) && a->n == b->n);
        for (size_t k = 0; k < a->n; k++) {
            invariant(a->points[k].t_ms == b->points[k].t_ms && same_value(a->points[k].v, b->points[k].v));
        }
    }
}

/* Or may do: with @ start() and the like, and in functions and durations of such names. */
static bool tells_of_query(struct str text)
{
    static const char *const words[] = {"@", "start", "end", "range", "step"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (str_find_nocase(text, str_of(words[i])) >= 0) {
            return true;
        }
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fill_once();
    auto_arena arena;
    arena_init(&arena);
    struct str text = {(const char *)data, size};
    struct expr *expr = NULL, *again = NULL;
    struct error err = {0};
    if (query_parse(text, &arena, &expr, &err) < 0) {
        invariant(err.code < 0 && err.text[0] && err.line >= 1 && err.column >= 1);
        return 0;
    }
    auto_buf first, second;
    buf_init(&first, 16 << 20);
    buf_init(&second, 16 << 20);
    expr_print(expr, &first);
    invariant(!first.failed);
    if (first.len < 200000) { /* a print may be longer than a query may be */
        invariant(query_parse(buf_str(&first), &arena, &again, &err) == 0);
        expr_print(again, &second);
        invariant(str_eq(buf_str(&first), buf_str(&second)));
        invariant(expr_type(expr) == expr_type(again));
        expr_release(again);
    }
    evaluate(expr, !tells_of_query(text));
    compare_tiers(expr);
    expr_release(expr);
    return 0;
}
