/* Symptoms that were seen once and must not come back. */
#include "storage/tiers.h"
#include "tests/unit/storage/store_test.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define DAY (24 * HOUR)
#define NOW (START + 5 * HOUR)

/* -- faults: this program's own calls of the system -- */

static _Atomic unsigned disk_us;     /* how long a slow disk takes to flush */
static struct wal *commit_at_unlink; /* another thread commits to it at the moment a segment is deleted */
static int committed_at_unlink;

static void limit_file_size(rlim_t bytes)
{
    const struct rlimit limit = {bytes, RLIM_INFINITY};
    setrlimit(RLIMIT_FSIZE, &limit);
}

int fdatasync(int fd)
{
    usleep(atomic_load(&disk_us));
    return (int)syscall(SYS_fdatasync, fd);
}

int unlinkat(int dir, const char *name, int flags)
{
    if (commit_at_unlink) {
        struct wal *wal = commit_at_unlink;
        commit_at_unlink = NULL;
        limit_file_size(RLIM_INFINITY); /* the disk has room again */
        committed_at_unlink = wal_commit(wal);
    }
    return (int)syscall(SYS_unlinkat, dir, name, flags);
}

/* -- helpers -- */

static int set_up(void **state)
{
    static struct fixture f;
    fixture_init(&f);
    clock_fake(NOW, 1000000);
    fixture_open(&f);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    fixture_release(*state);
    return 0;
}

/* n series of one target at one time. */
static int scrape(struct store *store, const char *group, int64_t t_ms, int n)
{
    struct maker m;
    maker_init(&m, group, t_ms);
    for (int i = 0; i < n; i++) {
        char instance[32];
        snprintf(instance, sizeof(instance), "%s%d", group, i);
        maker_add(&m, "a", instance, t_ms, i);
    }
    int rc = store_append(store, &m.batch, NULL, NULL);
    maker_release(&m);
    return rc;
}

static int delete_name(struct store *store, const char *name, size_t *series)
{
    struct matcher matcher;
    struct error err = {0};
    int rc = matcher_init(&matcher, MATCH_EQ, METRIC_NAME, str_of(name), NULL);
    rc = rc ? rc : store_delete_series(store, &matcher, 1, INT64_MIN, INT64_MAX, series, &err);
    matcher_release(&matcher);
    return rc;
}

static uint64_t series_of(struct store *store)
{
    struct store_status status;
    store_get_status(store, &status);
    return status.series;
}

static void assert_samples(struct store *store, const char *name, const char *instance, size_t n)
{
    struct sample_columns c = get(store, name, instance, INT64_MIN, INT64_MAX);
    assert_int_equal(c.n, n);
    sample_columns_release(&c);
}

/* What is in the environment's databases. */
static uint64_t used_bytes(struct store *store, size_t *blocks)
{
    const struct env *env = &store->envs[ENV_METRICS];
    auto_txn *txn = NULL;
    assert_int_equal(env_read(env, &txn), 0);
    uint64_t used = 0;
    for (size_t i = 0; i < env->spec->dbi_count; i++) {
        MDB_stat st;
        assert_int_equal(mdb_stat(txn, env->dbi[i], &st), 0);
        used += (uint64_t)st.ms_psize * (st.ms_branch_pages + st.ms_leaf_pages + st.ms_overflow_pages);
        *blocks = i == DBI_BLOCKS ? st.ms_entries : *blocks;
    }
    return used;
}

static size_t blocks_of(struct store *store)
{
    size_t blocks = 0;
    (void)used_bytes(store, &blocks);
    return blocks;
}

/* What upkeep and the writer's tick do in time, a few times over. */
static void keep_up(struct store *store)
{
    struct metrics *m = store->metrics;
    for (int round = 0; round < 6; round++) {
        assert_int_equal(metrics_flush(m, false), 0);
        pthread_mutex_lock(&m->flush_lock);
        int rc = tiers_build(m);
        pthread_mutex_unlock(&m->flush_lock);
        assert_int_equal(rc, 0);
        writer_request_tick(store->writer);
        usleep(30000);
        assert_int_equal(store_sync(store, 10000), 0);
    }
}

/* -- the head -- */

static uint64_t full_bytes(struct metrics *m)
{
    pthread_mutex_lock(&m->append_lock);
    uint64_t bytes = m->full_bytes;
    pthread_mutex_unlock(&m->append_lock);
    return bytes;
}

/* A count that wrapped refused every append from then on. The strip has two full pieces of different size, because its
 * target has got more series. */
static void appends_are_taken_after_a_flush_beside_full_pieces(void **state)
{
    struct fixture *f = *state;
    struct metrics *m = f->store->metrics;
    struct snapshot *snapshot = NULL;
    assert_int_equal(scrape(f->store, "old", START, 10), 0);
    assert_int_equal(snapshot_open(f->store, &snapshot), 0); /* keeps the pieces from being sealed */
    pthread_mutex_lock(&m->flush_lock);                      /* and upkeep from flushing before they are there */
    int64_t t_ms = START + 4 * HOUR;
    for (int i = 0; i < 500; i++, t_ms += 1000) {
        assert_int_equal(scrape(f->store, "g", t_ms, i < 200 ? 20 : 90), 0);
    }
    pthread_mutex_unlock(&m->flush_lock);
    uint64_t before = full_bytes(m);
    assert_true(before > 0);
    clock_fake(NOW, 1000000 + 120000);
    assert_int_equal(metrics_flush(m, false), 0); /* the first window freezes */
    assert_int_equal(full_bytes(m), before);
    snapshot_close(snapshot);
    pthread_mutex_lock(&m->flush_lock);
    bool held_back = metrics_seal(m);
    pthread_mutex_unlock(&m->flush_lock);
    assert_false(held_back);
    assert_int_equal(full_bytes(m), 0);
    assert_int_equal(scrape(f->store, "g", t_ms, 90), 0);
}

static _Atomic bool appending, gave_up;
static _Atomic int64_t appended;

/* Ends when it is told to, or gives up after half a minute: whoever waits for it to end must not wait for ever. */
static void *append_on(void *store)
{
    for (int i = 0; atomic_load(&appending) && !atomic_load(&gave_up); i++) {
        (void)scrape(store, "o", START + 4 * HOUR + i, 2);
        atomic_fetch_add(&appended, 1);
        atomic_store(&gave_up, i >= 100000);
        usleep(300);
    }
    return NULL;
}

static void start_appending(pthread_t *thread, struct store *store)
{
    atomic_store(&appended, 0);
    atomic_store(&gave_up, false);
    atomic_store(&appending, true);
    if (pthread_create(thread, NULL, append_on, store)) {
        abort();
    }
    while (atomic_load(&appended) < 10) {
        usleep(1000);
    }
}

static void a_flush_of_everything_ends_while_appends_go_on(void **state)
{
    struct fixture *f = *state;
    pthread_t thread;
    start_appending(&thread, f->store);
    atomic_store(&disk_us, 10000);
    int rc = store_flush(f->store);
    atomic_store(&disk_us, 0);
    bool went_on = !atomic_load(&gave_up);
    size_t blocks = blocks_of(f->store);
    atomic_store(&appending, false);
    pthread_join(thread, NULL);
    assert_int_equal(rc, 0);
    assert_true(went_on);
    assert_true(blocks >= 1 && blocks <= 2);
}

static int borrowed_labels(void *ctx, size_t i, struct arena *arena, struct labels *out, struct error *err)
{
    (void)arena;
    (void)err;
    *out = ((struct batch *)ctx)->samples.p[i].labels;
    return 0;
}

/* As many windows as one may open, however often the request comes back to them. */
static void many_series_over_many_windows_are_taken_whole(void **state)
{
    enum { SERIES = 125, WINDOWS = 500, SAMPLES = SERIES * WINDOWS };
    struct fixture *f = *state;
    clock_fake(START + (WINDOWS + 1) * 2 * HOUR, 1000000);
    struct write_sample *samples = mem_alloc(SAMPLES * sizeof(*samples));
    struct write_series series[SERIES];
    char keys[SERIES][16];
    struct maker m;
    maker_init(&m, "x", START);
    for (int s = 0; s < SERIES; s++) {
        snprintf(keys[s], sizeof(keys[s]), "w%d", s);
        series[s] = (struct write_series){str_of(keys[s]), (uint32_t)(s * WINDOWS), WINDOWS};
        for (int k = 0; k < WINDOWS; k++) {
            samples[s * WINDOWS + k] = (struct write_sample){START + k * 2 * HOUR, k};
        }
        maker_add(&m, "b", keys[s], START, 1);
    }
    const struct write_request request = {.group = STR("rw"),
                                          .series = series,
                                          .series_count = SERIES,
                                          .samples = samples,
                                          .sample_count = SAMPLES,
                                          .labels = borrowed_labels,
                                          .ctx = &m.batch,
                                          .any_order = true};
    struct write_result result;
    assert_int_equal(store_write(f->store, &request, &result), 0);
    assert_int_equal(result.samples, SAMPLES);
    assert_int_equal(result.rejected_samples, 0);
    assert_int_equal(result.rejected_series, 0);
    assert_samples(f->store, "b", "w0", WINDOWS);
    assert_samples(f->store, "b", "w124", WINDOWS);
    maker_release(&m);
    mem_free(samples);
}

/* -- the log -- */

/* Open descriptors of files below dir that have been deleted. */
static int deleted_descriptors(const char *dir)
{
    int n = 0;
    DIR *fds = opendir("/proc/self/fd");
    assert_non_null(fds);
    for (const struct dirent *it; (it = readdir(fds));) {
        char to[512];
        ssize_t len = readlinkat(dirfd(fds), it->d_name, to, sizeof(to) - 1);
        if (len > 0) {
            to[len] = 0;
            n += strstr(to, dir) && strstr(to, "(deleted)");
        }
    }
    closedir(fds);
    return n;
}

static int log_record(struct wal *wal, uint64_t seq, size_t n)
{
    char *p = mem_zalloc(n);
    wal_push(wal, seq, (struct str){p, n}, false, NULL, NULL);
    mem_free(p);
    return wal_commit(wal);
}

/* Of a store that is closed, with a first record of a whole segment. */
static struct wal *begin_log(struct fixture *f, bool sync_always)
{
    store_close(f->store);
    f->store = NULL;
    struct wal *wal = NULL;
    struct error err = {0};
    assert_int_equal(wal_open(f->dir, sync_always, 0, &wal, &err), 0);
    assert_int_equal(log_record(wal, 1, (size_t)9 << 20), 0);
    return wal;
}

static void deleted_segments_are_closed_whether_always_synced_or_not(void **state)
{
    for (int sync_always = 0; sync_always < 2; sync_always++) {
        struct fixture *f = *state;
        struct error err = {0};
        struct wal *wal = begin_log(f, sync_always);
        assert_int_equal(wal_start(wal, &err), 0);
        for (uint64_t seq = 2; seq <= 4; seq++) {
            assert_int_equal(log_record(wal, seq, (size_t)9 << 20), 0);
        }
        wal_keep_from(wal, 5);
        for (int i = 0; i < 2000 && deleted_descriptors(f->dir); i++) {
            usleep(10000);
        }
        assert_int_equal(deleted_descriptors(f->dir), 0);
        wal_stop(wal);
        wal_free(wal);
    }
}

static int count_record(void *ctx, uint64_t seq, struct str payload)
{
    (void)seq;
    (void)payload;
    ++*(int *)ctx;
    return 0;
}

/* The disk was full when its segment was begun, and had room again while older segments were deleted. */
static void an_acknowledged_record_is_not_deleted_with_older_ones(void **state)
{
    struct fixture *f = *state;
    struct wal *wal = begin_log(f, false);
    signal(SIGXFSZ, SIG_IGN);
    limit_file_size(16);
    int rc = log_record(wal, 2, 100);
    committed_at_unlink = -1;
    commit_at_unlink = wal;
    wal_keep_from(wal, 2); /* the first is in blocks */
    limit_file_size(RLIM_INFINITY);
    signal(SIGXFSZ, SIG_DFL);
    assert_int_equal(rc, ERR_FULL);
    assert_int_equal(committed_at_unlink, 0);
    wal_free(wal);
    struct error err = {0};
    assert_int_equal(wal_open(f->dir, false, 0, &wal, &err), 0);
    int records = 0;
    struct damage *damage = damage_new();
    assert_int_equal(wal_replay(wal, 0, count_record, &records, damage), 0);
    assert_int_equal(records, 1);
    damage_free(damage);
    wal_free(wal);
}

/* -- deleting -- */

/* Six targets whose series come in turns, so that ids change between groups of cohorts all the time. */
static void deleting_does_not_multiply_blocks(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 40; i++) {
        for (int g = 0; g < 6; g++) {
            char group[3] = {'g', (char)('0' + g)};
            assert_int_equal(scrape(f->store, group, START + i, i + 1), 0);
            put(f->store, "keep", group, START + i, 1);
        }
    }
    assert_int_equal(store_flush(f->store), 0);
    size_t before = blocks_of(f->store), series = 0;
    assert_int_equal(delete_name(f->store, "a", &series), 0);
    assert_int_equal(series, 240);
    assert_true(blocks_of(f->store) <= before);
    assert_int_equal(series_of(f->store), 6);
    assert_samples(f->store, "keep", "g3", 40);
}

static void a_deleted_series_leaves_although_a_query_is_under_way(void **state)
{
    struct fixture *f = *state;
    put(f->store, "bad", "x", START, 1);
    put(f->store, "good", "x", START, 1);
    struct snapshot *snapshot = NULL;
    size_t series = 0;
    assert_int_equal(snapshot_open(f->store, &snapshot), 0);
    assert_int_equal(delete_name(f->store, "bad", &series), 0);
    assert_int_equal(series, 1);
    assert_int_equal(series_of(f->store), 1);
    assert_samples(f->store, "bad", "x", 0);
    assert_samples(f->store, "good", "x", 1);
    snapshot_close(snapshot);
    fixture_reopen(f);
    assert_int_equal(series_of(f->store), 1);
    assert_samples(f->store, "bad", "x", 0);
    assert_samples(f->store, "good", "x", 1);
}

static _Atomic bool writer_hangs;

static void hang(void *ctx, int rc)
{
    (void)ctx;
    (void)rc;
    atomic_store(&writer_hangs, true);
    pause();
}

/* Killed when the sample that came after the deletion is in the log, and its series not yet in LMDB. */
static void delete_and_die(struct fixture *f)
{
    alarm(60);
    fixture_open(f);
    pthread_t thread;
    put(f->store, "again", "x", START + 4 * HOUR, 1);
    start_appending(&thread, f->store);
    size_t series = 0;
    while (series_of(f->store) > 2) { /* those that go on */
        assert_int_equal(delete_name(f->store, "again", &series), 0);
    }
    atomic_store(&appending, false);
    pthread_join(thread, NULL);
    struct kv_job *job = kv_job_new(hang, NULL); /* a slow disk, a large flush */
    assert_int_equal(writer_push_always(f->store->writer, ENV_METRICS, kv_job_base(job)), 0);
    while (!atomic_load(&writer_hangs)) {
        usleep(1000);
    }
    put(f->store, "again", "x", START + 4 * HOUR + 1000, 2);
    assert_int_equal(wal_commit(f->store->wal), 0);
    kill(getpid(), SIGKILL);
}

static void a_deleted_series_that_comes_again_has_its_new_sample_alone(void **state)
{
    struct fixture *f = *state;
    store_close(f->store);
    f->store = NULL;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        delete_and_die(f);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    fixture_open(f);
    struct sample_columns c = get(f->store, "again", "x", INT64_MIN, INT64_MAX);
    assert_int_equal(c.n, 1);
    assert_true(c.v[0] == 2);
    sample_columns_release(&c);
    char text[STORE_DAMAGE_TEXT] = "";
    assert_false(store_damage(f->store, 0, text));
}

/* -- retention -- */

static size_t points_of(struct store *store, int64_t from_ms, int64_t to_ms)
{
    struct matcher name;
    assert_int_equal(matcher_init(&name, MATCH_EQ, METRIC_NAME, STR("a"), NULL), 0);
    auto_arena arena;
    arena_init(&arena);
    auto_snapshot struct snapshot *snapshot = NULL;
    assert_int_equal(snapshot_open(store, &snapshot), 0);
    struct series_set set;
    assert_int_equal(snapshot_select(snapshot, &name, 1, from_ms, to_ms, 0, &arena, &set), 0);
    assert_int_equal(set.n, 1);
    struct point_columns c = {0};
    assert_int_equal(snapshot_read_points(snapshot, set.v[0].id, TIER_5M, from_ms, to_ms, &c), 0);
    size_t n = c.n;
    point_columns_release(&c);
    matcher_release(&name);
    return n;
}

/* The oldest raw window that is kept got a late sample: the day's points were made anew without what had gone. */
static void late_samples_of_the_oldest_window_leave_its_points(void **state)
{
    struct fixture *f = *state;
    const int64_t day = START / DAY * DAY, now_ms = day + 2 * DAY + 14 * HOUR - 60000;
    f->options.retention_ms = 2 * DAY;
    f->options.retention_5m_ms = 30 * DAY;
    clock_fake(now_ms, 1000000);
    fixture_reopen(f);
    for (int64_t t_ms = day; t_ms < now_ms; t_ms += 300000) {
        clock_fake(t_ms, 1000000);
        assert_int_equal(scrape(f->store, "g", t_ms, 1), 0);
    }
    clock_fake(now_ms, 1000000);
    assert_int_equal(store_flush(f->store), 0);
    keep_up(f->store);
    assert_int_equal(points_of(f->store, day + 1, day + DAY), 288);
    put(f->store, "late", "x", now_ms - 2 * DAY + 1000, 1);
    clock_fake(now_ms + 120000, 1000000);
    assert_int_equal(scrape(f->store, "g", now_ms + 90000, 1), 0); /* its window is too old now */
    keep_up(f->store);
    assert_int_equal(points_of(f->store, day + 1, day + DAY), 288);
    clock_fake(now_ms + 200000, 1000000 + 90000); /* nothing comes any more: it is flushed */
    keep_up(f->store);
    assert_int_equal(points_of(f->store, day + 1, day + DAY), 288);
}

static void a_size_limit_does_not_make_tiers_be_built_again(void **state)
{
    struct fixture *f = *state;
    const int64_t from_ms = START / (8 * DAY) * (8 * DAY), to_ms = from_ms + 10 * DAY;
    f->options.retention_ms = 40 * DAY;
    f->options.retention_5m_ms = 80 * DAY;
    f->options.retention_1h_ms = 160 * DAY;
    clock_fake(to_ms, 1000000);
    fixture_reopen(f);
    for (int64_t t_ms = from_ms + 300000; t_ms < to_ms; t_ms += 300000) {
        assert_int_equal(scrape(f->store, "g", t_ms, 100), 0);
    }
    assert_int_equal(store_flush(f->store), 0);
    keep_up(f->store);
    size_t blocks = 0;
    uint64_t limit = used_bytes(f->store, &blocks) - 20000;
    int64_t written = self_get(SELF_BLOCKS_WRITTEN), deleted = self_get(SELF_BLOCKS_DELETED);
    f->store->options.retention_bytes = limit; /* nothing new comes from here on */
    for (int i = 0; i < 200 && used_bytes(f->store, &blocks) > limit; i++) {
        keep_up(f->store);
    }
    keep_up(f->store);
    keep_up(f->store);
    assert_true(used_bytes(f->store, &blocks) <= limit);
    assert_true(self_get(SELF_BLOCKS_DELETED) > deleted);
    assert_int_equal(self_get(SELF_BLOCKS_WRITTEN), written);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(appends_are_taken_after_a_flush_beside_full_pieces),
        CASE(a_flush_of_everything_ends_while_appends_go_on),
        CASE(many_series_over_many_windows_are_taken_whole),
        CASE(deleted_segments_are_closed_whether_always_synced_or_not),
        CASE(an_acknowledged_record_is_not_deleted_with_older_ones),
        CASE(deleting_does_not_multiply_blocks),
        CASE(a_deleted_series_leaves_although_a_query_is_under_way),
        CASE(a_deleted_series_that_comes_again_has_its_new_sample_alone),
        CASE(late_samples_of_the_oldest_window_leave_its_points),
        CASE(a_size_limit_does_not_make_tiers_be_built_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
