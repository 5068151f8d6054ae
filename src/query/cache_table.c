#include "src/query/cache_table.h"

#include "src/base/counter.h"

#include <pthread.h>

#define ENTRY_PART     4 /* one entry takes at most this part of the cache */
#define ENTRY_OVERHEAD 8192

struct query_cache {
    pthread_mutex_t mutex;
    struct cache_entry *entries, *newest, *oldest;
    size_t bytes, max_bytes;
};

struct query_cache *query_cache_new(size_t max_bytes)
{
    struct query_cache *cache = mem_zalloc(sizeof(*cache));
    pthread_mutex_init(&cache->mutex, NULL);
    cache->max_bytes = max_bytes;
    return cache;
}

static size_t size_of(const struct cache_entry *entry)
{
    return entry->arena.used_bytes + ENTRY_OVERHEAD;
}

static void destroy(struct cache_entry *entry)
{
    arena_release(&entry->arena);
    mem_free(entry);
}

static void link_newest(struct query_cache *cache, struct cache_entry *entry)
{
    entry->newer = NULL;
    entry->older = cache->newest;
    *(cache->newest ? &cache->newest->newer : &cache->oldest) = entry;
    cache->newest = entry;
}

static void unlink_entry(struct query_cache *cache, struct cache_entry *entry)
{
    *(entry->newer ? &entry->newer->older : &cache->newest) = entry->older;
    *(entry->older ? &entry->older->newer : &cache->oldest) = entry->newer;
}

/* The mutex is held. True: the last count went, destroy it when the mutex is not held any more. */
static bool drop(struct cache_entry *entry)
{
    return --entry->refs == 0;
}

static bool evict(struct query_cache *cache, struct cache_entry *entry)
{
    HASH_DEL(cache->entries, entry);
    unlink_entry(cache, entry);
    cache->bytes -= size_of(entry);
    return drop(entry);
}

struct cache_entry *cache_entry_new(struct query_cache *cache, struct str key, size_t series, size_t steps)
{
    if (series && steps > cache->max_bytes / ENTRY_PART / sizeof(double) / series) {
        return NULL;
    }
    struct cache_entry *entry = mem_zalloc(sizeof(*entry));
    arena_init(&entry->arena);
    entry->cache = cache;
    entry->refs = 1;
    entry->key = arena_dup(&entry->arena, key);
    entry->steps = steps;
    entry->n = series;
    entry->labels = arena_array(&entry->arena, struct labels, series + 1);
    entry->values = arena_alloc(&entry->arena, series * steps * sizeof(double) + 1);
    return entry;
}

struct cache_entry *cache_get(struct query_cache *cache, struct str key)
{
    struct cache_entry *entry = NULL;
    pthread_mutex_lock(&cache->mutex);
    HASH_FIND(hh, cache->entries, key.p, key.len, entry);
    if (entry) {
        entry->refs++;
        unlink_entry(cache, entry);
        link_newest(cache, entry);
    }
    pthread_mutex_unlock(&cache->mutex);
    return entry;
}

void cache_put(struct cache_entry *entry)
{
    struct query_cache *cache = entry->cache;
    struct cache_entry *dead = NULL, *old = NULL;
    pthread_mutex_lock(&cache->mutex);
    HASH_FIND(hh, cache->entries, entry->key.p, entry->key.len, old);
    if (size_of(entry) > cache->max_bytes / ENTRY_PART || (old && old->token > entry->token)) {
        old = drop(entry) ? entry : NULL;
        pthread_mutex_unlock(&cache->mutex);
        if (old) {
            destroy(old);
        }
        return;
    }
    while (old || (cache->oldest && cache->bytes + size_of(entry) > cache->max_bytes)) {
        struct cache_entry *it = old ? old : cache->oldest;
        old = NULL;
        if (evict(cache, it)) {
            it->older = dead;
            dead = it;
        }
    }
    HASH_ADD_KEYPTR(hh, cache->entries, entry->key.p, entry->key.len, entry);
    link_newest(cache, entry);
    cache->bytes += size_of(entry);
    self_set(SELF_QUERY_CACHE_BYTES, (int64_t)cache->bytes);
    pthread_mutex_unlock(&cache->mutex);
    for (struct cache_entry *next; dead; dead = next) {
        next = dead->older;
        destroy(dead);
    }
}

void cache_unref(struct cache_entry *entry)
{
    if (!entry) {
        return;
    }
    struct query_cache *cache = entry->cache;
    pthread_mutex_lock(&cache->mutex);
    bool last = drop(entry);
    pthread_mutex_unlock(&cache->mutex);
    if (last) {
        destroy(entry);
    }
}

void query_cache_free(struct query_cache *cache)
{
    if (!cache) {
        return;
    }
    while (cache->oldest) {
        struct cache_entry *it = cache->oldest;
        if (evict(cache, it)) {
            destroy(it);
        }
    }
    pthread_mutex_destroy(&cache->mutex);
    mem_free(cache);
}
