/*
 * Streaming JSON into a buf: commas and colons are placed by it, strings escaped, invalid UTF-8
 * replaced by U+FFFD. Sticky failure is the buf's. Nesting errors are programming errors (invariant).
 */
#pragma once
#include "src/base/buf.h"

#define JSON_MAX_DEPTH 32
struct json_writer {
    struct buf *out;
    uint8_t depth;
    bool comma[JSON_MAX_DEPTH + 1];
    bool after_key;
};

void json_init(struct json_writer *w, struct buf *out);
void json_begin_object(struct json_writer *w);
void json_end_object(struct json_writer *w);
void json_begin_array(struct json_writer *w);
void json_end_array(struct json_writer *w);
void json_key(struct json_writer *w, struct str key);
void json_str(struct json_writer *w, struct str value);
void json_int(struct json_writer *w, int64_t value);
void json_bool(struct json_writer *w, bool value);
void json_nil(struct json_writer *w); /* null; jansson has the other name */
/* A JSON number; NaN and infinities become null. */
void json_double(struct json_writer *w, double value);
/* A string holding the value as Prometheus prints it: "1.5", "NaN", "+Inf". */
void json_sample_value(struct json_writer *w, double value);
/* Seconds with milliseconds from int64 ms: 1700000000.123 */
void json_seconds(struct json_writer *w, int64_t ms);
/* [seconds, sample value] */
void json_point(struct json_writer *w, int64_t ms, double value);
/* The same for a time that is written more than once. */
struct json_seconds_text {
    char text[31];
    unsigned char len;
};
void json_seconds_text(int64_t ms, struct json_seconds_text *out);
/* Texts of the values written last: those of rates and of gauges that rarely change come again and again, and finding
 * one costs a tenth of making it. Zero it. One a thread. */
#define JSON_VALUES 512
struct json_values {
    struct {
        uint64_t bits;
        uint8_t len; /* 0: none */
        char text[23];
    } v[JSON_VALUES];
};
void json_point_at(struct json_writer *w, const struct json_seconds_text *seconds, double value,
                   struct json_values *values);        /* NULL: none are kept */
void json_raw(struct json_writer *w, struct str json); /* a value that is JSON already */

#define json_field(w, k, fn, ...)                                                                                      \
    do {                                                                                                               \
        json_key(w, STR(k));                                                                                           \
        fn(w, __VA_ARGS__);                                                                                            \
    } while (0)
