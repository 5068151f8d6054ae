/* The upkeep thread: windows whose time has passed become blocks; what nobody reads any more is freed. */
#include "src/base/clock.h"
#include "src/base/counter.h"
#include "src/base/mem.h"
#include "src/base/thread.h"
#include "storage/bytes.h"
#include "storage/metrics.h"

#include <malloc.h>
#include <signal.h>
#include <stdlib.h>

#define BLOCK_BYTES   ((size_t)128 << 10) /* a block is closed beyond that */
#define JOB_BYTES     ((size_t)8 << 20)   /* blocks of one transaction */
#define WINDOW_FULL   ((uint64_t)8 << 20) /* samples: a late window waits no longer */
#define RELEASE_SLICE 2000                /* spans freed under one lock */
#define ROUND_MS      1000
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

static bool is_due(const struct window *window, int64_t newest_ms, int64_t mono_ms)
{
    if (newest_ms < window->start_ms + WINDOW_MS + FLUSH_WAIT_MS) {
        return false;
    }
    return !window->late || mono_ms - window->touched_ms >= LATE_IDLE_MS ||
           mono_ms - window->created_ms >= FLUSH_WAIT_MS || window->samples >= WINDOW_FULL;
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
        bool due = !it->frozen && (all || is_due(it, newest_ms, mono_ms));
        if (due && (!next || it->start_ms < next->start_ms)) {
            next = it;
        }
    }
    if (next && !next->frozen) {
        next->frozen = true;
        next->last_wal = m->counters.wal_seq;
        m->open_windows--;
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
    if (!flush->builder.series.len) {
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

static void add_span(struct flush *flush, const struct span *span)
{
    const struct series *series = span->series;
    if (!series->stored) { /* known from the WAL alone; set when the flush is committed */
        series_put(flush->job, series);
    }
    flush->columns.n = 0;
    if (span_read(span, 0, true, &flush->columns) || flush->columns.n == 0) {
        self_add(SELF_CORRUPTIONS, 1);
        return;
    }
    sample_columns_settle(&flush->columns);
    if (flush->builder.series.len &&
        (flush->key.cohort != series->cohort || block_builder_size(&flush->builder) > BLOCK_BYTES)) {
        close_block(flush);
    }
    flush->key.cohort = series->cohort;
    flush->key.slots[series->slot / 8] |= (uint8_t)(1u << series->slot % 8);
    block_builder_add(&flush->builder, series->id, flush->columns.t_ms, flush->columns.v, flush->columns.n);
}

static int compare_spans(const void *a, const void *b)
{
    const struct series *x = (*(const struct span *const *)a)->series, *y = (*(const struct span *const *)b)->series;
    if (x->cohort != y->cohort) {
        return x->cohort < y->cohort ? -1 : 1;
    }
    return x->id < y->id ? -1 : x->id > y->id;
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
    vec(const struct span *) spans = {0};
    for (const struct span *it = flush->window->spans; it; it = it->next_in_window) {
        vec_push(&spans, it);
    }
    if (spans.len) {
        qsort(spans.p, spans.len, sizeof(*spans.p), compare_spans);
    }
    for (size_t i = 0; i < spans.len; i++) {
        add_span(flush, spans.p[i]);
    }
    vec_release(&spans);
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
    for (struct span *it = window->spans; it; it = it->next_in_window) {
        it->series->stored = true;
    }
    m->samples_in_head -= window->samples;
    m->disk_oldest_ms = window->start_ms < m->disk_oldest_ms ? window->start_ms : m->disk_oldest_ms;
    int64_t end_ms = window->start_ms + WINDOW_MS;
    m->disk_newest_ms = end_ms > m->disk_newest_ms ? end_ms : m->disk_newest_ms;
    uint64_t keep_from = first_needed_wal(m);
    unlock_all(m);
    __atomic_store_n(&m->wal_keep_from, keep_from, __ATOMIC_RELEASE);
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
        writer_request_tick(m->store->writer); /* truncates the WAL */
    }
    __atomic_store_n(&m->flush_failure, rc, __ATOMIC_RELAXED);
    metrics_release_retired(m);
    pthread_mutex_unlock(&m->flush_lock);
    return rc;
}

static void unlink_span(struct span *span)
{
    struct span **at = &span->series->spans;
    while (*at != span) {
        at = &(*at)->next;
    }
    *at = span->next;
}

/* True when the window is empty. A slice at a time: appenders and readers wait for the lock. */
static bool release_slice(struct metrics *m, struct window *window)
{
    struct span *slice = NULL;
    lock_all(m);
    for (int i = 0; i < RELEASE_SLICE && window->spans; i++) {
        struct span *span = window->spans;
        window->spans = span->next_in_window;
        unlink_span(span);
        span->next = slice;
        slice = span;
    }
    bool empty = !window->spans;
    unlock_all(m);
    for (struct span *next; slice; slice = next) {
        next = slice->next;
        span_free(slice);
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
    at.tv_sec += ROUND_MS / 1000;
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

static void *upkeep_main(void *arg)
{
    struct metrics *m = arg;
    thread_set_name("store-upkeep");
    bool sweep;
    for (int pause = 0; wait_round(m, &sweep); pause -= pause > 0) {
        if (pause == 0 && metrics_flush(m, false)) {
            pause = FAILED_ROUNDS;
        }
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
