#include "alerts/notify/record.h"

void record_put_u8(struct buf *out, uint8_t v)
{
    buf_add_char(out, (char)v);
}

void record_put_u64(struct buf *out, uint64_t v)
{
    char bytes[8];
    for (int i = 0; i < 8; i++) {
        bytes[i] = (char)(v >> (8 * i) & 0xff);
    }
    buf_add_bytes(out, bytes, sizeof(bytes));
}

void record_put_str(struct buf *out, struct str s)
{
    record_put_u64(out, s.len);
    buf_add(out, s);
}

void record_put_labels(struct buf *out, struct labels labels)
{
    record_put_u8(out, (uint8_t)labels.n);
    for (uint32_t i = 0; i < labels.n; i++) {
        record_put_str(out, labels.v[i].name);
        record_put_str(out, labels.v[i].value);
    }
}

static const char *take(struct record_reader *r, size_t n)
{
    if (r->bad || r->rest.len < n) {
        r->bad = true;
        return NULL;
    }
    const char *p = r->rest.p;
    r->rest = str_slice(r->rest, n, r->rest.len);
    return p;
}

uint8_t record_get_u8(struct record_reader *r)
{
    const char *p = take(r, 1);
    return p ? (uint8_t)*p : 0;
}

uint64_t record_get_u64(struct record_reader *r)
{
    const char *p = take(r, 8);
    uint64_t v = 0;
    for (int i = 7; p && i >= 0; i--) {
        v = v << 8 | (uint8_t)p[i];
    }
    return v;
}

struct str record_get_str(struct record_reader *r)
{
    uint64_t n = record_get_u64(r);
    const char *p = n <= r->rest.len ? take(r, (size_t)n) : NULL;
    if (!p) {
        r->bad = true;
        return (struct str){0};
    }
    return str_make(p, (size_t)n);
}

struct labels record_get_labels(struct record_reader *r, struct arena *arena)
{
    uint8_t n = record_get_u8(r);
    if (n > LABELS_MAX) {
        r->bad = true;
        return (struct labels){0};
    }
    struct label *v = arena_array(arena, struct label, n + 1);
    for (uint8_t i = 0; i < n; i++) {
        v[i].name = record_get_str(r);
        v[i].value = record_get_str(r);
    }
    return r->bad ? (struct labels){0} : (struct labels){v, n};
}

static struct str put_text(char **to, struct str s)
{
    char *at = *to;
    if (s.len) {
        memcpy(at, s.p, s.len);
    }
    *to = at + s.len;
    return str_make(at, s.len);
}

struct labels labels_clone(struct labels labels)
{
    size_t bytes = sizeof(struct label) * labels.n;
    for (uint32_t i = 0; i < labels.n; i++) {
        bytes += labels.v[i].name.len + labels.v[i].value.len;
    }
    struct label *v = mem_alloc(bytes);
    char *text = (char *)(v + labels.n);
    for (uint32_t i = 0; i < labels.n; i++) {
        v[i].name = put_text(&text, labels.v[i].name);
        v[i].value = put_text(&text, labels.v[i].value);
    }
    return (struct labels){v, labels.n};
}

void labels_clone_free(struct labels *labels)
{
    mem_free((void *)(uintptr_t)labels->v);
    *labels = (struct labels){0};
}
