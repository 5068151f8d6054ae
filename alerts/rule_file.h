/*
 * Rule files: Prometheus' YAML read into groups of compiled rules.
 *
 * Files made for Prometheus are read unchanged. Unknown and doubled keys, illegal names, bad durations, expressions and
 * templates are problems with line and column in the file; all problems of a file are reported, not just the first. A
 * file with a problem gives nothing.
 *
 * Ownership: a rule_file owns everything in it and is counted: rule_file_ref/unref on the loop thread only.
 * Threads:   immutable after rule_file_parse(); workers evaluate its rules while the loop reads them.
 */
#pragma once
#include "alerts/template.h"
#include "src/query/query.h"

enum rule_type { RULE_ALERT, RULE_RECORD };

/* A label or annotation whose value is a template. */
struct rule_text {
    struct str name, source;
    struct template *tmpl;
};

struct rule {
    enum rule_type type;
    uint64_t id;          /* of file, group, name and labels: the same after a reload or restart */
    struct str name;      /* alert, or metric name of a record */
    struct str expr_text; /* printed from the tree, as Prometheus' API does */
    struct expr *expr;
    int64_t for_ms, keep_firing_for_ms;
    int64_t range_ms; /* longest range in the expression: how long a restart leaves a hole in its windows */
    const struct rule_text *labels, *annotations; /* with the group's labels; sorted by name */
    size_t label_count, annotation_count;
    struct labels label_sources, annotation_sources; /* untemplated, for the API */
};

struct rule_group {
    struct str name;
    int64_t interval_ms; /* 0: the configuration's evaluation interval */
    int64_t query_offset_ms;
    size_t limit; /* 0: none */
    const struct rule *rules;
    size_t count;
};

struct rule_file {
    struct arena arena;
    struct str name; /* path as configured, or "celery.yml (shipped)" */
    const struct rule_group *groups;
    size_t count, rule_count;
    int refs;
};

#define RULES_MAX 10000 /* of one file */

typedef void (*rule_report_fn)(void *ctx, const struct error *problem);
/* NULL if there were problems; each went to report. `skip` names alerts to leave out (disabled shipped rules). */
struct rule_file *rule_file_parse(struct str name, struct str text, const struct str *skip, size_t skip_count,
                                  rule_report_fn report, void *ctx) MUST_USE;
/* Reads the file (at most 4 MiB) first. */
struct rule_file *rule_file_load(struct str path, rule_report_fn report, void *ctx) MUST_USE;
struct rule_file *rule_file_ref(struct rule_file *file);
void rule_file_unref(struct rule_file *file);

/* The rule files inside the binary (alerts/rules, embedded by CMake). */
struct shipped_rules {
    const char *name; /* "celery.yml" */
    struct str text;
};
const struct shipped_rules *shipped_rules(size_t *n);
