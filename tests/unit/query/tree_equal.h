/* Whether two trees say the same: everything but places in the text, and what only a run of the parser knows. */
#pragma once
#include "src/query/ast.h"
#include "src/query/function.h"

static inline bool tree_equal(const struct expr *a, const struct expr *b);

static inline bool tree_equal_or_absent(const struct expr *a, const struct expr *b)
{
    return a && b ? tree_equal(a, b) : a == b;
}

static inline bool tree_same_number(double a, double b)
{
    return memcmp(&a, &b, sizeof(a)) == 0 || (a != a && b != b);
}

static inline bool tree_same_duration(const struct duration_expr *a, const struct duration_expr *b)
{
    if (!a || !b) {
        return a == b;
    }
    return a->op == b->op && a->varies == b->varies && a->depth == b->depth && a->has_unit == b->has_unit &&
           tree_same_number(a->seconds, b->seconds) && tree_same_duration(a->lhs, b->lhs) &&
           tree_same_duration(a->rhs, b->rhs);
}

static inline bool tree_same_shift(const struct time_shift *a, const struct time_shift *b)
{
    return tree_same_duration(a->offset, b->offset) && a->offset_ms == b->offset_ms && a->at == b->at &&
           a->at_ms == b->at_ms;
}

static inline bool tree_same_names(struct name_list a, struct name_list b)
{
    bool same = a.n == b.n;
    for (size_t i = 0; same && i < a.n; i++) {
        same = str_eq(a.v[i], b.v[i]);
    }
    return same;
}

/* In any order: they are printed sorted, and a quoted name as a matcher of __name__. */
static inline bool tree_has_matcher(const struct expr *e, const struct matcher *m)
{
    for (size_t i = 0; i < e->selector.matcher_count; i++) {
        const struct matcher *x = &e->selector.matchers[i];
        if (x->op == m->op && str_eq(x->name, m->name) && str_eq(x->value, m->value)) {
            return true;
        }
    }
    return false;
}

static inline bool tree_same_selector(const struct expr *a, const struct expr *b)
{
    bool same =
        a->selector.matcher_count == b->selector.matcher_count && a->selector.selective == b->selector.selective;
    for (size_t i = 0; same && i < a->selector.matcher_count; i++) {
        same = tree_has_matcher(b, &a->selector.matchers[i]) && tree_has_matcher(a, &b->selector.matchers[i]);
    }
    return same;
}

static inline bool tree_same_call(const struct expr *a, const struct expr *b)
{
    bool same = a->call.function == b->call.function && a->call.arg_count == b->call.arg_count;
    for (size_t i = 0; same && i < a->call.arg_count; i++) {
        same = tree_equal(a->call.args[i], b->call.args[i]);
    }
    return same;
}

static inline bool tree_same_fill(const struct fill_value *a, const struct fill_value *b)
{
    return a->given == b->given && tree_same_number(a->value, b->value);
}

static inline bool tree_same_binary(const struct expr *a, const struct expr *b)
{
    const struct vector_matching *x = &a->binary.matching, *y = &b->binary.matching;
    return a->binary.op == b->binary.op && a->binary.return_bool == b->binary.return_bool && x->on == y->on &&
           x->card == y->card && tree_same_names(x->names, y->names) && tree_same_names(x->include, y->include) &&
           tree_same_fill(&x->fill_left, &y->fill_left) && tree_same_fill(&x->fill_right, &y->fill_right) &&
           tree_equal(a->binary.lhs, b->binary.lhs) && tree_equal(a->binary.rhs, b->binary.rhs);
}

static inline bool tree_equal(const struct expr *a, const struct expr *b)
{
    if (a->kind != b->kind || a->type != b->type || a->depth != b->depth || a->varies != b->varies ||
        a->extent != b->extent || !tree_same_shift(&a->shift, &b->shift)) {
        return false;
    }
    switch (a->kind) {
    case EXPR_NUMBER:
        return a->number.duration == b->number.duration && tree_same_number(a->number.value, b->number.value);
    case EXPR_STRING:
        return str_eq(a->string, b->string);
    case EXPR_SELECTOR:
        return tree_same_selector(a, b);
    case EXPR_RANGE:
    case EXPR_SUBQUERY:
        return a->range.range_ms == b->range.range_ms && a->range.step_ms == b->range.step_ms &&
               tree_same_duration(a->range.range, b->range.range) && tree_same_duration(a->range.step, b->range.step) &&
               tree_equal(a->range.expr, b->range.expr);
    case EXPR_CALL:
        return tree_same_call(a, b);
    case EXPR_AGGREGATE: /* "by ()" says nothing */
        return a->aggregate.op == b->aggregate.op && a->aggregate.without == b->aggregate.without &&
               tree_same_names(a->aggregate.names, b->aggregate.names) &&
               tree_equal_or_absent(a->aggregate.param, b->aggregate.param) &&
               tree_equal(a->aggregate.expr, b->aggregate.expr);
    case EXPR_BINARY:
        return tree_same_binary(a, b);
    case EXPR_UNARY:
        return a->unary.negate == b->unary.negate && tree_equal(a->unary.expr, b->unary.expr);
    case EXPR_PAREN:
        return tree_equal(a->paren, b->paren);
    }
    return false;
}

/* Prints the tree, parses that, compares, prints again: fails with the texts unless all is the same. Returns the
 * printed text in the arena. */
static inline struct str tree_round_trip(const struct expr *expr, struct str text, struct arena *arena)
{
    auto_buf once, twice;
    buf_init(&once, 1 << 24);
    buf_init(&twice, 1 << 24);
    struct expr *again = NULL;
    struct error err = {0};
    expr_print(expr, &once);
    if (query_parse(buf_str(&once), arena, &again, &err) < 0) {
        fail_msg(STR_FMT "\nis printed as " STR_FMT "\nwhich does not parse: %d:%d %s", STR_ARG(text),
                 STR_ARG(buf_str(&once)), err.line, err.column, err.text);
    }
    expr_print(again, &twice);
    if (!tree_equal(expr, again) || !str_eq(buf_str(&once), buf_str(&twice))) {
        fail_msg(STR_FMT "\nis printed as " STR_FMT "\nwhich is another tree: " STR_FMT, STR_ARG(text),
                 STR_ARG(buf_str(&once)), STR_ARG(buf_str(&twice)));
    }
    expr_release(again);
    return arena_dup(arena, buf_str(&once));
}
