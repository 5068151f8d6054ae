#include "src/base/clock.h"
#include "src/base/counter.h"
#include "src/query/cache_table.h"
#include "src/query/eval.h"

#define SAMPLES_MIN 500 /* what read fewer is as quick without */
#define KEY_MAX     (1u << 20)

struct ask {
    struct store *store;
    const struct expr *expr;
    int64_t start_ms, end_ms, step_ms;
    const struct query_options *options;
    struct arena *arena;
    struct error *err;
    struct expr_reach reach;
    struct str key;
    uint64_t token;
};

static size_t steps_of(const struct ask *ask)
{
    return (size_t)((ask->end_ms - ask->start_ms) / ask->step_ms) + 1;
}

/* What query_range() refuses it shall refuse itself. */
static bool is_cacheable(struct ask *ask)
{
    if (ask->step_ms <= 0 || ask->end_ms < ask->start_ms || ask->expr->type != VALUE_VECTOR ||
        ((uint64_t)ask->end_ms - (uint64_t)ask->start_ms) / (uint64_t)ask->step_ms > QUERY_STEPS_MAX) {
        return false;
    }
    /* with the values of step() and range() in place: so they are part of the key, and the same for each piece */
    struct duration_scope scope = duration_scope_of(ask->start_ms, ask->end_ms, ask->step_ms);
    if (expr_resolve(ask->expr, scope, ask->arena, &ask->expr, NULL) < 0) {
        return false;
    }
    ask->reach = expr_reach(ask->expr);
    return !ask->reach.whole_range;
}

/* The canonical text says where nothing stands in the query, but only notes tell of places, and what has notes is not
 * kept. */
static struct str make_key(const struct ask *ask)
{
    int64_t phase_ms = ask->start_ms % ask->step_ms;
    phase_ms += phase_ms < 0 ? ask->step_ms : 0;
    auto_buf key = {0};
    buf_init(&key, KEY_MAX);
    buf_addf(&key, "%lld %lld %lld %d ", (long long)ask->step_ms, (long long)phase_ms,
             (long long)ask->options->lookback_ms, (int)ask->options->resolution);
    expr_print(ask->expr, &key);
    return key.failed ? (struct str){0} : arena_dup(ask->arena, buf_str(&key));
}

/* -- results into entries -- */

static void fill_row(const struct cache_entry *entry, const struct result_series *series, double *row)
{
    for (size_t i = 0; i < entry->steps; i++) {
        row[i] = absent();
    }
    for (size_t i = 0; i < series->n; i++) {
        row[(series->points[i].t_ms - entry->start_ms) / entry->step_ms] = series->points[i].v;
    }
}

static void keep(struct query_cache *cache, const struct ask *ask, const struct query_result *result)
{
    struct cache_entry *entry = cache_entry_new(cache, ask->key, result->n, steps_of(ask));
    if (!entry) {
        return;
    }
    entry->token = ask->token;
    entry->start_ms = ask->start_ms;
    entry->step_ms = ask->step_ms;
    for (size_t i = 0; i < result->n; i++) {
        entry->labels[i] = labels_dup(result->series[i].labels, &entry->arena);
        fill_row(entry, &result->series[i], entry->values + i * entry->steps);
    }
    cache_put(entry);
}

/* -- entries into results -- */

/* Steps of an entry, [first, last]; empty: first > last. */
struct span {
    int64_t first_ms, last_ms;
};

/* Those that are asked for and that nothing written since can have changed. */
static struct span usable_steps(const struct ask *ask, const struct cache_entry *entry)
{
    struct span span = {entry->start_ms, entry->start_ms + (int64_t)(entry->steps - 1) * entry->step_ms};
    int64_t changed_ms = store_changed_since(ask->store, entry->token);
    if (changed_ms <= ask->reach.fixed_ms || changed_ms == INT64_MIN) {
        return (struct span){0, -1};
    }
    if (changed_ms != INT64_MAX && changed_ms - 1 - ask->reach.forward_ms < span.last_ms) {
        int64_t behind_ms = changed_ms - 1 - ask->reach.forward_ms - span.first_ms;
        if (behind_ms < 0) {
            return (struct span){0, -1};
        }
        span.last_ms = span.first_ms + behind_ms / entry->step_ms * entry->step_ms;
    }
    span.first_ms = span.first_ms < ask->start_ms ? ask->start_ms : span.first_ms;
    if (span.last_ms > ask->end_ms) {
        span.last_ms = ask->start_ms + (ask->end_ms - ask->start_ms) / ask->step_ms * ask->step_ms;
    }
    return span;
}

/* Series of one piece of the answer, in the order of labels. */
struct piece {
    const struct query_result *result; /* or */
    const struct cache_entry *entry;
    size_t from, count; /* of the entry's steps */
    size_t i, n;
};

static struct labels piece_labels(const struct piece *p)
{
    return p->entry ? p->entry->labels[p->i] : p->result->series[p->i].labels;
}

static size_t piece_points(const struct piece *p, struct point *out)
{
    size_t n = 0;
    if (!p->entry) {
        const struct result_series *series = &p->result->series[p->i];
        if (series->n) {
            memcpy(out, series->points, series->n * sizeof(*out));
        }
        return series->n;
    }
    const double *row = p->entry->values + p->i * p->entry->steps + p->from;
    int64_t t_ms = p->entry->start_ms + (int64_t)p->from * p->entry->step_ms;
    for (size_t i = 0; i < p->count; i++, t_ms += p->entry->step_ms) {
        if (!is_absent(row[i])) {
            out[n++] = (struct point){t_ms, row[i]};
        }
    }
    return n;
}

static size_t piece_points_max(const struct piece *p)
{
    return p->entry ? p->count : p->result->series[p->i].n;
}

/* The piece whose next series is the first by labels; NULL: none has any left. */
static struct piece *first_piece(struct piece *pieces, size_t count)
{
    struct piece *first = NULL;
    for (size_t i = 0; i < count; i++) {
        if (pieces[i].i < pieces[i].n && (!first || labels_cmp(piece_labels(&pieces[i]), piece_labels(first)) < 0)) {
            first = &pieces[i];
        }
    }
    return first;
}

static void join_series(const struct ask *ask, struct piece *pieces, size_t count, struct result_series *out)
{
    bool mine[3] = {false};
    size_t max = 0;
    struct labels labels = piece_labels(first_piece(pieces, count));
    for (size_t i = 0; i < count; i++) {
        mine[i] = pieces[i].i < pieces[i].n && labels_eq(piece_labels(&pieces[i]), labels);
        max += mine[i] ? piece_points_max(&pieces[i]) : 0;
    }
    *out = (struct result_series){.points = arena_alloc(ask->arena, max * sizeof(struct point) + 1)};
    for (size_t i = 0; i < count; i++) {
        if (mine[i]) {
            out->n += piece_points(&pieces[i], out->points + out->n);
            out->labels = pieces[i].entry ? out->labels : piece_labels(&pieces[i]); /* not the entry's, which may go */
        }
    }
    if (out->n && !out->labels.v) {
        out->labels = labels_dup(labels, ask->arena);
    }
    for (size_t i = 0; i < count; i++) {
        pieces[i].i += mine[i];
    }
}

static void join(const struct ask *ask, struct piece *pieces, size_t count, struct query_result *out)
{
    size_t most = 0;
    for (size_t i = 0; i < count; i++) {
        most += pieces[i].n;
    }
    out->series = arena_alloc(ask->arena, most * sizeof(*out->series) + 1);
    while (first_piece(pieces, count)) {
        join_series(ask, pieces, count, &out->series[out->n]);
        out->n += out->series[out->n].n > 0;
    }
}

/* -- what is missing -- */

static void add_texts(const struct ask *ask, const struct str *more, size_t more_count, const struct str **texts,
                      size_t *count)
{
    struct str *all = arena_array(ask->arena, struct str, *count + more_count + 1);
    size_t n = 0;
    for (size_t i = 0; i < *count; i++) {
        all[n++] = (*texts)[i];
    }
    for (size_t i = 0; i < more_count; i++) {
        bool there = false;
        for (size_t k = 0; k < n && !there; k++) {
            there = str_eq(all[k], more[i]);
        }
        if (!there) {
            all[n++] = more[i];
        }
    }
    *texts = all;
    *count = n;
}

static int evaluate(const struct ask *ask, int64_t from_ms, int64_t to_ms, struct query_result *piece,
                    struct query_result *whole)
{
    int rc =
        query_range(ask->store, ask->expr, from_ms, to_ms, ask->step_ms, ask->options, ask->arena, piece, ask->err);
    if (rc) {
        return rc;
    }
    add_texts(ask, piece->warnings, piece->warning_count, &whole->warnings, &whole->warning_count);
    add_texts(ask, piece->infos, piece->info_count, &whole->infos, &whole->info_count);
    struct query_stats *s = &whole->stats;
    const struct query_stats *more = &piece->stats;
    s->series = more->series > s->series ? more->series : s->series;
    s->samples += more->samples;
    s->peak_samples = more->peak_samples > s->peak_samples ? more->peak_samples : s->peak_samples;
    s->memory_bytes += more->memory_bytes;
    s->tier = more->tier > s->tier ? more->tier : s->tier;
    s->prepare_us += more->prepare_us;
    s->sort_us += more->sort_us;
    return 0;
}

/* The steps before the span, those in it, those after it. *fresh: something was evaluated. */
static int complete(const struct ask *ask, const struct cache_entry *entry, struct span span, struct query_result *out,
                    bool *fresh)
{
    struct query_result head = {0}, tail = {0};
    struct piece pieces[3];
    size_t count = 0;
    int64_t begin_us = clock_mono_us();
    int rc = 0;
    *out =
        (struct query_result){.type = VALUE_MATRIX, .t_ms = ask->start_ms, .on_steps = true, .step_ms = ask->step_ms};
    if (span.first_ms > ask->start_ms) {
        rc = evaluate(ask, ask->start_ms, span.first_ms - ask->step_ms, &head, out);
        pieces[count++] = (struct piece){.result = &head, .n = head.n};
    }
    pieces[count++] = (struct piece){.entry = entry,
                                     .from = (size_t)((span.first_ms - entry->start_ms) / ask->step_ms),
                                     .count = (size_t)((span.last_ms - span.first_ms) / ask->step_ms) + 1,
                                     .n = entry->n};
    if (rc == 0 && span.last_ms + ask->step_ms <= ask->end_ms) {
        rc = evaluate(ask, span.last_ms + ask->step_ms, ask->end_ms, &tail, out);
        pieces[count++] = (struct piece){.result = &tail, .n = tail.n};
    }
    if (rc == 0) {
        join(ask, pieces, count, out);
        out->stats.eval_us = clock_mono_us() - begin_us - out->stats.prepare_us;
        *fresh = count > 1;
    }
    return rc;
}

int query_range_cached(struct query_cache *cache, struct store *store, const struct expr *expr, int64_t start_ms,
                       int64_t end_ms, int64_t step_ms, const struct query_options *options, struct arena *arena,
                       struct query_result *out, struct error *err)
{
    struct ask ask = {store, expr, start_ms, end_ms, step_ms, options, arena, err, {0}, {0}, 0};
    if (!cache || !is_cacheable(&ask)) {
        return query_range(store, expr, start_ms, end_ms, step_ms, options, arena, out, err);
    }
    ask.key = make_key(&ask);
    if (!ask.key.len) { /* longer than any text that is kept */
        return query_range(store, expr, start_ms, end_ms, step_ms, options, arena, out, err);
    }
    ask.token = store_change_token(store); /* before any snapshot */
    struct cache_entry *entry = cache_get(cache, ask.key);
    struct span span = entry ? usable_steps(&ask, entry) : (struct span){0, -1};
    bool hit = span.first_ms <= span.last_ms, fresh = true;
    int rc = hit ? complete(&ask, entry, span, out, &fresh)
                 : query_range(store, expr, start_ms, end_ms, step_ms, options, arena, out, err);
    cache_unref(entry);
    self_add(hit ? SELF_QUERY_CACHE_HITS : SELF_QUERY_CACHE_MISSES, 1);
    if (rc == 0 && fresh && !out->warning_count && !out->info_count && (hit || out->stats.samples >= SAMPLES_MIN)) {
        keep(cache, &ask, out);
    }
    return rc;
}
