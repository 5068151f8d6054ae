/* A data.mdb that ends early: cut, or rightly so. */
#include "storage/env_length.h"
#include "tests/unit/storage/store_test.h"

#include <fcntl.h>
#include <sys/stat.h>

#define MAP ((size_t)64 << 20)

static const struct env_spec spec = {.folder = "state", .version = 1, .dbi_count = 1, .dbis = {{"state", 0}}};

static void data_path(const struct fixture *f, char path[128])
{
    snprintf(path, 128, "%s/state/data.mdb", f->dir);
}

static void open_env(struct env *env, const struct fixture *f)
{
    struct error err = {0};
    if (env_open(env, &spec, f->dir, MAP, false, &err)) {
        fail_msg("env_open: %s", err.text);
    }
}

static unsigned random_below(unsigned n)
{
    static uint64_t x = 1;
    x = x * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(x >> 33) % n;
}

static void change(const struct env *env, MDB_txn *txn, unsigned number, bool put)
{
    char text[200] = {0};
    uint8_t bytes[4];
    env_put_be(bytes, number, sizeof(bytes));
    MDB_val key = env_val(bytes, sizeof(bytes)), value = env_val(text, sizeof(text));
    int rc = put ? mdb_put(txn, env->dbi[0], &key, &value, 0) : mdb_del(txn, env->dbi[0], &key, NULL);
    assert_true(rc == 0 || rc == MDB_NOTFOUND);
}

/* One transaction that puts and deletes keys of a range, up, down or at random. */
static void come_and_go(struct env *env, unsigned most)
{
    MDB_txn *txn = NULL;
    assert_int_equal(env_write(env, &txn), 0);
    unsigned low = random_below(1000), width = 1 + random_below(most);
    for (int pass = 0; pass < 2; pass++) {
        unsigned n = random_below(2 * most), mode = random_below(3);
        for (unsigned i = 0; i < n; i++) {
            change(env, txn, low + (mode == 0 ? random_below(width) : (mode == 1 ? i : n - i) % width), pass == 0);
        }
    }
    assert_int_equal(mdb_txn_commit(txn), 0);
}

static bool is_short(const struct env *env, const struct fixture *f)
{
    char path[128];
    MDB_envinfo info;
    struct stat st;
    data_path(f, path);
    assert_int_equal(mdb_env_info(env->mdb, &info), 0);
    assert_int_equal(stat(path, &st), 0);
    return (uint64_t)st.st_size < (info.me_last_pgno + 1) * 4096;
}

static void check_length(const struct fixture *f)
{
    struct error err = {0};
    char path[128];
    snprintf(path, sizeof(path), "%s/state", f->dir);
    if (env_check_length(path, &err)) {
        fail_msg("%s", err.text);
    }
}

static void a_file_whose_last_pages_were_never_written_is_whole(void **state)
{
    (void)state;
    unsigned shorts = 0;
    for (unsigned round = 0; round < 40; round++) {
        struct fixture f;
        struct env env;
        fixture_init(&f);
        open_env(&env, &f);
        for (unsigned i = 0; i < 8; i++) {
            come_and_go(&env, 400);
            shorts += is_short(&env, &f);
            check_length(&f);
        }
        env_close(&env);
        open_env(&env, &f);
        env_close(&env);
        fixture_release(&f);
    }
    assert_true(shorts > 10); /* or nothing was tried */
}

static void change_all(struct env *env, unsigned n, bool put, bool del)
{
    MDB_txn *txn = NULL;
    assert_int_equal(env_write(env, &txn), 0);
    for (unsigned i = 0; put && i < n; i++) {
        change(env, txn, i, true);
    }
    for (unsigned i = 0; del && i < n; i++) {
        change(env, txn, i, false);
    }
    assert_int_equal(mdb_txn_commit(txn), 0);
}

static MDB_stat free_list(const struct env *env)
{
    MDB_stat stat;
    auto_txn *txn = NULL;
    assert_int_equal(env_read(env, &txn), 0);
    assert_int_equal(mdb_stat(txn, 0, &stat), 0);
    return stat;
}

/* Cuts off the last page while the file counts as whole: what then counts on pages must find them. How many went. */
static unsigned cut_while_whole(struct env *env, const struct fixture *f)
{
    char path[128];
    struct stat st;
    data_path(f, path);
    for (unsigned cuts = 0;; cuts++) {
        struct error err = {0};
        env_close(env);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(truncate(path, st.st_size - 4096), 0);
        if (env_open(env, &spec, f->dir, MAP, false, &err)) {
            return cuts;
        }
        if (cuts == 50) { /* enough */
            env_close(env);
            return cuts;
        }
        int null = open("/dev/null", O_WRONLY);
        assert_int_equal(mdb_env_copyfd2(env->mdb, null, MDB_CP_COMPACT), 0); /* SIGBUS if one is missing */
        close(null);
    }
}

static void a_list_of_free_pages_that_needs_pages_of_its_own_is_read(void **state)
{
    (void)state;
    struct fixture f;
    struct env env;
    fixture_init(&f);
    open_env(&env, &f);
    change_all(&env, 20000, true, false);
    change_all(&env, 19000, false, true);
    change_all(&env, 20000, false, true);
    change_all(&env, 1, true, true);
    change_all(&env, 1, true, true);
    assert_true(free_list(&env).ms_overflow_pages > 0);
    assert_true(cut_while_whole(&env, &f) > 0);
    fixture_release(&f);
}

/* A reader keeps what was freed from being taken again. */
static void many_lists_of_free_pages_are_read(void **state)
{
    (void)state;
    struct fixture f;
    struct env env;
    fixture_init(&f);
    open_env(&env, &f);
    MDB_txn *reader = NULL;
    assert_int_equal(env_read(&env, &reader), 0);
    for (unsigned i = 0; i < 150; i++) {
        change_all(&env, 2, true, i % 2);
    }
    env_read_end(reader);
    for (unsigned i = 0; i < 3; i++) {
        change_all(&env, 1, true, true);
    }
    assert_true(free_list(&env).ms_depth > 1);
    assert_true(cut_while_whole(&env, &f) > 0);
    fixture_release(&f);
}

static void a_cut_file_is_refused_whatever_is_cut_off(void **state)
{
    (void)state;
    struct fixture f;
    struct env env;
    fixture_init(&f);
    open_env(&env, &f);
    come_and_go(&env, 50);
    MDB_txn *txn = NULL;
    char text[20000] = {0};
    MDB_val key = env_val("k", 1), value = env_val(text, sizeof(text));
    assert_int_equal(env_write(&env, &txn), 0);
    assert_int_equal(mdb_put(txn, env.dbi[0], &key, &value, 0), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    env_close(&env);
    char path[128];
    struct stat st;
    data_path(&f, path);
    assert_int_equal(stat(path, &st), 0);
    for (off_t size = st.st_size - 1; size >= 8192; size -= 1000) {
        struct error err = {0};
        assert_int_equal(truncate(path, size), 0);
        assert_int_equal(env_open(&env, &spec, f.dir, MAP, false, &err), ERR_CORRUPT);
        assert_non_null(strstr(err.text, "restore a backup"));
        struct stat now;
        assert_int_equal(stat(path, &now), 0);
        assert_int_equal(now.st_size, size);
    }
    fixture_release(&f);
}

/* Whatever the verdict: it comes, and nothing is read where nothing is. */
static void a_damaged_list_of_free_pages_is_survived(void **state)
{
    (void)state;
    struct fixture f;
    struct env env;
    fixture_init(&f);
    open_env(&env, &f);
    MDB_txn *reader = NULL;
    assert_int_equal(env_read(&env, &reader), 0);
    for (unsigned i = 0; i < 60; i++) {
        change_all(&env, 2, true, i % 2);
    }
    env_read_end(reader);
    env_close(&env);
    char path[128], folder[128];
    struct stat st;
    data_path(&f, path);
    snprintf(folder, sizeof(folder), "%s/state", f.dir);
    assert_int_equal(stat(path, &st), 0);
    size_t size = (size_t)st.st_size - 1; /* its last page is not whole, so the list is read */
    char *whole = mem_alloc(size), *damaged = mem_alloc(size);
    int fd = open(path, O_RDWR);
    assert_int_equal(pread(fd, whole, size, 0), size);
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    for (unsigned i = 0; i < 3000; i++) {
        memcpy(damaged, whole, size);
        for (unsigned k = 0; k < 200; k++) {
            damaged[random_below((unsigned)size / 4096) * 4096 + random_below(64)] = (char)random_below(256);
        }
        memcpy(damaged, whole, i % 2 ? 136 : 24); /* LMDB's it still is, mostly; the last page may be any */
        memcpy(damaged + 4096, whole + 4096, i % 2 ? 136 : 24);
        assert_int_equal(pwrite(fd, damaged, size, 0), size);
        struct error err = {0};
        int rc = env_check_length(folder, &err);
        assert_true(rc == 0 || (rc == ERR_CORRUPT && err.text[0]));
    }
    close(fd);
    mem_free(whole);
    mem_free(damaged);
    fixture_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_whose_last_pages_were_never_written_is_whole),
        cmocka_unit_test(a_list_of_free_pages_that_needs_pages_of_its_own_is_read),
        cmocka_unit_test(many_lists_of_free_pages_are_read),
        cmocka_unit_test(a_damaged_list_of_free_pages_is_survived),
        cmocka_unit_test(a_cut_file_is_refused_whatever_is_cut_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
