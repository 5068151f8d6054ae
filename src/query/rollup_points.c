/*
 * Range functions over points: the same windows as in rollup.c, but of buckets. Whatever a function can tell exactly
 * from whole buckets is here; its result is then that of raw samples (sums but for their last bits).
 */
#include "src/query/impl.h"
#include "src/query/rollup.h"

struct sliding {
    struct eval *ev;
    const struct expr *call, *range;
    const struct grid *grid;
    double *v; /* the column */
    bool counter;
    struct emit out;
};

/* Markers at the window's ends are left out, so that first and last are samples. */
static void trim(struct point_window *w)
{
    const double *count = w->points->count;
    while (w->lo < w->hi && count[w->lo] == 0) {
        w->lo++;
    }
    while (w->lo < w->hi && count[w->hi - 1] == 0) {
        w->hi--;
    }
}

static int points_series(void *ctx, struct labels labels, const struct point_columns *points)
{
    struct sliding *s = ctx;
    size_t lo = 0, hi = 0;
    int rc = 0;
    bool any = false;
    for (size_t i = 0; rc == 0 && i < s->grid->n; i++) {
        struct point_window w = {.points = points};
        window_of(s->ev, s->range, s->grid, i, &w.from_ms, &w.to_ms);
        while (hi < points->n && points->t_last_ms[hi] <= w.to_ms) {
            hi++;
        }
        while (lo < hi && points->t_last_ms[lo] <= w.from_ms) {
            lo++;
        }
        w.lo = lo;
        w.hi = hi;
        w.share = (double)s->range->range.range_ms / (double)(w.to_ms - w.from_ms);
        trim(&w);
        s->v[i] = w.lo < w.hi ? s->call->call.function->points(&w) : absent();
        any = any || !is_absent(s->v[i]);
        rc = eval_check_read(s->ev, 0, w.hi - w.lo);
    }
    if (s->counter && any) {
        remark_on_name(s->ev, s->call, labels);
    }
    struct column column = {.labels = labels, .drop_name = !s->call->call.function->keeps_name, .v = s->v};
    return rc < 0 || !any ? rc : emit_column(s->out, &column);
}

int eval_rollup_points(struct eval *ev, const struct expr *call, const struct expr *range, const struct grid *grid,
                       const struct source *source, struct emit out)
{
    double (*fn)(const struct point_window *) = call->call.function->points;
    struct sliding s = {.ev = ev,
                        .call = call,
                        .range = range,
                        .grid = grid,
                        .v = column_new(ev, grid),
                        .counter = fn == points_rate || fn == points_increase,
                        .out = out};
    return eval_points(ev, range, grid, source, (struct emit_points){points_series, &s});
}

/* ---- differences ---- */

static double count(const struct point_window *w)
{
    double n = 0;
    for (size_t i = w->lo; i < w->hi; i++) {
        n += w->points->count[i];
    }
    return n;
}

/* What a counter had counted before each fall, within buckets and between them. */
static double lost(const struct point_window *w)
{
    const struct point_columns *p = w->points;
    double sum = 0, last = NAN;
    for (size_t i = w->lo; i < w->hi; i++) {
        if (p->count[i] > 0) {
            sum += (p->first[i] < last ? last : 0) + p->drops[i];
            last = p->last[i];
        }
    }
    return sum;
}

static double extrapolated(const struct point_window *w, bool counter, bool per_second, double share)
{
    const struct point_columns *p = w->points;
    struct edges edges = {.first_ms = p->t_first_ms[w->lo],
                          .last_ms = p->t_last_ms[w->hi - 1],
                          .count = count(w),
                          .first = p->first[w->lo],
                          .difference = p->last[w->hi - 1] - p->first[w->lo] + (counter ? lost(w) : 0)};
    return edges.count < 2 ? absent() : share * extrapolate(&edges, w->from_ms, w->to_ms, counter, per_second);
}

double points_rate(const struct point_window *w)
{
    return extrapolated(w, true, true, 1);
}

double points_increase(const struct point_window *w)
{
    return extrapolated(w, true, false, w->share);
}

double points_delta(const struct point_window *w)
{
    return extrapolated(w, false, false, w->share);
}

/* ---- aggregates ---- */

static double sum(const struct point_window *w)
{
    double s = 0, c = 0;
    for (size_t i = w->lo; i < w->hi; i++) {
        kahan_add(w->points->sum[i], &s, &c);
    }
    return kahan_value(s, c);
}

double points_sum(const struct point_window *w)
{
    return sum(w) * w->share;
}

/* Sums of buckets that are finite while their sum is not are divided before they are added. */
double points_avg(const struct point_window *w)
{
    double total = sum(w), n = count(w), s = 0, c = 0;
    if (!isinf(total)) {
        return total / n;
    }
    for (size_t i = w->lo; i < w->hi; i++) {
        kahan_add(w->points->sum[i] / n, &s, &c);
    }
    return kahan_value(s, c);
}

/* Markers within the window are NaN, too; the last point is none. */
double points_min(const struct point_window *w)
{
    double min = NAN;
    for (size_t i = w->lo; i < w->hi; i++) {
        double v = w->points->min[i];
        min = v < min || isnan(min) ? v : min;
    }
    return min;
}

double points_max(const struct point_window *w)
{
    double max = NAN;
    for (size_t i = w->lo; i < w->hi; i++) {
        double v = w->points->max[i];
        max = v > max || isnan(max) ? v : max;
    }
    return max;
}

double points_count(const struct point_window *w)
{
    return count(w) * w->share;
}

double points_last(const struct point_window *w)
{
    return w->points->last[w->hi - 1];
}

double points_first(const struct point_window *w)
{
    return w->points->first[w->lo];
}

double points_present(const struct point_window *w)
{
    (void)w;
    return 1;
}

/* ---- times ---- */

double points_ts_of_first(const struct point_window *w)
{
    return (double)w->points->t_first_ms[w->lo] / 1000;
}

double points_ts_of_last(const struct point_window *w)
{
    return (double)w->points->t_last_ms[w->hi - 1] / 1000;
}
