/* A store that version 0.1.0 wrote (format 1): six hours in blocks, then half an hour in its log. */
#include "tests/unit/storage/store_test.h"

#include <sys/stat.h>

#define GROUPS  3
#define SERIES  100
#define BLOCKED 1440 /* steps of 15 s that are in blocks */
#define STEPS   1560

/* What its writer put there. */
static double expected(int64_t i, int k, int g)
{
    if (k == 7 && i % 100 == 50) {
        return sample_from_bits(SAMPLE_STALE_BITS);
    }
    if (k == 8 && i % 50 == 3) {
        return sample_from_bits(0x7ff8000000000abc);
    }
    if (k == 9 && i % 50 >= 4 && i % 50 <= 6) {
        return i % 50 == 4 ? -0.0 : i % 50 == 5 ? INFINITY : 5e-324;
    }
    uint64_t h = (uint64_t)(i * 1000003 + k * 7919 + g * 104729) * 0x9e3779b97f4a7c15;
    h ^= h >> 29;
    switch (k == 3 ? 3 : k % 5 == 3 ? 4 : k % 5) {
    case 0:
        return (double)(i * (k + 1));
    case 1:
        return k > 20 ? (double)((i * k) % 50) / 4 : (double)(int64_t)(h % 1000) / 100;
    case 2:
        return k;
    case 3:
        return sample_from_bits(0x3ff0000000000000 | h >> 12);
    default:
        return (double)((i % 97) * 3);
    }
}

static void check_series(struct store *store, int g, int k)
{
    char name[32], idx[16], instance[32];
    snprintf(name, sizeof(name), "v1_metric_%02d", k % 20);
    snprintf(idx, sizeof(idx), "%d", k);
    snprintf(instance, sizeof(instance), "host-%d", g);
    struct matcher matchers[3];
    assert_int_equal(matcher_init(&matchers[0], MATCH_EQ, METRIC_NAME, str_of(name), NULL), 0);
    assert_int_equal(matcher_init(&matchers[1], MATCH_EQ, STR("idx"), str_of(idx), NULL), 0);
    assert_int_equal(matcher_init(&matchers[2], MATCH_EQ, STR("instance"), str_of(instance), NULL), 0);
    auto_arena arena;
    arena_init(&arena);
    auto_snapshot struct snapshot *snapshot = NULL;
    assert_int_equal(snapshot_open(store, &snapshot), 0);
    struct series_set set;
    assert_int_equal(snapshot_select(snapshot, matchers, 3, INT64_MIN, INT64_MAX, 0, &arena, &set), 0);
    assert_int_equal(set.n, 1);
    struct sample_columns c = {0};
    assert_int_equal(snapshot_read(snapshot, set.v[0].id, INT64_MIN, INT64_MAX, &c), 0);
    assert_int_equal(c.n, STEPS);
    for (size_t i = 0; i < c.n; i++) {
        assert_int_equal(c.t_ms[i], START + (int64_t)i * 15000 + g * 777);
        assert_int_equal(sample_bits(c.v[i]), sample_bits(expected((int64_t)i, k, g)));
    }
    sample_columns_release(&c);
    for (size_t i = 0; i < 3; i++) {
        matcher_release(&matchers[i]);
    }
}

static void check_all(struct store *store)
{
    for (int g = 0; g < GROUPS; g++) {
        for (int k = 0; k < SERIES; k++) {
            check_series(store, g, k);
        }
    }
    struct store_status status;
    store_get_status(store, &status);
    assert_int_equal(status.series, GROUPS * SERIES);
    assert_true(status.writable);
    assert_int_equal(damage_count(store->metrics->damage), 0);
}

static void unpack(struct fixture *f)
{
    char command[512];
    fixture_init(f);
    snprintf(command, sizeof(command),
             "tar -xzf '" SOURCE_DIR "/tests/unit/storage/data/v1.tar.gz' -C %s --strip-components=1", f->dir);
    assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): a test */
    clock_fake(START + 7 * HOUR, 0);
}

static bool has_old_log(const struct fixture *f)
{
    char path[128];
    struct stat st;
    snprintf(path, sizeof(path), "%s/wal/data.mdb", f->dir);
    return stat(path, &st) == 0;
}

static void a_store_of_format_1_opens_with_every_bit(void **state)
{
    (void)state;
    struct fixture f;
    unpack(&f);
    assert_true(has_old_log(&f));
    fixture_open(&f);
    check_all(f.store);
    assert_false(has_old_log(&f));
    fixture_reopen(&f);
    check_all(f.store);
    fixture_release(&f);
}

static void new_samples_join_upgraded_series(void **state)
{
    (void)state;
    struct fixture f;
    unpack(&f);
    fixture_open(&f);
    struct maker m;
    maker_init(&m, "g0", START + 7 * HOUR);
    struct label labels[] = {{STR("idx"), STR("2")}, {STR("instance"), STR("host-0")}, {STR("job"), STR("v1")}};
    assert_true(batch_add_at(&m.batch, STR("v1_metric_02"), labels, 3, START + 7 * HOUR, 2));
    assert_int_equal(store_append(f.store, &m.batch, NULL, NULL), 0);
    maker_release(&m);
    struct store_status status;
    store_get_status(f.store, &status);
    assert_int_equal(status.series, GROUPS * SERIES);
    assert_int_equal(metrics_flush(f.store->metrics, true), 0);
    fixture_reopen(&f);
    store_get_status(f.store, &status);
    assert_int_equal(status.series, GROUPS * SERIES);
    fixture_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_store_of_format_1_opens_with_every_bit),
        cmocka_unit_test(new_samples_join_upgraded_series),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
