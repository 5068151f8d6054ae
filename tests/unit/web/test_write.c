/* Remote write over HTTP, into a real store. */
#include "tests/support/protobuf.h"
#include "tests/unit/web/api_server.h"

#include <snappy-c.h>

static int64_t t0_ms;

static int start(void **state)
{
    (void)state;
    api_open_store(3600000);
    t0_ms = clock_wall_ms() / 60000 * 60000;
    api = (struct api_context){
        .store = store, .version = "0.1.0", .query_timeout_ms = 60000, .query_max_samples = 1000000};
    api_serve(4, NULL);
    return 0;
}

#define PROTOBUF "Content-Encoding: snappy\r\nContent-Type: application/x-protobuf\r\n"

static struct str request_text(const char *method, const char *headers, struct str body)
{
    auto_buf out;
    buf_init(&out, 64u << 20);
    buf_addf(&out, "%s /api/v1/write HTTP/1.1\r\nHost: localhost\r\nContent-Length: %zu\r\n%s\r\n", method, body.len,
             headers);
    buf_add(&out, body);
    return arena_dup(&arena, buf_str(&out));
}

static struct str post(const char *headers, struct str body)
{
    const char *all = arena_printf(&arena, "Connection: close\r\n%s", headers).p;
    return raw_ask(&arena, port, request_text("POST", all, body));
}

static struct str snappy(struct str message)
{
    size_t len = snappy_max_compressed_length(message.len);
    char *out = arena_alloc(&arena, len);
    assert_int_equal(snappy_compress(message.p ? message.p : "", message.len, out, &len), SNAPPY_OK);
    return str_make(out, len);
}

/* A request of one series with two labels. */
static struct str one(const char *name, const char *label, const char *value, int64_t t_ms, double v)
{
    auto_buf series, message;
    buf_init(&series, 65536);
    buf_init(&message, 65536);
    pb_label(&series, "__name__", name);
    pb_label(&series, label, value);
    pb_sample(&series, t_ms, v);
    pb_bytes(&message, 1, buf_str(&series));
    return arena_dup(&arena, buf_str(&message));
}

static struct str query(const char *expression)
{
    return raw_body(raw_get(
        &arena, port, arena_printf(&arena, "/api/v1/query?query=%s&time=%lld", expression, (long long)(t0_ms / 1000)).p,
        NULL));
}

static void expect(struct str answer, int status, const char *text)
{
    if (raw_status(answer) != status || !raw_has(raw_body(answer), text)) {
        fail_msg("expected %d with %s\ngot " STR_FMT, status, text, STR_ARG(answer));
    }
}

static void samples_are_there_once_it_is_answered(void **state)
{
    (void)state;
    expect(post(PROTOBUF, snappy(one("written", "job", "a", t0_ms, 42))), 204, "");
    assert_true(raw_has(query("written"), "\"42\""));
}

static void a_connection_serves_many_requests(void **state)
{
    (void)state;
    int fd = raw_connect(port);
    for (int i = 0; i < 20; i++) {
        auto_buf in;
        buf_init(&in, 65536);
        raw_send(fd, request_text("POST", PROTOBUF, snappy(one("many", "job", "a", t0_ms - 1000 + i, i))));
        assert_true(raw_read_until(fd, &in, "\r\n\r\n"));
        assert_int_equal(raw_status(buf_str(&in)), 204);
    }
    close(fd);
    assert_true(raw_has(query("count_over_time(many[1m])"), "\"20\""));
}

static void what_names_the_message_is_taken(void **state)
{
    (void)state;
    struct str body = snappy(one("typed", "job", "a", t0_ms, 1));
    expect(post("Content-Encoding: snappy\r\nContent-Type: application/x-protobuf;proto=prometheus.WriteRequest\r\n"
                "X-Prometheus-Remote-Write-Version: 0.1.0\r\n",
                body),
           204, "");
    expect(post("", body), 204, "");
}

static void other_messages_are_415(void **state)
{
    (void)state;
    struct str body = snappy(one("typed", "job", "a", t0_ms, 1));
    expect(post("Content-Encoding: snappy\r\nContent-Type: application/x-protobuf;proto=io.prometheus.write.v2.Request"
                "\r\n",
                body),
           415, "remote write 2.0 is not understood");
    expect(post("Content-Encoding: gzip\r\n", body), 415, "Content-Encoding: snappy");
    expect(post("Content-Encoding: snappy\r\nContent-Type: application/json\r\n", body), 415, "application/x-protobuf");
}

static void pages_of_other_origins_may_not_write(void **state)
{
    (void)state;
    struct str body = snappy(one("foreign", "job", "a", t0_ms, 1));
    expect(post("Origin: http://evil.example\r\n", body), 403, "another origin");
    assert_true(raw_has(query("foreign"), "\"result\":[]"));
}

static void bodies_that_are_none_are_400(void **state)
{
    (void)state;
    expect(post(PROTOBUF, STR("")), 400, "not compressed with snappy");
    expect(post(PROTOBUF, STR("\x20zzz")), 400, "snappy cannot read it");
    expect(post(PROTOBUF, snappy(STR("hello"))), 400, "not a remote write 1.0 request");
    expect(post(PROTOBUF, snappy(STR(""))), 204, "");
}

static void a_large_announcement_is_413_unread(void **state)
{
    (void)state;
    expect(post(PROTOBUF, STR("\xff\xff\xff\xff\x0f")), 413, "the body holds 4294967295 bytes");
    expect(
        raw_ask(&arena, port,
                STR("POST /api/v1/write HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8388609\r\n" PROTOBUF "\r\n")),
        413, "8388609 bytes");
}

static void the_rest_of_a_request_is_stored(void **state)
{
    (void)state;
    struct str good = one("good", "job", "a", t0_ms, 1), bad = one("bad", "__name__", "bad", t0_ms, 1);
    struct str nameless = one("", "job", "b", t0_ms, 1);
    auto_buf all;
    buf_init(&all, 65536);
    buf_add(&all, bad);
    buf_add(&all, good);
    buf_add(&all, nameless);
    struct str answer = post(PROTOBUF, snappy(buf_str(&all)));
    expect(answer, 400, "2 series and 2 samples were refused, 1 samples are stored; the first: series ");
    expect(answer, 400, "a label is given twice: '__name__'");
    assert_true(raw_has(query("good"), "\"1\""));
}

static void native_histograms_are_refused(void **state)
{
    (void)state;
    auto_buf series, message;
    buf_init(&series, 65536);
    buf_init(&message, 65536);
    pb_label(&series, "__name__", "native");
    pb_bytes(&series, 4, STR("\x08\x01"));
    pb_bytes(&message, 1, buf_str(&series));
    buf_add(&message, one("beside", "job", "a", t0_ms, 1));
    expect(post(PROTOBUF, snappy(buf_str(&message))), 400,
           "1 series and 1 samples were refused, 1 samples are stored; the first: series native: native histograms are "
           "not supported");
    assert_true(raw_has(query("beside"), "\"1\""));
}

static void only_post_is_possible(void **state)
{
    (void)state;
    struct str answer = raw_get(&arena, port, "/api/v1/write", NULL);
    assert_int_equal(raw_status(answer), 405);
    assert_true(raw_has(answer, "Allow: OPTIONS, POST\r\n"));
}

static void other_routes_still_take_no_compressed_body(void **state)
{
    (void)state;
    struct str answer = raw_ask(&arena, port,
                                STR("POST /api/v1/query HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                                    "Content-Encoding: snappy\r\nContent-Length: 1\r\n\r\nx"));
    assert_int_equal(raw_status(answer), 415);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_are_there_once_it_is_answered),
        cmocka_unit_test(a_connection_serves_many_requests),
        cmocka_unit_test(what_names_the_message_is_taken),
        cmocka_unit_test(other_messages_are_415),
        cmocka_unit_test(pages_of_other_origins_may_not_write),
        cmocka_unit_test(bodies_that_are_none_are_400),
        cmocka_unit_test(a_large_announcement_is_413_unread),
        cmocka_unit_test(the_rest_of_a_request_is_stored),
        cmocka_unit_test(native_histograms_are_refused),
        cmocka_unit_test(only_post_is_possible),
        cmocka_unit_test(other_routes_still_take_no_compressed_body),
    };
    return cmocka_run_group_tests(tests, start, api_close);
}
