#include "src/model/task.h"
#include "tests/support/test.h"

static struct task_event event(enum task_event_type type, int64_t t_ms, int64_t clock)
{
    return (struct task_event){.type = type,
                               .uuid = STR("id-1"),
                               .hostname = type == TASK_EVENT_SENT ? STR("gen7@web1") : STR("w1@web1"),
                               .t_ms = t_ms,
                               .clock = clock,
                               .retries = -1,
                               .runtime = NAN};
}

static void merge(struct task *task, enum task_event_type type, int64_t t_ms, int64_t clock)
{
    struct task_event e = event(type, t_ms, clock);
    task_merge(task, &e);
}

static void a_task_goes_from_sent_to_success(void **state)
{
    (void)state;
    struct task task = {0};
    struct task_event e = event(TASK_EVENT_SENT, 1000, 5);
    e.name = STR("shop.add");
    e.queue = STR("celery");
    e.retries = 0;
    task_merge(&task, &e);
    assert_int_equal(task.state, TASK_PENDING);
    assert_true(isnan(task.runtime));
    merge(&task, TASK_EVENT_RECEIVED, 1010, 1);
    assert_int_equal(task.state, TASK_RECEIVED);
    merge(&task, TASK_EVENT_STARTED, 1020, 2);
    assert_int_equal(task.state, TASK_STARTED);
    e = event(TASK_EVENT_SUCCEEDED, 1100, 3);
    e.runtime = 0.08;
    e.result = STR("5");
    task_merge(&task, &e);
    assert_int_equal(task.state, TASK_SUCCESS);
    assert_str_is(task.name, "shop.add");
    assert_str_is(task.worker, "w1@web1");
    assert_str_is(task.client, "gen7@web1");
    assert_str_is(task.result, "5");
    assert_true(task.runtime == 0.08);
    assert_int_equal(task.sent_ms, 1000);
    assert_int_equal(task.succeeded_ms, 1100);
    assert_int_equal(task.first_ms, 1000);
    assert_int_equal(task.updated_ms, 1100);
    assert_int_equal(task.attempt_count, 1);
    assert_int_equal(task.attempts[0].received_ms, 1010);
    assert_int_equal(task.attempts[0].started_ms, 1020);
    assert_int_equal(task.attempts[0].ended_ms, 1100);
    assert_int_equal(task.attempts[0].state, TASK_SUCCESS);
}

/* The four events of one try, of client and worker, in every order: the record says the same. */
static void order_of_arrival_does_not_matter_within_a_try(void **state)
{
    (void)state;
    static const enum task_event_type types[] = {TASK_EVENT_SENT, TASK_EVENT_RECEIVED, TASK_EVENT_STARTED,
                                                 TASK_EVENT_SUCCEEDED};
    for (int order = 0; order < 256; order++) {
        int at[4] = {order & 3, order >> 2 & 3, order >> 4 & 3, order >> 6 & 3};
        if ((1 << at[0] | 1 << at[1] | 1 << at[2] | 1 << at[3]) != 15) {
            continue;
        }
        struct task task = {0};
        for (int i = 0; i < 4; i++) {
            merge(&task, types[at[i]], 1000 + 10 * at[i], at[i]);
        }
        assert_int_equal(task.state, TASK_SUCCESS);
        assert_int_equal(task.sent_ms, 1000);
        assert_int_equal(task.received_ms, 1010);
        assert_int_equal(task.started_ms, 1020);
        assert_int_equal(task.succeeded_ms, 1030);
        assert_int_equal(task.first_ms, 1000);
        assert_str_is(task.worker, "w1@web1");
        assert_int_equal(task.attempt_count, 1);
        assert_int_equal(task.attempts[0].received_ms, 1010);
        assert_int_equal(task.attempts[0].started_ms, 1020);
        assert_int_equal(task.attempts[0].ended_ms, 1030);
    }
}

static void a_late_event_fills_gaps_and_overwrites_nothing(void **state)
{
    (void)state;
    struct task task = {0};
    struct task_event e = event(TASK_EVENT_RECEIVED, 1010, 1);
    e.name = STR("shop.add");
    task_merge(&task, &e);
    merge(&task, TASK_EVENT_SUCCEEDED, 1030, 3);
    e = event(TASK_EVENT_SENT, 1000, 99);
    e.name = STR("other");
    e.queue = STR("slow");
    task_merge(&task, &e);
    assert_int_equal(task.state, TASK_SUCCESS);
    assert_str_is(task.name, "shop.add");
    assert_str_is(task.queue, "slow");
    assert_int_equal(task.sent_ms, 1000);
}

static void a_retry_makes_a_second_attempt(void **state)
{
    (void)state;
    struct task task = {0};
    merge(&task, TASK_EVENT_RECEIVED, 1000, 1);
    merge(&task, TASK_EVENT_STARTED, 1010, 2);
    struct task_event e = event(TASK_EVENT_RETRIED, 1020, 3);
    e.exception = STR("ValueError('boom')");
    task_merge(&task, &e);
    assert_int_equal(task.state, TASK_RETRY);
    e = event(TASK_EVENT_RECEIVED, 1030, 4);
    e.retries = 1;
    e.parent_id = STR("id-1");
    task_merge(&task, &e);
    assert_int_equal(task.state, TASK_RECEIVED);
    assert_int_equal(task.retries, 1);
    assert_int_equal(task.parent_id.len, 0); /* a retry names itself as its parent */
    merge(&task, TASK_EVENT_STARTED, 1040, 5);
    merge(&task, TASK_EVENT_SUCCEEDED, 1050, 6);
    assert_int_equal(task.state, TASK_SUCCESS);
    assert_int_equal(task.attempt_count, 2);
    assert_int_equal(task.attempts[0].state, TASK_RETRY);
    assert_str_is(task.attempts[0].exception, "ValueError('boom')");
    assert_int_equal(task.attempts[1].state, TASK_SUCCESS);
    assert_int_equal(task.attempts[1].started_ms, 1040);
}

/* The message of the next try is on its way before the worker reports the end of this one. */
static void the_next_try_may_be_received_before_this_one_ends(void **state)
{
    (void)state;
    struct task task = {0};
    struct task_event e = event(TASK_EVENT_RECEIVED, 1000, 1);
    e.retries = 0;
    task_merge(&task, &e);
    merge(&task, TASK_EVENT_STARTED, 1010, 2);
    e = event(TASK_EVENT_RECEIVED, 1018, 3);
    e.retries = 1;
    e.eta = STR("2026-11-22T07:14:31+00:00");
    task_merge(&task, &e);
    assert_int_equal(task.state, TASK_STARTED);
    assert_int_equal(task.retries, 1);
    assert_str_is(task.eta, "2026-11-22T07:14:31+00:00");
    merge(&task, TASK_EVENT_RETRIED, 1020, 4);
    assert_int_equal(task.state, TASK_RETRY);
    merge(&task, TASK_EVENT_STARTED, 1040, 5);
    merge(&task, TASK_EVENT_SUCCEEDED, 1050, 6);
    assert_int_equal(task.state, TASK_SUCCESS);
    assert_int_equal(task.attempt_count, 2);
    assert_int_equal(task.attempts[0].ended_ms, 1020);
    assert_int_equal(task.attempts[0].state, TASK_RETRY);
    assert_int_equal(task.attempts[1].received_ms, 1018);
    assert_int_equal(task.attempts[1].started_ms, 1040);
    assert_int_equal(task.attempts[1].state, TASK_SUCCESS);
}

static void a_task_that_waits_for_its_retry_shows_it(void **state)
{
    (void)state;
    struct task task = {0};
    merge(&task, TASK_EVENT_RECEIVED, 1000, 1);
    merge(&task, TASK_EVENT_STARTED, 1010, 2);
    merge(&task, TASK_EVENT_RETRIED, 1020, 3);
    struct task_event e = event(TASK_EVENT_SENT, 1021, 9);
    e.retries = 1;
    e.eta = STR("2026-11-22T07:14:31+00:00");
    task_merge(&task, &e);
    assert_int_equal(task.state, TASK_RETRY);
    assert_int_equal(task.retries, 1);
    assert_str_is(task.eta, "2026-11-22T07:14:31+00:00");
}

/* A retry without delay, taken by another process: it has ended before the end of the first try is told. */
static void the_end_of_an_earlier_try_does_not_hide_a_later_one(void **state)
{
    (void)state;
    struct task task = {0};
    merge(&task, TASK_EVENT_RECEIVED, 1000, 1);
    merge(&task, TASK_EVENT_STARTED, 1007, 2);
    struct task_event e = event(TASK_EVENT_RECEIVED, 1037, 3);
    e.retries = 1;
    task_merge(&task, &e);
    merge(&task, TASK_EVENT_STARTED, 1040, 4);
    merge(&task, TASK_EVENT_SUCCEEDED, 1043, 5);
    merge(&task, TASK_EVENT_RETRIED, 1044, 6);
    assert_int_equal(task.state, TASK_SUCCESS);
    assert_int_equal(task.attempt_count, 2);
    assert_int_equal(task.attempts[0].state, TASK_RETRY);
    assert_int_equal(task.attempts[0].ended_ms, 1044);
    assert_int_equal(task.attempts[1].state, TASK_SUCCESS);
}

static void a_retry_ends_the_older_of_two_running_tries(void **state)
{
    (void)state;
    struct task task = {0};
    merge(&task, TASK_EVENT_RECEIVED, 1000, 1);
    merge(&task, TASK_EVENT_STARTED, 1000, 2);
    struct task_event e = event(TASK_EVENT_RECEIVED, 1001, 3);
    e.retries = 1;
    task_merge(&task, &e);
    merge(&task, TASK_EVENT_STARTED, 1002, 4);
    merge(&task, TASK_EVENT_RETRIED, 1003, 5);
    assert_int_equal(task.state, TASK_STARTED);
    merge(&task, TASK_EVENT_SUCCEEDED, 1004, 6);
    assert_int_equal(task.state, TASK_SUCCESS);
    assert_int_equal(task.attempts[0].state, TASK_RETRY);
    assert_int_equal(task.attempts[1].state, TASK_SUCCESS);
}

/* Celery takes a late "started" of the first try for newer than the "received" of the second. */
static void a_late_start_is_ordered_by_the_workers_clock(void **state)
{
    (void)state;
    struct task task = {0};
    merge(&task, TASK_EVENT_RECEIVED, 1000, 1);
    merge(&task, TASK_EVENT_RETRIED, 1020, 3);
    merge(&task, TASK_EVENT_RECEIVED, 1030, 4);
    merge(&task, TASK_EVENT_STARTED, 1010, 2);
    assert_int_equal(task.state, TASK_RECEIVED);
    assert_int_equal(task.attempts[0].started_ms, 1010);
    assert_int_equal(task.attempts[1].started_ms, 0);
}

/* A worker alone begins its Lamport clock at 1 after a restart; a deploy while a retry waits is nothing unusual. */
static void a_restarted_worker_goes_on_with_its_tasks(void **state)
{
    (void)state;
    struct task task = {0};
    merge(&task, TASK_EVENT_RECEIVED, 1000, 50000);
    merge(&task, TASK_EVENT_STARTED, 1010, 50001);
    merge(&task, TASK_EVENT_RETRIED, 1100, 50002);
    merge(&task, TASK_EVENT_RECEIVED, 61000, 7);
    assert_int_equal(task.state, TASK_RECEIVED);
    merge(&task, TASK_EVENT_STARTED, 61010, 8);
    assert_int_equal(task.state, TASK_STARTED);
    merge(&task, TASK_EVENT_RECEIVED, 90000, 3); /* killed and delivered again */
    merge(&task, TASK_EVENT_STARTED, 90010, 4);
    merge(&task, TASK_EVENT_SUCCEEDED, 90020, 5);
    assert_int_equal(task.state, TASK_SUCCESS);
}

/* They come from the pool process, whose clock runs by itself. */
static void custom_events_are_not_ordered_by_the_workers_clock(void **state)
{
    (void)state;
    struct task task = {0};
    merge(&task, TASK_EVENT_RECEIVED, 1000, 500);
    merge(&task, TASK_EVENT_STARTED, 1010, 501);
    merge(&task, TASK_EVENT_CUSTOM, 1020, 12);
    assert_int_equal(task.state, TASK_CUSTOM);
    merge(&task, TASK_EVENT_CUSTOM, 1030, 9000);
    merge(&task, TASK_EVENT_SUCCEEDED, 1040, 502);
    assert_int_equal(task.state, TASK_SUCCESS);
}

static void a_late_sent_does_not_undo_a_retry(void **state)
{
    (void)state;
    struct task task = {0};
    merge(&task, TASK_EVENT_RECEIVED, 1000, 1);
    merge(&task, TASK_EVENT_RETRIED, 1020, 3);
    merge(&task, TASK_EVENT_SENT, 990, 50);
    assert_int_equal(task.state, TASK_RETRY);
}

static void runtime_of_a_failure_is_that_of_its_try(void **state)
{
    (void)state;
    struct task task = {0};
    merge(&task, TASK_EVENT_RECEIVED, 1000, 1);
    merge(&task, TASK_EVENT_FAILED, 3500, 3);
    assert_true(isnan(task.runtime));
    merge(&task, TASK_EVENT_STARTED, 1500, 2); /* late */
    assert_int_equal(task.state, TASK_FAILURE);
    assert_true(task.runtime == 2.0);
}

static void a_rejection_and_its_failure_are_one_attempt(void **state)
{
    (void)state;
    struct task task = {0};
    merge(&task, TASK_EVENT_RECEIVED, 1000, 1);
    merge(&task, TASK_EVENT_STARTED, 1001, 2);
    merge(&task, TASK_EVENT_REJECTED, 1010, 3);
    merge(&task, TASK_EVENT_FAILED, 1011, 4);
    assert_int_equal(task.state, TASK_FAILURE);
    assert_int_equal(task.attempt_count, 1);
    assert_int_equal(task.attempts[0].state, TASK_FAILURE);
}

static void first_and_newest_attempts_are_kept(void **state)
{
    (void)state;
    struct task task = {0};
    for (int i = 0; i < 40; i++) {
        merge(&task, TASK_EVENT_RECEIVED, 1000 + 100 * i, 1 + 3 * i);
        merge(&task, TASK_EVENT_STARTED, 1010 + 100 * i, 2 + 3 * i);
        merge(&task, TASK_EVENT_RETRIED, 1020 + 100 * i, 3 + 3 * i);
    }
    assert_int_equal(task.attempt_count, TASK_ATTEMPTS_MAX);
    assert_int_equal(task.attempts_dropped, 40 - TASK_ATTEMPTS_MAX);
    assert_int_equal(task.attempts[0].received_ms, 1000);
    assert_int_equal(task.attempts[TASK_ATTEMPTS_MAX - 1].received_ms, 1000 + 100 * 39);
}

static void a_custom_state_stands_between_failure_and_revoked(void **state)
{
    (void)state;
    struct task task = {0};
    struct task_event e = event(TASK_EVENT_CUSTOM, 1000, 1);
    e.custom = STR("PROGRESS");
    merge(&task, TASK_EVENT_STARTED, 990, 1);
    task_merge(&task, &e);
    assert_int_equal(task.state, TASK_CUSTOM);
    assert_str_is(task.custom_state, "PROGRESS");
    merge(&task, TASK_EVENT_SUCCEEDED, 1100, 2);
    assert_int_equal(task.state, TASK_SUCCESS);
    assert_int_equal(task.custom_state.len, 0);
}

static void exception_classes_are_taken_from_reprs(void **state)
{
    (void)state;
    static const struct {
        const char *text, *class;
    } cases[] = {
        {"ValueError('boom')", "ValueError"},
        {"ExceptionWithTraceback()", "ExceptionWithTraceback"},
        {"shop.errors.NoStock(7)", "shop.errors.NoStock"},
        {"_Hidden2(1)", "_Hidden2"},
        {"reject requeue=False: no", ""},
        {"ValueError", ""},
        {"", ""},
        {"(1)", ""},
        {"7Seven()", ""},
        {"<class 'x'>", ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_str_is(task_exception_class(str_of(cases[i].text)), cases[i].class);
    }
}

static void state_names_are_read_in_any_case(void **state)
{
    (void)state;
    enum task_state s;
    for (int i = 0; i < TASK_STATE_COUNT; i++) {
        assert_true(task_state_parse(str_of(task_state_name((enum task_state)i)), &s));
        assert_int_equal(s, i);
    }
    assert_true(task_state_parse(STR("success"), &s));
    assert_int_equal(s, TASK_SUCCESS);
    assert_false(task_state_parse(STR("SUCC"), &s));
    assert_false(task_state_parse(STR(""), &s));
}

static void json_has_flowers_field_names(void **state)
{
    (void)state;
    struct task task = {0};
    struct task_event e = event(TASK_EVENT_RECEIVED, 1700000000123, 1);
    e.name = STR("shop.add");
    e.args = STR("(2, 3)");
    task_merge(&task, &e);
    e = event(TASK_EVENT_FAILED, 1700000000500, 2);
    e.exception = STR("ValueError('a \"quote\"')");
    task_merge(&task, &e);
    auto_buf out;
    struct json_writer w;
    buf_init(&out, 1 << 16);
    json_init(&w, &out);
    task_to_json(&task, false, &w);
    struct str json = buf_str(&out);
    assert_true(str_find(json, STR("\"uuid\":\"id-1\"")) >= 0);
    assert_true(str_find(json, STR("\"state\":\"FAILURE\"")) >= 0);
    assert_true(str_find(json, STR("\"received\":1700000000.123")) >= 0);
    assert_true(str_find(json, STR("\"started\":null")) >= 0);
    assert_true(str_find(json, STR("\"runtime\":null")) >= 0);
    assert_true(str_find(json, STR("\"exception_class\":\"ValueError\"")) >= 0);
    assert_true(str_find(json, STR("\"attempts\":[{")) >= 0);
    assert_true(str_find(json, STR("(2, 3)")) < 0);
    buf_clear(&out);
    json_init(&w, &out);
    task_to_json(&task, true, &w);
    assert_true(str_find(buf_str(&out), STR("\"args\":\"(2, 3)\"")) >= 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_task_goes_from_sent_to_success),
        cmocka_unit_test(order_of_arrival_does_not_matter_within_a_try),
        cmocka_unit_test(a_late_event_fills_gaps_and_overwrites_nothing),
        cmocka_unit_test(a_retry_makes_a_second_attempt),
        cmocka_unit_test(the_next_try_may_be_received_before_this_one_ends),
        cmocka_unit_test(a_task_that_waits_for_its_retry_shows_it),
        cmocka_unit_test(the_end_of_an_earlier_try_does_not_hide_a_later_one),
        cmocka_unit_test(a_retry_ends_the_older_of_two_running_tries),
        cmocka_unit_test(a_late_start_is_ordered_by_the_workers_clock),
        cmocka_unit_test(a_restarted_worker_goes_on_with_its_tasks),
        cmocka_unit_test(custom_events_are_not_ordered_by_the_workers_clock),
        cmocka_unit_test(a_late_sent_does_not_undo_a_retry),
        cmocka_unit_test(runtime_of_a_failure_is_that_of_its_try),
        cmocka_unit_test(a_rejection_and_its_failure_are_one_attempt),
        cmocka_unit_test(first_and_newest_attempts_are_kept),
        cmocka_unit_test(a_custom_state_stands_between_failure_and_revoked),
        cmocka_unit_test(exception_classes_are_taken_from_reprs),
        cmocka_unit_test(state_names_are_read_in_any_case),
        cmocka_unit_test(json_has_flowers_field_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
