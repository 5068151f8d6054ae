/*
 * Quantiles and shares of classic histograms: one series per bucket, label le its upper bound.
 * Source of the rules: Prometheus promql/quantile.go, 3.x, for behaviour only.
 */
#include "src/base/clock.h"
#include "src/base/codec.h"
#include "src/base/number.h"
#include "src/query/impl.h"
#include "src/query/labelset.h"

#include <float.h>

struct bucket {
    double le, count;
};
struct bucket_column {
    double le;
    double *v;
};
struct histogram {
    struct labels labels; /* without le */
    bool drop_name;
    struct bucket_column *columns;
    size_t n, cap;
};
struct gathering {
    struct eval *ev;
    const struct grid *grid;
    const struct expr *arg;
    struct selection without_le;
    struct group_table table;
    struct histogram *histograms;
    size_t n, cap, widest;
};

static struct histogram *histogram_of(struct gathering *g, const struct column *column)
{
    uint64_t hash = selection_hash(g->without_le, column->labels);
    size_t at = 0;
    int64_t number;
    while ((number = group_table_next(&g->table, hash, &at)) >= 0) {
        if (selection_equal(g->without_le, column->labels, g->histograms[number].labels)) {
            return &g->histograms[number];
        }
    }
    group_table_add(&g->table, hash);
    arena_grow(g->ev->arena, g->histograms, g->n, g->cap);
    g->histograms[g->n] = (struct histogram){.labels = selection_labels(g->without_le, column->labels, g->ev->arena)};
    return &g->histograms[g->n++];
}

static struct str of_metric(struct eval *ev, struct str name)
{
    return name.len ? arena_printf(ev->arena, " for metric name \"" STR_FMT "\"", STR_ARG(name)) : STR("");
}

static int gather(void *ctx, struct column *column)
{
    struct gathering *g = ctx;
    struct str le = labels_get(column->labels, STR("le")), name = labels_get(column->labels, METRIC_NAME);
    double bound;
    if (!number_parse(le, &bound)) {
        eval_warn(g->ev, g->arg, "bucket label \"le\" is missing or has a malformed value of \"" STR_FMT "\"" STR_FMT,
                  STR_ARG(le), STR_ARG(of_metric(g->ev, name)));
        return 0;
    }
    struct histogram *h = histogram_of(g, column);
    arena_grow(g->ev->arena, h->columns, h->n, h->cap);
    double *copy = arena_alloc(g->ev->arena, g->grid->n * sizeof(*copy));
    memcpy(copy, column->v, g->grid->n * sizeof(*copy));
    h->columns[h->n++] = (struct bucket_column){bound, copy};
    g->widest = h->n > g->widest ? h->n : g->widest;
    return eval_check(g->ev, g->grid->n);
}

static int bound_cmp(const void *a, const void *b)
{
    double x = ((const struct bucket_column *)a)->le, y = ((const struct bucket_column *)b)->le;
    return (x > y) - (x < y);
}

static int gather_histograms(struct gathering *g, struct eval *ev, const struct expr *arg, const struct grid *grid)
{
    static const struct str le[] = {{"le", 2}};
    *g = (struct gathering){
        .ev = ev, .grid = grid, .arg = arg, .without_le = {.names = {.v = le, .n = 1}, .keep_name = true}};
    group_table_init(&g->table, ev->arena);
    int rc = eval_vector(ev, arg, grid, (struct emit){gather, g});
    for (size_t i = 0; rc == 0 && i < g->n; i++) {
        qsort(g->histograms[i].columns, g->histograms[i].n, sizeof(struct bucket_column), bound_cmp);
    }
    return rc;
}

/* The buckets that have a value at a step; equal bounds ("1", "1.0") are added up. */
static size_t buckets_at(const struct histogram *h, size_t step, struct bucket *out)
{
    size_t n = 0;
    for (size_t i = 0; i < h->n; i++) {
        double count = h->columns[i].v[step];
        if (is_absent(count)) {
            continue;
        }
        if (n && out[n - 1].le == h->columns[i].le) {
            out[n - 1].count += count;
        } else {
            out[n++] = (struct bucket){h->columns[i].le, count};
        }
    }
    return n;
}

static bool nearly_equal(double a, double b)
{
    double sum = fabs(a) + fabs(b), difference = fabs(a - b);
    if (a == 0 || b == 0 || sum < DBL_MIN) {
        return difference < 1e-12 * DBL_MIN;
    }
    return difference / fmin(sum, DBL_MAX) < 1e-12;
}

/* What was mended by more than rounding, over all steps and series of a metric. */
struct mending {
    struct str metric;
    size_t histograms;
    double least_le, greatest_le, difference;
    int64_t first_ms, last_ms;
};

static void note_mended(struct mending *m, struct bucket b, double highest)
{
    m->least_le = fmin(m->least_le, b.le);
    m->greatest_le = fmax(m->greatest_le, b.le);
    m->difference = fmax(m->difference, highest - b.count);
}

/* Cumulative counts never fall. Rounding makes them fall a little: mended silently; else it is remarked on. */
static bool make_monotonic(struct bucket *b, size_t n, struct mending *mending)
{
    bool forced = false;
    double highest = b[0].count;
    for (size_t i = 1; i < n; i++) {
        if (b[i].count == highest) {
            continue;
        }
        bool rounding = nearly_equal(b[i].count, highest);
        if (rounding || b[i].count < highest) {
            if (!rounding) {
                note_mended(mending, b[i], highest);
                forced = true;
            }
            b[i].count = highest;
            continue;
        }
        highest = b[i].count;
    }
    return forced;
}

/* The first bucket whose count reaches rank, n - 1 if none before it does. (Halving, so that NaN counts do as they do
 * in Prometheus.) */
static size_t bucket_of_rank(const struct bucket *b, size_t n, double rank)
{
    size_t lo = 0, hi = n - 1;
    while (lo < hi) {
        size_t middle = lo + (hi - lo) / 2;
        if (b[middle].count >= rank) {
            hi = middle;
        } else {
            lo = middle + 1;
        }
    }
    return lo;
}

static double bucket_quantile(double q, struct bucket *b, size_t n, struct mending *mending)
{
    if (isnan(q)) {
        return NAN;
    }
    if (q < 0 || q > 1) {
        return q < 0 ? -INFINITY : INFINITY;
    }
    if (!isinf(b[n - 1].le) || b[n - 1].le < 0 || n < 2) {
        return NAN;
    }
    struct mending mended = *mending;
    bool forced = make_monotonic(b, n, &mended);
    double total = b[n - 1].count;
    if (total == 0) {
        return NAN;
    }
    if (forced) {
        *mending = mended;
        mending->histograms++;
    }
    double rank = q * total;
    size_t i = bucket_of_rank(b, n, rank);
    if (i == n - 1) {
        return b[n - 2].le;
    }
    if (i == 0 && b[0].le <= 0) {
        return b[0].le;
    }
    double start = 0, count = b[i].count;
    if (i) {
        start = b[i - 1].le;
        count -= b[i - 1].count;
        rank -= b[i - 1].count;
    }
    return start + (b[i].le - start) * (rank / count);
}

/* How many observations lie below v, linear within a bucket. */
static double rank_of(double v, const struct bucket *b, size_t n)
{
    double below = 0;
    for (size_t i = 0; i < n; i++) {
        double lower = i ? b[i - 1].le : b[0].le > 0 ? 0 : -INFINITY;
        if (lower >= v) {
            return below;
        }
        if (b[i].le > v) { /* v is inside: an open bucket cannot be divided */
            return isinf(lower)     ? b[i].count
                   : isinf(b[i].le) ? below
                                    : below + (b[i].count - below) * (v - lower) / (b[i].le - lower);
        }
        below = b[i].count;
    }
    return b[n - 1].count;
}

static double bucket_fraction(double lower, double upper, const struct bucket *b, size_t n)
{
    double total = b[n - 1].count;
    if (!isinf(b[n - 1].le) || b[n - 1].le < 0 || total == 0 || isnan(total) || isnan(lower) || isnan(upper)) {
        return NAN;
    }
    if (lower >= upper) {
        return 0;
    }
    return (fmin(rank_of(upper, b, n), total) - fmin(rank_of(lower, b, n), total)) / total;
}

static int emit_histogram(const struct histogram *h, double *v, const struct grid *grid, struct emit out)
{
    struct column column = {.labels = h->labels, .drop_name = true, .v = v};
    return column_empty(v, grid->n) ? 0 : emit_column(out, &column);
}

static struct mending *mending_of(struct mending *v, size_t *n, struct str metric)
{
    for (size_t i = 0; i < *n; i++) {
        if (str_eq(v[i].metric, metric)) {
            return &v[i];
        }
    }
    v[*n] = (struct mending){.metric = metric, .least_le = INFINITY, .greatest_le = -INFINITY};
    return &v[(*n)++];
}

#define SECONDS_LENGTH 19 /* of 2026-01-01T00:00:00.000Z, what comes before the fraction */

static void remark_on_mending(struct eval *ev, const struct expr *arg, const struct mending *m)
{
    if (!m->histograms) {
        return;
    }
    char least[NUMBER_MAX], greatest[NUMBER_MAX], difference[NUMBER_MAX];
    auto_buf first, last;
    buf_init(&first, 64);
    buf_init(&last, 64);
    clock_format_rfc3339(m->first_ms, &first);
    clock_format_rfc3339(m->last_ms, &last);
    snprintf(difference, sizeof(difference), "%.2g", m->difference);
    eval_info(ev, arg,
              "input to histogram_quantile needed to be fixed for monotonicity (see "
              "https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)" STR_FMT
              ", from buckets %.*s to %.*s, with a max diff of %s, over %zu samples from %.*sZ to %.*sZ",
              STR_ARG(of_metric(ev, m->metric)), (int)number_format(m->least_le, least), least,
              (int)number_format(m->greatest_le, greatest), greatest, difference, m->histograms, SECONDS_LENGTH,
              first.p, SECONDS_LENGTH, last.p);
}

static void warn_of_quantiles(struct eval *ev, const struct expr *param, const double *q, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!(q[i] >= 0 && q[i] <= 1)) {
            char text[NUMBER_MAX];
            eval_warn(ev, param, "quantile value should be between 0 and 1, got %.*s", (int)number_format(q[i], text),
                      text);
        }
    }
}

/* What all quantiles of a call share. */
struct quantiles {
    struct gathering g;
    struct str label; /* to get the quantile; empty: none */
    struct bucket *buckets;
    struct mending *mendings;
    size_t metrics;
    double *v;
    struct emit out;
};

static void note_mending(struct mending *mending, size_t before, int64_t t_ms)
{
    if (mending->histograms > before) {
        mending->first_ms = before && mending->first_ms < t_ms ? mending->first_ms : t_ms;
        mending->last_ms = before && mending->last_ms > t_ms ? mending->last_ms : t_ms;
    }
}

/* 0.25, but 1.0: as a bucket's bound is written in OpenMetrics. */
static struct str quantile_text(double q, struct arena *arena)
{
    char text[NUMBER_MAX];
    size_t len = number_format(q, text);
    bool whole = isfinite(q) && !memchr(text, '.', len) && !memchr(text, 'e', len);
    return arena_printf(arena, "%.*s%s", (int)len, text, whole ? ".0" : "");
}

/* The steps from `from` on that have the same q[from]; all other steps are left absent. */
static int emit_quantile(struct quantiles *k, const struct histogram *h, const double *q, size_t from, size_t to)
{
    const struct grid *grid = k->g.grid;
    struct arena *arena = k->g.ev->arena;
    struct mending *mending = mending_of(k->mendings, &k->metrics, labels_get(h->labels, METRIC_NAME));
    for (size_t i = 0; i < grid->n; i++) {
        size_t n = i < from || i >= to ? 0 : buckets_at(h, i, k->buckets), before = mending->histograms;
        k->v[i] = n ? bucket_quantile(q[i], k->buckets, n, mending) : absent();
        note_mending(mending, before, grid_ms(grid, i));
    }
    struct histogram labelled = *h;
    if (k->label.len) {
        struct labels_builder b;
        labels_builder_from(&b, arena, h->labels);
        labels_set(&b, k->label, quantile_text(q[from], arena));
        labelled.labels = labels_finish(&b, false);
    }
    return emit_histogram(&labelled, k->v, grid, k->out);
}

static int emit_quantiles(struct quantiles *k, const double *q)
{
    size_t n = k->g.grid->n;
    int rc = 0;
    for (size_t from = 0, to; rc == 0 && from < n; from = to) {
        for (to = from + 1; to < n && (!k->label.len || q[to] == q[from]); to++) {
        }
        for (size_t i = 0; rc == 0 && i < k->g.n; i++) {
            rc = eval_check(k->g.ev, 0);
            rc = rc < 0 ? rc : emit_quantile(k, &k->g.histograms[i], q, from, to);
        }
    }
    return rc;
}

static int gather_for_quantiles(struct quantiles *k, struct eval *ev, const struct expr *arg, const struct grid *grid)
{
    int rc = gather_histograms(&k->g, ev, arg, grid);
    if (rc == 0) {
        k->v = column_new(ev, grid);
        k->buckets = arena_array(ev->arena, struct bucket, k->g.widest + 1);
        k->mendings = arena_array(ev->arena, struct mending, k->g.n + 1);
    }
    return rc;
}

static void remark_on_mendings(struct quantiles *k)
{
    for (size_t i = 0; i < k->metrics; i++) {
        remark_on_mending(k->g.ev, k->g.arg, &k->mendings[i]);
    }
}

int stream_histogram_quantile(struct eval *ev, const struct expr *call, const struct grid *grid, struct emit out)
{
    struct quantiles k = {.out = out};
    double *q = column_new(ev, grid);
    int rc = eval_scalar(ev, call->call.args[0], grid, q);
    rc = rc < 0 ? rc : gather_for_quantiles(&k, ev, call->call.args[1], grid);
    if (rc < 0) {
        return rc;
    }
    warn_of_quantiles(ev, call->call.args[0], q, grid->n);
    rc = emit_quantiles(&k, q);
    if (rc == 0) {
        remark_on_mendings(&k);
    }
    return rc;
}

int stream_histogram_quantiles(struct eval *ev, const struct expr *call, const struct grid *grid, struct emit out)
{
    struct quantiles k = {.out = out, .label = eval_string(call->call.args[1])};
    if (!k.label.len || !utf8_valid(k.label)) {
        return eval_fail(ev, "invalid label name \"" STR_FMT "\" for histogram_quantiles", STR_ARG(k.label));
    }
    double *q = column_new(ev, grid);
    int rc = gather_for_quantiles(&k, ev, call->call.args[0], grid);
    for (size_t i = 0; rc == 0 && i < k.g.n; i++) {
        if (labels_get(k.g.histograms[i].labels, k.label).len) {
            rc = eval_fail(ev, "label \"" STR_FMT "\" of histogram_quantiles is one that the histograms already have",
                           STR_ARG(k.label));
        }
    }
    for (size_t i = 2; rc == 0 && i < call->call.arg_count; i++) {
        rc = eval_scalar(ev, call->call.args[i], grid, q);
        if (rc == 0) {
            warn_of_quantiles(ev, call->call.args[i], q, grid->n);
            rc = emit_quantiles(&k, q);
        }
    }
    if (rc == 0) {
        remark_on_mendings(&k);
    }
    return rc;
}

int stream_histogram_fraction(struct eval *ev, const struct expr *call, const struct grid *grid, struct emit out)
{
    struct gathering g;
    double *lower = column_new(ev, grid), *upper = column_new(ev, grid), *v = column_new(ev, grid);
    int rc = eval_scalar(ev, call->call.args[0], grid, lower);
    rc = rc < 0 ? rc : eval_scalar(ev, call->call.args[1], grid, upper);
    rc = rc < 0 ? rc : gather_histograms(&g, ev, call->call.args[2], grid);
    if (rc < 0) {
        return rc;
    }
    struct bucket *buckets = arena_array(ev->arena, struct bucket, g.widest + 1);
    for (size_t k = 0; rc == 0 && k < g.n; k++) {
        for (size_t i = 0; i < grid->n; i++) {
            size_t n = buckets_at(&g.histograms[k], i, buckets);
            v[i] = n ? bucket_fraction(lower[i], upper[i], buckets, n) : absent();
        }
        rc = emit_histogram(&g.histograms[k], v, grid, out);
    }
    return rc;
}
