/*
 * Trees to text over several lines. Source of the shape: Prometheus' promql/parser/prettier.go, for behaviour only: a
 * node is split only if its text is too long, a binary expression with its operator at the outer indent.
 */
#include "src/query/ast.h"
#include "src/query/function.h"

#define LINE_MAX_BYTES 100

static void pretty(const struct expr *e, int level, struct buf *out);

static void indent(int level, struct buf *out)
{
    for (int i = 0; i < level; i++) {
        buf_add(out, STR("  "));
    }
}

/* What does not fit the buffer fails it: no more is written. */
static bool is_long(const struct expr *e)
{
    auto_buf text;
    buf_init(&text, LINE_MAX_BYTES);
    expr_print(e, &text);
    return text.failed;
}

/* "(", the parts a line each, ")" */
static void pretty_parts(struct expr *const *parts, size_t n, int level, struct buf *out)
{
    buf_add(out, STR("(\n"));
    for (size_t i = 0; i < n; i++) {
        buf_add(out, i ? STR(",\n") : STR(""));
        pretty(parts[i], level + 1, out);
    }
    buf_add_char(out, '\n');
    indent(level, out);
    buf_add_char(out, ')');
}

static void pretty_binary(const struct expr *e, int level, struct buf *out)
{
    if (e->binary.lhs->kind == EXPR_NUMBER) {
        indent(level + 1, out);
        expr_print_left(e, out);
    } else {
        pretty(e->binary.lhs, level + 1, out);
    }
    buf_add_char(out, '\n');
    indent(level, out);
    expr_print_operator(e, out);
    buf_add_char(out, '\n');
    pretty(e->binary.rhs, level + 1, out);
}

static void pretty_aggregate(const struct expr *e, int level, struct buf *out)
{
    struct expr *parts[] = {e->aggregate.param, e->aggregate.expr};
    size_t first = e->aggregate.param ? 0 : 1;
    indent(level, out);
    expr_print_aggregation(e, out);
    pretty_parts(parts + first, 2 - first, level, out);
}

/* The sign stands before what it belongs to, whose indent goes. */
static void pretty_unary(const struct expr *e, int level, struct buf *out)
{
    auto_buf inner;
    buf_init(&inner, out->max);
    pretty(e->unary.expr, level, &inner);
    indent(level, out);
    buf_add_char(out, e->unary.negate ? '-' : '+');
    buf_add(out, str_trim(buf_str(&inner)));
}

static void pretty_split(const struct expr *e, int level, struct buf *out)
{
    switch (e->kind) {
    case EXPR_SUBQUERY:
        pretty(e->range.expr, level, out);
        expr_print_range(e, out);
        return;
    case EXPR_CALL:
        indent(level, out);
        buf_add(out, str_of(e->call.function->name));
        pretty_parts(e->call.args, e->call.arg_count, level, out);
        return;
    case EXPR_AGGREGATE:
        pretty_aggregate(e, level, out);
        return;
    case EXPR_BINARY:
        pretty_binary(e, level, out);
        return;
    case EXPR_UNARY:
        pretty_unary(e, level, out);
        return;
    case EXPR_PAREN:
        indent(level, out);
        pretty_parts(&e->paren, 1, level, out);
        return;
    case EXPR_NUMBER:
    case EXPR_STRING:
    case EXPR_SELECTOR:
    case EXPR_RANGE:
        indent(level, out);
        expr_print(e, out);
        return;
    }
}

static void pretty(const struct expr *e, int level, struct buf *out)
{
    if (is_long(e)) {
        pretty_split(e, level, out);
        return;
    }
    indent(e->kind == EXPR_SUBQUERY ? 0 : level, out); /* Prometheus forgets it there */
    expr_print(e, out);
}

void expr_pretty(const struct expr *e, struct buf *out)
{
    pretty(e, 0, out);
}
