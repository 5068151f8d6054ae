/*
 * What of PromQL is experimental and has to be switched on: the values of --enable-feature, with Prometheus' names.
 *
 * Process-wide. Threads: enabled while there is one thread only, read by any.
 */
#pragma once
#include "src/base/buf.h"
#include "src/base/error.h"

enum query_feature {
    FEATURE_EXPERIMENTAL_FUNCTIONS = 1 << 0,
    FEATURE_DURATION_EXPR = 1 << 1,
    FEATURE_EXTENDED_RANGE_SELECTORS = 1 << 2,
    FEATURE_BINOP_FILL_MODIFIERS = 1 << 3,
    FEATURE_DELAYED_NAME_REMOVAL = 1 << 4, /* names are always removed at the end here: no more than accepted */
    FEATURE_PER_STEP_STATS = 1 << 5,       /* the list of steps in stats=all */
};

/* "promql-duration-expr,promql-at-modifier": adds to what is enabled. Names of what is stable today are accepted and
 * change nothing. ERR_CONFIG for an unknown name, with all known ones in the text; nothing is enabled then. */
int query_features_enable(struct str comma_list, struct error *err) MUST_USE;
uint32_t query_features(void); /* bits of enum query_feature */
/* Names of all enabled ones, with commas between. */
void query_features_print(struct buf *out);
/* True if `feature` is enabled; else false, and err says that `what` ("the fill modifiers are") is experimental and
 * which option enables it, at the place given. */
bool query_feature_required(enum query_feature feature, const char *what, int line, int column, struct error *err);
