/* Aggregations that need more than a cell per group and step: topk, bottomk, limitk, quantile, count_values. */
#include "src/base/codec.h"
#include "src/base/number.h"
#include "src/query/aggregate.h"

/* ---- topk, bottomk, limitk ---- */

struct choice {
    double v;
    uint32_t series;
};
/* The best k so far of a group at a step; a heap with the worst on top (limitk: just a list). */
struct ranking {
    struct choice *v;
    size_t n, cap;
};
struct seen_series {
    struct labels labels;
    bool drop_name;
    uint32_t last; /* its newest entry in picks, + 1 */
};

struct selecting {
    struct eval *ev;
    const struct grid *grid;
    enum aggregate_op op;
    const double *k;
    struct grouping grouping;
    struct ranking **rankings; /* by group number: one a step */
    size_t ranking_cap;
    struct seen_series *series;
    size_t series_n, series_cap;
};

/* a is to be dropped before b. NaN goes first, of equals the later series. */
static bool worse(const struct selecting *s, struct choice a, struct choice b)
{
    if (isnan(a.v) || isnan(b.v)) {
        return isnan(a.v) && (!isnan(b.v) || a.series > b.series);
    }
    if (a.v == b.v) {
        return a.series > b.series;
    }
    return s->op == AGGR_TOPK ? a.v < b.v : a.v > b.v;
}

static void swap(struct choice *a, struct choice *b)
{
    struct choice t = *a;
    *a = *b;
    *b = t;
}

static void sift_up(const struct selecting *s, struct ranking *r, size_t i)
{
    while (i && worse(s, r->v[i], r->v[(i - 1) / 2])) {
        swap(&r->v[i], &r->v[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
}

static void sift_down(const struct selecting *s, struct ranking *r, size_t n)
{
    for (size_t i = 0;;) {
        size_t worst = i;
        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < n; child++) {
            if (worse(s, r->v[child], r->v[worst])) {
                worst = child;
            }
        }
        if (worst == i) {
            return;
        }
        swap(&r->v[i], &r->v[worst]);
        i = worst;
    }
}

/* true if the ranking grew */
static bool offer(struct selecting *s, struct ranking *r, double k, struct choice c)
{
    if (!(k >= 1)) {
        return false;
    }
    if ((double)r->n < floor(k)) {
        arena_grow(s->ev->arena, r->v, r->n, r->cap);
        r->v[r->n++] = c;
        if (s->op != AGGR_LIMITK) {
            sift_up(s, r, r->n - 1);
        }
        return true;
    }
    if (s->op != AGGR_LIMITK && worse(s, r->v[0], c)) {
        r->v[0] = c;
        sift_down(s, r, r->n);
    }
    return false;
}

static int select_column(void *ctx, struct column *column)
{
    struct selecting *s = ctx;
    bool created;
    uint32_t number = grouping_find(&s->grouping, column, &created);
    if (created) {
        arena_grow(s->ev->arena, s->rankings, (size_t)number, s->ranking_cap);
        s->rankings[number] = arena_array(s->ev->arena, struct ranking, s->grid->n);
    }
    arena_grow(s->ev->arena, s->series, s->series_n, s->series_cap);
    s->series[s->series_n] = (struct seen_series){.labels = column->labels, .drop_name = column->drop_name};
    uint64_t grown = 0;
    for (size_t i = 0; i < s->grid->n; i++) {
        if (!is_absent(column->v[i])) {
            struct choice c = {column->v[i], (uint32_t)s->series_n};
            grown += offer(s, &s->rankings[number][i], s->k[i], c);
        }
    }
    s->series_n++;
    return eval_check(s->ev, grown);
}

static int emit_one(const struct selecting *s, struct emit out, struct choice c)
{
    const struct seen_series *series = &s->series[c.series];
    struct column column = {.labels = series->labels, .drop_name = series->drop_name, .v = &c.v};
    return emit_column(out, &column);
}

/* One step: each group's choices from best to worst. */
static int emit_ranked(struct selecting *s, struct emit out)
{
    int rc = 0;
    for (size_t g = 0; rc == 0 && g < s->grouping.n; g++) {
        struct ranking *r = &s->rankings[g][0];
        for (size_t n = s->op == AGGR_LIMITK ? 0 : r->n; n > 1; n--) { /* heap sort: the worst moves to the end */
            swap(&r->v[0], &r->v[n - 1]);
            sift_down(s, r, n - 1);
        }
        for (size_t i = 0; rc == 0 && i < r->n; i++) {
            rc = emit_one(s, out, r->v[i]);
        }
    }
    return rc;
}

struct pick {
    double v;
    uint32_t step, next; /* + 1 */
};

/* Many steps: back to a column per series that was chosen anywhere. */
static int emit_by_series(struct selecting *s, struct emit out)
{
    size_t total = 0;
    for (size_t g = 0; g < s->grouping.n; g++) {
        for (size_t i = 0; i < s->grid->n; i++) {
            total += s->rankings[g][i].n;
        }
    }
    struct pick *picks = arena_array(s->ev->arena, struct pick, total + 1);
    uint32_t n = 0;
    for (size_t g = 0; g < s->grouping.n; g++) {
        for (size_t i = 0; i < s->grid->n; i++) {
            for (size_t k = 0; k < s->rankings[g][i].n; k++) {
                struct choice c = s->rankings[g][i].v[k];
                picks[n] = (struct pick){c.v, (uint32_t)i, s->series[c.series].last};
                s->series[c.series].last = ++n;
            }
        }
    }
    double *v = column_new(s->ev, s->grid);
    int rc = eval_check(s->ev, total);
    for (size_t i = 0; rc == 0 && i < s->series_n; i++) {
        if (!s->series[i].last) {
            continue;
        }
        for (size_t k = 0; k < s->grid->n; k++) {
            v[k] = absent();
        }
        for (uint32_t at = s->series[i].last; at; at = picks[at - 1].next) {
            v[picks[at - 1].step] = picks[at - 1].v;
        }
        rc = emit_column(out,
                         &(struct column){.labels = s->series[i].labels, .drop_name = s->series[i].drop_name, .v = v});
    }
    return rc;
}

#define INT64_EDGE 9223372036854775808.0 /* 2^63 */

static int check_k(struct eval *ev, double k)
{
    char text[NUMBER_MAX];
    if (isnan(k)) {
        return eval_fail(ev, "Parameter value is NaN");
    }
    return fabs(k) < INT64_EDGE ? 0
                                : eval_fail(ev, "Scalar value %.*s %s int64", (int)number_format_g(k, text), text,
                                            k < 0 ? "underflows" : "overflows");
}

int aggregate_select(struct eval *ev, const struct expr *expr, const struct grid *grid, struct emit out)
{
    double *k = column_new(ev, grid);
    int rc = eval_scalar(ev, expr->aggregate.param, grid, k);
    bool any = false; /* somewhere something is chosen */
    for (size_t i = 0; i < grid->n; i++) {
        any = any || !(k[i] < 1);
    }
    for (size_t i = 0; any && rc == 0 && i < grid->n; i++) {
        rc = check_k(ev, k[i]);
    }
    if (rc < 0 || !any) {
        return rc;
    }
    struct selecting s = {.ev = ev, .grid = grid, .op = expr->aggregate.op, .k = k};
    grouping_init(&s.grouping, ev, expr);
    rc = eval_vector(ev, expr->aggregate.expr, grid, (struct emit){select_column, &s});
    if (rc < 0) {
        return rc;
    }
    return grid->n == 1 ? emit_ranked(&s, out) : emit_by_series(&s, out);
}

/* ---- quantile: all values of a group ---- */

struct value_columns {
    double **v;
    size_t n, cap;
};
struct quantiling {
    struct eval *ev;
    const struct grid *grid;
    struct grouping grouping;
    struct value_columns *groups;
    size_t group_cap, widest;
};

static int quantile_column(void *ctx, struct column *column)
{
    struct quantiling *q = ctx;
    bool created;
    uint32_t number = grouping_find(&q->grouping, column, &created);
    if (created) {
        arena_grow(q->ev->arena, q->groups, (size_t)number, q->group_cap);
        q->groups[number] = (struct value_columns){0};
    }
    struct value_columns *group = &q->groups[number];
    arena_grow(q->ev->arena, group->v, group->n, group->cap);
    double *copy = arena_alloc(q->ev->arena, q->grid->n * sizeof(*copy));
    memcpy(copy, column->v, q->grid->n * sizeof(*copy));
    group->v[group->n++] = copy;
    q->widest = group->n > q->widest ? group->n : q->widest;
    return eval_check(q->ev, q->grid->n);
}

static double quantile_at(const struct value_columns *group, size_t step, double q, double *scratch)
{
    size_t n = 0;
    for (size_t i = 0; i < group->n; i++) {
        if (!is_absent(group->v[i][step])) {
            scratch[n++] = group->v[i][step];
        }
    }
    sort_doubles(scratch, n);
    return n ? quantile_sorted(q, scratch, n) : absent();
}

static void warn_of_quantile(struct eval *ev, const struct expr *param, double q)
{
    char text[NUMBER_MAX];
    eval_warn(ev, param, "quantile value should be between 0 and 1, got %.*s", (int)number_format(q, text), text);
}

/* The extremes of all steps are named, not each. */
static void check_quantile(struct eval *ev, const struct expr *param, const double *q, size_t n)
{
    double least = INFINITY, greatest = -INFINITY;
    bool nan = false;
    for (size_t i = 0; i < n; i++) {
        nan = nan || isnan(q[i]);
        least = fmin(least, q[i]);
        greatest = fmax(greatest, q[i]);
    }
    if (nan) {
        warn_of_quantile(ev, param, NAN);
    }
    if (greatest > 1) {
        warn_of_quantile(ev, param, greatest);
    }
    if (least < 0) {
        warn_of_quantile(ev, param, least);
    }
}

int aggregate_quantile(struct eval *ev, const struct expr *expr, const struct grid *grid, struct emit out)
{
    double *params = column_new(ev, grid), *v = column_new(ev, grid);
    struct quantiling q = {.ev = ev, .grid = grid};
    grouping_init(&q.grouping, ev, expr);
    int rc = eval_scalar(ev, expr->aggregate.param, grid, params);
    rc = rc < 0 ? rc : eval_vector(ev, expr->aggregate.expr, grid, (struct emit){quantile_column, &q});
    if (rc == 0) {
        check_quantile(ev, expr->aggregate.param, params, grid->n);
    }
    double *scratch = arena_alloc(ev->arena, (q.widest + 1) * sizeof(*scratch));
    for (size_t g = 0; rc == 0 && g < q.grouping.n; g++) {
        for (size_t i = 0; rc == 0 && i < grid->n; i++) {
            v[i] = quantile_at(&q.groups[g], i, params[i], scratch);
            rc = eval_check_read(ev, 0, q.groups[g].n);
        }
        struct column column = {.labels = q.grouping.labels[g], .drop_name = q.grouping.drop_name[g], .v = v};
        rc = rc < 0 ? rc : emit_column(out, &column);
    }
    return rc;
}

/* ---- count_values: the value becomes a label ---- */

struct counting {
    struct eval *ev;
    const struct grid *grid;
    struct str label;
    struct grouping grouping;
    double **counts; /* by group number */
    size_t count_cap;
};

static uint32_t group_of_value(struct counting *c, const struct column *column, double value)
{
    char text[NUMBER_FIXED_MAX];
    size_t len = number_format_fixed(value, text);
    struct labels_builder b;
    labels_builder_from(&b, c->ev->arena, column->labels);
    labels_set(&b, c->label, arena_dup(c->ev->arena, str_make(text, len)));
    struct column labelled = {.labels = labels_finish(&b, false), .drop_name = column->drop_name};
    bool created;
    uint32_t number = grouping_find(&c->grouping, &labelled, &created);
    if (created) {
        arena_grow(c->ev->arena, c->counts, (size_t)number, c->count_cap);
        c->counts[number] = arena_array(c->ev->arena, double, c->grid->n);
    }
    return number;
}

static int count_column(void *ctx, struct column *column)
{
    struct counting *c = ctx;
    uint32_t group = 0;
    double of = absent(); /* the value `group` belongs to: values repeat from step to step */
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < c->grid->n; i++) {
        if (is_absent(column->v[i])) {
            continue;
        }
        if (sample_bits(of) != sample_bits(column->v[i])) {
            group = group_of_value(c, column, column->v[i]);
            of = column->v[i];
            rc = eval_check(c->ev, 1);
        }
        c->counts[group][i]++;
    }
    return rc;
}

static int name_cmp(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

int aggregate_count_values(struct eval *ev, const struct expr *expr, const struct grid *grid, struct emit out)
{
    struct counting c = {.ev = ev, .grid = grid, .label = eval_string(expr->aggregate.param)};
    if (!c.label.len || !utf8_valid(c.label)) {
        auto_buf quoted;
        buf_init(&quoted, 1024);
        text_quote(str_slice(c.label, 0, 100), &quoted);
        return eval_fail(ev, "invalid label name " STR_FMT, STR_ARG(buf_str(&quoted)));
    }
    grouping_init(&c.grouping, ev, expr);
    if (c.grouping.selection.keep) { /* the new label groups, too */
        struct name_list old = c.grouping.selection.names;
        struct str *names = arena_array(ev->arena, struct str, old.n + 1);
        if (old.n) {
            memcpy(names, old.v, old.n * sizeof(*names));
        }
        names[old.n] = c.label;
        qsort(names, old.n + 1, sizeof(*names), name_cmp);
        c.grouping.selection.names = (struct name_list){.v = names, .n = old.n + 1};
    }
    int rc = eval_vector(ev, expr->aggregate.expr, grid, (struct emit){count_column, &c});
    for (size_t g = 0; rc == 0 && g < c.grouping.n; g++) {
        for (size_t i = 0; i < grid->n; i++) {
            c.counts[g][i] = c.counts[g][i] > 0 ? c.counts[g][i] : absent();
        }
        rc = emit_column(
            out,
            &(struct column){.labels = c.grouping.labels[g], .drop_name = c.grouping.drop_name[g], .v = c.counts[g]});
    }
    return rc;
}
