/*
 * Region memory: many allocations, freed together.
 *
 * One arena per query, scrape, request or rule run; nothing in it is freed singly. Blocks grow from
 * 4 KiB to 1 MiB. Never shared by threads. With a limit set, arena_exhausted() turns true once
 * more than `limit` bytes were handed out; allocation itself still succeeds, so that callers check
 * at convenient points (query memory limit).
 */
#pragma once
#include "src/base/mem.h"
#include "src/base/str.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct arena_block;
struct arena {
    struct arena_block *head;
    size_t used_bytes;  /* handed out since init or clear */
    size_t limit_bytes; /* 0: none */
};

void arena_init(struct arena *arena);
void arena_clear(struct arena *arena);                         /* keeps one block for reuse */
void arena_release(struct arena *arena);                       /* harmless on a zeroed or released arena */
void *arena_alloc(struct arena *arena, size_t size) MUST_USE;  /* 16-byte aligned, uninitialised */
void *arena_zalloc(struct arena *arena, size_t size) MUST_USE; /* zeroed */
struct str arena_dup(struct arena *arena, struct str s) MUST_USE;
char *arena_cstr(struct arena *arena, struct str s) MUST_USE; /* NUL-terminated copy */
struct str arena_printf(struct arena *arena, const char *fmt, ...) PRINTF_LIKE(2, 3) MUST_USE;
static inline bool arena_exhausted(const struct arena *arena)
{
    return arena->limit_bytes && arena->used_bytes > arena->limit_bytes;
}

#define arena_new(arena, type)      ((type *)arena_zalloc(arena, sizeof(type)))
#define arena_array(arena, type, n) ((type *)arena_zalloc(arena, (size_t)(n) * sizeof(type)))

#define auto_arena __attribute__((cleanup(arena_release))) struct arena
