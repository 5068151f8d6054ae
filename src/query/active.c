#include "src/query/active.h"

#include "src/base/clock.h"
#include "src/base/codec.h"
#include "src/base/counter.h"
#include "src/base/log.h"

#include <pthread.h>

static struct {
    pthread_mutex_t mutex;
    struct active_query *first, **last; /* oldest first */
    uint64_t last_id;
    size_t n;
} registry = {PTHREAD_MUTEX_INITIALIZER, NULL, &registry.first, 0, 0};

void active_begin(struct active_query *query)
{
    query->since_wall_ms = clock_wall_ms();
    query->since_mono_us = clock_mono_us();
    pthread_mutex_lock(&registry.mutex);
    query->id = ++registry.last_id;
    query->next = NULL;
    query->from = registry.last;
    *registry.last = query;
    registry.last = &query->next;
    registry.n++;
    pthread_mutex_unlock(&registry.mutex);
}

void active_running(struct active_query *query)
{
    atomic_store(&query->running, true);
    self_add(SELF_QUERIES_RUNNING, 1);
}

void active_end(struct active_query *query)
{
    pthread_mutex_lock(&registry.mutex);
    *query->from = query->next;
    if (query->next) {
        query->next->from = query->from;
    } else {
        registry.last = query->from;
    }
    registry.n--;
    pthread_mutex_unlock(&registry.mutex);
    self_add(SELF_QUERIES_RUNNING, atomic_load(&query->running) ? -1 : 0);
}

bool active_cancelled(const struct active_query *query)
{
    return atomic_load_explicit(&query->cancelled, memory_order_relaxed);
}

bool active_cancel(uint64_t id)
{
    bool found = false;
    pthread_mutex_lock(&registry.mutex);
    for (struct active_query *it = registry.first; it && !found; it = it->next) {
        if (it->id == id) {
            atomic_store(&it->cancelled, true);
            found = true;
        }
    }
    pthread_mutex_unlock(&registry.mutex);
    return found;
}

static struct str copy(struct arena *arena, struct str text)
{
    return arena_dup(arena, str_slice(text, 0, utf8_cut(text, ACTIVE_TEXT_MAX)));
}

static void describe(const struct active_query *query, struct arena *arena, struct active_info *out)
{
    *out = (struct active_info){.samples = atomic_load(&query->progress.samples),
                                .memory_bytes = atomic_load(&query->progress.memory_bytes),
                                .running = atomic_load(&query->running),
                                .cancelled = atomic_load(&query->cancelled),
                                .age_us = clock_mono_us() - query->since_mono_us};
    struct active_query *q = &out->query;
    q->id = query->id;
    q->text = copy(arena, query->text);
    q->peer = copy(arena, query->peer);
    q->agent = copy(arena, query->agent);
    q->dashboard = copy(arena, query->dashboard);
    q->user = copy(arena, query->user);
    q->rule = copy(arena, query->rule);
    q->group = copy(arena, query->group);
    q->start_ms = query->start_ms;
    q->end_ms = query->end_ms;
    q->step_ms = query->step_ms;
    q->since_wall_ms = query->since_wall_ms;
}

size_t active_list(struct arena *arena, struct active_info **out)
{
    pthread_mutex_lock(&registry.mutex);
    struct active_info *v = arena_array(arena, struct active_info, registry.n + 1);
    size_t n = 0;
    for (const struct active_query *it = registry.first; it; it = it->next) {
        describe(it, arena, &v[n++]);
    }
    pthread_mutex_unlock(&registry.mutex);
    *out = v;
    return n;
}

void active_log_slow(const struct active_query *q, const struct query_result *result, int rc, int64_t took_us,
                     int64_t queue_us)
{
    self_add(SELF_QUERIES_SLOW, 1);
    log_warn("query: slow", KV_DOUBLE("seconds", (double)took_us / 1e6), KV_DOUBLE("queued", (double)queue_us / 1e6),
             KV_STR("end", rc ? error_text(rc) : "answered"),
             KV_INT("samples", rc ? atomic_load(&q->progress.samples) : result->stats.samples),
             KV_INT("series", result->stats.series),
             KV_INT("memory", rc ? atomic_load(&q->progress.memory_bytes) : result->stats.memory_bytes),
             KV_INT("range", (q->end_ms - q->start_ms) / 1000), KV_DOUBLE("step", (double)q->step_ms / 1000),
             KV_S("peer", q->peer), KV_S("agent", q->agent), KV_S("dashboard", q->dashboard), KV_S("user", q->user),
             KV_S("group", q->group), KV_S("rule", q->rule),
             KV_S("query", str_slice(q->text, 0, utf8_cut(q->text, ACTIVE_TEXT_MAX))));
}
