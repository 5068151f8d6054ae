/* Operators: their arithmetic, vectors with scalars, and the set operators. Vector with vector is in match.c. */
#include "src/query/binary.h"

double binary_value(enum binary_op op, double a, double b)
{
    switch (op) {
    case OP_ADD:
        return a + b;
    case OP_SUB:
        return a - b;
    case OP_MUL:
        return a * b;
    case OP_DIV:
        return a / b;
    case OP_MOD:
        return fmod(a, b);
    case OP_POW:
        return pow(a, b);
    case OP_ATAN2:
        return atan2(a, b);
    case OP_EQ:
        return a == b;
    case OP_NE:
        return a != b;
    case OP_GT:
        return a > b;
    case OP_LT:
        return a < b;
    case OP_GE:
        return a >= b;
    case OP_LE:
        return a <= b;
    case OP_AND:
    case OP_OR:
    case OP_UNLESS:
    case OP_COUNT:
        break;
    }
    return NAN;
}

/* ---- vector with scalar ---- */

struct with_scalar {
    const struct expr *expr;
    const double *scalar;
    bool scalar_left, filter;
    size_t n;
    struct emit out;
};

static int with_scalar_column(void *ctx, struct column *column)
{
    const struct with_scalar *w = ctx;
    enum binary_op op = w->expr->binary.op;
    for (size_t i = 0; i < w->n; i++) {
        double v = column->v[i];
        if (is_absent(v)) {
            continue;
        }
        double result = w->scalar_left ? binary_value(op, w->scalar[i], v) : binary_value(op, v, w->scalar[i]);
        column->v[i] = !w->filter ? result : result != 0 ? v : absent();
    }
    if (w->filter && column_empty(column->v, w->n)) {
        return 0;
    }
    column->drop_name = column->drop_name || !w->filter;
    return emit_column(w->out, column);
}

static int eval_with_scalar(struct eval *ev, const struct expr *expr, const struct grid *grid, struct emit out)
{
    double *scalar = column_new(ev, grid);
    bool left = expr->binary.lhs->type == VALUE_SCALAR;
    int rc = eval_scalar(ev, left ? expr->binary.lhs : expr->binary.rhs, grid, scalar);
    struct with_scalar w = {.expr = expr,
                            .scalar = scalar,
                            .scalar_left = left,
                            .filter = op_is_comparison(expr->binary.op) && !expr->binary.return_bool,
                            .n = grid->n,
                            .out = out};
    return rc < 0 ? rc
                  : eval_vector(ev, left ? expr->binary.rhs : expr->binary.lhs, grid,
                                (struct emit){with_scalar_column, &w});
}

/* ---- and, or, unless: a mark per match group and step ---- */

struct set_operation {
    struct eval *ev;
    const struct grid *grid;
    struct match_groups groups;
    uint8_t **marks; /* by group number */
    size_t mark_cap;
    bool keep_marked;
    struct emit out;
};

static int mark_column(struct set_operation *s, const struct column *column)
{
    bool created;
    uint32_t number = match_group(&s->groups, column, &created);
    if (created) {
        arena_grow(s->ev->arena, s->marks, (size_t)number, s->mark_cap);
        s->marks[number] = arena_zalloc(s->ev->arena, s->grid->n + 1);
    }
    uint8_t *marks = s->marks[number];
    for (size_t i = 0; i < s->grid->n; i++) {
        marks[i] |= !is_absent(column->v[i]);
    }
    return eval_check(s->ev, created ? s->grid->n / 8 + 1 : 0);
}

static int mark(void *ctx, struct column *column)
{
    return mark_column(ctx, column);
}

static int mark_and_emit(void *ctx, struct column *column)
{
    struct set_operation *s = ctx;
    int rc = mark_column(s, column);
    return rc < 0 ? rc : emit_column(s->out, column);
}

static int filter_by_marks(void *ctx, struct column *column)
{
    struct set_operation *s = ctx;
    int64_t number = match_group_find(&s->groups, column);
    const uint8_t *marks = number < 0 ? NULL : s->marks[number];
    if (!marks && s->keep_marked) {
        return 0;
    }
    for (size_t i = 0; marks && i < s->grid->n; i++) {
        if ((marks[i] != 0) != s->keep_marked) {
            column->v[i] = absent();
        }
    }
    return column_empty(column->v, s->grid->n) ? 0 : emit_column(s->out, column);
}

static int eval_set(struct eval *ev, const struct expr *expr, const struct grid *grid, struct emit out)
{
    struct set_operation s = {.ev = ev, .grid = grid, .keep_marked = expr->binary.op == OP_AND, .out = out};
    match_groups_init(&s.groups, ev, &expr->binary.matching);
    bool is_or = expr->binary.op == OP_OR;
    const struct expr *first = is_or ? expr->binary.lhs : expr->binary.rhs;
    const struct expr *second = is_or ? expr->binary.rhs : expr->binary.lhs;
    int rc = eval_vector(ev, first, grid, (struct emit){is_or ? mark_and_emit : mark, &s});
    return rc < 0 ? rc : eval_vector(ev, second, grid, (struct emit){filter_by_marks, &s});
}

int eval_binary(struct eval *ev, const struct expr *expr, const struct grid *grid, struct emit out)
{
    if (op_is_set(expr->binary.op)) {
        return eval_set(ev, expr, grid, out);
    }
    if (expr->binary.lhs->type == VALUE_SCALAR || expr->binary.rhs->type == VALUE_SCALAR) {
        return eval_with_scalar(ev, expr, grid, out);
    }
    return eval_match(ev, expr, grid, out);
}
