/* The host's metrics by number (metrics.def), and what its parsers share. */
#pragma once
#include "src/model/sample.h"

enum host_metric {
#define HOST(id, metric, type, help) HOST_##id,
#include "src/collect/host/metrics.def"
#undef HOST
    HOST_METRIC_COUNT
};

void host_add(struct batch *batch, enum host_metric metric, const struct label *labels, size_t n, double value);
void host_add1(struct batch *batch, enum host_metric metric, struct str label, struct str value, double v);
/* A metric with a name made at run time: prefix, middle (only [a-zA-Z0-9_] of it survive), suffix. */
void host_add_named(struct batch *batch, struct str prefix, struct str middle, struct str suffix, enum metric_type type,
                    struct str help, double value);

/* The next run of non-blanks of *rest; len 0 at the end. */
struct str host_word(struct str *rest);
/* The next line of *rest; false at the end. */
bool host_line(struct str *rest, struct str *line);
/* A word that is a decimal number. */
bool host_number(struct str word, double *out);
