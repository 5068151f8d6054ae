/* The two entry points, and how columns become a result. */
#include "src/base/clock.h"
#include "src/query/extended.h"
#include "src/query/impl.h"
#include "src/query/labelset.h"
#include "src/query/shared.h"
#include "src/query/step_stats.h"
#include "src/query/tiers.h"

struct collecting {
    struct eval *ev;
    const struct grid *grid;
    struct group_table table;
    struct result_series *v;
    size_t n, cap;
};

/* The points of one more run, ascending, of a series that may have some; a common time is an error. Takes the run. */
static int merge_points(struct collecting *c, struct result_series *series, struct point *more, size_t count)
{
    if (series->n == 0) {
        series->points = more;
        series->n = count;
        return 0;
    }
    struct point *merged = arena_alloc(c->ev->arena, (series->n + count) * sizeof(*merged));
    size_t n = 0, k = 0;
    for (size_t i = 0; i < count; i++) {
        while (k < series->n && series->points[k].t_ms < more[i].t_ms) {
            merged[n++] = series->points[k++];
        }
        if (k < series->n && series->points[k].t_ms == more[i].t_ms) {
            return eval_fail(c->ev, "vector cannot contain metrics with the same labelset");
        }
        merged[n++] = more[i];
    }
    while (k < series->n) {
        merged[n++] = series->points[k++];
    }
    series->points = merged;
    series->n = n;
    return 0;
}

/* Names fall off here, at the end: only then can two columns turn out to be one series. */
static int add_points(struct collecting *c, struct labels labels, bool drop_name, struct point *points, size_t n)
{
    static const struct str metric_name[] = {{"__name__", 8}};
    labels = drop_name ? labels_drop(labels, metric_name, 1, c->ev->arena) : labels;
    uint64_t hash = labels_hash(labels);
    size_t at = 0;
    int64_t number;
    while ((number = group_table_next(&c->table, hash, &at)) >= 0) {
        if (labels_eq(c->v[number].labels, labels)) {
            return merge_points(c, &c->v[number], points, n);
        }
    }
    group_table_add(&c->table, hash);
    arena_grow(c->ev->arena, c->v, c->n, c->cap);
    c->v[c->n++] = (struct result_series){labels_dup(labels, c->ev->arena), points, n};
    return 0;
}

static int collect(void *ctx, struct column *column)
{
    struct collecting *c = ctx;
    size_t count = 0;
    for (size_t i = 0; i < c->grid->n; i++) {
        count += !is_absent(column->v[i]);
    }
    if (!count) {
        return 0;
    }
    int rc = eval_check(c->ev, count);
    if (rc < 0) {
        return rc;
    }
    struct point *points = arena_alloc(c->ev->arena, count * sizeof(*points));
    size_t n = 0;
    for (size_t i = 0; n < count; i++) {
        if (!is_absent(column->v[i])) {
            points[n++] = (struct point){grid_ms(c->grid, i), column->v[i]};
        }
    }
    return add_points(c, column->labels, column->drop_name, points, n);
}

static int collect_samples(void *ctx, const struct samples *samples)
{
    struct collecting *c = ctx;
    int rc = eval_check(c->ev, samples->n);
    if (rc < 0) {
        return rc;
    }
    struct point *points = arena_alloc(c->ev->arena, samples->n * sizeof(*points));
    for (size_t i = 0; i < samples->n; i++) {
        points[i] = (struct point){samples->t_ms[i], samples->v[i]};
    }
    return add_points(c, samples->labels, samples->drop_name, points, samples->n);
}

static int series_cmp(const void *a, const void *b)
{
    return labels_cmp(((const struct result_series *)a)->labels, ((const struct result_series *)b)->labels);
}

/* Does the order in which series come mean something? Only where nothing above has mixed them. */
static bool ordered(const struct expr *expr)
{
    expr = expr_strip(expr);
    switch (expr->kind) {
    case EXPR_CALL:
        return expr->call.function->kind == FUNCTION_STREAM && expr->call.function->stream == stream_sort;
    case EXPR_AGGREGATE:
        return expr->aggregate.op == AGGR_TOPK || expr->aggregate.op == AGGR_BOTTOMK;
    case EXPR_UNARY:
        return ordered(expr->unary.expr);
    case EXPR_BINARY:
        return (expr->binary.rhs->type == VALUE_SCALAR && ordered(expr->binary.lhs)) ||
               (expr->binary.lhs->type == VALUE_SCALAR && ordered(expr->binary.rhs));
    default:
        return false;
    }
}

static const struct str *note_texts(struct eval *ev, const struct note *list, size_t n)
{
    struct str *texts = arena_array(ev->arena, struct str, n + 1);
    for (size_t i = 0; list; list = list->next) {
        texts[i++] = list->text;
    }
    return texts;
}

static int run_scalar(struct eval *ev, const struct expr *expr, const struct grid *grid, struct query_result *out)
{
    double *v = column_new(ev, grid);
    int rc = eval_scalar(ev, expr, grid, v);
    if (rc < 0) {
        return rc;
    }
    if (!ev->range_query) {
        out->type = VALUE_SCALAR;
        out->scalar = v[0];
        return 0;
    }
    struct result_series *series = arena_array(ev->arena, struct result_series, 1);
    series->points = arena_array(ev->arena, struct point, grid->n);
    for (size_t i = 0; i < grid->n; i++) {
        series->points[i] = (struct point){grid_ms(grid, i), v[i]};
    }
    series->n = grid->n;
    out->type = VALUE_MATRIX;
    out->series = series;
    out->n = 1;
    return 0;
}

static int run_series(struct eval *ev, const struct expr *expr, const struct grid *grid, struct query_result *out)
{
    struct collecting c = {.ev = ev, .grid = grid};
    group_table_init(&c.table, ev->arena);
    bool matrix = expr->type == VALUE_MATRIX;
    bool edged = matrix && expr_strip(expr)->extent != EXTENT_WINDOW;
    struct emit_samples keep = {collect_samples, &c};
    int rc = edged    ? eval_extended_samples(ev, expr_strip(expr), grid, keep)
             : matrix ? eval_samples(ev, expr, grid, false, keep)
                      : eval_vector(ev, expr, grid, (struct emit){collect, &c});
    if (rc < 0) {
        return rc;
    }
    out->type = matrix || ev->range_query ? VALUE_MATRIX : VALUE_VECTOR;
    if (c.n && (out->type == VALUE_MATRIX || !ordered(expr))) {
        int64_t begin_us = clock_mono_us();
        qsort(c.v, c.n, sizeof(*c.v), series_cmp);
        ev->stats.sort_us = clock_mono_us() - begin_us;
    }
    out->series = c.v;
    out->n = c.n;
    return 0;
}

static int run(struct eval *ev, const struct expr *expr, const struct grid *grid, struct query_result *out)
{
    int64_t begin_us = clock_mono_us();
    *out = (struct query_result){.t_ms = grid->start_ms};
    int rc = 0;
    if (expr->type == VALUE_STRING) {
        out->type = VALUE_STRING;
        out->string = arena_dup(ev->arena, eval_string(expr));
    } else if (expr->type == VALUE_SCALAR) {
        rc = run_scalar(ev, expr, grid, out);
    } else {
        rc = run_series(ev, expr, grid, out);
    }
    out->warnings = note_texts(ev, ev->notes.warnings, ev->notes.warning_count);
    out->warning_count = ev->notes.warning_count;
    out->infos = note_texts(ev, ev->notes.infos, ev->notes.info_count);
    out->info_count = ev->notes.info_count;
    ev->stats.peak_samples = ev->samples_held;
    ev->stats.memory_bytes = eval_memory(ev) + ev->helpers_bytes;
    out->stats = ev->stats;
    out->step_samples = ev->step_samples;
    out->step_count = ev->step_count;
    out->step_ms = ev->step_ms;
    out->on_steps = ev->range_query;
    out->stats.eval_us = clock_mono_us() - begin_us;
    return rc;
}

/* end_ms: as asked; the grid's last step may be before it. */
static int run_on_snapshot(struct store *store, const struct expr *expr, const struct grid *grid, int64_t end_ms,
                           bool range, const struct query_options *options, struct arena *arena,
                           struct query_result *out, struct error *err)
{
    static const struct query_options defaults;
    struct error no_error;
    struct eval ev = {.arena = arena,
                      .arena_base = arena->used_bytes,
                      .options = options ? *options : defaults,
                      .err = err ? err : &no_error,
                      .start_ms = grid->start_ms,
                      .end_ms = end_ms,
                      .step_ms = grid->step_ms,
                      .range_query = range};
    ev.options.lookback_ms = ev.options.lookback_ms ? ev.options.lookback_ms : 5 * 60 * 1000;
    ev.options.max_samples = ev.options.max_samples ? ev.options.max_samples : 50000000;
    ev.options.max_memory_bytes = ev.options.max_memory_bytes ? ev.options.max_memory_bytes : (size_t)1 << 30;
    int64_t begin_us = clock_mono_us();
    int rc = snapshot_open(store, &ev.snapshot);
    ev.stats.prepare_us = clock_mono_us() - begin_us;
    if (rc < 0) {
        return error_set(ev.err, rc, "reading the store failed: %s", error_text(rc));
    }
    struct query_result result;
    tiers_init(&ev);
    step_stats_init(&ev, grid);
    ev.shared = shared_find(&ev, expr);
    rc = run(&ev, expr, grid, &result);
    snapshot_close(ev.snapshot);
    if (rc == 0) {
        *out = result;
    }
    return rc;
}

int query_instant(struct store *store, const struct expr *expr, int64_t t_ms, const struct query_options *options,
                  struct arena *arena, struct query_result *out, struct error *err)
{
    struct grid grid = {.start_ms = t_ms, .step_ms = 1, .n = 1};
    int rc = expr_resolve(expr, (struct duration_scope){0}, arena, &expr, err);
    if (rc < 0) {
        return rc;
    }
    return run_on_snapshot(store, expr, &grid, t_ms, false, options, arena, out, err);
}

int query_range(struct store *store, const struct expr *expr, int64_t start_ms, int64_t end_ms, int64_t step_ms,
                const struct query_options *options, struct arena *arena, struct query_result *out, struct error *err)
{
    if (step_ms <= 0) {
        return error_set(err, ERR_EXEC,
                         "zero or negative query resolution step widths are not accepted. Try a positive "
                         "integer");
    }
    if (end_ms < start_ms) {
        return error_set(err, ERR_EXEC, "end timestamp must not be before start time");
    }
    uint64_t steps = ((uint64_t)end_ms - (uint64_t)start_ms) / (uint64_t)step_ms;
    if (steps > QUERY_STEPS_MAX) {
        return error_set(err, ERR_LIMIT,
                         "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query "
                         "resolution (?step=XX)");
    }
    if (expr->type != VALUE_SCALAR && expr->type != VALUE_VECTOR) {
        return error_set(err, ERR_EXEC,
                         "invalid expression type \"%s\" for range query, must be Scalar or instant Vector",
                         value_type_text(expr->type));
    }
    struct grid grid = {.start_ms = start_ms, .step_ms = step_ms, .n = (size_t)steps + 1};
    int rc = expr_resolve(expr, duration_scope_of(start_ms, end_ms, step_ms), arena, &expr, err);
    if (rc < 0) {
        return rc;
    }
    return run_on_snapshot(store, expr, &grid, end_ms, true, options, arena, out, err);
}
