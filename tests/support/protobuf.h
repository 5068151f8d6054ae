/* Protocol Buffers messages for tests, field by field; and the parts of remote write made of them. */
#pragma once
#include "src/base/buf.h"
#include "src/model/sample.h"

static inline void pb_number(struct buf *out, uint64_t v)
{
    for (; v > 127; v >>= 7) {
        buf_add_char(out, (char)(v | 128));
    }
    buf_add_char(out, (char)v);
}

static inline void pb_varint(struct buf *out, unsigned field, uint64_t v)
{
    pb_number(out, field << 3);
    pb_number(out, v);
}

static inline void pb_double(struct buf *out, unsigned field, double v)
{
    uint64_t bits = sample_bits(v);
    pb_number(out, field << 3 | 1);
    for (int i = 0; i < 8; i++) {
        buf_add_char(out, (char)(bits >> (8 * i)));
    }
}

static inline void pb_bytes(struct buf *out, unsigned field, struct str bytes)
{
    pb_number(out, field << 3 | 2);
    pb_number(out, bytes.len);
    buf_add(out, bytes);
}

/* Fields of a TimeSeries. */
static inline void pb_label_of(struct buf *series, struct str name, struct str value)
{
    auto_buf label;
    buf_init(&label, 1 << 20);
    pb_bytes(&label, 1, name);
    pb_bytes(&label, 2, value);
    pb_bytes(series, 1, buf_str(&label));
}

static inline void pb_label(struct buf *series, const char *name, const char *value)
{
    pb_label_of(series, str_of(name), str_of(value));
}

static inline void pb_sample(struct buf *series, int64_t t_ms, double value)
{
    auto_buf sample;
    buf_init(&sample, 64);
    pb_double(&sample, 1, value);
    pb_varint(&sample, 2, (uint64_t)t_ms);
    pb_bytes(series, 2, buf_str(&sample));
}
