/* The smallest time written since a token: never later than the truth. */
#include "storage/changes.h"
#include "tests/unit/storage/store_test.h"

static void nothing_since_is_nothing(void **state)
{
    (void)state;
    static struct changes c;
    assert_int_equal(changes_since(&c, 0), INT64_MAX);
    changes_note(&c, 5);
    assert_int_equal(changes_since(&c, 0), 5);
    assert_int_equal(changes_since(&c, c.count), INT64_MAX);
    changes_note(&c, 3);
    assert_int_equal(changes_since(&c, 0), 3);
    assert_int_equal(changes_since(&c, 1), 3);
    changes_note(&c, 9);
    assert_int_equal(changes_since(&c, 1), 3);
    assert_int_equal(changes_since(&c, 2), 9);
}

/* Against a list of all notes: rising times with late ones between, many times what the stack holds. */
static void it_is_never_later_than_the_truth_and_near_it(void **state)
{
    (void)state;
    enum { N = 20000 };
    static struct changes c;
    static int64_t truth[N];
    unsigned seed = 20261128;
    for (int i = 0; i < N; i++) {
        truth[i] = i * 10 - (rand_r(&seed) % 50 == 0 ? rand_r(&seed) % 20000 : 0);
        changes_note(&c, truth[i]);
        assert_true(c.n <= CHANGES_MAX);
    }
    int64_t least = INT64_MAX;
    for (int i = N - 1; i >= 0; i--) {
        least = truth[i] < least ? truth[i] : least;
        int64_t got = changes_since(&c, (uint64_t)i);
        assert_true(got <= least);
        assert_true(least - got <= (N - i) * 10 / 64 + 10);
    }
}

static void the_store_notes_appends_and_deletions(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    fixture_open(&f);
    uint64_t before = store_change_token(f.store);
    auto_arena arena;
    arena_init(&arena);
    const struct label label[] = {{STR("a"), STR("b")}};
    struct batch batch;
    batch_init(&batch, &arena, STR("g"), START + 1000, (struct labels){0});
    assert_true(batch_add(&batch, STR("m"), label, 1, 1));
    assert_int_equal(store_append(f.store, &batch, NULL, NULL), 0);
    batch_release(&batch);
    assert_int_equal(store_changed_since(f.store, before), START + 1000);
    uint64_t after = store_change_token(f.store);
    assert_int_equal(store_flush(f.store), 0);
    assert_int_equal(store_changed_since(f.store, after), INT64_MAX); /* the same samples at another place */
    struct matcher matcher;
    struct error err = {0};
    assert_int_equal(matcher_init(&matcher, MATCH_EQ, METRIC_NAME, STR("m"), &err), 0);
    size_t series;
    assert_int_equal(store_delete_series(f.store, &matcher, 1, START, START + HOUR, &series, &err), 0);
    assert_int_equal(store_changed_since(f.store, after), INT64_MIN);
    matcher_release(&matcher);
    fixture_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_since_is_nothing),
        cmocka_unit_test(it_is_never_later_than_the_truth_and_near_it),
        cmocka_unit_test(the_store_notes_appends_and_deletions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
