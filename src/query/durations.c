/*
 * The values of duration expressions, and trees with those values in place.
 *
 * What varies with the query is resolved once, before it runs, into a copy of the nodes above it: trees are shared by
 * threads. Source of the arithmetic: Prometheus' promql/durations.go, for behaviour only.
 */
#include "src/query/ast.h"

#include <math.h>

#define DURATION_MAX_MS ((double)(INT64_MAX / 1000000)) /* 292 years, as one with units (lex.c) */

const char *duration_op_text(enum duration_op op)
{
    static const char *const texts[] = {
        [DURATION_NUMBER] = "",       [DURATION_STEP] = "step",     [DURATION_RANGE] = "range",
        [DURATION_MIN_OF] = "min_of", [DURATION_MAX_OF] = "max_of", [DURATION_MINUS] = "-",
        [DURATION_PAREN] = "+",       [DURATION_ADD] = "+",         [DURATION_SUB] = "-",
        [DURATION_MUL] = "*",         [DURATION_DIV] = "/",         [DURATION_MOD] = "%",
        [DURATION_POW] = "^"};
    return texts[op];
}

struct duration_scope duration_scope_of(int64_t start_ms, int64_t end_ms, int64_t step_ms)
{
    return (struct duration_scope){.step = (double)step_ms / 1000, .range = ((double)end_ms - (double)start_ms) / 1000};
}

static int fail(const struct duration_expr *at, const char *text, struct error *err)
{
    return error_set_at(err, ERR_PARSE, at->line, at->column, "%s", text);
}

static int evaluate(const struct duration_expr *d, struct duration_scope scope, double *out, struct error *err)
{
    double a = 0, b = 0;
    int rc = d->lhs ? evaluate(d->lhs, scope, &a, err) : 0;
    rc = rc == 0 && d->rhs ? evaluate(d->rhs, scope, &b, err) : rc;
    if (rc < 0) {
        return rc;
    }
    switch (d->op) {
    case DURATION_NUMBER:
        *out = d->seconds;
        return 0;
    case DURATION_STEP:
        *out = scope.step;
        return 0;
    case DURATION_RANGE:
        *out = scope.range;
        return 0;
    case DURATION_MIN_OF:
        *out = a < b || isnan(a) ? a : b;
        return 0;
    case DURATION_MAX_OF:
        *out = a > b || isnan(a) ? a : b;
        return 0;
    case DURATION_MINUS:
        *out = -b;
        return 0;
    case DURATION_PAREN:
        *out = b;
        return 0;
    case DURATION_ADD:
        *out = a + b;
        return 0;
    case DURATION_SUB:
        *out = a - b;
        return 0;
    case DURATION_MUL:
        *out = a * b;
        return 0;
    case DURATION_DIV:
        *out = a / b;
        return b == 0 ? fail(d, "division by zero", err) : 0;
    case DURATION_MOD:
        *out = fmod(a, b);
        return b == 0 ? fail(d, "modulo by zero", err) : 0;
    case DURATION_POW:
        *out = pow(a, b);
        return 0;
    }
    return 0;
}

/* Where its text begins. */
static const struct duration_expr *first_of(const struct duration_expr *d)
{
    while (duration_op_is_infix(d->op)) {
        d = d->lhs;
    }
    return d;
}

int duration_value(const struct duration_expr *d, struct duration_scope scope, bool positive, int64_t *ms,
                   struct error *err)
{
    double seconds = 0;
    int rc = evaluate(d, scope, &seconds, err);
    if (rc < 0) {
        return rc;
    }
    double value_ms = trunc(seconds * 1000);
    if (!(fabs(value_ms) < DURATION_MAX_MS)) {
        return fail(first_of(d), "duration is out of range", err);
    }
    if (positive && value_ms <= 0) {
        char text[200];
        snprintf(text, sizeof(text),
                 d->varies && scope.step == 0
                     ? "duration must be greater than 0, it is %.15gs here (step() and range() are 0 in an "
                       "instant query, and so in a rule)"
                     : "duration must be greater than 0, it is %.15gs",
                 seconds);
        return fail(first_of(d), text, err);
    }
    *ms = (int64_t)value_ms;
    return 0;
}

/* ---- trees ---- */

struct resolving {
    struct duration_scope scope;
    struct arena *arena;
    struct error *err;
};

static int resolve(const struct resolving *r, const struct expr *e, struct expr **out);

/* The child of a copied node. */
static int resolve_child(const struct resolving *r, struct expr **child)
{
    return *child && (*child)->varies ? resolve(r, *child, child) : 0;
}

static int set(const struct resolving *r, const struct duration_expr **d, bool positive, int64_t *ms)
{
    int rc = *d ? duration_value(*d, r->scope, positive, ms, r->err) : 0;
    *d = NULL;
    return rc;
}

static int resolve_range(const struct resolving *r, struct expr *e)
{
    int rc = set(r, &e->range.range, true, &e->range.range_ms);
    rc = rc < 0 ? rc : set(r, &e->range.step, true, &e->range.step_ms);
    return rc < 0 ? rc : resolve_child(r, &e->range.expr);
}

static int resolve_call(const struct resolving *r, struct expr *e)
{
    struct expr **args = arena_array(r->arena, struct expr *, e->call.arg_count + 1);
    int rc = 0;
    for (size_t i = 0; i < e->call.arg_count && rc == 0; i++) {
        args[i] = e->call.args[i];
        rc = resolve_child(r, &args[i]);
    }
    e->call.args = args;
    return rc;
}

static int resolve(const struct resolving *r, const struct expr *e, struct expr **out)
{
    struct expr *copy = arena_new(r->arena, struct expr);
    *copy = *e;
    copy->varies = false;
    int rc = set(r, &copy->shift.offset, false, &copy->shift.offset_ms);
    *out = copy;
    if (rc < 0) {
        return rc;
    }
    switch (e->kind) {
    case EXPR_NUMBER:
    case EXPR_STRING:
    case EXPR_SELECTOR:
        return 0;
    case EXPR_RANGE:
    case EXPR_SUBQUERY:
        return resolve_range(r, copy);
    case EXPR_CALL:
        return resolve_call(r, copy);
    case EXPR_AGGREGATE:
        rc = resolve_child(r, &copy->aggregate.param);
        return rc < 0 ? rc : resolve_child(r, &copy->aggregate.expr);
    case EXPR_BINARY:
        rc = resolve_child(r, &copy->binary.lhs);
        return rc < 0 ? rc : resolve_child(r, &copy->binary.rhs);
    case EXPR_UNARY:
        return resolve_child(r, &copy->unary.expr);
    case EXPR_PAREN:
        return resolve_child(r, &copy->paren);
    }
    return 0;
}

int expr_resolve(const struct expr *expr, struct duration_scope scope, struct arena *arena, const struct expr **out,
                 struct error *err)
{
    *out = expr;
    if (!expr->varies) {
        return 0;
    }
    struct error why = {0};
    struct expr *resolved;
    struct resolving r = {scope, arena, &why};
    int rc = resolve(&r, expr, &resolved);
    *out = resolved;
    return rc < 0 ? error_set_at(err, rc, why.line, why.column, "%d:%d: %s", why.line, why.column, why.text) : 0;
}
