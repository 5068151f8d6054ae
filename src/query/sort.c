/*
 * sort, sort_desc, sort_by_label, sort_by_label_desc: order matters only in instant queries; all operators above keep
 * the order of what streams through them, and result.c leaves it alone then.
 */
#include "src/query/impl.h"
#include "src/query/labelset.h"

struct sortable {
    struct labels labels;
    bool drop_name;
    double v;
    size_t position;
};
struct sorting {
    struct eval *ev;
    struct sortable *v;
    size_t n, cap;
};

static int collect(void *ctx, struct column *column)
{
    struct sorting *s = ctx;
    arena_grow(s->ev->arena, s->v, s->n, s->cap);
    s->v[s->n] = (struct sortable){column->labels, column->drop_name, column->v[0], s->n};
    s->n++;
    return eval_check(s->ev, 1);
}

struct order {
    const struct expr *call;
    bool descending, by_label;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "node2" before "node10": runs of digits compare as numbers. */
static int natural_cmp(struct str a, struct str b)
{
    size_t i = 0, j = 0;
    while (i < a.len && j < b.len) {
        if (!is_digit(a.p[i]) || !is_digit(b.p[j])) {
            if (a.p[i] != b.p[j]) {
                return (unsigned char)a.p[i] < (unsigned char)b.p[j] ? -1 : 1;
            }
            i++;
            j++;
            continue;
        }
        for (; i < a.len && a.p[i] == '0'; i++) {
        }
        for (; j < b.len && b.p[j] == '0'; j++) {
        }
        size_t from_a = i, from_b = j;
        for (; i < a.len && is_digit(a.p[i]); i++) {
        }
        for (; j < b.len && is_digit(b.p[j]); j++) {
        }
        struct str x = str_slice(a, from_a, i), y = str_slice(b, from_b, j);
        int c = x.len != y.len ? (x.len < y.len ? -1 : 1) : str_cmp(x, y);
        if (c) {
            return c;
        }
    }
    return (i < a.len) - (j < b.len);
}

static int sortable_cmp(const void *a, const void *b, void *ctx)
{
    const struct sortable *x = a, *y = b;
    const struct order *order = ctx;
    int c = 0;
    if (!order->by_label) {
        if (isnan(x->v) || isnan(y->v)) { /* last, whatever the direction */
            c = (isnan(x->v) != 0) - (isnan(y->v) != 0);
            return c ? c : (x->position > y->position) - (x->position < y->position);
        }
        c = (x->v > y->v) - (x->v < y->v);
    }
    for (size_t i = 1; !c && order->by_label && i < order->call->call.arg_count; i++) {
        struct str name = eval_string(order->call->call.args[i]);
        c = natural_cmp(labels_get(x->labels, name), labels_get(y->labels, name));
    }
    c = c || !order->by_label ? c : labels_cmp(x->labels, y->labels);
    c = order->descending ? -c : c;
    return c ? c : (x->position > y->position) - (x->position < y->position);
}

int stream_sort(struct eval *ev, const struct expr *call, const struct grid *grid, struct emit out)
{
    if (ev->range_query) {
        eval_warn(ev, call, "sort is ineffective for range queries since results are always ordered by labels");
    }
    if (grid->n != 1) {
        return eval_vector(ev, call->call.args[0], grid, out);
    }
    struct sorting s = {.ev = ev};
    int rc = eval_vector(ev, call->call.args[0], grid, (struct emit){collect, &s});
    struct str name = str_of(call->call.function->name);
    struct order order = {
        .call = call, .descending = str_ends(name, STR("_desc")), .by_label = str_starts(name, STR("sort_by_label"))};
    if (rc == 0 && s.n) {
        qsort_r(s.v, s.n, sizeof(*s.v), sortable_cmp, &order);
    }
    for (size_t i = 0; rc == 0 && i < s.n; i++) {
        struct column column = {.labels = s.v[i].labels, .drop_name = s.v[i].drop_name, .v = &s.v[i].v};
        rc = emit_column(out, &column);
    }
    return rc;
}
