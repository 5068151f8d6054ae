#include "storage/task_record.h"
#include "tests/support/test.h"

static struct task full_task(void)
{
    struct task task = {
        .uuid = STR("5f2956a1-89e0-4fa2-aa97-0969575824bf"),
        .name = STR("shop.add"),
        .worker = STR("w1@web1"),
        .client = STR("gen7@web1"),
        .queue = STR("celery"),
        .broker = STR("main"),
        .args = STR("(2, 3)"),
        .exception = STR("ValueError('boom')"),
        .traceback = STR("Traceback\n  line"),
        .root_id = STR("5f2956a1-89e0-4fa2-aa97-0969575824bf"),
        .state = TASK_FAILURE,
        .retries = 2,
        .runtime = 0.25,
        .sent_ms = 1700000000000,
        .received_ms = 1700000000010,
        .failed_ms = 1700000001000,
        .first_ms = 1700000000000,
        .updated_ms = 1700000001000,
        .clock = 77,
        .terminated = true,
        .attempt_count = 2,
        .attempts_dropped = 3,
    };
    task.attempts[0] = (struct task_attempt){
        .received_ms = 1700000000010, .state = TASK_RETRY, .worker = STR("w2@web2"), .exception = STR("KeyError(1)")};
    task.attempts[1] = (struct task_attempt){.started_ms = 1700000000500,
                                             .ended_ms = 1700000001000,
                                             .state = TASK_FAILURE,
                                             .worker = task.worker,
                                             .exception = task.exception};
    return task;
}

static void every_field_comes_back(void **state)
{
    (void)state;
    struct task in = full_task(), out;
    auto_buf bytes;
    buf_init(&bytes, TASK_RECORD_BYTES_MAX);
    task_record_encode(&in, &bytes);
    assert_int_equal(task_record_decode(buf_str(&bytes), &out), 0);
    assert_str_eq(out.uuid, in.uuid);
    assert_str_eq(out.name, in.name);
    assert_str_eq(out.worker, in.worker);
    assert_str_eq(out.client, in.client);
    assert_str_eq(out.queue, in.queue);
    assert_str_eq(out.broker, in.broker);
    assert_str_eq(out.args, in.args);
    assert_str_eq(out.exception, in.exception);
    assert_str_eq(out.traceback, in.traceback);
    assert_str_eq(out.root_id, in.root_id);
    assert_int_equal(out.state, in.state);
    assert_int_equal(out.retries, 2);
    assert_true(out.runtime == 0.25);
    assert_int_equal(out.sent_ms, in.sent_ms);
    assert_int_equal(out.received_ms, in.received_ms);
    assert_int_equal(out.started_ms, 0);
    assert_int_equal(out.failed_ms, in.failed_ms);
    assert_int_equal(out.first_ms, in.first_ms);
    assert_int_equal(out.updated_ms, in.updated_ms);
    assert_int_equal(out.clock, 77);
    assert_true(out.terminated && !out.expired);
    assert_int_equal(out.attempt_count, 2);
    assert_int_equal(out.attempts_dropped, 3);
    assert_str_is(out.attempts[0].worker, "w2@web2");
    assert_str_is(out.attempts[0].exception, "KeyError(1)");
    assert_int_equal(out.attempts[0].state, TASK_RETRY);
    assert_str_is(out.attempts[1].worker, "w1@web1");
    assert_int_equal(out.attempts[1].ended_ms, in.attempts[1].ended_ms);
}

static void any_changed_bit_is_noticed(void **state)
{
    (void)state;
    struct task in = full_task(), out;
    auto_buf bytes;
    buf_init(&bytes, TASK_RECORD_BYTES_MAX);
    task_record_encode(&in, &bytes);
    for (size_t i = 0; i < bytes.len * 8; i++) {
        bytes.p[i / 8] = (char)(bytes.p[i / 8] ^ (1 << i % 8));
        assert_int_not_equal(task_record_decode(buf_str(&bytes), &out), 0);
        bytes.p[i / 8] = (char)(bytes.p[i / 8] ^ (1 << i % 8));
    }
    for (size_t n = 0; n < bytes.len; n++) {
        assert_int_equal(task_record_decode(str_make(bytes.p, n), &out), ERR_CORRUPT);
    }
    assert_int_equal(task_record_decode(buf_str(&bytes), &out), 0);
}

static void a_newer_version_is_told_from_damage(void **state)
{
    (void)state;
    struct task in = full_task(), out;
    auto_buf bytes;
    buf_init(&bytes, TASK_RECORD_BYTES_MAX);
    task_record_encode(&in, &bytes);
    bytes.p[0] = TASK_RECORD_VERSION + 1;
    assert_int_equal(task_record_decode(buf_str(&bytes), &out), ERR_VERSION);
}

static void senseless_times_survive(void **state)
{
    (void)state;
    static const int64_t times[] = {INT64_MIN, -1, 1, INT64_MAX};
    for (size_t i = 0; i < 16; i++) {
        struct task in = {.uuid = STR("x"), .first_ms = times[i / 4], .sent_ms = times[i % 4], .retries = -1}, out;
        auto_buf bytes;
        buf_init(&bytes, TASK_RECORD_BYTES_MAX);
        task_record_encode(&in, &bytes);
        assert_int_equal(task_record_decode(buf_str(&bytes), &out), 0);
        assert_int_equal(out.first_ms, in.first_ms);
        assert_int_equal(out.retries, -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_comes_back),
        cmocka_unit_test(any_changed_bit_is_noticed),
        cmocka_unit_test(a_newer_version_is_told_from_damage),
        cmocka_unit_test(senseless_times_survive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
