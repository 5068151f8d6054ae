#include "storage/wal.h"

#include "src/base/clock.h"
#include "src/base/counter.h"
#include "src/base/mem.h"
#include "src/base/thread.h"
#include "src/base/vec.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEGMENT_BYTES  ((uint64_t)8 << 20)
#define SYNC_MS        100
#define DEFAULT_QUEUE  ((size_t)64 << 20)
#define BACKOFF_MIN_MS 100
#define BACKOFF_MAX_MS 5000

struct waiting { /* for the commit of what was pushed before it */
    store_done_fn done;
    void *ctx;
};
typedef vec(struct waiting) waiting_vec;

/* Frames on their way to the file. */
struct pending {
    struct buf bytes;
    waiting_vec waiting;
    uint64_t first_seq, last_seq; /* 0: no frame */
};

struct wal {
    char *dir;
    int dir_fd;
    bool sync_always;
    size_t max_bytes;

    pthread_mutex_t lock; /* what comes in, and the figures */
    pthread_cond_t wake;
    struct pending in;
    bool woken, stop, dirty; /* dirty: written and not synced */
    size_t queue_bytes;      /* in.bytes and out.bytes */
    struct error failure;
    int backoff_ms;
    int64_t retry_at_ms;

    pthread_mutex_t io;               /* the file; taken before lock */
    struct pending out;               /* being written; after a failure what is to be written first */
    int fd;                           /* of the current segment, -1: none */
    vec(int) ended;                   /* to be synced and closed by the thread */
    vec(struct wal_segment) segments; /* ascending; the last one is current if fd >= 0 */
    uint64_t keep_from;
    int pins; /* copies that run: nothing is deleted */

    pthread_t thread;
    bool started;
};

static void pending_init(struct pending *p)
{
    buf_init(&p->bytes, SIZE_MAX / 2);
}

static void pending_release(struct pending *p)
{
    buf_release(&p->bytes);
    vec_release(&p->waiting);
}

/* -- opening -- */

int wal_open(const char *data_dir, bool sync_always, size_t queue_bytes, struct wal **out, struct error *err)
{
    struct wal *w = mem_zalloc(sizeof(*w));
    w->dir_fd = w->fd = -1;
    w->sync_always = sync_always;
    w->max_bytes = queue_bytes ? queue_bytes : DEFAULT_QUEUE;
    pending_init(&w->in);
    pending_init(&w->out);
    pthread_mutex_init(&w->lock, NULL);
    pthread_mutex_init(&w->io, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&w->wake, &attr);
    pthread_condattr_destroy(&attr);
    w->dir = wal_file_dir(data_dir);
    int rc = mkdir(w->dir, 0700) && errno != EEXIST ? -errno : 0;
    if (rc == 0) {
        w->dir_fd = open(w->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        rc = w->dir_fd < 0 ? -errno : 0;
    }
    struct wal_segment *v = NULL;
    size_t n = 0;
    rc = rc ? rc : wal_file_list(w->dir_fd, &v, &n);
    for (size_t i = 0; i < n; i++) {
        vec_push(&w->segments, v[i]);
    }
    mem_free(v);
    if (rc) {
        error_set(err, rc, "%s cannot be opened: %s", w->dir, error_text(rc));
        wal_free(w);
        return rc;
    }
    *out = w;
    return 0;
}

void wal_free(struct wal *w)
{
    if (!w) {
        return;
    }
    for (size_t i = 0; i < w->ended.len; i++) {
        close(w->ended.p[i]);
    }
    if (w->fd >= 0) {
        close(w->fd);
    }
    if (w->dir_fd >= 0) {
        close(w->dir_fd);
    }
    vec_release(&w->ended);
    vec_release(&w->segments);
    pending_release(&w->in);
    pending_release(&w->out);
    pthread_cond_destroy(&w->wake);
    pthread_mutex_destroy(&w->lock);
    pthread_mutex_destroy(&w->io);
    mem_free(w->dir);
    mem_free(w);
}

/* Numbers go on from one segment to the next: what was torn at the end of one was never acknowledged, and the next
 * record took its number, unless a flush had counted it. */
static void note_gap(const struct wal_segment *before, const struct wal_segment *segment, uint64_t known_seq,
                     struct damage *damage)
{
    if (segment->first_seq > before->last_seq + 1 && segment->first_seq > known_seq + 1) {
        damage_note(damage, "wal/%016llx.wal: records %llu to %llu are missing after its end",
                    (unsigned long long)before->first_seq, (unsigned long long)before->last_seq + 1,
                    (unsigned long long)segment->first_seq - 1);
    }
}

/* A segment without a whole record goes: the next record may begin a file of the same name. */
int wal_replay(struct wal *w, uint64_t known_seq, wal_visit_fn visit, void *ctx, struct damage *damage)
{
    size_t kept = 0;
    for (size_t i = 0; i < w->segments.len; i++) {
        struct wal_segment segment = w->segments.p[i];
        int rc = wal_file_read(w->dir_fd, &segment, visit, ctx, damage);
        if (rc) {
            return rc;
        }
        if (segment.last_seq) {
            if (kept) {
                note_gap(&w->segments.p[kept - 1], &segment, known_seq, damage);
            }
            w->segments.p[kept++] = segment;
        } else {
            wal_file_remove(w->dir_fd, segment.first_seq);
        }
    }
    w->segments.len = kept;
    return 0;
}

/* -- coming in -- */

bool wal_has_room(struct wal *w, size_t bytes)
{
    pthread_mutex_lock(&w->lock);
    bool room = w->queue_bytes == 0 || (bytes <= w->max_bytes && w->queue_bytes <= w->max_bytes - bytes);
    pthread_mutex_unlock(&w->lock);
    return room;
}

void wal_push(struct wal *w, uint64_t seq, struct str payload, bool wake, store_done_fn done, void *ctx)
{
    pthread_mutex_lock(&w->lock);
    if (payload.len) {
        size_t before = w->in.bytes.len;
        wal_frame_add(&w->in.bytes, seq, payload);
        self_add(SELF_WAL_RECORDS, 1);
        w->queue_bytes += w->in.bytes.len - before;
        w->in.first_seq = w->in.first_seq ? w->in.first_seq : seq;
        w->in.last_seq = seq;
        self_add(SELF_STORE_QUEUE_BYTES, (int64_t)(w->in.bytes.len - before));
    }
    if (done) {
        vec_push(&w->in.waiting, ((struct waiting){done, ctx}));
    }
    if (wake) {
        w->woken = true;
        pthread_cond_signal(&w->wake);
    }
    pthread_mutex_unlock(&w->lock);
}

/* -- going out; io is held -- */

static int sync_fd(int fd)
{
    return fdatasync(fd) ? -errno : 0;
}

/* The thread may be syncing it: it closes it, soon. */
static void end_segment(struct wal *w)
{
    if (w->sync_always) {
        close(w->fd); /* synced with its last commit, and by nobody else */
        return;
    }
    vec_push(&w->ended, w->fd);
    pthread_mutex_lock(&w->lock);
    w->dirty = true;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
}

static int begin_segment(struct wal *w, uint64_t first_seq)
{
    int fd = -1, rc = wal_file_create(w->dir_fd, first_seq, &fd);
    if (rc) {
        return rc;
    }
    if (w->fd >= 0) {
        end_segment(w);
    }
    w->fd = fd;
    vec_push(&w->segments,
             ((struct wal_segment){.first_seq = first_seq, .bytes = WAL_FILE_HEAD_SIZE, .begun_ms = clock_wall_ms()}));
    /* Its name must be there after a power loss, too, before anything in it counts. */
    return w->sync_always && fsync(w->dir_fd) ? -errno : 0;
}

/* All of it or, the half-written end cut off again, nothing. */
static int write_frames(struct wal *w, const struct buf *bytes)
{
    struct wal_segment *segment = &vec_last(&w->segments);
    for (size_t at = 0; at < bytes->len;) {
        ssize_t n = pwrite(w->fd, bytes->p + at, bytes->len - at, (off_t)(segment->bytes + at));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            int rc = n < 0 ? -errno : -ENOSPC;
            (void)!ftruncate(w->fd, (off_t)segment->bytes); /* or the next try writes over what stays */
            return rc;
        }
        at += (size_t)n;
    }
    segment->bytes += bytes->len;
    return 0;
}

static int write_out(struct wal *w)
{
    struct pending *out = &w->out;
    if (!out->bytes.len) {
        return 0;
    }
    int rc = 0;
    if (w->fd < 0 || vec_last(&w->segments).bytes >= SEGMENT_BYTES) {
        rc = begin_segment(w, out->first_seq);
    }
    int64_t start_us = clock_mono_us();
    rc = rc ? rc : write_frames(w, &out->bytes);
    if (rc == 0 && w->sync_always) {
        rc = sync_fd(w->fd);
    }
    if (rc == 0) {
        vec_last(&w->segments).last_seq = out->last_seq;
        self_observe_us(SELF_WAL_COMMIT_SECONDS, clock_mono_us() - start_us);
    }
    return rc == -ENOSPC || rc == -EDQUOT || rc == -EFBIG || rc == -EIO ? ERR_FULL : rc;
}

static void settle(struct wal *w, int rc, size_t written)
{
    pthread_mutex_lock(&w->lock);
    if (rc == 0) {
        w->queue_bytes -= written;
        w->dirty = w->dirty || (written && !w->sync_always);
        w->backoff_ms = 0;
        w->failure = (struct error){0};
        self_add(SELF_STORE_QUEUE_BYTES, -(int64_t)written);
    } else {
        self_add(SELF_COMMIT_FAILURES, 1);
        w->backoff_ms = w->backoff_ms ? w->backoff_ms * 2 : BACKOFF_MIN_MS;
        w->backoff_ms = w->backoff_ms > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : w->backoff_ms;
        w->retry_at_ms = clock_steady_ms() + w->backoff_ms;
        w->woken = true;
        pthread_cond_signal(&w->wake);
        error_set(&w->failure, rc,
                  "the write-ahead log (wal) cannot be written: %s; samples are kept in memory and tried again: free "
                  "space on disk",
                  rc == ERR_FULL ? "the disk is full, or writing to it fails" : error_text(rc));
    }
    pthread_mutex_unlock(&w->lock);
}

static void take_pending(struct wal *w)
{
    pthread_mutex_lock(&w->lock);
    struct pending in = w->in;
    w->in = w->out; /* empty: its memory serves the next ones */
    w->out = in;
    pthread_mutex_unlock(&w->lock);
}

/* The callbacks of what was written move to *ready. */
static int commit_locked(struct wal *w, waiting_vec *ready)
{
    bool again = w->out.bytes.len > 0; /* of a failed try */
    for (int round = 0; round < 1 + again; round++) {
        if (!w->out.bytes.len && !w->out.waiting.len) {
            take_pending(w);
        }
        size_t bytes = w->out.bytes.len;
        int rc = write_out(w);
        settle(w, rc, bytes);
        if (rc) {
            return rc;
        }
        for (size_t i = 0; i < w->out.waiting.len; i++) {
            vec_push(ready, w->out.waiting.p[i]);
        }
        buf_clear(&w->out.bytes);
        vec_clear(&w->out.waiting);
        w->out.first_seq = w->out.last_seq = 0;
        if (w->out.bytes.cap > (size_t)4 << 20) {
            buf_release(&w->out.bytes);
            pending_init(&w->out);
        }
    }
    return 0;
}

int wal_commit(struct wal *w)
{
    waiting_vec ready = {0};
    pthread_mutex_lock(&w->io);
    int rc = commit_locked(w, &ready);
    pthread_mutex_unlock(&w->io);
    for (size_t i = 0; i < ready.len; i++) {
        ready.p[i].done(ready.p[i].ctx, 0);
    }
    vec_release(&ready);
    return rc;
}

/* -- room -- */

void wal_keep_from(struct wal *w, uint64_t seq)
{
    vec(uint64_t) gone = {0};
    pthread_mutex_lock(&w->io);
    w->keep_from = seq > w->keep_from ? seq : w->keep_from;
    size_t kept = 0;
    for (size_t i = 0; i < w->segments.len; i++) {
        struct wal_segment *it = &w->segments.p[i];
        bool current = w->fd >= 0 && i + 1 == w->segments.len;
        /* One that is begun and empty goes on: the next commit may write to a file of its name. */
        if (w->pins || it->last_seq >= w->keep_from || (current && !it->last_seq)) {
            w->segments.p[kept++] = *it;
            continue;
        }
        vec_push(&gone, it->first_seq);
        if (current) {
            end_segment(w);
            w->fd = -1;
        }
    }
    w->segments.len = kept;
    pthread_mutex_unlock(&w->io);
    for (size_t i = 0; i < gone.len; i++) {
        wal_file_remove(w->dir_fd, gone.p[i]);
    }
    vec_release(&gone);
}

/* -- the thread -- */

/* What has been written reaches the disk; io is not held while that takes its time. */
static void sync_files(struct wal *w)
{
    pthread_mutex_lock(&w->io);
    vec(int) ended = {0};
    for (size_t i = 0; i < w->ended.len; i++) {
        vec_push(&ended, w->ended.p[i]);
    }
    vec_clear(&w->ended);
    int current = w->fd; /* nobody closes it but this thread, once it has ended */
    pthread_mutex_unlock(&w->io);
    pthread_mutex_lock(&w->lock);
    w->dirty = false;
    pthread_mutex_unlock(&w->lock);
    int rc = 0;
    for (size_t i = 0; i < ended.len; i++) {
        int one = sync_fd(ended.p[i]);
        rc = rc ? rc : one;
        close(ended.p[i]);
    }
    if (current >= 0) {
        int one = sync_fd(current);
        rc = rc ? rc : one;
    }
    if (fsync(w->dir_fd) && rc == 0) {
        rc = -errno;
    }
    if (rc) { /* the kernel tells once: the next sync may succeed although pages were lost, so it is counted */
        self_add(SELF_COMMIT_FAILURES, 1);
    }
    vec_release(&ended);
}

static void wait_for_work(struct wal *w, int64_t sync_at_ms, bool *commit, bool *sync, bool *stop)
{
    pthread_mutex_lock(&w->lock);
    for (;;) {
        int64_t now_ms = clock_steady_ms();
        *commit = w->woken && (!w->backoff_ms || now_ms >= w->retry_at_ms);
        *sync = w->dirty && now_ms >= sync_at_ms;
        *stop = w->stop;
        if (*commit || *sync || *stop) {
            break;
        }
        int64_t at_ms = w->woken ? w->retry_at_ms : w->dirty ? sync_at_ms : now_ms + 60000;
        at_ms = w->dirty && sync_at_ms < at_ms ? sync_at_ms : at_ms;
        struct timespec ts = {.tv_sec = at_ms / 1000, .tv_nsec = at_ms % 1000 * 1000000};
        pthread_cond_timedwait(&w->wake, &w->lock, &ts);
    }
    w->woken = w->woken && !*commit;
    pthread_mutex_unlock(&w->lock);
}

static void *wal_main(void *arg)
{
    struct wal *w = arg;
    thread_set_name("store-wal");
    bool commit, sync, stop = false;
    for (int64_t sync_at_ms = 0; !stop;) {
        wait_for_work(w, sync_at_ms, &commit, &sync, &stop);
        if (commit || stop) {
            (void)!wal_commit(w); /* settle() keeps the failure */
        }
        if (sync || stop) {
            sync_files(w);
            sync_at_ms = clock_steady_ms() + SYNC_MS;
        }
    }
    return NULL;
}

int wal_start(struct wal *w, struct error *err)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old); /* SIGXFSZ, blocked here, turns into EFBIG of the write */
    int rc = pthread_create(&w->thread, NULL, wal_main, w);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc) {
        return error_set(err, -rc, "the log's thread cannot be started: %s", error_text(-rc));
    }
    w->started = true;
    return 0;
}

void wal_stop(struct wal *w)
{
    if (!w || !w->started) {
        return;
    }
    pthread_mutex_lock(&w->lock);
    w->stop = true;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    w->started = false;
    pthread_mutex_lock(&w->io); /* upkeep may still commit */
    int rc = w->failure.code ? w->failure.code : ERR_CLOSED;
    waiting_vec *lists[] = {&w->out.waiting, &w->in.waiting};
    for (size_t k = 0; k < 2; k++) {
        for (size_t i = 0; i < lists[k]->len; i++) {
            lists[k]->p[i].done(lists[k]->p[i].ctx, rc);
        }
        vec_clear(lists[k]);
    }
    pthread_mutex_unlock(&w->io);
}

/* -- figures and copies -- */

bool wal_is_healthy(struct wal *w, struct error *failure)
{
    pthread_mutex_lock(&w->lock);
    bool healthy = w->failure.code == 0;
    if (!healthy) {
        *failure = w->failure;
    }
    pthread_mutex_unlock(&w->lock);
    return healthy;
}

void wal_get_figures(struct wal *w, struct wal_figures *out)
{
    *out = (struct wal_figures){0};
    pthread_mutex_lock(&w->io);
    for (size_t i = 0; i < w->segments.len; i++) {
        out->bytes += w->segments.p[i].bytes;
    }
    out->segments = w->segments.len;
    out->oldest_ms = w->segments.len ? w->segments.p[0].begun_ms : 0;
    pthread_mutex_unlock(&w->io);
    pthread_mutex_lock(&w->lock);
    out->queue_bytes = w->queue_bytes;
    pthread_mutex_unlock(&w->lock);
}

int wal_copy(struct wal *w, const char *dir, struct error *err)
{
    vec(struct wal_segment) copy = {0};
    pthread_mutex_lock(&w->io);
    w->pins++;
    vec_each (const struct wal_segment *, it, &w->segments) {
        vec_push(&copy, *it);
    }
    pthread_mutex_unlock(&w->io);
    int rc = wal_file_copy(w->dir_fd, copy.p, copy.len, dir, err);
    pthread_mutex_lock(&w->io);
    w->pins--;
    pthread_mutex_unlock(&w->io);
    vec_release(&copy);
    return rc;
}
