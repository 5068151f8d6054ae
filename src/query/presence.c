/* absent, absent_over_time, timestamp, vector, scalar, time, pi. */
#include "src/query/impl.h"

/* ---- absent ---- */

struct presence {
    double *v; /* 1 while nobody was there */
    const struct grid *grid;
    struct eval *ev;
    const struct expr *range; /* absent_over_time */
};

/* Labels a selector fixes: the first equality of a name, unless another matcher of that name comes after it. */
static struct labels fixed_labels(struct eval *ev, const struct expr *expr)
{
    expr = expr_strip(expr);
    if (expr->kind == EXPR_RANGE) {
        expr = expr->range.expr;
    }
    struct labels_builder b;
    labels_builder_init(&b, ev->arena);
    for (size_t i = 0; expr->kind == EXPR_SELECTOR && i < expr->selector.matcher_count; i++) {
        const struct matcher *m = &expr->selector.matchers[i];
        bool first = m->op == MATCH_EQ && !str_eq(m->name, METRIC_NAME);
        for (size_t k = 0; first && k < i; k++) {
            const struct matcher *before = &expr->selector.matchers[k];
            first = before->op != MATCH_EQ || !str_eq(before->name, m->name);
        }
        labels_set(&b, m->name, first ? m->value : STR(""));
    }
    return labels_finish(&b, false);
}

static int emit_absence(struct presence *p, const struct expr *arg, struct emit out)
{
    if (column_empty(p->v, p->grid->n)) {
        return 0;
    }
    return emit_column(out, &(struct column){.labels = fixed_labels(p->ev, arg), .v = p->v});
}

static struct presence presence_new(struct eval *ev, const struct grid *grid)
{
    struct presence p = {.v = column_new(ev, grid), .grid = grid, .ev = ev};
    for (size_t i = 0; i < grid->n; i++) {
        p.v[i] = 1;
    }
    return p;
}

static int mark_present(void *ctx, struct column *column)
{
    struct presence *p = ctx;
    for (size_t i = 0; i < p->grid->n; i++) {
        if (!is_absent(column->v[i])) {
            p->v[i] = absent();
        }
    }
    return 0;
}

int stream_absent(struct eval *ev, const struct expr *call, const struct grid *grid, struct emit out)
{
    struct presence p = presence_new(ev, grid);
    int rc = eval_vector(ev, call->call.args[0], grid, (struct emit){mark_present, &p});
    return rc < 0 ? rc : emit_absence(&p, call->call.args[0], out);
}

static int mark_windows(void *ctx, const struct samples *samples)
{
    struct presence *p = ctx;
    size_t next = 0;
    for (size_t i = 0; i < p->grid->n; i++) {
        int64_t from_ms, to_ms;
        window_of(p->ev, p->range, p->grid, i, &from_ms, &to_ms);
        while (next < samples->n && samples->t_ms[next] <= from_ms) {
            next++;
        }
        if (next < samples->n && samples->t_ms[next] <= to_ms) {
            p->v[i] = absent();
        }
    }
    return 0;
}

int stream_absent_over_time(struct eval *ev, const struct expr *call, const struct grid *grid, struct emit out)
{
    struct presence p = presence_new(ev, grid);
    p.range = expr_strip(call->call.args[0]);
    int rc = eval_samples(ev, p.range, grid, true, (struct emit_samples){mark_windows, &p});
    return rc < 0 ? rc : emit_absence(&p, p.range, out);
}

/* ---- timestamp ---- */

struct stamping {
    const struct grid *grid;
    bool of_samples; /* the column holds the samples' times already */
    struct emit out;
};

static int stamp_column(void *ctx, struct column *column)
{
    const struct stamping *s = ctx;
    for (size_t i = 0; !s->of_samples && i < s->grid->n; i++) {
        if (!is_absent(column->v[i])) {
            column->v[i] = (double)grid_ms(s->grid, i) / 1000;
        }
    }
    column->drop_name = true;
    return emit_column(s->out, column);
}

int stream_timestamp(struct eval *ev, const struct expr *call, const struct grid *grid, struct emit out)
{
    const struct expr *arg = expr_strip(call->call.args[0]);
    struct stamping s = {.grid = grid, .of_samples = arg->kind == EXPR_SELECTOR, .out = out};
    struct emit stamp = {stamp_column, &s};
    return s.of_samples ? eval_selector(ev, arg, grid, true, stamp) : eval_vector(ev, arg, grid, stamp);
}

/* ---- scalars and vectors ---- */

int stream_vector(struct eval *ev, const struct expr *call, const struct grid *grid, struct emit out)
{
    double *v = column_new(ev, grid);
    int rc = eval_scalar(ev, call->call.args[0], grid, v);
    return rc < 0 ? rc : emit_column(out, &(struct column){.v = v});
}

struct only {
    double *v;
    uint8_t *count; /* 0, 1, 2: many */
    size_t n;
};

static int count_column(void *ctx, struct column *column)
{
    struct only *only = ctx;
    for (size_t i = 0; i < only->n; i++) {
        if (!is_absent(column->v[i])) {
            only->v[i] = only->count[i] ? NAN : column->v[i];
            only->count[i] = only->count[i] ? 2 : 1;
        }
    }
    return 0;
}

int scalar_of_vector(struct eval *ev, const struct expr *call, const struct grid *grid, double *out)
{
    struct only only = {.v = out, .count = arena_zalloc(ev->arena, grid->n + 1), .n = grid->n};
    for (size_t i = 0; i < grid->n; i++) {
        out[i] = NAN;
    }
    return eval_vector(ev, call->call.args[0], grid, (struct emit){count_column, &only});
}

int scalar_time(struct eval *ev, const struct expr *call, const struct grid *grid, double *out)
{
    (void)ev;
    (void)call;
    for (size_t i = 0; i < grid->n; i++) {
        out[i] = (double)grid_ms(grid, i) / 1000;
    }
    return 0;
}

int scalar_pi(struct eval *ev, const struct expr *call, const struct grid *grid, double *out)
{
    (void)ev;
    (void)call;
    for (size_t i = 0; i < grid->n; i++) {
        out[i] = 3.14159265358979323846;
    }
    return 0;
}

static int scalar_constant(const struct grid *grid, double v, double *out)
{
    for (size_t i = 0; i < grid->n; i++) {
        out[i] = v;
    }
    return 0;
}

int scalar_start(struct eval *ev, const struct expr *call, const struct grid *grid, double *out)
{
    (void)call;
    return scalar_constant(grid, (double)ev->start_ms / 1000, out);
}

int scalar_end(struct eval *ev, const struct expr *call, const struct grid *grid, double *out)
{
    (void)call;
    return scalar_constant(grid, (double)ev->end_ms / 1000, out);
}

int scalar_range(struct eval *ev, const struct expr *call, const struct grid *grid, double *out)
{
    (void)call;
    return scalar_constant(grid, duration_scope_of(ev->start_ms, ev->end_ms, 0).range, out);
}

int scalar_step(struct eval *ev, const struct expr *call, const struct grid *grid, double *out)
{
    (void)call;
    return scalar_constant(grid, ev->range_query ? (double)ev->step_ms / 1000 : 0, out);
}

/* As Go's math.Min and math.Max: an infinity that wins does so over NaN, and -0 is less than 0. */
static double smaller(double a, double b)
{
    if (a == -INFINITY || b == -INFINITY) {
        return -INFINITY;
    }
    if (isnan(a) || isnan(b)) {
        return NAN;
    }
    return a < b || (a == b && signbit(a)) ? a : b;
}

static double larger(double a, double b)
{
    return -smaller(-a, -b);
}

static int scalar_pair(struct eval *ev, const struct expr *call, const struct grid *grid,
                       double (*pick)(double a, double b), double *out)
{
    double *b = column_new(ev, grid);
    int rc = eval_scalar(ev, call->call.args[0], grid, out);
    rc = rc < 0 ? rc : eval_scalar(ev, call->call.args[1], grid, b);
    for (size_t i = 0; rc == 0 && i < grid->n; i++) {
        out[i] = pick(out[i], b[i]);
    }
    return rc;
}

int scalar_min_of(struct eval *ev, const struct expr *call, const struct grid *grid, double *out)
{
    return scalar_pair(ev, call, grid, smaller, out);
}

int scalar_max_of(struct eval *ev, const struct expr *call, const struct grid *grid, double *out)
{
    return scalar_pair(ev, call, grid, larger, out);
}
