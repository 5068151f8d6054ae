/* Downsampling against a second, slower reckoning that keeps every sample of a bucket. */
#include "src/base/mem.h"
#include "storage/points.h"
#include "tests/unit/storage/store_test.h"

#define MINUTE ((int64_t)60000)
#define R5M    (5 * MINUTE)
#define R1H    (60 * MINUTE)

static double stale(void)
{
    return sample_from_bits(SAMPLE_STALE_BITS);
}

static bool same(double a, double b)
{
    return isnan(a) || isnan(b) ? isnan(a) && isnan(b) && sample_is_stale(a) == sample_is_stale(b) : a == b;
}

/* `slack`: what sums may differ by, of magnitudes' sum. */
static void assert_same_points(const struct point_columns *a, const struct point_columns *b, double slack)
{
    assert_int_equal(a->n, b->n);
    for (size_t i = 0; i < a->n; i++) {
        struct tier_point x = point_columns_get(a, i), y = point_columns_get(b, i);
        double size = x.count * fmax(fabs(x.min), fabs(x.max)) * slack;
        if (x.t_first_ms != y.t_first_ms || x.t_last_ms != y.t_last_ms || x.count != y.count || x.ended != y.ended ||
            !same(x.min, y.min) || !same(x.max, y.max) || !same(x.first, y.first) || !same(x.last, y.last) ||
            !(same(x.sum, y.sum) || fabs(x.sum - y.sum) <= size) ||
            !(same(x.drops, y.drops) || fabs(x.drops - y.drops) <= size)) {
            fail_msg(
                "point %zu of %zu: t %lld..%lld and %lld..%lld, count %g %g, sum %.17g %.17g, min %g %g, max %g %g, "
                "first %g %g, last %g %g, drops %.17g %.17g, ended %d %d",
                i, a->n, (long long)x.t_first_ms, (long long)x.t_last_ms, (long long)y.t_first_ms,
                (long long)y.t_last_ms, x.count, y.count, x.sum, y.sum, x.min, y.min, x.max, y.max, x.first, y.first,
                x.last, y.last, x.drops, y.drops, x.ended, y.ended);
        }
    }
}

/* ---- tables ---- */

static void a_bucket_ends_at_multiples_of_the_resolution_and_holds_its_end(void **state)
{
    (void)state;
    static const struct {
        int64_t t_ms, end_ms;
    } cases[] = {{0, 0},  {1, R5M},      {R5M - 1, R5M}, {R5M, R5M},      {R5M + 1, 2 * R5M},
                 {-1, 0}, {-R5M + 1, 0}, {-R5M, -R5M},   {-R5M - 1, -R5M}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(bucket_end_ms(R5M, cases[i].t_ms), cases[i].end_ms);
        assert_int_equal(bucket_end_ms(0, cases[i].t_ms), cases[i].t_ms);
    }
}

/* One bucket, a sample a minute. */
struct bucket_case {
    size_t n;
    double v[5];
    struct tier_point point;
};

static void a_point_tells_what_its_samples_were(void **state)
{
    (void)state;
    const double s = stale(), inf = INFINITY;
    const struct bucket_case cases[] = {
        {1, {7}, {1, 1, 1, 7, 7, 7, 7, 7, 0, false}},
        {4, {1, 2, 5, 9}, {1, 4, 4, 17, 1, 9, 1, 9, 0, false}},
        {5, {10, 20, 3, 8, 1}, {1, 5, 5, 42, 1, 20, 10, 1, 28, false}}, /* falls from 20 and from 8 */
        {3, {4, 4, 4}, {1, 3, 3, 12, 4, 4, 4, 4, 0, false}},
        {3, {5, NAN, 3}, {1, 3, 3, NAN, 3, 5, 5, 3, 0, false}}, /* to and from NaN nothing falls */
        {2, {NAN, 3}, {1, 2, 2, NAN, 3, 3, NAN, 3, 0, false}},
        {2, {NAN, NAN}, {1, 2, 2, NAN, NAN, NAN, NAN, NAN, 0, false}},
        {3, {5, s, 3}, {1, 3, 2, 8, 3, 5, 5, 3, 5, false}}, /* a marker hides no fall */
        {3, {1, 2, s}, {1, 2, 2, 3, 1, 2, 1, 2, 0, true}},
        {3, {s, s, 2}, {3, 3, 1, 2, 2, 2, 2, 2, 0, false}},
        {2, {s, s}, {2, 2, 0, 0, s, s, s, s, 0, true}},
        {3, {inf, 1, 2}, {1, 3, 3, inf, 1, inf, inf, 2, inf, false}},
        {2, {inf, -inf}, {1, 2, 2, NAN, -inf, inf, inf, -inf, inf, false}},
        {4, {1e100, 1, -1e100, 1}, {1, 4, 4, 2, -1e100, 1e100, 1e100, 1, 1e100 + 1, false}}, /* compensated */
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct point_columns got = {0}, expected = {0};
        int64_t t[5];
        for (size_t k = 0; k < 5; k++) {
            t[k] = R5M + ((int64_t)k + 1) * MINUTE;
        }
        struct tier_point point = cases[i].point;
        point.t_first_ms = R5M + point.t_first_ms * MINUTE;
        point.t_last_ms = R5M + point.t_last_ms * MINUTE;
        point_columns_push(&expected, &point);
        points_of_samples(R5M, t, cases[i].v, cases[i].n, &got);
        assert_same_points(&got, &expected, 0);
        point_columns_release(&got);
        point_columns_release(&expected);
    }
}

static void with_resolution_zero_every_sample_is_a_point_and_every_marker_one_of_count_zero(void **state)
{
    (void)state;
    int64_t t[] = {1, 2, 3};
    double v[] = {4, stale(), 2};
    struct point_columns p = {0};
    points_of_samples(0, t, v, 3, &p);
    assert_int_equal(p.n, 3);
    assert_true(p.count[0] == 1 && p.count[1] == 0 && p.count[2] == 1);
    assert_true(!p.ended[0] && p.ended[1] && !p.ended[2] && sample_is_stale(p.last[1]));
    assert_true(p.drops[2] == 0);
    point_columns_release(&p);
}

/* ---- against every sample ---- */

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

struct history {
    int64_t t_ms[4000];
    double v[4000];
    size_t n;
};

/* Gaps, runs of markers, falls, NaN; integers when `whole`. */
static void make_history(struct random *r, bool whole, struct history *out)
{
    static const int64_t gaps[] = {1, 15000, 60000, R5M, 3 * R5M, R1H};
    int64_t t = (int64_t)(random_next(r) % (2 * R1H)) - R1H, gap = gaps[random_next(r) % 3];
    double v = 0;
    out->n = random_next(r) % 3000;
    for (size_t i = 0; i < out->n; i++) {
        uint64_t dice = random_next(r) % 100;
        t += dice < 2 ? gaps[random_next(r) % 6] : dice < 10 ? (int64_t)(random_next(r) % 20000) + 1 : gap;
        v = dice == 20 ? 0 : v + (whole ? (double)(random_next(r) % 50) : random_unit(r) * 50 - 10);
        out->t_ms[i] = t;
        out->v[i] = dice < 4 ? stale() : dice == 30 ? NAN : v;
    }
}

/* One bucket, from all its samples at once. */
static struct tier_point brute_point(const int64_t *t_ms, const double *v, size_t n)
{
    struct tier_point p = {.min = NAN, .max = NAN, .ended = sample_is_stale(v[n - 1])};
    long double sum = 0;
    for (size_t i = 0; i < n; i++) {
        if (sample_is_stale(v[i])) {
            continue;
        }
        p.drops += p.count > 0 && v[i] < p.last ? p.last : 0;
        p.first = p.count > 0 ? p.first : v[i];
        p.t_first_ms = p.count > 0 ? p.t_first_ms : t_ms[i];
        p.last = v[i];
        p.t_last_ms = t_ms[i];
        p.count++;
        p.min = fmin(p.min, v[i]); /* fmin() and fmax() pass over NaN */
        p.max = fmax(p.max, v[i]);
        sum += v[i];
    }
    p.sum = (double)sum;
    if (p.count == 0) {
        return (struct tier_point){.t_first_ms = t_ms[n - 1],
                                   .t_last_ms = t_ms[n - 1],
                                   .min = stale(),
                                   .max = stale(),
                                   .first = stale(),
                                   .last = stale(),
                                   .ended = true};
    }
    return p;
}

static void brute_points(int64_t resolution_ms, const struct history *s, struct point_columns *out)
{
    for (size_t from = 0, to; from < s->n; from = to) {
        int64_t bucket = (int64_t)ceil((double)s->t_ms[from] / (double)resolution_ms);
        for (to = from; to < s->n && (int64_t)ceil((double)s->t_ms[to] / (double)resolution_ms) == bucket;) {
            to++;
        }
        struct tier_point point = brute_point(s->t_ms + from, s->v + from, to - from);
        point_columns_push(out, &point);
    }
}

static void each_random_series(void (*check)(const struct history *s, bool whole))
{
    struct random r = {88172645463325252u};
    struct history *s = mem_alloc(sizeof(*s));
    for (int round = 0; round < 300; round++) {
        make_history(&r, round % 2 == 0, s);
        check(s, round % 2 == 0);
    }
    mem_free(s);
}

static void check_brute(const struct history *s, bool whole)
{
    static const int64_t resolutions[] = {R5M, R1H};
    for (size_t i = 0; i < 2; i++) {
        struct point_columns got = {0}, expected = {0};
        points_of_samples(resolutions[i], s->t_ms, s->v, s->n, &got);
        brute_points(resolutions[i], s, &expected);
        assert_same_points(&got, &expected, whole ? 0 : 1e-15);
        point_columns_release(&got);
        point_columns_release(&expected);
    }
}
static void points_of_random_samples_are_those_of_the_slow_reckoning(void **state)
{
    (void)state;
    each_random_series(check_brute);
}

static void check_merge(const struct history *s, bool whole)
{
    struct point_columns fine = {0}, merged = {0}, direct = {0};
    points_of_samples(R5M, s->t_ms, s->v, s->n, &fine);
    points_of_points(R1H, &fine, &merged);
    points_of_samples(R1H, s->t_ms, s->v, s->n, &direct);
    assert_same_points(&merged, &direct, whole ? 0 : 1e-15);
    point_columns_release(&fine);
    point_columns_release(&merged);
    point_columns_release(&direct);
}
static void hours_made_of_points_are_hours_made_of_samples(void **state)
{
    (void)state;
    each_random_series(check_merge);
}

static void check_counting(const struct history *s, bool whole)
{
    if (!whole) {
        return;
    }
    double raw = 0, of_points = 0, last = NAN;
    for (size_t i = 0; i < s->n; i++) {
        if (!sample_is_stale(s->v[i])) {
            raw += s->v[i] < last ? last : 0;
            last = s->v[i];
        }
    }
    struct point_columns p = {0};
    points_of_samples(R5M, s->t_ms, s->v, s->n, &p);
    last = NAN;
    for (size_t i = 0; i < p.n; i++) {
        if (p.count[i] > 0) {
            of_points += p.drops[i] + (p.first[i] < last ? last : 0);
            last = p.last[i];
        }
    }
    assert_true(raw == of_points);
    point_columns_release(&p);
}
static void what_a_counter_lost_in_falls_is_the_same_over_points(void **state)
{
    (void)state;
    each_random_series(check_counting);
}

/* ---- order ---- */

static void of_two_points_of_a_bucket_the_later_written_one_stays(void **state)
{
    (void)state;
    int64_t first[] = {1, R5M + 1, 3 * R5M}, second[] = {R5M + 1, R5M + 2, 5 * R5M};
    double v[] = {1, 2, 3}, w[] = {20, 21, 30};
    struct point_columns p = {0};
    points_of_samples(R5M, first, v, 3, &p);
    points_of_samples(R5M, second, w, 3, &p);
    point_columns_settle(R5M, &p);
    assert_int_equal(p.n, 4);
    assert_true(p.first[0] == 1 && p.first[1] == 20 && p.last[1] == 21 && p.first[2] == 3 && p.first[3] == 30);
    point_columns_settle(R5M, &p);
    assert_int_equal(p.n, 4);
    point_columns_release(&p);
}

static void a_cut_keeps_points_whose_bucket_reaches_into_the_range(void **state)
{
    (void)state;
    static const struct {
        int64_t from_ms, to_ms;
        size_t first, n;
    } cases[] = {{INT64_MIN, INT64_MAX, 0, 4},  {1, R5M, 0, 1},
                 {R5M, R5M + 1, 0, 2},          {R5M + 1, 2 * R5M, 1, 1},
                 {R5M + 1, R5M + 1, 1, 1},      {2 * R5M + 1, 3 * R5M, 2, 0},
                 {20 * R5M, 30 * R5M, 4, 0},    {-5, 0, 0, 0},
                 {3 * R5M + 1, INT64_MAX, 2, 2}};
    int64_t t[] = {5, R5M + 5, 3 * R5M + 5, 4 * R5M + 5};
    double v[] = {0, 1, 2, 3};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct point_columns p = {0};
        points_of_samples(R5M, t, v, 4, &p);
        point_columns_cut(R5M, &p, cases[i].from_ms, cases[i].to_ms);
        assert_int_equal(p.n, cases[i].n);
        for (size_t k = 0; k < p.n; k++) {
            assert_true(p.first[k] == (double)(cases[i].first + k));
        }
        point_columns_release(&p);
    }
}

/* ---- of a store ---- */

static void points_made_of_raw_samples_are_of_whole_buckets(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    fixture_open(&f);
    for (int64_t t = START + 1; t < START + 3 * R5M; t += 20000) {
        put(f.store, "a", "x", t, (double)(t - START));
    }
    struct snapshot *snapshot = NULL;
    struct point_columns p = {0};
    assert_int_equal(snapshot_open(f.store, &snapshot), 0);
    for (enum tier tier = TIER_RAW; tier < TIER_COUNT; tier++) {
        assert_true(snapshot_tier_from_ms(snapshot, tier) == INT64_MIN &&
                    snapshot_tier_stored_ms(snapshot, tier) == INT64_MIN);
        assert_int_equal(snapshot_read_points(snapshot, 1, tier, INT64_MIN, INT64_MAX, &p), 0);
        double count = 0;
        for (size_t i = 0; i < p.n; i++) {
            count += p.count[i];
        }
        assert_true(count == 45);
        assert_int_equal(p.n, tier == TIER_RAW ? 45 : tier == TIER_5M ? 3 : 1);
    }
    int64_t from = START + R5M + MINUTE, to = from + MINUTE;
    assert_int_equal(snapshot_read_points(snapshot, 1, TIER_5M, from, to, &p), 0);
    assert_int_equal(p.n, 1);
    assert_true(p.count[0] == 15 && p.t_first_ms[0] == START + R5M + 1);
    assert_int_equal(snapshot_read_points(snapshot, 1, TIER_RAW, from, to, &p), 0);
    assert_int_equal(p.n, 3);
    snapshot_close(snapshot);
    point_columns_release(&p);
    fixture_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bucket_ends_at_multiples_of_the_resolution_and_holds_its_end),
        cmocka_unit_test(a_point_tells_what_its_samples_were),
        cmocka_unit_test(with_resolution_zero_every_sample_is_a_point_and_every_marker_one_of_count_zero),
        cmocka_unit_test(points_of_random_samples_are_those_of_the_slow_reckoning),
        cmocka_unit_test(hours_made_of_points_are_hours_made_of_samples),
        cmocka_unit_test(what_a_counter_lost_in_falls_is_the_same_over_points),
        cmocka_unit_test(of_two_points_of_a_bucket_the_later_written_one_stays),
        cmocka_unit_test(points_made_of_raw_samples_are_of_whole_buckets),
        cmocka_unit_test(a_cut_keeps_points_whose_bucket_reaches_into_the_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
