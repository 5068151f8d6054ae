#include "src/collect/host/host_prober.h"

#include "src/base/thread.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/vfs.h>
#include <time.h>

/* Shared by its thread and the prober; the last to let go frees it. */
struct helper {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    host_statfs_fn statfs_fn;
    int refs;
    enum { HELPER_IDLE, HELPER_ASKED, HELPER_ANSWERED } state;
    bool quit;
    char *path;
    struct host_fs result;
    int rc;
};

struct host_prober {
    host_statfs_fn statfs_fn;
    struct helper *helper;                /* the one at work; NULL: none yet */
    struct helper *stuck[HOST_STUCK_MAX]; /* left behind, each with its path */
    size_t stuck_count;
};

static int real_statfs(const char *path, struct host_fs *out)
{
    struct statfs fs;
    int rc;
    do {
        rc = statfs(path, &fs);
    } while (rc != 0 && errno == EINTR);
    if (rc != 0) {
        return -errno;
    }
    double block = (double)fs.f_bsize;
    *out = (struct host_fs){.size = (double)fs.f_blocks * block,
                            .free = (double)fs.f_bfree * block,
                            .avail = (double)fs.f_bavail * block,
                            .files = (double)fs.f_files,
                            .files_free = (double)fs.f_ffree};
    return 0;
}

/* With the mutex held, which is given up here. */
static void helper_unref_locked(struct helper *helper)
{
    bool last = --helper->refs == 0;
    pthread_mutex_unlock(&helper->mutex);
    if (last) {
        pthread_mutex_destroy(&helper->mutex);
        pthread_cond_destroy(&helper->changed);
        mem_free(helper->path);
        mem_free(helper);
    }
}

static void *helper_main(void *arg)
{
    struct helper *helper = arg;
    thread_set_name("statfs");
    pthread_mutex_lock(&helper->mutex);
    for (;;) {
        while (helper->state != HELPER_ASKED && !helper->quit) {
            pthread_cond_wait(&helper->changed, &helper->mutex);
        }
        if (helper->quit) {
            break;
        }
        /* path does not change while the question is open */
        pthread_mutex_unlock(&helper->mutex);
        struct host_fs result = {0};
        int rc = helper->statfs_fn(helper->path, &result);
        pthread_mutex_lock(&helper->mutex);
        helper->result = result;
        helper->rc = rc;
        helper->state = HELPER_ANSWERED;
        pthread_cond_broadcast(&helper->changed);
    }
    helper_unref_locked(helper);
    return NULL;
}

static void helper_end(struct helper *helper)
{
    pthread_mutex_lock(&helper->mutex);
    helper->quit = true;
    pthread_cond_broadcast(&helper->changed);
    helper_unref_locked(helper);
}

static int helper_spawn(struct helper *helper)
{
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t all, before;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, 256u << 10);
    sigfillset(&all); /* signals are the loop's */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&thread, &attr, helper_main, helper);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return -rc;
}

static struct helper *helper_new(host_statfs_fn statfs_fn)
{
    struct helper *helper = mem_zalloc(sizeof(*helper));
    pthread_condattr_t attr;
    pthread_mutex_init(&helper->mutex, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&helper->changed, &attr);
    pthread_condattr_destroy(&attr);
    helper->statfs_fn = statfs_fn;
    helper->refs = 2;
    if (helper_spawn(helper) != 0) {
        helper->refs = 1;
        helper_end(helper);
        return NULL;
    }
    return helper;
}

struct host_prober *host_prober_new(host_statfs_fn statfs_fn)
{
    struct host_prober *prober = mem_zalloc(sizeof(*prober));
    prober->statfs_fn = statfs_fn ? statfs_fn : real_statfs;
    return prober;
}

void host_prober_free(struct host_prober *prober)
{
    if (!prober) {
        return;
    }
    if (prober->helper) {
        helper_end(prober->helper);
    }
    for (size_t i = 0; i < prober->stuck_count; i++) {
        helper_end(prober->stuck[i]);
    }
    mem_free(prober);
}

/* Lets go of helpers that have come back; true if `path` is held by one that has not. */
static bool is_stuck(struct host_prober *prober, const char *path)
{
    bool found = false;
    for (size_t i = prober->stuck_count; i-- > 0;) {
        struct helper *helper = prober->stuck[i];
        pthread_mutex_lock(&helper->mutex);
        bool back = helper->state == HELPER_ANSWERED;
        pthread_mutex_unlock(&helper->mutex);
        if (back) {
            helper_end(helper);
            prober->stuck[i] = prober->stuck[--prober->stuck_count];
        } else {
            found |= strcmp(helper->path, path) == 0;
        }
    }
    return found || prober->stuck_count == HOST_STUCK_MAX;
}

static struct timespec deadline_in(int64_t ms)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += ms / 1000;
    t.tv_nsec += (ms % 1000) * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return t;
}

int host_prober_ask(struct host_prober *prober, const char *path, int64_t wait_ms, struct host_fs *out)
{
    if (is_stuck(prober, path)) {
        return ERR_TIMEOUT;
    }
    if (!prober->helper && !(prober->helper = helper_new(prober->statfs_fn))) {
        return -EAGAIN;
    }
    struct helper *helper = prober->helper;
    const struct timespec deadline = deadline_in(wait_ms);
    pthread_mutex_lock(&helper->mutex);
    mem_free(helper->path);
    helper->path = mem_strdup(path);
    helper->state = HELPER_ASKED;
    pthread_cond_broadcast(&helper->changed);
    int wait = 0;
    while (helper->state != HELPER_ANSWERED && wait != ETIMEDOUT) {
        wait = pthread_cond_timedwait(&helper->changed, &helper->mutex, &deadline);
    }
    bool answered = helper->state == HELPER_ANSWERED;
    int rc = answered ? helper->rc : ERR_TIMEOUT;
    if (rc == 0) {
        *out = helper->result;
    }
    pthread_mutex_unlock(&helper->mutex);
    if (!answered) {
        prober->stuck[prober->stuck_count++] = helper;
        prober->helper = NULL;
    }
    return rc;
}
