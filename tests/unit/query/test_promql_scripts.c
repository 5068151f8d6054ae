/*
 * Runs PromQL test scripts against the real store: those of tests/promql, and with PROMQL_SCRIPTS=FILE:FILE… (or files
 * as arguments) any others. What cannot be run (native histograms, functions that are not there) is skipped and
 * counted. PROMQL_SCRIPTS_VERBOSE=1 also prints what differs in warnings only.
 */
#include "src/query/features.h"
#include "src/query/query.h"
#include "tests/support/test.h"
#include "tests/unit/query/promql_script.h"

#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <unistd.h>

struct loaded {
    struct labels labels;
    int64_t t_ms;
    double v;
    size_t order;
};
struct runner {
    const char *file;
    bool strict; /* notes count as failures */
    struct script script;
    struct store *store;
    char dir[64];
    vec(struct loaded) samples;
    vec(struct str) native; /* names that have native histograms */
    bool dirty;
    size_t passed, failed, skipped_native, skipped_missing, soft;
};

/* ---- the store ---- */

static int unlink_cb(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static void close_store(struct runner *r)
{
    if (r->store) {
        store_close(r->store);
        nftw(r->dir, unlink_cb, 16, FTW_DEPTH | FTW_PHYS);
        r->store = NULL;
    }
}

static int loaded_cmp(const void *a, const void *b)
{
    const struct loaded *x = a, *y = b;
    int c = (x->t_ms > y->t_ms) - (x->t_ms < y->t_ms);
    return c ? c : (x->order > y->order) - (x->order < y->order);
}

static void append_samples(struct runner *r)
{
    for (size_t i = 0; i < r->samples.len;) {
        auto_arena arena;
        arena_init(&arena);
        struct batch batch;
        int64_t t = r->samples.p[i].t_ms;
        batch_init(&batch, &arena, STR("script"), t, (struct labels){0});
        for (; i < r->samples.len && r->samples.p[i].t_ms == t; i++) {
            const struct loaded *s = &r->samples.p[i];
            vec_push(&batch.samples, (struct batch_sample){s->labels, s->t_ms, s->v});
        }
        int rc;
        while ((rc = store_append(r->store, &batch, NULL, NULL)) == -1007) { /* ERR_FULL: the writer is behind */
            assert_int_equal(store_sync(r->store, 10000), 0);
        }
        assert_int_equal(rc, 0);
        batch_release(&batch);
    }
}

/* A fresh store with everything loaded, in time order: a later load starts at 0 again. */
static void fill_store(struct runner *r)
{
    if (!r->dirty && r->store) {
        return;
    }
    close_store(r);
    snprintf(r->dir, sizeof(r->dir), "/tmp/cloche-promql-XXXXXX");
    assert_non_null(mkdtemp(r->dir));
    struct store_options options = {.dir = r->dir};
    struct error err = {0};
    if (store_open(&options, &r->store, &err) < 0) {
        fail_msg("store_open: %s", err.text);
    }
    if (r->samples.len) {
        qsort(r->samples.p, r->samples.len, sizeof(*r->samples.p), loaded_cmp);
    }
    append_samples(r);
    r->dirty = false;
}

static void clear(struct runner *r)
{
    vec_clear(&r->samples);
    vec_clear(&r->native);
    r->dirty = true;
}

static void load(struct runner *r, struct str head)
{
    struct str word, line;
    int64_t gap;
    script_word(&head, &word);
    bool nhcb = str_is(word, "load_with_nhcb");
    assert_true(script_word(&head, &word) && script_duration(word, &gap));
    while (script_line(&r->script, &line) && line.len) {
        struct script_row row = {0};
        struct str rest = line;
        if (!script_labels(&r->script, &rest, &row.labels) || (rest.len && rest.p[0] == '@')) {
            vec_release(&row.values); /* name@st: start timestamps */
            continue;
        }
        if (!script_values(rest, &row)) {
            fail_msg("%s:%d: values of " STR_FMT, r->file, r->script.line, STR_ARG(line));
        }
        for (size_t i = 0; i < row.values.len; i++) {
            if (row.values.p[i].present) {
                vec_push(&r->samples, (struct loaded){row.labels, (int64_t)i * gap, row.values.p[i].v, r->samples.len});
            }
        }
        struct str name = labels_get(row.labels, METRIC_NAME);
        if (row.native) {
            vec_push(&r->native, name);
        }
        static const char *const suffixes[] = {"_bucket", "_count", "_sum"};
        for (size_t i = 0; nhcb && i < 3; i++) {
            if (str_ends(name, str_of(suffixes[i]))) {
                vec_push(&r->native, str_slice(name, 0, name.len - strlen(suffixes[i])));
            }
        }
        vec_release(&row.values);
    }
    r->dirty = true;
}

/* ---- comparing ---- */

static bool nearly(double a, double b)
{
    if (isnan(a) || isnan(b)) {
        return isnan(a) && isnan(b);
    }
    return a == b || fabs(a - b) <= 1e-6 * fmax(fabs(a), fabs(b)) || fabs(a - b) < 1e-300;
}

#define MISMATCH(...) return (snprintf(why, why_size, __VA_ARGS__), false)

static struct script_row *row_of(struct script_eval *e, struct labels labels)
{
    for (size_t row_i = 0; row_i < e->rows.len; row_i++) {
        struct script_row *row = &e->rows.p[row_i];
        if (labels_eq(row->labels, labels)) {
            return row;
        }
    }
    return NULL;
}

static bool same_points(const struct script_eval *e, const struct script_row *row, const struct result_series *s,
                        char *why, size_t why_size)
{
    size_t k = 0;
    for (size_t i = 0; i < row->values.len; i++) {
        if (!row->values.p[i].present) {
            continue;
        }
        int64_t t = e->start_ms + (int64_t)i * e->step_ms;
        if (k == s->n || s->points[k].t_ms != t) {
            MISMATCH("no point at %lld", (long long)t);
        }
        if (!nearly(s->points[k].v, row->values.p[i].v)) {
            MISMATCH("at %lld: got %.17g, expected %.17g", (long long)t, s->points[k].v, row->values.p[i].v);
        }
        k++;
    }
    if (k != s->n) {
        MISMATCH("%zu points more than expected", s->n - k);
    }
    return true;
}

static bool same_matrix(struct script_eval *e, const struct query_result *result, char *why, size_t why_size)
{
    for (size_t i = 0; i < result->n; i++) {
        auto_buf name;
        buf_init(&name, 4096);
        labels_print(result->series[i].labels, &name);
        struct script_row *row = row_of(e, result->series[i].labels);
        if (!row) {
            MISMATCH("unexpected series " STR_FMT " (first value %.17g)", STR_ARG(buf_str(&name)),
                     result->series[i].points[0].v);
        }
        if (!same_points(e, row, &result->series[i], why, why_size)) {
            char detail[128];
            snprintf(detail, sizeof(detail), "%s", why);
            MISMATCH(STR_FMT ": %s", STR_ARG(buf_str(&name)), detail);
        }
    }
    size_t expected = 0;
    for (size_t row_i = 0; row_i < e->rows.len; row_i++) {
        struct script_row *row = &e->rows.p[row_i];
        bool any = false;
        for (size_t i = 0; i < row->values.len; i++) {
            any = any || row->values.p[i].present;
        }
        expected += any;
    }
    if (expected != result->n) {
        MISMATCH("%zu series, expected %zu", result->n, expected);
    }
    return true;
}

/* Points of a result at one time, against an instant query's rows. */
static bool same_vector(struct script_eval *e, const struct query_result *result, int64_t t_ms, bool ordered, char *why,
                        size_t why_size)
{
    size_t found = 0;
    for (size_t i = 0; i < result->n; i++) {
        const struct result_series *s = &result->series[i];
        size_t k = 0;
        while (k < s->n && s->points[k].t_ms != t_ms) {
            k++;
        }
        if (k == s->n) {
            continue;
        }
        auto_buf name;
        buf_init(&name, 4096);
        labels_print(s->labels, &name);
        struct script_row *row = row_of(e, s->labels);
        if (!row || !row->values.len) {
            MISMATCH("unexpected series " STR_FMT " %.17g", STR_ARG(buf_str(&name)), s->points[k].v);
        }
        if (!nearly(s->points[k].v, row->values.p[0].v)) {
            MISMATCH(STR_FMT ": got %.17g, expected %.17g", STR_ARG(buf_str(&name)), s->points[k].v,
                     row->values.p[0].v);
        }
        if (ordered && (size_t)(row - e->rows.p) != found) {
            MISMATCH(STR_FMT " at position %zu, expected %zu", STR_ARG(buf_str(&name)), found,
                     (size_t)(row - e->rows.p));
        }
        found++;
    }
    if (found != e->rows.len) {
        MISMATCH("%zu series, expected %zu", found, e->rows.len);
    }
    return true;
}

static bool same_result(struct script_eval *e, const struct query_result *result, char *why, size_t why_size)
{
    switch (result->type) {
    case VALUE_SCALAR:
        if (!e->has_scalar || !nearly(e->scalar, result->scalar)) {
            MISMATCH("got scalar %.17g, expected %s %.17g", result->scalar, e->has_scalar ? "" : "no", e->scalar);
        }
        return true;
    case VALUE_STRING:
        if (!e->has_string || !str_eq(e->string, result->string)) {
            MISMATCH("got string " STR_FMT, STR_ARG(result->string));
        }
        return true;
    case VALUE_MATRIX:
        return same_matrix(e, result, why, why_size);
    case VALUE_VECTOR:
        return same_vector(e, result, e->start_ms, e->ordered, why, why_size);
    }
    return false;
}

static bool notes_hold(const struct script_eval *e, const struct query_result *result, char *why, size_t why_size)
{
    for (size_t note_i = 0; note_i < e->notes.len; note_i++) {
        struct script_note *note = &e->notes.p[note_i];
        bool warn = note->kind == NOTE_WARN || note->kind == NOTE_NO_WARN;
        const struct str *texts = warn ? result->warnings : result->infos;
        size_t n = warn ? result->warning_count : result->info_count;
        if ((note->kind == NOTE_NO_WARN || note->kind == NOTE_NO_INFO) && n) {
            MISMATCH("unexpected note: " STR_FMT, STR_ARG(texts[0]));
        }
        if (note->kind != NOTE_WARN && note->kind != NOTE_INFO) {
            continue;
        }
        bool hit = n && !note->text.p;
        for (size_t i = 0; i < n; i++) {
            hit = hit || str_eq(texts[i], note->text);
        }
        if (!hit) {
            MISMATCH("no note like this: " STR_FMT " (got " STR_FMT ")", STR_ARG(note->text),
                     STR_ARG(n ? texts[0] : STR("none")));
        }
    }
    return true;
}

/* ---- running ---- */

static bool word_char(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == ':';
}

static bool has_word(struct str text, struct str word)
{
    for (size_t i = 0; i + word.len <= text.len; i++) {
        if (memcmp(text.p + i, word.p, word.len) == 0 && (i == 0 || !word_char(text.p[i - 1])) &&
            (i + word.len == text.len || !word_char(text.p[i + word.len]))) {
            return true;
        }
    }
    return false;
}

/* Could a selector here pick a native histogram? In doubt yes. */
static bool touches_native(const struct runner *r, const struct script_eval *e)
{
    for (size_t row_i = 0; row_i < e->rows.len; row_i++) {
        struct script_row *row = &e->rows.p[row_i];
        if (row->native) {
            return true;
        }
    }
    if (!r->native.len) {
        return false;
    }
    bool nameless = str_find(e->expr, STR("__name__")) >= 0;
    for (size_t i = 0; i < e->expr.len; i++) {
        nameless = nameless || (e->expr.p[i] == '{' && (i == 0 || !word_char(e->expr.p[i - 1])));
    }
    for (size_t name_i = 0; name_i < r->native.len; name_i++) {
        struct str *name = &r->native.p[name_i];
        nameless = nameless || has_word(e->expr, *name);
    }
    return nameless;
}

/* Functions that are not there. */
static bool needs_missing(const struct script_eval *e)
{
    static const char *const missing[] = {"start_timestamp", "histogram_count",  "histogram_sum",
                                          "histogram_avg",   "histogram_stddev", "histogram_stdvar"};
    for (size_t i = 0; i < sizeof(missing) / sizeof(missing[0]); i++) {
        auto_buf call;
        buf_init(&call, 64);
        buf_addf(&call, "%s(", missing[i]);
        ptrdiff_t at = str_find(e->expr, buf_str(&call));
        if (at == 0 || (at > 0 && !word_char(e->expr.p[at - 1]))) {
            return true;
        }
    }
    return false;
}

static int evaluate(struct runner *r, const struct script_eval *e, struct expr *expr, struct arena *arena,
                    struct query_result *result, struct error *err)
{
    if (e->range) {
        return query_range(r->store, expr, e->start_ms, e->end_ms, e->step_ms, NULL, arena, result, err);
    }
    return query_instant(r->store, expr, e->end_ms, NULL, arena, result, err);
}

/* start() and the like: their values are others in a range query. */
static bool tells_of_query(struct str expr)
{
    static const char *const calls[] = {"start()", "end()", "range()", "step()"};
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        if (str_find_nocase(expr, str_of(calls[i])) >= 0) {
            return true;
        }
    }
    return false;
}

/* An instant query must give the same as the middle of a range query. */
static bool holds_in_range(struct runner *r, struct script_eval *e, struct expr *expr, struct arena *arena, char *why,
                           size_t why_size)
{
    if (e->range || e->range_vector || e->has_string || tells_of_query(e->expr) ||
        (expr_type(expr) != VALUE_SCALAR && e->has_scalar)) {
        return true;
    }
    struct query_result result;
    struct error err = {0};
    if (query_range(r->store, expr, e->start_ms - 60000, e->start_ms + 60000, 60000, NULL, arena, &result, &err) < 0) {
        MISMATCH("range mode: %s", err.text);
    }
    if (expr_type(expr) == VALUE_SCALAR) {
        if (result.n != 1 || result.series[0].n != 3 || !nearly(result.series[0].points[1].v, e->scalar)) {
            MISMATCH("range mode: scalar differs");
        }
        return true;
    }
    if (!same_vector(e, &result, e->start_ms, false, why, why_size)) {
        char detail[300];
        snprintf(detail, sizeof(detail), "%s", why);
        MISMATCH("range mode: %s", detail);
    }
    return true;
}

static bool failed_as_expected(const struct script_eval *e, const struct error *err, char *why, size_t why_size)
{
    for (size_t note_i = 0; note_i < e->notes.len; note_i++) {
        struct script_note *note = &e->notes.p[note_i];
        if (note->kind == NOTE_FAIL && note->text.p && !str_eq(note->text, str_of(err->text))) {
            MISMATCH("error text: %s", err->text);
        }
    }
    return true;
}

static void report(struct runner *r, const struct script_eval *e, const char *verdict, const char *why)
{
    printf("%s %s:%d: " STR_FMT "\n     %s\n", verdict, r->file, e->line, STR_ARG(e->expr), why);
}

static void judge_note(struct runner *r, const struct script_eval *e, const char *why)
{
    if (r->strict) {
        r->failed++;
        report(r, e, "FAIL", why);
        return;
    }
    r->passed++;
    r->soft++;
    if (getenv("PROMQL_SCRIPTS_VERBOSE")) {
        report(r, e, "soft", why);
    }
}

static void run_eval(struct runner *r, struct script_eval *e)
{
    if (touches_native(r, e)) {
        r->skipped_native++;
        return;
    }
    if (needs_missing(e)) {
        r->skipped_missing++;
        return;
    }
    fill_store(r);
    auto_arena arena;
    arena_init(&arena);
    struct expr *expr = NULL;
    struct error err = {0};
    struct query_result result;
    char why[400] = "";
    int rc = query_parse(e->expr, &arena, &expr, &err);
    rc = rc < 0 ? rc : evaluate(r, e, expr, &arena, &result, &err);
    if (e->fail && rc < 0) {
        if (failed_as_expected(e, &err, why, sizeof(why))) {
            r->passed++;
        } else {
            judge_note(r, e, why);
        }
    } else if (e->fail || rc < 0) {
        r->failed++;
        report(r, e, "FAIL", rc < 0 ? err.text : "no error");
    } else if (!same_result(e, &result, why, sizeof(why)) || !holds_in_range(r, e, expr, &arena, why, sizeof(why))) {
        r->failed++;
        report(r, e, "FAIL", why);
    } else if (!notes_hold(e, &result, why, sizeof(why))) {
        judge_note(r, e, why);
    } else {
        r->passed++;
    }
    expr_release(expr);
}

static void run_lines(struct runner *r)
{
    struct str line;
    while (script_line(&r->script, &line)) {
        if (!line.len) {
            continue;
        }
        if (str_is(line, "clear")) {
            clear(r);
        } else if (str_starts(line, STR("load"))) {
            load(r, line);
        } else {
            struct script_eval e;
            if (!str_starts(line, STR("eval")) || !script_read_eval(&r->script, line, &e)) {
                fail_msg("%s:%d: cannot read: " STR_FMT, r->file, r->script.line, STR_ARG(line));
            }
            run_eval(r, &e);
            script_eval_release(&e);
        }
    }
}

/* Returns the number of failures. */
static size_t run_file(const char *path, bool strict)
{
    FILE *f = fopen(path, "rb");
    if (!f) {
        fail_msg("cannot read %s", path);
    }
    auto_buf text;
    buf_init(&text, 8 << 20);
    size_t n;
    do {
        char *p = buf_reserve(&text, 65536);
        n = fread(p, 1, 65536, f);
        text.len += n;
    } while (n);
    fclose(f);
    const char *slash = strrchr(path, '/');
    struct runner r = {
        .file = slash ? slash + 1 : path, .strict = strict, .dirty = true, .script = {.rest = buf_str(&text)}};
    arena_init(&r.script.arena);
    run_lines(&r);
    close_store(&r);
    vec_release(&r.samples);
    vec_release(&r.native);
    arena_release(&r.script.arena);
    printf(
        "%-26s %4zu passed, %zu failed, %zu skipped for native histograms, %zu for what is not there; %zu with other "
        "notes or error text\n",
        r.file, r.passed, r.failed, r.skipped_native, r.skipped_missing, r.soft);
    return r.failed;
}

static void scripts_of_the_tree_hold(void **state)
{
    (void)state;
    DIR *dir = opendir(TEST_DATA_DIR "/promql");
    assert_non_null(dir);
    size_t failed = 0, files = 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (str_ends(str_of(entry->d_name), STR(".test"))) {
            char path[4096];
            snprintf(path, sizeof(path), "%s/promql/%s", TEST_DATA_DIR, entry->d_name);
            failed += run_file(path, true);
            files++;
        }
    }
    closedir(dir);
    assert_true(files > 0);
    assert_int_equal(failed, 0);
}

static void other_scripts_hold(void **state)
{
    (void)state;
    const char *list = getenv("PROMQL_SCRIPTS");
    if (!list) {
        skip();
    }
    size_t failed = 0;
    struct str rest = str_of(list);
    while (rest.len) {
        struct str path = str_split(&rest, ':');
        auto_free char *copy = mem_str_dup(path);
        failed += run_file(copy, false);
    }
    assert_int_equal(failed, 0);
}

int main(int argc, char **argv)
{
    struct error err = {0};
    if (query_features_enable(STR("promql-experimental-functions,promql-duration-expr,promql-extended-range-selectors,"
                                  "promql-binop-fill-modifiers"),
                              &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    if (argc > 1) {
        size_t failed = 0;
        for (int i = 1; i < argc; i++) {
            failed += run_file(argv[i], false);
        }
        return failed > 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scripts_of_the_tree_hold),
        cmocka_unit_test(other_scripts_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
