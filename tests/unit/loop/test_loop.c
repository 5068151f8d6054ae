#include "src/loop/loop.h"
#include "tests/support/test.h"
#include "tests/unit/loop/servers.h"

#include <stdatomic.h>

enum { LIMIT_MS = 20000 };

static int claim(void **state)
{
    (void)state;
    loop_claim();
    return 0;
}

/* -- timers -- */

struct ticks {
    struct loop *loop;
    struct loop_timer *timer;
    int count, stop_at;
    bool done;
};

static void on_tick(void *ctx)
{
    loop_assert();
    struct ticks *t = ctx;
    if (++t->count == t->stop_at) {
        loop_timer_stop(t->timer); /* from within its own callback */
        t->timer = NULL;
        t->done = true;
    }
}

static void timers_repeat_until_stopped_from_their_callback(void **state)
{
    (void)state;
    loop_assert();
    struct loop *loop = loop_new();
    struct ticks t = {.loop = loop, .stop_at = 3};
    t.timer = loop_timer_start(loop, 0, 1, on_tick, &t);
    assert_true(turn_until(loop, &t.done, LIMIT_MS));
    turn_for(loop, 20);
    assert_int_equal(t.count, 3);
    loop_free(loop);
}

static void one_shot_timers_can_be_armed_again(void **state)
{
    (void)state;
    loop_assert();
    struct loop *loop = loop_new();
    struct ticks t = {.loop = loop, .stop_at = 2};
    t.timer = loop_timer_start(loop, 0, 0, on_tick, &t);
    turn_for(loop, 20);
    assert_int_equal(t.count, 1);
    loop_timer_again(t.timer, 0);
    assert_true(turn_until(loop, &t.done, LIMIT_MS));
    loop_timer_stop(NULL);
    loop_free(loop);
}

static void on_usr1(void *ctx)
{
    loop_assert();
    *(bool *)ctx = true;
}

static void signals_arrive_on_the_loop(void **state)
{
    (void)state;
    loop_assert();
    struct loop *loop = loop_new();
    bool got = false;
    loop_on_signal(loop, SIGUSR1, on_usr1, &got);
    kill(getpid(), SIGUSR1);
    assert_true(turn_until(loop, &got, LIMIT_MS));
    loop_free(loop);
}

/* -- work -- */

struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool open;
};

static void gate_open(struct gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    gate->open = true;
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->lock);
}

struct job {
    struct gate *gate;
    atomic_int *running, *most;
    bool ran, done;
};

static void run_gated(void *ctx)
{
    struct job *job = ctx;
    int now = atomic_fetch_add(job->running, 1) + 1, most = atomic_load(job->most);
    while (now > most && !atomic_compare_exchange_weak(job->most, &most, now)) {
    }
    pthread_mutex_lock(&job->gate->lock);
    while (!job->gate->open) {
        pthread_cond_wait(&job->gate->changed, &job->gate->lock);
    }
    pthread_mutex_unlock(&job->gate->lock);
    job->ran = true;
    atomic_fetch_sub(job->running, 1);
}

static void job_done(void *ctx)
{
    loop_assert();
    struct job *job = ctx;
    assert_true(job->ran);
    job->done = true;
}

static void lanes_keep_their_limits_and_do_not_block_each_other(void **state)
{
    (void)state;
    loop_assert();
    static const int limits[LANE_COUNT] = {[LANE_QUERY] = 2, [LANE_HOST] = 1, [LANE_DNS] = 2};
    for (int lane = 0; lane < LANE_COUNT; lane++) {
        struct loop *loop = loop_new();
        struct gate gate = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};
        struct gate opened = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, true};
        atomic_int running = 0, most = 0, other_running = 0, other_most = 0;
        struct job jobs[8], other = {.gate = &opened, .running = &other_running, .most = &other_most};
        for (int i = 0; i < 8; i++) {
            jobs[i] = (struct job){.gate = &gate, .running = &running, .most = &most};
            assert_int_equal(loop_work(loop, (enum loop_lane)lane, run_gated, job_done, &jobs[i]), 0);
        }
        /* While this lane hangs, another one's job gets through. */
        enum loop_lane other_lane = lane == LANE_QUERY ? LANE_HOST : LANE_QUERY;
        assert_int_equal(loop_work(loop, other_lane, run_gated, job_done, &other), 0);
        assert_true(turn_until(loop, &other.done, LIMIT_MS));
        gate_open(&gate);
        for (int i = 0; i < 8; i++) {
            assert_true(turn_until(loop, &jobs[i].done, LIMIT_MS));
        }
        assert_true(atomic_load(&most) <= limits[lane]);
        loop_free(loop);
    }
}

static void a_full_queue_refuses_work(void **state)
{
    (void)state;
    loop_assert();
    struct loop *loop = loop_new();
    struct gate gate = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};
    atomic_int running = 0, most = 0;
    static struct job jobs[2000];
    int taken = 0;
    for (; taken < 2000; taken++) {
        jobs[taken] = (struct job){.gate = &gate, .running = &running, .most = &most};
        int rc = loop_work(loop, LANE_HOST, run_gated, job_done, &jobs[taken]);
        if (rc) {
            assert_int_equal(rc, ERR_FULL);
            break;
        }
    }
    assert_in_range(taken, 1024, 1025); /* one of them may run already */
    gate_open(&gate);
    for (int i = 0; i < taken; i++) {
        assert_true(turn_until(loop, &jobs[i].done, LIMIT_MS));
    }
    loop_free(loop);
}

static void jobs_under_way_end_before_the_loop_is_freed(void **state)
{
    (void)state;
    loop_assert();
    struct loop *loop = loop_new();
    struct gate gate = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, true};
    atomic_int running = 0, most = 0;
    struct job jobs[20];
    for (int i = 0; i < 20; i++) {
        jobs[i] = (struct job){.gate = &gate, .running = &running, .most = &most};
        assert_int_equal(loop_work(loop, LANE_QUERY, run_gated, job_done, &jobs[i]), 0);
    }
    loop_free(loop);
    for (int i = 0; i < 20; i++) {
        assert_true(jobs[i].done);
    }
}

/* -- messages -- */

struct caller {
    struct loop *loop;
    atomic_int ran;
    int rc, timeout_ms, posts;
};

static void count_call(void *ctx)
{
    loop_assert();
    struct caller *c = ctx;
    atomic_fetch_add(&c->ran, 1);
}

static void stop_loop(void *ctx)
{
    struct caller *c = ctx;
    loop_stop(c->loop);
}

static void *post_many(void *arg)
{
    struct caller *c = arg;
    for (int i = 0; i < c->posts; i++) {
        loop_post(c->loop, count_call, c);
    }
    c->rc = loop_call(c->loop, count_call, c, c->timeout_ms);
    return NULL;
}

static void messages_of_many_threads_arrive(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    struct caller callers[4];
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        callers[i] = (struct caller){.loop = loop, .timeout_ms = LIMIT_MS, .posts = 1000, .rc = -1};
        pthread_create(&threads[i], NULL, post_many, &callers[i]);
    }
    loop_assert();
    int total = 0;
    while (total < 4 * 1001) {
        uv_run(loop_uv(loop), UV_RUN_ONCE);
        total = 0;
        for (int i = 0; i < 4; i++) {
            total += atomic_load(&callers[i].ran);
        }
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(callers[i].rc, 0);
    }
    loop_free(loop);
}

static void a_call_that_is_not_taken_in_time_never_runs(void **state)
{
    (void)state;
    loop_assert();
    struct loop *loop = loop_new(); /* nobody turns it */
    struct caller c = {.loop = loop, .timeout_ms = 20, .rc = -1};
    pthread_t thread;
    pthread_create(&thread, NULL, post_many, &c);
    pthread_join(thread, NULL);
    assert_int_equal(c.rc, ERR_TIMEOUT);
    turn_for(loop, 20);
    assert_int_equal(atomic_load(&c.ran), 0);
    loop_free(loop);
}

static void slow_call(void *ctx)
{
    struct caller *c = ctx;
    usleep(100000);
    atomic_fetch_add(&c->ran, 1);
}

static void *call_slow(void *arg)
{
    struct caller *c = arg;
    c->rc = loop_call(c->loop, slow_call, c, c->timeout_ms);
    c->posts = atomic_load(&c->ran); /* what had run when the call came back */
    return NULL;
}

static void a_call_that_has_begun_is_waited_for(void **state)
{
    (void)state;
    loop_assert();
    struct loop *loop = loop_new();
    struct caller c = {.loop = loop, .timeout_ms = 50, .rc = -1};
    pthread_t thread;
    pthread_create(&thread, NULL, call_slow, &c);
    while (atomic_load(&c.ran) == 0) {
        uv_run(loop_uv(loop), UV_RUN_ONCE);
    }
    pthread_join(thread, NULL);
    assert_int_equal(c.rc, 0);
    assert_int_equal(c.posts, 1);
    loop_free(loop);
}

static void *run_loop(void *arg)
{
    loop_run(arg);
    return NULL;
}

static void a_stopped_loop_refuses_calls(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    pthread_t runner;
    pthread_create(&runner, NULL, run_loop, loop);
    struct caller c = {.loop = loop, .rc = -1};
    assert_int_equal(loop_call(loop, count_call, &c, LIMIT_MS), 0);
    assert_int_equal(loop_call(loop, stop_loop, &c, LIMIT_MS), 0);
    pthread_join(runner, NULL);
    assert_int_equal(loop_call(loop, count_call, &c, LIMIT_MS), ERR_CLOSED);
    assert_int_equal(atomic_load(&c.ran), 1);
    loop_claim();
    loop_assert();
    loop_free(loop);
}

static void *call_quick(void *arg)
{
    struct caller *c = arg;
    c->rc = loop_call(c->loop, count_call, c, LIMIT_MS);
    return NULL;
}

static void callers_get_an_answer_however_the_loop_ends(void **state)
{
    (void)state;
    loop_assert();
    for (int i = 0; i < 50; i++) { /* races with loop_stop(): the call runs, or is refused, and never hangs */
        struct loop *loop = loop_new();
        struct caller c = {.loop = loop, .rc = -1};
        pthread_t thread;
        pthread_create(&thread, NULL, call_quick, &c);
        loop_stop(loop);
        loop_run(loop);
        pthread_join(thread, NULL);
        assert_true(c.rc == (atomic_load(&c.ran) ? 0 : ERR_CLOSED));
        loop_free(loop);
    }
}

static void stopping_a_loop_that_does_not_run_yet_holds(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    loop_stop(loop);
    loop_run(loop);
    loop_assert();
    loop_free(loop);
}

/* -- names -- */

struct found {
    bool done;
    size_t n;
    int port;
    sa_family_t family;
    struct error err;
};

static void on_found(void *ctx, const struct sockaddr_storage *addrs, size_t n, const struct error *err)
{
    loop_assert();
    struct found *f = ctx;
    f->done = true;
    f->n = n;
    if (n) {
        f->family = addrs[0].ss_family;
        f->port = ntohs(((const struct sockaddr_in *)&addrs[0])->sin_port); /* at the same place in both families */
    } else {
        f->err = *err;
    }
}

static void names_and_addresses_are_resolved(void **state)
{
    (void)state;
    loop_assert();
    static const struct {
        const char *host;
        sa_family_t family; /* AF_UNSPEC: either */
        bool found;
    } cases[] = {
        {"127.0.0.1", AF_INET, true},
        {"::1", AF_INET6, true},
        {"localhost", AF_UNSPEC, true},
        {"no-such-host.invalid", AF_UNSPEC, false},
    };
    struct loop *loop = loop_new();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct found f = {0};
        loop_resolve(loop, str_of(cases[i].host), 6379, on_found, &f);
        assert_false(f.done); /* never from within the call */
        assert_true(turn_until(loop, &f.done, LIMIT_MS));
        assert_int_equal(f.n > 0, cases[i].found);
        if (cases[i].found) {
            assert_int_equal(f.port, 6379);
            assert_true(cases[i].family == AF_UNSPEC || cases[i].family == f.family);
        } else {
            assert_non_null(strstr(f.err.text, cases[i].host));
        }
    }
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(timers_repeat_until_stopped_from_their_callback, claim),
        cmocka_unit_test_setup(one_shot_timers_can_be_armed_again, claim),
        cmocka_unit_test_setup(signals_arrive_on_the_loop, claim),
        cmocka_unit_test_setup(lanes_keep_their_limits_and_do_not_block_each_other, claim),
        cmocka_unit_test_setup(a_full_queue_refuses_work, claim),
        cmocka_unit_test_setup(jobs_under_way_end_before_the_loop_is_freed, claim),
        cmocka_unit_test_setup(messages_of_many_threads_arrive, claim),
        cmocka_unit_test_setup(a_call_that_is_not_taken_in_time_never_runs, claim),
        cmocka_unit_test_setup(a_call_that_has_begun_is_waited_for, claim),
        cmocka_unit_test_setup(a_stopped_loop_refuses_calls, claim),
        cmocka_unit_test_setup(callers_get_an_answer_however_the_loop_ends, claim),
        cmocka_unit_test_setup(stopping_a_loop_that_does_not_run_yet_holds, claim),
        cmocka_unit_test_setup(names_and_addresses_are_resolved, claim),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
