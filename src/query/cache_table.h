/*
 * The table of src/query/cache.h: entries by key, counted, least recently used out first. For cache.c only.
 */
#pragma once
#include "src/query/cache.h"

#include <uthash.h>

struct cache_entry {
    UT_hash_handle hh;
    struct cache_entry *newer, *older;
    struct query_cache *cache;
    struct arena arena; /* everything below; immutable once put */
    int refs;
    struct str key;
    uint64_t token; /* of the store, from before it was read */
    int64_t start_ms, step_ms;
    size_t steps;
    struct labels *labels; /* sorted */
    double *values;        /* a row of `steps` for each series; absent() where there is none */
    size_t n;
};

/* NULL: too large for the cache. Else counted once, for the caller. */
struct cache_entry *cache_entry_new(struct query_cache *cache, struct str key, size_t series, size_t steps);
/* Counted for the caller; NULL: none. */
struct cache_entry *cache_get(struct query_cache *cache, struct str key);
void cache_put(struct cache_entry *entry); /* in place of what has its key; takes the caller's count */
void cache_unref(struct cache_entry *entry);
