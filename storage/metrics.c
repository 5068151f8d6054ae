/* The metrics part: its life, and what store.h says of samples. */
#include "storage/metrics.h"

#include "src/base/clock.h"
#include "src/base/mem.h"

#include <sys/random.h>

#define TICK_MS 60000

const struct env_spec metrics_env_spec = {
    .folder = "metrics",
    .version = 2,
    .dbi_count = 5,
    .dbis = {[DBI_SERIES] = {"series", 0},
             [DBI_BLOCKS] = {"blocks", 0},
             [DBI_FLUSHED] = {"flushed", 0},
             [DBI_FAMILIES] = {"families", 0},
             [DBI_TIERS] = {"tiers", 0}},
};

void metrics_lock_all(struct metrics *m)
{
    pthread_mutex_lock(&m->append_lock);
    pthread_rwlock_wrlock(&m->lock);
}

void metrics_unlock_all(struct metrics *m)
{
    pthread_rwlock_unlock(&m->lock);
    pthread_mutex_unlock(&m->append_lock);
}

/* A writer must not starve while many readers come and go. */
static void init_lock(pthread_rwlock_t *lock)
{
    pthread_rwlockattr_t attr;
    pthread_rwlockattr_init(&attr);
    pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(lock, &attr);
    pthread_rwlockattr_destroy(&attr);
}

static struct metrics *metrics_new(struct store *store)
{
    struct metrics *m = mem_zalloc(sizeof(*m));
    m->store = store;
    m->index = index_new();
    m->families = families_new();
    m->intake = intake_new();
    m->damage = damage_new();
    if (getrandom(&m->wire_seed, sizeof(m->wire_seed), GRND_NONBLOCK) != (ssize_t)sizeof(m->wire_seed)) {
        m->wire_seed = (uint64_t)clock_wall_ms() ^ (uint64_t)(uintptr_t)m;
    }
    m->newest_ms = INT64_MIN;
    m->snapshots_tail = &m->snapshots;
    init_lock(&m->lock);
    pthread_mutex_init(&m->append_lock, NULL);
    pthread_mutex_init(&m->snapshot_lock, NULL);
    pthread_mutex_init(&m->upkeep_lock, NULL);
    pthread_mutex_init(&m->flush_lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&m->upkeep_wake, &attr);
    pthread_condattr_destroy(&attr);
    return m;
}

int metrics_part_open(struct store *store, struct writer_part *part, struct error *err)
{
    struct metrics *m = store->metrics = metrics_new(store);
    int rc = metrics_load(m, err);
    m->blocks_deleted = true; /* the first round sweeps series whose data had gone before */
    part->ctx = m;
    part->apply = metrics_apply;
    part->committed = metrics_committed;
    part->aborted = metrics_aborted;
    part->tick = metrics_tick;
    part->tick_ms = TICK_MS;
    return rc;
}

int metrics_apply(void *ctx, MDB_txn *txn, struct writer_job **jobs, size_t n)
{
    struct metrics *m = ctx;
    return kv_apply(&m->store->envs[ENV_METRICS], txn, jobs, n);
}

void group_series(struct metrics *m, uint32_t group, int64_t from_ms, int64_t to_ms, const struct series *out[])
{
    pthread_rwlock_rdlock(&m->lock);
    for (unsigned slot = 0; slot < GROUP_SLOTS; slot++) {
        uint64_t number = (uint64_t)group * GROUP_COHORTS + slot / COHORT_SLOTS;
        const struct cohort *cohort = number < m->cohorts.len ? m->cohorts.p[number] : NULL;
        const struct series *series = cohort ? cohort->slots[slot % COHORT_SLOTS] : NULL;
        out[slot] = series && series->first_ms <= to_ms && series->last_ms >= from_ms ? series : NULL;
    }
    pthread_rwlock_unlock(&m->lock);
}

static void free_windows(struct metrics *m)
{
    for (struct window *it = m->windows, *next; it; it = next) {
        next = it->next;
        for (struct strip *strip = it->strips, *after; strip; strip = after) {
            after = strip->next_in_window;
            strip_free(strip);
        }
        mem_free(it);
    }
    m->windows = NULL;
}

void metrics_part_close(struct store *store)
{
    struct metrics *m = store->metrics;
    if (!m) {
        return;
    }
    free_windows(m);
    for (struct retired *it = m->retired, *next; it; it = next) {
        next = it->next;
        if (it->series) {
            series_free(it->series);
        }
        mem_free(it->cohort);
        mem_free(it);
    }
    groups_forget(m);
    index_free(m->index);
    families_free(m->families);
    intake_free(m->intake);
    for (size_t i = 0; i < m->cohorts.len; i++) {
        mem_free(m->cohorts.p[i]);
    }
    vec_release(&m->cohorts);
    vec_release(&m->full);
    disk_release(&m->disk);
    disk_release(&m->tick_gone);
    damage_free(m->damage);
    pthread_rwlock_destroy(&m->lock);
    pthread_mutex_destroy(&m->append_lock);
    pthread_mutex_destroy(&m->snapshot_lock);
    pthread_mutex_destroy(&m->upkeep_lock);
    pthread_mutex_destroy(&m->flush_lock);
    pthread_cond_destroy(&m->upkeep_wake);
    mem_free(m);
    store->metrics = NULL;
}

void metrics_status(struct metrics *m, struct store_status *out)
{
    int failure = __atomic_load_n(&m->flush_failure, __ATOMIC_RELAXED);
    if (failure && out->writable) {
        out->writable = false;
        error_set(&out->failure, failure, "blocks cannot be written: %s; samples stay in memory and in the WAL",
                  error_text(failure));
    }
    out->damage_count = damage_count(m->damage);
    pthread_rwlock_rdlock(&m->lock);
    out->series = index_count(m->index);
    out->samples_in_head = m->samples_in_head;
    int64_t oldest_ms = disk_oldest_of_all_ms(&m->disk);
    out->head_pieces = m->full.len - m->full_first;
    for (const struct window *it = m->windows; it; it = it->next) {
        oldest_ms = it->min_ms < oldest_ms ? it->min_ms : oldest_ms;
    }
    out->oldest_ms = oldest_ms == INT64_MAX ? 0 : oldest_ms;
    out->newest_ms = m->newest_ms == INT64_MIN ? 0 : m->newest_ms;
    pthread_rwlock_unlock(&m->lock);
}
