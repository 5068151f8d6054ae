/* Types, bottom up, with Prometheus' texts where it has one. */
#include "src/query/ast.h"
#include "src/query/function.h"

static int fail(const struct expr *at, struct error *err, const char *fmt, ...) PRINTF_LIKE(3, 4);
static int fail(const struct expr *at, struct error *err, const char *fmt, ...)
{
    char text[sizeof(err->text)];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    return error_set_at(err, ERR_TYPE, at->line, at->column, "%s", text);
}

static int expect(const struct expr *e, enum value_type type, const char *where, struct error *err)
{
    return e->type == type
               ? 0
               : fail(e, err, "expected type %s in %s, got %s", value_type_text(type), where, value_type_text(e->type));
}

/* A selector that would select everything is refused. */
static int check_selector(const struct expr *e, struct error *err)
{
    return e->selector.selective ? 0
                                 : error_set_at(err, ERR_PARSE, e->line, e->column,
                                                "vector selector must contain at least one non-empty matcher");
}

/* The second argument of info(): matchers alone, which may match everything. */
static int check_label_matchers(struct expr *e, const struct function *f, struct error *err)
{
    if (e->kind != EXPR_SELECTOR || e->shift.has_offset || e->shift.at != AT_NONE || e->extent) {
        return fail(e, err, "expected label matchers like {version=~\".+\"} in call to function \"%s\", got %s",
                    f->name, e->kind == EXPR_SELECTOR ? "a selector with a modifier" : "another expression");
    }
    e->type = VALUE_VECTOR;
    return e->selector.name.len ? fail(e, err, "expected label selectors only, got vector selector instead") : 0;
}

static int check_call(struct expr *e, struct error *err)
{
    const struct function *f = e->call.function;
    struct function_arity arity = function_arity(f);
    size_t n = e->call.arg_count;
    if (n < arity.required || n > arity.max) {
        const char *bound = arity.required == arity.max ? "" : n < arity.required ? "at least " : "at most ";
        size_t count = n < arity.required ? arity.required : arity.max;
        return fail(e, err, "expected %s%zu argument(s) in call to \"%s\", got %zu: %s", bound, count, f->name, n,
                    f->signature);
    }
    char where[80];
    snprintf(where, sizeof(where), "call to function \"%s\"", f->name);
    for (size_t i = 0; i < n; i++) {
        bool matchers = i < arity.type_count && (arity.matchers >> i & 1);
        int rc = matchers ? check_label_matchers(e->call.args[i], f, err) : expr_check(e->call.args[i], err);
        size_t at = i < arity.type_count ? i : arity.type_count - 1;
        rc = rc < 0 ? rc : expect(e->call.args[i], arity.types[at], where, err);
        if (rc < 0) {
            return rc;
        }
    }
    e->type = f->result;
    return 0;
}

static int check_aggregate(struct expr *e, struct error *err)
{
    const struct aggregation *info = aggregation_info(e->aggregate.op);
    int rc = e->aggregate.param ? expr_check(e->aggregate.param, err) : 0;
    rc = rc < 0 ? rc : expr_check(e->aggregate.expr, err);
    if (rc == 0 && e->aggregate.param) {
        rc = expect(e->aggregate.param, info->param == 's' ? VALUE_SCALAR : VALUE_STRING, "aggregation parameter", err);
    }
    rc = rc < 0 ? rc : expect(e->aggregate.expr, VALUE_VECTOR, "aggregation expression", err);
    e->type = VALUE_VECTOR;
    return rc;
}

static int check_binary(struct expr *e, struct error *err)
{
    struct expr *lhs = e->binary.lhs, *rhs = e->binary.rhs;
    int rc = expr_check(lhs, err);
    rc = rc < 0 ? rc : expr_check(rhs, err);
    if (rc < 0) {
        return rc;
    }
    struct expr *sides[] = {lhs, rhs};
    for (int i = 0; i < 2; i++) {
        if (sides[i]->type != VALUE_SCALAR && sides[i]->type != VALUE_VECTOR) {
            return fail(sides[i], err,
                        "binary expression must contain only scalar and instant vector types, got %s on the %s",
                        value_type_text(sides[i]->type), i ? "right" : "left");
        }
    }
    enum binary_op op = e->binary.op;
    bool scalars = lhs->type == VALUE_SCALAR && rhs->type == VALUE_SCALAR;
    bool any_scalar = lhs->type == VALUE_SCALAR || rhs->type == VALUE_SCALAR;
    struct expr at = *e; /* these are about the operator, not about the left side */
    at.line = e->binary.op_line;
    at.column = e->binary.op_column;
    if (any_scalar && op_is_set(op)) {
        return fail(&at, err, "set operator \"%s\" not allowed in binary scalar expression", op_text(op));
    }
    if (scalars && op_is_comparison(op) && !e->binary.return_bool) {
        return fail(&at, err, "comparisons between scalars must use BOOL modifier: %s bool", op_text(op));
    }
    if (any_scalar && (e->binary.matching.fill_left.given || e->binary.matching.fill_right.given)) {
        return fail(&at, err, "filling in missing series only allowed between instant vectors");
    }
    if (any_scalar && e->binary.matching.names.n) {
        return fail(&at, err, "vector matching only allowed between instant vectors");
    }
    if (any_scalar) { /* on () says nothing */
        e->binary.matching = (struct vector_matching){0};
    }
    e->type = scalars ? VALUE_SCALAR : VALUE_VECTOR;
    return 0;
}

int expr_check(struct expr *e, struct error *err)
{
    int rc = 0;
    switch (e->kind) {
    case EXPR_NUMBER:
        e->type = VALUE_SCALAR;
        return 0;
    case EXPR_STRING:
        e->type = VALUE_STRING;
        return 0;
    case EXPR_SELECTOR:
        e->type = VALUE_VECTOR;
        return check_selector(e, err);
    case EXPR_RANGE:
        e->type = VALUE_MATRIX;
        return expr_check(e->range.expr, err);
    case EXPR_SUBQUERY:
        e->type = VALUE_MATRIX;
        rc = expr_check(e->range.expr, err);
        return rc == 0 && e->range.expr->type != VALUE_VECTOR
                   ? fail(e->range.expr, err, "subquery is only allowed on instant vector, got %s instead",
                          value_type_text(e->range.expr->type))
                   : rc;
    case EXPR_CALL:
        return check_call(e, err);
    case EXPR_AGGREGATE:
        return check_aggregate(e, err);
    case EXPR_BINARY:
        return check_binary(e, err);
    case EXPR_UNARY:
        rc = expr_check(e->unary.expr, err);
        e->type = e->unary.expr->type;
        return rc == 0 && e->type != VALUE_SCALAR && e->type != VALUE_VECTOR
                   ? fail(e, err,
                          "unary expression only allowed on expressions of type scalar or instant vector, got \"%s\"",
                          value_type_text(e->type))
                   : rc;
    case EXPR_PAREN:
        rc = expr_check(e->paren, err);
        e->type = e->paren->type;
        return rc;
    }
    return rc;
}
