#include "src/collect/postgres/postgres_rows.h"
#include "tests/unit/collect/families.h"

struct rows {
    struct arena arena;
    struct batch batch;
};

static void rows_init(struct rows *r)
{
    arena_init(&r->arena);
    batch_init(&r->batch, &r->arena, STR("postgres/main"), 1000, (struct labels){0});
}

static void rows_release(struct rows *r)
{
    batch_release(&r->batch);
    arena_release(&r->arena);
}

static void a_row_becomes_samples_with_its_labels(void **state)
{
    (void)state;
    struct rows r;
    rows_init(&r);
    const struct str names[] = {STR("datid"),     STR("datname"),     STR("numbackends"), STR("blks_hit"),
                                STR("conflicts"), STR("active_time"), STR("stats_reset"), STR("new_in_99")};
    const struct str cells[] = {STR("16384"), STR("app1"),    STR("7"),          STR("123456789012"),
                                {0},          STR("1500.25"), STR("2026-11-23"), STR("4")};
    postgres_row(PG_stat_database, names, cells, 8, &r.batch);
    assert_series(&r.batch, "pg_stat_database_numbackends{datid=\"16384\", datname=\"app1\"}", 7);
    assert_series(&r.batch, "pg_stat_database_blks_hit{datid=\"16384\", datname=\"app1\"}", 123456789012.0);
    assert_series(&r.batch, "pg_stat_database_active_time{datid=\"16384\", datname=\"app1\"}", 1500.25);
    assert_series(&r.batch, "pg_stat_database_active_time_seconds_total{datid=\"16384\", datname=\"app1\"}", 1.50025);
    assert_int_equal(r.batch.samples.len, 4); /* null, text and unknown columns give nothing */
    rows_release(&r);
}

static void booleans_are_numbers_and_null_labels_are_left_out(void **state)
{
    (void)state;
    struct rows r;
    rows_init(&r);
    const struct str names[] = {STR("slot_name"), STR("database"), STR("active"), STR("lsn_diff")};
    const struct str cells[] = {STR("phys1"), {0}, STR("t"), {0}};
    postgres_row(PG_replication_slots, names, cells, 4, &r.batch);
    assert_series(&r.batch, "pg_replication_slots_active{slot_name=\"phys1\"}", 1);
    assert_int_equal(r.batch.samples.len, 1);
    rows_release(&r);
}

static void settings_are_in_seconds_and_bytes(void **state)
{
    (void)state;
    static const struct {
        const char *name, *setting, *unit, *vartype, *series;
        double value;
    } cases[] = {
        {"max_connections", "100", "", "integer", "pg_settings_max_connections", 100},
        {"shared_buffers", "16384", "8kB", "integer", "pg_settings_shared_buffers_bytes", 134217728},
        {"work_mem", "4096", "kB", "integer", "pg_settings_work_mem_bytes", 4194304},
        {"max_wal_size", "1024", "MB", "integer", "pg_settings_max_wal_size_bytes", 1073741824},
        {"min_wal_size", "5", "16MB", "integer", "pg_settings_min_wal_size_bytes", 83886080},
        {"autovacuum_vacuum_cost_delay", "2", "ms", "real", "pg_settings_autovacuum_vacuum_cost_delay_seconds", 0.002},
        {"checkpoint_timeout", "300", "s", "integer", "pg_settings_checkpoint_timeout_seconds", 300},
        {"log_rotation_age", "1440", "min", "integer", "pg_settings_log_rotation_age_seconds", 86400},
        {"autovacuum_work_mem", "-1", "kB", "integer", "pg_settings_autovacuum_work_mem_bytes", -1},
        {"track_io_timing", "on", "", "bool", "pg_settings_track_io_timing", 1},
        {"fsync", "off", "", "bool", "pg_settings_fsync", 0},
        {"random_page_cost", "1.1", "", "real", "pg_settings_random_page_cost", 1.1},
        {"pg_stat_statements.max", "5000", "", "integer", "pg_settings_pg_stat_statements_max", 5000},
    };
    struct rows r;
    rows_init(&r);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        postgres_setting(str_of(cases[i].name), str_of(cases[i].setting), str_of(cases[i].unit),
                         str_of(cases[i].vartype), &r.batch);
        assert_series(&r.batch, cases[i].series, cases[i].value);
    }
    size_t before = r.batch.samples.len;
    postgres_setting(STR("x"), STR("1"), STR("parsecs"), STR("real"), &r.batch);
    postgres_setting(STR("y"), STR("text"), STR(""), STR("real"), &r.batch);
    postgres_setting(STR("z;--"), STR("1"), STR(""), STR("real"), &r.batch);
    assert_int_equal(r.batch.samples.len, before);
    rows_release(&r);
}

static void queries_follow_the_servers_version(void **state)
{
    (void)state;
    const struct postgres_query *checkpointer = postgres_query(PG_stat_checkpointer);
    assert_str_is(checkpointer->name, "stat_checkpointer");
    assert_false(postgres_query_applies(checkpointer, 16));
    assert_true(postgres_query_applies(checkpointer, 17));
    assert_true(postgres_query_applies(postgres_query(PG_stat_bgwriter), 17));
    const struct postgres_query ended = {.name = STR("x"), .before = 14};
    assert_true(postgres_query_applies(&ended, 13));
    assert_false(postgres_query_applies(&ended, 14));
}

static void all_databases_is_put_into_the_query(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    assert_non_null(strstr(postgres_query_sql(postgres_query(PG_database), true, &arena), "WHERE true OR"));
    assert_non_null(strstr(postgres_query_sql(postgres_query(PG_database), false, &arena), "WHERE false OR"));
    assert_null(strchr(postgres_query_sql(postgres_query(PG_database), false, &arena), '$'));
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_becomes_samples_with_its_labels),
        cmocka_unit_test(booleans_are_numbers_and_null_labels_are_left_out),
        cmocka_unit_test(settings_are_in_seconds_and_bytes),
        cmocka_unit_test(queries_follow_the_servers_version),
        cmocka_unit_test(all_databases_is_put_into_the_query),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
