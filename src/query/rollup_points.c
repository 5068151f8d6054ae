/*
 * Range functions over points: the same windows as in rollup.c, but of buckets. Whatever a function can tell exactly
 * from whole buckets is here; its result is then that of raw samples (sums but for their last bits).
 */
#include "src/query/each_series.h"
#include "src/query/impl.h"
#include "src/query/reading.h"
#include "src/query/rollup.h"
#include "src/query/step_stats.h"
#include "src/query/windows.h"

struct points_task {
    const struct expr *call, *range;
    const struct grid *grid;
    const struct source *source;
};

/* One thread's. */
struct sliding {
    const struct points_task *task;
    struct reading reading;
    struct windows windows; /* of the points' last samples */
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

static void *sliding_begin(struct eval *ev, const void *task)
{
    struct sliding *s = arena_new(ev->arena, struct sliding);
    s->task = task;
    reading_init_range(&s->reading, ev, s->task->range, s->task->grid, s->task->source);
    windows_init(&s->windows, ev, s->task->range, s->task->grid);
    return s;
}

static void sliding_end(void *state)
{
    reading_release(&((struct sliding *)state)->reading);
}

static int sliding_column(void *state, const struct series_ref *series, double *v, bool *any)
{
    struct sliding *s = state;
    struct eval *ev = s->reading.ev;
    const struct points_task *task = s->task;
    const struct point_columns *points = &s->reading.points;
    const struct function *function = task->call->call.function;
    const struct windows *windows = &s->windows;
    int rc = reading_points(&s->reading, series);
    if (rc < 0 || points->n == 0) {
        return rc;
    }
    if (step_stats_on(ev)) {
        step_stats_windows(ev, task->range, task->grid, points->t_last_ms, points->n);
    }
    windows_fit(&s->windows, points->t_last_ms, points->n);
    for (size_t i = 0; rc == 0 && i < windows->steps; i++) {
        struct point_window w = {.points = points,
                                 .lo = windows->lo[i],
                                 .hi = windows->hi[i],
                                 .from_ms = windows->from_ms[i],
                                 .to_ms = windows->to_ms[i]};
        w.share = (double)task->range->range.range_ms / (double)(w.to_ms - w.from_ms);
        trim(&w);
        v[i] = w.lo < w.hi ? function->points(&w) : absent();
        *any = *any || !is_absent(v[i]);
        rc = eval_check_read(ev, 0, w.hi - w.lo);
    }
    if (rc == 0 && *any) {
        remark_on_name(ev, task->call, series->labels);
    }
    return rc;
}

int eval_rollup_points(struct eval *ev, const struct expr *call, const struct expr *range, const struct grid *grid,
                       const struct source *source, struct emit out)
{
    struct points_task task = {call, range, grid, source};
    struct reading r;
    struct series_set set;
    reading_init_range(&r, ev, range, grid, source);
    struct series_job job = {.task = &task,
                             .steps = grid->n,
                             .samples = reading_samples_expected(&r),
                             .drop_name = !call->call.function->keeps_name,
                             .begin = sliding_begin,
                             .column = sliding_column,
                             .end = sliding_end};
    int rc = reading_select(&r, &set);
    return rc < 0 ? rc : each_series(ev, &set, &job, out);
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
