/* The upkeep thread: full pieces are sealed, windows whose time has passed become blocks, what nobody reads any more is
 * freed. */
#include "src/base/clock.h"
#include "src/base/counter.h"
#include "src/base/mem.h"
#include "src/base/thread.h"
#include "storage/bytes.h"
#include "storage/metrics.h"

#include <malloc.h>
#include <signal.h>
#include <stdlib.h>

#define BLOCK_BYTES   ((size_t)1 << 20)   /* a block is closed beyond that */
#define JOB_BYTES     ((size_t)8 << 20)   /* blocks of one transaction */
#define WINDOW_FULL   ((uint64_t)8 << 20) /* samples: a late window waits no longer */
#define GOOD_COLUMN   60                  /* rows of a cohort: a window with so many makes blocks worth having */
#define RELEASE_SLICE 200                 /* strips freed under one lock */
#define ROUND_MS      500
#define FAILED_ROUNDS 60 /* without a flush after one that failed for good: a full disk is waited for in the writer */

/* What one flush waits for: every job it queued. */
struct flush {
    struct metrics *m;
    struct window *window;
    struct kv_job *job;
    struct block_builder builder;
    struct block_key key; /* of the block being built */
    struct buf block;
    struct sample_columns columns;
    vec(struct series *) recorded; /* whose records go with this flush */
    int64_t blocks;
    pthread_mutex_t lock;
    pthread_cond_t done;
    size_t pending;
    int rc;
};

static void lock_all(struct metrics *m)
{
    pthread_mutex_lock(&m->append_lock);
    pthread_rwlock_wrlock(&m->lock);
}

static void unlock_all(struct metrics *m)
{
    pthread_rwlock_unlock(&m->lock);
    pthread_mutex_unlock(&m->append_lock);
}

/* In time: by the newest sample, because a sender that lags brings what belongs here. When nothing comes any more, by
 * the clock. */
static bool is_due(const struct window *window, int64_t newest_ms, int64_t wall_ms, int64_t mono_ms, size_t cohorts)
{
    int64_t over_ms = window->start_ms + WINDOW_MS + FLUSH_WAIT_MS, idle_ms = mono_ms - window->touched_ms;
    if (wall_ms < over_ms) {
        return false;
    }
    bool in_time = !window->late && newest_ms >= over_ms;
    bool good = window->rows >= GOOD_COLUMN * cohorts;
    return in_time || idle_ms >= LATE_IDLE_MS || (good && idle_ms >= IDLE_MS) ||
           (window->late && mono_ms - window->created_ms >= FLUSH_WAIT_MS) || window->samples >= WINDOW_FULL;
}

static size_t count_strips(const struct window *window)
{
    size_t n = 0;
    for (const struct strip *it = window->strips; it; it = it->next_in_window) {
        n++;
    }
    return n;
}

/* The window to be flushed next, frozen; NULL: none. One whose flush failed comes first: of the same two hours there
 * may be a newer one, whose blocks must get higher numbers. Otherwise the oldest. */
static struct window *freeze_next(struct metrics *m, bool all)
{
    int64_t wall_ms = clock_wall_ms(), mono_ms = clock_mono_ms();
    struct window *next = NULL;
    lock_all(m);
    int64_t newest_ms = m->newest_ms < wall_ms ? m->newest_ms : wall_ms;
    for (struct window *it = m->windows; it; it = it->next) {
        if (it->frozen && !it->committed) {
            next = it;
            break;
        }
        bool due = !it->frozen && (all || is_due(it, newest_ms, wall_ms, mono_ms, count_strips(it)));
        if (due && (!next || it->start_ms < next->start_ms)) {
            next = it;
        }
    }
    if (next && !next->frozen) {
        next->frozen = true;
        next->last_wal = m->counters.wal_seq;
        m->open_windows--;
        seal_forget(m, next);
    }
    unlock_all(m);
    return next;
}

static void job_done(void *ctx, int rc)
{
    struct flush *flush = ctx;
    pthread_mutex_lock(&flush->lock);
    flush->rc = flush->rc ? flush->rc : rc;
    flush->pending--;
    pthread_cond_signal(&flush->done);
    pthread_mutex_unlock(&flush->lock);
}

static void push_job(struct flush *flush)
{
    struct kv_job *job = flush->job;
    flush->job = kv_job_new(job_done, flush);
    pthread_mutex_lock(&flush->lock);
    flush->pending++;
    pthread_mutex_unlock(&flush->lock);
    int rc = writer_push_always(flush->m->store->writer, ENV_METRICS, kv_job_base(job));
    if (rc) {
        kv_job_free(job);
        job_done(flush, rc);
    }
}

static int wait_for_jobs(struct flush *flush)
{
    pthread_mutex_lock(&flush->lock);
    while (flush->pending) {
        pthread_cond_wait(&flush->done, &flush->lock);
    }
    int rc = flush->rc;
    pthread_mutex_unlock(&flush->lock);
    return rc;
}

static void close_block(struct flush *flush)
{
    if (!flush->builder.columns.len) {
        return;
    }
    buf_clear(&flush->block);
    block_builder_finish(&flush->builder, &flush->block);
    uint8_t key[BLOCK_KEY_SIZE];
    flush->key.number = flush->m->counters.next_block++; /* flush_lock guards it */
    block_key_write(&flush->key, key);
    kv_job_put(flush->job, DBI_BLOCKS, (struct str){(const char *)key, sizeof(key)}, buf_str(&flush->block));
    block_builder_clear(&flush->builder);
    memset(flush->key.slots, 0, sizeof(flush->key.slots));
    flush->blocks++;
    if (kv_job_bytes(flush->job) > JOB_BYTES) {
        push_job(flush);
    }
}

static void add_columns(struct flush *flush, struct series *series)
{
    if (!series->stored) { /* known from the log alone */
        series_put(flush->job, series);
        vec_push(&flush->recorded, series);
    }
    unsigned slot = series->cohort->number % GROUP_COHORTS * COHORT_SLOTS + series->slot;
    sample_columns_settle(&flush->columns);
    block_key_set(&flush->key, slot);
    block_builder_add(&flush->builder, block_column(slot, 0), flush->columns.t_ms, flush->columns.v, flush->columns.n);
}

/* Slots of series that have been deleted since have no series any more. */
static void add_strip(struct flush *flush, const struct strip *strip)
{
    const struct cohort *cohort = strip->cohort;
    uint32_t group = cohort->number / GROUP_COHORTS;
    if (flush->builder.columns.len &&
        (flush->key.group != group || block_builder_size(&flush->builder) > BLOCK_BYTES)) {
        close_block(flush);
    }
    flush->key.group = group;
    for (unsigned slot = cohort->used; slot-- > 0;) {
        struct series *series = cohort->slots[slot];
        flush->columns.n = 0;
        if (series && strip_read(strip, slot, 0, true, &flush->columns)) {
            damage_note(flush->m->damage, "memory of series %llu is damaged: its samples of one window are lost",
                        (unsigned long long)series->id);
        } else if (series && flush->columns.n) {
            add_columns(flush, series);
        }
    }
}

/* Descending, as columns come. */
static int compare_strips(const void *a, const void *b)
{
    uint32_t x = (*(const struct strip *const *)a)->cohort->number,
             y = (*(const struct strip *const *)b)->cohort->number;
    return (x < y) - (x > y);
}

static void put_progress(struct flush *flush)
{
    struct metrics *m = flush->m;
    uint8_t key[8], last_wal[8], counters[COUNTERS_SIZE];
    env_put_be(key, (uint64_t)flush->window->start_ms ^ (uint64_t)1 << 63, sizeof(key));
    bytes_store_le(last_wal, flush->window->last_wal, sizeof(last_wal));
    kv_job_put(flush->job, DBI_FLUSHED, (struct str){(const char *)key, sizeof(key)},
               (struct str){(const char *)last_wal, sizeof(last_wal)});
    pthread_mutex_lock(&m->append_lock);
    counters_encode(&m->counters, counters);
    pthread_mutex_unlock(&m->append_lock);
    kv_job_put_meta(flush->job, COUNTERS_KEY, (struct str){(const char *)counters, sizeof(counters)});
}

/* The window is frozen: read without lock. That it is flushed stands in the last transaction; a crash before leaves
 * blocks whose samples the WAL brings back once more, with the same values. */
static int write_blocks(struct flush *flush)
{
    vec(const struct strip *) strips = {0};
    for (const struct strip *it = flush->window->strips; it; it = it->next_in_window) {
        vec_push(&strips, it);
    }
    if (strips.len) {
        qsort(strips.p, strips.len, sizeof(*strips.p), compare_strips);
    }
    for (size_t i = 0; i < strips.len; i++) {
        add_strip(flush, strips.p[i]);
    }
    vec_release(&strips);
    close_block(flush);
    put_progress(flush);
    push_job(flush);
    return wait_for_jobs(flush);
}

static int flush_window(struct metrics *m, struct window *window)
{
    struct flush flush = {.m = m, .window = window, .key = {.tier = TIER_RAW, .window_ms = window->start_ms}};
    pthread_mutex_init(&flush.lock, NULL);
    pthread_cond_init(&flush.done, NULL);
    block_builder_init(&flush.builder);
    buf_init(&flush.block, (size_t)1 << 30);
    flush.job = kv_job_new(job_done, &flush);
    int rc = write_blocks(&flush);
    self_add(SELF_BLOCKS_WRITTEN, rc ? 0 : flush.blocks);
    for (size_t i = 0; rc == 0 && i < flush.recorded.len; i++) {
        flush.recorded.p[i]->stored = true; /* none has been freed: sweeping waits for flush_lock */
    }
    vec_release(&flush.recorded);
    kv_job_free(flush.job);
    block_builder_release(&flush.builder);
    buf_release(&flush.block);
    sample_columns_release(&flush.columns);
    pthread_cond_destroy(&flush.done);
    pthread_mutex_destroy(&flush.lock);
    return rc;
}

/* The lowest WAL record that holds samples of a window not in blocks yet. */
static uint64_t first_needed_wal(const struct metrics *m)
{
    uint64_t first = m->counters.wal_seq + 1;
    for (const struct window *it = m->windows; it; it = it->next) {
        if (!it->committed && it->first_wal < first) {
            first = it->first_wal;
        }
    }
    return first;
}

/* Before WAL records go, the blocks' commit must survive a loss of power: its meta page is synced. */
static int mark_committed(struct metrics *m, struct window *window)
{
    int rc = env_sync(&m->store->envs[ENV_METRICS]);
    if (rc) {
        return rc;
    }
    lock_all(m);
    window->committed = true;
    window->retire_tag = snapshots_tag(m);
    m->samples_in_head -= window->samples;
    m->disk_oldest_ms = window->start_ms < m->disk_oldest_ms ? window->start_ms : m->disk_oldest_ms;
    int64_t end_ms = window->start_ms + WINDOW_MS;
    m->disk_newest_ms = end_ms > m->disk_newest_ms ? end_ms : m->disk_newest_ms;
    uint64_t keep_from = first_needed_wal(m);
    self_set(SELF_HEAD_SAMPLES, (int64_t)m->samples_in_head);
    unlock_all(m);
    (void)!wal_commit(m->store->wal); /* what is flushed must not be written to the log after its segment is gone */
    __atomic_store_n(&m->wal_keep_from, keep_from, __ATOMIC_RELEASE);
    wal_keep_from(m->store->wal, keep_from);
    return 0;
}

int metrics_flush(struct metrics *m, bool all)
{
    int rc = 0;
    bool flushed = false;
    pthread_mutex_lock(&m->flush_lock);
    for (struct window *window; rc == 0 && (window = freeze_next(m, all)); flushed = true) {
        rc = flush_window(m, window);
        rc = rc ? rc : mark_committed(m, window);
    }
    if (flushed) {
        writer_request_tick(m->store->writer); /* forgets how far windows were flushed that the log has left */
    }
    __atomic_store_n(&m->flush_failure, rc, __ATOMIC_RELAXED);
    metrics_release_retired(m);
    pthread_mutex_unlock(&m->flush_lock);
    return rc;
}

static void unlink_strip(struct strip *strip)
{
    struct strip **at = &strip->cohort->strips;
    while (*at != strip) {
        at = &(*at)->next;
    }
    *at = strip->next;
}

/* True when the window is empty. A slice at a time: appenders and readers wait for the lock. */
static bool release_slice(struct metrics *m, struct window *window)
{
    struct strip *slice = NULL;
    lock_all(m);
    for (int i = 0; i < RELEASE_SLICE && window->strips; i++) {
        struct strip *strip = window->strips;
        window->strips = strip->next_in_window;
        unlink_strip(strip);
        strip->next = slice;
        slice = strip;
    }
    bool empty = !window->strips;
    unlock_all(m);
    for (struct strip *next; slice; slice = next) {
        next = slice->next;
        strip_free(slice);
    }
    return empty;
}

static void unlink_window(struct metrics *m, struct window *window)
{
    lock_all(m);
    struct window **at = &m->windows;
    while (*at != window) {
        at = &(*at)->next;
    }
    *at = window->next;
    unlock_all(m);
    mem_free(window);
}

static struct window *next_releasable(struct metrics *m)
{
    uint64_t oldest = snapshots_oldest(m);
    pthread_mutex_lock(&m->append_lock);
    struct window *it = m->windows;
    while (it && !(it->committed && it->retire_tag <= oldest)) {
        it = it->next;
    }
    pthread_mutex_unlock(&m->append_lock);
    return it;
}

static void release_series(struct metrics *m)
{
    uint64_t oldest = snapshots_oldest(m);
    lock_all(m);
    for (struct retired **at = &m->retired; *at;) {
        struct retired *it = *at;
        if (it->tag > oldest) {
            at = &it->next;
            continue;
        }
        *at = it->next;
        series_free(it->series);
        mem_free(it);
    }
    unlock_all(m);
}

void metrics_release_retired(struct metrics *m)
{
    bool any = false;
    for (struct window *window; (window = next_releasable(m)); any = true) {
        while (!release_slice(m, window)) {
        }
        unlink_window(m, window);
    }
    if (m->retired) {
        release_series(m);
    }
    if (any) {
        malloc_trim(0); /* the window's memory goes back: the next one fills up over two hours */
    }
}

/* Sleeps for a round. False: it is time to end. */
static bool wait_round(struct metrics *m, bool *sweep)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_nsec += ROUND_MS * 1000000L;
    at.tv_sec += at.tv_nsec / 1000000000;
    at.tv_nsec %= 1000000000;
    pthread_mutex_lock(&m->upkeep_lock);
    if (!m->upkeep_stop) {
        pthread_cond_timedwait(&m->upkeep_wake, &m->upkeep_lock, &at);
    }
    bool stop = m->upkeep_stop;
    *sweep = m->blocks_deleted;
    m->blocks_deleted = false;
    pthread_mutex_unlock(&m->upkeep_lock);
    return !stop;
}

static void note_figures(struct metrics *m)
{
    struct wal_figures wal;
    wal_get_figures(m->store->wal, &wal);
    self_set(SELF_WAL_BYTES, (int64_t)wal.bytes);
    self_set(SELF_WAL_AGE_MS, wal.oldest_ms ? clock_wall_ms() - wal.oldest_ms : 0);
    snapshots_note_figures(m);
}

static void *upkeep_main(void *arg)
{
    struct metrics *m = arg;
    thread_set_name("store-upkeep");
    bool sweep;
    for (int pause = 0; wait_round(m, &sweep); pause -= pause > 0) {
        pthread_mutex_lock(&m->flush_lock);
        (void)metrics_seal(m);
        pthread_mutex_unlock(&m->flush_lock);
        if (pause == 0 && metrics_flush(m, false)) {
            pause = FAILED_ROUNDS;
        }
        note_figures(m);
        if (sweep) {
            metrics_sweep(m);
        }
    }
    return NULL;
}

int upkeep_start(struct metrics *m, struct error *err)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int rc = pthread_create(&m->upkeep, NULL, upkeep_main, m);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc) {
        return error_set(err, -rc, "the store's upkeep thread cannot be started: %s", error_text(-rc));
    }
    m->upkeep_started = true;
    return 0;
}

void upkeep_ask_stop(struct metrics *m)
{
    pthread_mutex_lock(&m->upkeep_lock);
    m->upkeep_stop = true;
    pthread_cond_signal(&m->upkeep_wake);
    pthread_mutex_unlock(&m->upkeep_lock);
}

void upkeep_join(struct metrics *m)
{
    if (m->upkeep_started) {
        pthread_join(m->upkeep, NULL);
        m->upkeep_started = false;
    }
}
