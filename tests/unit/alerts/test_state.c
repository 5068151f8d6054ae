#include "alerts/state.h"
#include "src/base/buf.h"
#include "src/model/sample.h"
#include "tests/support/test.h"

#define MIN 60000

/* One evaluation of a story: how much monotonic time passed, whether the condition holds, what is expected after. */
struct step {
    int64_t elapsed_ms, wall_ms;
    bool holds, grace;
    enum alert_state state;
    const char *events; /* P pending, F firing, R resolved, D dropped */
    int64_t fired_at_ms;
};

struct fixture {
    struct arena arena;
    struct alert_states states;
    char events[16];
    size_t n;
};

static void record(void *ctx, struct alert_instance *instance, enum alert_event event)
{
    struct fixture *f = ctx;
    assert_non_null(instance);
    f->events[f->n++] = "PFRD"[event];
    f->events[f->n] = '\0';
}

static struct labels label_set(struct arena *arena, const char *name, const char *value)
{
    struct labels_builder b;
    labels_builder_init(&b, arena);
    labels_set(&b, str_of(name), str_of(value));
    return labels_finish(&b, true);
}

static void evaluate(struct fixture *f, const struct step *s, int64_t for_ms, int64_t keep_ms)
{
    struct labels labels = label_set(&f->arena, "queue", "mail");
    struct alert_result result = {alert_instance_id(7, labels), labels, label_set(&f->arena, "summary", "x"), 3};
    struct alert_timing timing = {.wall_ms = s->wall_ms,
                                  .elapsed_ms = s->elapsed_ms,
                                  .for_ms = for_ms,
                                  .keep_firing_for_ms = keep_ms,
                                  .grace = s->grace};
    f->n = 0;
    f->events[0] = '\0';
    alert_states_apply(&f->states, &timing, &result, s->holds, record, f);
}

static void tell(const struct step *steps, size_t n, int64_t for_ms, int64_t keep_ms)
{
    struct fixture f = {0};
    arena_init(&f.arena);
    for (size_t i = 0; i < n; i++) {
        evaluate(&f, &steps[i], for_ms, keep_ms);
        struct alert_instance *a = f.states.v.len ? f.states.v.p[0] : NULL;
        enum alert_state state = a ? a->state : ALERT_INACTIVE;
        if (state != steps[i].state || strcmp(f.events, steps[i].events) != 0) {
            fail_msg("step %zu: %s with events \"%s\", expected %s with \"%s\"", i, alert_state_name(state), f.events,
                     alert_state_name(steps[i].state), steps[i].events);
        }
        if (steps[i].fired_at_ms) {
            assert_int_equal(a->fired_at_ms, steps[i].fired_at_ms);
        }
    }
    alert_states_release(&f.states);
    arena_release(&f.arena);
}
#define TELL(steps, for_ms, keep_ms) tell(steps, sizeof(steps) / sizeof((steps)[0]), for_ms, keep_ms)

static void without_for_it_fires_at_once_and_resolves(void **state)
{
    (void)state;
    static const struct step s[] = {
        {0, 1000, true, false, ALERT_FIRING, "F", 1000},         {15000, 16000, true, false, ALERT_FIRING, "", 1000},
        {15000, 31000, false, false, ALERT_INACTIVE, "R", 1000}, {15000, 46000, false, false, ALERT_INACTIVE, "", 0},
        {15000, 61000, true, false, ALERT_FIRING, "F", 61000},
    };
    TELL(s, 0, 0);
}

static void for_counts_whole_intervals(void **state)
{
    (void)state;
    static const struct step s[] = {
        {0, 0, true, false, ALERT_PENDING, "P", 0},
        {30000, 30000, true, false, ALERT_PENDING, "", 0},
        {30000, 60000, true, false, ALERT_FIRING, "F", 60000},
    };
    TELL(s, MIN, 0);
}

static void a_pending_alert_that_clears_leaves_no_trace(void **state)
{
    (void)state;
    static const struct step s[] = {
        {0, 0, true, false, ALERT_PENDING, "P", 0},
        {30000, 30000, false, false, ALERT_INACTIVE, "D", 0},
        {30000, 60000, true, false, ALERT_PENDING, "P", 0},
    };
    TELL(s, MIN, 0);
}

static void a_step_of_the_wall_clock_changes_no_duration(void **state)
{
    (void)state;
    static const struct step forward[] = {
        {0, 0, true, false, ALERT_PENDING, "P", 0},
        {15000, 3615000, true, false, ALERT_PENDING, "", 0}, /* +1 h */
        {45000, 3660000, true, false, ALERT_FIRING, "F", 3660000},
    };
    static const struct step back[] = {
        {0, 7200000, true, false, ALERT_PENDING, "P", 0},
        {15000, 3615000, true, false, ALERT_PENDING, "", 0}, /* -1 h */
        {45000, 3660000, true, false, ALERT_FIRING, "F", 3660000},
    };
    TELL(forward, MIN, 0);
    TELL(back, MIN, 0);
}

static void keep_firing_for_bridges_gaps(void **state)
{
    (void)state;
    static const struct step s[] = {
        {0, 0, true, false, ALERT_FIRING, "F", 0},
        {15000, 15000, false, false, ALERT_FIRING, "", 0},
        {15000, 30000, true, false, ALERT_FIRING, "", 0}, /* back: the count starts anew */
        {15000, 45000, false, false, ALERT_FIRING, "", 0},
        {15000, 60000, false, false, ALERT_FIRING, "", 0},
        {15000, 75000, false, false, ALERT_INACTIVE, "R", 0},
    };
    TELL(s, 0, 30000);
}

static void resolved_alerts_are_kept_for_fifteen_minutes(void **state)
{
    (void)state;
    static const struct step s[] = {
        {0, 0, true, false, ALERT_FIRING, "F", 0},
        {MIN, MIN, false, false, ALERT_INACTIVE, "R", 0},
        {14 * MIN, 15 * MIN, false, false, ALERT_INACTIVE, "", 0},
        {MIN, 16 * MIN, false, false, ALERT_INACTIVE, "D", 0},
    };
    TELL(s, 0, 0);
}

/* Encodes and decodes the only instance, as a restart does. */
static void restart(struct fixture *f)
{
    auto_buf bytes;
    buf_init(&bytes, 1 << 20);
    alert_instance_encode(f->states.v.p[0], &bytes);
    struct alert_instance *back = alert_instance_decode(f->states.v.p[0]->id, buf_str(&bytes));
    assert_non_null(back);
    alert_states_release(&f->states);
    alert_states_adopt(&f->states, back);
}

static void down_time_does_not_count_towards_for(void **state)
{
    (void)state;
    struct fixture f = {0};
    arena_init(&f.arena);
    evaluate(&f, &(struct step){.wall_ms = 1000, .holds = true}, MIN, 0);
    evaluate(&f, &(struct step){.elapsed_ms = 30000, .wall_ms = 31000, .holds = true}, MIN, 0);
    restart(&f);
    /* An hour later, first evaluation of the new process: elapsed 0. */
    evaluate(&f, &(struct step){.wall_ms = 3631000, .holds = true}, MIN, 0);
    assert_int_equal(f.states.v.p[0]->state, ALERT_PENDING);
    assert_int_equal(f.states.v.p[0]->active_at_ms, 1000);
    assert_int_equal(f.states.v.p[0]->held_ms, 30000);
    evaluate(&f, &(struct step){.elapsed_ms = 30000, .wall_ms = 3661000, .holds = true}, MIN, 0);
    assert_int_equal(f.states.v.p[0]->state, ALERT_FIRING);
    alert_states_release(&f.states);
    arena_release(&f.arena);
}

static void a_restart_alone_resolves_nothing(void **state)
{
    (void)state;
    struct fixture f = {0};
    arena_init(&f.arena);
    evaluate(&f, &(struct step){.wall_ms = 1000, .holds = true}, 0, 0);
    restart(&f);
    assert_int_equal(f.states.v.p[0]->fired_at_ms, 1000);
    evaluate(&f, &(struct step){.wall_ms = 20000, .holds = false, .grace = true}, 0, 0);
    assert_int_equal(f.states.v.p[0]->state, ALERT_FIRING);
    assert_string_equal(f.events, "");
    /* Shown again, it is an alert like any other: gone the next time, it resolves within the grace. */
    evaluate(&f, &(struct step){.elapsed_ms = 15000, .wall_ms = 35000, .holds = true, .grace = true}, 0, 0);
    assert_string_equal(f.events, ""); /* no second message */
    evaluate(&f, &(struct step){.elapsed_ms = 15000, .wall_ms = 50000, .holds = false, .grace = true}, 0, 0);
    assert_string_equal(f.events, "R");
    alert_states_release(&f.states);
    /* Not shown until the grace is over: resolved then. */
    f.states = (struct alert_states){0};
    evaluate(&f, &(struct step){.wall_ms = 1000, .holds = true}, 0, 0);
    restart(&f);
    evaluate(&f, &(struct step){.elapsed_ms = 30000, .wall_ms = 50000, .holds = false}, 0, 0);
    assert_string_equal(f.events, "R");
    alert_states_release(&f.states);
    arena_release(&f.arena);
}

static void instances_survive_with_every_byte(void **state)
{
    (void)state;
    struct fixture f = {0};
    arena_init(&f.arena);
    char bytes[256];
    for (int i = 0; i < 256; i++) {
        bytes[i] = (char)i;
    }
    struct labels_builder b;
    labels_builder_init(&b, &f.arena);
    labels_set(&b, STR("any"), str_make(bytes, sizeof(bytes)));
    labels_set(&b, STR("utf8"), STR("näh \xf0\x9f\x90\x8e"));
    struct alert_instance a = {.id = 9,
                               .labels = labels_finish(&b, false),
                               .annotations = label_set(&f.arena, "summary", "text"),
                               .value = NAN,
                               .state = ALERT_FIRING,
                               .active_at_ms = 1,
                               .fired_at_ms = 2,
                               .keep_firing_since_ms = 4,
                               .held_ms = 5,
                               .kept_ms = 6};
    auto_buf out, again;
    buf_init(&out, 1 << 20);
    buf_init(&again, 1 << 20);
    alert_instance_encode(&a, &out);
    struct alert_instance *back = alert_instance_decode(9, buf_str(&out));
    assert_non_null(back);
    assert_true(back->restored);
    assert_true(labels_eq(back->labels, a.labels));
    assert_true(sample_bits(back->value) == sample_bits(a.value));
    alert_instance_encode(back, &again);
    assert_str_eq(buf_str(&again), buf_str(&out));
    alert_instance_free(back);
    for (size_t cut = 0; cut < out.len; cut++) { /* a damaged record is refused, not half read */
        assert_null(alert_instance_decode(9, str_slice(buf_str(&out), 0, cut)));
    }
    out.p[0] = 99;
    assert_null(alert_instance_decode(9, buf_str(&out)));
    arena_release(&f.arena);
}

static void count(void *ctx, struct alert_instance *instance, enum alert_event event)
{
    assert_non_null(instance);
    ((size_t *)ctx)[event]++;
}

static void many_instances_keep_their_own_states(void **state)
{
    (void)state;
    static struct alert_result results[3000];
    auto_arena arena;
    struct alert_states states = {0};
    size_t events[4] = {0};
    arena_init(&arena);
    for (size_t i = 0; i < 3000; i++) {
        struct labels labels = label_set(&arena, "queue", arena_cstr(&arena, arena_printf(&arena, "q%zu", i)));
        results[i] = (struct alert_result){alert_instance_id(1, labels), labels, {0}, (double)i};
    }
    struct alert_timing timing = {.wall_ms = 1, .elapsed_ms = 10, .for_ms = 10};
    alert_states_apply(&states, &timing, results, 3000, count, events);
    alert_states_apply(&states, &timing, results, 1000, count, events); /* 2000 clear, 1000 fire */
    assert_int_equal(events[ALERT_EVENT_PENDING], 3000);
    assert_int_equal(events[ALERT_EVENT_FIRING], 1000);
    assert_int_equal(events[ALERT_EVENT_DROPPED], 2000);
    assert_int_equal(alert_states_active(&states), 1000);
    for (size_t i = 0; i < 1000; i++) {
        struct alert_instance *a = alert_states_find(&states, results[i].id);
        assert_non_null(a);
        assert_true(a->value == (double)i && labels_eq(a->labels, results[i].labels));
    }
    alert_states_release(&states);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_for_it_fires_at_once_and_resolves),
        cmocka_unit_test(for_counts_whole_intervals),
        cmocka_unit_test(a_pending_alert_that_clears_leaves_no_trace),
        cmocka_unit_test(a_step_of_the_wall_clock_changes_no_duration),
        cmocka_unit_test(keep_firing_for_bridges_gaps),
        cmocka_unit_test(resolved_alerts_are_kept_for_fifteen_minutes),
        cmocka_unit_test(down_time_does_not_count_towards_for),
        cmocka_unit_test(a_restart_alone_resolves_nothing),
        cmocka_unit_test(instances_survive_with_every_byte),
        cmocka_unit_test(many_instances_keep_their_own_states),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
