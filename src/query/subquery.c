/* Subqueries: the inner expression on a grid of its own. */
#include "src/query/eval.h"
#include "src/query/function.h"
#include "src/query/labelset.h"

#define SUBQUERY_STEP_MS 60000 /* of [1h:], Prometheus' default evaluation interval */

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
    switch (expr->kind) {
    case EXPR_SELECTOR:
        return false;
    case EXPR_CALL:
        return expr->call.function->kind != FUNCTION_ROLLUP;
    case EXPR_AGGREGATE: /* the others hand on the series that they choose */
        return expr->aggregate.op == AGGR_TOPK || expr->aggregate.op == AGGR_BOTTOMK ||
                       expr->aggregate.op == AGGR_LIMITK || expr->aggregate.op == AGGR_LIMIT_RATIO
                   ? may_repeat(expr->aggregate.expr)
                   : expr->aggregate.op == AGGR_COUNT_VALUES;
    case EXPR_UNARY:
        return may_repeat(expr->unary.expr);
    default:
        return true;
    }
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

int eval_subquery(struct eval *ev, const struct expr *subquery, const struct grid *grid, struct emit_samples out)
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
