/*
 * Query results as text for people and scripts, and a server's JSON as a result. Pure: no clock, no terminal, no locale
 * of the process.
 *
 * Tables: labels that all series share stand once, above; the others are columns in order of their names, numbers are
 * aligned at the right. Rows come as the answer has them. Bytes a terminal would obey are shown as \x1b.
 * Sparklines: a line a series with min, avg, max (NaN left out), last, and its course, scaled from the series' least to
 * its greatest value; a cell is the mean of its points, '·' has none, '?' only NaN.
 * A matrix as table: times down, series across, where that fits into the width; else a block a series.
 * JSON: Prometheus' answer. CSV: RFC 4180, a line a point, labels as columns, raw texts.
 */
#pragma once
#include "src/query/query.h"

enum query_format { FORMAT_AUTO, FORMAT_TABLE, FORMAT_SPARKLINE, FORMAT_JSON, FORMAT_CSV };
bool query_format_parse(struct str text, enum query_format *out) MUST_USE; /* "table" "sparkline" "json" "csv" */

#define VIEW_WIDTH_MAX 1000
struct query_view {
    enum query_format format; /* AUTO: a sparkline for ranges, else a table */
    bool header;              /* the lines above the rows */
    int width;                /* columns of the screen, at most VIEW_WIDTH_MAX; rows that need more are not cut */
    int64_t start_ms, end_ms, step_ms; /* of the range; step 0: an instant query */
};
void query_print(const struct query_result *result, const struct query_view *view, struct buf *out);

/* The JSON of a server's answer as a result in the arena (query_answer.c); false: it is not that. */
bool query_answer_read(struct str body, struct arena *arena, struct query_result *out) MUST_USE;

/* A matrix as sparklines or as table (query_series.c); `arena` is for what is on the way. */
void query_print_sparklines(const struct query_result *result, const struct query_view *view, struct arena *arena,
                            struct buf *out);
void query_print_matrix(const struct query_result *result, const struct query_view *view, struct arena *arena,
                        struct buf *out);

/* Labels that all series share, and the names of the others, sorted; texts of the result. */
struct query_columns {
    struct labels common;
    const struct str *names;
    size_t n;
};
struct query_columns query_columns(const struct query_result *result, struct arena *arena);
/* name{a="b"}, safe to show. */
struct str query_labels_text(struct labels labels, struct arena *arena);
/* A value exactly, and an RFC 3339 time. */
struct str query_value_text(double v, struct arena *arena);
struct str query_time_text(int64_t t_ms, struct arena *arena);

/* "1:5: parse error: …" with the line of the query below it and a caret under the column. Text without a place stands
 * alone. False: no parse error. */
bool query_print_error(struct str expr, struct str text, struct buf *out);
