#include "src/base/feed.h"
#include "tests/support/test.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

enum { LONG_MS = 20000 };

static void publish_number(struct feed *feed, int i)
{
    char json[32];
    snprintf(json, sizeof(json), "{\"n\":%d}", i);
    feed_publish(feed, "task", str_of(json));
}

static void events_come_in_sse_form_and_order(void **state)
{
    (void)state;
    struct feed *feed = feed_new(8, 10000);
    assert_int_equal(feed_last(feed), 0);
    feed_publish(feed, "task", STR("{\"a\":1}"));
    feed_publish(feed, "worker", STR("{\n\"b\":\r\n2}"));
    auto_buf out;
    buf_init(&out, 10000);
    uint64_t after = 0, missed = 9;
    assert_int_equal(feed_wait(feed, &after, 0, 10, &out, &missed), 2);
    assert_string_equal(out.p, "id: 1\nevent: task\ndata: {\"a\":1}\n\nid: 2\nevent: worker\ndata: { \"b\":  2}\n\n");
    assert_int_equal(after, 2);
    assert_int_equal(missed, 0);
    assert_int_equal(feed_last(feed), 2);
    assert_int_equal(feed_wait(feed, &after, 0, 10, &out, &missed), 0);
    feed_free(feed);
}

static void a_reader_takes_no_more_than_it_asked_for(void **state)
{
    (void)state;
    struct feed *feed = feed_new(100, 10000);
    for (int i = 1; i <= 10; i++) {
        publish_number(feed, i);
    }
    auto_buf out;
    buf_init(&out, 10000);
    uint64_t after = 4, missed;
    assert_int_equal(feed_wait(feed, &after, 0, 2, &out, &missed), 2);
    assert_int_equal(after, 6);
    assert_true(str_starts(buf_str(&out), STR("id: 5\n")));
    struct buf small;
    buf_init(&small, 100); /* room for one or two */
    size_t total = 0;
    while (after < 10) {
        buf_clear(&small);
        size_t n = feed_wait(feed, &after, 0, 100, &small, &missed);
        assert_in_range(n, 1, 3);
        assert_false(small.failed);
        total += n;
    }
    assert_int_equal(total, 4);
    buf_release(&small);
    feed_free(feed);
}

static void what_left_the_ring_is_counted_as_missed(void **state)
{
    (void)state;
    struct feed *feed = feed_new(4, 10000);
    for (int i = 1; i <= 10; i++) {
        publish_number(feed, i);
    }
    auto_buf out;
    buf_init(&out, 10000);
    uint64_t after = 2, missed;
    assert_int_equal(feed_wait(feed, &after, 0, 100, &out, &missed), 4);
    assert_int_equal(missed, 4); /* 3 to 6 */
    assert_int_equal(after, 10);
    feed_free(feed);
}

static void the_byte_limit_drops_the_oldest(void **state)
{
    (void)state;
    struct feed *feed = feed_new(100, 100);
    for (int i = 1; i <= 10; i++) {
        publish_number(feed, i); /* 28 or 29 bytes each */
    }
    auto_buf out;
    buf_init(&out, 10000);
    uint64_t after = 0, missed;
    assert_int_equal(feed_wait(feed, &after, 0, 100, &out, &missed), 3);
    assert_int_equal(missed, 7);

    char large[200];
    memset(large, 'x', sizeof(large));
    feed_publish(feed, "task", str_make(large, sizeof(large)));
    publish_number(feed, 12);
    buf_clear(&out);
    assert_int_equal(feed_wait(feed, &after, 0, 100, &out, &missed), 1);
    assert_int_equal(missed, 1);
    assert_true(str_starts(buf_str(&out), STR("id: 12\n")));
    feed_free(feed);
}

static void an_event_too_large_for_the_reader_is_stepped_over(void **state)
{
    (void)state;
    struct feed *feed = feed_new(100, 10000);
    char large[200];
    memset(large, 'x', sizeof(large));
    feed_publish(feed, "task", str_make(large, sizeof(large)));
    publish_number(feed, 2);
    auto_buf out;
    buf_init(&out, 100);
    uint64_t after = 0, missed;
    assert_int_equal(feed_wait(feed, &after, 0, 100, &out, &missed), 1);
    assert_int_equal(missed, 1);
    assert_int_equal(after, 2);
    feed_free(feed);
}

static void a_number_from_before_a_restart_gets_everything(void **state)
{
    (void)state;
    struct feed *feed = feed_new(100, 10000);
    publish_number(feed, 1);
    auto_buf out;
    buf_init(&out, 1000);
    uint64_t after = 5000, missed;
    assert_int_equal(feed_wait(feed, &after, 0, 100, &out, &missed), 1);
    assert_int_equal(after, 1);
    feed_free(feed);
}

struct reader {
    struct feed *feed;
    uint64_t got, missed;
    uint64_t after;
};

static void *read_all(void *arg)
{
    struct reader *r = arg;
    auto_buf out;
    buf_init(&out, 100000);
    while (!feed_closed(r->feed)) {
        uint64_t missed = 0;
        buf_clear(&out);
        r->got += feed_wait(r->feed, &r->after, LONG_MS, 7, &out, &missed);
        r->missed += missed;
        if (r->after == 5000) {
            break;
        }
    }
    return NULL;
}

static void readers_lose_nothing_uncounted(void **state)
{
    (void)state;
    struct feed *feed = feed_new(64, 100000);
    struct reader readers[3];
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) {
        readers[i] = (struct reader){.feed = feed};
        pthread_create(&threads[i], NULL, read_all, &readers[i]);
    }
    for (int i = 1; i <= 5000; i++) {
        publish_number(feed, i);
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(readers[i].got + readers[i].missed, 5000);
    }
    feed_free(feed);
}

static void closing_wakes_everybody(void **state)
{
    (void)state;
    struct feed *feed = feed_new(64, 100000);
    struct reader reader = {.feed = feed};
    pthread_t thread;
    pthread_create(&thread, NULL, read_all, &reader);
    feed_close(feed);
    pthread_join(thread, NULL); /* long before its time-out, or this test hangs */
    auto_buf out;
    buf_init(&out, 100);
    uint64_t after = 0, missed;
    assert_int_equal(feed_wait(feed, &after, LONG_MS, 1, &out, &missed), 0);
    feed_free(feed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_come_in_sse_form_and_order),
        cmocka_unit_test(a_reader_takes_no_more_than_it_asked_for),
        cmocka_unit_test(what_left_the_ring_is_counted_as_missed),
        cmocka_unit_test(the_byte_limit_drops_the_oldest),
        cmocka_unit_test(an_event_too_large_for_the_reader_is_stepped_over),
        cmocka_unit_test(a_number_from_before_a_restart_gets_everything),
        cmocka_unit_test(readers_lose_nothing_uncounted),
        cmocka_unit_test(closing_wakes_everybody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
