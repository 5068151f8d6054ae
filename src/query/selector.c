/* Where samples come from: selectors, ranges, subqueries. */
#include "src/query/extended.h"
#include "src/query/function.h"
#include "src/query/labelset.h"
#include "src/query/step_stats.h"
#include "src/query/tiers.h"

#define SUBQUERY_STEP_MS 60000 /* of [1h:], Prometheus' default evaluation interval */

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

static int select_failed(struct eval *ev, int rc)
{
    return error_set(ev->err, rc, "reading the store failed: %s", error_text(rc));
}

static int select_series(struct eval *ev, const struct expr *selector, int64_t from_ms, int64_t to_ms,
                         struct series_set *out)
{
    uint64_t max = ev->options.max_series;
    size_t left = max > ev->stats.series ? (size_t)(max - ev->stats.series) : 0;
    int rc = snapshot_select(ev->snapshot, selector->selector.matchers, selector->selector.matcher_count, from_ms,
                             to_ms, max && left ? left : 0, ev->arena, out);
    if (rc == ERR_LIMIT || (rc == 0 && max && out->n > left)) {
        return error_set(ev->err, ERR_LIMIT,
                         "query processing would load too many series into memory in query execution: more than %llu",
                         (unsigned long long)max);
    }
    if (rc < 0) {
        return select_failed(ev, rc);
    }
    ev->stats.series += out->n;
    return 0;
}

/* What a selector reads, series by series. */
struct reading {
    struct eval *ev;
    const struct expr *selector;
    struct source source;
    size_t steps;
    int64_t from_ms, to_ms;
    struct sample_columns samples;
    struct point_columns points;
};

static void reading_release(struct reading *r)
{
    sample_columns_release(&r->samples);
    point_columns_release(&r->points);
}

#define SAMPLES_OF_A_POINT 5 /* as much memory */

static int read_points(struct reading *r, const struct series_ref *series)
{
    struct eval *ev = r->ev;
    int rc = snapshot_read_points(ev->snapshot, series->id, r->source.tier, r->from_ms, r->to_ms, &r->points);
    if (rc < 0) {
        return select_failed(ev, rc);
    }
    ev->stats.samples += r->points.n;
    source_used(ev, &r->source, r->selector, &r->points);
    return eval_check_read(ev, r->points.n * SAMPLES_OF_A_POINT, r->steps);
}

static int read_samples(struct reading *r, const struct series_ref *series)
{
    struct eval *ev = r->ev;
    if (r->source.points) {
        int rc = read_points(r, series);
        if (rc == 0) {
            samples_of_points(&r->points, &r->samples);
        }
        return rc;
    }
    int rc = snapshot_read(ev->snapshot, series->id, r->from_ms, r->to_ms, &r->samples);
    if (rc < 0) {
        return select_failed(ev, rc);
    }
    ev->stats.samples += r->samples.n;
    return eval_check_read(ev, r->samples.n, r->steps);
}

/* ---- instant vectors ---- */

/* The time an instant selector looks at, at a step. */
static int64_t instant_of(const struct eval *ev, const struct expr *selector, const struct grid *grid, size_t step)
{
    return snap_instant(ev, shifted_ms(ev, &selector->shift, grid_ms(grid, step)));
}

/* The newest sample at most `lookback` old at each step; a stale marker ends the series. */
static bool fill_column(const struct reading *r, const struct grid *grid, bool times, double *v)
{
    const struct sample_columns *samples = &r->samples;
    size_t next = 0; /* first sample newer than the step */
    bool any = false;
    for (size_t i = 0; i < grid->n; i++) {
        int64_t t = instant_of(r->ev, r->selector, grid, i);
        while (next < samples->n && samples->t_ms[next] <= t) {
            next++;
        }
        v[i] = absent();
        if (next && samples->t_ms[next - 1] > t - r->ev->options.lookback_ms &&
            !sample_is_stale(samples->v[next - 1])) {
            v[i] = times ? (double)samples->t_ms[next - 1] / 1000 : samples->v[next - 1];
            any = true;
        }
    }
    return any;
}

int eval_selector(struct eval *ev, const struct expr *selector, const struct grid *grid, bool times, struct emit out)
{
    struct reading r = {.ev = ev,
                        .selector = selector,
                        .source = source_of(ev, selector, grid, true),
                        .steps = grid->n,
                        .from_ms = instant_of(ev, selector, grid, 0) - ev->options.lookback_ms + 1,
                        .to_ms = instant_of(ev, selector, grid, grid->n - 1)};
    struct series_set set;
    bool counted = step_stats_on(ev);
    int rc = select_series(ev, selector, r.from_ms, r.to_ms, &set);
    double *v = column_new(ev, grid);
    for (size_t i = 0; rc == 0 && i < set.n; i++) {
        rc = read_samples(&r, &set.v[i]);
        if (rc == 0 && fill_column(&r, grid, times, v)) {
            if (counted) {
                step_stats_column(ev, grid, v);
            }
            rc = emit_column(out, &(struct column){.labels = set.v[i].labels, .v = v});
        }
    }
    reading_release(&r);
    return rc;
}

/* ---- range vectors ---- */

static size_t drop_stale(struct sample_columns *samples)
{
    size_t n = 0;
    for (size_t i = 0; i < samples->n; i++) {
        if (!sample_is_stale(samples->v[i])) {
            samples->t_ms[n] = samples->t_ms[i];
            samples->v[n++] = samples->v[i];
        }
    }
    return n;
}

static struct reading reading_of_range(struct eval *ev, const struct expr *range, const struct grid *grid,
                                       const struct source *source)
{
    struct reading r = {.ev = ev, .selector = range->range.expr, .source = *source, .steps = grid->n};
    int64_t unused;
    window_of(ev, range, grid, 0, &r.from_ms, &unused);
    window_of(ev, range, grid, grid->n - 1, &unused, &r.to_ms);
    r.from_ms += 1 - extent_before_ms(ev, range);
    r.to_ms += extent_after_ms(ev, range);
    return r;
}

static int stream_range(struct reading *r, struct emit_samples out)
{
    struct series_set set;
    int rc = select_series(r->ev, r->selector, r->from_ms, r->to_ms, &set);
    for (size_t i = 0; rc == 0 && i < set.n; i++) {
        rc = read_samples(r, &set.v[i]);
        size_t n = rc == 0 ? drop_stale(&r->samples) : 0;
        if (n) {
            rc = out.fn(out.ctx, &(struct samples){
                                     .labels = set.v[i].labels, .t_ms = r->samples.t_ms, .v = r->samples.v, .n = n});
        }
    }
    return rc;
}

int eval_points(struct eval *ev, const struct expr *range, const struct grid *grid, const struct source *source,
                struct emit_points out)
{
    struct reading r = reading_of_range(ev, range, grid, source);
    struct series_set set;
    bool counted = step_stats_on(ev);
    int rc = select_series(ev, r.selector, r.from_ms, r.to_ms, &set);
    for (size_t i = 0; rc == 0 && i < set.n; i++) {
        rc = read_points(&r, &set.v[i]);
        if (rc == 0 && r.points.n) {
            if (counted) {
                step_stats_windows(ev, range, grid, r.points.t_last_ms, r.points.n);
            }
            rc = out.fn(out.ctx, set.v[i].labels, &r.points);
        }
    }
    reading_release(&r);
    return rc;
}

/* ---- subqueries: the inner expression on a grid of its own ---- */

struct subquery {
    struct eval *ev;
    struct grid grid;
    int64_t *t_ms;
    double *v;
    struct emit_samples out;
};

static int subquery_column(void *ctx, struct column *column)
{
    struct subquery *s = ctx;
    size_t n = 0;
    for (size_t i = 0; i < s->grid.n; i++) {
        if (!is_absent(column->v[i])) {
            s->t_ms[n] = grid_ms(&s->grid, i);
            s->v[n++] = column->v[i];
        }
    }
    int rc = eval_check_read(s->ev, n, s->grid.n);
    return rc < 0 || !n
               ? rc
               : s->out.fn(
                     s->out.ctx,
                     &(struct samples){
                         .labels = column->labels, .drop_name = column->drop_name, .t_ms = s->t_ms, .v = s->v, .n = n});
}

/* May two columns of expr have the same labels, at different steps ("or" of a series that ends and one that begins)? */
static bool may_repeat(const struct expr *expr)
{
    expr = expr_strip(expr);
    return expr->kind != EXPR_SELECTOR && (expr->kind != EXPR_CALL || expr->call.function->kind != FUNCTION_ROLLUP);
}

/* Columns held until all are there, because the same labels are one series. */
struct merging {
    struct subquery *s;
    struct group_table table;
    struct column *v;
    size_t n, cap;
};

static int merge_column(void *ctx, struct column *column)
{
    struct merging *m = ctx;
    size_t steps = m->s->grid.n, at = 0;
    uint64_t hash = labels_hash(column->labels);
    int64_t number;
    while ((number = group_table_next(&m->table, hash, &at)) >= 0) {
        struct column *held = &m->v[number];
        if (held->drop_name != column->drop_name || !labels_eq(held->labels, column->labels)) {
            continue;
        }
        for (size_t i = 0; i < steps; i++) {
            if (is_absent(column->v[i])) {
                continue;
            }
            if (!is_absent(held->v[i])) {
                return eval_fail(m->s->ev, "vector cannot contain metrics with the same labelset");
            }
            held->v[i] = column->v[i];
        }
        return eval_check_read(m->s->ev, 0, steps);
    }
    group_table_add(&m->table, hash);
    arena_grow(m->s->ev->arena, m->v, m->n, m->cap);
    struct column *held = &m->v[m->n++];
    *held = *column;
    held->v = arena_alloc(m->s->ev->arena, steps * sizeof(*held->v));
    memcpy(held->v, column->v, steps * sizeof(*held->v));
    return eval_check(m->s->ev, steps);
}

static int stream_merged(struct subquery *s, const struct expr *expr)
{
    struct merging m = {.s = s};
    group_table_init(&m.table, s->ev->arena);
    int rc = eval_vector(s->ev, expr, &s->grid, (struct emit){merge_column, &m});
    for (size_t i = 0; rc == 0 && i < m.n; i++) {
        rc = subquery_column(s, &m.v[i]);
    }
    return rc;
}

/* Steps of a subquery are multiples of its step since the epoch, so that they do not move with the query. */
static struct grid subquery_grid(const struct eval *ev, const struct expr *subquery, const struct grid *grid)
{
    int64_t from_ms, to_ms, unused;
    window_of(ev, subquery, grid, 0, &from_ms, &unused);
    window_of(ev, subquery, grid, grid->n - 1, &unused, &to_ms);
    int64_t step = subquery->range.step_ms ? subquery->range.step_ms : SUBQUERY_STEP_MS;
    int64_t start = from_ms / step * step;
    if (start <= from_ms) {
        start += step;
    }
    return (struct grid){
        .start_ms = start, .step_ms = step, .n = to_ms < start ? 0 : (size_t)((to_ms - start) / step) + 1};
}

#define COLUMNS_MIN 16 /* an expression needs about as many columns: refuse before taking them */

static int stream_subquery(struct eval *ev, const struct expr *subquery, const struct grid *grid,
                           struct emit_samples out)
{
    struct subquery s = {.ev = ev, .grid = subquery_grid(ev, subquery, grid), .out = out};
    if (s.grid.n == 0) {
        return 0;
    }
    if (s.grid.n > ev->options.max_samples || s.grid.n > ev->options.max_memory_bytes / COLUMNS_MIN / sizeof(double)) {
        return error_set(ev->err, ERR_LIMIT,
                         "the subquery has %zu steps, more than fit into memory in query execution; try a larger step",
                         s.grid.n);
    }
    s.t_ms = arena_alloc(ev->arena, s.grid.n * sizeof(*s.t_ms));
    s.v = arena_alloc(ev->arena, s.grid.n * sizeof(*s.v));
    ev->subqueries++;
    int rc = may_repeat(subquery->range.expr)
                 ? stream_merged(&s, subquery->range.expr)
                 : eval_vector(ev, subquery->range.expr, &s.grid, (struct emit){subquery_column, &s});
    ev->subqueries--;
    return rc;
}

struct counting {
    struct eval *ev;
    const struct expr *range;
    const struct grid *grid;
    struct emit_samples out;
};

static int count_samples(void *ctx, const struct samples *samples)
{
    struct counting *c = ctx;
    step_stats_windows(c->ev, c->range, c->grid, samples->t_ms, samples->n);
    return c->out.fn(c->out.ctx, samples);
}

int eval_samples(struct eval *ev, const struct expr *expr, const struct grid *grid, bool last_suffices,
                 struct emit_samples out)
{
    expr = expr_strip(expr);
    struct counting counting = {ev, expr, grid, out};
    if (step_stats_on(ev)) {
        out = (struct emit_samples){count_samples, &counting};
    }
    if (expr->kind == EXPR_SUBQUERY) {
        return stream_subquery(ev, expr, grid, out);
    }
    struct source source = source_of(ev, expr, grid, last_suffices);
    struct reading r = reading_of_range(ev, expr, grid, &source);
    int rc = stream_range(&r, out);
    reading_release(&r);
    return rc;
}
