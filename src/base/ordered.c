#include "src/base/ordered.h"

#include "src/base/mem.h"
#include "src/base/thread.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <unistd.h>

/* ---- how many helpers there are in the process ---- */

static atomic_uint helpers_busy;

static unsigned helpers_there(void)
{
    static atomic_long processors;
    long n = atomic_load_explicit(&processors, memory_order_relaxed);
    if (n == 0) {
        n = sysconf(_SC_NPROCESSORS_ONLN);
        atomic_store_explicit(&processors, n, memory_order_relaxed);
    }
    return n > 1 ? (unsigned)n - 1 : 0;
}

unsigned ordered_helpers_take(unsigned wanted)
{
    unsigned there = helpers_there(), busy = atomic_load(&helpers_busy), n;
    do {
        n = busy < there ? there - busy : 0;
        n = n < wanted ? n : wanted;
    } while (n && !atomic_compare_exchange_weak(&helpers_busy, &busy, busy + n));
    return n;
}

void ordered_helpers_give(unsigned n)
{
    atomic_fetch_sub(&helpers_busy, n);
}

/* ---- a run ---- */

struct run {
    const struct ordered *o;
    pthread_mutex_t mutex;
    pthread_cond_t changed; /* a piece was done, a slot became free, or the end */
    size_t claimed, taken;  /* pieces before it */
    bool *done;             /* by slot */
    bool ended;
};

struct helper {
    struct run *run;
    unsigned worker;
    pthread_t thread;
};

/* With the mutex held. */
static bool may_claim(const struct run *run)
{
    return !run->ended && run->claimed < run->o->pieces && run->claimed < run->taken + run->o->slots;
}

static void work_one(struct run *run, unsigned worker)
{
    size_t piece = run->claimed++, slot = piece % run->o->slots;
    pthread_mutex_unlock(&run->mutex);
    run->o->work(run->o->ctx, worker, piece, slot);
    pthread_mutex_lock(&run->mutex);
    run->done[slot] = true;
    pthread_cond_broadcast(&run->changed);
}

static void *help(void *arg)
{
    const struct helper *helper = arg;
    struct run *run = helper->run;
    thread_set_name("work-helper");
    pthread_mutex_lock(&run->mutex);
    while (!run->ended && run->claimed < run->o->pieces) {
        if (may_claim(run)) {
            work_one(run, helper->worker);
        } else {
            pthread_cond_wait(&run->changed, &run->mutex);
        }
    }
    pthread_mutex_unlock(&run->mutex);
    return NULL;
}

/* The caller's part: takes what is next, else works on what nobody has begun, else waits. */
static int lead(struct run *run)
{
    int rc = 0;
    pthread_mutex_lock(&run->mutex);
    while (rc == 0 && run->taken < run->o->pieces) {
        size_t slot = run->taken % run->o->slots;
        if (run->done[slot]) {
            pthread_mutex_unlock(&run->mutex);
            rc = run->o->take(run->o->ctx, run->taken, slot);
            pthread_mutex_lock(&run->mutex);
            run->done[slot] = false;
            run->taken++;
            pthread_cond_broadcast(&run->changed);
        } else if (may_claim(run)) {
            work_one(run, 0);
        } else {
            pthread_cond_wait(&run->changed, &run->mutex);
        }
    }
    run->ended = true;
    pthread_cond_broadcast(&run->changed);
    pthread_mutex_unlock(&run->mutex);
    return rc;
}

int ordered_run(const struct ordered *o, unsigned helpers)
{
    struct run run = {.o = o, .mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    struct helper helper[ORDERED_HELPERS_MAX];
    unsigned started = 0;
    run.done = mem_zalloc(o->slots * sizeof(*run.done));
    while (started < helpers && started < ORDERED_HELPERS_MAX) {
        helper[started] = (struct helper){.run = &run, .worker = started + 1};
        if (pthread_create(&helper[started].thread, NULL, help, &helper[started]) != 0) {
            break; /* the others do its part */
        }
        started++;
    }
    int rc = lead(&run);
    while (started > 0) {
        pthread_join(helper[--started].thread, NULL);
    }
    pthread_cond_destroy(&run.changed);
    pthread_mutex_destroy(&run.mutex);
    mem_free(run.done);
    return rc;
}
