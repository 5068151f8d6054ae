/*
 * Aggregations that fold each series into its group's cells as it streams by: memory is steps x groups.
 */
#include "src/query/aggregate.h"

void grouping_init(struct grouping *g, struct eval *ev, const struct expr *aggregate)
{
    *g = (struct grouping){.ev = ev,
                           .selection = {.names = aggregate->aggregate.names, .keep = !aggregate->aggregate.without}};
    group_table_init(&g->table, ev->arena);
}

uint32_t grouping_find(struct grouping *g, const struct column *column, bool *created)
{
    uint64_t hash = selection_hash(g->selection, column->labels);
    size_t at = 0;
    int64_t number;
    *created = false;
    while ((number = group_table_next(&g->table, hash, &at)) >= 0) {
        if (selection_equal(g->selection, column->labels, g->labels[number])) {
            g->drop_name[number] = g->drop_name[number] && column->drop_name;
            return (uint32_t)number;
        }
    }
    *created = true;
    arena_grow(g->ev->arena, g->labels, g->n, g->cap);
    arena_grow(g->ev->arena, g->drop_name, g->n, g->drop_cap);
    g->labels[g->n] = selection_labels(g->selection, column->labels, g->ev->arena);
    g->drop_name[g->n] = column->drop_name;
    g->n++;
    return group_table_add(&g->table, hash);
}

/* ---- cells: what a group keeps per step; all zero means that no series had a value there ---- */

struct sum_cell {
    double sum, c;
    bool any;
};
struct value_cell {
    double v;
    bool any;
};

static void fold_sum(void *cells, const double *v, size_t n)
{
    struct sum_cell *cell = cells;
    for (size_t i = 0; i < n; i++) {
        if (!is_absent(v[i])) {
            kahan_add(v[i], &cell[i].sum, &cell[i].c);
            cell[i].any = true;
        }
    }
}
static double value_sum(const void *cells, size_t i)
{
    const struct sum_cell *cell = (const struct sum_cell *)cells + i;
    return !cell->any ? absent() : isinf(cell->sum) ? cell->sum : cell->sum + cell->c;
}

static void fold_avg(void *cells, const double *v, size_t n)
{
    struct mean *cell = cells;
    for (size_t i = 0; i < n; i++) {
        if (!is_absent(v[i])) {
            mean_add(&cell[i], v[i]);
        }
    }
}
static double value_avg(const void *cells, size_t i)
{
    const struct mean *cell = (const struct mean *)cells + i;
    return cell->count > 0 ? mean_value(cell) : absent();
}

static void fold_min(void *cells, const double *v, size_t n)
{
    struct value_cell *cell = cells;
    for (size_t i = 0; i < n; i++) {
        if (!is_absent(v[i]) && (!cell[i].any || v[i] < cell[i].v || isnan(cell[i].v))) {
            cell[i] = (struct value_cell){v[i], true};
        }
    }
}
static void fold_max(void *cells, const double *v, size_t n)
{
    struct value_cell *cell = cells;
    for (size_t i = 0; i < n; i++) {
        if (!is_absent(v[i]) && (!cell[i].any || v[i] > cell[i].v || isnan(cell[i].v))) {
            cell[i] = (struct value_cell){v[i], true};
        }
    }
}
static void fold_count(void *cells, const double *v, size_t n)
{
    struct value_cell *cell = cells;
    for (size_t i = 0; i < n; i++) {
        if (!is_absent(v[i])) {
            cell[i] = (struct value_cell){cell[i].v + 1, true};
        }
    }
}
static void fold_group(void *cells, const double *v, size_t n)
{
    struct value_cell *cell = cells;
    for (size_t i = 0; i < n; i++) {
        if (!is_absent(v[i])) {
            cell[i] = (struct value_cell){1, true};
        }
    }
}
static double value_plain(const void *cells, size_t i)
{
    const struct value_cell *cell = (const struct value_cell *)cells + i;
    return cell->any ? cell->v : absent();
}

static void fold_variance(void *cells, const double *v, size_t n)
{
    struct variance *cell = cells;
    for (size_t i = 0; i < n; i++) {
        if (!is_absent(v[i])) {
            variance_add(&cell[i], v[i]);
        }
    }
}
static double value_stdvar(const void *cells, size_t i)
{
    const struct variance *cell = (const struct variance *)cells + i;
    return cell->count > 0 ? variance_value(cell) : absent();
}
static double value_stddev(const void *cells, size_t i)
{
    double v = value_stdvar(cells, i);
    return is_absent(v) ? v : sqrt(v);
}

struct fold {
    size_t cell_size;
    void (*add)(void *cells, const double *v, size_t n);
    double (*value)(const void *cells, size_t i);
};

static const struct fold folds[AGGR_COUNT_OF] = {
    [AGGR_SUM] = {sizeof(struct sum_cell), fold_sum, value_sum},
    [AGGR_AVG] = {sizeof(struct mean), fold_avg, value_avg},
    [AGGR_MIN] = {sizeof(struct value_cell), fold_min, value_plain},
    [AGGR_MAX] = {sizeof(struct value_cell), fold_max, value_plain},
    [AGGR_COUNT] = {sizeof(struct value_cell), fold_count, value_plain},
    [AGGR_GROUP] = {sizeof(struct value_cell), fold_group, value_plain},
    [AGGR_STDDEV] = {sizeof(struct variance), fold_variance, value_stddev},
    [AGGR_STDVAR] = {sizeof(struct variance), fold_variance, value_stdvar},
};

struct folding {
    struct eval *ev;
    const struct grid *grid;
    const struct fold *fold;
    struct grouping grouping;
    void **cells; /* by group number */
    size_t cell_cap;
};

static int fold_column(void *ctx, struct column *column)
{
    struct folding *f = ctx;
    bool created;
    uint32_t number = grouping_find(&f->grouping, column, &created);
    if (created) {
        arena_grow(f->ev->arena, f->cells, (size_t)number, f->cell_cap);
        f->cells[number] = arena_zalloc(f->ev->arena, f->grid->n * f->fold->cell_size);
    }
    f->fold->add(f->cells[number], column->v, f->grid->n);
    return eval_check(f->ev, created ? f->grid->n : 0);
}

static int aggregate_fold(struct eval *ev, const struct expr *expr, const struct grid *grid, struct emit out)
{
    struct folding f = {.ev = ev, .grid = grid, .fold = &folds[expr->aggregate.op]};
    grouping_init(&f.grouping, ev, expr);
    int rc = eval_vector(ev, expr->aggregate.expr, grid, (struct emit){fold_column, &f});
    double *v = column_new(ev, grid);
    for (size_t g = 0; rc == 0 && g < f.grouping.n; g++) {
        for (size_t i = 0; i < grid->n; i++) {
            v[i] = f.fold->value(f.cells[g], i);
        }
        rc = emit_column(
            out, &(struct column){.labels = f.grouping.labels[g], .drop_name = f.grouping.drop_name[g], .v = v});
    }
    return rc;
}

int eval_aggregate(struct eval *ev, const struct expr *expr, const struct grid *grid, struct emit out)
{
    switch (expr->aggregate.op) {
    case AGGR_TOPK:
    case AGGR_BOTTOMK:
    case AGGR_LIMITK:
        return aggregate_select(ev, expr, grid, out);
    case AGGR_LIMIT_RATIO:
        return aggregate_ratio(ev, expr, grid, out);
    case AGGR_QUANTILE:
        return aggregate_quantile(ev, expr, grid, out);
    case AGGR_COUNT_VALUES:
        return aggregate_count_values(ev, expr, grid, out);
    default:
        return aggregate_fold(ev, expr, grid, out);
    }
}
