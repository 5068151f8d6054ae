#include "src/query/ast.h"

const char *op_text(enum binary_op op)
{
    static const char *const texts[OP_COUNT] = {
        "+", "-", "*", "/", "%", "^", "atan2", "==", "!=", ">", "<", ">=", "<=", "and", "or", "unless"};
    return texts[op];
}

const char *value_type_name(enum value_type type)
{
    static const char *const names[] = {"scalar", "string", "vector", "matrix"};
    return names[type];
}

const char *value_type_text(enum value_type type)
{
    static const char *const names[] = {"scalar", "string", "instant vector", "range vector"};
    return names[type];
}

enum value_type expr_type(const struct expr *expr)
{
    return expr->type;
}

const struct expr *expr_child(const struct expr *expr, size_t i)
{
    switch (expr->kind) {
    case EXPR_NUMBER:
    case EXPR_STRING:
    case EXPR_SELECTOR:
        break;
    case EXPR_RANGE:
    case EXPR_SUBQUERY:
        return i == 0 ? expr->range.expr : NULL;
    case EXPR_CALL:
        return i < expr->call.arg_count ? expr->call.args[i] : NULL;
    case EXPR_AGGREGATE:
        if (!expr->aggregate.param) {
            i++;
        }
        return i == 0 ? expr->aggregate.param : i == 1 ? expr->aggregate.expr : NULL;
    case EXPR_BINARY:
        return i == 0 ? expr->binary.lhs : i == 1 ? expr->binary.rhs : NULL;
    case EXPR_UNARY:
        return i == 0 ? expr->unary.expr : NULL;
    case EXPR_PAREN:
        return i == 0 ? expr->paren : NULL;
    }
    return NULL;
}

void matchers_release(struct matcher *matchers, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        matcher_release(&matchers[i]);
    }
}

void expr_release(struct expr *expr)
{
    if (!expr) {
        return;
    }
    switch (expr->kind) {
    case EXPR_NUMBER:
    case EXPR_STRING:
        break;
    case EXPR_SELECTOR:
        matchers_release(expr->selector.matchers, expr->selector.matcher_count);
        break;
    case EXPR_RANGE:
    case EXPR_SUBQUERY:
        expr_release(expr->range.expr);
        break;
    case EXPR_CALL:
        for (size_t i = 0; i < expr->call.arg_count; i++) {
            expr_release(expr->call.args[i]);
        }
        break;
    case EXPR_AGGREGATE:
        expr_release(expr->aggregate.param);
        expr_release(expr->aggregate.expr);
        break;
    case EXPR_BINARY:
        expr_release(expr->binary.lhs);
        expr_release(expr->binary.rhs);
        break;
    case EXPR_UNARY:
        expr_release(expr->unary.expr);
        break;
    case EXPR_PAREN:
        expr_release(expr->paren);
        break;
    }
}
