#include "src/collect/celery/celery_join.h"

#include "src/base/mem.h"

#include <xxhash.h>

/* Entries 0 and 1 are the heads of two rings: tasks under way and finished ones, oldest behind the head. */
enum { RING_OPEN, RING_DONE, RING_COUNT };
#define NONE UINT32_MAX

struct celery_join {
    struct celery_joined *entries;
    uint32_t used, cap;
    uint32_t free; /* chained by `chain` */
    uint32_t *buckets;
    uint32_t bucket_count; /* a power of two */
    uint32_t count[RING_COUNT];
};

static void grow_entries(struct celery_join *join)
{
    join->cap = join->cap ? join->cap * 2 : 1024;
    join->entries = mem_realloc_array(join->entries, join->cap, sizeof(*join->entries));
}

struct celery_join *celery_join_new(void)
{
    struct celery_join *join = mem_zalloc(sizeof(*join));
    grow_entries(join);
    for (uint32_t i = 0; i < RING_COUNT; i++) {
        join->entries[i] = (struct celery_joined){.prev = i, .next = i};
    }
    join->used = RING_COUNT;
    join->free = NONE;
    join->bucket_count = 1024;
    join->buckets = mem_alloc(join->bucket_count * sizeof(*join->buckets));
    memset(join->buckets, 0xff, join->bucket_count * sizeof(*join->buckets));
    return join;
}

void celery_join_free(struct celery_join *join)
{
    if (join) {
        mem_free(join->entries);
        mem_free(join->buckets);
        mem_free(join);
    }
}

uint32_t celery_join_count(const struct celery_join *join)
{
    return join->count[RING_OPEN] + join->count[RING_DONE];
}

static void ring_remove(struct celery_join *join, uint32_t i)
{
    struct celery_joined *e = &join->entries[i];
    join->entries[e->prev].next = e->next;
    join->entries[e->next].prev = e->prev;
    join->count[e->done ? RING_DONE : RING_OPEN]--;
}

/* As the newest of its ring. */
static void ring_insert(struct celery_join *join, uint32_t i)
{
    struct celery_joined *e = &join->entries[i];
    uint32_t head = e->done ? RING_DONE : RING_OPEN;
    e->prev = join->entries[head].prev;
    e->next = head;
    join->entries[e->prev].next = i;
    join->entries[head].prev = i;
    join->count[head]++;
}

static uint32_t *bucket_of(struct celery_join *join, const uint64_t hash[2])
{
    return &join->buckets[hash[0] & (join->bucket_count - 1)];
}

static void grow_buckets(struct celery_join *join)
{
    join->bucket_count *= 2;
    join->buckets = mem_realloc_array(join->buckets, join->bucket_count, sizeof(*join->buckets));
    memset(join->buckets, 0xff, join->bucket_count * sizeof(*join->buckets));
    for (uint32_t ring = 0; ring < RING_COUNT; ring++) {
        for (uint32_t i = join->entries[ring].next; i != ring; i = join->entries[i].next) {
            uint32_t *bucket = bucket_of(join, join->entries[i].hash);
            join->entries[i].chain = *bucket;
            *bucket = i;
        }
    }
}

static void evict(struct celery_join *join, uint32_t i)
{
    uint32_t *at = bucket_of(join, join->entries[i].hash);
    while (*at != i) {
        at = &join->entries[*at].chain;
    }
    *at = join->entries[i].chain;
    ring_remove(join, i);
    join->entries[i].chain = join->free;
    join->free = i;
}

static uint32_t take_place(struct celery_join *join)
{
    if (celery_join_count(join) >= CELERY_JOIN_MAX) {
        uint32_t ring = join->count[RING_DONE] ? RING_DONE : RING_OPEN;
        evict(join, join->entries[ring].next);
    }
    if (join->free != NONE) {
        uint32_t i = join->free;
        join->free = join->entries[i].chain;
        return i;
    }
    if (join->used == join->cap) {
        grow_entries(join);
    }
    return join->used++;
}

struct celery_joined *celery_join_touch(struct celery_join *join, struct str uuid)
{
    XXH128_hash_t h = XXH3_128bits(uuid.p ? uuid.p : "", uuid.len);
    const uint64_t hash[2] = {h.low64, h.high64};
    for (uint32_t i = *bucket_of(join, hash); i != NONE; i = join->entries[i].chain) {
        struct celery_joined *e = &join->entries[i];
        if (e->hash[0] == hash[0] && e->hash[1] == hash[1]) {
            ring_remove(join, i);
            ring_insert(join, i);
            return e;
        }
    }
    if (celery_join_count(join) >= join->bucket_count) {
        grow_buckets(join);
    }
    uint32_t i = take_place(join);
    struct celery_joined *e = &join->entries[i];
    uint32_t *bucket = bucket_of(join, hash);
    *e = (struct celery_joined){.hash = {hash[0], hash[1]}, .chain = *bucket};
    *bucket = i;
    ring_insert(join, i);
    return e;
}

void celery_join_done(struct celery_join *join, struct celery_joined *entry)
{
    uint32_t i = (uint32_t)(entry - join->entries);
    ring_remove(join, i);
    entry->done = true;
    ring_insert(join, i);
    if (join->count[RING_DONE] > CELERY_JOIN_DONE_MAX) {
        evict(join, join->entries[RING_DONE].next);
    }
}
