/*
 * info(): joins labels of info series (target_info, or what the matchers of __name__ select) to the series that have
 * the same instance and job. Source of the rules: Prometheus promql/info.go, 3.x, for behaviour only.
 *
 * The base series are held, then the info series are read: of each metric and identity the newest sample at each step
 * wins. What labels a base series gets may therefore change from step to step; it is cut into one column per label set.
 */
#include "src/query/impl.h"
#include "src/query/labelset.h"

static const struct str identifying_names[] = {{"instance", 8}, {"job", 3}};
static const struct selection identity = {.names = {.v = identifying_names, .n = 2}, .keep = true};

struct base {
    struct labels labels;
    double *v;
    bool drop_name, plain; /* plain: an info series itself, passes as it is */
};

/* The winners of one info metric and identity. */
struct rank {
    struct labels identity;
    struct str metric;
    double *time;           /* of the winning sample at each step; ABSENT: none */
    struct labels *winners; /* at each step */
};

struct result {
    struct labels labels;
    bool drop_name;
    double *v;
};

struct joining {
    struct eval *ev;
    const struct grid *grid;
    const struct matcher *names; /* of the info metric; none: target_info, and no series is one */
    size_t name_count;
    const struct matcher *data;
    size_t data_count;

    struct base *bases;
    size_t base_count, base_cap;
    bool *any;         /* at a step a base series has a value */
    size_t from, to;   /* steps that the info series now read are for */
    int64_t young_ms;  /* samples of info series as old as that at a step, or older, do not count */
    int64_t oldest_ms; /* nor those before it */
    struct group_table identities, by_identity, by_labels;
    struct labels *known; /* identities of base series */
    size_t known_cap;
    struct rank *ranks;
    size_t rank_count, rank_cap;
    struct result *results;
    size_t result_count, result_cap;
};

/* ---- the base series ---- */

static bool all_match(const struct matcher *m, size_t n, struct str value)
{
    for (size_t i = 0; i < n; i++) {
        if (!matcher_matches(&m[i], value)) {
            return false;
        }
    }
    return true;
}

static bool identity_known(const struct joining *j, struct labels labels)
{
    size_t at = 0;
    int64_t number;
    uint64_t hash = selection_hash(identity, labels);
    while ((number = group_table_next(&j->identities, hash, &at)) >= 0) {
        if (selection_equal(identity, labels, j->known[number])) {
            return true;
        }
    }
    return false;
}

/* Series without any identifying label are nobody's. */
static void note_identity(struct joining *j, struct labels labels)
{
    bool any = labels_get(labels, identifying_names[0]).len || labels_get(labels, identifying_names[1]).len;
    if (any && !identity_known(j, labels)) {
        size_t n = group_table_add(&j->identities, selection_hash(identity, labels));
        arena_grow(j->ev->arena, j->known, n, j->known_cap);
        j->known[n] = selection_labels(identity, labels, j->ev->arena);
    }
}

static int hold_base(void *ctx, struct column *column)
{
    struct joining *j = ctx;
    struct str name = column->drop_name ? STR("") : labels_get(column->labels, METRIC_NAME);
    struct base base = {.labels = column->labels,
                        .v = arena_alloc(j->ev->arena, j->grid->n * sizeof(double)),
                        .drop_name = column->drop_name,
                        .plain = j->name_count && all_match(j->names, j->name_count, name)};
    memcpy(base.v, column->v, j->grid->n * sizeof(double));
    for (size_t i = 0; i < j->grid->n; i++) {
        j->any[i] = j->any[i] || !is_absent(base.v[i]);
    }
    if (!base.plain) {
        note_identity(j, base.labels);
    }
    arena_grow(j->ev->arena, j->bases, j->base_count, j->base_cap);
    j->bases[j->base_count++] = base;
    return eval_check(j->ev, j->grid->n);
}

/* ---- the info series ---- */

static struct rank *rank_of(struct joining *j, struct labels labels)
{
    struct str metric = labels_get(labels, METRIC_NAME);
    uint64_t hash = selection_hash(identity, labels);
    size_t at = 0;
    int64_t number;
    while ((number = group_table_next(&j->by_identity, hash, &at)) >= 0) {
        struct rank *rank = &j->ranks[number];
        if (str_eq(rank->metric, metric) && selection_equal(identity, labels, rank->identity)) {
            return rank;
        }
    }
    group_table_add(&j->by_identity, hash);
    arena_grow(j->ev->arena, j->ranks, j->rank_count, j->rank_cap);
    j->ranks[j->rank_count] = (struct rank){.identity = selection_labels(identity, labels, j->ev->arena),
                                            .metric = metric,
                                            .time = column_new(j->ev, j->grid),
                                            .winners = arena_array(j->ev->arena, struct labels, j->grid->n)};
    return &j->ranks[j->rank_count++];
}

static int duplicate(struct joining *j, struct labels a, struct labels b, double time)
{
    auto_buf text;
    buf_init(&text, 4096);
    buf_add(&text, STR("found duplicate series for info metric: existing "));
    labels_print(a, &text);
    buf_addf(&text, " @ %.0f, new ", time * 1000);
    labels_print(b, &text);
    buf_addf(&text, " @ %.0f", time * 1000);
    return eval_fail(j->ev, STR_FMT, STR_ARG(buf_str(&text)));
}

/* A column of the times of an info series' samples. */
static int take_info(void *ctx, struct column *column)
{
    struct joining *j = ctx;
    if (!identity_known(j, column->labels)) {
        return 0;
    }
    struct rank *rank = rank_of(j, column->labels);
    for (size_t i = j->from; i < j->to; i++) {
        double time = column->v[i];
        int64_t too_old_ms = grid_ms(j->grid, i) - j->young_ms;
        if (is_absent(time) || !j->any[i] || time * 1000 <= (double)too_old_ms || time * 1000 < (double)j->oldest_ms) {
            continue;
        }
        if (time == rank->time[i]) {
            return duplicate(j, rank->winners[i], column->labels, time);
        }
        if (is_absent(rank->time[i]) || time > rank->time[i]) {
            rank->time[i] = time;
            rank->winners[i] = column->labels;
        }
    }
    return eval_check(j->ev, j->grid->n);
}

/* Depth first, as they are written. */
static const struct expr *first_selector(const struct expr *e)
{
    switch (e->kind) {
    case EXPR_SELECTOR:
    case EXPR_RANGE:
        return e;
    case EXPR_SUBQUERY:
        return first_selector(e->range.expr);
    case EXPR_PAREN:
        return first_selector(e->paren);
    case EXPR_UNARY:
        return first_selector(e->unary.expr);
    case EXPR_AGGREGATE:
        return first_selector(e->aggregate.expr);
    case EXPR_BINARY: {
        const struct expr *found = first_selector(e->binary.lhs);
        return found ? found : first_selector(e->binary.rhs);
    }
    case EXPR_CALL: {
        const struct expr *found = NULL;
        for (size_t i = 0; !found && i < e->call.arg_count; i++) {
            found = first_selector(e->call.args[i]);
        }
        return found;
    }
    case EXPR_NUMBER:
    case EXPR_STRING:
        break;
    }
    return NULL;
}

/* The base's first selector moves what is seen of the info series: none newer than what an offset looks at, with a
 * negative one none older than its lookback; with @ none newer than that time, which steps after it see until it is too
 * old for them. */
static int read_info(struct joining *j, struct expr *selector, const struct expr *base)
{
    const struct grid *grid = j->grid;
    struct emit take = {take_info, j};
    const struct expr *bound = first_selector(base);
    struct time_shift shift = bound ? bound->shift : (struct time_shift){0};
    int64_t lookback_ms = j->ev->options.lookback_ms;
    j->from = 0;
    j->to = grid->n;
    if (shift.at == AT_NONE) {
        selector->shift.offset_ms = shift.offset_ms > 0 ? shift.offset_ms : 0;
        j->young_ms = lookback_ms + (shift.offset_ms < 0 ? shift.offset_ms : 0);
        return eval_selector(j->ev, selector, grid, true, take);
    }
    int64_t at_ms = shifted_ms(j->ev, &shift, 0);
    j->young_ms = lookback_ms;
    j->oldest_ms = at_ms - lookback_ms + 1;
    for (j->to = 0; j->to < grid->n && grid_ms(grid, j->to) <= at_ms; j->to++) {
    }
    int rc = j->to ? eval_selector(j->ev, selector, grid, true, take) : 0;
    if (rc == 0 && j->to < grid->n) {
        j->from = j->to;
        j->to = grid->n;
        selector->shift = (struct time_shift){.at = AT_TIME, .at_ms = at_ms};
        rc = eval_selector(j->ev, selector, grid, true, take);
    }
    return rc;
}

static int info_selector(struct joining *j, struct expr *out)
{
    struct matcher *m = arena_array(j->ev->arena, struct matcher, j->name_count + j->data_count + 2);
    size_t n = 0;
    struct error unused = {0};
    int rc = 0;
    for (size_t i = 0; i < j->name_count; i++) {
        m[n++] = j->names[i];
    }
    if (!j->name_count) {
        rc = matcher_init(&m[n++], MATCH_EQ, METRIC_NAME, STR("target_info"), &unused);
    }
    for (size_t i = 0; i < j->data_count; i++) {
        m[n++] = j->data[i];
    }
    if (rc == 0) { /* the others may match everything, which the store does not answer */
        rc = matcher_init(&m[n++], MATCH_NE, METRIC_NAME, STR(""), &unused);
    }
    *out = (struct expr){.kind = EXPR_SELECTOR,
                         .type = VALUE_VECTOR,
                         .selector = {.matchers = m, .matcher_count = n, .selective = true}};
    return rc;
}

/* ---- the join ---- */

static bool label_wanted(const struct joining *j, struct str name)
{
    if (str_eq(name, METRIC_NAME)) {
        return false;
    }
    for (size_t i = 0; i < j->data_count; i++) {
        if (str_eq(j->data[i].name, name)) {
            return true;
        }
    }
    return !j->data_count;
}

/* Adds what the base series does not have; two info metrics must not contradict each other. */
static int add_labels(const struct joining *j, struct labels info, struct labels base, struct labels_builder *b)
{
    for (uint32_t i = 0; i < info.n; i++) {
        struct label label = info.v[i];
        if (!label_wanted(j, label.name) || labels_get(base, label.name).p) {
            continue;
        }
        for (uint32_t k = 0; k < b->n; k++) {
            if (str_eq(b->v[k].name, label.name) && !str_eq(b->v[k].value, label.value)) {
                return eval_fail(j->ev, "conflicting label: " STR_FMT, STR_ARG(label.name));
            }
        }
        labels_set(b, label.name, label.value);
    }
    return 0;
}

static int result_set(struct joining *j, const struct base *base, struct labels labels, size_t step)
{
    uint64_t hash = labels_hash(labels);
    size_t at = 0;
    int64_t number;
    struct result *result = NULL;
    while (!result && (number = group_table_next(&j->by_labels, hash, &at)) >= 0) {
        struct result *r = &j->results[number];
        result = r->drop_name == base->drop_name && labels_eq(r->labels, labels) ? r : NULL;
    }
    if (!result) {
        group_table_add(&j->by_labels, hash);
        arena_grow(j->ev->arena, j->results, j->result_count, j->result_cap);
        result = &j->results[j->result_count++];
        *result = (struct result){labels, base->drop_name, column_new(j->ev, j->grid)};
        int rc = eval_check(j->ev, j->grid->n);
        if (rc < 0) {
            return rc;
        }
    }
    if (!is_absent(result->v[step])) {
        return eval_fail(j->ev, "vector cannot contain metrics with the same labelset");
    }
    result->v[step] = base->v[step];
    return 0;
}

/* Ranks of a base series' identity; each metric once. */
static size_t ranks_of(const struct joining *j, const struct base *base, const struct rank **out)
{
    size_t n = 0, at = 0;
    int64_t number;
    uint64_t hash = selection_hash(identity, base->labels);
    while (!base->plain && (number = group_table_next(&j->by_identity, hash, &at)) >= 0) {
        if (selection_equal(identity, base->labels, j->ranks[number].identity)) {
            out[n++] = &j->ranks[number];
        }
    }
    return n;
}

static bool same_winners(const struct rank *const *ranks, size_t n, size_t a, size_t b)
{
    for (size_t k = 0; k < n; k++) {
        if (ranks[k]->winners[a].v != ranks[k]->winners[b].v) {
            return false;
        }
    }
    return true;
}

/* *joined: an info series was found. */
static int labels_at(const struct joining *j, const struct base *base, const struct rank *const *ranks, size_t n,
                     size_t step, struct labels *out, bool *joined)
{
    struct labels_builder b;
    labels_builder_from(&b, j->ev->arena, base->labels);
    *joined = false;
    int rc = 0;
    for (size_t k = 0; rc == 0 && k < n; k++) {
        if (!is_absent(ranks[k]->time[step])) {
            *joined = true;
            rc = add_labels(j, ranks[k]->winners[step], base->labels, &b);
        }
    }
    *out = labels_finish(&b, false);
    return rc;
}

static int join_base(struct joining *j, const struct base *base, const struct rank **ranks)
{
    size_t n = ranks_of(j, base, ranks), last = SIZE_MAX;
    bool keep_bare = base->plain || all_match(j->data, j->data_count, STR("")), joined = false;
    struct labels labels = {0};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < j->grid->n; i++) {
        if (is_absent(base->v[i])) {
            continue;
        }
        if (last == SIZE_MAX || !same_winners(ranks, n, last, i)) {
            rc = labels_at(j, base, ranks, n, i, &labels, &joined);
            last = i;
        }
        if (rc == 0 && (joined || keep_bare)) {
            rc = result_set(j, base, labels, i);
        }
    }
    return rc < 0 ? rc : eval_check_read(j->ev, 0, j->grid->n * (n + 1));
}

static int join(struct joining *j, struct emit out)
{
    const struct rank **ranks = arena_array(j->ev->arena, const struct rank *, j->rank_count + 1);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < j->base_count; i++) {
        rc = join_base(j, &j->bases[i], ranks);
    }
    for (size_t i = 0; rc == 0 && i < j->result_count; i++) {
        struct result *r = &j->results[i];
        rc = emit_column(out, &(struct column){.labels = r->labels, .drop_name = r->drop_name, .v = r->v});
    }
    return rc;
}

/* Matchers of __name__ say which info metrics, the others which labels. */
static void split_matchers(struct joining *j, const struct expr *selector)
{
    size_t n = selector->selector.matcher_count;
    struct matcher *names = arena_array(j->ev->arena, struct matcher, n + 1);
    struct matcher *data = arena_array(j->ev->arena, struct matcher, n + 1);
    for (size_t i = 0; i < n; i++) {
        const struct matcher *m = &selector->selector.matchers[i];
        if (str_eq(m->name, METRIC_NAME)) {
            names[j->name_count++] = *m;
        } else {
            data[j->data_count++] = *m;
        }
    }
    j->names = names;
    j->data = data;
}

int stream_info(struct eval *ev, const struct expr *call, const struct grid *grid, struct emit out)
{
    static const struct matcher target_info = {.op = MATCH_EQ, .name = {"__name__", 8}, .value = {"target_info", 11}};
    struct joining j = {.ev = ev, .grid = grid, .oldest_ms = INT64_MIN, .any = arena_zalloc(ev->arena, grid->n + 1)};
    if (call->call.arg_count > 1) {
        split_matchers(&j, call->call.args[1]);
    } else {
        j.names = &target_info;
        j.name_count = 1;
    }
    group_table_init(&j.identities, ev->arena);
    group_table_init(&j.by_identity, ev->arena);
    group_table_init(&j.by_labels, ev->arena);
    int rc = eval_vector(ev, call->call.args[0], grid, (struct emit){hold_base, &j});
    if (rc == 0 && j.identities.n) {
        struct expr selector;
        rc = info_selector(&j, &selector);
        selector.line = call->line; /* for remarks on what was read */
        selector.column = call->column;
        rc = rc < 0 ? rc : read_info(&j, &selector, call->call.args[0]);
    }
    return rc < 0 ? rc : join(&j, out);
}
