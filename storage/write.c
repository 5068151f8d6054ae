/* store_write(): a remote-write request becomes a batch, and waits for its commit. */
#include "src/base/mem.h"
#include "storage/store_internal.h"

#include <pthread.h>

struct waiter {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool done;
    int rc;
};

static void committed(void *ctx, int rc)
{
    struct waiter *w = ctx;
    pthread_mutex_lock(&w->lock);
    w->done = true;
    w->rc = rc;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
}

static void add_series(const struct write_request *request, size_t i, struct batch *batch, struct write_result *out)
{
    const struct write_series *series = &request->series[i];
    struct labels labels = {0};
    struct error err = {0};
    if (request->labels(request->ctx, i, batch->arena, &labels, &err)) {
        out->first = out->rejected_series++ ? out->first : err;
        out->rejected_samples += series->count;
        return;
    }
    for (uint32_t k = 0; k < series->count; k++) {
        const struct write_sample *sample = &request->samples[series->first + k];
        vec_push(&batch->samples, ((struct batch_sample){labels, sample->t_ms, sample->value}));
    }
    out->samples += series->count;
}

int store_write(struct store *store, const struct write_request *request, int timeout_ms, struct write_result *out)
{
    (void)timeout_ms;
    struct waiter w = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};
    auto_arena arena;
    arena_init(&arena);
    struct batch batch;
    batch_init(&batch, &arena, request->group, 0, (struct labels){0});
    *out = (struct write_result){0};
    for (size_t i = 0; i < request->series_count; i++) {
        add_series(request, i, &batch, out);
    }
    int rc = store_append(store, &batch, committed, &w);
    if (rc == 0) {
        pthread_mutex_lock(&w.lock);
        while (!w.done) {
            pthread_cond_wait(&w.wake, &w.lock);
        }
        rc = w.rc;
        pthread_mutex_unlock(&w.lock);
    }
    batch_release(&batch);
    return rc;
}
