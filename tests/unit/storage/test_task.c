#include "storage/task.h"
#include "storage/task_internal.h"
#include "tests/unit/storage/store_test.h"

#define NOW START

struct task_fixture {
    struct fixture store;
    struct arena arena;
};

static int setup(void **state)
{
    struct task_fixture *f = mem_zalloc(sizeof(*f));
    fixture_init(&f->store);
    fixture_open(&f->store);
    arena_init(&f->arena);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct task_fixture *f = *state;
    fixture_release(&f->store);
    arena_release(&f->arena);
    mem_free(f);
    return 0;
}

static void append(struct task_fixture *f, const struct task_event *events, size_t n)
{
    assert_int_equal(store_append_tasks(f->store.store, events, n, NULL, NULL), 0);
}

static void sync_store(struct task_fixture *f)
{
    assert_int_equal(store_sync(f->store.store, 10000), 0);
}

static struct task_event event(enum task_event_type type, struct str uuid, int64_t t_ms)
{
    return (struct task_event){.type = type,
                               .uuid = uuid,
                               .hostname = type == TASK_EVENT_SENT ? STR("gen1@web1") : STR("w1@web1"),
                               .t_ms = t_ms,
                               .retries = -1,
                               .runtime = NAN,
                               .broker = STR("main")};
}

/* Task i: name shop.add or shop.mul, queue by i % 3, every tenth fails with one of two exceptions. */
static void add_task(struct task_fixture *f, unsigned i, int64_t t_ms)
{
    struct str uuid = arena_printf(&f->arena, "%08x-0000-4000-8000-%012x", i * 2654435761u, i);
    struct task_event events[3];
    events[0] = event(TASK_EVENT_SENT, uuid, t_ms);
    events[0].name = i % 2 ? STR("shop.mul") : STR("shop.add");
    events[0].queue = arena_printf(&f->arena, "q%u", i % 3);
    events[0].args = arena_printf(&f->arena, "('customer-%05u',)", i);
    events[0].root_id = uuid;
    events[1] = event(TASK_EVENT_RECEIVED, uuid, t_ms + 5);
    events[1].hostname = i % 5 ? STR("w1@web1") : STR("w2@web2");
    events[2] = event(i % 10 ? TASK_EVENT_SUCCEEDED : TASK_EVENT_FAILED, uuid, t_ms + 10);
    events[2].hostname = events[1].hostname;
    if (i % 10 == 0) {
        events[2].exception = i % 20 ? STR("ValueError('boom')") : STR("KeyError('k')");
        events[2].traceback = STR("Traceback (most recent call last):\n  File \"x.py\"\nBoomError: the very end\n");
    }
    append(f, events, 3);
}

static void add_tasks(struct task_fixture *f, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        add_task(f, i, NOW + i);
    }
    sync_store(f);
}

static struct task_page find(struct task_fixture *f, struct task_filter filter)
{
    struct task_page page;
    assert_int_equal(task_find(f->store.store, &filter, &f->arena, &page), 0);
    return page;
}

/* All pages together. */
static size_t count(struct task_fixture *f, struct task_filter filter)
{
    size_t n = 0;
    uint64_t last = UINT64_MAX;
    filter.limit = 37;
    for (;;) {
        struct task_page page = find(f, filter);
        for (size_t i = 0; i < page.n; i++) {
            assert_true(page.v[i].id < last);
            last = page.v[i].id;
        }
        n += page.n;
        if (page.next_before_id == 0) {
            return n;
        }
        filter.before_id = page.next_before_id;
    }
}

static void events_of_a_task_become_one_record(void **state)
{
    struct task_fixture *f = *state;
    struct task task;
    add_task(f, 1, NOW);
    sync_store(f);
    struct task_page page = find(f, (struct task_filter){0});
    assert_int_equal(page.n, 1);
    assert_int_equal(page.total, 1);
    assert_int_equal(page.next_before_id, 0);
    assert_int_equal(page.v[0].state, TASK_SUCCESS);
    assert_str_is(page.v[0].name, "shop.mul");
    assert_str_is(page.v[0].worker, "w1@web1");
    assert_str_is(page.v[0].args, "('customer-00001',)");
    assert_int_equal(task_get(f->store.store, page.v[0].uuid, &f->arena, &task), 0);
    assert_int_equal(task.sent_ms, NOW);
    assert_int_equal(task_get(f->store.store, STR("nobody"), &f->arena, &task), ERR_NOT_FOUND);
}

static void every_filter_finds_what_it_says(void **state)
{
    struct task_fixture *f = *state;
    add_tasks(f, 300);
    assert_int_equal(count(f, (struct task_filter){0}), 300);
    assert_int_equal(count(f, (struct task_filter){.states = 1u << TASK_FAILURE}), 30);
    assert_int_equal(count(f, (struct task_filter){.states = 1u << TASK_FAILURE | 1u << TASK_SUCCESS}), 300);
    assert_int_equal(count(f, (struct task_filter){.states = 1u << TASK_RETRY}), 0);
    assert_int_equal(count(f, (struct task_filter){.name = STR("shop.mul")}), 150);
    assert_int_equal(count(f, (struct task_filter){.name = STR("shop.")}), 0);
    assert_int_equal(count(f, (struct task_filter){.worker = STR("w2@web2")}), 60);
    assert_int_equal(count(f, (struct task_filter){.queue = STR("q1")}), 100);
    assert_int_equal(count(f, (struct task_filter){.exception_class = STR("KeyError")}), 15);
    assert_int_equal(
        count(f, (struct task_filter){.name = STR("shop.add"), .queue = STR("q0"), .worker = STR("w2@web2")}), 10);
    assert_int_equal(count(f, (struct task_filter){.name = STR("shop.mul"), .states = 1u << TASK_FAILURE}),
                     0); /* disjoint */
    assert_int_equal(count(f, (struct task_filter){.text = STR("CUSTOMER-00042")}), 1);
    assert_int_equal(count(f, (struct task_filter){.text = STR("customer-0004 shop.mul")}), 5);
    assert_int_equal(count(f, (struct task_filter){.text = STR("very end"), .exception_class = STR("KeyError")}), 15);
    assert_int_equal(count(f, (struct task_filter){.text = STR("most recent")}), 0); /* only the last line counts */
    assert_int_equal(count(f, (struct task_filter){.since_ms = NOW + 100, .until_ms = NOW + 199}), 100);
    assert_int_equal(count(f, (struct task_filter){.since_ms = NOW + 1000}), 0);
    assert_int_equal(count(f, (struct task_filter){.after_id = 290}), 10);
    assert_int_equal(count(f, (struct task_filter){.after_id = 290, .queue = STR("q0")}), 3);
}

static void the_newest_come_first(void **state)
{
    struct task_fixture *f = *state;
    add_tasks(f, 50);
    struct task_page page = find(f, (struct task_filter){.limit = 2});
    assert_int_equal(page.n, 2);
    assert_int_equal(page.v[0].sent_ms, NOW + 49);
    assert_int_equal(page.v[1].sent_ms, NOW + 48);
    assert_int_equal(page.next_before_id, page.v[1].id);
    page = find(f, (struct task_filter){.limit = 50});
    assert_int_equal(page.n, 50);
    assert_int_equal(page.next_before_id, 0);
}

static void the_index_follows_a_task_that_changes(void **state)
{
    struct task_fixture *f = *state;
    struct task_event e = event(TASK_EVENT_RECEIVED, STR("job-one"), NOW);
    append(f, &e, 1);
    sync_store(f);
    assert_int_equal(count(f, (struct task_filter){.states = 1u << TASK_RECEIVED}), 1);
    e = event(TASK_EVENT_RETRIED, STR("job-one"), NOW + 10);
    e.hostname = STR("w2@web2");
    e.exception = STR("ValueError('x')");
    append(f, &e, 1);
    e = event(TASK_EVENT_SENT, STR("job-one"), NOW - 100000); /* late, and first seen earlier than thought */
    e.name = STR("late.name");
    append(f, &e, 1);
    sync_store(f);
    assert_int_equal(count(f, (struct task_filter){.states = 1u << TASK_RECEIVED}), 0);
    assert_int_equal(count(f, (struct task_filter){.states = 1u << TASK_RETRY}), 1);
    assert_int_equal(count(f, (struct task_filter){.worker = STR("w1@web1")}), 0);
    assert_int_equal(count(f, (struct task_filter){.worker = STR("w2@web2")}), 1);
    assert_int_equal(count(f, (struct task_filter){.name = STR("late.name")}), 1);
    assert_int_equal(count(f, (struct task_filter){.until_ms = NOW - 50000}), 1);
    struct task_facets facets;
    assert_int_equal(task_get_facets(f->store.store, &f->arena, &facets), 0);
    assert_int_equal(facets.worker_count, 1); /* nobody bears w1@web1 any more */
    assert_str_is(facets.workers[0], "w2@web2");
}

static void history_survives_a_restart_and_ids_go_on(void **state)
{
    struct task_fixture *f = *state;
    add_tasks(f, 20);
    fixture_reopen(&f->store);
    add_task(f, 1, NOW); /* known */
    add_task(f, 500, NOW + 500);
    sync_store(f);
    struct task_page page = find(f, (struct task_filter){0});
    assert_int_equal(page.n, 21);
    assert_int_equal(page.v[0].id, 21);
    assert_int_equal(page.v[0].sent_ms, NOW + 500);
}

static void a_unique_prefix_of_an_id_is_enough(void **state)
{
    struct task_fixture *f = *state;
    struct task task;
    const struct str ids[] = {STR("aaaaaaaa-0000-4000-8000-000000000001"), STR("aaaaaaaa-0000-4000-8000-000000000002"),
                              STR("bbbbbbbb-1000-4000-8000-000000000001"), STR("nightly-report-2026")};
    for (size_t i = 0; i < 4; i++) {
        struct task_event e = event(TASK_EVENT_RECEIVED, ids[i], NOW);
        append(f, &e, 1);
    }
    sync_store(f);
    struct store *store = f->store.store;
    assert_int_equal(task_get(store, STR("aaaaaaaa"), &f->arena, &task), ERR_NOT_FOUND); /* two */
    assert_int_equal(task_get(store, STR("bbbbbbb"), &f->arena, &task), ERR_NOT_FOUND);  /* too short */
    assert_int_equal(task_get(store, STR("bbbbbbbb"), &f->arena, &task), 0);
    assert_str_eq(task.uuid, ids[2]);
    assert_int_equal(task_get(store, STR("bbbbbbbb-1"), &f->arena, &task), 0);
    assert_int_equal(task_get(store, STR("bbbbbbbb-2"), &f->arena, &task), ERR_NOT_FOUND);
    assert_int_equal(task_get(store, STR("nightly-rep"), &f->arena, &task), 0);
    assert_int_equal(task_get(store, ids[1], &f->arena, &task), 0);
    assert_str_eq(task.uuid, ids[1]);
}

static void children_are_found_by_parent_and_by_root(void **state)
{
    struct task_fixture *f = *state;
    struct task *v;
    size_t n;
    const struct {
        const char *id, *parent, *root;
    } tree[] = {{"root-000", "", "root-000"},
                {"child-00", "root-000", "root-000"},
                {"grand-00", "child-00", "root-000"},
                {"child-01", "root-000", "root-000"},
                {"other-00", "other-00", "other-00"}}; /* its own parent */
    for (size_t i = 0; i < 5; i++) {
        struct task_event e = event(TASK_EVENT_RECEIVED, str_of(tree[i].id), NOW);
        e.parent_id = str_of(tree[i].parent);
        e.root_id = str_of(tree[i].root);
        append(f, &e, 1);
    }
    sync_store(f);
    assert_int_equal(task_children(f->store.store, STR("root-000"), false, 10, &f->arena, &v, &n), 0);
    assert_int_equal(n, 2);
    assert_str_is(v[0].uuid, "child-00");
    assert_str_is(v[1].uuid, "child-01");
    assert_int_equal(task_children(f->store.store, STR("root-000"), true, 10, &f->arena, &v, &n), 0);
    assert_int_equal(n, 4);
    assert_str_is(v[0].uuid, "root-000");
    assert_int_equal(task_children(f->store.store, STR("root-000"), true, 2, &f->arena, &v, &n), 0);
    assert_int_equal(n, 2);
    assert_int_equal(task_children(f->store.store, STR("other-00"), false, 10, &f->arena, &v, &n), 0);
    assert_int_equal(n, 0);
}

static void failures_are_grouped_by_name_and_class(void **state)
{
    struct task_fixture *f = *state;
    struct task_failure *v;
    size_t n;
    add_tasks(f, 100);
    assert_int_equal(task_failures(f->store.store, 0, 10, &f->arena, &v, &n), 0);
    assert_int_equal(n, 2);
    assert_str_is(v[0].exception_class, "ValueError");
    assert_str_is(v[1].exception_class, "KeyError");
    assert_int_equal(v[0].count, 5);
    assert_int_equal(v[0].last_ms, NOW + 90 + 10);
    assert_int_equal(v[0].first_ms, NOW + 10 + 10);
    assert_str_is(v[0].name, "shop.add");
    assert_int_equal(task_failures(f->store.store, NOW + 95, 10, &f->arena, &v, &n), 0);
    assert_int_equal(n, 1);
    assert_int_equal(v[0].count, 1);
    assert_int_equal(task_failures(f->store.store, 0, 1, &f->arena, &v, &n), 0);
    assert_int_equal(n, 1);
}

static void facets_are_sorted(void **state)
{
    struct task_fixture *f = *state;
    struct task_facets facets;
    add_tasks(f, 30);
    assert_int_equal(task_get_facets(f->store.store, &f->arena, &facets), 0);
    assert_int_equal(facets.name_count, 2);
    assert_str_is(facets.names[0], "shop.add");
    assert_str_is(facets.names[1], "shop.mul");
    assert_int_equal(facets.worker_count, 2);
    assert_int_equal(facets.queue_count, 3);
    assert_str_is(facets.queues[2], "q2");
}

static void long_texts_are_cut_at_a_character(void **state)
{
    struct task_fixture *f = *state;
    struct task task;
    size_t size = TASK_TRACEBACK_MAX + 1000;
    char *text = mem_alloc(size);
    for (size_t i = 0; i + 1 < size; i += 2) {
        text[i] = (char)0xc3;
        text[i + 1] = (char)0xa9;
    }
    struct task_event e = event(TASK_EVENT_FAILED, STR("long-text"), NOW);
    e.traceback = str_make(text, size);
    e.args = str_slice(e.traceback, 0, TASK_TEXT_MAX + 1);
    append(f, &e, 1);
    sync_store(f);
    assert_int_equal(task_get(f->store.store, STR("long-text"), &f->arena, &task), 0);
    assert_int_equal(task.traceback.len, TASK_TRACEBACK_MAX);
    assert_int_equal(task.args.len, TASK_TEXT_MAX);
    mem_free(text);
}

static void ids_without_sense_are_left_out(void **state)
{
    struct task_fixture *f = *state;
    static char long_id[300];
    memset(long_id, 'x', sizeof(long_id));
    struct task_event events[] = {event(TASK_EVENT_SENT, STR(""), NOW),
                                  event(TASK_EVENT_SENT, str_make(long_id, 256), NOW),
                                  event(TASK_EVENT_SENT, str_make(long_id, 255), NOW)};
    append(f, events, 3);
    sync_store(f);
    assert_int_equal(find(f, (struct task_filter){0}).total, 1);
}

/* The writer thread stands still between a sync and the next push, so its upkeep may be called from here. */
static void expire(struct task_fixture *f, int64_t now_ms, int64_t retention_ms)
{
    struct store *store = f->store.store;
    store->tasks->retention_ms = retention_ms;
    int rc = 1;
    while (rc == 1) {
        MDB_txn *txn;
        assert_int_equal(mdb_txn_begin(store->envs[ENV_TASKS].mdb, NULL, 0, &txn), 0);
        rc = task_tick(store->tasks, txn, now_ms);
        assert_true(rc >= 0);
        assert_int_equal(mdb_txn_commit(txn), 0);
    }
}

static size_t entries(struct task_fixture *f, enum task_dbi dbi)
{
    struct env *env = &f->store.store->envs[ENV_TASKS];
    auto_txn *txn = NULL;
    MDB_stat stat;
    assert_int_equal(env_read(env, &txn), 0);
    assert_int_equal(mdb_stat(txn, env->dbi[dbi], &stat), 0);
    return stat.ms_entries;
}

static void retention_takes_old_tasks_and_all_their_keys(void **state)
{
    struct task_fixture *f = *state;
    add_tasks(f, 3000);
    expire(f, NOW + 1000 + HOUR, HOUR);
    struct task_page page = find(f, (struct task_filter){0});
    assert_int_equal(page.total, 2000);
    assert_int_equal(count(f, (struct task_filter){.name = STR("shop.add")}), 1000);
    assert_int_equal(entries(f, TASK_DBI_UUIDS), 2000);
    assert_int_equal(entries(f, TASK_DBI_FAILURES), 200);
    expire(f, NOW + 100 * HOUR, HOUR);
    for (int dbi = 0; dbi < TASK_DBI_COUNT; dbi++) {
        assert_int_equal(entries(f, (enum task_dbi)dbi), dbi == TASK_DBI_COUNTERS ? 2 : 0);
    }
    add_task(f, 1, NOW);
    sync_store(f);
    assert_int_equal(find(f, (struct task_filter){0}).v[0].id, 3001);
}

static void a_damaged_record_is_skipped_and_counted(void **state)
{
    struct task_fixture *f = *state;
    add_tasks(f, 5);
    struct env *env = &f->store.store->envs[ENV_TASKS];
    MDB_txn *txn;
    uint64_t id = 3;
    MDB_val key = env_val(&id, sizeof(id)), value = env_val("\001garbage", 8);
    assert_int_equal(mdb_txn_begin(env->mdb, NULL, 0, &txn), 0);
    assert_int_equal(mdb_put(txn, env->dbi[TASK_DBI_TASKS], &key, &value, 0), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    int64_t before = self_get(SELF_CORRUPTIONS);
    assert_int_equal(find(f, (struct task_filter){0}).n, 4);
    assert_int_equal(self_get(SELF_CORRUPTIONS), before + 1);
    add_task(f, 2, NOW + 2); /* the task of id 3: begun anew */
    sync_store(f);
    assert_int_equal(find(f, (struct task_filter){0}).n, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(events_of_a_task_become_one_record, setup, teardown),
        cmocka_unit_test_setup_teardown(every_filter_finds_what_it_says, setup, teardown),
        cmocka_unit_test_setup_teardown(the_newest_come_first, setup, teardown),
        cmocka_unit_test_setup_teardown(the_index_follows_a_task_that_changes, setup, teardown),
        cmocka_unit_test_setup_teardown(history_survives_a_restart_and_ids_go_on, setup, teardown),
        cmocka_unit_test_setup_teardown(a_unique_prefix_of_an_id_is_enough, setup, teardown),
        cmocka_unit_test_setup_teardown(children_are_found_by_parent_and_by_root, setup, teardown),
        cmocka_unit_test_setup_teardown(failures_are_grouped_by_name_and_class, setup, teardown),
        cmocka_unit_test_setup_teardown(facets_are_sorted, setup, teardown),
        cmocka_unit_test_setup_teardown(long_texts_are_cut_at_a_character, setup, teardown),
        cmocka_unit_test_setup_teardown(ids_without_sense_are_left_out, setup, teardown),
        cmocka_unit_test_setup_teardown(retention_takes_old_tasks_and_all_their_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(a_damaged_record_is_skipped_and_counted, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
