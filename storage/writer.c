#include "storage/writer.h"

#include "src/base/clock.h"
#include "src/base/counter.h"
#include "src/base/mem.h"
#include "src/base/thread.h"
#include "src/base/vec.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>

#define DEFAULT_QUEUE_BYTES ((size_t)64 << 20)
#define GROUP_BYTES         ((size_t)16 << 20) /* one transaction: bounds dirty pages and the time of a commit */
#define BACKOFF_MIN_MS      100
#define BACKOFF_MAX_MS      5000

struct lane {
    struct writer_part part;
    bool used;
    struct writer_job *head, **tail; /* jobs leave the list when they are done, so that a retry finds them in order */
    uint64_t pushed, finished;
    int64_t next_tick_ms, retry_at_ms;
    int backoff_ms; /* 0: healthy */
    struct error failure;
};

struct writer {
    pthread_mutex_t lock;
    pthread_cond_t work, progress;
    pthread_t thread;
    bool started, closing, closed;
    size_t bytes, max_bytes;
    struct lane lanes[ENV_COUNT];
    vec(struct writer_job *) group; /* writer thread only */
};

static void wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t at_ms)
{
    struct timespec ts = {.tv_sec = at_ms / 1000, .tv_nsec = at_ms % 1000 * 1000000};
    pthread_cond_timedwait(cond, lock, &ts);
}

static bool lane_is_ready(const struct lane *lane, int64_t now_ms)
{
    return lane->used && ((lane->head && now_ms >= lane->retry_at_ms) || now_ms >= lane->next_tick_ms);
}

static int64_t next_event_ms(const struct writer *w, int64_t now_ms)
{
    int64_t at = now_ms + 60000;
    for (int i = 0; i < ENV_COUNT; i++) {
        const struct lane *lane = &w->lanes[i];
        if (lane->used && lane->head && lane->retry_at_ms < at) {
            at = lane->retry_at_ms;
        }
        if (lane->used && lane->next_tick_ms < at) {
            at = lane->next_tick_ms;
        }
    }
    return at;
}

/* Fills w->group with what waits in the lane; the jobs stay in its list. */
static void take_group(struct writer *w, struct lane *lane)
{
    size_t bytes = 0;
    vec_clear(&w->group);
    pthread_mutex_lock(&w->lock);
    for (struct writer_job *job = lane->head; job; job = job->next) {
        if (w->group.len && bytes + job->bytes > GROUP_BYTES) {
            break;
        }
        bytes += job->bytes;
        vec_push(&w->group, job);
    }
    pthread_mutex_unlock(&w->lock);
}

static void lane_aborted(const struct lane *lane)
{
    if (lane->part.aborted) {
        lane->part.aborted(lane->part.ctx);
    }
}

static int lane_commit(const struct lane *lane, MDB_txn *txn, struct writer_job **jobs, size_t n)
{
    int64_t start_us = clock_mono_us();
    int rc = env_code(mdb_txn_commit(txn));
    self_observe_us(SELF_COMMIT_SECONDS, clock_mono_us() - start_us);
    if (rc) {
        lane_aborted(lane);
        return rc;
    }
    self_add(SELF_COMMITS, 1);
    if (lane->part.committed) {
        lane->part.committed(lane->part.ctx, jobs, n);
    }
    return 0;
}

static int lane_write(const struct lane *lane, struct writer_job **jobs, size_t n)
{
    MDB_txn *txn = NULL;
    int rc = env_write(lane->part.env, &txn);
    if (rc) {
        return rc;
    }
    rc = lane->part.apply(lane->part.ctx, txn, jobs, n);
    if (rc) {
        mdb_txn_abort(txn);
        lane_aborted(lane);
        return rc;
    }
    return lane_commit(lane, txn, jobs, n);
}

/* The first n jobs of the list are done: callbacks outside the lock, then out of the accounts. */
static void finish(struct writer *w, struct lane *lane, size_t n, int rc)
{
    for (size_t i = 0; i < n; i++) {
        struct writer_job *job;
        pthread_mutex_lock(&w->lock);
        job = lane->head;
        lane->head = job->next;
        if (!lane->head) {
            lane->tail = &lane->head;
        }
        pthread_mutex_unlock(&w->lock);
        size_t bytes = job->bytes;
        if (job->done) {
            job->done(job->ctx, rc ? rc : job->rc);
        }
        job->release(job);
        pthread_mutex_lock(&w->lock);
        w->bytes -= bytes;
        self_add(SELF_STORE_QUEUE_BYTES, -(int64_t)bytes);
        lane->finished++;
        pthread_mutex_unlock(&w->lock);
    }
    pthread_mutex_lock(&w->lock);
    pthread_cond_broadcast(&w->progress);
    pthread_mutex_unlock(&w->lock);
}

static void mark_failed(struct writer *w, struct lane *lane, int rc)
{
    self_add(SELF_COMMIT_FAILURES, 1);
    if (rc == ERR_MAP_FULL) {
        env_grow(lane->part.env);
    }
    pthread_mutex_lock(&w->lock);
    lane->backoff_ms = lane->backoff_ms ? lane->backoff_ms * 2 : BACKOFF_MIN_MS;
    if (lane->backoff_ms > BACKOFF_MAX_MS) {
        lane->backoff_ms = BACKOFF_MAX_MS;
    }
    lane->retry_at_ms = clock_steady_ms() + lane->backoff_ms;
    const char *why = rc == ERR_FULL       ? "the disk is full, or writing to it fails"
                      : rc == ERR_MAP_FULL ? "its map is full, and grows when no query reads from it"
                      : rc == -EIO ? "writing failed half way, and it is opened anew when no query reads from it"
                                   : error_text(rc);
    error_set(&lane->failure, rc,
              "%s cannot be written: %s; data is kept in memory and tried again: free space on disk",
              lane->part.env->spec->folder, why);
    pthread_cond_broadcast(&w->progress);
    pthread_mutex_unlock(&w->lock);
}

static void mark_healthy(struct writer *w, struct lane *lane)
{
    pthread_mutex_lock(&w->lock);
    lane->backoff_ms = 0;
    lane->retry_at_ms = 0;
    lane->failure = (struct error){0};
    pthread_mutex_unlock(&w->lock);
}

/* One of the group cannot be written whatever the disk does: find it. True when all have ended. */
static bool write_singly(struct writer *w, struct lane *lane)
{
    for (size_t i = 0; i < w->group.len; i++) {
        int rc = lane_write(lane, &w->group.p[i], 1);
        if (env_code_is_transient(rc)) {
            mark_failed(w, lane, rc);
            return false;
        }
        finish(w, lane, 1, rc);
    }
    return true;
}

/* Writes one group. False when the lane is failing. */
static bool lane_run(struct writer *w, struct lane *lane)
{
    take_group(w, lane);
    if (!w->group.len) {
        return true;
    }
    int rc = lane_write(lane, w->group.p, w->group.len);
    if (env_code_is_transient(rc)) {
        mark_failed(w, lane, rc);
        return false;
    }
    mark_healthy(w, lane);
    if (rc && w->group.len > 1) {
        return write_singly(w, lane);
    }
    finish(w, lane, w->group.len, rc);
    return true;
}

/* The next one is set beforehand: what writer_request_tick() asks for meanwhile must not be forgotten. */
static void lane_tick(struct writer *w, struct lane *lane)
{
    pthread_mutex_lock(&w->lock);
    lane->next_tick_ms = clock_steady_ms() + lane->part.tick_ms;
    pthread_mutex_unlock(&w->lock);
    MDB_txn *txn = NULL;
    bool again = false;
    int rc = env_write(lane->part.env, &txn);
    if (rc == 0) {
        rc = lane->part.tick(lane->part.ctx, txn, clock_wall_ms());
        again = rc == 1;
        if (rc < 0) {
            mdb_txn_abort(txn);
            lane_aborted(lane);
        } else {
            rc = lane_commit(lane, txn, NULL, 0);
        }
    }
    if (rc < 0) {
        self_add(SELF_COMMIT_FAILURES, 1);
    }
    pthread_mutex_lock(&w->lock);
    int64_t next_ms = clock_steady_ms() + (rc < 0 ? BACKOFF_MAX_MS : again ? 0 : lane->part.tick_ms);
    lane->next_tick_ms = next_ms < lane->next_tick_ms ? next_ms : lane->next_tick_ms;
    pthread_mutex_unlock(&w->lock);
}

static bool any_ready(struct writer *w)
{
    int64_t now_ms = clock_steady_ms();
    for (int i = 0; i < ENV_COUNT; i++) {
        if (lane_is_ready(&w->lanes[i], now_ms)) {
            return true;
        }
    }
    return false;
}

static void run_lanes(struct writer *w)
{
    for (int i = 0; i < ENV_COUNT; i++) {
        struct lane *lane = &w->lanes[i];
        pthread_mutex_lock(&w->lock);
        int64_t now_ms = clock_steady_ms();
        bool jobs = lane->used && lane->head && now_ms >= lane->retry_at_ms;
        bool tick = lane->used && now_ms >= lane->next_tick_ms;
        pthread_mutex_unlock(&w->lock);
        if (jobs) {
            lane_run(w, lane);
        }
        if (tick) {
            lane_tick(w, lane);
        }
    }
}

/* At the end each lane is emptied; one that fails gives its jobs back with the code. */
static void drain(struct writer *w)
{
    for (int i = 0; i < ENV_COUNT; i++) {
        struct lane *lane = &w->lanes[i];
        while (lane->used) {
            if (!lane_run(w, lane)) {
                take_group(w, lane);
                finish(w, lane, w->group.len, lane->failure.code);
            }
            pthread_mutex_lock(&w->lock);
            bool empty = !lane->head;
            pthread_mutex_unlock(&w->lock);
            if (empty) {
                break;
            }
        }
    }
}

static void *writer_main(void *arg)
{
    struct writer *w = arg;
    thread_set_name("store-writer");
    for (;;) {
        pthread_mutex_lock(&w->lock);
        while (!w->closing && !any_ready(w)) {
            wait_until(&w->work, &w->lock, next_event_ms(w, clock_steady_ms()));
        }
        bool closing = w->closing;
        pthread_mutex_unlock(&w->lock);
        if (closing) {
            break;
        }
        run_lanes(w);
    }
    drain(w);
    pthread_mutex_lock(&w->lock);
    w->closed = true;
    pthread_mutex_unlock(&w->lock);
    drain(w); /* what came between the last look and the closing of the door */
    return NULL;
}

struct writer *writer_new(size_t queue_bytes)
{
    struct writer *w = mem_zalloc(sizeof(*w));
    w->max_bytes = queue_bytes ? queue_bytes : DEFAULT_QUEUE_BYTES;
    pthread_mutex_init(&w->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&w->work, &attr);
    pthread_cond_init(&w->progress, &attr);
    pthread_condattr_destroy(&attr);
    return w;
}

void writer_set_part(struct writer *w, enum env_id id, const struct writer_part *part)
{
    struct lane *lane = &w->lanes[id];
    lane->part = *part;
    lane->used = true;
    lane->tail = &lane->head;
    lane->next_tick_ms = part->tick ? clock_steady_ms() : INT64_MAX;
}

/* Signals belong to the main thread; SIGXFSZ, blocked here, turns into EFBIG of the write. */
int writer_start(struct writer *w, struct error *err)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int rc = pthread_create(&w->thread, NULL, writer_main, w);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc) {
        return error_set(err, -rc, "the store's writer thread cannot be started: %s", error_text(-rc));
    }
    w->started = true;
    return 0;
}

void writer_stop(struct writer *w)
{
    if (!w || !w->started) {
        return;
    }
    pthread_mutex_lock(&w->lock);
    w->closing = true;
    pthread_cond_broadcast(&w->work);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    w->started = false;
}

void writer_free(struct writer *w)
{
    if (!w) {
        return;
    }
    vec_release(&w->group);
    pthread_cond_destroy(&w->work);
    pthread_cond_destroy(&w->progress);
    pthread_mutex_destroy(&w->lock);
    mem_free(w);
}

static bool has_room(const struct writer *w, size_t bytes)
{
    return w->bytes == 0 || (bytes <= w->max_bytes && w->bytes <= w->max_bytes - bytes);
}

bool writer_has_room(struct writer *w, size_t bytes)
{
    pthread_mutex_lock(&w->lock);
    bool room = has_room(w, bytes);
    pthread_mutex_unlock(&w->lock);
    return room;
}

static int push(struct writer *w, enum env_id id, struct writer_job *job, bool bounded)
{
    struct lane *lane = &w->lanes[id];
    invariant(job->release && lane->used);
    int rc = 0;
    pthread_mutex_lock(&w->lock);
    if (w->closed) {
        rc = ERR_CLOSED;
    } else if (bounded && !has_room(w, job->bytes)) {
        rc = ERR_FULL;
    } else {
        job->next = NULL;
        *lane->tail = job;
        lane->tail = &job->next;
        lane->pushed++;
        w->bytes += job->bytes;
        self_add(SELF_STORE_QUEUE_BYTES, (int64_t)job->bytes);
        pthread_cond_signal(&w->work);
    }
    pthread_mutex_unlock(&w->lock);
    return rc;
}

int writer_push(struct writer *w, enum env_id id, struct writer_job *job)
{
    return push(w, id, job, true);
}

int writer_push_always(struct writer *w, enum env_id id, struct writer_job *job)
{
    return push(w, id, job, false);
}

static bool reached(const struct writer *w, const uint64_t *goal)
{
    for (int i = 0; i < ENV_COUNT; i++) {
        if (w->lanes[i].finished < goal[i]) {
            return false;
        }
    }
    return true;
}

static int failure_code(const struct writer *w)
{
    for (int i = 0; i < ENV_COUNT; i++) {
        if (w->lanes[i].backoff_ms) {
            return w->lanes[i].failure.code;
        }
    }
    return 0;
}

int writer_sync(struct writer *w, int timeout_ms)
{
    int64_t until_ms = clock_steady_ms() + timeout_ms;
    uint64_t goal[ENV_COUNT];
    int rc = 0;
    pthread_mutex_lock(&w->lock);
    for (int i = 0; i < ENV_COUNT; i++) {
        goal[i] = w->lanes[i].pushed;
    }
    while (!reached(w, goal)) {
        if (clock_steady_ms() >= until_ms) {
            int failure = failure_code(w);
            rc = failure ? failure : ERR_TIMEOUT;
            break;
        }
        wait_until(&w->progress, &w->lock, until_ms);
    }
    pthread_mutex_unlock(&w->lock);
    return rc;
}

void writer_request_tick(struct writer *w)
{
    pthread_mutex_lock(&w->lock);
    for (int i = 0; i < ENV_COUNT; i++) {
        if (w->lanes[i].used && w->lanes[i].part.tick) {
            w->lanes[i].next_tick_ms = 0;
        }
    }
    pthread_cond_signal(&w->work);
    pthread_mutex_unlock(&w->lock);
}

bool writer_is_healthy(struct writer *w, struct error *failure)
{
    bool healthy = true;
    pthread_mutex_lock(&w->lock);
    for (int i = 0; healthy && i < ENV_COUNT; i++) {
        if (w->lanes[i].backoff_ms) {
            *failure = w->lanes[i].failure;
            healthy = false;
        }
    }
    pthread_mutex_unlock(&w->lock);
    return healthy;
}

size_t writer_queue_bytes(struct writer *w)
{
    pthread_mutex_lock(&w->lock);
    size_t bytes = w->bytes;
    pthread_mutex_unlock(&w->lock);
    return bytes;
}
