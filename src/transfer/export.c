#include "src/transfer/export.h"

#include "src/base/number.h"
#include "src/model/openmetrics.h"

#include <stdlib.h>

#define SLICE_MS     ((int64_t)10 * 24 * 3600 * 1000) /* of one series read at once */
#define MARGIN_MS    ((int64_t)24 * 3600 * 1000)      /* the store knows its oldest sample to the window */
#define FAR_MS       ((int64_t)1 << 53)               /* no sample is beyond */
#define READS_MAX    256                              /* of one snapshot, so that none is open for long */
#define MATCHERS_MAX 64

/* One metric name and where it stands: sorted by family, then by rank. */
struct metric {
    struct str name, family; /* the family's name in OpenMetrics */
    enum metric_type type;
    struct str help;
    int rank; /* within the family: x, x_bucket, x_count, x_sum */
};

struct series {
    series_id id;
    struct labels labels;
    int rank;
    double bound; /* of le or quantile; infinite: none */
};

struct exporter {
    struct export_options options;
    struct export_totals totals;
    bool planned;
    struct arena plan_arena; /* metrics */
    struct metric *metrics;
    size_t metric_count, next_metric;
    struct arena family_arena; /* series of the family at hand */
    vec(struct series) series;
    size_t next_series;
    const struct metric *family; /* the first of the family at hand */
    bool family_written;
    struct buf prefix; /* of the series at hand; empty: none is */
    int64_t next_ms, step_ms;
    bool counted;
    bool more; /* the series may have samples from next_ms on */
    struct sample_columns columns;
    size_t at;
    struct snapshot *snapshot;
    int reads;
};

struct exporter *exporter_new(const struct export_options *options)
{
    struct exporter *e = mem_zalloc(sizeof(*e));
    e->options = *options;
    e->options.start_ms = options->start_ms < -FAR_MS ? -FAR_MS : options->start_ms;
    e->options.end_ms = options->end_ms > FAR_MS ? FAR_MS : options->end_ms;
    arena_init(&e->plan_arena);
    arena_init(&e->family_arena);
    buf_init(&e->prefix, TEXT_LINE_MAX);
    return e;
}

void exporter_free(struct exporter *e)
{
    if (!e) {
        return;
    }
    snapshot_close(e->snapshot);
    sample_columns_release(&e->columns);
    buf_release(&e->prefix);
    vec_release(&e->series);
    arena_release(&e->family_arena);
    arena_release(&e->plan_arena);
    mem_free(e);
}

struct export_totals exporter_totals(const struct exporter *e)
{
    return e->totals;
}

static int need_snapshot(struct exporter *e)
{
    if (e->snapshot && e->reads++ >= READS_MAX) {
        snapshot_close(steal(e->snapshot));
    }
    if (e->snapshot) {
        return 0;
    }
    e->reads = 0;
    return snapshot_open(e->options.store, &e->snapshot);
}

/* -- the plan: which metrics there are, and to which families they belong -- */

struct families {
    const struct metric_family *v; /* by name */
    size_t n;
};

static int compare_with_family(const void *name, const void *family)
{
    return str_cmp(*(const struct str *)name, ((const struct metric_family *)family)->name);
}

static const struct metric_family *find_family(const struct families *families, struct str name)
{
    return families->n ? bsearch(&name, families->v, families->n, sizeof(*families->v), compare_with_family) : NULL;
}

static int compare_texts(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static bool has_name(const struct str_list *names, struct str name)
{
    return names->n && bsearch(&name, names->v, names->n, sizeof(*names->v), compare_texts) != NULL;
}

static struct str without(struct str name, struct str suffix)
{
    return str_slice(name, 0, name.len - suffix.len);
}

/* x_bucket, x_count, x_sum of a histogram x; x_count and x_sum of a summary. */
static bool join_parts(const struct families *families, struct metric *m)
{
    static const struct {
        const char *suffix;
        int rank;
    } parts[] = {{"_bucket", 1}, {"_count", 2}, {"_sum", 3}};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        struct str suffix = str_of(parts[i].suffix);
        if (!str_ends(m->name, suffix) || m->name.len == suffix.len) {
            continue;
        }
        const struct metric_family *f = find_family(families, without(m->name, suffix));
        if (f && (f->type == METRIC_HISTOGRAM || (f->type == METRIC_SUMMARY && i > 0))) {
            *m = (struct metric){m->name, f->name, f->type, f->help, parts[i].rank};
            return true;
        }
    }
    return false;
}

/* Of a counter and an info metric the family has the name without this. */
static struct str family_suffix(enum metric_type type)
{
    return type == METRIC_COUNTER ? STR("_total") : type == METRIC_INFO ? STR("_info") : (struct str){0};
}

/* What is known of a metric, also where it is known under the family's name: x_total by x. */
static const struct metric_family *find_metric(const struct families *families, struct str name)
{
    const struct metric_family *f = find_family(families, name);
    for (enum metric_type type = METRIC_COUNTER; !f && type <= METRIC_INFO; type++) {
        struct str suffix = family_suffix(type);
        if (suffix.len && str_ends(name, suffix)) {
            f = find_family(families, without(name, suffix));
            f = f && f->type == type ? f : NULL;
        }
    }
    return f;
}

static struct metric place(const struct families *families, const struct str_list *names, struct str name)
{
    struct metric m = {.name = name, .family = name};
    const struct metric_family *f = find_metric(families, name);
    if (!f) {
        (void)join_parts(families, &m);
        return m;
    }
    m.help = f->help;
    struct str suffix = family_suffix(f->type);
    if (suffix.len == 0) {
        m.type = f->type;
        return m;
    }
    if (!str_ends(name, suffix) || name.len == suffix.len) {
        return m;
    }
    struct str bare = without(name, suffix);
    const struct metric_family *other = find_family(families, bare);
    if (!has_name(names, bare) && (!other || other->type == f->type)) {
        m.type = f->type;
        m.family = bare;
    }
    return m;
}

static int compare_metrics(const void *a, const void *b)
{
    const struct metric *x = a, *y = b;
    int c = str_cmp(x->family, y->family);
    c = c ? c : (x->type > y->type) - (x->type < y->type);
    return c ? c : str_cmp(x->name, y->name);
}

/* Names of the series that any selector selects. */
static int list_names(struct exporter *e, struct str_list *out)
{
    const struct export_options *o = &e->options;
    if (o->n == 0) {
        return snapshot_label_values(e->snapshot, METRIC_NAME, NULL, 0, o->start_ms, o->end_ms, &e->plan_arena, out);
    }
    vec(struct str) all = {0};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < o->n; i++) {
        struct str_list some = {0};
        rc = snapshot_label_values(e->snapshot, METRIC_NAME, o->selectors[i].matchers, o->selectors[i].n, o->start_ms,
                                   o->end_ms, &e->plan_arena, &some);
        for (size_t k = 0; rc == 0 && k < some.n; k++) {
            vec_push(&all, some.v[k]);
        }
    }
    struct str *v = arena_array(&e->plan_arena, struct str, all.len + 1);
    size_t n = 0;
    if (all.len) {
        qsort(all.p, all.len, sizeof(*all.p), compare_texts);
    }
    for (size_t i = 0; i < all.len; i++) {
        if (n == 0 || !str_eq(v[n - 1], all.p[i])) {
            v[n++] = all.p[i];
        }
    }
    vec_release(&all);
    *out = (struct str_list){v, n};
    return rc;
}

/* Samples older than the store's oldest are not looked for, nor such as come while it is read. */
static void clip_range(struct exporter *e)
{
    struct export_options *o = &e->options;
    struct store_status status = {0};
    store_get_status(o->store, &status);
    if (status.oldest_ms || status.newest_ms) {
        int64_t oldest_ms = status.oldest_ms - MARGIN_MS, newest_ms = status.newest_ms + MARGIN_MS;
        o->start_ms = o->start_ms < oldest_ms ? oldest_ms : o->start_ms;
        o->end_ms = o->end_ms > newest_ms ? newest_ms : o->end_ms;
    }
}

static int plan(struct exporter *e)
{
    struct str_list names = {0};
    struct metric_family *families = NULL;
    size_t n = 0;
    int rc = need_snapshot(e);
    rc = rc ? rc : list_names(e, &names);
    rc = rc ? rc : snapshot_metadata(e->snapshot, (struct str){0}, &e->plan_arena, &families, &n);
    if (rc) {
        return rc;
    }
    e->metrics = arena_array(&e->plan_arena, struct metric, names.n + 1);
    for (size_t i = 0; i < names.n; i++) {
        struct str name = arena_dup(&e->plan_arena, names.v[i]); /* the list's texts are the snapshot's */
        e->metrics[i] = place(&(struct families){families, n}, &names, name);
    }
    e->metric_count = names.n;
    if (names.n) {
        qsort(e->metrics, names.n, sizeof(*e->metrics), compare_metrics);
    }
    clip_range(e);
    e->planned = true;
    return 0;
}

/* -- the series of a family -- */

static double bound_of(struct labels labels)
{
    struct str text = labels_get(labels, STR("le"));
    double v;
    text = text.len ? text : labels_get(labels, STR("quantile"));
    return text.len && number_parse(text, &v) && !isnan(v) ? v : (double)INFINITY;
}

static bool is_bound(const struct label *label)
{
    return str_is(label->name, "le") || str_is(label->name, "quantile") || str_eq(label->name, METRIC_NAME);
}

/* By what makes one metric of several series: the labels without le, quantile and the name. */
static int compare_metric_labels(struct labels a, struct labels b)
{
    for (uint32_t i = 0, k = 0;;) {
        while (i < a.n && is_bound(&a.v[i])) {
            i++;
        }
        while (k < b.n && is_bound(&b.v[k])) {
            k++;
        }
        if (i == a.n || k == b.n) {
            return (i < a.n) - (k < b.n);
        }
        int c = str_cmp(a.v[i].name, b.v[k].name);
        c = c ? c : str_cmp(a.v[i].value, b.v[k].value);
        if (c) {
            return c;
        }
        i++;
        k++;
    }
}

static int compare_series(const void *a, const void *b)
{
    const struct series *x = a, *y = b;
    int c = compare_metric_labels(x->labels, y->labels);
    c = c ? c : (x->rank > y->rank) - (x->rank < y->rank);
    c = c ? c : (x->bound > y->bound) - (x->bound < y->bound);
    c = c ? c : labels_cmp(x->labels, y->labels);
    return c ? c : (x->id > y->id) - (x->id < y->id);
}

static int select_metric(struct exporter *e, const struct metric *m, const struct export_selector *selector)
{
    const struct export_options *o = &e->options;
    struct matcher matchers[MATCHERS_MAX + 1];
    if (selector->n > MATCHERS_MAX) {
        return ERR_LIMIT;
    }
    int rc = matcher_init(&matchers[0], MATCH_EQ, METRIC_NAME, m->name, NULL);
    if (selector->n) {
        memcpy(matchers + 1, selector->matchers, selector->n * sizeof(matchers[0]));
    }
    auto_arena arena;
    arena_init(&arena);
    struct series_set set = {0};
    rc = rc ? rc : need_snapshot(e);
    rc = rc ? rc : snapshot_select(e->snapshot, matchers, selector->n + 1, o->start_ms, o->end_ms, 0, &arena, &set);
    for (size_t i = 0; rc == 0 && i < set.n; i++) {
        struct labels labels = labels_dup(set.v[i].labels, &e->family_arena);
        vec_push(&e->series, ((struct series){set.v[i].id, labels, m->rank, bound_of(labels)}));
    }
    return rc;
}

static bool same_family(const struct metric *a, const struct metric *b)
{
    return a->type == b->type && str_eq(a->family, b->family);
}

static void drop_doubles(struct exporter *e)
{
    size_t n = 0;
    for (size_t i = 0; i < e->series.len; i++) {
        if (n == 0 || e->series.p[n - 1].id != e->series.p[i].id) {
            e->series.p[n++] = e->series.p[i];
        }
    }
    e->series.len = n;
}

static int begin_family(struct exporter *e)
{
    static const struct export_selector all = {NULL, 0};
    bool any = e->options.n == 0;
    vec_clear(&e->series);
    arena_clear(&e->family_arena);
    e->next_series = 0;
    e->family_written = false;
    e->family = &e->metrics[e->next_metric];
    int rc = 0;
    for (; rc == 0 && e->next_metric < e->metric_count; e->next_metric++) {
        const struct metric *m = &e->metrics[e->next_metric];
        if (!same_family(m, e->family)) {
            break;
        }
        for (size_t i = 0; rc == 0 && i < (any ? 1 : e->options.n); i++) {
            rc = select_metric(e, m, any ? &all : &e->options.selectors[i]);
        }
    }
    if (e->series.len) {
        qsort(e->series.p, e->series.len, sizeof(*e->series.p), compare_series);
    }
    drop_doubles(e);
    return rc;
}

/* -- the samples of a series -- */

static void begin_series(struct exporter *e)
{
    buf_clear(&e->prefix);
    text_write_series(e->series.p[e->next_series].labels, &e->prefix);
    e->next_ms = e->options.start_ms;
    e->step_ms = SLICE_MS;
    e->more = true;
    e->counted = false;
    e->columns.n = e->at = 0;
}

static void end_series(struct exporter *e)
{
    buf_clear(&e->prefix);
    e->next_series++;
}

/* Through what is empty in growing steps. */
static int read_slice(struct exporter *e)
{
    int rc = need_snapshot(e);
    if (rc) {
        return rc;
    }
    int64_t end_ms = e->options.end_ms;
    bool last = end_ms - e->next_ms < e->step_ms;
    int64_t to_ms = last ? end_ms : e->next_ms + e->step_ms - 1;
    rc = snapshot_read(e->snapshot, e->series.p[e->next_series].id, e->next_ms, to_ms, &e->columns);
    e->at = 0;
    e->more = !last;
    e->next_ms = to_ms + !last;
    e->step_ms = e->columns.n ? SLICE_MS : e->step_ms * 2;
    return rc;
}

static void write_sample(struct exporter *e, struct buf *out)
{
    if (!e->family_written) {
        text_write_family(e->family->family, e->family->type, e->family->help, out);
        e->family_written = true;
    }
    text_write_sample(buf_str(&e->prefix), e->columns.t_ms[e->at], e->columns.v[e->at], out);
    e->at++;
    e->totals.samples++;
    e->totals.series += !e->counted;
    e->counted = true;
}

/* One step on the way through families, series and samples. */
static int step(struct exporter *e, struct buf *out, bool *done)
{
    if (!e->planned) {
        return plan(e);
    }
    if (e->prefix.len) {
        if (e->at < e->columns.n) {
            write_sample(e, out);
            return 0;
        }
        if (e->more) {
            return read_slice(e);
        }
        end_series(e);
    }
    if (e->next_series < e->series.len) {
        begin_series(e);
    } else if (e->next_metric < e->metric_count) {
        return begin_family(e);
    } else {
        buf_add(out, TEXT_END);
        *done = true;
    }
    return 0;
}

int exporter_next(struct exporter *e, struct buf *out, bool *done)
{
    size_t limit = out->len + EXPORT_PIECE;
    int rc = 0;
    *done = false;
    while (rc == 0 && !*done && out->len < limit) {
        rc = step(e, out, done);
    }
    snapshot_close(steal(e->snapshot));
    return rc ? rc : out->failed ? ERR_LIMIT : 0;
}
