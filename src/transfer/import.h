/*
 * Text (src/model/openmetrics.h) into the store: read line by line, appended in batches of ten thousand samples.
 *
 * When the store's queue is full, it is waited for (import_options.wait_ms). What the head holds is flushed to blocks
 * every few million samples, and when the store refuses samples because they are of too many different times at once.
 * Importing the same text again changes nothing. Types and help texts are kept under the names of the samples
 * ("x_total"); "unknown" never replaces a type that is known.
 *
 * Threads: one uses an importer at a time; not the loop thread. Errors: ERR_PARSE with line and column: a bad line
 * (what stood before it was appended); ERR_FULL: the store takes nothing in wait_ms; others are the store's.
 */
#pragma once
#include "src/model/openmetrics.h"
#include "storage/store.h"

struct import_options {
    struct store *store;
    enum text_format format;
    int first_line; /* number of the first line, for messages; 0: 1 */
    bool skip_bad;  /* count bad lines and go on */
    int wait_ms;
};
struct import_totals {
    uint64_t samples; /* appended */
    uint64_t series;  /* different ones among them */
    uint64_t refused; /* samples: by the store */
    uint64_t bad_lines;
    struct error first_refused, first_bad; /* why; first_bad has the place */
    bool ended;                            /* "# EOF" was read */
    enum text_format format;               /* as far as it is known */
};

struct importer;
struct importer *importer_new(const struct import_options *options);
void importer_free(struct importer *importer); /* NULL is fine */
/* The text may be cut anywhere. */
int importer_feed(struct importer *importer, struct str text, struct error *err) MUST_USE;
/* The text is over: its last line may lack a newline. What was appended is committed when store_sync() says so. */
int importer_finish(struct importer *importer, struct error *err) MUST_USE;
const struct import_totals *importer_totals(const struct importer *importer);
