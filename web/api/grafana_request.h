/*
 * Bodies of Grafana's JSON data sources (simpod-json-datasource, grafana-simple-json-datasource) to values. Every field
 * has a default and unknown ones are ignored: each release of Grafana sends more, and other clients send less.
 *
 * Pure. Ownership: texts are in the arena or in the JSON tree, which lives until grafana_release(). Errors: ERR_PARSE
 * with a text for the panel. Limits: below, and the server's 1 MiB of body.
 */
#pragma once
#include "src/query/query.h"

#include <jansson.h>

#define GRAFANA_DEPTH_MAX   100 /* nesting of the body; jansson's reader is recursive */
#define GRAFANA_TARGETS_MAX 100
#define GRAFANA_FILTERS_MAX 100
#define GRAFANA_POINTS_MAX  QUERY_STEPS_MAX

struct grafana_filters {
    struct query_filter *v;
    size_t n;
};

struct grafana_target {
    struct str ref_id; /* empty: none was sent */
    struct str text;   /* variables replaced, never empty */
    struct str legend; /* with {{label}}; empty: none */
    bool table, instant;
    json_t *payload; /* an object, or NULL */
    struct grafana_filters filters;
};

struct grafana_request {
    json_t *root;
    const json_t *variables; /* scopedVars: an object, or NULL */
    int64_t from_ms, to_ms, interval_ms;
    int64_t max_points;
    int64_t scrape_interval_ms;
    struct grafana_filters filters; /* ad hoc */
    struct grafana_target *targets; /* without hidden and empty ones */
    size_t target_count;
};

/* An empty body counts as {}. Without a range: the hour before now. */
int grafana_read(struct str body, int64_t now_ms, int64_t scrape_interval_ms, struct arena *arena,
                 struct grafana_request *out, struct error *err) MUST_USE;
/* The array "targets". */
int grafana_read_targets(struct grafana_request *request, struct arena *arena, struct error *err) MUST_USE;
void grafana_release(struct grafana_request *request);
#define auto_grafana __attribute__((cleanup(grafana_release))) struct grafana_request

/* The steps of a range query: start and end are multiples of the step, at most max_points of them. */
struct grafana_steps {
    int64_t start_ms, end_ms, step_ms;
};
struct grafana_steps grafana_steps(const struct grafana_request *request);

/* Text of a member, empty if it is none. */
struct str grafana_text(const json_t *object, const char *name);
/* Payload values: a text is a regex, as Grafana's editor sends it; an array is one of its values. Names that say how to
 * answer (format, legend, …) are no conditions. */
int grafana_payload_filters(json_t *payload, struct arena *arena, struct grafana_filters *out,
                            struct error *err) MUST_USE;
/* Replaces $name, ${name}, ${name:format} and [[name]] of scopedVars, and $__interval, $__rate_interval, $__range… of
 * the range; unknown ones stay. What Grafana escapes for a regex inside a PromQL string is made legal there. */
int grafana_expand(const struct grafana_request *request, struct str text, struct arena *arena, struct str *out,
                   struct error *err) MUST_USE;
/* Adds text with a backslash before what is special in a regex. */
void grafana_escape(struct str text, struct buf *out);
