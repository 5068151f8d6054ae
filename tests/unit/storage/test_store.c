/* The store as its users see it: append, read, close, open, flush, retention. */
#include "tests/unit/storage/store_test.h"

static void appended_samples_are_read_at_once(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    clock_fake(START + HOUR, 1000);
    fixture_open(&f);
    put(f.store, "up", "a", START + 1000, 1);
    put(f.store, "up", "a", START + 2000, 0);
    struct sample_columns c = get(f.store, "up", "a", INT64_MIN, INT64_MAX);
    assert_int_equal(c.n, 2);
    assert_int_equal(c.t_ms[0], START + 1000);
    assert_true(c.v[0] == 1 && c.v[1] == 0);
    sample_columns_release(&c);
    fixture_release(&f);
}

/* One snapshot, many ranges, series by turns: what is kept of one must not spoil the next. */
static void check_ranges(struct store *store)
{
    auto_snapshot struct snapshot *snapshot = NULL;
    assert_int_equal(snapshot_open(store, &snapshot), 0);
    struct arena arena;
    arena_init(&arena);
    struct matcher matcher = {.op = MATCH_EQ, .name = METRIC_NAME, .value = STR("m")};
    struct series_set set;
    assert_int_equal(snapshot_select(snapshot, &matcher, 1, INT64_MIN, INT64_MAX, 0, &arena, &set), 0);
    assert_int_equal(set.n, 3);
    struct sample_columns c = {0};
    uint64_t random = 1;
    for (int round = 0; round < 3000; round++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        int64_t from = (int64_t)(random >> 33) % 2410 * 15000 - (int64_t)(random >> 20 & 1),
                to = from + (int64_t)(random >> 10 & 1023) * 15000 * (round % 3);
        int64_t first = (from + 14999) / 15000, last = to < 0 ? -1 : to / 15000;
        last = last < 2399 ? last : 2399;
        assert_int_equal(snapshot_read(snapshot, set.v[random >> 40 & 1].id, START + from, START + to, &c), 0);
        assert_int_equal(c.n, last >= first ? last - first + 1 : 0);
        for (size_t i = 0; i < c.n; i++) {
            assert_int_equal(c.t_ms[i], START + (first + (int64_t)i) * 15000);
            int64_t at = first + (int64_t)i;
            assert_true(c.v[i] == (at == 100 ? -7 : (double)at * (double)((random >> 40 & 1) + 1)));
        }
    }
    sample_columns_release(&c);
    arena_release(&arena);
}

/* Ten hours at 15 s, three series, with a late and a doubled sample; the same before and after flush and reopening. */
static void check_ten_hours(struct store *store)
{
    check_ranges(store);
    for (int s = 0; s < 3; s++) {
        char instance[2] = {(char)('a' + s), 0};
        struct sample_columns c = get(store, "m", instance, START, START + 10 * HOUR);
        assert_int_equal(c.n, 2400);
        for (size_t i = 0; i < c.n; i++) {
            assert_int_equal(c.t_ms[i], START + (int64_t)i * 15000);
            double expected = i == 100 ? -7 : (double)i * (s + 1);
            assert_true(c.v[i] == expected);
        }
        sample_columns_release(&c);
    }
}

static void fill_ten_hours(struct store *store)
{
    for (int i = 0; i < 2400; i++) {
        int64_t t_ms = START + (int64_t)i * 15000;
        clock_fake(t_ms, t_ms);
        struct maker m;
        maker_init(&m, "g", t_ms);
        int late = i % 40 == 20 ? i + 1 : i % 40 == 21 ? i - 1 : i; /* two neighbours change places */
        for (int s = 0; s < 3; s++) {
            char instance[2] = {(char)('a' + s), 0};
            maker_add(&m, "m", instance, START + (int64_t)late * 15000, (double)late * (s + 1));
        }
        assert_int_equal(store_append(store, &m.batch, NULL, NULL), 0);
        maker_release(&m);
    }
    for (int s = 0; s < 3; s++) {
        char instance[2] = {(char)('a' + s), 0};
        put(store, "m", instance, START + 1500000, -7);
    }
}

static void windows_survive_flush_and_restart(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    clock_fake(START, 0);
    fixture_open(&f);
    int64_t blocks = self_get(SELF_BLOCKS_WRITTEN);
    fill_ten_hours(f.store);
    check_ten_hours(f.store);
    assert_int_equal(metrics_flush(f.store->metrics, false), 0);
    assert_true(self_get(SELF_BLOCKS_WRITTEN) >= blocks + 4);
    check_ten_hours(f.store);
    fixture_reopen(&f);
    check_ten_hours(f.store);
    assert_int_equal(metrics_flush(f.store->metrics, true), 0);
    check_ten_hours(f.store);
    struct store_status status;
    store_get_status(f.store, &status);
    assert_int_equal(status.samples_in_head, 0);
    fixture_reopen(&f);
    check_ten_hours(f.store);
    fixture_release(&f);
}

static void ids_are_kept_over_restarts(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    clock_fake(START + HOUR, 0);
    fixture_open(&f);
    put(f.store, "a", "x", START, 1);
    put(f.store, "b", "x", START, 1);
    assert_int_equal(metrics_flush(f.store->metrics, true), 0);
    put(f.store, "c", "x", START, 1);
    fixture_reopen(&f);
    put(f.store, "a", "x", START + 1, 1);
    put(f.store, "d", "x", START + 1, 1);
    struct store_status status;
    store_get_status(f.store, &status);
    assert_int_equal(status.series, 4);
    assert_int_equal(f.store->metrics->counters.next_id, 5);
    struct sample_columns c = get(f.store, "a", "x", START, START + 10);
    assert_int_equal(c.n, 2);
    sample_columns_release(&c);
    fixture_release(&f);
}

static void every_bit_of_a_value_comes_back(void **state)
{
    (void)state;
    static const uint64_t bits[] = {0x7ff0000000000002,
                                    0x7ff8000000000001,
                                    0xfff8dead0000beef,
                                    0x8000000000000000,
                                    0x7ff0000000000000,
                                    0xfff0000000000000,
                                    1,
                                    0x800fffffffffffff,
                                    0x3fb999999999999a,
                                    0x7fefffffffffffff,
                                    0,
                                    0x4340000000000000};
    struct fixture f;
    fixture_init(&f);
    clock_fake(START + HOUR, 0);
    fixture_open(&f);
    size_t n = sizeof(bits) / sizeof(*bits);
    for (size_t i = 0; i < n; i++) {
        put(f.store, "v", "x", START + (int64_t)i, sample_from_bits(bits[i]));
    }
    for (int round = 0; round < 3; round++) {
        struct sample_columns c = get(f.store, "v", "x", START, START + HOUR);
        assert_int_equal(c.n, n);
        for (size_t i = 0; i < n; i++) {
            assert_true(sample_bits(c.v[i]) == bits[i]);
        }
        sample_columns_release(&c);
        if (round == 0) {
            fixture_reopen(&f);
        } else {
            assert_int_equal(metrics_flush(f.store->metrics, true), 0);
        }
    }
    fixture_release(&f);
}

static void the_last_write_of_a_time_wins(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    clock_fake(START + HOUR, 0);
    fixture_open(&f);
    put(f.store, "v", "x", START, 1);
    put(f.store, "v", "x", START, 2);
    assert_int_equal(metrics_flush(f.store->metrics, true), 0);
    put(f.store, "v", "x", START, 3);
    struct sample_columns c = get(f.store, "v", "x", START, START);
    assert_true(c.n == 1 && c.v[0] == 3);
    sample_columns_release(&c);
    assert_int_equal(metrics_flush(f.store->metrics, true), 0);
    fixture_reopen(&f);
    c = get(f.store, "v", "x", START, START);
    assert_true(c.n == 1 && c.v[0] == 3);
    sample_columns_release(&c);
    fixture_release(&f);
}

/* 700 samples, every second one first, then the rest backwards: runs are sealed, overlap and meet their own window. */
static void late_samples_are_sorted_in(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    clock_fake(START + 3 * HOUR, 0);
    fixture_open(&f);
    for (int i = 0; i < 700; i += 2) {
        put(f.store, "v", "x", START + i * 1000, i);
    }
    for (int i = 699; i > 0; i -= 2) {
        put(f.store, "v", "x", START + i * 1000, i);
    }
    for (int round = 0; round < 2; round++) {
        struct sample_columns c = get(f.store, "v", "x", START, START + HOUR);
        assert_int_equal(c.n, 700);
        for (int i = 0; i < 700; i++) {
            assert_true(c.t_ms[i] == START + i * 1000 && c.v[i] == i);
        }
        sample_columns_release(&c);
        assert_int_equal(metrics_flush(f.store->metrics, true), 0);
    }
    fixture_release(&f);
}

static void samples_out_of_bounds_are_left_out_and_counted(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    f.options.retention_ms = 24 * HOUR;
    clock_fake(START, 0);
    fixture_open(&f);
    int64_t rejected = self_get(SELF_SAMPLES_REJECTED);
    put(f.store, "v", "x", START - 25 * HOUR, 1);
    put(f.store, "v", "x", START + 2 * HOUR, 1);
    assert_int_equal(self_get(SELF_SAMPLES_REJECTED), rejected + 2);
    put(f.store, "v", "x", START - 23 * HOUR, 1);
    assert_int_equal(self_get(SELF_SAMPLES_REJECTED), rejected + 2);
    struct store_status status;
    store_get_status(f.store, &status);
    assert_int_equal(status.series, 1);
    fixture_release(&f);
}

static void wait_for_series(struct store *store, uint64_t n)
{
    struct store_status status = {0};
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(store_sync(store, 10000), 0);
        metrics_sweep(store->metrics);
        metrics_release_retired(store->metrics);
        store_get_status(store, &status);
        if (status.series == n) {
            return;
        }
        usleep(5000);
    }
    fail_msg("%d series are left", (int)status.series);
}

static void old_windows_and_their_series_leave(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    f.options.retention_ms = 24 * HOUR;
    clock_fake(START, 0);
    fixture_open(&f);
    put(f.store, "old", "x", START, 1);
    put(f.store, "both", "x", START, 1);
    assert_int_equal(metrics_flush(f.store->metrics, true), 0);
    clock_fake(START + 30 * HOUR, 0);
    put(f.store, "both", "x", START + 30 * HOUR, 2);
    assert_int_equal(metrics_flush(f.store->metrics, true), 0);
    writer_request_tick(f.store->writer);
    wait_for_series(f.store, 1);
    struct sample_columns c = get(f.store, "both", "x", INT64_MIN, INT64_MAX);
    assert_int_equal(c.n, 1);
    sample_columns_release(&c);
    fixture_reopen(&f);
    wait_for_series(f.store, 1);
    put(f.store, "new", "x", START + 30 * HOUR, 2);
    assert_int_equal(f.store->metrics->counters.next_id, 4); /* ids are not used again */
    fixture_release(&f);
}

/* As many as one step of retention deletes: what comes behind them must not be taken for gone. */
static void a_full_step_of_retention_spares_what_is_newer(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    f.options.retention_ms = 24 * HOUR;
    clock_fake(START, 0);
    fixture_open(&f);
    for (int i = 0; i < 2000; i++) { /* a block each: no two groups share a cohort */
        struct maker m;
        char group[16];
        snprintf(group, sizeof(group), "g%d", i);
        maker_init(&m, group, START);
        maker_add(&m, "old", group, START, 1);
        assert_int_equal(store_append(f.store, &m.batch, NULL, NULL), 0);
        maker_release(&m);
    }
    assert_int_equal(metrics_flush(f.store->metrics, true), 0);
    clock_fake(START + 20 * HOUR, 0);
    put(f.store, "kept", "x", START + 20 * HOUR, 7);
    assert_int_equal(metrics_flush(f.store->metrics, true), 0);
    clock_fake(START + 40 * HOUR, 0);
    put(f.store, "now", "x", START + 40 * HOUR, 1);
    writer_request_tick(f.store->writer);
    wait_for_series(f.store, 2);
    struct sample_columns c = get(f.store, "kept", "x", INT64_MIN, INT64_MAX);
    assert_int_equal(c.n, 1);
    sample_columns_release(&c);
    fixture_release(&f);
}

static void nothing_is_deleted_while_no_samples_come(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    f.options.retention_ms = 24 * HOUR;
    clock_fake(START, 0);
    fixture_open(&f);
    put(f.store, "m", "x", START, 1);
    assert_int_equal(metrics_flush(f.store->metrics, true), 0);
    clock_fake(START + 1000 * HOUR, 0);
    fixture_reopen(&f);
    writer_request_tick(f.store->writer);
    usleep(50000);
    struct sample_columns c = get(f.store, "m", "x", INT64_MIN, START + 1);
    assert_int_equal(c.n, 1);
    sample_columns_release(&c);
    fixture_release(&f);
}

static void the_wal_shrinks_after_a_flush(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    clock_fake(START, 0);
    fixture_open(&f);
    fill_ten_hours(f.store);
    assert_int_equal(store_sync(f.store, 10000), 0);
    assert_int_equal(metrics_flush(f.store->metrics, true), 0);
    assert_int_equal(wal_bytes(f.store), 0);
    put(f.store, "m", "a", START + 10 * HOUR, 5);
    fixture_reopen(&f);
    struct sample_columns c = get(f.store, "m", "a", START + 10 * HOUR, START + 10 * HOUR);
    assert_int_equal(c.n, 1);
    sample_columns_release(&c);
    fixture_release(&f);
}

static void a_snapshot_does_not_see_later_samples(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    clock_fake(START + HOUR, 0);
    fixture_open(&f);
    put(f.store, "v", "x", START, 1);
    auto_arena arena;
    arena_init(&arena);
    struct snapshot *snapshot = NULL;
    assert_int_equal(snapshot_open(f.store, &snapshot), 0);
    for (int i = 1; i < 500; i++) {
        put(f.store, "v", "x", START + i * 1000, i);
    }
    put(f.store, "w", "x", START, 1);
    assert_int_equal(metrics_flush(f.store->metrics, true), 0);
    struct sample_columns c = {0};
    assert_int_equal(snapshot_read(snapshot, 1, INT64_MIN, INT64_MAX, &c), 0);
    assert_int_equal(c.n, 1);
    struct series_set set;
    assert_int_equal(snapshot_select(snapshot, NULL, 0, INT64_MIN, INT64_MAX, 0, &arena, &set), 0);
    assert_int_equal(set.n, 1);
    snapshot_close(snapshot);
    sample_columns_release(&c);
    c = get(f.store, "v", "x", INT64_MIN, INT64_MAX);
    assert_int_equal(c.n, 500);
    sample_columns_release(&c);
    fixture_release(&f);
}

static void a_snapshot_keeps_what_was_flushed_meanwhile(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    clock_fake(START + HOUR, 0);
    fixture_open(&f);
    put(f.store, "v", "x", START, 1);
    struct snapshot *snapshot = NULL;
    assert_int_equal(snapshot_open(f.store, &snapshot), 0);
    assert_int_equal(metrics_flush(f.store->metrics, true), 0);
    struct sample_columns c = {0};
    assert_int_equal(snapshot_read(snapshot, 1, INT64_MIN, INT64_MAX, &c), 0);
    assert_int_equal(c.n, 1);
    assert_non_null(f.store->metrics->windows);
    snapshot_close(snapshot);
    metrics_release_retired(f.store->metrics);
    assert_null(f.store->metrics->windows);
    sample_columns_release(&c);
    fixture_release(&f);
}

/* One batch with a sample every three hours for 3000 years: what is taken is bounded, and is there. */
static void wild_times_do_not_open_windows_without_end(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    clock_fake(START, 0);
    fixture_open(&f);
    int64_t rejected = self_get(SELF_SAMPLES_REJECTED);
    struct maker m;
    maker_init(&m, "g", START);
    for (int i = 0; i < 2 * WINDOWS_MAX; i++) {
        maker_add(&m, "m", "x", START - i * 3 * HOUR, i);
    }
    assert_int_equal(store_append(f.store, &m.batch, NULL, NULL), 0);
    maker_release(&m);
    put(f.store, "m", "x", START + 1, 1); /* of an open window: taken */
    assert_int_equal(self_get(SELF_SAMPLES_REJECTED), rejected + WINDOWS_MAX);
    struct sample_columns c = get(f.store, "m", "x", INT64_MIN, INT64_MAX);
    assert_int_equal(c.n, WINDOWS_MAX + 1);
    sample_columns_release(&c);
    fixture_release(&f);
}

static void times_before_1970_have_windows_too(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    clock_fake(START, 0);
    fixture_open(&f);
    for (int64_t t_ms = -3 * HOUR; t_ms <= 3 * HOUR; t_ms += HOUR) {
        put(f.store, "m", "x", t_ms, (double)t_ms);
    }
    assert_int_equal(metrics_flush(f.store->metrics, true), 0);
    fixture_reopen(&f);
    struct sample_columns c = get(f.store, "m", "x", -2 * HOUR, 2 * HOUR);
    assert_int_equal(c.n, 5);
    for (size_t i = 0; i < c.n; i++) {
        assert_true(c.t_ms[i] == ((int64_t)i - 2) * HOUR && c.v[i] == (double)c.t_ms[i]);
    }
    sample_columns_release(&c);
    fixture_release(&f);
}

/* A series in the middle of a group comes and goes: the guess by place is wrong and must not matter. */
static void the_order_of_a_batch_does_not_matter(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    clock_fake(START + HOUR, 0);
    fixture_open(&f);
    for (int round = 0; round < 12; round++) {
        struct maker m;
        maker_init(&m, "g", START + round);
        for (int i = 0; i < 300; i++) {
            int which = round % 3 == 1 ? 299 - i : i;
            char instance[24];
            snprintf(instance, sizeof(instance), "i%d", which);
            if (which % 12 != round) {
                maker_add(&m, "m", instance, START + round, which);
            }
        }
        maker_add(&m, "m", "i7", START + round, 7); /* twice in one batch */
        assert_int_equal(store_append(f.store, &m.batch, NULL, NULL), 0);
        maker_release(&m);
    }
    for (int i = 0; i < 300; i++) {
        char instance[24];
        snprintf(instance, sizeof(instance), "i%d", i);
        struct sample_columns c = get(f.store, "m", instance, INT64_MIN, INT64_MAX);
        assert_int_equal(c.n, i == 7 ? 12 : 11);
        assert_true(c.v[0] == i && c.v[c.n - 1] == i);
        sample_columns_release(&c);
    }
    fixture_release(&f);
}

static void lists_and_limits(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    clock_fake(START + HOUR, 0);
    fixture_open(&f);
    put(f.store, "a", "x", START, 1);
    put(f.store, "b", "y", START, 1);
    put(f.store, "b", "x", START, 1);
    auto_arena arena;
    arena_init(&arena);
    auto_snapshot struct snapshot *snapshot = NULL;
    assert_int_equal(snapshot_open(f.store, &snapshot), 0);
    struct str_list list;
    assert_int_equal(snapshot_label_names(snapshot, NULL, 0, 0, INT64_MAX, &arena, &list), 0);
    assert_int_equal(list.n, 3);
    assert_str_is(list.v[0], "__name__");
    struct matcher m;
    assert_int_equal(matcher_init(&m, MATCH_EQ, METRIC_NAME, STR("b"), NULL), 0);
    assert_int_equal(snapshot_label_values(snapshot, STR("instance"), &m, 1, START, START, &arena, &list), 0);
    assert_int_equal(list.n, 2);
    assert_str_is(list.v[0], "x");
    assert_str_is(list.v[1], "y");
    assert_int_equal(snapshot_label_names(snapshot, &m, 1, START, START, &arena, &list), 0);
    assert_int_equal(list.n, 3);
    assert_int_equal(snapshot_label_values(snapshot, STR("instance"), NULL, 0, 0, 0, &arena, &list), 0);
    assert_int_equal(list.n, 2);
    struct series_set set;
    assert_int_equal(snapshot_select(snapshot, &m, 1, START, START, 1, &arena, &set), ERR_LIMIT);
    assert_int_equal(snapshot_select(snapshot, &m, 1, START + 1, START + 2, 0, &arena, &set), 0);
    assert_int_equal(set.n, 0);
    matcher_release(&m);
    snapshot_close(steal(snapshot));
    fixture_release(&f);
}

static void metadata_is_kept(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    clock_fake(START + HOUR, 0);
    fixture_open(&f);
    struct maker m;
    maker_init(&m, "g", START);
    maker_add(&m, "b_total", "x", START, 1);
    batch_family(&m.batch, STR("b_total"), METRIC_COUNTER, STR("All b."));
    batch_family(&m.batch, STR("a"), METRIC_GAUGE, STR(""));
    assert_int_equal(store_append(f.store, &m.batch, NULL, NULL), 0);
    maker_release(&m);
    fixture_reopen(&f);
    auto_arena arena;
    arena_init(&arena);
    auto_snapshot struct snapshot *snapshot = NULL;
    assert_int_equal(snapshot_open(f.store, &snapshot), 0);
    struct metric_family *families;
    size_t n;
    assert_int_equal(snapshot_metadata(snapshot, STR(""), &arena, &families, &n), 0);
    assert_int_equal(n, 2);
    assert_str_is(families[0].name, "a");
    assert_str_is(families[1].help, "All b.");
    assert_int_equal(families[1].type, METRIC_COUNTER);
    assert_int_equal(snapshot_metadata(snapshot, STR("nope"), &arena, &families, &n), 0);
    assert_int_equal(n, 0);
    snapshot_close(steal(snapshot));
    fixture_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appended_samples_are_read_at_once),
        cmocka_unit_test(windows_survive_flush_and_restart),
        cmocka_unit_test(ids_are_kept_over_restarts),
        cmocka_unit_test(every_bit_of_a_value_comes_back),
        cmocka_unit_test(the_last_write_of_a_time_wins),
        cmocka_unit_test(late_samples_are_sorted_in),
        cmocka_unit_test(samples_out_of_bounds_are_left_out_and_counted),
        cmocka_unit_test(old_windows_and_their_series_leave),
        cmocka_unit_test(a_full_step_of_retention_spares_what_is_newer),
        cmocka_unit_test(nothing_is_deleted_while_no_samples_come),
        cmocka_unit_test(the_wal_shrinks_after_a_flush),
        cmocka_unit_test(a_snapshot_does_not_see_later_samples),
        cmocka_unit_test(a_snapshot_keeps_what_was_flushed_meanwhile),
        cmocka_unit_test(wild_times_do_not_open_windows_without_end),
        cmocka_unit_test(times_before_1970_have_windows_too),
        cmocka_unit_test(the_order_of_a_batch_does_not_matter),
        cmocka_unit_test(lists_and_limits),
        cmocka_unit_test(metadata_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
