/*
 * The store's raw samples as OpenMetrics text (src/model/openmetrics.h), piece by piece.
 *
 * Families in the order of their names; in one, a metric's series stand together (a histogram's buckets by `le`), each
 * series with all its samples, oldest first. The order depends on nothing but names and labels: exporting what was
 * imported from an export gives the same bytes. A metric whose name does not fit its type (a counter without "_total")
 * is "unknown"; so is a counter beside a metric that has its name without "_total".
 *
 * A snapshot is open only while a piece is made, never while the caller sends it: a piece shows the store as it is
 * then. Memory: the labels of one family, ten days of one series, one piece.
 *
 * Threads: one uses an exporter at a time. Errors: 0 or a negative code.
 */
#pragma once
#include "storage/read.h"

#define EXPORT_PIECE (256u << 10) /* bytes of a piece, and at most a line more */

/* Matchers of one selector; series that match any selector are exported, without selectors all. */
struct export_selector {
    const struct matcher *matchers;
    size_t n;
};
struct export_options {
    struct store *store;
    const struct export_selector *selectors; /* live as long as the exporter, with what they point to */
    size_t n;
    int64_t start_ms, end_ms; /* both included */
};

struct exporter;
struct exporter *exporter_new(const struct export_options *options);
void exporter_free(struct exporter *exporter); /* NULL is fine */
/* Appends the next piece; *done: it was the last, and ends with "# EOF". */
int exporter_next(struct exporter *exporter, struct buf *out, bool *done) MUST_USE;

struct export_totals {
    uint64_t series, samples;
};
struct export_totals exporter_totals(const struct exporter *exporter);
