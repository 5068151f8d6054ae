/* The list of running queries: order, texts, ending one. */
#include "src/base/counter.h"
#include "src/query/active.h"
#include "tests/support/test.h"

static void queries_are_listed_oldest_first_with_texts_cut(void **state)
{
    (void)state;
    char text[3 * ACTIVE_TEXT_MAX];
    memset(text, 'x', sizeof(text));
    struct active_query a = {.text = {text, sizeof(text)}, .peer = STR("10.0.0.1"), .end_ms = 5};
    struct active_query b = {.text = STR("up"), .rule = STR("Down")};
    struct active_query c = {.text = STR("down")};
    auto_arena arena;
    struct active_info *list;
    arena_init(&arena);
    assert_int_equal(active_list(&arena, &list), 0);
    active_begin(&a);
    active_begin(&b);
    active_begin(&c);
    active_running(&b);
    atomic_store(&b.progress.samples, 7);
    assert_int_equal(active_list(&arena, &list), 3);
    assert_int_equal(list[0].query.text.len, ACTIVE_TEXT_MAX);
    assert_str_is(list[0].query.peer, "10.0.0.1");
    assert_false(list[0].running);
    assert_str_is(list[1].query.rule, "Down");
    assert_true(list[1].running);
    assert_int_equal(list[1].samples, 7);
    assert_true(list[0].query.id < list[1].query.id && list[1].query.id < list[2].query.id);
    active_end(&b); /* from the middle, the end, the beginning */
    active_end(&c);
    assert_int_equal(active_list(&arena, &list), 1);
    active_begin(&c);
    active_end(&a);
    assert_int_equal(active_list(&arena, &list), 1);
    assert_str_is(list[0].query.text, "down");
    active_end(&c);
    assert_int_equal(active_list(&arena, &list), 0);
    assert_int_equal(self_get(SELF_QUERIES_RUNNING), 0);
}

static void one_is_ended_by_its_number_and_no_other(void **state)
{
    (void)state;
    struct active_query a = {.text = STR("a")}, b = {.text = STR("b")};
    active_begin(&a);
    active_begin(&b);
    assert_false(active_cancel(b.id + 1));
    assert_true(active_cancel(b.id));
    assert_true(active_cancelled(&b));
    assert_false(active_cancelled(&a));
    uint64_t id = b.id;
    active_end(&b);
    assert_false(active_cancel(id));
    active_end(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(queries_are_listed_oldest_first_with_texts_cut),
        cmocka_unit_test(one_is_ended_by_its_number_and_no_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
