#include "src/base/counter.h"
#include "tests/support/test.h"

#include <pthread.h>
#include <string.h>

static void *count(void *arg)
{
    (void)arg;
    for (int i = 0; i < 10000; i++) {
        self_add(SELF_SCRAPES, 1);
    }
    return NULL;
}

static void counts_of_all_threads_add_up(void **state)
{
    (void)state;
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        pthread_create(&threads[i], NULL, count, NULL);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(self_get(SELF_SCRAPES), 40000);
    self_set(SELF_SERIES, -5);
    assert_int_equal(self_get(SELF_SERIES), -5);
}

/* Prometheus' naming: a counter ends in _total, nothing else does. */
static void the_table_is_well_formed(void **state)
{
    (void)state;
    for (int id = 0; id < SELF_COUNT; id++) {
        const struct self_info *info = self_info((enum self_id)id);
        bool counter = strcmp(info->type, "counter") == 0;
        assert_true(counter || strcmp(info->type, "gauge") == 0);
        assert_true(str_starts(str_of(info->name), STR("cloche_")));
        assert_int_equal(counter, str_ends(str_of(info->name), STR("_total")));
        assert_true(str_ends(str_of(info->help), STR(".")));
        for (int other = 0; other < id; other++) {
            assert_string_not_equal(info->name, self_info((enum self_id)other)->name);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_of_all_threads_add_up),
        cmocka_unit_test(the_table_is_well_formed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
