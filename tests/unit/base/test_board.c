#include "src/base/board.h"
#include "src/base/clock.h"
#include "tests/support/test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

static void readers_keep_the_version_they_took(void **state)
{
    (void)state;
    struct board *board = board_new();
    assert_null(board_read(board, "targets"));
    clock_fake(1234, 0);
    board_publish(board, "targets", STR("[1]"));
    clock_real();
    const struct board_doc *old = board_read(board, "targets");
    board_publish(board, "targets", STR("[2]"));
    board_publish(board, "queues", STR(""));
    const struct board_doc *now = board_read(board, "targets"), *other = board_read(board, "queues");
    assert_str_is(old->json, "[1]");
    assert_int_equal(old->version, 1);
    assert_int_equal(old->published_ms, 1234);
    assert_str_is(now->json, "[2]");
    assert_int_equal(now->version, 2);
    assert_str_is(other->json, "");
    assert_int_equal(other->version, 1);
    board_unref(old);
    board_unref(now);
    board_unref(other);
    board_unref(NULL);
    board_free(board);
    board_free(NULL);
}

static atomic_bool stop;

static void *read_often(void *arg)
{
    struct board *board = arg;
    uint64_t seen = 0;
    while (!atomic_load(&stop)) {
        const struct board_doc *doc = board_read(board, "x");
        if (!doc) {
            continue;
        }
        int64_t n = -1;
        assert_true(str_to_int64(doc->json, &n));
        assert_int_equal(n, doc->version); /* a document is never half replaced */
        assert_true(doc->version >= seen);
        seen = doc->version;
        board_unref(doc);
    }
    return NULL;
}

static void versions_are_whole_under_threads(void **state)
{
    (void)state;
    struct board *board = board_new();
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) {
        pthread_create(&threads[i], NULL, read_often, board);
    }
    for (int i = 1; i <= 20000; i++) {
        char json[16];
        board_publish(board, "x", str_make(json, (size_t)snprintf(json, sizeof(json), "%d", i)));
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
    }
    board_free(board);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readers_keep_the_version_they_took),
        cmocka_unit_test(versions_are_whole_under_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
