/* Conditions from outside the text, put into the tree: no quoting, and no place that a text could break out of. */
#include "src/query/ast.h"
#include "src/query/function.h"

struct restriction {
    const struct query_filter *filters;
    size_t n;
    struct arena *arena;
    struct error *err;
};

/* The count grows with each matcher, so that expr_release() frees what is there when one fails. */
static int restrict_selector(struct expr *e, const struct restriction *with)
{
    size_t had = e->selector.matcher_count;
    struct matcher *all = arena_array(with->arena, struct matcher, had + with->n);
    if (had) {
        memcpy(all, e->selector.matchers, had * sizeof(*all));
    }
    e->selector.matchers = all;
    for (size_t i = 0; i < with->n; i++) {
        const struct query_filter *f = &with->filters[i];
        int rc = matcher_init(&all[had + i], f->op, f->name, f->value, with->err);
        if (rc) {
            return rc;
        }
        e->selector.matcher_count++;
    }
    return 0;
}

static int visit(struct expr *e, const struct restriction *with);

/* The second argument of info() is no selector of samples but of labels to add. */
static int visit_call(struct expr *e, const struct restriction *with)
{
    size_t n = strcmp(e->call.function->name, "info") == 0 ? 1 : e->call.arg_count;
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0; i++) {
        rc = visit(e->call.args[i], with);
    }
    return rc;
}

static int visit(struct expr *e, const struct restriction *with)
{
    int rc = 0;
    switch (e->kind) {
    case EXPR_NUMBER:
    case EXPR_STRING:
        return 0;
    case EXPR_SELECTOR:
        return restrict_selector(e, with);
    case EXPR_RANGE:
    case EXPR_SUBQUERY:
        return visit(e->range.expr, with);
    case EXPR_CALL:
        return visit_call(e, with);
    case EXPR_AGGREGATE:
        rc = e->aggregate.param ? visit(e->aggregate.param, with) : 0;
        return rc ? rc : visit(e->aggregate.expr, with);
    case EXPR_BINARY:
        rc = visit(e->binary.lhs, with);
        return rc ? rc : visit(e->binary.rhs, with);
    case EXPR_UNARY:
        return visit(e->unary.expr, with);
    case EXPR_PAREN:
        return visit(e->paren, with);
    }
    return rc;
}

int query_restrict(struct expr *expr, const struct query_filter *filters, size_t n, struct arena *arena,
                   struct error *err)
{
    struct restriction with = {.filters = filters, .n = n, .arena = arena, .err = err};
    return n ? visit(expr, &with) : 0;
}

bool query_is_metric(const struct expr *expr, struct str *name)
{
    *name = expr->kind == EXPR_SELECTOR ? expr->selector.name : (struct str){0};
    return name->len > 0 && expr->selector.matcher_count == 1 && expr->shift.at == AT_NONE && !expr->shift.has_offset;
}
