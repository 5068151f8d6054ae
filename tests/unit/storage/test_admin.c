/* Flush, delete, backup, cardinality. */
#include "tests/unit/storage/store_test.h"

#include <pthread.h>
#include <stdatomic.h>

static struct matcher name_is(const char *name)
{
    struct matcher m;
    assert_int_equal(matcher_init(&m, MATCH_EQ, METRIC_NAME, str_of(name), NULL), 0);
    return m;
}

static size_t delete_of(struct store *store, const char *name, int64_t from_ms, int64_t to_ms)
{
    struct matcher m = name_is(name);
    struct error err = {0};
    size_t series = 0;
    assert_int_equal(store_delete_series(store, &m, 1, from_ms, to_ms, &series, &err), 0);
    matcher_release(&m);
    return series;
}

static void fill(struct store *store)
{
    for (int i = 0; i < 1000; i++) {
        struct maker m;
        maker_init(&m, "g", START + i * 15000);
        maker_add(&m, "a", "x", START + i * 15000, i);
        maker_add(&m, "a", "y", START + i * 15000, 2 * i);
        maker_add(&m, "b", "x", START + i * 15000, 0.1 * i);
        assert_int_equal(store_append(store, &m.batch, NULL, NULL), 0);
        maker_release(&m);
        if (i == 700) {
            assert_int_equal(store_flush(store), 0);
        }
    }
}

static void assert_count(struct store *store, const char *name, const char *instance, size_t n)
{
    struct sample_columns c = get(store, name, instance, INT64_MIN, INT64_MAX);
    assert_int_equal(c.n, n);
    sample_columns_release(&c);
}

static void a_range_of_samples_is_deleted_for_good(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    clock_fake(START + 5 * HOUR, 0);
    fixture_open(&f);
    fill(f.store);
    assert_int_equal(delete_of(f.store, "a", START + 100 * 15000, START + 899 * 15000), 2);
    for (int round = 0; round < 2; round++) {
        struct sample_columns c = get(f.store, "a", "y", INT64_MIN, INT64_MAX);
        assert_int_equal(c.n, 200);
        assert_true(c.v[99] == 198 && c.v[100] == 1800);
        sample_columns_release(&c);
        assert_count(f.store, "b", "x", 1000);
        fixture_reopen(&f);
    }
    put(f.store, "a", "y", START + 500 * 15000, 7); /* may come again */
    assert_count(f.store, "a", "y", 201);
    fixture_release(&f);
}

static void a_series_without_samples_leaves(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    clock_fake(START + 5 * HOUR, 0);
    fixture_open(&f);
    fill(f.store);
    assert_int_equal(delete_of(f.store, "a", INT64_MIN, INT64_MAX), 2);
    struct store_status status;
    for (int round = 0; round < 2; round++) {
        store_get_status(f.store, &status);
        assert_int_equal(status.series, 1);
        assert_count(f.store, "a", "x", 0);
        assert_count(f.store, "b", "x", 1000);
        assert_int_equal(store_sync(f.store, 10000), 0);
        fixture_reopen(&f);
    }
    put(f.store, "a", "x", START + 4 * HOUR, 1);
    assert_count(f.store, "a", "x", 1);
    fixture_release(&f);
}

static _Atomic bool finished;

static void *append_steadily(void *store)
{
    for (int i = 0; !atomic_load(&finished); i++) {
        struct maker m;
        maker_init(&m, "live", START + 4 * HOUR + i);
        maker_add(&m, "live", "x", START + 4 * HOUR + i, i);
        if (store_append(store, &m.batch, NULL, NULL)) {
            usleep(1000);
        }
        maker_release(&m);
    }
    return NULL;
}

/* The copy opens, has all that was there when it was begun, and a beginning of what came meanwhile, without holes. */
static void a_backup_of_a_busy_store_opens(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    clock_fake(START + 5 * HOUR, 0);
    fixture_open(&f);
    fill(f.store);
    pthread_t thread;
    atomic_store(&finished, false);
    assert_int_equal(pthread_create(&thread, NULL, append_steadily, f.store), 0);
    for (int round = 0; round < 6; round++) {
        char target[128];
        struct error err = {0};
        snprintf(target, sizeof(target), "%s/backup%d", f.dir, round);
        struct sample_columns before = get(f.store, "live", "x", INT64_MIN, INT64_MAX);
        if (round % 2) {
            assert_int_equal(store_flush(f.store), 0);
        }
        assert_int_equal(store_backup(f.store, target, NULL, NULL, &err), 0);
        struct store_options options = f.options;
        options.dir = target;
        struct store *copy = NULL;
        assert_int_equal(store_open(&options, &copy, &err), 0);
        assert_count(copy, "a", "x", 1000);
        assert_count(copy, "b", "x", 1000);
        struct sample_columns live = get(copy, "live", "x", INT64_MIN, INT64_MAX);
        for (size_t i = 0; i < live.n; i++) {
            assert_true(live.t_ms[i] == START + 4 * HOUR + (int64_t)i && live.v[i] == (double)i);
        }
        assert_int_equal(damage_count(copy->metrics->damage), 0);
        sample_columns_release(&before);
        sample_columns_release(&live);
        store_close(copy);
        assert_int_equal(store_backup(f.store, target, NULL, NULL, &err), -EEXIST);
        assert_non_null(strstr(err.text, target));
    }
    atomic_store(&finished, true);
    pthread_join(thread, NULL);
    fixture_release(&f);
}

static bool give_up(void *ctx, uint64_t done_bytes, uint64_t all_bytes)
{
    (void)done_bytes;
    (void)all_bytes;
    return --*(int *)ctx > 0;
}

static void a_backup_that_ends_half_way_leaves_nothing(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    clock_fake(START + 5 * HOUR, 0);
    fixture_open(&f);
    fill(f.store);
    for (int parts = 1; parts < 4; parts++) {
        char target[128];
        struct error err = {0};
        int left = parts;
        snprintf(target, sizeof(target), "%s/backup", f.dir);
        assert_int_equal(store_backup(f.store, target, give_up, &left, &err), ERR_CANCELLED);
        assert_int_equal(access(target, F_OK), -1);
        snprintf(target, sizeof(target), "%s/backup.part", f.dir);
        assert_int_equal(access(target, F_OK), -1);
    }
    fixture_release(&f);
}

/* 200,000 series: 50 metrics of 4,000 each, one label with a value a series. */
static void cardinality_names_the_greatest(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    clock_fake(START + HOUR, 0);
    fixture_open(&f);
    for (int k = 0; k < 50; k++) {
        struct maker m;
        char name[32], instance[32];
        maker_init(&m, "g", START);
        snprintf(name, sizeof(name), "metric_%02d", k);
        for (int i = 0; i < (k == 7 ? 5000 : 4000); i++) {
            snprintf(instance, sizeof(instance), "i%d", i);
            maker_add(&m, name, instance, START, i);
        }
        assert_int_equal(store_append(f.store, &m.batch, NULL, NULL), 0);
        maker_release(&m);
    }
    auto_arena arena;
    arena_init(&arena);
    auto_snapshot struct snapshot *snapshot = NULL;
    assert_int_equal(snapshot_open(f.store, &snapshot), 0);
    struct cardinality c;
    assert_int_equal(snapshot_cardinality(snapshot, 10, &arena, &c), 0);
    assert_int_equal(c.series, 201000);
    assert_int_equal(c.label_pairs, 50 + 5000 + 1);
    assert_int_equal(c.series_by_metric.n, 10);
    assert_str_is(c.series_by_metric.v[0].name, "metric_07");
    assert_int_equal(c.series_by_metric.v[0].value, 5000);
    assert_int_equal(c.series_by_metric.v[9].value, 4000);
    assert_int_equal(c.values_by_label.n, 3);
    assert_str_is(c.values_by_label.v[0].name, "instance");
    assert_int_equal(c.values_by_label.v[0].value, 5000);
    assert_str_is(c.series_by_pair.v[0].name, "job=test");
    assert_int_equal(c.series_by_pair.v[0].value, 201000);
    assert_str_is(c.bytes_by_label.v[0].name, "__name__");
    assert_int_equal(snapshot_cardinality(snapshot, 0, &arena, &c), 0);
    assert_int_equal(c.series_by_pair.n, 0);
    snapshot_close(steal(snapshot));
    fixture_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_range_of_samples_is_deleted_for_good),
        cmocka_unit_test(a_series_without_samples_leaves),
        cmocka_unit_test(a_backup_of_a_busy_store_opens),
        cmocka_unit_test(a_backup_that_ends_half_way_leaves_nothing),
        cmocka_unit_test(cardinality_names_the_greatest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
