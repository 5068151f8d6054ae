#include "src/base/buf.h"

#include <stdarg.h>
#include <stdio.h>

/* What p points to before the first append; never written to, because cap is 0. */
static char nothing[1];

void buf_init(struct buf *buf, size_t max_bytes)
{
    *buf = (struct buf){.p = nothing, .max = max_bytes};
}

void buf_release(struct buf *buf)
{
    if (buf->cap) {
        mem_free(buf->p);
    }
    buf_init(buf, buf->max);
}

void buf_clear(struct buf *buf)
{
    buf->len = 0;
    buf->failed = false;
    if (buf->cap) {
        buf->p[0] = '\0';
    }
}

char *buf_reserve(struct buf *buf, size_t n)
{
    if (buf->failed || n > buf->max || buf->len > buf->max - n) {
        buf->failed = true;
        return NULL;
    }
    size_t need = buf->len + n + 1;
    if (buf->cap < need) {
        size_t cap = buf->cap ? buf->cap : 64;
        while (cap < need) {
            cap += cap / 2;
        }
        buf->p = mem_realloc(buf->cap ? buf->p : NULL, cap);
        buf->cap = cap;
        buf->p[buf->len] = '\0';
    }
    return buf->p + buf->len;
}

void buf_add_bytes(struct buf *buf, const void *p, size_t n)
{
    char *at = buf_reserve(buf, n);
    if (at) {
        if (n) {
            memcpy(at, p, n);
        }
        at[n] = '\0';
        buf->len += n;
    }
}

void buf_add(struct buf *buf, struct str s)
{
    buf_add_bytes(buf, s.p, s.len);
}

void buf_addf(struct buf *buf, const char *fmt, ...)
{
    char small[256];
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(small, sizeof(small), fmt, args);
    va_end(args);
    if (n < 0) {
        buf->failed = true;
    } else if ((size_t)n < sizeof(small)) {
        buf_add_bytes(buf, small, (size_t)n);
    } else {
        char *at = buf_reserve(buf, (size_t)n);
        if (at) {
            vsnprintf(at, (size_t)n + 1, fmt, again);
            buf->len += (size_t)n;
        }
    }
    va_end(again);
}

void buf_drop_front(struct buf *buf, size_t n)
{
    n = n < buf->len ? n : buf->len;
    if (n) {
        memmove(buf->p, buf->p + n, buf->len - n + 1);
        buf->len -= n;
    }
}

char *buf_steal(struct buf *buf, size_t *len)
{
    char *p = buf->cap ? buf->p : mem_zalloc(1);
    if (len) {
        *len = buf->len;
    }
    buf_init(buf, buf->max);
    return p;
}
