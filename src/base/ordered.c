#include "src/base/ordered.h"

#include "src/base/mem.h"
#include "src/base/processors.h"
#include "src/base/thread.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>

/* ---- how many helpers there are in the process ---- */

static atomic_uint helpers_busy;

unsigned ordered_helpers_take(unsigned wanted)
{
    unsigned there = processors_usable() - 1, busy = atomic_load(&helpers_busy), n;
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
    pthread_cond_t changed; /* a piece was done, a slot became free, a helper left, or the end */
    size_t claimed, taken;  /* pieces before it */
    unsigned helping;       /* helpers that have not left yet, those included that have not come yet */
    bool *done;             /* by slot */
    bool ended;
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

static void help(struct run *run, unsigned worker)
{
    pthread_mutex_lock(&run->mutex);
    while (!run->ended && run->claimed < run->o->pieces) {
        if (may_claim(run)) {
            work_one(run, worker);
        } else {
            pthread_cond_wait(&run->changed, &run->mutex);
        }
    }
    run->helping--;
    pthread_cond_broadcast(&run->changed);
    pthread_mutex_unlock(&run->mutex);
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

/* ---- threads ---- */

/* Stays for good, and sleeps while it has no run. */
struct helper {
    struct helper *next; /* while it sleeps */
    pthread_t thread;
    pthread_cond_t asked;
    struct run *run; /* to be taken up */
    unsigned worker;
};

static struct {
    pthread_mutex_t mutex;
    struct helper *sleeping;
} pool = {.mutex = PTHREAD_MUTEX_INITIALIZER};

/* With the pool's mutex held. */
static void put_to_sleep(struct helper *helper)
{
    helper->next = pool.sleeping;
    pool.sleeping = helper;
}

static void *thread_main(void *arg)
{
    struct helper *self = arg;
    thread_set_name("work-helper");
    pthread_mutex_lock(&pool.mutex);
    for (;;) {
        while (!self->run) {
            pthread_cond_wait(&self->asked, &pool.mutex);
        }
        struct run *run = self->run;
        unsigned worker = self->worker;
        self->run = NULL;
        pthread_mutex_unlock(&pool.mutex);
        help(run, worker);
        pthread_mutex_lock(&pool.mutex);
        put_to_sleep(self);
    }
    return NULL;
}

/* The processors but the one that the caller runs on. A thread that wakes up while the others are busy for a moment
 * more, with the client that has sent its request, say, would else be put there, before or behind the caller, and not
 * be moved for some milliseconds: longer than most runs take. */
static bool other_processors(cpu_set_t *out)
{
    int here = sched_getcpu();
    if (here < 0 || pthread_getaffinity_np(pthread_self(), sizeof(*out), out) != 0) {
        return false;
    }
    CPU_CLR((size_t)here, out);
    return CPU_COUNT(out) > 0;
}

static struct helper *new_helper(struct run *run, unsigned worker, const cpu_set_t *processors)
{
    struct helper *helper = mem_zalloc(sizeof(*helper));
    helper->run = run;
    helper->worker = worker;
    pthread_cond_init(&helper->asked, NULL);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    if (processors) {
        pthread_attr_setaffinity_np(&attributes, sizeof(*processors), processors);
    }
    int failed = pthread_create(&helper->thread, &attributes, thread_main, helper);
    pthread_attr_destroy(&attributes);
    if (failed) {
        mem_free(helper);
        return NULL;
    }
    return helper;
}

/* NULL: there can be no thread; the others do its part. */
static struct helper *ask(struct run *run, unsigned worker, const cpu_set_t *processors)
{
    pthread_mutex_lock(&pool.mutex);
    struct helper *helper = pool.sleeping;
    if (!helper) {
        helper = new_helper(run, worker, processors);
    } else {
        pool.sleeping = helper->next;
        helper->run = run;
        helper->worker = worker;
        if (processors) {
            pthread_setaffinity_np(helper->thread, sizeof(*processors), processors);
        }
        pthread_cond_signal(&helper->asked);
    }
    pthread_mutex_unlock(&pool.mutex);
    return helper;
}

/* One that has not taken up the run yet never will. */
static bool withdraw(struct helper *helper, const struct run *run)
{
    pthread_mutex_lock(&pool.mutex);
    bool absent = helper->run == run;
    if (absent) {
        helper->run = NULL;
        put_to_sleep(helper);
    }
    pthread_mutex_unlock(&pool.mutex);
    return absent;
}

int ordered_run(const struct ordered *o, unsigned helpers)
{
    struct run run = {.o = o, .mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    struct helper *asked[ORDERED_HELPERS_MAX];
    run.done = mem_zalloc(o->slots * sizeof(*run.done));
    run.helping = helpers < ORDERED_HELPERS_MAX ? helpers : ORDERED_HELPERS_MAX;
    cpu_set_t processors;
    bool others = helpers && other_processors(&processors);
    const unsigned wanted = run.helping;
    for (unsigned i = 0; i < wanted; i++) {
        asked[i] = ask(&run, i + 1, others ? &processors : NULL);
    }
    int rc = lead(&run);
    unsigned absent = 0;
    for (unsigned i = 0; i < wanted; i++) {
        absent += !asked[i] || withdraw(asked[i], &run);
    }
    pthread_mutex_lock(&run.mutex);
    run.helping -= absent;
    while (run.helping > 0) {
        pthread_cond_wait(&run.changed, &run.mutex);
    }
    pthread_mutex_unlock(&run.mutex);
    pthread_cond_destroy(&run.changed);
    pthread_mutex_destroy(&run.mutex);
    mem_free(run.done);
    return rc;
}
