#include "src/loop/loop_pool.h"

#include "src/base/mem.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

enum { POOL_THREADS = 4, QUEUE_MAX = 1024 };

static const int lane_limit[LANE_COUNT] = {[LANE_QUERY] = 2, [LANE_HOST] = 1, [LANE_DNS] = 2};

struct job {
    struct job *next;
    loop_fn run, done;
    void *ctx;
};

struct lane {
    struct job *first, **end;
    int running;
};

struct loop_pool {
    struct loop *loop;
    pthread_mutex_t lock;     /* guards everything below */
    pthread_cond_t wanted;    /* a job may have become runnable, or the end has come */
    pthread_cond_t less_busy; /* a job or thread has ended */
    struct lane lanes[LANE_COUNT];
    int queued, running, threads;
    int next_lane; /* lanes take turns */
    bool ending;
};

/* Called with the lock held. NULL: nothing may run now. */
static struct job *take_job(struct loop_pool *pool, enum loop_lane *from)
{
    for (int i = 0; i < LANE_COUNT; i++) {
        int index = (pool->next_lane + i) % LANE_COUNT;
        struct lane *lane = &pool->lanes[index];
        if (lane->first && lane->running < lane_limit[index]) {
            struct job *job = lane->first;
            lane->first = job->next;
            if (!lane->first) {
                lane->end = &lane->first;
            }
            lane->running++;
            pool->running++;
            pool->queued--;
            pool->next_lane = (index + 1) % LANE_COUNT;
            *from = (enum loop_lane)index;
            return job;
        }
    }
    return NULL;
}

static void *worker(void *arg)
{
    struct loop_pool *pool = arg;
    thread_set_name("cloche-work");
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        enum loop_lane lane;
        struct job *job = take_job(pool, &lane);
        if (job) {
            pthread_mutex_unlock(&pool->lock);
            job->run(job->ctx);
            loop_post(pool->loop, job->done, job->ctx);
            mem_free(job);
            pthread_mutex_lock(&pool->lock);
            pool->lanes[lane].running--;
            pool->running--;
            pthread_cond_broadcast(&pool->less_busy);
            continue; /* the lane has room again: look for its next job */
        }
        if (pool->ending) {
            break;
        }
        pthread_cond_wait(&pool->wanted, &pool->lock);
    }
    pool->threads--;
    pthread_cond_broadcast(&pool->less_busy);
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

struct loop_pool *loop_pool_new(struct loop *loop)
{
    struct loop_pool *pool = mem_zalloc(sizeof(*pool));
    pool->loop = loop;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->wanted, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&pool->less_busy, &attr);
    pthread_condattr_destroy(&attr);
    for (int i = 0; i < LANE_COUNT; i++) {
        pool->lanes[i].end = &pool->lanes[i].first;
    }
    /* Detached: one that hangs in a system call must not keep the process from ending. */
    pthread_attr_t detached;
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    pthread_mutex_lock(&pool->lock);
    for (int i = 0; i < POOL_THREADS; i++) {
        pthread_t thread;
        int rc = pthread_create(&thread, &detached, worker, pool);
        invariant(rc == 0 || i > 0); /* fewer threads are slower, none would be a hang */
        pool->threads += rc == 0;
    }
    pthread_mutex_unlock(&pool->lock);
    pthread_attr_destroy(&detached);
    return pool;
}

bool loop_pool_free(struct loop_pool *pool, int wait_ms)
{
    struct timespec deadline;
    clock_gettime(CLOCK_MONOTONIC, &deadline);
    int64_t nsec = deadline.tv_nsec + (int64_t)wait_ms * 1000000;
    deadline.tv_sec += nsec / 1000000000;
    deadline.tv_nsec = nsec % 1000000000;

    pthread_mutex_lock(&pool->lock);
    pool->ending = true;
    pthread_cond_broadcast(&pool->wanted);
    int rc = 0;
    while (pool->threads > 0 && rc != ETIMEDOUT) {
        rc = pthread_cond_timedwait(&pool->less_busy, &pool->lock, &deadline);
    }
    bool all_ended = pool->threads == 0;
    pthread_mutex_unlock(&pool->lock);
    if (!all_ended) {
        return false; /* a thread still uses *pool */
    }
    pthread_cond_destroy(&pool->less_busy);
    pthread_cond_destroy(&pool->wanted);
    pthread_mutex_destroy(&pool->lock);
    mem_free(pool);
    return true;
}

int loop_pool_submit(struct loop_pool *pool, enum loop_lane lane, loop_fn run, loop_fn done, void *ctx)
{
    invariant(lane >= 0 && lane < LANE_COUNT);
    struct job *job = mem_alloc(sizeof(*job));
    *job = (struct job){NULL, run, done, ctx};
    pthread_mutex_lock(&pool->lock);
    bool full = pool->queued >= QUEUE_MAX || pool->ending;
    if (!full) {
        *pool->lanes[lane].end = job;
        pool->lanes[lane].end = &job->next;
        pool->queued++;
        pthread_cond_signal(&pool->wanted);
    }
    pthread_mutex_unlock(&pool->lock);
    if (full) {
        mem_free(job);
        return ERR_FULL;
    }
    return 0;
}
