/* How far ahead of a step an expression looks. */
#include "src/query/impl.h"

#define FAR_MS ((int64_t)1 << 52)

/* Where an expression is evaluated: so much after the step, or at a fixed time. */
struct place {
    bool fixed;
    int64_t ms;
};

static int64_t clamp(int64_t ms)
{
    return ms > FAR_MS ? FAR_MS : ms < -FAR_MS ? -FAR_MS : ms;
}

static struct place shifted(struct place place, const struct time_shift *shift, struct expr_reach *out)
{
    if (shift->at == AT_START || shift->at == AT_END) {
        out->whole_range = true;
    } else if (shift->at == AT_TIME) {
        place = (struct place){true, clamp(shift->at_ms)};
    }
    place.ms = clamp(place.ms - clamp(shift->offset_ms));
    return place;
}

static void add(struct expr_reach *out, struct place place)
{
    int64_t *to = place.fixed ? &out->fixed_ms : &out->forward_ms;
    *to = place.ms > *to ? place.ms : *to;
}

/* info() reads series that it does not name, until the step at most. */
static bool reads_info_series(const struct function *function)
{
    return function->kind == FUNCTION_STREAM && function->stream == stream_info;
}

static bool is_bound_of_query(const struct function *function)
{
    return function->kind == FUNCTION_SCALAR &&
           (function->scalar == scalar_start || function->scalar == scalar_end || function->scalar == scalar_range);
}

static void visit(const struct expr *expr, struct place place, struct expr_reach *out)
{
    if (!expr) {
        return;
    }
    switch (expr->kind) {
    case EXPR_NUMBER:
    case EXPR_STRING:
        break;
    case EXPR_SELECTOR:
    case EXPR_RANGE: /* has a copy of its selector's shift */
        /* it looks ahead as far as the lookback, which is no part of the expression: as if it was any far */
        out->whole_range = out->whole_range || expr->extent == EXTENT_SMOOTHED;
        add(out, shifted(place, &expr->shift, out));
        break;
    case EXPR_SUBQUERY:
        visit(expr->range.expr, shifted(place, &expr->shift, out), out);
        break;
    case EXPR_CALL:
        if (reads_info_series(expr->call.function)) {
            add(out, place);
        }
        out->whole_range = out->whole_range || is_bound_of_query(expr->call.function);
        for (size_t i = 0; i < expr->call.arg_count; i++) {
            visit(expr->call.args[i], place, out);
        }
        break;
    case EXPR_AGGREGATE:
        visit(expr->aggregate.param, place, out);
        visit(expr->aggregate.expr, place, out);
        break;
    case EXPR_BINARY:
        visit(expr->binary.lhs, place, out);
        visit(expr->binary.rhs, place, out);
        break;
    case EXPR_UNARY:
        visit(expr->unary.expr, place, out);
        break;
    case EXPR_PAREN:
        visit(expr->paren, place, out);
        break;
    }
}

struct expr_reach expr_reach(const struct expr *expr)
{
    struct expr_reach out = {.forward_ms = -FAR_MS, .fixed_ms = INT64_MIN};
    visit(expr, (struct place){0}, &out);
    return out;
}
