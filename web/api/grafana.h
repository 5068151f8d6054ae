/*
 * Grafana's JSON data sources at /grafana/ (simpod-json-datasource, grafana-simple-json-datasource): what the files of
 * that family share. README.md has the paths and targets.
 *
 * A call is one POST: its body is read, an endpoint writes the answer into a buffer, and only then something is sent,
 * so that a failure is always a status with a text. Threads: web threads.
 */
#pragma once
#include "src/base/vec.h"
#include "web/api/grafana_request.h"
#include "web/api/run.h"

#define GRAFANA_ANSWER_MAX      (64u << 20) /* bytes of JSON */
#define GRAFANA_ROWS            500         /* of the task history, unless payload.limit says otherwise */
#define GRAFANA_ROWS_MAX        10000
#define GRAFANA_ANNOTATIONS_MAX 1000
#define GRAFANA_NAMES_MAX       20000 /* of a drop-down */

struct grafana_call {
    struct http_request *http;
    const struct api_context *api;
    struct arena *arena;
    struct grafana_request in;
    struct buf out;
    struct json_writer w;
    struct error err;
};

/* Endpoints: 0, or a code with err set. ERR_NOT_FOUND: an unknown target. */
int grafana_query(struct grafana_call *c);
int grafana_annotations(struct grafana_call *c);
int grafana_metrics(struct grafana_call *c);
int grafana_payload_options(struct grafana_call *c);
int grafana_search(struct grafana_call *c);
int grafana_variable(struct grafana_call *c);
int grafana_tag_keys(struct grafana_call *c);
int grafana_tag_values(struct grafana_call *c);

/* PromQL: the target's text with the call's and the target's filters in every selector. step_ms 0: at steps.end_ms. */
int grafana_run(struct grafana_call *c, const struct grafana_target *target, struct grafana_steps steps,
                struct query_result *out);
/* The text to show for a series: its legend, else its labels, else the target's text. */
struct str grafana_name(struct grafana_call *c, const struct grafana_target *target, struct labels labels);

/* What is no metric: targets named cloche.*. */
enum grafana_kind { GRAFANA_TIME, GRAFANA_STRING, GRAFANA_NUMBER };
struct grafana_column {
    const char *name;
    enum grafana_kind kind;
    const char *member; /* of the board's object, "a.b" of an object in it; NULL: filled by code */
};
struct grafana_cell {
    struct str text;
    double number; /* a time in ms; NaN: null */
};
struct grafana_table {
    const struct grafana_column *columns;
    size_t n;
    vec(struct grafana_cell) cells; /* rows after each other */
};
bool grafana_is_product(struct str target);
const char *grafana_product(size_t i); /* their names; NULL after the last */
/* ERR_NOT_FOUND names those there are. Release the cells. */
int grafana_read_product(struct grafana_call *c, const struct grafana_target *target, struct grafana_table *out);
void grafana_write_table(struct json_writer *w, const struct grafana_target *target, const struct grafana_table *table);

/* An annotation query as a target of /query: the table that Grafana makes annotations of. */
int grafana_annotation_frame(struct grafana_call *c, const struct grafana_target *target);
