/*
 * Samples as text: what `cloche export` writes and `cloche import` reads.
 *
 * Written is OpenMetrics 1.0, times in seconds with three decimals. Read are, line by line:
 *   - OpenMetrics 1.0: times are seconds; exemplars are passed over;
 *   - Prometheus' text format 0.0.4: times are whole milliseconds;
 *   - what `promtool tsdb dump` prints: {__name__="up", job="a"} 1 1700000000000, Go's escapes, milliseconds;
 *   - all of them with quoted UTF-8 names: {"my.metric","my.label"="x"}.
 *
 * Values are the shortest text that reads back to the same bits. A NaN has 2^53 of them and one text, and every reader
 * must take what is written: the bits of a NaN other than the usual one (0x7ff8000000000000), such as a stale marker,
 * stand as 20 decimal digits behind the time's milliseconds, where others see a fraction of a millisecond:
 *     up NaN 1700000000.00009218868437227405314
 *
 * Pure. Ownership: texts of a line point into it; labels belong to the reader until its next series. Limits: labels.h;
 * lines of TEXT_LINE_MAX bytes are the caller's to refuse. Errors: ERR_PARSE with line, column (characters) and what
 * was expected.
 * Sources: OpenMetrics 1.0 (prometheus/OpenMetrics), prometheus/docs exposition_formats.md, and for its dump
 * cmd/promtool/tsdb.go.
 */
#pragma once
#include "src/model/sample.h"

#define TEXT_LINE_MAX (1u << 20) /* 64 labels of 4 KiB, each character escaped */

enum text_format {
    TEXT_AUTO, /* the first line that can be only one of them decides */
    TEXT_OPENMETRICS,
    TEXT_PROMETHEUS,
};
bool text_format_parse(struct str name, enum text_format *out); /* "auto", "openmetrics", "prometheus" */
const char *text_format_name(enum text_format format);

enum text_kind { TEXT_NOTHING, TEXT_SAMPLE, TEXT_TYPE, TEXT_HELP, TEXT_EOF };

struct text_line {
    enum text_kind kind;
    struct labels labels; /* TEXT_SAMPLE, with __name__ */
    bool same_series;     /* as the sample before: labels are the same memory */
    int64_t t_ms;
    double value;
    struct str name; /* TEXT_TYPE, TEXT_HELP: the family's, as written */
    struct str help; /* in the reader's memory until the next line */
    enum metric_type type;
};

struct text_reader {
    enum text_format format;
    int line; /* the last one read */
    /* private */
    struct arena arena, help_arena;
    struct buf series; /* text of the last series */
    struct labels labels;
};
void text_reader_init(struct text_reader *reader, enum text_format format);
void text_reader_release(struct text_reader *reader);
/* Without its newline. */
int text_reader_line(struct text_reader *reader, struct str line, struct text_line *out, struct error *err) MUST_USE;

/* # TYPE and, if there is a help text, # HELP. The name is OpenMetrics': a counter's has no "_total". */
void text_write_family(struct str name, enum metric_type type, struct str help, struct buf *out);
/* name{a="b"}, what each of the series' lines begins with. */
void text_write_series(struct labels labels, struct buf *out);
void text_write_sample(struct str series, int64_t t_ms, double value, struct buf *out);
#define TEXT_END STR("# EOF\n")
/* What "NaN" alone stands for. */
#define TEXT_NAN sample_from_bits(0x7ff8000000000000ULL)
