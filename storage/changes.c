#include "storage/changes.h"

#include "storage/metrics.h"
#include "storage/read.h"

#include <string.h>

static void thin(struct changes *c)
{
    const size_t half = CHANGES_MAX / 2;
    for (size_t i = 0; i < half; i += 2) {
        c->v[i / 2] = (struct change){c->v[i + 1].last, c->v[i].min_ms};
    }
    memmove(&c->v[half / 2], &c->v[half], (c->n - half) * sizeof(c->v[0]));
    c->n -= half / 2;
}

void changes_note(struct changes *c, int64_t t_ms)
{
    c->count++;
    while (c->n && c->v[c->n - 1].min_ms >= t_ms) {
        c->n--;
    }
    if (c->n == CHANGES_MAX) {
        thin(c);
    }
    c->v[c->n++] = (struct change){c->count, t_ms};
}

int64_t changes_since(const struct changes *c, uint64_t token)
{
    size_t low = 0, high = c->n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (c->v[middle].last > token) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low < c->n ? c->v[low].min_ms : INT64_MAX;
}

uint64_t store_change_token(struct store *store)
{
    struct metrics *m = store->metrics;
    pthread_rwlock_rdlock(&m->lock);
    uint64_t token = m->changes.count;
    pthread_rwlock_unlock(&m->lock);
    return token;
}

int64_t store_changed_since(struct store *store, uint64_t token)
{
    struct metrics *m = store->metrics;
    pthread_rwlock_rdlock(&m->lock);
    int64_t t_ms = changes_since(&m->changes, token);
    pthread_rwlock_unlock(&m->lock);
    return t_ms;
}
