/* kill -9 while samples come in: what was acknowledged is there afterwards, once. */
#include "tests/unit/storage/store_test.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define SERIES 7
#define ROUNDS 8

/* Shared with the child: batch i is acknowledged when acked > i. */
struct progress {
    _Atomic uint64_t acked, rounds;
};
static struct progress *progress;

static void acknowledged(void *ctx, int rc)
{
    (void)ctx;
    if (rc == 0) {
        atomic_fetch_add(&progress->acked, 1); /* the WAL is one queue: in order */
    }
}

/* Blocks are written and WAL records deleted all the while, so that the kill meets every stage of a flush. */
static void *flush_for_ever(void *store)
{
    for (;;) {
        if (metrics_flush(((struct store *)store)->metrics, true)) {
            abort();
        }
        usleep(2000);
    }
    return NULL;
}

/* Batch i at START + i seconds, value i; a new series now and then. */
static void append_for_ever(struct fixture *f, uint64_t from, bool flushing)
{
    fixture_open(f);
    pthread_t flusher;
    if (flushing && pthread_create(&flusher, NULL, flush_for_ever, f->store)) {
        abort();
    }
    for (uint64_t i = from;; i++) {
        int64_t t_ms = START + (int64_t)i * 1000;
        clock_fake(t_ms, t_ms);
        struct maker m;
        maker_init(&m, "g", t_ms);
        for (int s = 0; s < SERIES; s++) {
            char instance[2] = {(char)('a' + s), 0};
            maker_add(&m, "m", instance, t_ms, (double)i);
        }
        char fresh[24];
        snprintf(fresh, sizeof(fresh), "fresh%d", (int)(i / 50));
        maker_add(&m, "n", fresh, t_ms, (double)i);
        while (store_append(f->store, &m.batch, acknowledged, NULL) == ERR_FULL) {
            usleep(100);
        }
        maker_release(&m);
        atomic_store(&progress->rounds, i + 1);
    }
}

static void check_all(struct store *store, uint64_t acked)
{
    for (int s = 0; s < SERIES; s++) {
        char instance[2] = {(char)('a' + s), 0};
        struct sample_columns c = get(store, "m", instance, INT64_MIN, INT64_MAX);
        assert_true(c.n >= acked);
        for (size_t i = 0; i < c.n; i++) {
            assert_int_equal(c.t_ms[i], START + (int64_t)i * 1000);
            assert_true(c.v[i] == (double)i);
        }
        sample_columns_release(&c);
    }
    for (uint64_t i = 0; i + 50 <= acked; i += 50) {
        char fresh[24];
        snprintf(fresh, sizeof(fresh), "fresh%d", (int)(i / 50));
        struct sample_columns c = get(store, "n", fresh, INT64_MIN, INT64_MAX);
        assert_int_equal(c.n, 50);
        sample_columns_release(&c);
    }
}

static void acknowledged_samples_survive_kill_9(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    progress = mmap(NULL, sizeof(*progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(progress, MAP_FAILED);
    uint64_t have = 0;
    for (int round = 0; round < ROUNDS; round++) {
        atomic_store(&progress->acked, have);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            append_for_ever(&f, have, round % 2);
            _exit(0);
        }
        while (atomic_load(&progress->acked) < have + 1000 + (uint64_t)round * 300) {
            usleep(1000);
        }
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        uint64_t acked = atomic_load(&progress->acked);
        int64_t now_ms = START + (int64_t)atomic_load(&progress->rounds) * 1000;
        clock_fake(now_ms, now_ms);
        fixture_open(&f);
        check_all(f.store, acked);
        if (round % 3 == 2) {
            assert_int_equal(metrics_flush(f.store->metrics, true), 0);
            check_all(f.store, acked);
        }
        struct sample_columns c = get(f.store, "m", "a", INT64_MIN, INT64_MAX);
        have = c.n;
        sample_columns_release(&c);
        store_close(f.store);
        f.store = NULL;
    }
    munmap(progress, sizeof(*progress));
    fixture_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(acknowledged_samples_survive_kill_9)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
