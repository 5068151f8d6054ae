/* The upkeep thread: one round after the other of sealing, flushing, building tiers and letting go of memory. */
#include "src/base/clock.h"
#include "src/base/counter.h"
#include "src/base/mem.h"
#include "src/base/thread.h"
#include "storage/tiers.h"

#include <malloc.h>
#include <signal.h>

#define ROUND_MS      500
#define RELEASE_SLICE 200 /* strips freed under one lock */
/* Without a flush after one that failed for good: a full disk is waited for in the writer. */
#define FAILED_ROUNDS 120

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
    metrics_lock_all(m);
    for (int i = 0; i < RELEASE_SLICE && window->strips; i++) {
        struct strip *strip = window->strips;
        window->strips = strip->next_in_window;
        unlink_strip(strip);
        strip->next = slice;
        slice = strip;
    }
    bool empty = !window->strips;
    metrics_unlock_all(m);
    for (struct strip *next; slice; slice = next) {
        next = slice->next;
        strip_free(slice);
    }
    return empty;
}

static void unlink_window(struct metrics *m, struct window *window)
{
    metrics_lock_all(m);
    struct window **at = &m->windows;
    while (*at != window) {
        at = &(*at)->next;
    }
    *at = window->next;
    metrics_unlock_all(m);
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
    metrics_lock_all(m);
    for (struct retired **at = &m->retired; *at;) {
        struct retired *it = *at;
        if (it->tag > oldest) {
            at = &it->next;
            continue;
        }
        *at = it->next;
        if (it->series) {
            series_free(it->series);
        }
        mem_free(it->cohort);
        mem_free(it);
    }
    metrics_unlock_all(m);
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

static size_t head_bytes(struct metrics *m)
{
    size_t bytes = 0;
    pthread_rwlock_rdlock(&m->lock);
    for (const struct window *window = m->windows; window; window = window->next) {
        for (const struct strip *strip = window->strips; strip; strip = strip->next_in_window) {
            for (const struct piece *piece = strip->pieces; piece; piece = piece->next) {
                bytes += piece_bytes(piece);
            }
        }
    }
    pthread_rwlock_unlock(&m->lock);
    return bytes;
}

static void note_figures(struct metrics *m)
{
    struct wal_figures wal;
    wal_get_figures(m->store->wal, &wal);
    self_set(SELF_WAL_BYTES, (int64_t)wal.bytes);
    self_set(SELF_WAL_AGE_MS, wal.oldest_ms ? clock_wall_ms() - wal.oldest_ms : 0);
    self_set(SELF_HEAD_BYTES, (int64_t)head_bytes(m));
    snapshots_note_figures(m);
}

static int build_tiers(struct metrics *m)
{
    pthread_mutex_lock(&m->flush_lock);
    int rc = tiers_build(m);
    pthread_mutex_unlock(&m->flush_lock);
    return rc;
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
        if (pause == 0 && (metrics_flush(m, false) || build_tiers(m))) {
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
