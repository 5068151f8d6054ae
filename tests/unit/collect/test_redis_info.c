#include "src/collect/redis/redis_info.h"
#include "tests/unit/collect/families.h"

struct parsed {
    struct arena arena;
    struct batch batch;
    struct redis_info info;
    struct error err;
    int rc;
};

static void parse(struct parsed *p, struct str text)
{
    arena_init(&p->arena);
    batch_init(&p->batch, &p->arena, STR("redis/main"), 1000, (struct labels){0});
    p->rc = redis_info_parse(text, &p->info, &p->batch, &p->err);
}

static void parsed_release(struct parsed *p)
{
    batch_release(&p->batch);
    arena_release(&p->arena);
}

static void parse_file(struct parsed *p, const char *file)
{
    struct buf text = read_data(file);
    parse(p, buf_str(&text));
    buf_release(&text); /* so that a sample that only borrows is seen by ASan */
    assert_int_equal(p->rc, 0);
}

static void table_is_sorted_by_field(void **state)
{
    (void)state;
    assert_true(redis_info_table_sorted());
}

static void families_are_those_of_redis_exporter(void **state)
{
    (void)state;
    struct parsed p = {.info = {.now_ms = 1795333391833}};
    parse_file(&p, "redis-7.0-master.info");
    /* left out: the exporter's own figures, what redis_collector.c takes from other commands, and a counter that was
     * typed gauge in the exporter's version of the list */
    assert_families(&p.batch, "redis-default.families", STR("redis_"),
                    STR("redis_exporter_* redis_target_scrape_request_errors_total redis_up "
                        "redis_last_key_groups_scrape_duration_milliseconds redis_config_io_threads "
                        "redis_last_slow_execution_duration_seconds redis_slowlog_last_id redis_slowlog_length "
                        "redis_latency_spike_duration_seconds redis_latency_spike_last "
                        "redis_expired_time_cap_reached_total"));
    parsed_release(&p);
}

static void values_of_a_master_are_right(void **state)
{
    (void)state;
    struct parsed p = {.info = {.now_ms = 1795333391833, .databases = 3}};
    parse_file(&p, "redis-7.0-master.info");
    const struct batch *b = &p.batch;
    assert_series(b, "redis_memory_used_bytes", 1997504);
    assert_series(b, "redis_memory_max_bytes", 67108864);
    assert_series(b, "redis_config_maxmemory", 67108864);
    assert_series(b, "redis_connected_clients", 11);
    assert_series(b, "redis_commands_processed_total", 698);
    assert_series(b, "redis_mem_fragmentation_ratio", 4.44);
    assert_series(b, "redis_rdb_last_bgsave_status", 1);
    assert_series(b, "redis_commands_total{cmd=\"config|get\"}", 1);
    assert_series(b, "redis_commands_duration_seconds_total{cmd=\"info\"}", 0.002617);
    assert_series(b, "redis_commands_failed_calls_total{cmd=\"pfcount\"}", 3);
    assert_series(b, "redis_errors_total{err=\"WRONGTYPE\"}", 3);
    assert_series(b, "redis_latency_percentiles_usec{cmd=\"ping\", quantile=\"99.9\"}", 3.007);
    assert_series(b, "redis_latency_percentiles_usec_sum{cmd=\"ping\"}", 398);
    assert_series(b, "redis_latency_percentiles_usec_count{cmd=\"ping\"}", 273);
    assert_series(b, "redis_db_keys{db=\"db0\"}", 11);
    assert_series(b, "redis_db_keys_expiring{db=\"db0\"}", 1);
    assert_series(b, "redis_db_avg_ttl_seconds{db=\"db0\"}", 1680.2);
    assert_series(b, "redis_db_keys{db=\"db2\"}", 0);
    assert_int_equal(count_of_metric(b, "redis_db_keys"), 3);
    assert_series(b,
                  "redis_connected_slave_offset_bytes{slave_ip=\"127.0.0.1\", slave_port=\"7402\", slave_state="
                  "\"online\"}",
                  210336);
    assert_series(b, "redis_start_time_seconds", 1795331465);
    assert_int_equal(count_of_metric(b, "redis_instance_info"), 1);
    parsed_release(&p);
}

static void a_replica_shows_its_master(void **state)
{
    (void)state;
    struct parsed p = {.info = {.now_ms = 1795333391833}};
    parse_file(&p, "redis-7.0-replica.info");
    assert_series(&p.batch, "redis_master_link_up{master_host=\"127.0.0.1\", master_port=\"7401\"}", 1);
    assert_int_equal(count_of_metric(&p.batch, "redis_slave_info"), 1);
    assert_int_equal(count_of_metric(&p.batch, "redis_slave_repl_offset"), 1);
    assert_int_equal(count_of_metric(&p.batch, "redis_db_keys"), 16);
    parsed_release(&p);
}

static void start_time_does_not_jitter(void **state)
{
    (void)state;
    struct parsed p = {.info = {.now_ms = 1000000900}};
    parse(&p, STR("redis_version:7.0.15\r\nuptime_in_seconds:500\r\n"));
    assert_series(&p.batch, "redis_start_time_seconds", 999500);
    parsed_release(&p);
    p.info.now_ms = 1000001900; /* a second on, uptime not yet */
    parse(&p, STR("redis_version:7.0.15\r\nuptime_in_seconds:500\r\n"));
    assert_series(&p.batch, "redis_start_time_seconds", 999500);
    parsed_release(&p);
    p.info.now_ms = 1000100000; /* restarted */
    parse(&p, STR("redis_version:7.0.15\r\nuptime_in_seconds:1\r\n"));
    assert_series(&p.batch, "redis_start_time_seconds", 1000099);
    parsed_release(&p);
}

static void keyspace_items_are_read_by_name(void **state)
{
    (void)state;
    struct parsed p = {.info = {.databases = 1}};
    parse(&p, STR("redis_version:7.4.0\ndb0:keys=5,expires=2,avg_ttl=1500,subexpiry=4\ndb0:keys=9,expires=9\n"
                  "db99999:keys=1,expires=0\ndbx:keys=1\n"));
    assert_series(&p.batch, "redis_db_keys{db=\"db0\"}", 5);
    assert_series(&p.batch, "redis_db_keys_with_expiring_items{db=\"db0\"}", 4);
    assert_series(&p.batch, "redis_db_avg_ttl_seconds{db=\"db0\"}", 1.5);
    assert_int_equal(count_of_metric(&p.batch, "redis_db_keys"), 1);
    parsed_release(&p);
}

static void texts_that_are_no_numbers_give_no_samples(void **state)
{
    (void)state;
    struct parsed p = {0};
    parse(&p, STR("used_memory:many\nused_memory_rss:12\nrdb_last_bgsave_status:perhaps\naof_last_write_status:err\n"
                  "cmdstat_get:calls=x,usec=1\ncmdstat_:calls=1,usec=1\nslave0:ip=,port=1\n:\nnocolon\n"));
    assert_int_equal(p.rc, 0);
    assert_int_equal(count_of_metric(&p.batch, "redis_memory_used_bytes"), 0);
    assert_series(&p.batch, "redis_memory_used_rss_bytes", 12);
    assert_int_equal(count_of_metric(&p.batch, "redis_rdb_last_bgsave_status"), 0);
    assert_series(&p.batch, "redis_aof_last_write_status", 0);
    assert_int_equal(count_of_metric(&p.batch, "redis_commands_total"), 0);
    parsed_release(&p);
}

static void an_answer_that_is_no_info_is_refused(void **state)
{
    (void)state;
    struct parsed p = {0};
    parse(&p, STR("<html>hello: world</html>"));
    assert_int_equal(p.rc, ERR_PROTOCOL);
    assert_non_null(strstr(p.err.text, "INFO"));
    parsed_release(&p);
}

static void endless_error_kinds_are_cut(void **state)
{
    (void)state;
    struct buf text;
    struct parsed p = {0};
    buf_init(&text, 1 << 20);
    buf_add(&text, STR("used_memory:1\n"));
    for (int i = 0; i < REDIS_INFO_LIST_MAX + 7; i++) {
        buf_addf(&text, "errorstat_E%d:count=1\n", i);
    }
    parse(&p, buf_str(&text));
    assert_int_equal(count_of_metric(&p.batch, "redis_errors_total"), REDIS_INFO_LIST_MAX);
    assert_int_equal(p.info.skipped, 7);
    parsed_release(&p);
    buf_release(&text);
}

static void a_cluster_is_told_apart_and_shown(void **state)
{
    (void)state;
    struct parsed p = {0};
    parse(&p, STR("redis_version:7.0.15\ncluster_enabled:1\n"));
    assert_true(p.info.cluster);
    assert_int_equal(count_of_metric(&p.batch, "redis_db_keys"), 1); /* a cluster has one database */
    redis_cluster_parse(STR("cluster_state:ok\r\ncluster_slots_ok:16384\r\ncluster_stats_messages_sent:5\r\n"
                            "cluster_stats_messages_auth-req_sent:2\r\ncluster_x y:1\r\nother:1\r\n"),
                        &p.batch);
    assert_series(&p.batch, "redis_cluster_state", 1);
    assert_series(&p.batch, "redis_cluster_slots_ok", 16384);
    assert_series(&p.batch, "redis_cluster_messages_sent_total", 5);
    assert_series(&p.batch, "redis_cluster_stats_messages_auth_req_sent", 2);
    parsed_release(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_is_sorted_by_field),
        cmocka_unit_test(families_are_those_of_redis_exporter),
        cmocka_unit_test(values_of_a_master_are_right),
        cmocka_unit_test(a_replica_shows_its_master),
        cmocka_unit_test(start_time_does_not_jitter),
        cmocka_unit_test(keyspace_items_are_read_by_name),
        cmocka_unit_test(texts_that_are_no_numbers_give_no_samples),
        cmocka_unit_test(an_answer_that_is_no_info_is_refused),
        cmocka_unit_test(endless_error_kinds_are_cut),
        cmocka_unit_test(a_cluster_is_told_apart_and_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
