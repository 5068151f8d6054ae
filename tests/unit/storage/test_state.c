/* Small durable state, and the writer's promises about jobs. */
#include "tests/unit/storage/store_test.h"

#include <stdatomic.h>

static int collect_keys(void *ctx, struct str key, struct str value)
{
    struct buf *out = ctx;
    buf_addf(out, STR_FMT "=" STR_FMT ";", STR_ARG(key), STR_ARG(value));
    return 0;
}

static _Atomic int done_rc;
static void note_done(void *ctx, int rc)
{
    (void)ctx;
    done_rc = rc + 1;
}

static void changes_apply_together_and_survive(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    fixture_open(&f);
    done_rc = 0;
    struct state_change first[] = {{"alert", STR("a"), STR("1")},
                                   {"alert", STR("b\0c"), STR("2")},
                                   {"alerts", STR("x"), STR("3")},
                                   {"outbox", STR("a"), STR("")}};
    assert_int_equal(state_commit(f.store, first, 4, note_done, NULL), 0);
    struct state_change second[] = {{"alert", STR("a"), {NULL, 0}}, {"alert", STR("never"), {NULL, 0}}};
    assert_int_equal(state_commit(f.store, second, 2, NULL, NULL), 0);
    assert_int_equal(store_sync(f.store, 10000), 0);
    assert_int_equal(done_rc, 1);
    fixture_reopen(&f);
    auto_arena arena;
    arena_init(&arena);
    struct str value;
    assert_int_equal(state_get(f.store, "alert", STR("a"), &arena, &value), ERR_NOT_FOUND);
    assert_int_equal(state_get(f.store, "alert", STR("b\0c"), &arena, &value), 0);
    assert_str_is(value, "2");
    assert_int_equal(state_get(f.store, "outbox", STR("a"), &arena, &value), 0);
    assert_int_equal(value.len, 0);
    auto_buf seen;
    buf_init(&seen, 1000);
    assert_int_equal(state_each(f.store, "alerts", collect_keys, &seen), 0);
    assert_str_is(buf_str(&seen), "x=3;");
    assert_int_equal(state_each(f.store, "none", collect_keys, &seen), 0);
    assert_str_is(buf_str(&seen), "x=3;");
    fixture_release(&f);
}

static void sizes_beyond_the_limits_are_refused(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    fixture_open(&f);
    static char large[(1 << 20) + 1];
    struct state_change key = {"alert", {large, 400}, STR("v")}, value = {"alert", STR("k"), {large, sizeof(large)}};
    assert_int_equal(state_commit(f.store, &key, 1, NULL, NULL), ERR_LIMIT);
    assert_int_equal(state_commit(f.store, &value, 1, NULL, NULL), ERR_LIMIT);
    key.key.len = 394;
    value.value.len--;
    assert_int_equal(state_commit(f.store, &key, 1, NULL, NULL), 0);
    assert_int_equal(state_commit(f.store, &value, 1, NULL, NULL), 0);
    assert_int_equal(store_sync(f.store, 10000), 0);
    fixture_release(&f);
}

/* Jobs of this part fail on demand. */
struct probe {
    struct writer_job base;
    int fail_with, fail_times;
    _Atomic int *applied;
};
static int probe_apply(void *ctx, MDB_txn *txn, struct writer_job **jobs, size_t n)
{
    (void)ctx;
    (void)txn;
    for (size_t i = 0; i < n; i++) {
        struct probe *probe = (struct probe *)jobs[i];
        if (probe->fail_with && probe->fail_times-- > 0) {
            return probe->fail_with;
        }
    }
    for (size_t i = 0; i < n; i++) {
        atomic_fetch_add(((struct probe *)jobs[i])->applied, 1);
    }
    return 0;
}
static void probe_release(struct writer_job *job)
{
    mem_free(job);
}
static void probe_done(void *ctx, int rc)
{
    *(_Atomic int *)ctx = rc;
}
static struct writer_job *probe(int fail_with, int fail_times, _Atomic int *applied, _Atomic int *result)
{
    struct probe *p = mem_zalloc(sizeof(*p));
    *p = (struct probe){.fail_with = fail_with, .fail_times = fail_times, .applied = applied};
    p->base = (struct writer_job){.bytes = 100, .done = probe_done, .ctx = result, .release = probe_release};
    return &p->base;
}

static void transient_failures_are_retried_and_others_pinned_to_their_job(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    const struct env_spec spec = {.folder = "probe", .version = 1, .dbi_count = 1, .dbis = {{"x", 0}}};
    struct env env;
    struct error err = {0};
    assert_int_equal(env_open(&env, &spec, f.dir, (size_t)1 << 24, true, &err), 0);
    struct writer *w = writer_new(1000);
    const struct writer_part part = {.env = &env, .apply = probe_apply};
    writer_set_part(w, ENV_STATE, &part);
    _Atomic int applied = 0, results[4] = {7, 7, 7, 7};
    assert_int_equal(writer_push(w, ENV_STATE, probe(ERR_FULL, 2, &applied, &results[0])), 0);
    assert_int_equal(writer_push(w, ENV_STATE, probe(0, 0, &applied, &results[1])), 0);
    assert_int_equal(writer_push(w, ENV_STATE, probe(ERR_LIMIT, 100, &applied, &results[2])), 0);
    assert_int_equal(writer_push(w, ENV_STATE, probe(0, 0, &applied, &results[3])), 0);
    struct writer_job *large = probe(0, 0, &applied, &results[0]);
    large->bytes = 601;
    assert_false(writer_has_room(w, 601));
    assert_int_equal(writer_push(w, ENV_STATE, large), ERR_FULL);
    probe_release(large);
    assert_int_equal(writer_start(w, &err), 0);
    assert_int_equal(writer_sync(w, 20000), 0);
    assert_int_equal(results[0], 0);
    assert_int_equal(results[1], 0);
    assert_int_equal(results[2], ERR_LIMIT);
    assert_int_equal(results[3], 0);
    assert_int_equal(applied, 3);
    assert_true(writer_is_healthy(w, &err));
    assert_int_equal(writer_push(w, ENV_STATE, probe(-EIO, 1000, &applied, &results[0])), 0);
    while (writer_is_healthy(w, &err)) {
        usleep(1000);
    }
    assert_int_equal(err.code, -EIO);
    assert_int_equal(writer_sync(w, 10), -EIO);
    writer_stop(w);
    assert_int_equal(results[0], -EIO); /* given back at the end */
    struct writer_job *late = probe(0, 0, &applied, &results[0]);
    assert_int_equal(writer_push(w, ENV_STATE, late), ERR_CLOSED);
    probe_release(late);
    writer_free(w);
    env_close(&env);
    fixture_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_apply_together_and_survive),
        cmocka_unit_test(sizes_beyond_the_limits_are_refused),
        cmocka_unit_test(transient_failures_are_retried_and_others_pinned_to_their_job),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
