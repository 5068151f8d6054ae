#include "storage/wal_record.h"

#include "src/base/error.h"
#include "src/base/mem.h"
#include "src/model/sample.h"
#include "storage/bytes.h"

#define RECORD_FORMAT 2
#define PADDING       8 /* zero bytes at the end, so that a value may be loaded with eight bytes wherever it stands */

void labels_add_bytes(struct buf *out, struct labels labels)
{
    bytes_add_varint(out, labels.n);
    for (uint32_t i = 0; i < labels.n; i++) {
        bytes_add_str(out, labels.v[i].name);
        bytes_add_str(out, labels.v[i].value);
    }
}

int labels_read_bytes(struct bytes_reader *r, struct arena *arena, struct labels *out)
{
    uint64_t n = bytes_read_varint(r);
    if (r->failed || n == 0 || n > LABELS_MAX) {
        return ERR_CORRUPT;
    }
    struct label *v = arena_array(arena, struct label, n);
    for (uint64_t i = 0; i < n; i++) {
        v[i].name = bytes_read_str(r);
        v[i].value = bytes_read_str(r);
    }
    struct labels labels = {v, (uint32_t)n};
    if (r->failed || !labels_acceptable(labels)) {
        return ERR_CORRUPT;
    }
    *out = labels;
    return 0;
}

void wal_record_begin(struct buf *out, size_t series_count)
{
    buf_add_char(out, RECORD_FORMAT);
    bytes_add_varint(out, series_count);
}

void wal_record_series(struct buf *out, uint64_t id, uint32_t cohort, unsigned slot, struct labels labels)
{
    bytes_add_varint(out, id);
    bytes_add_varint(out, cohort);
    buf_add_char(out, (char)slot);
    labels_add_bytes(out, labels);
}

/* Slots 0 to n - 1 and no others: what a scrape brings. */
static bool is_prefix(const uint64_t *present, size_t n)
{
    size_t left = n;
    for (size_t word = 0; word < PRESENT_WORDS; word++) {
        uint64_t full = left >= 64 ? UINT64_MAX : ((uint64_t)1 << left) - 1;
        if (present[word] != full) {
            return false;
        }
        left -= left >= 64 ? 64 : left;
    }
    return true;
}

static void add_run(struct buf *out, const struct run *run, uint32_t last_cohort, int64_t last_ms)
{
    bool prefix = is_prefix(run->present, run->n);
    bytes_add_varint(out, bytes_zigzag((int64_t)run->cohort->number - (int64_t)last_cohort));
    bytes_add_varint(out, bytes_zigzag((int64_t)((uint64_t)run->t_ms - (uint64_t)last_ms)));
    bytes_add_varint(out, (uint64_t)run->n << 1 | !prefix);
    for (size_t word = 0; !prefix && word < PRESENT_WORDS; word++) {
        bytes_add_le(out, run->present[word], 8);
    }
}

/* Bytes that are left when the zero ones at the low end are cut off. */
static inline unsigned kept_bytes(uint64_t bits)
{
    return bits ? 8 - (unsigned)__builtin_ctzll(bits) / 8 : 0;
}

static void add_values(struct buf *out, const double *values, size_t n)
{
    char *room = buf_reserve(out, n * 8 + n / 2 + 1 + PADDING);
    if (!room) {
        return; /* out->failed says so */
    }
    uint8_t *control = (uint8_t *)room, *p = control + (n + 1) / 2;
    for (size_t i = 0; i < n; i++) {
        uint64_t bits = sample_bits(values[i]);
        unsigned kept = kept_bytes(bits);
        control[i / 2] = (uint8_t)(i % 2 ? control[i / 2] | kept << 4 : kept);
        bytes_store64(p, kept ? bits >> (64 - 8 * kept) : 0);
        p += kept;
    }
    memset(p, 0, PADDING);
    out->len += (size_t)(p - (uint8_t *)room) + PADDING;
}

void wal_record_runs(struct buf *out, const struct run *runs, size_t n, const double *values, size_t value_count)
{
    bytes_add_varint(out, n);
    bytes_add_varint(out, value_count);
    uint32_t last_cohort = 0;
    int64_t last_ms = 0;
    for (size_t i = 0; i < n; i++) {
        add_run(out, &runs[i], last_cohort, last_ms);
        last_cohort = runs[i].cohort->number;
        last_ms = runs[i].t_ms;
    }
    add_values(out, values, value_count);
}

static int read_series(struct bytes_reader *r, const struct wal_visitor *visitor, struct arena *arena)
{
    uint64_t n = bytes_read_varint(r);
    if (n > bytes_left(r)) {
        return ERR_CORRUPT;
    }
    for (uint64_t i = 0; i < n; i++) {
        uint64_t id = bytes_read_varint(r), cohort = bytes_read_varint(r), slot = bytes_read_le(r, 1);
        struct labels labels = {0};
        if (r->failed || id == 0 || id > SERIES_ID_MAX || cohort > UINT32_MAX || slot >= COHORT_SLOTS ||
            labels_read_bytes(r, arena, &labels)) {
            return ERR_CORRUPT;
        }
        int rc = visitor->series(visitor->ctx, id, (uint32_t)cohort, (unsigned)slot, labels);
        if (rc) {
            return rc;
        }
    }
    return r->failed ? ERR_CORRUPT : 0;
}

static size_t population(const uint64_t *present)
{
    size_t n = 0;
    for (size_t word = 0; word < PRESENT_WORDS; word++) {
        n += (size_t)__builtin_popcountll(present[word]);
    }
    return n;
}

static bool read_run(struct bytes_reader *r, struct wal_run *run, uint64_t *cohort, int64_t *t_ms)
{
    *cohort += (uint64_t)bytes_read_zigzag(r);
    *t_ms = (int64_t)((uint64_t)*t_ms + (uint64_t)bytes_read_zigzag(r));
    uint64_t head = bytes_read_varint(r), n = head >> 1;
    if (r->failed || *cohort > UINT32_MAX || n == 0 || n > COHORT_SLOTS) {
        return false;
    }
    *run = (struct wal_run){.cohort = *cohort, .t_ms = *t_ms, .n = (size_t)n};
    for (size_t word = 0; word < PRESENT_WORDS; word++) {
        size_t left = n > word * 64 ? (size_t)n - word * 64 : 0;
        run->present[word] = head & 1 ? bytes_read_le(r, 8) : left >= 64 ? UINT64_MAX : ((uint64_t)1 << left) - 1;
    }
    return !r->failed && population(run->present) == run->n;
}

static bool read_values(struct bytes_reader *r, double *values, size_t n)
{
    struct str controls = bytes_read_run(r, (n + 1) / 2);
    const uint8_t *control = (const uint8_t *)controls.p, *p = r->p, *end = r->end - PADDING;
    if (r->failed || bytes_left(r) < PADDING) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        unsigned kept = control[i / 2] >> (i % 2 * 4) & 15;
        if (kept > 8 || p > end) {
            return false;
        }
        uint64_t bits = bytes_load64(p);
        values[i] = sample_from_bits(kept ? bits << (64 - 8 * kept) : 0);
        p += kept;
    }
    return p == end;
}

int wal_record_read(struct str payload, const struct wal_visitor *visitor, struct arena *arena)
{
    struct bytes_reader r = bytes_reader_of(payload);
    if (bytes_read_le(&r, 1) != RECORD_FORMAT) {
        return ERR_CORRUPT;
    }
    int rc = read_series(&r, visitor, arena);
    if (rc) {
        return rc;
    }
    uint64_t n = bytes_read_varint(&r), value_count = bytes_read_varint(&r);
    if (r.failed || n > bytes_left(&r) / 3 || value_count > WAL_RECORD_VALUES_MAX || value_count / 2 > bytes_left(&r)) {
        return ERR_CORRUPT;
    }
    struct wal_run *runs = arena_alloc(arena, n * sizeof(*runs) + 1);
    double *values = arena_alloc(arena, value_count * sizeof(*values) + 1);
    uint64_t cohort = 0, at = 0;
    int64_t t_ms = 0;
    for (uint64_t i = 0; i < n; i++) {
        if (!read_run(&r, &runs[i], &cohort, &t_ms) || runs[i].n > value_count - at) {
            return ERR_CORRUPT;
        }
        runs[i].values = values + at;
        at += runs[i].n;
    }
    if (at != value_count || !read_values(&r, values, (size_t)value_count)) {
        return ERR_CORRUPT;
    }
    for (uint64_t i = 0; i < n && rc == 0; i++) {
        rc = visitor->run(visitor->ctx, &runs[i]);
    }
    return rc;
}
