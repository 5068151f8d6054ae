#include "src/base/ordered.h"
#include "src/base/processors.h"
#include "tests/support/test.h"

#include <stdatomic.h>
#include <stdint.h>

#define PIECES 5000
#define SLOTS  7

struct job {
    uint64_t results[SLOTS];
    atomic_size_t worked;
    atomic_int running[1 + ORDERED_HELPERS_MAX]; /* by worker */
    size_t taken, stop_at;
    bool twice, out_of_order;
};

static void work(void *ctx, unsigned worker, size_t piece, size_t slot)
{
    struct job *job = ctx;
    if (atomic_fetch_add(&job->running[worker], 1) != 0) {
        job->twice = true; /* two threads with one number */
    }
    uint64_t v = piece + 1;
    for (size_t i = 0; i < piece % 7 * 100; i++) {
        v = v * 6364136223846793005u + 1;
    }
    job->results[slot] = v;
    atomic_fetch_add(&job->worked, 1);
    atomic_fetch_sub(&job->running[worker], 1);
}

static int take(void *ctx, size_t piece, size_t slot)
{
    struct job *job = ctx;
    uint64_t v = piece + 1;
    for (size_t i = 0; i < piece % 7 * 100; i++) {
        v = v * 6364136223846793005u + 1;
    }
    job->out_of_order = job->out_of_order || piece != job->taken || slot != piece % SLOTS || job->results[slot] != v;
    job->taken++;
    return piece == job->stop_at ? -7 : 0;
}

static int run(struct job *job, size_t pieces, size_t stop_at, unsigned helpers)
{
    *job = (struct job){.stop_at = stop_at};
    const struct ordered o = {.pieces = pieces, .slots = SLOTS, .work = work, .take = take, .ctx = job};
    int rc = ordered_run(&o, helpers);
    assert_false(job->twice);
    assert_false(job->out_of_order);
    return rc;
}

static void everything_is_taken_once_and_in_order(void **state)
{
    (void)state;
    for (unsigned helpers = 0; helpers <= ORDERED_HELPERS_MAX; helpers++) {
        struct job job;
        assert_int_equal(run(&job, PIECES, SIZE_MAX, helpers), 0);
        assert_int_equal(job.taken, PIECES);
        assert_int_equal(job.worked, PIECES);
    }
}

static void an_end_in_the_middle_ends_all(void **state)
{
    (void)state;
    for (unsigned helpers = 0; helpers <= ORDERED_HELPERS_MAX; helpers++) {
        struct job job;
        assert_int_equal(run(&job, PIECES, 100, helpers), -7);
        assert_int_equal(job.taken, 101);
        assert_true(job.worked <= 101 + SLOTS);
    }
}

static void few_pieces_or_none(void **state)
{
    (void)state;
    struct job job;
    assert_int_equal(run(&job, 0, SIZE_MAX, 2), 0);
    assert_int_equal(job.worked, 0);
    assert_int_equal(run(&job, 1, SIZE_MAX, ORDERED_HELPERS_MAX), 0);
    assert_int_equal(job.taken, 1);
    assert_int_equal(run(&job, 1, 0, ORDERED_HELPERS_MAX), -7);
}

static void helpers_are_as_many_as_processors_are_left(void **state)
{
    (void)state;
    unsigned there = processors_usable() - 1;
    unsigned got = 0, n;
    while ((n = ordered_helpers_take(2)) > 0) {
        assert_true(n <= 2);
        got += n;
    }
    assert_int_equal(got, there);
    ordered_helpers_give(got);
    assert_int_equal(ordered_helpers_take(1000000), there);
    ordered_helpers_give(there);
    assert_int_equal(ordered_helpers_take(0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_is_taken_once_and_in_order),
        cmocka_unit_test(an_end_in_the_middle_ends_all),
        cmocka_unit_test(few_pieces_or_none),
        cmocka_unit_test(helpers_are_as_many_as_processors_are_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
