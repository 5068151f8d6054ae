#include "alerts/state.h"

#include "alerts/notify/record.h"
#include "src/base/codec.h"
#include "src/model/sample.h"

#define RECORD_VERSION 1

const char *alert_state_name(enum alert_state state)
{
    static const char *const names[] = {"inactive", "pending", "firing"};
    return names[state];
}

uint64_t alert_instance_id(uint64_t rule_id, struct labels labels)
{
    uint64_t id = fnv1a64(rule_id, STR("\xff"));
    for (uint32_t i = 0; i < labels.n; i++) {
        id = fnv1a64(fnv1a64(id, labels.v[i].name), STR("\xff"));
        id = fnv1a64(fnv1a64(id, labels.v[i].value), STR("\xff"));
    }
    return id;
}

/* Index of the first instance with an id not below. */
static size_t lower_bound(const struct alert_states *states, uint64_t id)
{
    size_t from = 0, to = states->v.len;
    while (from < to) {
        size_t mid = (from + to) / 2;
        if (states->v.p[mid]->id < id) {
            from = mid + 1;
        } else {
            to = mid;
        }
    }
    return from;
}

struct alert_instance *alert_states_find(const struct alert_states *states, uint64_t id)
{
    size_t i = lower_bound(states, id);
    return i < states->v.len && states->v.p[i]->id == id ? states->v.p[i] : NULL;
}

void alert_states_adopt(struct alert_states *states, struct alert_instance *instance)
{
    size_t at = lower_bound(states, instance->id);
    vec_push(&states->v, instance);
    memmove(states->v.p + at + 1, states->v.p + at, (states->v.len - 1 - at) * sizeof(instance));
    states->v.p[at] = instance;
}

size_t alert_states_active(const struct alert_states *states)
{
    size_t n = 0;
    for (size_t i = 0; i < states->v.len; i++) {
        n += states->v.p[i]->state != ALERT_INACTIVE;
    }
    return n;
}

void alert_instance_free(struct alert_instance *instance)
{
    if (instance) {
        labels_clone_free(&instance->labels);
        labels_clone_free(&instance->annotations);
        mem_free(instance);
    }
}

void alert_states_release(struct alert_states *states)
{
    for (size_t i = 0; i < states->v.len; i++) {
        alert_instance_free(states->v.p[i]);
    }
    vec_release(&states->v);
}

/* A condition that is true: begins a new life for what is absent or resolved. */
static void show(struct alert_states *states, const struct alert_timing *timing, const struct alert_result *result,
                 alert_event_fn fn, void *ctx)
{
    struct alert_instance *a = alert_states_find(states, result->id);
    if (!a) {
        a = mem_zalloc(sizeof(*a));
        a->id = result->id;
        a->labels = labels_clone(result->labels);
        alert_states_adopt(states, a);
    }
    a->restored = false;
    if (!labels_eq(a->annotations, result->annotations)) {
        labels_clone_free(&a->annotations);
        a->annotations = labels_clone(result->annotations);
        a->changed = true;
    }
    a->changed = a->changed || sample_bits(a->value) != sample_bits(result->value) || a->keep_firing_since_ms;
    a->value = result->value;
    a->keep_firing_since_ms = 0;
    a->kept_ms = 0;
    if (a->state == ALERT_INACTIVE) {
        a->state = ALERT_PENDING;
        a->active_at_ms = timing->wall_ms;
        a->fired_at_ms = a->resolved_at_ms = a->held_ms = a->resolved_age_ms = 0;
        a->changed = true;
        if (timing->for_ms > 0) {
            fn(ctx, a, ALERT_EVENT_PENDING);
        }
    } else if (a->state == ALERT_PENDING) {
        a->held_ms += timing->elapsed_ms;
        a->changed = true;
    }
    if (a->state == ALERT_PENDING && a->held_ms >= timing->for_ms) {
        a->state = ALERT_FIRING;
        a->fired_at_ms = timing->wall_ms;
        fn(ctx, a, ALERT_EVENT_FIRING);
    }
}

/* A condition that is not true any more. Returns false when the instance is to go. */
static bool miss(struct alert_instance *a, const struct alert_timing *timing, alert_event_fn fn, void *ctx)
{
    if (a->state != ALERT_INACTIVE && a->restored && timing->grace) {
        return true;
    }
    if (a->state == ALERT_PENDING) {
        return false;
    }
    if (a->state == ALERT_INACTIVE) {
        a->resolved_age_ms += timing->elapsed_ms;
        return a->resolved_age_ms < ALERT_RESOLVED_RETENTION_MS;
    }
    if (timing->keep_firing_for_ms > 0) {
        a->changed = true;
        a->kept_ms += a->keep_firing_since_ms ? timing->elapsed_ms : 0;
        a->keep_firing_since_ms = a->keep_firing_since_ms ? a->keep_firing_since_ms : timing->wall_ms;
        if (a->kept_ms < timing->keep_firing_for_ms) {
            return true;
        }
    }
    a->state = ALERT_INACTIVE;
    a->resolved_at_ms = timing->wall_ms;
    a->resolved_age_ms = 0;
    a->changed = true;
    fn(ctx, a, ALERT_EVENT_RESOLVED);
    return true;
}

static int by_id(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

void alert_states_apply(struct alert_states *states, const struct alert_timing *timing,
                        const struct alert_result *results, size_t n, alert_event_fn fn, void *ctx)
{
    uint64_t *ids = mem_alloc(n * sizeof(*ids));
    for (size_t i = 0; i < n; i++) {
        ids[i] = results[i].id;
    }
    qsort(ids, n, sizeof(*ids), by_id);
    size_t kept = 0;
    for (size_t i = 0; i < states->v.len; i++) {
        struct alert_instance *a = states->v.p[i];
        if (bsearch(&a->id, ids, n, sizeof(*ids), by_id) || miss(a, timing, fn, ctx)) {
            states->v.p[kept++] = a;
        } else {
            fn(ctx, a, ALERT_EVENT_DROPPED);
            alert_instance_free(a);
        }
    }
    states->v.len = kept;
    for (size_t i = 0; i < n; i++) {
        show(states, timing, &results[i], fn, ctx);
    }
    mem_free(ids);
}

void alert_instance_encode(const struct alert_instance *a, struct buf *out)
{
    record_put_u8(out, RECORD_VERSION);
    record_put_u8(out, (uint8_t)a->state);
    record_put_u64(out, sample_bits(a->value));
    const int64_t numbers[] = {a->active_at_ms,         a->fired_at_ms, a->resolved_at_ms,
                               a->keep_firing_since_ms, a->held_ms,     a->kept_ms};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        record_put_u64(out, (uint64_t)numbers[i]);
    }
    record_put_labels(out, a->labels);
    record_put_labels(out, a->annotations);
}

struct alert_instance *alert_instance_decode(uint64_t id, struct str bytes)
{
    auto_arena arena;
    arena_init(&arena);
    struct record_reader r = {.rest = bytes};
    struct alert_instance *a = mem_zalloc(sizeof(*a));
    uint8_t version = record_get_u8(&r), state = record_get_u8(&r);
    a->id = id;
    a->state = (enum alert_state)state;
    a->value = sample_from_bits(record_get_u64(&r));
    int64_t *numbers[] = {&a->active_at_ms,         &a->fired_at_ms, &a->resolved_at_ms,
                          &a->keep_firing_since_ms, &a->held_ms,     &a->kept_ms};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        *numbers[i] = (int64_t)record_get_u64(&r);
    }
    a->labels = labels_clone(record_get_labels(&r, &arena));
    a->annotations = labels_clone(record_get_labels(&r, &arena));
    if (r.bad || version != RECORD_VERSION || state > ALERT_FIRING) {
        alert_instance_free(a);
        return NULL;
    }
    a->restored = true;
    a->written = a->state;
    return a;
}
