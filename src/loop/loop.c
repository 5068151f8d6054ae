#include "src/loop/loop.h"

#include "src/base/mem.h"
#include "src/loop/loop_pool.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>
#include <uv.h>

enum { POOL_WAIT_MS = 1000 };

/* A loop_call() on its way. The caller and the queue both know it; whoever comes last frees it. */
struct call {
    pthread_cond_t changed;
    enum { CALL_QUEUED, CALL_RUNNING, CALL_DONE, CALL_ABANDONED } state; /* guarded by loop->lock */
};

struct message {
    struct message *next;
    loop_fn fn;
    void *ctx;
    struct call *call; /* NULL: loop_post() */
};

struct signal_watch {
    struct signal_watch *next;
    uv_signal_t handle;
    loop_fn fn;
    void *ctx;
};

struct loop {
    uv_loop_t uv;
    uv_async_t wake;
    struct loop_pool *pool;
    struct signal_watch *signals;
    atomic_bool stopping;

    pthread_mutex_t lock; /* guards the rest of this group, and the state of calls */
    struct message *first, **end;
    bool closed; /* messages are taken no more */
};

static void run_message(struct loop *loop, struct message *message)
{
    struct call *call = message->call;
    if (!call) {
        message->fn(message->ctx);
        mem_free(message);
        return;
    }
    pthread_mutex_lock(&loop->lock);
    bool abandoned = call->state == CALL_ABANDONED;
    if (!abandoned) {
        call->state = CALL_RUNNING;
    }
    pthread_mutex_unlock(&loop->lock);
    if (abandoned) {
        pthread_cond_destroy(&call->changed);
        mem_free(call);
    } else {
        message->fn(message->ctx);
        pthread_mutex_lock(&loop->lock);
        call->state = CALL_DONE;
        pthread_cond_signal(&call->changed); /* with the lock held: the caller frees it right after */
        pthread_mutex_unlock(&loop->lock);
    }
    mem_free(message);
}

static struct message *take_messages(struct loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    struct message *list = loop->first;
    loop->first = NULL;
    loop->end = &loop->first;
    pthread_mutex_unlock(&loop->lock);
    return list;
}

static void run_messages(struct loop *loop)
{
    for (struct message *message = take_messages(loop), *next; message; message = next) {
        next = message->next;
        run_message(loop, message);
    }
}

static void on_wake(uv_async_t *handle)
{
    loop_assert();
    struct loop *loop = handle->data;
    run_messages(loop);
    if (atomic_load(&loop->stopping)) {
        uv_stop(&loop->uv);
    }
}

struct loop *loop_new(void)
{
    signal(SIGPIPE, SIG_IGN); /* a peer that went away is an error code, not the end of the process */
    struct loop *loop = mem_zalloc(sizeof(*loop));
    int rc = uv_loop_init(&loop->uv);
    invariant(rc == 0); /* no descriptors left before anything has begun */
    rc = uv_async_init(&loop->uv, &loop->wake, on_wake);
    invariant(rc == 0);
    loop->wake.data = loop;
    pthread_mutex_init(&loop->lock, NULL);
    loop->end = &loop->first;
    loop->pool = loop_pool_new(loop);
    return loop;
}

struct uv_loop_s *loop_uv(struct loop *loop)
{
    return &loop->uv;
}

static void unref_open(uv_handle_t *handle, void *arg)
{
    (void)arg;
    if (!uv_is_closing(handle)) {
        uv_unref(handle);
    }
}

void loop_run(struct loop *loop)
{
    loop_claim();
    loop_assert();
    while (!atomic_load(&loop->stopping)) {
        uv_run(&loop->uv, UV_RUN_DEFAULT);
    }
    /* Only handles that are closing keep the loop up now; what owners left open they close before loop_free(). */
    uv_walk(&loop->uv, unref_open, NULL);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    run_messages(loop); /* who called before the stop still gets an answer; later calls are refused */
}

void loop_stop(struct loop *loop)
{
    atomic_store(&loop->stopping, true);
    uv_async_send(&loop->wake);
}

/* From here on nobody's message is taken, and callers in loop_call() are told so. */
static void refuse_messages(struct loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    loop->closed = true;
    pthread_mutex_unlock(&loop->lock);
    for (struct message *message = take_messages(loop), *next; message; message = next) {
        next = message->next;
        if (message->call) {
            pthread_mutex_lock(&loop->lock);
            bool abandoned = message->call->state == CALL_ABANDONED;
            message->call->state = CALL_ABANDONED;
            pthread_cond_signal(&message->call->changed);
            pthread_mutex_unlock(&loop->lock);
            if (abandoned) {
                pthread_cond_destroy(&message->call->changed);
                mem_free(message->call);
            }
        }
        mem_free(message);
    }
}

static void on_signal_closed(uv_handle_t *handle)
{
    mem_free(handle->data);
}

void loop_free(struct loop *loop)
{
    if (!loop) {
        return;
    }
    loop_assert();
    bool all_ended = loop_pool_free(loop->pool, POOL_WAIT_MS);
    run_messages(loop); /* done() of the jobs that have ended */
    while (loop->signals) {
        struct signal_watch *watch = loop->signals;
        loop->signals = watch->next;
        uv_close((uv_handle_t *)&watch->handle, on_signal_closed);
    }
    uv_walk(&loop->uv, unref_open, NULL);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    refuse_messages(loop);
    if (!all_ended) {
        return; /* the job that hangs will post its end one day: the loop must be there */
    }
    uv_close((uv_handle_t *)&loop->wake, NULL);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    if (uv_loop_close(&loop->uv) == 0) { /* else an owner still holds a handle in it */
        pthread_mutex_destroy(&loop->lock);
        mem_free(loop);
    }
}

struct loop_timer {
    uv_timer_t handle;
    loop_fn fn;
    void *ctx;
};

static void on_timer(uv_timer_t *handle)
{
    loop_assert();
    struct loop_timer *timer = handle->data;
    timer->fn(timer->ctx);
}

struct loop_timer *loop_timer_start(struct loop *loop, int64_t delay_ms, int64_t repeat_ms, loop_fn fn, void *ctx)
{
    struct loop_timer *timer = mem_zalloc(sizeof(*timer));
    timer->fn = fn;
    timer->ctx = ctx;
    uv_timer_init(&loop->uv, &timer->handle);
    timer->handle.data = timer;
    uv_update_time(&loop->uv); /* the loop's own idea of now is as old as its last poll */
    uv_timer_start(&timer->handle, on_timer, (uint64_t)(delay_ms > 0 ? delay_ms : 0),
                   (uint64_t)(repeat_ms > 0 ? repeat_ms : 0));
    return timer;
}

void loop_timer_again(struct loop_timer *timer, int64_t delay_ms)
{
    uv_update_time(timer->handle.loop);
    uv_timer_start(&timer->handle, on_timer, (uint64_t)(delay_ms > 0 ? delay_ms : 0), 0);
}

static void on_timer_closed(uv_handle_t *handle)
{
    mem_free(handle->data);
}

void loop_timer_stop(struct loop_timer *timer)
{
    if (timer) {
        uv_close((uv_handle_t *)&timer->handle, on_timer_closed);
    }
}

static void on_signal(uv_signal_t *handle, int signum)
{
    loop_assert();
    (void)signum;
    struct signal_watch *watch = handle->data;
    watch->fn(watch->ctx);
}

void loop_on_signal(struct loop *loop, int signum, loop_fn fn, void *ctx)
{
    struct signal_watch *watch = mem_zalloc(sizeof(*watch));
    watch->fn = fn;
    watch->ctx = ctx;
    uv_signal_init(&loop->uv, &watch->handle);
    watch->handle.data = watch;
    uv_signal_start(&watch->handle, on_signal, signum);
    uv_unref((uv_handle_t *)&watch->handle);
    watch->next = loop->signals;
    loop->signals = watch;
}

int loop_work(struct loop *loop, enum loop_lane lane, loop_fn run, loop_fn done, void *ctx)
{
    return loop_pool_submit(loop->pool, lane, run, done, ctx);
}

/* Called with the lock held. */
static bool enqueue(struct loop *loop, loop_fn fn, void *ctx, struct call *call)
{
    if (loop->closed) {
        return false;
    }
    struct message *message = mem_alloc(sizeof(*message));
    *message = (struct message){NULL, fn, ctx, call};
    *loop->end = message;
    loop->end = &message->next;
    uv_async_send(&loop->wake); /* with the lock held: loop_free() closes the handle only after `closed` */
    return true;
}

void loop_post(struct loop *loop, loop_fn fn, void *ctx)
{
    pthread_mutex_lock(&loop->lock);
    enqueue(loop, fn, ctx, NULL);
    pthread_mutex_unlock(&loop->lock);
}

static struct timespec deadline_after(int timeout_ms)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    int64_t nsec = at.tv_nsec + (int64_t)timeout_ms * 1000000;
    at.tv_sec += nsec / 1000000000;
    at.tv_nsec = nsec % 1000000000;
    return at;
}

static struct call *call_new(void)
{
    struct call *call = mem_zalloc(sizeof(*call));
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&call->changed, &attr);
    pthread_condattr_destroy(&attr);
    return call;
}

int loop_call(struct loop *loop, loop_fn fn, void *ctx, int timeout_ms)
{
    struct timespec deadline = deadline_after(timeout_ms > 0 ? timeout_ms : 0);
    struct call *call = call_new();
    int result = 0, rc = 0;
    pthread_mutex_lock(&loop->lock);
    if (atomic_load(&loop->stopping) || !enqueue(loop, fn, ctx, call)) {
        call->state = CALL_DONE;
        result = ERR_CLOSED;
    }
    while (call->state == CALL_QUEUED && rc != ETIMEDOUT) {
        rc = pthread_cond_timedwait(&call->changed, &loop->lock, &deadline);
    }
    while (call->state == CALL_RUNNING) { /* begun: ctx is in use until it ends, however late that is */
        pthread_cond_wait(&call->changed, &loop->lock);
    }
    bool ours = true;
    if (call->state == CALL_ABANDONED) {
        result = ERR_CLOSED;
    } else if (call->state == CALL_QUEUED) {
        call->state = CALL_ABANDONED;
        result = ERR_TIMEOUT;
        ours = false; /* the queue still has it and frees it */
    }
    pthread_mutex_unlock(&loop->lock);
    if (ours) {
        pthread_cond_destroy(&call->changed);
        mem_free(call);
    }
    return result;
}
