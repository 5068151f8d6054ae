/* The host and self collectors on this machine. */
#include "src/collect/self/self_process.h"
#include "tests/unit/collect/server.h"

static int setup(void **state)
{
    static struct live live;
    live_start(&live);
    *state = &live;
    return 0;
}

static int teardown(void **state)
{
    live_stop(*state);
    return 0;
}

static struct config_target this_host(const char *kind, const char *job)
{
    return (struct config_target){
        .kind = str_of(kind), .name = STR("main"), .job = str_of(job), .interval_ms = 2000, .timeout_ms = 2000};
}

static char *series(const char *name, const char *job)
{
    static char text[4][400];
    static int next;
    char host[256] = "", *room = text[next++ % 4];
    assert_int_equal(gethostname(host, sizeof(host) - 1), 0);
    snprintf(room, sizeof(text[0]), "%s{instance=\"%s\", job=\"%s\"}", name, host, job);
    return room;
}

static void this_host_has_memory_and_load(void **state)
{
    struct live *live = *state;
    const struct config_target target = this_host("host", "node");
    live_apply(live, &target, 1);
    live_wait_value(live, series("up", "node"), 1);
    bool found;
    assert_true(recorder_value(&live->recorder, series("node_memory_MemTotal_bytes", "node"), &found) > 0);
    assert_true(found);
    assert_true(recorder_value(&live->recorder, series("node_boot_time_seconds", "node"), &found) > 1e9);
    assert_true(found);
    recorder_value(&live->recorder, series("node_load1", "node"), &found);
    assert_true(found);
}

static void a_wrong_proc_path_is_shown(void **state)
{
    struct live *live = *state;
    struct config_target target = this_host("host", "node");
    target.proc_path = STR("/nonexistent");
    live_apply(live, &target, 1);
    live_wait_value(live, series("up", "node"), 0);
    live_wait_board(live, "cannot read /nonexistent/stat");
}

static void this_process_has_figures(void **state)
{
    struct live *live = *state;
    const struct config_target target = this_host("self", "cloche");
    live_apply(live, &target, 1);
    live_wait_value(live, series("up", "cloche"), 1);
    bool found;
    assert_true(recorder_value(&live->recorder, series("process_resident_memory_bytes", "cloche"), &found) > 0);
    assert_true(recorder_value(&live->recorder, series("process_open_fds", "cloche"), &found) > 0);
    assert_true(recorder_value(&live->recorder, series("process_start_time_seconds", "cloche"), &found) > 1e9);
    assert_true(recorder_value(&live->recorder, series("cloche_scrapes_total", "cloche"), &found) > 0);
}

static void a_process_name_may_hold_anything(void **state)
{
    (void)state;
    struct self_stat stat;
    assert_true(
        self_stat_parse(STR("42 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22\n"), &stat));
    assert_true(stat.cpu_ticks == 11 + 12);
    assert_true(stat.threads == 17);
    assert_true(stat.start_ticks == 19);
    assert_true(stat.resident_pages == 21);
    assert_false(self_stat_parse(STR("42 (a) S 1 2"), &stat));
    assert_false(self_stat_parse(STR(""), &stat));
    assert_false(self_stat_parse(STR("42 (a) S 1 2 3 x 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22"), &stat));
}

int main(void)
{
#define LIVE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        LIVE(this_host_has_memory_and_load),
        LIVE(a_wrong_proc_path_is_shown),
        LIVE(this_process_has_figures),
        cmocka_unit_test(a_process_name_may_hold_anything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
