/* Selectors: instant vectors, and the samples of ranges. */
#include "src/query/each_series.h"
#include "src/query/reading.h"
#include "src/query/step_stats.h"
#include "src/query/windows.h"

static int64_t base_ms(const struct eval *ev, const struct time_shift *shift, int64_t t_ms)
{
    switch (shift->at) {
    case AT_TIME:
        return shift->at_ms;
    case AT_START:
        return ev->start_ms;
    case AT_END:
        return ev->end_ms;
    case AT_NONE:
        break;
    }
    return t_ms;
}

int64_t shifted_ms(const struct eval *ev, const struct time_shift *shift, int64_t t_ms)
{
    return base_ms(ev, shift, t_ms) - shift->offset_ms;
}

void window_of(const struct eval *ev, const struct expr *range, const struct grid *grid, size_t step, int64_t *from_ms,
               int64_t *to_ms)
{
    *to_ms = shifted_ms(ev, &range->shift, grid_ms(grid, step));
    *from_ms = *to_ms - range->range.range_ms;
    if (range->kind == EXPR_RANGE) {
        snap_window(ev, from_ms, to_ms);
    }
}

/* ---- instant vectors ---- */

struct selecting {
    const struct expr *selector;
    const struct grid *grid;
    bool times;
};

/* One thread's. */
struct picking {
    struct reading reading;
    struct windows windows; /* of the lookback: the newest sample counts */
    bool times;
};

static void *picking_begin(struct eval *ev, const void *task)
{
    const struct selecting *s = task;
    struct picking *p = arena_new(ev->arena, struct picking);
    windows_init_lookback(&p->windows, ev, s->selector, s->grid);
    p->times = s->times;
    reading_init_instants(&p->reading, ev, s->selector, s->grid);
    return p;
}

static void picking_end(void *state)
{
    reading_release(&((struct picking *)state)->reading);
}

/* The newest sample at most `lookback` old at each step; a stale marker ends the series. */
static int picking_column(void *state, const struct series_ref *series, double *v, bool *any)
{
    struct picking *p = state;
    const struct sample_columns *samples = &p->reading.samples;
    const struct windows *w = &p->windows;
    int rc = reading_samples(&p->reading, series);
    if (rc < 0 || samples->n == 0) {
        return rc;
    }
    windows_fit(&p->windows, samples->t_ms, samples->n);
    for (size_t i = 0; i < w->steps; i++) {
        size_t hi = w->hi[i];
        bool there = hi > w->lo[i] && !sample_is_stale(samples->v[hi - 1]);
        *any = *any || there;
        v[i] = !there ? absent() : p->times ? (double)samples->t_ms[hi - 1] / 1000 : samples->v[hi - 1];
    }
    return 0;
}

struct counting_columns {
    struct eval *ev;
    const struct grid *grid;
    struct emit out;
};

static int count_column(void *ctx, struct column *column)
{
    const struct counting_columns *c = ctx;
    step_stats_column(c->ev, c->grid, column->v);
    return emit_column(c->out, column);
}

int eval_selector(struct eval *ev, const struct expr *selector, const struct grid *grid, bool times, struct emit out)
{
    struct selecting s = {selector, grid, times};
    struct reading r;
    struct series_set set;
    reading_init_instants(&r, ev, selector, grid);
    struct series_job job = {.task = &s,
                             .steps = grid->n,
                             .samples = reading_samples_expected(&r),
                             .begin = picking_begin,
                             .column = picking_column,
                             .end = picking_end};
    struct counting_columns counting = {ev, grid, out};
    int rc = reading_select(&r, &set);
    return rc < 0 ? rc : each_series(ev, &set, &job, step_stats_on(ev) ? (struct emit){count_column, &counting} : out);
}

/* ---- range vectors ---- */

struct counting_samples {
    struct eval *ev;
    const struct expr *range;
    const struct grid *grid;
    struct emit_samples out;
};

static int count_samples(void *ctx, const struct samples *samples)
{
    const struct counting_samples *c = ctx;
    step_stats_windows(c->ev, c->range, c->grid, samples->t_ms, samples->n);
    return c->out.fn(c->out.ctx, samples);
}

int eval_samples(struct eval *ev, const struct expr *expr, const struct grid *grid, bool last_suffices,
                 struct emit_samples out)
{
    expr = expr_strip(expr);
    struct counting_samples counting = {ev, expr, grid, out};
    if (step_stats_on(ev)) {
        out = (struct emit_samples){count_samples, &counting};
    }
    if (expr->kind == EXPR_SUBQUERY) {
        return eval_subquery(ev, expr, grid, out);
    }
    struct source source = source_of(ev, expr, grid, last_suffices);
    struct reading r;
    struct series_set set;
    reading_init_range(&r, ev, expr, grid, &source);
    int rc = reading_select(&r, &set);
    for (size_t i = 0; rc == 0 && i < set.n; i++) {
        rc = reading_range_samples(&r, &set.v[i]);
        if (rc == 0 && r.samples.n) {
            rc = out.fn(out.ctx,
                        &(struct samples){
                            .labels = set.v[i].labels, .t_ms = r.samples.t_ms, .v = r.samples.v, .n = r.samples.n});
        }
    }
    reading_release(&r);
    return rc;
}
