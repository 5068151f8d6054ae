#include "src/base/codec.h"
#include "src/collect/celery/celery_event.h"
#include "tests/unit/collect/families.h"

#define ARRIVAL 1795332810000

struct fixture {
    struct celery_envelope envelope;
    struct celery_inbox inbox;
};

static int setup(void **state)
{
    struct fixture *f = mem_zalloc(sizeof(*f));
    celery_envelope_init(&f->envelope);
    celery_inbox_init(&f->inbox);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    celery_envelope_release(&f->envelope);
    celery_inbox_release(&f->inbox);
    mem_free(f);
    return 0;
}

static enum celery_fault parse_body(struct fixture *f, const char *body)
{
    size_t bad;
    celery_inbox_clear(&f->inbox);
    return celery_event_parse(&f->inbox, str_of(body), STR("main"), ARRIVAL, &bad);
}

/* Every message of a captured run of Celery 5.2 and 5.6, by the quick way and the full one. */
static void captured_messages_are_read_whole(void **state)
{
    struct fixture *f = *state;
    struct celery_envelope full;
    size_t by_type[TASK_EVENT_COUNT] = {0}, messages = 0;
    celery_envelope_init(&full);
    struct buf text = read_data("celery-events.payloads");
    struct str rest = buf_str(&text);
    while (rest.len) {
        struct str line = str_split(&rest, '\n');
        size_t bad;
        assert_int_equal(celery_envelope_read(&f->envelope, line, false), CELERY_OK);
        assert_int_equal(celery_envelope_read(&full, line, true), CELERY_OK);
        assert_str_eq(buf_str(&f->envelope.body), buf_str(&full.body));
        assert_int_equal(celery_event_parse(&f->inbox, buf_str(&full.body), STR("main"), ARRIVAL, &bad), CELERY_OK);
        assert_int_equal(bad, 0);
        messages++;
    }
    vec_each (const struct task_event *, event, &f->inbox.tasks) {
        by_type[event->type]++;
        assert_int_equal(event->uuid.len, UUID_LEN);
        assert_true(event->t_ms > 1795331000000 && event->t_ms < 1795334000000);
    }
    assert_int_equal(messages, 125);
    assert_int_equal(by_type[TASK_EVENT_SENT], 37);
    assert_int_equal(by_type[TASK_EVENT_RECEIVED], 28);
    assert_int_equal(by_type[TASK_EVENT_STARTED], 25);
    assert_int_equal(by_type[TASK_EVENT_SUCCEEDED], 16);
    assert_int_equal(by_type[TASK_EVENT_FAILED], 7);
    assert_int_equal(by_type[TASK_EVENT_RETRIED], 2);
    assert_int_equal(by_type[TASK_EVENT_REVOKED], 3);
    assert_int_equal(by_type[TASK_EVENT_REJECTED], 1);
    assert_int_equal(f->inbox.workers.len, 15);
    assert_int_equal(f->inbox.unknown, 0);
    celery_envelope_release(&full);
    buf_release(&text);
}

/* All captured events merged give the states that celery.events.state.State of Celery 5.2 gives them. */
static void captured_tasks_end_as_they_did(void **state)
{
    struct fixture *f = *state;
    struct buf text = read_data("celery-events.payloads");
    struct str rest = buf_str(&text);
    size_t by_state[TASK_STATE_COUNT] = {0}, n = 0;
    static struct task tasks[64];
    while (rest.len) {
        size_t bad;
        assert_int_equal(celery_envelope_read(&f->envelope, str_split(&rest, '\n'), false), CELERY_OK);
        celery_event_parse(&f->inbox, buf_str(&f->envelope.body), STR("main"), ARRIVAL, &bad);
    }
    vec_each (const struct task_event *, event, &f->inbox.tasks) {
        size_t i = 0;
        while (i < n && !str_eq(tasks[i].uuid, event->uuid)) {
            i++;
        }
        assert_true(i < 64);
        n = i == n ? n + 1 : n;
        task_merge(&tasks[i], event);
    }
    for (size_t i = 0; i < n; i++) {
        by_state[tasks[i].state]++;
        assert_false(str_eq(tasks[i].parent_id, tasks[i].uuid));
        assert_true(tasks[i].state != TASK_FAILURE || tasks[i].exception.len > 0);
    }
    assert_int_equal(by_state[TASK_SUCCESS], 16);
    assert_int_equal(by_state[TASK_FAILURE], 6);
    assert_int_equal(by_state[TASK_REVOKED], 3);
    assert_int_equal(by_state[TASK_PENDING], 11);
    assert_int_equal(by_state[TASK_RECEIVED], 1);
    buf_release(&text);
}

static void fields_of_a_task_event_are_taken(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(parse_body(f, "[{\"type\":\"task-failed\",\"uuid\":\"u1\",\"hostname\":\"w@h\",\"timestamp\":"
                                   "1795332800.5,\"clock\":7,\"pid\":12,\"utcoffset\":-6,\"runtime\":null,"
                                   "\"exception\":\"KeyError('\\u00e9')\",\"traceback\":\"a\\nb\",\"queue\":null}]"),
                     CELERY_OK);
    assert_int_equal(f->inbox.tasks.len, 1);
    const struct task_event *e = &f->inbox.tasks.p[0];
    assert_int_equal(e->type, TASK_EVENT_FAILED);
    assert_int_equal(e->t_ms, 1795332800500); /* utcoffset is ignored */
    assert_int_equal(e->clock, 7);
    assert_int_equal(e->pid, 12);
    assert_int_equal(e->retries, -1);
    assert_true(isnan(e->runtime));
    assert_str_is(e->exception, "KeyError('\xc3\xa9')");
    assert_str_is(e->traceback, "a\nb");
    assert_int_equal(e->queue.len, 0);
    assert_str_is(e->broker, "main");
}

static void senseless_timestamps_become_the_time_of_arrival(void **state)
{
    struct fixture *f = *state;
    static const char *const times[] = {"0", "-1", "null", "\"x\"", "1e300", "2795332800"};
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        char body[200];
        snprintf(body, sizeof(body), "{\"type\":\"task-sent\",\"uuid\":\"u\",\"hostname\":\"h\",\"timestamp\":%s}",
                 times[i]);
        assert_int_equal(parse_body(f, body), CELERY_OK);
        assert_int_equal(f->inbox.tasks.p[0].t_ms, ARRIVAL);
    }
}

static void a_custom_event_keeps_its_name(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(parse_body(f, "{\"type\":\"task-progress-half\",\"uuid\":\"u\",\"hostname\":\"h\"}"), CELERY_OK);
    assert_int_equal(f->inbox.tasks.p[0].type, TASK_EVENT_CUSTOM);
    assert_str_is(f->inbox.tasks.p[0].custom, "PROGRESS-HALF");
    assert_int_equal(parse_body(f, "{\"type\":\"shop-sale\",\"hostname\":\"h\"}"), CELERY_OK);
    assert_int_equal(f->inbox.tasks.len, 0);
    assert_int_equal(f->inbox.unknown, 1);
}

static void a_bad_event_does_not_hide_its_neighbours(void **state)
{
    struct fixture *f = *state;
    size_t bad;
    struct str body = STR("[1,{\"type\":\"task-sent\",\"hostname\":\"h\"},{\"type\":\"task-sent\",\"hostname\":\"h\","
                          "\"uuid\":\"good\"},null,{\"type\":7}]");
    assert_int_equal(celery_event_parse(&f->inbox, body, STR(""), ARRIVAL, &bad), CELERY_BAD_EVENT);
    assert_int_equal(bad, 4);
    assert_int_equal(f->inbox.tasks.len, 1);
    assert_str_is(f->inbox.tasks.p[0].uuid, "good");
}

static void json_values_of_other_senders_are_printed(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(parse_body(f, "{\"type\":\"task-sent\",\"uuid\":\"u\",\"hostname\":\"h\",\"args\":[1,\"a\"],"
                                   "\"kwargs\":{\"k\":null}}"),
                     CELERY_OK);
    assert_str_is(f->inbox.tasks.p[0].args, "[1,\"a\"]");
    assert_str_is(f->inbox.tasks.p[0].kwargs, "{\"k\":null}");
}

static void a_heartbeat_asked_for_lacks_its_counts(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(parse_body(f, "{\"type\":\"worker-heartbeat\",\"hostname\":\"w@h\",\"freq\":5}"), CELERY_OK);
    assert_int_equal(f->inbox.workers.len, 1);
    assert_int_equal(f->inbox.workers.p[0].active, -1);
    assert_int_equal(f->inbox.workers.p[0].processed, -1);
    assert_false(f->inbox.workers.p[0].has_loadavg);
}

static void every_bad_envelope_has_its_reason(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *payload;
        enum celery_fault fault;
    } cases[] = {
        {"", CELERY_NOT_JSON},
        {"hello", CELERY_NOT_JSON},
        {"[]", CELERY_NOT_JSON},
        {"{}", CELERY_NO_BODY},
        {"{\"body\": 7}", CELERY_NO_BODY},
        {"{\"body\": \"!!!\", \"content-type\": \"application/json\", \"properties\": {\"body_encoding\": \"base64\"}}",
         CELERY_BAD_BASE64},
        {"{\"body\": \"gAJ9\", \"content-type\": \"application/x-python-serialize\", \"properties\": "
         "{\"body_encoding\": \"base64\"}}",
         CELERY_SERIALIZER},
        {"{\"body\": \"e30=\", \"content-type\": \"application/json\", \"headers\": {\"compression\": "
         "\"application/x-gzip\"}, \"properties\": {\"body_encoding\": \"base64\"}}",
         CELERY_COMPRESSED},
        {"{\"body\": \"e30=\", \"content-type\": \"application/json\", \"properties\": {\"body_encoding\": "
         "\"base64\"}}",
         CELERY_OK},
        {"{\"properties\": {}, \"body\": \"{}\"}", CELERY_OK},
        {"{\"body\": \"eyJ\\u0039\", \"content-type\": \"application/json\", \"properties\": {\"body_encoding\": "
         "\"base64\"}, \"body\": \"e30=\"}",
         CELERY_OK}, /* escapes, and a key given twice */
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(celery_envelope_read(&f->envelope, str_of(cases[i].payload), false), cases[i].fault);
        assert_true(cases[i].fault != CELERY_OK || str_is(buf_str(&f->envelope.body), "{}"));
    }
    assert_int_equal(parse_body(f, "not json"), CELERY_BAD_BODY);
    assert_int_equal(parse_body(f, "7"), CELERY_BAD_BODY);
}

static void huge_messages_are_refused(void **state)
{
    struct fixture *f = *state;
    size_t size = CELERY_PAYLOAD_MAX + 1;
    char *text = mem_alloc(size);
    memset(text, 'A', size);
    assert_int_equal(celery_envelope_read(&f->envelope, str_make(text, size), false), CELERY_TOO_LARGE);
    struct str head = STR("{\"body\": \"");
    struct str tail = STR("\", \"content-type\": \"application/json\", \"body_encoding\": \"base64\"}");
    memcpy(text, head.p, head.len);
    size_t encoded = (CELERY_BODY_MAX / 3 + 10) * 4;
    memcpy(text + head.len + encoded, tail.p, tail.len);
    assert_int_equal(celery_envelope_read(&f->envelope, str_make(text, head.len + encoded + tail.len), false),
                     CELERY_TOO_LARGE);
    mem_free(text);
}

static void our_requests_read_back(void **state)
{
    struct fixture *f = *state;
    auto_buf out;
    buf_init(&out, 1 << 16);
    celery_envelope_write(&out, STR("celery.pidbox"), STR("{\"method\": \"ping\"}"));
    assert_true(str_find(buf_str(&out), STR("\"delivery_tag\":\"")) >= 0); /* without it workers die */
    assert_int_equal(celery_envelope_read(&f->envelope, buf_str(&out), true), CELERY_OK);
    assert_str_is(buf_str(&f->envelope.body), "{\"method\": \"ping\"}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(captured_messages_are_read_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(captured_tasks_end_as_they_did, setup, teardown),
        cmocka_unit_test_setup_teardown(fields_of_a_task_event_are_taken, setup, teardown),
        cmocka_unit_test_setup_teardown(senseless_timestamps_become_the_time_of_arrival, setup, teardown),
        cmocka_unit_test_setup_teardown(a_custom_event_keeps_its_name, setup, teardown),
        cmocka_unit_test_setup_teardown(a_bad_event_does_not_hide_its_neighbours, setup, teardown),
        cmocka_unit_test_setup_teardown(json_values_of_other_senders_are_printed, setup, teardown),
        cmocka_unit_test_setup_teardown(a_heartbeat_asked_for_lacks_its_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(every_bad_envelope_has_its_reason, setup, teardown),
        cmocka_unit_test_setup_teardown(huge_messages_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(our_requests_read_back, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
