#include "storage/head.h"

#include "src/base/mem.h"
#include "storage/chunk.h"

#define SEAL_AT     96   /* plus up to 63, by id: the series of a scrape must not all be sealed by the same append */
#define SEAL_ALWAYS 4096 /* even though a snapshot is older */

struct span *span_of(struct series *series, struct window *window)
{
    struct span **at = &series->spans;
    while (*at && (*at)->window->start_ms > window->start_ms) {
        at = &(*at)->next;
    }
    if (*at && (*at)->window == window) {
        return *at;
    }
    struct span *span = mem_zalloc(sizeof(*span));
    span->series = series;
    span->window = window;
    span->sealed_tail = &span->sealed;
    span->next = *at;
    *at = span;
    span->next_in_window = window->spans;
    window->spans = span;
    return span;
}

static uint32_t first_seq(const struct span *span)
{
    uint32_t first = span->raw[0].seq;
    for (uint32_t i = 1; i < span->n; i++) {
        first = seq_newer(first, span->raw[i].seq) ? span->raw[i].seq : first;
    }
    return first;
}

static void seal(struct span *span)
{
    uint32_t n = span->n;
    auto_free int64_t *t_ms = mem_alloc(n * sizeof(*t_ms));
    auto_free double *v = mem_alloc(n * sizeof(*v));
    for (uint32_t i = 0; i < n; i++) {
        t_ms[i] = span->raw[i].t;
        v[i] = span->raw[i].v;
    }
    auto_buf out;
    buf_init(&out, (size_t)n * 24 + 64);
    chunk_add_times(&out, t_ms, n);
    size_t times_size = out.len;
    chunk_add_values(&out, v, n);
    struct sealed *sealed = mem_alloc(sizeof(*sealed) + out.len);
    *sealed = (struct sealed){.n = n,
                              .times_size = (uint32_t)times_size,
                              .values_size = (uint32_t)(out.len - times_size),
                              .first_seq = first_seq(span)};
    memcpy(sealed->bytes, out.p, out.len);
    *span->sealed_tail = sealed;
    span->sealed_tail = &sealed->next;
    mem_free(span->raw); /* most series wait long for their next samples: no empty room meanwhile */
    span->raw = NULL;
    span->n = span->cap = 0;
}

static void make_room(struct span *span, uint32_t safe_seq)
{
    bool safe = span->n && !seq_newer(span->last_seq, safe_seq);
    if ((span->n >= SEAL_AT + span->series->id % 64 && safe) || span->n >= SEAL_ALWAYS) {
        seal(span);
    }
    if (span->n == span->cap) {
        span->cap = span->cap < 4 ? 4 : span->cap < 32 || span->cap >= SEAL_ALWAYS / 4 ? span->cap * 2 : span->cap + 32;
        span->raw = mem_realloc_array(span->raw, span->cap, sizeof(*span->raw));
    }
}

/* Where t belongs in the sorted raw run. */
static uint32_t find_place(const struct span *span, uint32_t t)
{
    if (span->n == 0 || span->raw[span->n - 1].t < t) {
        return span->n;
    }
    uint32_t low = 0;
    for (uint32_t high = span->n; low < high;) {
        uint32_t mid = low + (high - low) / 2;
        if (span->raw[mid].t < t) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

bool span_insert(struct span *span, int64_t t_ms, double v, uint32_t seq, uint32_t safe_seq)
{
    uint32_t t = (uint32_t)(t_ms - span->window->start_ms);
    uint32_t at = find_place(span, t);
    if (at < span->n && span->raw[at].t == t) {
        span->raw[at] = (struct raw_sample){v, t, seq};
        span->last_seq = seq;
        return false;
    }
    uint32_t before = span->n;
    make_room(span, safe_seq);
    at = span->n == before ? at : 0; /* sealed: the run is empty */
    memmove(span->raw + at + 1, span->raw + at, (span->n - at) * sizeof(*span->raw));
    span->raw[at] = (struct raw_sample){v, t, seq};
    span->n++;
    span->last_seq = seq;
    return true;
}

static int read_sealed(const struct sealed *sealed, int64_t start_ms, struct sample_columns *out)
{
    sample_columns_reserve(out, sealed->n);
    struct str times = {sealed->bytes, sealed->times_size};
    struct str values = {sealed->bytes + sealed->times_size, sealed->values_size};
    int rc = chunk_read_times(times, out->t_ms + out->n, sealed->n);
    rc = rc ? rc : chunk_read_values(values, out->v + out->n, sealed->n);
    for (uint32_t i = 0; rc == 0 && i < sealed->n; i++) {
        out->t_ms[out->n + i] += start_ms;
    }
    out->n += rc ? 0 : sealed->n;
    return rc;
}

int span_read(const struct span *span, uint32_t seq, bool all, struct sample_columns *out)
{
    for (const struct sealed *it = span->sealed; it; it = it->next) {
        int rc = all || !seq_newer(it->first_seq, seq) ? read_sealed(it, span->window->start_ms, out) : 0;
        if (rc) {
            return rc;
        }
    }
    sample_columns_reserve(out, span->n);
    for (uint32_t i = 0; i < span->n; i++) {
        const struct raw_sample *raw = &span->raw[i];
        if (all || !seq_newer(raw->seq, seq)) {
            out->t_ms[out->n] = span->window->start_ms + raw->t;
            out->v[out->n++] = raw->v;
        }
    }
    return 0;
}

void span_free(struct span *span)
{
    if (!span) {
        return;
    }
    for (struct sealed *it = span->sealed, *next; it; it = next) {
        next = it->next;
        mem_free(it);
    }
    mem_free(span->raw);
    mem_free(span);
}
