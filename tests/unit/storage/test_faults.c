/* Locks, versions, full disks, damaged records. */
#include "storage/block.h"
#include "storage/wal.h"
#include "tests/unit/storage/store_test.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define FIRST_SEGMENT "wal/0000000000000001.wal"

static void a_second_open_is_refused_with_the_pid(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    fixture_open(&f);
    struct store *second = NULL;
    struct error err = {0};
    assert_int_equal(store_open(&f.options, &second, &err), ERR_BUSY);
    assert_null(second);
    char pid[32];
    snprintf(pid, sizeof(pid), "process %d:", (int)getpid());
    assert_non_null(strstr(err.text, pid));
    assert_non_null(strstr(err.text, f.dir));
    fixture_reopen(&f);
    fixture_release(&f);
}

static void write_version(const char *dir, const char *folder, uint32_t version)
{
    struct env env;
    const struct env_spec spec = {.folder = folder, .version = UINT32_MAX};
    struct error err;
    assert_int_equal(env_open(&env, &spec, dir, (size_t)1 << 30, false, &err), 0);
    MDB_txn *txn;
    assert_int_equal(mdb_txn_begin(env.mdb, NULL, 0, &txn), 0);
    uint8_t bytes[4];
    env_put_be(bytes, version, 4);
    MDB_val key = env_val("format", 6), value = env_val(bytes, 4);
    assert_int_equal(mdb_put(txn, env.meta, &key, &value, 0), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    env_close(&env);
}

static void a_newer_format_is_refused_by_name(void **state)
{
    (void)state;
    static const char *const folders[] = {"metrics", "tasks", "state"};
    for (size_t i = 0; i < 3; i++) {
        struct fixture f;
        fixture_init(&f);
        fixture_open(&f);
        store_close(f.store);
        f.store = NULL;
        write_version(f.dir, folders[i], 99);
        struct error err = {0};
        assert_int_equal(store_open(&f.options, &f.store, &err), ERR_VERSION);
        assert_non_null(strstr(err.text, folders[i]));
        assert_non_null(strstr(err.text, "99"));
        fixture_release(&f);
    }
}

static void unusable_directories_are_explained(void **state)
{
    (void)state;
    struct store *store = NULL;
    struct error err = {0};
    struct store_options options = {.dir = "/tmp/no-such-folder/below"};
    assert_int_equal(store_open(&options, &store, &err), -ENOENT);
    assert_non_null(strstr(err.text, "/tmp/no-such-folder/below"));
    options.dir = "/dev/null";
    assert_int_equal(store_open(&options, &store, &err), -ENOTDIR);
    struct fixture f;
    fixture_init(&f);
    fixture_open(&f);
    store_close(f.store);
    f.store = NULL;
    char path[128];
    snprintf(path, sizeof(path), "%s/metrics/data.mdb", f.dir);
    int fd = open(path, O_WRONLY | O_TRUNC);
    assert_true(fd >= 0);
    char noise[8192];
    memset(noise, 'x', sizeof(noise));
    assert_int_equal(write(fd, noise, sizeof(noise)), sizeof(noise));
    close(fd);
    assert_int_equal(store_open(&f.options, &f.store, &err), ERR_CORRUPT);
    assert_non_null(strstr(err.text, "metrics"));
    fixture_release(&f);
}

static void a_log_of_a_newer_format_is_refused(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    clock_fake(START + HOUR, 0);
    fixture_open(&f);
    put(f.store, "a", "x", START, 1);
    store_close(f.store);
    f.store = NULL;
    flip(f.dir, FIRST_SEGMENT, 8);
    struct error err = {0};
    assert_int_equal(store_open(&f.options, &f.store, &err), ERR_VERSION);
    assert_non_null(strstr(err.text, "wal"));
    assert_non_null(strstr(err.text, "newer"));
    fixture_release(&f);
}

static int done_count, done_rc;
static void count_done(void *ctx, int rc)
{
    (void)ctx;
    __atomic_add_fetch(&done_count, 1, __ATOMIC_SEQ_CST);
    __atomic_store_n(&done_rc, rc, __ATOMIC_SEQ_CST);
}

static bool is_writable(struct store *store, struct error *failure)
{
    struct store_status status;
    store_get_status(store, &status);
    *failure = status.failure;
    return status.writable;
}

/* Until the writer says so; the test runner's time limit ends an endless wait. */
static void wait_writable(struct store *store, bool wanted)
{
    struct error failure;
    while (is_writable(store, &failure) != wanted) {
        usleep(1000);
    }
    assert_int_equal(failure.code, wanted ? 0 : ERR_FULL);
}

static void append_block(struct store *store, int64_t t_ms, int width, store_done_fn done)
{
    struct maker m;
    maker_init(&m, "g", t_ms);
    for (int i = 0; i < width; i++) {
        char instance[24];
        snprintf(instance, sizeof(instance), "i%d", i);
        maker_add(&m, "m", instance, t_ms, (double)i + 0.1);
    }
    int rc = store_append(store, &m.batch, done, NULL);
    assert_true(rc == 0 || rc == ERR_FULL);
    maker_release(&m);
}

/* The limit on file size stands for a full disk: the write fails half way. In a child, since the limit is for good. */
static void disk_full_child(struct fixture *f)
{
    clock_fake(START + HOUR, 0);
    f->options.queue_bytes = (size_t)8 << 20;
    fixture_open(f);
    append_block(f->store, START, 100, NULL);
    assert_int_equal(store_sync(f->store, 10000), 0);
    struct rlimit unlimited, limit = {.rlim_cur = 150000};
    getrlimit(RLIMIT_FSIZE, &unlimited);
    limit.rlim_max = unlimited.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    int batches = 1;
    done_count = 0;
    for (; batches < 300; batches++) {
        append_block(f->store, START + batches * 1000, 100, count_done);
    }
    wait_writable(f->store, false);
    assert_int_equal(store_sync(f->store, 10), ERR_FULL);
    struct sample_columns c = get(f->store, "m", "i7", INT64_MIN, INT64_MAX);
    assert_int_equal(c.n, 300); /* reads go on, unwritten samples included */
    sample_columns_release(&c);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &unlimited), 0);
    wait_writable(f->store, true);
    assert_int_equal(store_sync(f->store, 20000), 0);
    while (__atomic_load_n(&done_count, __ATOMIC_SEQ_CST) < 299) { /* on the thread that made the commit */
        usleep(1000);
    }
    assert_int_equal(done_rc, 0);
    fixture_reopen(f);
    c = get(f->store, "m", "i7", INT64_MIN, INT64_MAX);
    assert_int_equal(c.n, 300);
    sample_columns_release(&c);
    store_close(f->store);
}

static void *flush_all(void *metrics)
{
    return (void *)(intptr_t)metrics_flush(metrics, true);
}

/* The same while blocks are written: samples stay readable from memory, and the flush ends when there is space. */
static void disk_full_in_flush_child(struct fixture *f)
{
    clock_fake(START + HOUR, 0);
    fixture_open(f);
    for (int i = 0; i < 400; i++) {
        append_block(f->store, START + i * 1000, 100, NULL);
    }
    assert_int_equal(store_sync(f->store, 10000), 0);
    struct rlimit unlimited, limit = {.rlim_cur = 65536};
    getrlimit(RLIMIT_FSIZE, &unlimited);
    limit.rlim_max = unlimited.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    for (int i = 0; i < 400; i++) { /* what does not compress */
        put(f->store, "noise", "x", START + i * 1000, sample_from_bits((uint64_t)i * 0x9e3779b97f4a7c15));
    }
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, flush_all, f->store->metrics), 0);
    wait_writable(f->store, false);
    struct sample_columns c = get(f->store, "m", "i7", INT64_MIN, INT64_MAX);
    assert_int_equal(c.n, 400);
    sample_columns_release(&c);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &unlimited), 0);
    void *rc = &thread;
    assert_int_equal(pthread_join(thread, &rc), 0);
    assert_null(rc);
    wait_writable(f->store, true);
    fixture_reopen(f);
    c = get(f->store, "m", "i7", INT64_MIN, INT64_MAX);
    assert_int_equal(c.n, 400);
    sample_columns_release(&c);
    c = get(f->store, "noise", "x", INT64_MIN, INT64_MAX);
    assert_int_equal(c.n, 400);
    sample_columns_release(&c);
    store_close(f->store);
}

static void survive(void (*child)(struct fixture *f))
{
    struct fixture f;
    fixture_init(&f);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        signal(SIGXFSZ, SIG_IGN); /* as the daemon does: the write fails instead */
        child(&f);
        _exit(0);
    }
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    fixture_release(&f);
}

static void a_full_disk_is_survived_and_recovered_from(void **state)
{
    (void)state;
    survive(disk_full_child);
}

static void a_disk_that_fills_up_during_a_flush_is_survived(void **state)
{
    (void)state;
    survive(disk_full_in_flush_child);
}

/* LMDB's pwrite() is this one: a disk that takes pages and fails at the meta pages, the first two of the file. */
static bool meta_fails;
ssize_t pwrite(int fd, const void *p, size_t n, off_t at);
ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
    if (at < 8192 && __atomic_load_n(&meta_fails, __ATOMIC_SEQ_CST)) {
        errno = EIO;
        return -1;
    }
    return syscall(SYS_pwrite64, fd, p, n, at);
}

static void break_meta(bool broken)
{
    __atomic_store_n(&meta_fails, broken, __ATOMIC_SEQ_CST);
}

static void wait_failure(struct store *store, int code)
{
    struct error failure = {0};
    while (is_writable(store, &failure) || failure.code != code) {
        usleep(1000);
    }
}

/* After that LMDB answers every transaction with MDB_PANIC: the environment is opened anew. */
static void a_failed_meta_page_heals_without_a_restart(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    clock_fake(START + HOUR, 0);
    fixture_open(&f);
    put(f.store, "m", "x", START, 1);
    assert_int_equal(metrics_flush(f.store->metrics, true), 0);
    struct snapshot *snapshot = NULL;
    assert_int_equal(snapshot_open(f.store, &snapshot), 0);
    struct state_change change = {.ns = "n", .key = STR("k"), .value = STR("v")};
    done_count = 0;
    break_meta(true);
    put(f.store, "m", "x", START + 1000, 2);
    put(f.store, "new", "x", START + 1000,
        3); /* its record goes to the metrics environment, which the snapshot reads */
    assert_int_equal(state_commit(f.store, &change, 1, count_done, NULL), 0);
    struct snapshot *second = NULL;
    while (snapshot_open(f.store, &second) == 0) {
        snapshot_close(steal(second));
        usleep(1000);
    }
    break_meta(false);
    wait_failure(f.store, -EIO); /* the snapshot is open: all but the metrics environment have healed */
    assert_int_equal(snapshot_open(f.store, &second), -EIO);
    snapshot_close(snapshot);
    wait_writable(f.store, true);
    assert_int_equal(store_sync(f.store, 20000), 0);
    assert_int_equal(done_count, 1);
    assert_int_equal(done_rc, 0);
    for (int i = 0; i < 2; i++) {
        struct sample_columns c = get(f.store, "m", "x", INT64_MIN, INT64_MAX);
        assert_int_equal(c.n, 2);
        sample_columns_release(&c);
        c = get(f.store, "new", "x", INT64_MIN, INT64_MAX);
        assert_int_equal(c.n, 1);
        sample_columns_release(&c);
        auto_arena arena;
        arena_init(&arena);
        struct str value;
        assert_int_equal(state_get(f.store, "n", STR("k"), &arena, &value), 0);
        assert_true(str_is(value, "v"));
        fixture_reopen(&f);
    }
    fixture_release(&f);
}

/* Nothing more can be written: the queue fills up to its bound, then appends are refused whole. */
static void full_queue_child(struct fixture *f)
{
    f->options.queue_bytes = (size_t)1 << 20;
    clock_fake(START + HOUR, 0);
    fixture_open(f);
    struct rlimit limit = {.rlim_cur = 65536, .rlim_max = RLIM_INFINITY};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    int batches = 0;
    for (int rc = 0; rc == 0; batches += rc == 0) {
        assert_true(batches < 20000);
        struct maker m;
        maker_init(&m, "g", START + batches);
        for (int i = 0; i < 100; i++) {
            char instance[24];
            snprintf(instance, sizeof(instance), "i%d", i);
            maker_add(&m, "m", instance, START + batches, i + 0.1);
        }
        rc = store_append(f->store, &m.batch, NULL, NULL);
        assert_true(rc == 0 || rc == ERR_FULL);
        maker_release(&m);
    }
    wait_writable(f->store, false);
    struct sample_columns c = get(f->store, "m", "i7", INT64_MIN, INT64_MAX);
    assert_int_equal(c.n, batches);
    sample_columns_release(&c);
    limit.rlim_cur = RLIM_INFINITY;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    wait_writable(f->store, true);
    store_close(f->store);
}

static void a_full_queue_refuses_whole_appends(void **state)
{
    (void)state;
    survive(full_queue_child);
}

/* 400 kB of what does not compress do not fit: the map grows as soon as nobody reads. */
static void a_full_map_grows(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    f.options.map_bytes = (size_t)192 << 10;
    clock_fake(START + HOUR, 0);
    fixture_open(&f);
    uint64_t x = 1;
    for (int i = 0; i < 500; i++) {
        struct maker m;
        maker_init(&m, "g", START + i * 1000);
        for (int k = 0; k < 100; k++) {
            char instance[24];
            snprintf(instance, sizeof(instance), "i%d", k);
            x = x * 6364136223846793005 + 1442695040888963407;
            maker_add(&m, "m", instance, START + i * 1000, sample_from_bits(x >> 2));
        }
        assert_int_equal(store_append(f.store, &m.batch, NULL, NULL), 0);
        maker_release(&m);
    }
    struct snapshot *snapshot = NULL;
    assert_int_equal(snapshot_open(f.store, &snapshot), 0);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, flush_all, f.store->metrics), 0);
    struct error failure;
    while (is_writable(f.store, &failure)) {
        usleep(1000);
    }
    struct sample_columns c = {0};
    assert_int_equal(snapshot_read(snapshot, 8, INT64_MIN, INT64_MAX, &c), 0);
    assert_int_equal(c.n, 500);
    snapshot_close(snapshot);
    assert_int_equal(pthread_join(thread, NULL), 0);
    wait_writable(f.store, true);
    fixture_reopen(&f);
    sample_columns_release(&c);
    c = get(f.store, "m", "i7", INT64_MIN, INT64_MAX);
    assert_int_equal(c.n, 500);
    sample_columns_release(&c);
    fixture_release(&f);
}

/* Flips one bit of the first value of a database. */
static void damage(const char *dir, const struct env_spec *spec, unsigned dbi, size_t offset)
{
    struct env env;
    struct error err;
    assert_int_equal(env_open(&env, spec, dir, (size_t)1 << 30, false, &err), 0);
    MDB_txn *txn;
    MDB_cursor *cursor;
    MDB_val k, v;
    assert_int_equal(mdb_txn_begin(env.mdb, NULL, 0, &txn), 0);
    assert_int_equal(mdb_cursor_open(txn, env.dbi[dbi], &cursor), 0);
    assert_int_equal(mdb_cursor_get(cursor, &k, &v, MDB_FIRST), 0);
    char *copy = mem_alloc(v.mv_size);
    memcpy(copy, v.mv_data, v.mv_size);
    copy[offset < v.mv_size ? offset : v.mv_size - 1] ^= 4;
    MDB_val changed = env_val(copy, v.mv_size);
    assert_int_equal(mdb_cursor_put(cursor, &k, &changed, MDB_CURRENT), 0);
    mdb_cursor_close(cursor);
    assert_int_equal(mdb_txn_commit(txn), 0);
    mem_free(copy);
    env_close(&env);
}

static void a_damaged_wal_record_is_skipped_and_counted(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    clock_fake(START + HOUR, 0);
    fixture_open(&f);
    put(f.store, "a", "x", START, 1);
    put(f.store, "b", "x", START, 1);
    put(f.store, "a", "x", START + 1, 1);
    store_close(f.store);
    flip(f.dir, FIRST_SEGMENT, WAL_FILE_HEAD_SIZE + WAL_FRAME_SIZE + 10);
    int64_t corruptions = self_get(SELF_CORRUPTIONS);
    fixture_open(&f);
    assert_int_equal(self_get(SELF_CORRUPTIONS), corruptions + 1);
    struct sample_columns c = get(f.store, "b", "x", INT64_MIN, INT64_MAX);
    assert_int_equal(c.n, 1);
    sample_columns_release(&c);
    put(f.store, "a", "x", START + 2, 1);
    c = get(f.store, "a", "x", INT64_MIN, INT64_MAX);
    assert_int_equal(c.n, 2); /* the record lost held one, later ones are served */
    sample_columns_release(&c);
    fixture_release(&f);
}

/* A frame whose head is damaged: the next one is found by its mark. */
static void a_damaged_frame_of_the_wal_costs_one_record(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    clock_fake(START + HOUR, 0);
    fixture_open(&f);
    for (int i = 0; i < 10; i++) {
        put(f.store, "a", "x", START + i, i);
    }
    store_close(f.store);
    f.store = NULL;
    flip(f.dir, FIRST_SEGMENT, WAL_FILE_HEAD_SIZE + 4); /* the length of the first */
    fixture_open(&f);
    struct sample_columns c = get(f.store, "a", "x", INT64_MIN, INT64_MAX);
    assert_int_equal(c.n, 9);
    sample_columns_release(&c);
    assert_int_equal(damage_count(f.store->metrics->damage), 1);
    char text[DAMAGE_TEXT];
    damage_text(f.store->metrics->damage, 0, text);
    assert_non_null(strstr(text, FIRST_SEGMENT));
    fixture_release(&f);
}

static void cut(const char *dir, const char *file, off_t by)
{
    char path[256];
    struct stat st;
    snprintf(path, sizeof(path), "%s/%s", dir, file);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(truncate(path, st.st_size - by), 0);
}

/* What power loss leaves: the end of the file is missing. It was never acknowledged, so it is no damage. */
static void a_torn_end_of_the_wal_is_left_out(void **state)
{
    (void)state;
    for (int by = 1; by < 200; by += 7) {
        struct fixture f;
        fixture_init(&f);
        clock_fake(START + HOUR, 0);
        fixture_open(&f);
        for (int i = 0; i < 10; i++) {
            put(f.store, "a", "x", START + i, i);
        }
        store_close(f.store);
        f.store = NULL;
        cut(f.dir, FIRST_SEGMENT, by);
        fixture_open(&f);
        struct sample_columns c = get(f.store, "a", "x", INT64_MIN, INT64_MAX);
        assert_true(c.n < 10 && c.n >= 4);
        size_t n = c.n;
        sample_columns_release(&c);
        assert_int_equal(damage_count(f.store->metrics->damage), 0);
        put(f.store, "a", "x", START + 20, 20);
        fixture_reopen(&f);
        c = get(f.store, "a", "x", INT64_MIN, INT64_MAX);
        assert_int_equal(c.n, n + 1);
        sample_columns_release(&c);
        fixture_release(&f);
    }
}

static void flush_two_series(struct fixture *f)
{
    fixture_init(f);
    clock_fake(START + HOUR, 0);
    fixture_open(f);
    for (int i = 0; i < 100; i++) {
        put(f->store, "a", "x", START + i * 1000, i * 1.5);
        put(f->store, "b", "x", START + i * 1000, i * 2.5);
    }
    assert_int_equal(metrics_flush(f->store->metrics, true), 0);
    store_close(f->store);
    f->store = NULL;
}

/* The last byte belongs to the value column of the first series. */
static void a_damaged_column_costs_one_series(void **state)
{
    (void)state;
    struct fixture f;
    flush_two_series(&f);
    damage(f.dir, &metrics_env_spec, DBI_BLOCKS, SIZE_MAX);
    fixture_open(&f);
    int64_t corruptions = self_get(SELF_CORRUPTIONS);
    struct sample_columns c = get(f.store, "b", "x", INT64_MIN, INT64_MAX);
    assert_int_equal(c.n, 100);
    sample_columns_release(&c);
    assert_int_equal(self_get(SELF_CORRUPTIONS), corruptions);
    c = get(f.store, "a", "x", INT64_MIN, INT64_MAX);
    assert_int_equal(c.n, 0);
    sample_columns_release(&c);
    assert_int_equal(self_get(SELF_CORRUPTIONS), corruptions + 1);
    fixture_release(&f);
}

static void a_damaged_directory_costs_one_block(void **state)
{
    (void)state;
    struct fixture f;
    flush_two_series(&f);
    damage(f.dir, &metrics_env_spec, DBI_BLOCKS, 50);
    fixture_open(&f);
    int64_t corruptions = self_get(SELF_CORRUPTIONS);
    put(f.store, "a", "x", START + HOUR, 9);
    struct sample_columns c = get(f.store, "a", "x", INT64_MIN, INT64_MAX);
    assert_int_equal(c.n, 1);
    sample_columns_release(&c);
    assert_int_equal(self_get(SELF_CORRUPTIONS), corruptions + 1);
    fixture_release(&f);
}

static void a_damaged_series_record_costs_one_series(void **state)
{
    (void)state;
    struct fixture f;
    flush_two_series(&f);
    damage(f.dir, &metrics_env_spec, DBI_SERIES, 9);
    int64_t corruptions = self_get(SELF_CORRUPTIONS);
    fixture_open(&f);
    assert_int_equal(self_get(SELF_CORRUPTIONS), corruptions + 1);
    struct sample_columns c = get(f.store, "b", "x", INT64_MIN, INT64_MAX);
    assert_int_equal(c.n, 100);
    sample_columns_release(&c);
    put(f.store, "a", "x", START + HOUR, 9);
    assert_int_equal(f.store->metrics->counters.next_id, 4);
    fixture_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_second_open_is_refused_with_the_pid),
        cmocka_unit_test(a_newer_format_is_refused_by_name),
        cmocka_unit_test(unusable_directories_are_explained),
        cmocka_unit_test(a_full_disk_is_survived_and_recovered_from),
        cmocka_unit_test(a_disk_that_fills_up_during_a_flush_is_survived),
        cmocka_unit_test(a_failed_meta_page_heals_without_a_restart),
        cmocka_unit_test(a_full_queue_refuses_whole_appends),
        cmocka_unit_test(a_full_map_grows),
        cmocka_unit_test(a_log_of_a_newer_format_is_refused),
        cmocka_unit_test(a_damaged_wal_record_is_skipped_and_counted),
        cmocka_unit_test(a_damaged_frame_of_the_wal_costs_one_record),
        cmocka_unit_test(a_torn_end_of_the_wal_is_left_out),
        cmocka_unit_test(a_damaged_column_costs_one_series),
        cmocka_unit_test(a_damaged_directory_costs_one_block),
        cmocka_unit_test(a_damaged_series_record_costs_one_series),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
