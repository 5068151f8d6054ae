#include "storage/wal.h"

#include "src/base/error.h"
#include "src/base/mem.h"
#include "src/model/sample.h"
#include "storage/bytes.h"

#include <xxhash.h>

#define WAL_FORMAT 1
#define HEAD_SIZE  8 /* checksum */
#define MAX_RECORD ((size_t)1 << 30)

/* The value codes: an integer in a varint whose low bit is 0, or the byte 1 and the raw bits. */
#define VALUE_RAW 1
#define VALUE_MAX 4611686018427387904.0 /* 2^62: zigzag and shift must fit in 64 bits */

void wal_init(struct wal_writer *w, int64_t base_ms)
{
    *w = (struct wal_writer){.base_ms = base_ms, .last_ms = base_ms, .one_time = true};
    buf_init(&w->out, MAX_RECORD);
    buf_init(&w->ids, MAX_RECORD);
    buf_init(&w->times, MAX_RECORD);
    buf_init(&w->values, MAX_RECORD);
    bytes_add_le(&w->out, 0, HEAD_SIZE);
    buf_add_char(&w->out, WAL_FORMAT);
}

void wal_release(struct wal_writer *w)
{
    buf_release(&w->out);
    buf_release(&w->ids);
    buf_release(&w->times);
    buf_release(&w->values);
}

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

/* Series stand in front as: 1, id, cohort, slot, labels; a 0 ends them. */
void wal_add_series(struct wal_writer *w, uint64_t id, uint32_t cohort, uint8_t slot, struct labels labels)
{
    buf_add_char(&w->out, 1);
    bytes_add_varint(&w->out, id);
    bytes_add_varint(&w->out, cohort);
    buf_add_char(&w->out, (char)slot);
    labels_add_bytes(&w->out, labels);
    w->series++;
}

/* Ids go up by one within a scrape: runs of (distance of the first, length). */
static void end_run(struct wal_writer *w)
{
    if (w->run) {
        bytes_add_varint(&w->ids, w->run);
    }
    w->run = 0;
}

static void add_id(struct wal_writer *w, uint64_t id)
{
    if (w->run && id == w->last_id + 1) {
        w->run++;
    } else {
        end_run(w);
        bytes_add_varint(&w->ids, bytes_zigzag((int64_t)(id - w->last_id)));
        w->run = 1;
    }
    w->last_id = id;
}

static void add_value(struct buf *out, double v)
{
    if (v > -VALUE_MAX && v < VALUE_MAX) {
        int64_t k = (int64_t)v;
        uint64_t coded = bytes_zigzag(k);
        if (sample_bits((double)k) == sample_bits(v) && coded < (uint64_t)1 << 48) {
            bytes_add_varint(out, coded << 1);
            return;
        }
    }
    buf_add_char(out, VALUE_RAW);
    bytes_add_le(out, sample_bits(v), 8);
}

void wal_add_sample(struct wal_writer *w, uint64_t id, int64_t t_ms, double value)
{
    add_id(w, id);
    bytes_add_varint(&w->times, bytes_zigzag((int64_t)((uint64_t)t_ms - (uint64_t)w->last_ms)));
    w->last_ms = t_ms;
    w->one_time = w->one_time && t_ms == w->base_ms;
    add_value(&w->values, value);
    w->samples++;
}

struct str wal_finish(struct wal_writer *w)
{
    end_run(w);
    struct buf *out = &w->out;
    buf_add_char(out, 0);
    bytes_add_le(out, (uint64_t)w->base_ms, 8);
    bytes_add_varint(out, w->samples);
    buf_add_char(out, w->one_time ? 0 : 1);
    bytes_add_varint(out, w->ids.len);
    buf_add(out, buf_str(&w->ids));
    if (!w->one_time) {
        bytes_add_varint(out, w->times.len);
        buf_add(out, buf_str(&w->times));
    }
    buf_add(out, buf_str(&w->values));
    bytes_store_le((uint8_t *)out->p, XXH3_64bits(out->p + HEAD_SIZE, out->len - HEAD_SIZE), HEAD_SIZE);
    return buf_str(out);
}

static double read_value(struct bytes_reader *r)
{
    if (r->p < r->end && *r->p == VALUE_RAW) {
        r->p++;
        return sample_from_bits(bytes_read_le(r, 8));
    }
    uint64_t coded = bytes_read_varint(r);
    if (coded & 1) {
        bytes_fail(r);
    }
    return (double)bytes_unzigzag(coded >> 1);
}

static int read_series(struct bytes_reader *r, const struct wal_visitor *visitor, struct arena *arena)
{
    for (;;) {
        uint64_t more = bytes_read_le(r, 1);
        if (more == 0) {
            return r->failed ? ERR_CORRUPT : 0;
        }
        uint64_t id = bytes_read_varint(r), cohort = bytes_read_varint(r), slot = bytes_read_le(r, 1);
        struct labels labels = {0};
        if (more != 1 || r->failed || id == 0 || id > SERIES_ID_MAX || cohort > UINT32_MAX || slot >= COHORT_SLOTS ||
            labels_read_bytes(r, arena, &labels)) {
            return ERR_CORRUPT;
        }
        int rc = visitor->series(visitor->ctx, id, (uint32_t)cohort, (uint8_t)slot, labels);
        if (rc) {
            return rc;
        }
    }
}

static int read_samples(struct bytes_reader *r, const struct wal_visitor *visitor)
{
    int64_t t_ms = (int64_t)bytes_read_le(r, 8);
    uint64_t n = bytes_read_varint(r), many_times = bytes_read_le(r, 1);
    struct bytes_reader ids = bytes_reader_of(bytes_read_str(r));
    struct bytes_reader times = bytes_reader_of(many_times ? bytes_read_str(r) : STR(""));
    uint64_t id = 0, run = 0;
    if (r->failed || many_times > 1 || n > bytes_left(r)) { /* each value takes a byte at least */
        return ERR_CORRUPT;
    }
    for (uint64_t i = 0; i < n; i++, run--) {
        if (run == 0) {
            id += (uint64_t)bytes_read_zigzag(&ids);
            run = bytes_read_varint(&ids);
        } else {
            id++;
        }
        if (many_times) {
            t_ms = (int64_t)((uint64_t)t_ms + (uint64_t)bytes_read_zigzag(&times));
        }
        double value = read_value(r);
        if (r->failed || ids.failed || times.failed || run == 0) {
            return ERR_CORRUPT;
        }
        int rc = visitor->sample(visitor->ctx, id, t_ms, value);
        if (rc) {
            return rc;
        }
    }
    return bytes_left(r) || bytes_left(&ids) || bytes_left(&times) || run ? ERR_CORRUPT : 0;
}

int wal_read(struct str record, const struct wal_visitor *visitor, struct arena *arena)
{
    struct bytes_reader r = bytes_reader_of(record);
    uint64_t checksum = bytes_read_le(&r, HEAD_SIZE);
    if (r.failed || checksum != XXH3_64bits(r.p, bytes_left(&r)) || bytes_read_le(&r, 1) != WAL_FORMAT) {
        return ERR_CORRUPT;
    }
    int rc = read_series(&r, visitor, arena);
    return rc ? rc : read_samples(&r, visitor);
}
