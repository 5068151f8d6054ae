/*
 * PromQL: parse, check, evaluate over a snapshot.
 *
 * Semantics: Prometheus 3.x (ranges and lookback exclude their left edge; lookback 5 min; stale markers). Source:
 * prometheus/docs/querying and promql/{engine,functions,value}.go of 3.x, for behaviour only.
 *
 * Ownership: trees and results live in the arena given. Threads: an expression is immutable after query_parse() and may
 * be evaluated by several threads at once. Errors: parse and type errors have line and column (1-based, columns count
 * characters) and say what was expected, without "parse error:" before it (the API adds position and that); evaluation
 * errors: ERR_EXEC (bad_data or execution), ERR_LIMIT, ERR_TIMEOUT, ERR_CANCELLED.
 */
#pragma once
#include "src/base/json_writer.h"
#include "storage/read.h"

struct expr;
enum value_type { VALUE_SCALAR, VALUE_STRING, VALUE_VECTOR, VALUE_MATRIX };
const char *value_type_name(enum value_type type); /* "scalar" "string" "vector" "matrix" */

int query_parse(struct str text, struct arena *arena, struct expr **out, struct error *err) MUST_USE;
enum value_type expr_type(const struct expr *expr);
void expr_print(const struct expr *expr, struct buf *out); /* parses back to the same tree */
/* The same over several lines, indented by two spaces, where a part is longer than 100 characters:
 * /api/v1/format_query.
 */
void expr_pretty(const struct expr *expr, struct buf *out);
/* The tree as one JSON value, in the shape of /api/v1/parse_query. */
void expr_to_json(const struct expr *expr, struct buf *out);
/* Parses "metric{a="b"}" for match[] parameters and dashboards' variables. Matchers in the arena (release each regex
 * with matchers_release at the end). */
int query_parse_selector(struct str text, struct arena *arena, struct matcher **out, size_t *n,
                         struct error *err) MUST_USE;
void matchers_release(struct matcher *matchers, size_t n);
/* Adds conditions to every selector of a tree that nobody else has seen yet (restrict.c). Texts of the filters must
 * outlive the tree. ERR_PARSE for a bad regex: the tree is then only good for expr_release(). */
struct query_filter {
    enum matcher_op op;
    struct str name, value;
};
int query_restrict(struct expr *expr, const struct query_filter *filters, size_t n, struct arena *arena,
                   struct error *err) MUST_USE;
/* The expression is the name of a metric and nothing else. */
bool query_is_metric(const struct expr *expr, struct str *name);
/* Frees regexes held by a tree; the rest goes with its arena. */
void expr_release(struct expr *expr);

struct point {
    int64_t t_ms;
    double v;
};
struct result_series {
    struct labels labels;
    struct point *points; /* instant vector: one */
    size_t n;
};
struct query_stats {
    uint64_t series, samples; /* read from the store; a point counts as one */
    uint64_t peak_samples;    /* held at once, as max_samples counts them */
    size_t memory_bytes;      /* the most that was held */
    enum tier tier;           /* the coarsest that was read */
    int64_t eval_us;          /* all of it; of which: */
    int64_t prepare_us, sort_us;
};
struct query_result {
    enum value_type type;
    double scalar; /* VALUE_SCALAR of an instant query, at time t_ms; a range query gives VALUE_MATRIX always */
    struct str string;
    int64_t t_ms;
    struct result_series *series; /* VECTOR (topk, sort keep their order), MATRIX sorted by labels */
    size_t n;
    const struct str *warnings, *infos;
    size_t warning_count, info_count;
    struct query_stats stats;
    const uint64_t *step_samples; /* looked at by each step of options.per_step (step_stats.h); else NULL */
    size_t step_count;
    bool on_steps; /* of a range query: all points are at t_ms + i * step_ms */
    int64_t step_ms;
};

/* Which tiers of the store may answer. AUTO: whatever gives the answer of raw samples, and where those are gone, what
 * is left, with an info; the others: that tier alone, for comparing. */
enum query_resolution { RESOLUTION_AUTO, RESOLUTION_RAW, RESOLUTION_5M, RESOLUTION_1H };
bool query_resolution_parse(struct str text, enum query_resolution *out) MUST_USE; /* "auto" "raw" "5m" "1h" */
const char *query_tier_name(enum tier tier);                                       /* "raw" "5m" "1h" */

/* Where a running query is, for others to look at; written about every millisecond. */
struct query_progress {
    _Atomic uint64_t samples, memory_bytes;
};

struct query_options {
    int64_t lookback_ms;          /* 5 min when 0 */
    int64_t deadline_mono_ms;     /* clock_mono_ms() at which to give up; 0: none */
    uint64_t max_samples;         /* 50 M when 0: samples and values held at once */
    uint64_t max_series;          /* read by one query, over all its selectors; 0: any number */
    size_t max_memory_bytes;      /* 1 GiB when 0 */
    bool (*cancelled)(void *ctx); /* asked now and then, by several threads at once; may be NULL */
    void *cancelled_ctx;
    struct query_progress *progress; /* may be NULL */
    enum query_resolution resolution;
    bool per_step; /* query_result.step_samples */
    /* Labels "query" function of templates and tests need nothing more. */
};

int query_instant(struct store *store, const struct expr *expr, int64_t t_ms, const struct query_options *options,
                  struct arena *arena, struct query_result *out, struct error *err) MUST_USE;
#define QUERY_STEPS_MAX 11000 /* steps between start and end, as Prometheus */
/* ERR_LIMIT above QUERY_STEPS_MAX, error if step <= 0 or end < start. */
int query_range(struct store *store, const struct expr *expr, int64_t start_ms, int64_t end_ms, int64_t step_ms,
                const struct query_options *options, struct arena *arena, struct query_result *out,
                struct error *err) MUST_USE;

/* "data" member of the API's answer ({"resultType":…,"result":…}), streamed. */
void query_result_to_json(const struct query_result *result, struct json_writer *w);

/* Functions and aggregations for completion and docs. */
struct function_info {
    const char *name, *signature, *help;
};
const struct function_info *query_functions(size_t *n);
