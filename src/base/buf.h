/*
 * A growing byte buffer that owns its memory and stays NUL-terminated (p is never NULL after init).
 *
 * Sticky error: an append that would pass `max` sets `failed` and is dropped whole, as is every
 * later one; check once at the end.
 */
#pragma once
#include "src/base/mem.h"
#include "src/base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
    char *p;
    size_t len, cap, max;
    bool failed;
};

void buf_init(struct buf *buf, size_t max_bytes); /* allocates nothing before the first append */
void buf_release(struct buf *buf);                /* harmless on a zeroed buf */
void buf_clear(struct buf *buf);                  /* empty, memory kept, failed reset */
/* Room for n more bytes, to be written at p + len by the caller; NULL if that passes max. */
char *buf_reserve(struct buf *buf, size_t n);
void buf_add(struct buf *buf, struct str s);
void buf_add_bytes(struct buf *buf, const void *p, size_t n);
void buf_addf(struct buf *buf, const char *fmt, ...) PRINTF_LIKE(2, 3);
static inline void buf_add_char(struct buf *buf, char c)
{
    if (buf->len + 1 < buf->cap && buf->len < buf->max && !buf->failed) {
        buf->p[buf->len++] = c;
        buf->p[buf->len] = '\0';
    } else {
        buf_add_bytes(buf, &c, 1);
    }
}
void buf_drop_front(struct buf *buf, size_t n); /* memmove; for protocol readers */
static inline struct str buf_str(const struct buf *buf)
{
    return (struct str){buf->p, buf->len};
}
/* Hands the memory to the caller (mem_free) and leaves an empty buf. */
char *buf_steal(struct buf *buf, size_t *len);

#define auto_buf __attribute__((cleanup(buf_release))) struct buf
