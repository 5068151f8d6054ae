/*
 * Go text/template, as far as rule files and receiver texts use it.
 *
 * A text is compiled once (variables and function names are checked then) and run many times. Understood: text,
 * {{ pipeline }} with trim markers and comments, variables, if / else if / with / range / end, break, continue,
 * define / template, comparisons, printf, Prometheus' functions (humanize*, query, first, label, value, match,
 * reReplaceAll, title, graphLink …) and the common ones of Alertmanager (join, trimSpace, date, toJson …). The list is
 * the table at the end of template_functions.c. Looser than Go in one place: numbers of different types compare by
 * value instead of failing.
 *
 * Limits: text 64 KiB, output 64 KiB, 200,000 steps, nesting 32: beyond them an error, never a hang.
 * Ownership: a compiled template lives in the arena given; results of a run live in the environment's.
 * Threads:   a compiled template is immutable and may be run by several threads at once.
 * Errors:    compile errors carry line and column within the text; run errors say which function or field failed.
 */
#pragma once
#include "src/base/arena.h"
#include "src/base/buf.h"
#include "src/base/error.h"
#include "src/model/labels.h"

#define TEMPLATE_OUTPUT_MAX (64u << 10)

enum tmpl_kind {
    TMPL_NIL,
    TMPL_BOOL,
    TMPL_INT,
    TMPL_FLOAT,
    TMPL_STRING,
    TMPL_TIME, /* i: wall milliseconds */
    TMPL_LIST,
    TMPL_MAP,   /* text keys; a missing key reads as the empty text */
    TMPL_OBJECT /* fixed fields; a missing one is an error */
};

struct tmpl_list;
struct tmpl_map;
struct tmpl_value {
    enum tmpl_kind kind;
    union {
        bool b;
        int64_t i;
        double f;
        struct str s;
        const struct tmpl_list *list;
        const struct tmpl_map *map;
    };
};

struct tmpl_list {
    const struct tmpl_value *v;
    size_t n;
};
struct tmpl_field {
    struct str key;
    struct tmpl_value value;
};
struct tmpl_map {
    const struct tmpl_field *v; /* maps: ascending keys; objects: any order */
    size_t n;
    bool methods; /* Alertmanager's label sets: .SortedPairs .Names .Values .Remove */
};

struct tmpl_sample {
    struct labels labels;
    double value;
};

/* What one run sees. */
struct tmpl_env {
    struct arena *arena;
    struct tmpl_value dot;
    const struct tmpl_value *vars; /* in the order of the names given to template_compile() */
    struct str external_url;       /* without trailing slash */
    int64_t now_ms;
    /* The "query" function; NULL: calling it is an error. Results in the arena given. */
    int (*query)(void *ctx, struct str expr, struct arena *arena, struct tmpl_sample **out, size_t *n,
                 struct error *err);
    void *query_ctx;
};

struct template;
/* Names of predeclared variables without '$', NULL-terminated; must outlive the template. */
extern const char *const template_rule_vars[]; /* labels externalLabels externalURL value */
int template_compile(struct str text, const char *const *vars, struct arena *arena, struct template **out,
                     struct error *err) MUST_USE;
/* Appends to out (nothing is promised about it after an error). */
int template_run(const struct template *tmpl, const struct tmpl_env *env, struct buf *out, struct error *err) MUST_USE;
/* No action in it: the text is always the same. */
bool template_is_constant(const struct template *tmpl);

/* Values. */
struct tmpl_value tmpl_string(struct str s);
struct tmpl_value tmpl_float(double v);
struct tmpl_value tmpl_labels(struct labels labels, bool methods, struct arena *arena);
struct tmpl_value tmpl_object(const struct tmpl_field *fields, size_t n, struct arena *arena);
struct tmpl_value tmpl_list_of(const struct tmpl_value *v, size_t n, struct arena *arena);
