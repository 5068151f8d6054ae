#include "web/server/pool.h"

#include "src/base/thread.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#define STACK_BYTES  (1u << 20) /* address space; only touched pages cost */
#define IDLE_SECONDS 10

struct pool_job {
    void (*fn)(void *ctx);
    void *ctx;
    bool done;
    pthread_cond_t finished;
};

struct pool_thread { /* on the thread's own stack */
    struct pool_job *job;
    pthread_cond_t wake;
    struct pool_thread *next; /* in pool.idle */
};

struct pool {
    pthread_mutex_t mutex;
    pthread_cond_t ended;     /* a thread has gone */
    struct pool_thread *idle; /* last in, first out: the warmest stack, and the others can time out */
    size_t count, max;
    bool stopping;
};

struct pool_start {
    struct pool *pool;
    struct pool_job *job;
};

struct pool *pool_new(size_t max_threads)
{
    struct pool *pool = mem_zalloc(sizeof(*pool));
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->ended, NULL);
    pool->max = max_threads;
    return pool;
}

static void leave_idle_list(struct pool *pool, struct pool_thread *thread)
{
    for (struct pool_thread **at = &pool->idle; *at; at = &(*at)->next) {
        if (*at == thread) {
            *at = thread->next;
            return;
        }
    }
}

/* With the mutex held: true when a job came, false to end. */
static bool wait_for_job(struct pool *pool, struct pool_thread *self)
{
    if (pool->stopping) {
        return false;
    }
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += IDLE_SECONDS;
    self->next = pool->idle;
    pool->idle = self;
    while (!self->job) {
        int rc = pthread_cond_timedwait(&self->wake, &pool->mutex, &until);
        if (!self->job && (pool->stopping || rc == ETIMEDOUT)) {
            leave_idle_list(pool, self);
            return false;
        }
    }
    return true;
}

static void *thread_main(void *arg)
{
    struct pool_start *start = arg;
    struct pool *pool = start->pool;
    struct pool_thread self = {.job = start->job};
    mem_free(start);
    pthread_cond_init(&self.wake, NULL);
    thread_set_name("web");
    pthread_mutex_lock(&pool->mutex);
    do {
        struct pool_job *job = self.job;
        self.job = NULL;
        pthread_mutex_unlock(&pool->mutex);
        job->fn(job->ctx);
        pthread_mutex_lock(&pool->mutex);
        job->done = true;
        pthread_cond_signal(&job->finished);
    } while (wait_for_job(pool, &self));
    pool->count--;
    pthread_cond_signal(&pool->ended);
    pthread_mutex_unlock(&pool->mutex);
    pthread_cond_destroy(&self.wake);
    return NULL;
}

static int thread_start(struct pool *pool, struct pool_job *job)
{
    struct pool_start *start = mem_alloc(sizeof(*start));
    *start = (struct pool_start){pool, job};
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    pthread_t thread;
    int rc = pthread_create(&thread, &attr, thread_main, start);
    pthread_attr_destroy(&attr);
    if (rc) {
        mem_free(start);
    }
    return -rc;
}

/* With the mutex held. */
static int give(struct pool *pool, struct pool_job *job)
{
    struct pool_thread *thread = pool->idle;
    if (thread) {
        pool->idle = thread->next;
        thread->job = job;
        pthread_cond_signal(&thread->wake);
        return 0;
    }
    if (pool->count >= pool->max) {
        return -EAGAIN;
    }
    pool->count++;
    int rc = thread_start(pool, job);
    if (rc) {
        pool->count--;
        return -EAGAIN;
    }
    return 0;
}

int pool_call(struct pool *pool, void (*fn)(void *ctx), void *ctx)
{
    struct pool_job job = {.fn = fn, .ctx = ctx};
    pthread_cond_init(&job.finished, NULL);
    pthread_mutex_lock(&pool->mutex);
    int rc = give(pool, &job);
    while (rc == 0 && !job.done) {
        pthread_cond_wait(&job.finished, &pool->mutex);
    }
    pthread_mutex_unlock(&pool->mutex);
    pthread_cond_destroy(&job.finished);
    return rc;
}

void pool_free(struct pool *pool)
{
    if (!pool) {
        return;
    }
    pthread_mutex_lock(&pool->mutex);
    pool->stopping = true;
    for (struct pool_thread *thread = pool->idle; thread; thread = thread->next) {
        pthread_cond_signal(&thread->wake);
    }
    while (pool->count > 0) {
        pthread_cond_wait(&pool->ended, &pool->mutex);
    }
    pthread_mutex_unlock(&pool->mutex);
    pthread_cond_destroy(&pool->ended);
    pthread_mutex_destroy(&pool->mutex);
    mem_free(pool);
}
