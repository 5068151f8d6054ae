/* Appenders, readers and flushes at once: no reader misses or doubles a sample. Meant for a TSan build, too. */
#include "tests/unit/storage/store_test.h"

#include <pthread.h>
#include <stdatomic.h>

#define SERIES  5
#define BATCHES 3000

static struct fixture fixture;
static _Atomic int appended; /* batches */
static _Atomic bool finished;

/* A batch of all series every 20 s: 3000 batches cross eight windows. */
static void *append_all(void *arg)
{
    (void)arg;
    for (int i = 0; i < BATCHES; i++) {
        int64_t t_ms = START + (int64_t)i * 20000;
        clock_fake(t_ms, t_ms);
        struct maker m;
        maker_init(&m, "g", t_ms);
        for (int s = 0; s < SERIES; s++) {
            char instance[2] = {(char)('a' + s), 0};
            maker_add(&m, "m", instance, t_ms, i);
        }
        int rc = store_append(fixture.store, &m.batch, NULL, NULL);
        if (rc) {
            abort();
        }
        maker_release(&m);
        atomic_store(&appended, i + 1);
    }
    atomic_store(&finished, true);
    return NULL;
}

static void *flush_often(void *arg)
{
    for (int i = 0; !atomic_load(&finished); i++) {
        if (metrics_flush(fixture.store->metrics, arg != NULL && i % 16 == 0)) {
            abort();
        }
        metrics_sweep(fixture.store->metrics);
        usleep(500);
    }
    return NULL;
}

/* Everything appended before the snapshot, all series equally long, in every read of the same snapshot or its twin. */
static void *read_often(void *arg)
{
    (void)arg;
    struct sample_columns c = {0};
    while (!atomic_load(&finished)) {
        size_t least = (size_t)atomic_load(&appended), first = 0;
        struct snapshot *snapshot = NULL;
        if (snapshot_open(fixture.store, &snapshot)) {
            abort();
        }
        struct snapshot *twin = NULL;
        int rc = snapshot_twin(snapshot, &twin);
        if (rc && rc != ERR_NOT_FOUND) {
            abort();
        }
        for (int s = 0; s < SERIES; s++) {
            if (snapshot_read(twin && s % 2 ? twin : snapshot, (uint64_t)s + 1, INT64_MIN, INT64_MAX, &c)) {
                abort();
            }
            first = s ? first : c.n;
            if (c.n < least || c.n != first) {
                fprintf(stderr, "read %zu samples, others %zu, appended %zu\n", c.n, first, least);
                abort();
            }
            for (size_t i = 0; i < c.n; i++) {
                if (c.t_ms[i] != START + (int64_t)i * 20000 || !(c.v[i] == (double)i)) {
                    abort();
                }
            }
        }
        snapshot_close(twin);
        snapshot_close(snapshot);
    }
    sample_columns_release(&c);
    return NULL;
}

static void readers_see_every_sample_once_during_flushes(void **state)
{
    (void)state;
    fixture_init(&fixture);
    clock_fake(START, START);
    fixture_open(&fixture);
    pthread_t threads[5];
    assert_int_equal(pthread_create(&threads[0], NULL, append_all, NULL), 0);
    assert_int_equal(pthread_create(&threads[1], NULL, flush_often, NULL), 0);
    assert_int_equal(pthread_create(&threads[2], NULL, flush_often, &fixture), 0);
    assert_int_equal(pthread_create(&threads[3], NULL, read_often, NULL), 0);
    assert_int_equal(pthread_create(&threads[4], NULL, read_often, NULL), 0);
    for (int i = 0; i < 5; i++) {
        pthread_join(threads[i], NULL);
    }
    struct sample_columns c = get(fixture.store, "m", "c", INT64_MIN, INT64_MAX);
    assert_int_equal(c.n, BATCHES);
    sample_columns_release(&c);
    fixture_reopen(&fixture);
    c = get(fixture.store, "m", "c", INT64_MIN, INT64_MAX);
    assert_int_equal(c.n, BATCHES);
    sample_columns_release(&c);
    fixture_release(&fixture);
}

static void append_one(int i)
{
    struct maker m;
    maker_init(&m, "g", START + i * 1000);
    maker_add(&m, "m", "a", START + i * 1000, i);
    assert_int_equal(store_append(fixture.store, &m.batch, NULL, NULL), 0);
    maker_release(&m);
}

static size_t samples_in(struct snapshot *snapshot)
{
    struct sample_columns c = {0};
    assert_int_equal(snapshot_read(snapshot, 1, INT64_MIN, INT64_MAX, &c), 0);
    size_t n = c.n;
    sample_columns_release(&c);
    return n;
}

static void a_twin_shows_what_its_snapshot_shows(void **state)
{
    (void)state;
    fixture_init(&fixture);
    clock_fake(START, START);
    fixture_open(&fixture);
    append_one(0);
    struct snapshot *snapshot = NULL, *twin = NULL, *late = NULL, *newer = NULL;
    assert_int_equal(snapshot_open(fixture.store, &snapshot), 0);
    append_one(1);
    assert_int_equal(snapshot_twin(snapshot, &twin), 0);
    append_one(2);
    assert_int_equal(samples_in(snapshot), 1);
    assert_int_equal(samples_in(twin), 1);
    assert_int_equal(metrics_flush(fixture.store->metrics, true), 0);
    assert_int_equal(snapshot_twin(snapshot, &late), ERR_NOT_FOUND); /* a transaction would see the new blocks */
    assert_int_equal(samples_in(twin), 1);
    assert_int_equal(snapshot_open(fixture.store, &newer), 0);
    assert_int_equal(samples_in(newer), 3);
    snapshot_close(newer);
    snapshot_close(twin);
    assert_int_equal(samples_in(snapshot), 1);
    snapshot_close(snapshot);
    fixture_release(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readers_see_every_sample_once_during_flushes),
        cmocka_unit_test(a_twin_shows_what_its_snapshot_shows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
