#include "src/base/arena.h"

#include "src/base/thread.h"

#include <stdalign.h>
#include <stdio.h>

enum { BLOCK_MIN = 4096, BLOCK_MAX = 1 << 20, ALIGN = 16 };

struct arena_block {
    struct arena_block *next;
    size_t size, used; /* of data */
    alignas(ALIGN) char data[];
};

void arena_init(struct arena *arena)
{
    *arena = (struct arena){0};
}

static void free_chain(struct arena_block *block)
{
    while (block) {
        struct arena_block *next = block->next;
        mem_free(block);
        block = next;
    }
}

void arena_clear(struct arena *arena)
{
    if (arena->head) {
        free_chain(arena->head->next);
        arena->head->next = NULL;
        arena->head->used = 0;
    }
    arena->used_bytes = 0;
}

void arena_release(struct arena *arena)
{
    free_chain(arena->head);
    arena->head = NULL;
    arena->used_bytes = 0;
}

/* Blocks double from BLOCK_MIN to BLOCK_MAX; a larger request gets a block of its own size. */
static struct arena_block *add_block(struct arena *arena, size_t need)
{
    size_t size = arena->head ? arena->head->size * 2 : BLOCK_MIN - sizeof(struct arena_block);
    if (size > BLOCK_MAX) {
        size = BLOCK_MAX;
    }
    bool oversized = need > size;
    if (oversized) {
        size = need;
    }
    struct arena_block *block = mem_alloc(sizeof(*block) + size);
    block->size = size;
    block->used = 0;
    if (oversized && arena->head) { /* behind the head, whose room stays in use */
        block->next = arena->head->next;
        arena->head->next = block;
    } else {
        block->next = arena->head;
        arena->head = block;
    }
    return block;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    invariant(size < SIZE_MAX - BLOCK_MAX); /* a size that wrapped */
    size_t need = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    struct arena_block *block = arena->head;
    if (!block || block->size - block->used < need) {
        block = add_block(arena, need);
    }
    void *p = block->data + block->used;
    block->used += need;
    arena->used_bytes += need;
    return p;
}

void *arena_zalloc(struct arena *arena, size_t size)
{
    return memset(arena_alloc(arena, size), 0, size);
}

struct str arena_dup(struct arena *arena, struct str s)
{
    return str_make(arena_cstr(arena, s), s.len);
}

char *arena_cstr(struct arena *arena, struct str s)
{
    char *copy = arena_alloc(arena, s.len + 1);
    if (s.len) {
        memcpy(copy, s.p, s.len);
    }
    copy[s.len] = '\0';
    return copy;
}

struct str arena_printf(struct arena *arena, const char *fmt, ...)
{
    char small[256];
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(small, sizeof(small), fmt, args);
    va_end(args);
    struct str out = {0};
    if (n >= 0 && (size_t)n < sizeof(small)) {
        out = arena_dup(arena, str_make(small, (size_t)n));
    } else if (n >= 0) {
        char *p = arena_alloc(arena, (size_t)n + 1);
        vsnprintf(p, (size_t)n + 1, fmt, again);
        out = str_make(p, (size_t)n);
    }
    va_end(again);
    return out;
}
