/* Targets and the scheduler with collectors made for the purpose. */
#include "src/base/counter.h"
#include "src/collect/stale.h"
#include "tests/unit/collect/live.h"

#include <stdatomic.h>

/* What the fake collector does at its next collections; set by the test, read on the loop. */
static atomic_int mode;
enum { MODE_ONE, MODE_TWO, MODE_FAIL, MODE_SILENT, MODE_TOO_MANY };
static atomic_int starts, stops, late_answers;

/* A ticket that was never answered, to be answered too late. */
static uint64_t forgotten;

static int fake_start(struct target *target, struct error *err)
{
    atomic_fetch_add(&starts, 1);
    if (str_is(target_config(target)->url, "fake://broken")) {
        return error_set(err, ERR_CONFIG, "made to fail");
    }
    return 0;
}

static void answer_forgotten(struct target *target)
{
    if (!forgotten) {
        return;
    }
    if (!target_batch(target, forgotten)) {
        atomic_fetch_add(&late_answers, 1);
    }
    target_done(target, forgotten, NULL); /* must do nothing */
    forgotten = 0;
}

static void fake_collect(struct target *target, uint64_t ticket)
{
    struct batch *batch = target_batch(target, ticket);
    struct error failure = {0};
    answer_forgotten(target);
    batch_family(batch, STR("fake_one"), METRIC_GAUGE, STR("one"));
    batch_add(batch, STR("fake_one"), NULL, 0, 1);
    switch (atomic_load(&mode)) {
    case MODE_TWO:
        batch_add(batch, STR("fake_two"), NULL, 0, 2);
        break;
    case MODE_FAIL:
        vec_clear(&batch->samples);
        error_set(&failure, ERR_AUTH, "wrong password");
        break;
    case MODE_SILENT:
        forgotten = ticket;
        return;
    case MODE_TOO_MANY:
        for (int i = 0; i < 100001; i++) {
            batch_add(batch, STR("fake_many"), NULL, 0, i);
        }
        break;
    default:
        break;
    }
    target_done(target, ticket, &failure);
}

static void fake_stop(struct target *target)
{
    atomic_fetch_add(&stops, 1);
    target_stopped(target);
}

static void deaf_collect(struct target *target, uint64_t ticket)
{
    (void)target;
    (void)ticket;
}

static const struct collector fake_collector = {"fake", fake_start, fake_collect, fake_stop};
static const struct collector deaf_collector = {"deaf", fake_start, deaf_collect, fake_stop};

/* In place of registry.c. */
const struct collector *collector_find(struct str name)
{
    return str_is(name, "fake") ? &fake_collector : str_is(name, "deaf") ? &deaf_collector : NULL;
}

static struct config_target fake_target(const char *kind, const char *name, const char *url)
{
    return (struct config_target){.kind = str_of(kind),
                                  .name = str_of(name),
                                  .url = str_of(url),
                                  .job = str_of("jobs"),
                                  .interval_ms = 40,
                                  .timeout_ms = 30};
}

static int setup(void **state)
{
    static struct live live;
    atomic_store(&mode, MODE_ONE);
    atomic_store(&starts, 0);
    atomic_store(&stops, 0);
    atomic_store(&late_answers, 0);
    forgotten = 0;
    live_start(&live);
    *state = &live;
    return 0;
}

static int teardown(void **state)
{
    live_stop(*state);
    return 0;
}

#define L "{instance=\"db.example:1234\", job=\"jobs\"}"

static void samples_get_job_and_instance(void **state)
{
    struct live *live = *state;
    const struct config_target target = fake_target("fake", "main", "fake://user:secret@db.example:1234/0");
    live_apply(live, &target, 1);
    live_wait_value(live, "fake_one" L, 1);
    live_wait_value(live, "up" L, 1);
    live_wait_value(live, "scrape_samples_scraped" L, 1);
    live_wait_more(live, "scrape_duration_seconds" L, 1);
    live_wait_board(live, "\"health\":\"up\"");
    live_wait_board(live, "\"scrapeUrl\":\"fake://***:***@db.example:1234/0\"");
    live_wait_board(live, "\"scrapeInterval\":\"40ms\"");
}

static void a_series_that_is_gone_ends_at_once(void **state)
{
    struct live *live = *state;
    const struct config_target target = fake_target("fake", "main", "fake://db.example:1234");
    atomic_store(&mode, MODE_TWO);
    live_apply(live, &target, 1);
    live_wait_value(live, "fake_two" L, 2);
    atomic_store(&mode, MODE_ONE);
    live_wait_stale(live, "fake_two" L);
    size_t before = recorder_count(&live->recorder, "fake_two" L);
    live_wait_more(live, "up" L, 3);
    assert_int_equal(recorder_count(&live->recorder, "fake_two" L), before); /* one marker is enough */
    live_wait_value(live, "fake_one" L, 1);
}

static void a_failure_ends_all_but_up(void **state)
{
    struct live *live = *state;
    const struct config_target target = fake_target("fake", "main", "fake://db.example:1234");
    live_apply(live, &target, 1);
    live_wait_value(live, "up" L, 1);
    atomic_store(&mode, MODE_FAIL);
    live_wait_value(live, "up" L, 0);
    live_wait_stale(live, "fake_one" L);
    live_wait_board(live, "\"lastError\":\"wrong password\"");
    live_wait_board(live, "\"health\":\"down\"");
    live_wait_board(live, "Check user and password");
    atomic_store(&mode, MODE_ONE);
    live_wait_value(live, "up" L, 1);
    live_wait_value(live, "fake_one" L, 1);
    live_wait_board(live, "\"lastError\":\"\"");
}

static void health_changes_are_events(void **state)
{
    struct live *live = *state;
    const struct config_target target = fake_target("fake", "main", "fake://db.example:1234");
    struct buf text;
    uint64_t after = 0, missed = 0;
    buf_init(&text, 1 << 16);
    live_apply(live, &target, 1);
    live_wait_value(live, "up" L, 1);
    atomic_store(&mode, MODE_FAIL);
    live_wait_value(live, "up" L, 0);
    live_wait_more(live, "up" L, 3);
    size_t n = 0;
    for (size_t got; n < 2 && (got = feed_wait(live->feed, &after, LIVE_PATIENCE_MS, 10, &text, &missed));) {
        n += got;
    }
    assert_int_equal(n, 2); /* up, down; not one a collection */
    assert_true(str_find(buf_str(&text), STR("\"health\":\"down\",\"error\":\"wrong password\"")) > 0);
    assert_int_equal(feed_last(live->feed), 2);
    buf_release(&text);
}

static void silence_is_a_failure_and_its_late_answer_void(void **state)
{
    struct live *live = *state;
    const struct config_target target = fake_target("fake", "main", "fake://db.example:1234");
    atomic_store(&mode, MODE_SILENT);
    live_apply(live, &target, 1);
    live_wait_value(live, "up" L, 0);
    live_wait_board(live, "\"lastError\":\"no answer within 30ms\"");
    live_wait_more(live, "up" L, 2); /* still tried each interval */
    assert_int_equal(recorder_count(&live->recorder, "fake_one" L), 0);
    atomic_store(&mode, MODE_ONE);
    live_wait_value(live, "up" L, 1);
    assert_true(atomic_load(&late_answers) > 0);
}

static void one_deaf_target_does_not_hold_up_others(void **state)
{
    struct live *live = *state;
    const struct config_target targets[] = {fake_target("deaf", "main", "fake://deaf.example:1"),
                                            fake_target("fake", "main", "fake://db.example:1234")};
    struct config_target slow = targets[0];
    slow.interval_ms = slow.timeout_ms = LIVE_PATIENCE_MS * 10; /* it never even fails in this test */
    const struct config_target both[] = {slow, targets[1]};
    live_apply(live, both, 2);
    live_wait_more(live, "up" L, 10);
    live_wait_value(live, "up" L, 1);
}

static void too_many_samples_are_refused_whole(void **state)
{
    struct live *live = *state;
    const struct config_target target = fake_target("fake", "main", "fake://db.example:1234");
    struct config_target slow = target;
    slow.interval_ms = slow.timeout_ms = 5000;
    atomic_store(&mode, MODE_TOO_MANY);
    live_apply(live, &slow, 1);
    live_wait_value(live, "up" L, 0);
    assert_int_equal(recorder_count(&live->recorder, "fake_many" L), 0);
    live_wait_board(live, "at most 100000 are taken");
}

static void a_full_sink_is_counted_and_shown_as_a_gap(void **state)
{
    struct live *live = *state;
    const struct config_target target = fake_target("fake", "main", "fake://db.example:1234");
    int64_t before = self_get(SELF_SAMPLES_REJECTED);
    atomic_store(&mode, MODE_TWO);
    live_apply(live, &target, 1);
    live_wait_value(live, "fake_two" L, 2);
    recorder_answer(&live->recorder, ERR_FULL);
    atomic_store(&mode, MODE_ONE);
    struct buf text;
    uint64_t after = 0, missed = 0;
    buf_init(&text, 1 << 16);
    while (str_find(buf_str(&text), STR("event: gap")) < 0) {
        if (feed_wait(live->feed, &after, LIVE_PATIENCE_MS, 10, &text, &missed) == 0) {
            fail_msg("no gap is shown");
        }
    }
    buf_release(&text);
    assert_true(self_get(SELF_SAMPLES_REJECTED) > before);
    recorder_answer(&live->recorder, 0);
    live_wait_stale(live, "fake_two" L); /* the marker that was refused comes again */
}

static void a_collector_that_cannot_start_is_shown(void **state)
{
    struct live *live = *state;
    const struct config_target target = fake_target("fake", "main", "fake://broken");
    live_apply(live, &target, 1);
    live_wait_value(live, "up{instance=\"broken\", job=\"jobs\"}", 0);
    live_wait_board(live, "\"lastError\":\"made to fail\"");
    assert_int_equal(atomic_load(&stops), 0);
}

static void a_reload_keeps_what_did_not_change(void **state)
{
    struct live *live = *state;
    const struct config_target first[] = {fake_target("fake", "a", "fake://a.example:1"),
                                          fake_target("fake", "b", "fake://b.example:1"),
                                          fake_target("fake", "c", "fake://c.example:1")};
    live_apply(live, first, 3);
    live_wait_value(live, "up{instance=\"a.example:1\", job=\"jobs\"}", 1);
    live_wait_value(live, "fake_one{instance=\"b.example:1\", job=\"jobs\"}", 1);
    live_wait_value(live, "fake_one{instance=\"c.example:1\", job=\"jobs\"}", 1);
    struct config_target second[] = {fake_target("fake", "a", "fake://a.example:1"),
                                     fake_target("fake", "b", "fake://b.example:2"),
                                     fake_target("fake", "d", "fake://d.example:1")};
    live_apply(live, second, 3);
    live_wait_value(live, "up{instance=\"b.example:2\", job=\"jobs\"}", 1);
    live_wait_value(live, "up{instance=\"d.example:1\", job=\"jobs\"}", 1);
    live_wait_stale(live, "fake_one{instance=\"b.example:1\", job=\"jobs\"}");
    live_wait_stale(live, "up{instance=\"c.example:1\", job=\"jobs\"}");
    live_wait_more(live, "up{instance=\"a.example:1\", job=\"jobs\"}", 2);
    assert_int_equal(atomic_load(&starts), 5);
    assert_int_equal(atomic_load(&stops), 2);
    live_wait_board(live, "d.example:1");
}

static void a_reload_to_nothing_empties_the_board(void **state)
{
    struct live *live = *state;
    const struct config_target target = fake_target("fake", "main", "fake://db.example:1234");
    live_apply(live, &target, 1);
    live_wait_value(live, "up" L, 1);
    live_apply(live, NULL, 0);
    live_wait_stale(live, "up" L);
    live_wait_board(live, "\"activeTargets\":[]");
}

/* ---- stale.c alone ---- */

static void markers_are_for_series_of_the_batch_before_only(void **state)
{
    (void)state;
    struct arena arena;
    struct batch before, now;
    arena_init(&arena);
    batch_init(&before, &arena, STR("g"), 1000, (struct labels){0});
    batch_init(&now, &arena, STR("g"), 2000, (struct labels){0});
    batch_add(&before, STR("a"), NULL, 0, 1);
    batch_add(&before, STR("b"), NULL, 0, 1);
    batch_add_at(&before, STR("own_time"), NULL, 0, 500, 1);
    batch_add(&now, STR("c"), NULL, 0, 1);
    batch_add(&now, STR("a"), NULL, 0, 1);
    stale_append(&now, &before);
    assert_int_equal(now.samples.len, 3);
    assert_str_is(labels_get(now.samples.p[2].labels, METRIC_NAME), "b");
    assert_true(sample_is_stale(now.samples.p[2].value));
    assert_int_equal(now.samples.p[2].t_ms, 2000);
    batch_release(&before);
    batch_release(&now);
    arena_release(&arena);
}

int main(void)
{
#define LIVE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        LIVE(samples_get_job_and_instance),
        LIVE(a_series_that_is_gone_ends_at_once),
        LIVE(a_failure_ends_all_but_up),
        LIVE(health_changes_are_events),
        LIVE(silence_is_a_failure_and_its_late_answer_void),
        LIVE(one_deaf_target_does_not_hold_up_others),
        LIVE(too_many_samples_are_refused_whole),
        LIVE(a_full_sink_is_counted_and_shown_as_a_gap),
        LIVE(a_collector_that_cannot_start_is_shown),
        LIVE(a_reload_keeps_what_did_not_change),
        LIVE(a_reload_to_nothing_empties_the_board),
        cmocka_unit_test(markers_are_for_series_of_the_batch_before_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
