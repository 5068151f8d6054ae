/* Windows whose time has passed become blocks. */
#include "src/base/clock.h"
#include "src/base/counter.h"
#include "src/base/mem.h"
#include "storage/block_writer.h"
#include "storage/bytes.h"
#include "storage/tiers.h"

#include <stdlib.h>

#define WINDOW_FULL ((uint64_t)8 << 20) /* samples: a late window waits no longer */
#define BLOCK_MAX   ((size_t)64 << 20)  /* a cohort's block is closed beyond that although more of it comes */
#define GOOD_COLUMN 60                  /* rows of a cohort: a window with so many makes blocks worth having */

struct flush {
    struct block_writer out;
    struct window *window;
    struct sample_columns columns;
    vec(struct series *) recorded; /* whose records go with this flush */
};

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
static struct window *freeze_next(struct metrics *m, bool all, uint64_t last_wal)
{
    int64_t wall_ms = clock_wall_ms(), mono_ms = clock_mono_ms();
    struct window *next = NULL;
    metrics_lock_all(m);
    int64_t newest_ms = m->newest_ms < wall_ms ? m->newest_ms : wall_ms;
    for (struct window *it = m->windows; it; it = it->next) {
        if (it->frozen && !it->committed) {
            next = it;
            break;
        }
        bool due = !it->frozen &&
                   ((all && it->first_wal <= last_wal) || is_due(it, newest_ms, wall_ms, mono_ms, count_strips(it)));
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
    metrics_unlock_all(m);
    return next;
}

static void add_columns(struct flush *flush, struct series *series)
{
    if (!series->stored) { /* known from the log alone */
        series_put(flush->out.job, series);
        vec_push(&flush->recorded, series);
    }
    unsigned slot = group_slot(series->cohort->number, series->slot);
    sample_columns_settle(&flush->columns);
    block_key_set(&flush->out.key, slot);
    block_builder_add(&flush->out.builder, block_column(slot, 0), flush->columns.t_ms, flush->columns.v,
                      flush->columns.n);
}

/* Slots of series that have been deleted since have no series any more. */
static void add_strip(struct flush *flush, const struct strip *strip)
{
    const struct cohort *cohort = strip->cohort;
    uint32_t group = cohort->number / GROUP_COHORTS;
    if (flush->out.builder.columns.len &&
        (flush->out.key.group != group || block_builder_size(&flush->out.builder) > BLOCK_BYTES)) {
        block_writer_close_block(&flush->out);
    }
    flush->out.key.group = group;
    struct series *slots[COHORT_SLOTS]; /* the frozen strip's own stay; new ones may come beside them */
    pthread_rwlock_rdlock(&flush->out.m->lock);
    memcpy(slots, cohort->slots, sizeof(slots));
    pthread_rwlock_unlock(&flush->out.m->lock);
    for (unsigned slot = COHORT_SLOTS; slot-- > 0;) {
        struct series *series = slots[slot];
        sample_columns_clear(&flush->columns);
        if (series && strip_read(strip, slot, &STRIP_ALL, NULL, &flush->columns)) {
            damage_note(flush->out.m->damage, "memory of series %llu is damaged: its samples of one window are lost",
                        (unsigned long long)series->id);
        } else if (series && flush->columns.n) {
            add_columns(flush, series);
            if (block_builder_size(&flush->out.builder) > BLOCK_MAX) {
                block_writer_close_block(&flush->out);
            }
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

uint64_t first_needed_wal(const struct metrics *m, const struct window *but)
{
    uint64_t first = m->counters.wal_seq + 1;
    for (const struct window *it = m->windows; it; it = it->next) {
        if (it != but && !it->committed && it->first_wal < first) {
            first = it->first_wal;
        }
    }
    return first;
}

static void put_progress(struct flush *flush)
{
    struct metrics *m = flush->out.m;
    uint8_t key[8], last_wal[8], counters[COUNTERS_SIZE];
    env_put_be(key, (uint64_t)flush->window->start_ms ^ (uint64_t)1 << 63, sizeof(key));
    bytes_store_le(last_wal, flush->window->last_wal, sizeof(last_wal));
    kv_job_put(flush->out.job, DBI_FLUSHED, (struct str){(const char *)key, sizeof(key)},
               (struct str){(const char *)last_wal, sizeof(last_wal)});
    pthread_mutex_lock(&m->append_lock);
    m->counters.wal_keep_from = first_needed_wal(m, flush->window);
    counters_encode(&m->counters, counters);
    pthread_mutex_unlock(&m->append_lock);
    kv_job_put_meta(flush->out.job, COUNTERS_KEY, (struct str){(const char *)counters, sizeof(counters)});
}

static void write_blocks(struct flush *flush)
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
    block_writer_close_block(&flush->out);
    put_progress(flush);
    tiers_touch(flush->out.job, flush->window->start_ms);
}

/* The window is frozen: read without lock. That it is flushed stands in the last transaction; a crash before leaves
 * blocks whose samples the log brings back once more, with the same values. */
static int flush_window(struct metrics *m, struct window *window)
{
    struct flush flush = {.window = window};
    block_writer_begin(&flush.out, m, TIER_RAW, window->start_ms);
    write_blocks(&flush);
    int rc = block_writer_end(&flush.out, 0);
    for (size_t i = 0; rc == 0 && i < flush.recorded.len; i++) {
        flush.recorded.p[i]->stored = true; /* none has been freed: sweeping waits for flush_lock */
    }
    vec_release(&flush.recorded);
    sample_columns_release(&flush.columns);
    return rc;
}

/* Before WAL records go, the blocks' commit must survive a loss of power: its meta page is synced. */
static int mark_committed(struct metrics *m, struct window *window)
{
    int rc = env_sync(&m->store->envs[ENV_METRICS]);
    if (rc) {
        return rc;
    }
    metrics_lock_all(m);
    window->committed = true;
    window->retire_tag = snapshots_tag(m);
    m->samples_in_head -= window->samples;
    disk_add(&m->disk, TIER_RAW, window->start_ms)->is_filled = true;
    tiers_touched(m, window->start_ms);
    uint64_t keep_from = first_needed_wal(m, NULL);
    self_set(SELF_HEAD_SAMPLES, (int64_t)m->samples_in_head);
    metrics_unlock_all(m);
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
    pthread_mutex_lock(&m->append_lock);
    uint64_t last_wal = m->counters.wal_seq; /* what comes meanwhile would keep a flush of everything going */
    pthread_mutex_unlock(&m->append_lock);
    for (struct window *window; rc == 0 && (window = freeze_next(m, all, last_wal)); flushed = true) {
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
