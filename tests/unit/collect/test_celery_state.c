/* The collector's memory: joins, workers, queues, counters. Time is passed in. */
#include "src/collect/celery/celery_join.h"
#include "src/collect/celery/celery_metrics.h"
#include "src/collect/celery/celery_queues.h"
#include "src/collect/celery/celery_workers.h"
#include "tests/unit/collect/families.h"

static struct celery_clock at(int64_t ms)
{
    return (struct celery_clock){1700000000000 + ms, ms + 1};
}

static struct str uuid(char out[64], unsigned i)
{
    int n = snprintf(out, 64, "task-%u", i);
    return str_make(out, (size_t)n);
}

static void a_join_remembers_by_uuid(void **state)
{
    (void)state;
    char text[64];
    struct celery_join *join = celery_join_new();
    for (unsigned i = 0; i < 50000; i++) {
        celery_join_touch(join, uuid(text, i))->name = i + 1;
    }
    for (unsigned i = 0; i < 50000; i++) {
        assert_int_equal(celery_join_touch(join, uuid(text, i))->name, i + 1);
    }
    assert_int_equal(celery_join_count(join), 50000);
    celery_join_free(join);
}

static void a_full_join_forgets_the_oldest_and_finished_first(void **state)
{
    (void)state;
    char text[64];
    struct celery_join *join = celery_join_new();
    celery_join_touch(join, STR("running"))->name = 7;
    for (unsigned i = 0; i < CELERY_JOIN_MAX + 5000; i++) {
        struct celery_joined *entry = celery_join_touch(join, uuid(text, i));
        if (i % 2) {
            celery_join_done(join, entry);
        }
    }
    assert_true(celery_join_count(join) <= CELERY_JOIN_MAX);
    assert_int_equal(celery_join_touch(join, STR("running"))->name, 7);
    for (unsigned i = 0; i < 3 * CELERY_JOIN_MAX; i++) {
        celery_join_touch(join, uuid(text, 1000000 + i));
    }
    assert_int_equal(celery_join_count(join), CELERY_JOIN_MAX);
    assert_int_equal(celery_join_touch(join, STR("running"))->name, 0);
    celery_join_free(join);
}

static struct celery_worker_event heartbeat(enum celery_worker_event_type type, int64_t pid)
{
    return (struct celery_worker_event){
        .type = type, .hostname = STR("w1@web1"), .pid = pid, .active = 2, .processed = 9, .freq = 2};
}

static size_t lost_count;
static void count_lost(void *ctx, struct celery_worker *worker)
{
    (void)ctx;
    assert_false(worker->online);
    lost_count++;
}

static void a_silent_worker_is_lost_after_the_timeout(void **state)
{
    (void)state;
    struct celery_worker *worker;
    struct celery_workers *workers = celery_workers_new(0);
    struct celery_worker_event e = heartbeat(CELERY_WORKER_ONLINE, 5);
    assert_int_equal(celery_workers_event(workers, &e, at(0), &worker), CELERY_WORKER_CAME);
    e.type = CELERY_WORKER_HEARTBEAT;
    assert_int_equal(celery_workers_event(workers, &e, at(2000), &worker), CELERY_WORKER_SAME);
    lost_count = 0;
    celery_workers_tick(workers, at(12000), count_lost, NULL);
    assert_int_equal(lost_count, 0);
    assert_int_equal(celery_workers_online(workers), 1);
    celery_workers_tick(workers, at(12001), count_lost, NULL);
    assert_int_equal(lost_count, 1);
    assert_true(worker->lost && !worker->online);
    celery_workers_tick(workers, at(13000), count_lost, NULL);
    assert_int_equal(lost_count, 1);
    assert_int_equal(celery_workers_event(workers, &e, at(20000), &worker), CELERY_WORKER_CAME);
    celery_workers_free(workers);
}

static void time_without_connection_does_not_count(void **state)
{
    (void)state;
    struct celery_worker *worker;
    struct celery_workers *workers = celery_workers_new(0);
    struct celery_worker_event e = heartbeat(CELERY_WORKER_HEARTBEAT, 5);
    celery_workers_event(workers, &e, at(0), &worker);
    celery_workers_excuse(workers, at(60000).mono_ms);
    lost_count = 0;
    celery_workers_tick(workers, at(69000), count_lost, NULL);
    assert_int_equal(lost_count, 0);
    celery_workers_tick(workers, at(70001), count_lost, NULL);
    assert_int_equal(lost_count, 1);
    celery_workers_free(workers);
}

static void a_goodbye_of_the_process_before_is_ignored(void **state)
{
    (void)state;
    struct celery_worker *worker;
    struct celery_workers *workers = celery_workers_new(0);
    struct celery_worker_event e = heartbeat(CELERY_WORKER_ONLINE, 6);
    celery_workers_event(workers, &e, at(0), &worker);
    e = heartbeat(CELERY_WORKER_OFFLINE, 5);
    assert_int_equal(celery_workers_event(workers, &e, at(10), &worker), CELERY_WORKER_SAME);
    assert_int_equal(celery_workers_online(workers), 1);
    e.pid = 6;
    assert_int_equal(celery_workers_event(workers, &e, at(20), &worker), CELERY_WORKER_LEFT);
    assert_int_equal(celery_workers_online(workers), 0);
    /* tasks that end during the warm shutdown do not bring it back */
    struct task_event t = {.type = TASK_EVENT_SUCCEEDED, .hostname = STR("w1@web1"), .pid = 6, .uuid = STR("x")};
    assert_int_equal(celery_workers_task(workers, &t, at(30), &worker), CELERY_WORKER_SAME);
    assert_int_equal(celery_workers_online(workers), 0);
    assert_int_equal(worker->succeeded, 1);
    celery_workers_free(workers);
}

static struct batch make_batch(struct arena *arena, int64_t t_ms)
{
    struct batch batch;
    batch_init(&batch, arena, STR("celery/main"), t_ms, (struct labels){0});
    return batch;
}

static void workers_are_told_apart_on_one_host(void **state)
{
    (void)state;
    struct arena arena;
    struct celery_worker *worker;
    struct celery_workers *workers = celery_workers_new(0);
    struct celery_worker_event e = heartbeat(CELERY_WORKER_ONLINE, 5);
    celery_workers_event(workers, &e, at(0), &worker);
    e.hostname = STR("w2@web1");
    celery_workers_event(workers, &e, at(0), &worker);
    e.type = CELERY_WORKER_OFFLINE;
    celery_workers_event(workers, &e, at(1000), &worker);
    celery_workers_expect(workers, STR("w3@web3"), at(0));
    arena_init(&arena);
    struct batch batch = make_batch(&arena, at(2000).wall_ms);
    celery_workers_write(workers, &batch, at(2000).wall_ms);
    assert_series(&batch, "celery_workers", 1);
    assert_series(&batch, "celery_worker_up{hostname=\"web1\", worker=\"w1@web1\"}", 1);
    assert_series(&batch, "celery_worker_up{hostname=\"web1\", worker=\"w2@web1\"}", 0);
    assert_series(&batch, "celery_worker_up{hostname=\"web3\", worker=\"w3@web3\"}", 0);
    assert_series(&batch, "celery_task_active{hostname=\"web1\", worker=\"w1@web1\"}", 2);
    assert_int_equal(count_of_metric(&batch, "celery_task_active"), 1);
    batch_release(&batch);
    /* an orderly goodbye is forgotten after ten minutes, an expected worker never */
    batch = make_batch(&arena, at(700000).wall_ms);
    celery_workers_write(workers, &batch, at(700000).wall_ms);
    assert_int_equal(count_of_metric(&batch, "celery_worker_up"), 2);
    batch_release(&batch);
    arena_release(&arena);
    celery_workers_free(workers);
}

static void queues_of_celerys_own_are_skipped(void **state)
{
    (void)state;
    struct celery_queues *queues = celery_queues_new();
    assert_null(celery_queues_add(queues, STR("a.reply.celery.pidbox"), CELERY_FROM_BINDING));
    assert_null(celery_queues_add(queues, STR("celeryev.123"), CELERY_FROM_BINDING));
    assert_null(celery_queues_add(queues, STR(""), CELERY_FROM_BINDING));
    assert_non_null(celery_queues_add(queues, STR("celery"), CELERY_FROM_BINDING));
    assert_int_equal(celery_queues_count(queues), 1);
    assert_str_is(celery_binding_queue(STR("key\x06\x16\x06\x16slow")), "slow");
    assert_str_is(celery_binding_queue(STR("\x06\x16#\x06\x16q")), "q");
    assert_int_equal(celery_binding_queue(STR("key\x06\x16slow")).len, 0);
    assert_int_equal(celery_binding_queue(STR("")).len, 0);
    celery_queues_free(queues);
}

static void a_length_is_the_sum_of_its_priorities(void **state)
{
    (void)state;
    struct arena arena;
    struct celery_queues *queues = celery_queues_new();
    struct celery_queue *queue = celery_queues_add(queues, STR("celery"), CELERY_FROM_CONFIG);
    auto_buf key;
    buf_init(&key, 100);
    celery_queues_key(queues, queue, STR("app:"), 0, &key);
    assert_str_is(buf_str(&key), "app:celery");
    celery_queues_key(queues, queue, STR("app:"), 1, &key);
    assert_str_is(buf_str(&key), "app:celery\x06\x16"
                                 "3");
    for (size_t i = 0; i < 4; i++) {
        queue->by_step[i] = 10;
    }
    celery_queues_settle(queues, 0, false);
    assert_int_equal(queue->length, 40);
    assert_true(isnan(queue->out_rate));
    queue->by_step[0] = 30;
    queue->received = 20;
    celery_queues_settle(queues, 10000, false);
    assert_true(queue->out_rate == 2);
    assert_true(queue->in_rate == 4); /* 20 went, 20 more are there */
    queue->sent = 50;
    celery_queues_settle(queues, 10000, true);
    assert_true(queue->in_rate == 5);
    arena_init(&arena);
    struct batch batch = make_batch(&arena, 1700000000000);
    celery_queues_write(queues, &batch);
    assert_series(&batch, "celery_queue_length{queue_name=\"celery\"}", 60);
    batch_release(&batch);
    arena_release(&arena);
    celery_queues_free(queues);
}

struct counters {
    struct arena arena;
    struct celery_words *words;
    struct celery_metrics *metrics;
};

static void counters_init(struct counters *c)
{
    arena_init(&c->arena);
    c->words = celery_words_new();
    c->metrics = celery_metrics_new(c->words);
}

static void counters_release(struct counters *c)
{
    celery_metrics_free(c->metrics);
    celery_words_free(c->words);
    arena_release(&c->arena);
}

static struct celery_series_key key_of(struct counters *c, const char *name)
{
    return (struct celery_series_key){celery_words_add(c->words, str_of(name)), celery_words_add(c->words, STR("web1")),
                                      celery_words_add(c->words, STR("celery"))};
}

#define NOW 1700000000000

static size_t samples_at(const struct batch *batch, int64_t t_ms)
{
    size_t n = 0;
    vec_each (struct batch_sample *, sample, &batch->samples) {
        n += sample->t_ms == t_ms;
        assert_true(sample->t_ms == batch->t_ms || sample->value == 0);
    }
    return n;
}

static void a_new_counter_begins_with_nought_at_the_scrape_before(void **state)
{
    (void)state;
    struct counters c;
    counters_init(&c);
    celery_metrics_count(c.metrics, key_of(&c, "add"), TASK_EVENT_RECEIVED, (struct str){0}, NOW);
    celery_metrics_count(c.metrics, key_of(&c, "add"), TASK_EVENT_FAILED, STR("ValueError"), NOW);
    struct batch batch = make_batch(&c.arena, NOW);
    celery_metrics_write(c.metrics, &batch, NOW - 15000, NOW);
    assert_int_equal(samples_at(&batch, NOW - 15000), 9); /* 8 counters and the failure's class */
    assert_int_equal(samples_at(&batch, NOW), 9);
    batch_release(&batch);

    batch = make_batch(&c.arena, NOW + 15000);
    celery_metrics_count(c.metrics, key_of(&c, "add"), TASK_EVENT_FAILED, STR("KeyError"), NOW);
    celery_metrics_write(c.metrics, &batch, NOW, NOW + 15000);
    assert_int_equal(samples_at(&batch, NOW), 1); /* only the new class */
    batch_release(&batch);

    batch = make_batch(&c.arena, NOW + 30000);
    celery_metrics_write(c.metrics, &batch, NOW + 15000, NOW + 30000);
    assert_int_equal(samples_at(&batch, NOW + 15000), 0);
    assert_series(&batch, "celery_task_received_total{hostname=\"web1\", name=\"add\", queue_name=\"celery\"}", 1);
    assert_series(&batch, "celery_task_sent_total{hostname=\"web1\", name=\"add\", queue_name=\"celery\"}", 0);
    assert_series(
        &batch,
        "celery_task_failed_total{exception=\"ValueError\", hostname=\"web1\", name=\"add\", queue_name=\"celery\"}",
        1);
    batch_release(&batch);
    counters_release(&c);
}

static void histograms_are_cumulated_and_named_twice(void **state)
{
    (void)state;
    struct counters c;
    counters_init(&c);
    static const double seconds[] = {0.001, 0.005, 0.3, 99, NAN, -1};
    for (size_t i = 0; i < sizeof(seconds) / sizeof(seconds[0]); i++) {
        celery_metrics_observe(c.metrics, key_of(&c, "add"), CELERY_RUNTIME, seconds[i], NOW);
    }
    struct batch batch = make_batch(&c.arena, NOW);
    celery_metrics_write(c.metrics, &batch, NOW, NOW);
#define L "hostname=\"web1\", "
#define R "name=\"add\", queue_name=\"celery\"}"
    assert_series(&batch, "celery_task_runtime_seconds_bucket{" L "le=\"0.005\", " R, 3);
    assert_series(&batch, "celery_task_runtime_seconds_bucket{" L "le=\"0.5\", " R, 4);
    assert_series(&batch, "celery_task_runtime_seconds_bucket{" L "le=\"10\", " R, 4);
    assert_series(&batch, "celery_task_runtime_seconds_bucket{" L "le=\"+Inf\", " R, 5);
    assert_series(&batch, "celery_task_runtime_bucket{" L "le=\"+Inf\", " R, 5);
    assert_series(&batch, "celery_task_runtime_seconds_count{" L R, 5);
    assert_series(&batch, "celery_task_runtime_sum{" L R, 0.001 + 0.005 + 0.3 + 99);
    assert_int_equal(count_of_metric(&batch, "celery_task_queue_wait_time_bucket"), 0);
    batch_release(&batch);
    counters_release(&c);
}

static void too_many_series_are_counted_together(void **state)
{
    (void)state;
    struct counters c;
    counters_init(&c);
    for (unsigned i = 0; i < 30000; i++) {
        char name[32];
        snprintf(name, sizeof(name), "task-%u", i);
        celery_metrics_count(c.metrics, key_of(&c, name), TASK_EVENT_SENT, (struct str){0}, NOW);
        celery_metrics_observe(c.metrics, key_of(&c, name), CELERY_RUNTIME, 1, NOW);
    }
    struct batch batch = make_batch(&c.arena, NOW);
    celery_metrics_write(c.metrics, &batch, NOW - 1000, NOW);
    assert_true(batch.samples.len <= 2 * CELERY_SAMPLES_MAX + 1000);
    assert_true(celery_metrics_limited(c.metrics) > 0);
    double sent = 0;
    vec_each (struct batch_sample *, sample, &batch.samples) {
        sent += str_is(labels_get(sample->labels, METRIC_NAME), "celery_task_sent_total") ? sample->value : 0;
    }
    assert_true(sent == 30000); /* nothing is lost */
    batch_release(&batch);
    /* and it all ends when nothing comes any more */
    batch = make_batch(&c.arena, NOW + CELERY_SERIES_IDLE_MS + 1);
    celery_metrics_write(c.metrics, &batch, NOW, NOW + CELERY_SERIES_IDLE_MS + 1);
    assert_int_equal(batch.samples.len, 0);
    batch_release(&batch);
    counters_release(&c);
}

static size_t visits;
static void visit_reply(void *ctx, const struct celery_reply *reply)
{
    visits++;
    *(struct celery_reply *)ctx = *reply;
}

static void captured_replies_are_read(void **state)
{
    (void)state;
    struct buf text = read_data("celery-replies.bodies");
    struct str rest = buf_str(&text);
    auto_arena arena;
    arena_init(&arena);
    size_t by_method[CELERY_METHOD_COUNT] = {0};
    while (rest.len) {
        struct str line = str_split(&rest, '\n');
        struct str word = str_split(&line, ' ');
        struct celery_reply reply = {0};
        for (int m = 0; m < CELERY_METHOD_COUNT; m++) {
            if (!str_is(word, celery_method_name((enum celery_method)m))) {
                continue;
            }
            visits = 0;
            assert_int_equal(celery_reply_parse((enum celery_method)m, line, &arena, visit_reply, &reply), CELERY_OK);
            assert_int_equal(visits, 1);
            assert_true(str_find_char(reply.node, '@') > 0);
            by_method[m]++;
        }
        if (str_is(word, "stats")) {
            assert_str_is(reply.pool, "prefork");
            assert_true(reply.pid > 0 && reply.concurrency > 0 && reply.processes > 0 && reply.prefetch > 0);
        }
        if (str_is(word, "active_queues")) {
            assert_true(reply.queue_count > 0 && reply.queues[0].len > 0);
        }
    }
    assert_int_equal(by_method[CELERY_STATS], 2);
    assert_int_equal(by_method[CELERY_ACTIVE_QUEUES], 2);
    assert_int_equal(by_method[CELERY_ACTIVE], 4);
    assert_int_equal(by_method[CELERY_ENABLE_EVENTS], 4);
    struct celery_reply reply;
    visits = 0;
    celery_reply_parse(CELERY_ENABLE_EVENTS, STR("{\"w@h\": {\"error\": \"no\"}}"), &arena, visit_reply, &reply);
    celery_reply_parse(CELERY_STATS, STR("{\"w@h\": null}"), &arena, visit_reply, &reply);
    celery_reply_parse(CELERY_ACTIVE, STR("{\"w@h\": {\"error\": \"x\"}}"), &arena, visit_reply, &reply);
    assert_int_equal(visits, 0);
    buf_release(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_join_remembers_by_uuid),
        cmocka_unit_test(a_full_join_forgets_the_oldest_and_finished_first),
        cmocka_unit_test(a_silent_worker_is_lost_after_the_timeout),
        cmocka_unit_test(time_without_connection_does_not_count),
        cmocka_unit_test(a_goodbye_of_the_process_before_is_ignored),
        cmocka_unit_test(workers_are_told_apart_on_one_host),
        cmocka_unit_test(queues_of_celerys_own_are_skipped),
        cmocka_unit_test(a_length_is_the_sum_of_its_priorities),
        cmocka_unit_test(a_new_counter_begins_with_nought_at_the_scrape_before),
        cmocka_unit_test(histograms_are_cumulated_and_named_twice),
        cmocka_unit_test(too_many_series_are_counted_together),
        cmocka_unit_test(captured_replies_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
