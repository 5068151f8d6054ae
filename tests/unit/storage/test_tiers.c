/* Stored tiers: what they give is what raw samples would, over restarts, late samples and retention. */
#include "storage/points.h"
#include "storage/tiers.h"
#include "tests/unit/storage/store_test.h"

#define DAY    (24 * HOUR)
#define STEP   ((int64_t)60 * 1000)
#define SERIES 4
#define FIRST  (START - START % (8 * DAY)) /* begins a window of every tier */

static const char *const names[SERIES] = {"counter", "gauge", "ends", "odd"};

/* A counter with resets, a gauge, a series that pauses with stale markers, NaN and infinities. */
static bool sample_at(int s, int64_t t_ms, double *v)
{
    int64_t i = (t_ms - FIRST) / STEP;
    uint64_t h = (uint64_t)(i * 7 + s) * 0x9e3779b97f4a7c15;
    switch (s) {
    case 0:
        *v = (double)((i % 1000) * 3 + (int64_t)(h >> 62));
        return true;
    case 1:
        *v = (double)(h >> 52) / 8 - 100;
        return true;
    case 2:
        *v = i % 300 == 200 ? sample_from_bits(SAMPLE_STALE_BITS) : (double)i;
        return i % 300 <= 200;
    default:
        *v = i % 97 == 0 ? NAN : i % 89 == 0 ? INFINITY : i % 3 ? -0.0 : 1e-300;
        return i % 5 != 0;
    }
}

static void feed(struct store *store, int64_t from_ms, int64_t to_ms)
{
    for (int64_t t_ms = from_ms; t_ms <= to_ms; t_ms += STEP) {
        clock_fake(t_ms, t_ms - FIRST);
        struct maker m;
        maker_init(&m, "g", t_ms);
        for (int s = 0; s < SERIES; s++) {
            double v;
            if (sample_at(s, t_ms, &v)) {
                maker_add(&m, names[s], "x", t_ms, v);
            }
        }
        assert_int_equal(store_append(store, &m.batch, NULL, NULL), 0);
        maker_release(&m);
        if (t_ms % (6 * HOUR) == 0) {
            assert_int_equal(metrics_flush(store->metrics, false), 0);
        }
    }
}

/* What the upkeep thread does in time. */
static void keep_up(struct store *store)
{
    struct metrics *m = store->metrics;
    assert_int_equal(metrics_flush(m, false), 0);
    pthread_mutex_lock(&m->flush_lock);
    assert_int_equal(tiers_build(m), 0);
    pthread_mutex_unlock(&m->flush_lock);
    writer_request_tick(store->writer);
    while (self_get(SELF_COMMITS) == 0) {
        usleep(100);
    }
    assert_int_equal(store_sync(store, 10000), 0);
}

static void wait_oldest(struct store *store, enum tier tier, int64_t at_least_ms)
{
    for (int i = 0; i < 2000; i++) {
        pthread_rwlock_rdlock(&store->metrics->lock);
        int64_t oldest_ms = disk_oldest_ms(&store->metrics->disk, tier);
        pthread_rwlock_unlock(&store->metrics->lock);
        if (oldest_ms >= at_least_ms) {
            return;
        }
        writer_request_tick(store->writer);
        usleep(5000);
    }
    fail_msg("tier %d still has windows before %lld", (int)tier, (long long)at_least_ms);
}

/* Late samples of a series beside those of sample_at(). */
struct extra {
    int64_t t_ms;
    double v;
};

static struct point_columns reckon(int s, enum tier tier, int64_t from_ms, int64_t to_ms, const struct extra *extra)
{
    struct sample_columns samples = {0};
    int64_t resolution = tier_resolution_ms(tier);
    int64_t first = bucket_end_ms(resolution, from_ms) - resolution + 1, last = bucket_end_ms(resolution, to_ms);
    for (int64_t t_ms = FIRST; t_ms <= last; t_ms += STEP) {
        double v;
        if (t_ms >= first && sample_at(s, t_ms, &v)) {
            sample_columns_reserve(&samples, 2);
            samples.t_ms[samples.n] = t_ms;
            samples.v[samples.n++] = v;
            if (extra && extra->t_ms > t_ms && extra->t_ms < t_ms + STEP) {
                samples.t_ms[samples.n] = extra->t_ms;
                samples.v[samples.n++] = extra->v;
            }
        }
    }
    struct point_columns points = {0};
    points_of_samples(resolution, samples.t_ms, samples.v, samples.n, &points);
    sample_columns_release(&samples);
    return points;
}

/* Fractions added in another order. */
static void assert_near(double a, double b)
{
    assert_true(a == b || (isnan(a) && isnan(b)) || fabs(a - b) <= 1e-12 * fabs(b));
}

static void assert_same_points(const struct point_columns *a, const struct point_columns *b)
{
    assert_int_equal(a->n, b->n);
    for (size_t i = 0; i < a->n; i++) {
        struct tier_point x = point_columns_get(a, i), y = point_columns_get(b, i);
        assert_int_equal(x.t_first_ms, y.t_first_ms);
        assert_int_equal(x.t_last_ms, y.t_last_ms);
        assert_int_equal(x.ended, y.ended);
        assert_true(x.count == y.count);
        assert_int_equal(sample_bits(x.first), sample_bits(y.first));
        assert_int_equal(sample_bits(x.last), sample_bits(y.last));
        assert_int_equal(sample_bits(x.min), sample_bits(y.min));
        assert_int_equal(sample_bits(x.max), sample_bits(y.max));
        assert_near(x.drops, y.drops);
        assert_near(x.sum, y.sum);
    }
}

static void check(struct store *store, enum tier tier, int64_t from_ms, int64_t to_ms, const struct extra *extra)
{
    auto_snapshot struct snapshot *snapshot = NULL;
    assert_int_equal(snapshot_open(store, &snapshot), 0);
    for (int s = 0; s < SERIES; s++) {
        struct point_columns got = {0}, wanted = reckon(s, tier, from_ms, to_ms, s == 0 ? extra : NULL);
        assert_int_equal(snapshot_read_points(snapshot, (series_id)s + 1, tier, from_ms, to_ms, &got), 0);
        assert_same_points(&got, &wanted);
        point_columns_release(&got);
        point_columns_release(&wanted);
    }
}

static void fixture_of_days(struct fixture *f)
{
    fixture_init(f);
    f->options.retention_ms = 3 * DAY;
    f->options.retention_5m_ms = 12 * DAY;
    f->options.retention_1h_ms = 60 * DAY;
    clock_fake(FIRST, 0);
    fixture_open(f);
}

static void stored_points_are_those_of_raw_samples(void **state)
{
    (void)state;
    struct fixture f;
    fixture_of_days(&f);
    int64_t end_ms = FIRST + 10 * DAY;
    for (int day = 0; day < 10; day++) {
        feed(f.store, FIRST + day * DAY + STEP, FIRST + (day + 1) * DAY);
        keep_up(f.store);
        check(f.store, TIER_5M, FIRST + 1, FIRST + (day + 1) * DAY, NULL); /* also while raw samples leave */
    }
    wait_oldest(f.store, TIER_RAW, end_ms - 3 * DAY - 2 * HOUR);
    for (int round = 0; round < 2; round++) {
        check(f.store, TIER_5M, FIRST + 1, end_ms, NULL);
        check(f.store, TIER_1H, FIRST + 1, end_ms, NULL);
        check(f.store, TIER_5M, FIRST + DAY + 7 * STEP, FIRST + 2 * DAY + 3 * HOUR, NULL);
        struct snapshot *snapshot = NULL;
        assert_int_equal(snapshot_open(f.store, &snapshot), 0);
        int64_t raw_ms = snapshot_tier_from_ms(snapshot, TIER_RAW);

        assert_true(raw_ms > FIRST + 6 * DAY && raw_ms <= end_ms - 3 * DAY);
        assert_int_equal(snapshot_tier_from_ms(snapshot, TIER_5M), INT64_MIN);
        assert_true(snapshot_tier_stored_ms(snapshot, TIER_5M) >= end_ms - DAY);
        assert_int_equal(snapshot_tier_stored_ms(snapshot, TIER_1H), FIRST + 8 * DAY);
        snapshot_close(snapshot);
        fixture_reopen(&f);
    }
    fixture_release(&f);
}

static void raw_and_points_follow_on_each_other(void **state)
{
    (void)state;
    struct fixture f;
    fixture_of_days(&f);
    int64_t end_ms = FIRST + 6 * DAY;
    feed(f.store, FIRST + STEP, end_ms);
    keep_up(f.store);
    wait_oldest(f.store, TIER_RAW, end_ms - 3 * DAY - 2 * HOUR);
    auto_snapshot struct snapshot *snapshot = NULL;
    assert_int_equal(snapshot_open(f.store, &snapshot), 0);
    struct point_columns c = {0};
    assert_int_equal(snapshot_read_points(snapshot, 1, TIER_RAW, FIRST + 1, end_ms, &c), 0);
    double count = 0;
    for (size_t i = 0; i < c.n; i++) {
        count += c.count[i];
        assert_true(i == 0 || c.t_first_ms[i] > c.t_last_ms[i - 1]);
    }
    assert_int_equal((int64_t)count, 6 * DAY / STEP); /* every sample in one point */
    assert_true(c.t_last_ms[c.n - 1] == end_ms && c.count[c.n - 1] == 1 && c.count[0] == 5);
    point_columns_release(&c);
    snapshot_close(steal(snapshot));
    fixture_release(&f);
}

static void late_samples_are_in_points_at_once_and_for_good(void **state)
{
    (void)state;
    struct fixture f;
    fixture_of_days(&f);
    int64_t end_ms = FIRST + 4 * DAY;
    feed(f.store, FIRST + STEP, end_ms);
    keep_up(f.store);
    const struct extra extra = {FIRST + 2 * DAY + 5 * HOUR + 30000, 4711};
    put(f.store, names[0], "x", extra.t_ms, extra.v);
    check(f.store, TIER_5M, FIRST + DAY, end_ms, &extra);
    assert_int_equal(metrics_flush(f.store->metrics, true), 0);
    check(f.store, TIER_5M, FIRST + DAY, end_ms, &extra);
    keep_up(f.store);
    check(f.store, TIER_5M, FIRST + DAY, end_ms, &extra);
    fixture_reopen(&f);
    check(f.store, TIER_5M, FIRST + DAY, end_ms, &extra);
    fixture_release(&f);
}

/* Where raw samples of the beginning are gone, a window that is built again keeps the points it had. */
static void a_rebuilt_window_keeps_points_whose_samples_are_gone(void **state)
{
    (void)state;
    struct fixture f;
    fixture_of_days(&f);
    int64_t end_ms = FIRST + 5 * DAY + 12 * HOUR;
    feed(f.store, FIRST + STEP, end_ms);
    keep_up(f.store);
    wait_oldest(f.store, TIER_RAW, end_ms - 3 * DAY - 2 * HOUR);
    const struct extra extra = {FIRST + 2 * DAY + 20 * HOUR + 30000, 4711};
    put(f.store, names[0], "x", extra.t_ms, extra.v);
    assert_int_equal(metrics_flush(f.store->metrics, true), 0);
    keep_up(f.store);
    check(f.store, TIER_5M, FIRST + 1, end_ms, &extra);
    fixture_release(&f);
}

static void old_points_leave_and_series_with_points_stay(void **state)
{
    (void)state;
    struct fixture f;
    fixture_of_days(&f);
    put(f.store, "gone", "x", FIRST + HOUR, 1);
    feed(f.store, FIRST + STEP, FIRST + 20 * DAY);
    keep_up(f.store);
    wait_oldest(f.store, TIER_RAW, FIRST + 17 * DAY - 2 * HOUR);
    wait_oldest(f.store, TIER_5M, FIRST + 7 * DAY);
    metrics_sweep(f.store->metrics);
    auto_snapshot struct snapshot *snapshot = NULL;
    assert_int_equal(snapshot_open(f.store, &snapshot), 0);
    assert_true(snapshot_tier_from_ms(snapshot, TIER_5M) > FIRST + 7 * DAY);
    struct point_columns c = {0};
    assert_int_equal(snapshot_read_points(snapshot, 1, TIER_1H, FIRST, FIRST + 2 * HOUR, &c), 0);
    assert_true(c.n == 1 && c.count[0] == 1); /* "gone" came first and has the first id */
    assert_int_equal(snapshot_read_points(snapshot, 2, TIER_5M, FIRST + 1, FIRST + 20 * DAY, &c), 0);
    double count = 0;
    for (size_t i = 0; i < c.n; i++) {
        count += c.count[i];
    }
    assert_int_equal((int64_t)count, 20 * DAY / STEP);
    point_columns_release(&c);
    snapshot_close(steal(snapshot));
    fixture_release(&f);
}

static void a_size_limit_deletes_the_oldest(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    f.options.retention_bytes = (uint64_t)1 << 20;
    clock_fake(FIRST, 0);
    fixture_open(&f);
    uint64_t x = 1;
    for (int64_t t_ms = FIRST; t_ms < FIRST + 2 * DAY; t_ms += STEP) { /* about 5 MB of what does not compress */
        clock_fake(t_ms, t_ms - FIRST);
        struct maker m;
        maker_init(&m, "g", t_ms);
        for (int k = 0; k < 200; k++) {
            char instance[16];
            snprintf(instance, sizeof(instance), "i%d", k);
            x = x * 6364136223846793005 + 1442695040888963407;
            maker_add(&m, "m", instance, t_ms, sample_from_bits(x >> 2));
        }
        assert_int_equal(store_append(f.store, &m.batch, NULL, NULL), 0);
        maker_release(&m);
    }
    keep_up(f.store);
    wait_oldest(f.store, TIER_RAW, FIRST + DAY);
    struct sample_columns c = get(f.store, "m", "i7", FIRST + 2 * DAY - 4 * HOUR, INT64_MAX);
    assert_int_equal(c.n, 240); /* the newest are there */
    sample_columns_release(&c);
    fixture_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stored_points_are_those_of_raw_samples),
        cmocka_unit_test(raw_and_points_follow_on_each_other),
        cmocka_unit_test(late_samples_are_in_points_at_once_and_for_good),
        cmocka_unit_test(a_rebuilt_window_keeps_points_whose_samples_are_gone),
        cmocka_unit_test(old_points_leave_and_series_with_points_stay),
        cmocka_unit_test(a_size_limit_deletes_the_oldest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
