/*
 * Evaluation: every operator works on all steps of a query at once, series by series.
 *
 * An operator pushes one `struct column` (labels and a value per step) after the other to its consumer. Whoever needs
 * all of its input at once (one side of a vector match, quantile) copies it; everything else is folded or changed in
 * place as it streams by, so that memory is steps x groups, not steps x series. Each series' samples are read once per
 * selector, over the whole range needed; range functions slide a window over them. An instant query is one step.
 *
 * A step without a value holds ABSENT: the bits of the stale marker, which never get this far as a value.
 *
 * Metric names are dropped at the end, not where an operator says so (as Prometheus does with delayed name removal):
 * until then `drop_name` is set and the name still tells series apart.
 *
 * Ownership: columns are borrowed during the call and may be changed in place by the consumer; labels live as long as
 * the evaluation; everything else is in ev->arena.
 */
#pragma once
#include "src/base/kahan.h"
#include "src/query/ast.h"

#include <math.h>

static inline double absent(void)
{
    return sample_from_bits(SAMPLE_STALE_BITS);
}
static inline bool is_absent(double v)
{
    return sample_is_stale(v);
}

/* The steps an expression is evaluated at. A subquery has its own. */
struct grid {
    int64_t start_ms, step_ms;
    size_t n;
};
static inline int64_t grid_ms(const struct grid *grid, size_t i)
{
    return grid->start_ms + (int64_t)i * grid->step_ms;
}

struct column {
    struct labels labels;
    bool drop_name;
    double *v; /* grid.n values */
};
struct emit {
    int (*fn)(void *ctx, struct column *column);
    void *ctx;
};
static inline int emit_column(struct emit out, struct column *column)
{
    return out.fn(out.ctx, column);
}

/* Samples of one series for a range function; stale markers are gone. */
struct samples {
    struct labels labels;
    bool drop_name;
    const int64_t *t_ms;
    const double *v;
    size_t n;
};
struct emit_samples {
    int (*fn)(void *ctx, const struct samples *samples);
    void *ctx;
};

struct note { /* warning or info */
    struct note *next;
    struct str text;
};
struct eval_notes {
    struct note *warnings, *infos;
    size_t warning_count, info_count;
};

struct eval {
    struct snapshot *snapshot;
    struct arena *arena;
    size_t arena_base; /* used before the query */
    struct query_options options;
    struct error *err;
    int64_t start_ms, end_ms, step_ms; /* of the whole query, as asked: @ start(), @ end() */
    bool range_query;
    int64_t reach_ms[TIER_COUNT];  /* from when on each tier, or a finer one, has everything (tiers.h) */
    int64_t stored_ms[TIER_COUNT]; /* until when its points are stored */
    struct query_stats stats;
    uint64_t *step_samples; /* of each of step_count steps, or NULL: not asked for (step_stats.h) */
    size_t step_count;
    int subqueries; /* that what is evaluated now is within */
    uint64_t samples_held;
    uint64_t work_left; /* until the clock is looked at */
    struct eval_notes notes;
    struct shared *shared; /* what stands twice (shared.h), or NULL */
    size_t helpers_bytes;  /* the most that other threads held */
};

/* Vector-typed expressions. Stops at the first error. */
int eval_vector(struct eval *ev, const struct expr *expr, const struct grid *grid, struct emit out) MUST_USE;
/* Scalar-typed expressions: grid->n values. */
int eval_scalar(struct eval *ev, const struct expr *expr, const struct grid *grid, double *out) MUST_USE;
/* Range-vector-typed expressions: all samples that any step's window may hold. window_of() tells each step's window.
 * `last_suffices`: of a stretch of samples the newest is enough (source_of()). */
int eval_samples(struct eval *ev, const struct expr *expr, const struct grid *grid, bool last_suffices,
                 struct emit_samples out) MUST_USE;
/* The same of a subquery. */
int eval_subquery(struct eval *ev, const struct expr *subquery, const struct grid *grid,
                  struct emit_samples out) MUST_USE;
/* Text of a string-typed expression. */
struct str eval_string(const struct expr *expr);
/* (from, to] of the range vector at a step; whole buckets where raw samples are gone (snap_window()). */
void window_of(const struct eval *ev, const struct expr *range, const struct grid *grid, size_t step, int64_t *from_ms,
               int64_t *to_ms);
/* The time a selector or subquery looks at, at a step. */
int64_t shifted_ms(const struct eval *ev, const struct time_shift *shift, int64_t t_ms);

/* For timestamp(): as eval_vector() of a selector, but the samples' times in seconds. */
int eval_selector(struct eval *ev, const struct expr *selector, const struct grid *grid, bool times,
                  struct emit out) MUST_USE;
/* A range function over each series of its range vector. */
int eval_rollup(struct eval *ev, const struct expr *call, const struct grid *grid, struct emit out) MUST_USE;
int eval_aggregate(struct eval *ev, const struct expr *expr, const struct grid *grid, struct emit out) MUST_USE;
int eval_binary(struct eval *ev, const struct expr *expr, const struct grid *grid, struct emit out) MUST_USE;

double binary_value(enum binary_op op, double a, double b); /* arithmetic and comparison (1 or 0) */

/* Limits: time, cancellation, memory, and that `samples` more are kept until the end. */
int eval_check(struct eval *ev, uint64_t samples) MUST_USE;
/* The same for samples that are held for a moment only; `work`: other values computed with them. */
int eval_check_read(struct eval *ev, uint64_t samples, uint64_t work) MUST_USE;
size_t eval_memory(const struct eval *ev);                              /* bytes of the arena */
int eval_fail(struct eval *ev, const char *fmt, ...) PRINTF_LIKE(2, 3); /* ERR_EXEC */
/* "PromQL warning: <text> (line:column)", each text once. */
void eval_warn(struct eval *ev, const struct expr *at, const char *fmt, ...) PRINTF_LIKE(3, 4);
void eval_info(struct eval *ev, const struct expr *at, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Those of another evaluation, each text once; copied. */
void eval_add_notes(struct eval *ev, const struct eval_notes *notes);

double *column_new(struct eval *ev, const struct grid *grid); /* all ABSENT */
bool column_empty(const double *v, size_t n);

/* A mean that neither overflows nor loses small values: the sum as long as it is finite, then a running mean. */
struct mean {
    double sum, c, count;
    bool running; /* sum is the mean */
};
static inline void mean_add(struct mean *m, double v)
{
    m->count++;
    if (!m->running) {
        double sum = m->sum, c = m->c;
        kahan_add(v, &sum, &c);
        if (m->count == 1 || !isinf(sum)) {
            m->sum = sum;
            m->c = c;
            return;
        }
        m->running = true;
        m->sum /= m->count - 1;
        m->c /= m->count - 1;
    }
    double q = (m->count - 1) / m->count;
    m->sum *= q;
    m->c *= q;
    kahan_add(v / m->count, &m->sum, &m->c);
}
static inline double mean_value(const struct mean *m)
{
    return m->running ? m->sum + m->c : m->sum / m->count + m->c / m->count;
}

/* Welford's variance with Kahan's sums. */
struct variance {
    double count, mean, c_mean, squares, c_squares;
};
static inline void variance_add(struct variance *s, double v)
{
    s->count++;
    double delta = v - (s->mean + s->c_mean);
    kahan_add(delta / s->count, &s->mean, &s->c_mean);
    kahan_add(delta * (v - (s->mean + s->c_mean)), &s->squares, &s->c_squares);
}
static inline double variance_value(const struct variance *s) /* of the population */
{
    return (s->squares + s->c_squares) / s->count;
}

/* The q-quantile of sorted values (NaN first), interpolated; ±Inf for q outside 0..1. */
double quantile_sorted(double q, const double *v, size_t n);
void sort_doubles(double *v, size_t n); /* ascending, NaN first */
