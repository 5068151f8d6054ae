/*
 * Vector with vector: one-to-one, many-to-one, one-to-many.
 *
 * The "one" side is read first and copied by match group, the other side streams against it. Rules are judged step by
 * step, as Prometheus does: two series of a group on the "one" side are an error only at steps where both have a value
 * and the other side has one at all.
 */
#include "src/query/binary.h"

void match_groups_init(struct match_groups *g, struct eval *ev, const struct vector_matching *matching)
{
    *g = (struct match_groups){.ev = ev, .selection = {.names = matching->names, .keep = matching->on}};
    group_table_init(&g->table, ev->arena);
}

static int64_t find_group(const struct match_groups *g, const struct column *column, uint64_t hash)
{
    size_t at = 0;
    int64_t number;
    while ((number = group_table_next(&g->table, hash, &at)) >= 0) {
        if (selection_equal(g->selection, column->labels, g->labels[number])) {
            return number;
        }
    }
    return -1;
}

int64_t match_group_find(const struct match_groups *g, const struct column *column)
{
    return find_group(g, column, selection_hash(g->selection, column->labels));
}

uint32_t match_group(struct match_groups *g, const struct column *column, bool *created)
{
    uint64_t hash = selection_hash(g->selection, column->labels);
    int64_t number = find_group(g, column, hash);
    *created = number < 0;
    if (!*created) {
        return (uint32_t)number;
    }
    arena_grow(g->ev->arena, g->labels, g->n, g->cap);
    g->labels[g->n++] = selection_labels(g->selection, column->labels, g->ev->arena);
    return group_table_add(&g->table, hash);
}

/* A copied series of the "one" side. */
struct one_series {
    struct labels labels;
    bool drop_name;
    double *v;
    struct one_series *next;
};
/* Two series of a group's "one" side that meet somewhere. */
struct clash {
    struct labels group, first, second;
};
/* A result that several series of the other side may add to, at different steps. */
struct match_result {
    struct labels labels;
    bool drop_name;
    double *v;
    struct match_result *next;
};
struct one_group {
    struct one_series *series;
    const struct one_series **at; /* by step: the newest that has a value there */
    uint8_t *used;                /* by step: 1 if the other side has a value there */
    struct match_result *results; /* one-to-one, if more than one series came */
};

struct matching {
    struct eval *ev;
    const struct expr *expr;
    const struct grid *grid;
    struct match_groups groups;
    struct one_group *one; /* by group number */
    size_t one_cap;
    struct clash **clashes; /* by step; NULL while there is none at all */
    bool swapped, filter, one_to_one;
    struct fill_value fill_one, fill_many; /* for what is missing on that side */
    struct group_table seen; /* many-to-one: results by their labels, if group_x(labels) may make them equal */
    struct match_result *seen_results;
    size_t seen_cap;
    double *v;
    struct emit out;
};

/* ---- the "one" side ---- */

/* Notes who is there at each step. Two at one step clash; one pair a step is enough to tell of. */
static void take_steps(struct matching *m, const struct one_group *group, uint32_t number,
                       const struct one_series *series)
{
    struct clash *clash = NULL; /* the last one made: most often all steps have the same pair */
    const struct one_series *with = NULL;
    for (size_t i = 0; i < m->grid->n; i++) {
        const struct one_series *other = group->at[i];
        if (is_absent(series->v[i])) {
            continue;
        }
        group->at[i] = series;
        if (!other) {
            continue;
        }
        if (!m->clashes) {
            m->clashes = arena_array(m->ev->arena, struct clash *, m->grid->n);
        }
        if (other != with) {
            with = other;
            clash = arena_new(m->ev->arena, struct clash);
            *clash = (struct clash){m->groups.labels[number], series->labels, other->labels};
        }
        m->clashes[i] = clash;
    }
}

static uint32_t group_of(struct matching *m, const struct column *column)
{
    bool created;
    uint32_t number = match_group(&m->groups, column, &created);
    if (created) {
        arena_grow(m->ev->arena, m->one, (size_t)number, m->one_cap);
        m->one[number] = (struct one_group){.at = arena_array(m->ev->arena, const struct one_series *, m->grid->n)};
    }
    return number;
}

static int copy_one(void *ctx, struct column *column)
{
    struct matching *m = ctx;
    uint32_t number = group_of(m, column);
    struct one_group *group = &m->one[number];
    struct one_series *series = arena_new(m->ev->arena, struct one_series);
    series->labels = column->labels;
    series->drop_name = column->drop_name;
    series->v = arena_alloc(m->ev->arena, m->grid->n * sizeof(*series->v));
    memcpy(series->v, column->v, m->grid->n * sizeof(*series->v));
    series->next = group->series;
    group->series = series;
    take_steps(m, group, number, series);
    return eval_check(m->ev, m->grid->n);
}

static int fail_clash(struct matching *m, const struct clash *clash)
{
    auto_buf text;
    buf_init(&text, 64 * 1024);
    buf_add(&text, STR("found duplicate series for the match group "));
    labels_print(clash->group, &text);
    buf_addf(&text, " on the %s hand-side of the operation: [", m->swapped ? "left" : "right");
    labels_print(clash->first, &text);
    buf_add(&text, STR(", "));
    labels_print(clash->second, &text);
    buf_add(&text, STR("];many-to-many matching not allowed: matching labels must be unique on one side"));
    return eval_fail(m->ev, STR_FMT, STR_ARG(buf_str(&text)));
}

/* ---- the other side ---- */

static struct labels result_labels(struct matching *m, const struct column *many, const struct one_series *one)
{
    const struct vector_matching *matching = &m->expr->binary.matching;
    struct arena *arena = m->ev->arena;
    if (m->one_to_one) {
        return matching->on ? labels_keep(many->labels, matching->names.v, matching->names.n, arena)
                            : labels_drop(many->labels, matching->names.v, matching->names.n, arena);
    }
    if (!matching->include.n) {
        return many->labels;
    }
    struct labels_builder b;
    labels_builder_from(&b, arena, many->labels);
    for (size_t i = 0; i < matching->include.n; i++) {
        labels_set(&b, matching->include.v[i], labels_get(one->labels, matching->include.v[i]));
    }
    return labels_finish(&b, false);
}

static double match_value(const struct matching *m, double many, double one, double *kept)
{
    double lhs = m->swapped ? one : many, rhs = m->swapped ? many : one;
    *kept = lhs; /* what a comparison lets through */
    return binary_value(m->expr->binary.op, lhs, rhs);
}

/* The result with these labels among those of the list; a new one, all absent, if there is none. */
static struct match_result *result_in(struct matching *m, struct match_result **list, struct labels labels, bool drop)
{
    for (struct match_result *r = *list; r; r = r->next) {
        if (labels_eq(r->labels, labels)) {
            return r;
        }
    }
    struct match_result *r = arena_new(m->ev->arena, struct match_result);
    *r = (struct match_result){labels, drop, column_new(m->ev, m->grid), *list};
    *list = r;
    return r;
}

static int fail_multiple(struct matching *m)
{
    return eval_fail(m->ev, m->one_to_one ? "multiple matches for labels: many-to-one matching must be explicit "
                                            "(group_left/group_right)"
                                          : "multiple matches for labels: grouping labels must ensure unique matches");
}

/* What the "one" side has at a step, or what is filled in for it. */
static double one_value(const struct matching *m, const struct one_group *group, size_t step)
{
    const struct one_series *one = group->at[step];
    return one ? one->v[step] : m->fill_one.given ? m->fill_one.value : absent();
}

static void make_used(struct matching *m, struct one_group *group)
{
    if (!group->used) {
        group->used = arena_zalloc(m->ev->arena, m->grid->n + 1);
    }
}

/* One-to-one: the group's results collect what its series give at different steps. */
static int add_to_group(struct matching *m, struct one_group *group, const struct column *column)
{
    bool drop = column->drop_name || !m->filter;
    struct match_result *result = result_in(m, &group->results, result_labels(m, column, group->series), drop);
    make_used(m, group);
    for (size_t i = 0; i < m->grid->n; i++) {
        double one = is_absent(column->v[i]) ? absent() : one_value(m, group, i);
        if (is_absent(one)) {
            continue;
        }
        if (group->used[i]) {
            return fail_multiple(m);
        }
        group->used[i] = 1;
        double kept, value = match_value(m, column->v[i], one, &kept);
        if (m->filter && value == 0) {
            continue;
        }
        result->v[i] = m->filter ? kept : value;
    }
    return eval_check(m->ev, m->grid->n);
}

/* Many-to-one with copied labels: series of the many side may become equal; that is an error at a common step. */
static int note_seen(struct matching *m, struct labels labels, const double *v)
{
    uint64_t hash = labels_hash(labels);
    size_t at = 0;
    int64_t number;
    while ((number = group_table_next(&m->seen, hash, &at)) >= 0) {
        const struct match_result *other = &m->seen_results[number];
        if (!labels_eq(other->labels, labels)) {
            continue;
        }
        for (size_t i = 0; i < m->grid->n; i++) {
            if (!is_absent(v[i]) && !is_absent(other->v[i])) {
                return fail_multiple(m);
            }
        }
        int rc = eval_check_read(m->ev, 0, m->grid->n);
        if (rc < 0) {
            return rc;
        }
    }
    size_t n = group_table_add(&m->seen, hash);
    arena_grow(m->ev->arena, m->seen_results, n, m->seen_cap);
    double *copy = arena_alloc(m->ev->arena, m->grid->n * sizeof(*copy));
    memcpy(copy, v, m->grid->n * sizeof(*copy));
    m->seen_results[n] = (struct match_result){.labels = labels, .v = copy};
    return eval_check(m->ev, m->grid->n);
}

/* Many-to-one: what column gives with one side's series, or (NULL) with what is filled in where there is none. */
static int emit_with(struct matching *m, const struct one_group *group, uint32_t number, const struct column *column,
                     const struct one_series *one)
{
    const struct one_series missing = {.labels = m->groups.labels[number]};
    struct column result = {.labels = result_labels(m, column, one ? one : &missing),
                            .drop_name = column->drop_name || !m->filter,
                            .v = m->v};
    bool matched = false;
    for (size_t i = 0; i < m->grid->n; i++) {
        m->v[i] = absent();
        double with = one ? one->v[i] : group->at[i] ? absent() : m->fill_one.value;
        if (!is_absent(column->v[i]) && !is_absent(with)) {
            double kept, value = match_value(m, column->v[i], with, &kept);
            m->v[i] = m->filter ? kept : value;
            matched = true;
        }
    }
    /* Judged before the filter: that it lets nothing through must not hide that the labels are ambiguous. */
    int rc = matched && m->expr->binary.matching.include.n ? note_seen(m, result.labels, m->v) : 0;
    for (size_t i = 0; m->filter && i < m->grid->n; i++) {
        double kept, with = one ? one->v[i] : m->fill_one.value;
        if (!is_absent(m->v[i]) && match_value(m, column->v[i], with, &kept) == 0) {
            m->v[i] = absent();
        }
    }
    return rc < 0 || !matched || column_empty(m->v, m->grid->n) ? rc : emit_column(m->out, &result);
}

/* Many-to-one: a result for each series of the "one" side that gives something. */
static int emit_many(struct matching *m, uint32_t number, const struct column *column)
{
    struct one_group *group = &m->one[number];
    int rc = 0;
    for (const struct one_series *one = group->series; rc == 0 && one; one = one->next) {
        rc = eval_check_read(m->ev, 0, m->grid->n);
        rc = rc < 0 ? rc : emit_with(m, group, number, column, one);
    }
    if (m->fill_many.given) {
        make_used(m, group);
        for (size_t i = 0; i < m->grid->n; i++) {
            group->used[i] |= !is_absent(column->v[i]);
        }
    }
    return rc < 0 || !m->fill_one.given ? rc : emit_with(m, group, number, column, NULL);
}

/* The "one" side's values at steps where the other side has none, with what is filled in for it. */
static int emit_unmatched(struct matching *m, uint32_t number, const struct one_series *one)
{
    const struct one_group *group = &m->one[number];
    struct column many = {.labels = m->groups.labels[number]};
    struct column result = {.labels = result_labels(m, &many, one), .drop_name = !m->filter, .v = m->v};
    for (size_t i = 0; i < m->grid->n; i++) {
        m->v[i] = absent();
        if (group->at[i] != one || (group->used && group->used[i])) {
            continue;
        }
        double kept, value = match_value(m, m->fill_many.value, one->v[i], &kept);
        m->v[i] = !m->filter ? value : value != 0 ? kept : absent();
    }
    int rc = eval_check_read(m->ev, 0, m->grid->n);
    return rc < 0 || column_empty(m->v, m->grid->n) ? rc : emit_column(m->out, &result);
}

static int match_column(void *ctx, struct column *column)
{
    struct matching *m = ctx;
    for (size_t i = 0; m->clashes && i < m->grid->n; i++) {
        if (m->clashes[i] && !is_absent(column->v[i])) {
            return fail_clash(m, m->clashes[i]);
        }
    }
    int64_t number = m->fill_one.given ? group_of(m, column) : match_group_find(&m->groups, column);
    if (number < 0) {
        return 0;
    }
    return m->one_to_one ? add_to_group(m, &m->one[number], column) : emit_many(m, (uint32_t)number, column);
}

static int emit_groups(struct matching *m)
{
    int rc = 0;
    for (size_t g = 0; rc == 0 && g < m->groups.n; g++) {
        for (const struct match_result *r = m->one[g].results; rc == 0 && r; r = r->next) {
            if (!column_empty(r->v, m->grid->n)) {
                rc = emit_column(m->out, &(struct column){.labels = r->labels, .drop_name = r->drop_name, .v = r->v});
            }
        }
    }
    return rc;
}

static int emit_all_unmatched(struct matching *m)
{
    int rc = 0;
    for (size_t g = 0; rc == 0 && g < m->groups.n; g++) {
        for (const struct one_series *one = m->one[g].series; rc == 0 && one; one = one->next) {
            rc = emit_unmatched(m, (uint32_t)g, one);
        }
    }
    return rc;
}

/* Where something is filled in for the other side, two series of the "one" side meet it at every step. */
static int check_clashes(struct matching *m)
{
    for (size_t i = 0; m->fill_many.given && m->clashes && i < m->grid->n; i++) {
        if (m->clashes[i]) {
            return fail_clash(m, m->clashes[i]);
        }
    }
    return 0;
}

int eval_match(struct eval *ev, const struct expr *expr, const struct grid *grid, struct emit out)
{
    const struct vector_matching *matching = &expr->binary.matching;
    struct matching m = {.ev = ev,
                         .expr = expr,
                         .grid = grid,
                         .swapped = matching->card == CARD_ONE_TO_MANY,
                         .one_to_one = matching->card == CARD_ONE_TO_ONE,
                         .filter = op_is_comparison(expr->binary.op) && !expr->binary.return_bool,
                         .v = column_new(ev, grid),
                         .out = out};
    /* With group_right, too: Prometheus has the "many" side as its left one then, and does not swap the values back. */
    m.fill_one = matching->fill_right;
    m.fill_many = matching->fill_left;
    match_groups_init(&m.groups, ev, matching);
    group_table_init(&m.seen, ev->arena);
    const struct expr *one = m.swapped ? expr->binary.lhs : expr->binary.rhs;
    const struct expr *many = m.swapped ? expr->binary.rhs : expr->binary.lhs;
    int rc = eval_vector(ev, one, grid, (struct emit){copy_one, &m});
    rc = rc < 0 ? rc : check_clashes(&m);
    rc = rc < 0 ? rc : eval_vector(ev, many, grid, (struct emit){match_column, &m});
    rc = rc < 0 || !m.one_to_one ? rc : emit_groups(&m);
    return rc < 0 || !m.fill_many.given ? rc : emit_all_unmatched(&m);
}
