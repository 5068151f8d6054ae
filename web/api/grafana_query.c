/* /grafana/query: targets to series and tables. */
#include "web/api/grafana.h"

#include <math.h>

static int name_failure(struct grafana_call *c, const struct grafana_target *t, int rc)
{
    if (c->err.text[0] == '\0') {
        error_set(&c->err, rc, "%s", error_text(rc));
    }
    if (t->ref_id.len) {
        error_prefix(&c->err, "query " STR_FMT, STR_ARG(str_slice(t->ref_id, 0, 32)));
    }
    return rc;
}

static int parse(struct grafana_call *c, const struct grafana_target *t, struct expr **out)
{
    struct error why = {0};
    int rc = query_parse(t->text, c->arena, out, &why);
    if (rc && why.line > 0) {
        return error_set(&c->err, rc, "%d:%d: %s", why.line, why.column, why.text);
    }
    return rc ? error_set(&c->err, rc, "%s", why.text) : 0;
}

/* The name of a metric and nothing else, which the store has never heard of: more likely a slip than an empty panel. */
static int check_metric(struct grafana_call *c, const struct expr *expr)
{
    struct str name;
    struct snapshot *snapshot = NULL;
    struct str_list found = {0};
    if (!query_is_metric(expr, &name)) {
        return 0;
    }
    int rc = snapshot_open(c->api->store, &snapshot);
    struct matcher m = {.op = MATCH_EQ, .name = METRIC_NAME, .value = name};
    rc = rc ? rc : snapshot_label_values(snapshot, METRIC_NAME, &m, 1, TIME_MIN_MS, TIME_MAX_MS, c->arena, &found);
    snapshot_close(snapshot);
    if (rc == 0 && found.n == 0) {
        return error_set(&c->err, ERR_NOT_FOUND, "unknown metric " STR_FMT, STR_ARG(str_slice(name, 0, 128)));
    }
    return rc;
}

int grafana_run(struct grafana_call *c, const struct grafana_target *t, struct grafana_steps steps,
                struct query_result *out)
{
    struct expr *expr = NULL;
    struct run_options options = {.timeout_ms = c->api->query_timeout_ms};
    int rc = parse(c, t, &expr);
    if (rc) {
        return rc;
    }
    rc = check_metric(c, expr);
    rc = rc ? rc : query_restrict(expr, c->in.filters.v, c->in.filters.n, c->arena, &c->err);
    rc = rc ? rc : query_restrict(expr, t->filters.v, t->filters.n, c->arena, &c->err);
    rc =
        rc ? rc : run_query(c->http, c->api, expr, &options, steps.start_ms, steps.end_ms, steps.step_ms, out, &c->err);
    expr_release(expr);
    return rc;
}

/* {{label}} of a legend. */
static void add_legend(struct str legend, struct labels labels, struct buf *out)
{
    while (legend.len) {
        ptrdiff_t open = str_find(legend, STR("{{"));
        struct str rest = open < 0 ? (struct str){0} : str_slice(legend, (size_t)open + 2, legend.len);
        ptrdiff_t close = str_find(rest, STR("}}"));
        if (open < 0 || close < 0) {
            buf_add(out, legend);
            return;
        }
        buf_add(out, str_slice(legend, 0, (size_t)open));
        buf_add(out, labels_get(labels, str_trim(str_slice(rest, 0, (size_t)close))));
        legend = str_slice(rest, (size_t)close + 2, rest.len);
    }
}

struct str grafana_name(struct grafana_call *c, const struct grafana_target *t, struct labels labels)
{
    auto_buf name;
    buf_init(&name, 1u << 20);
    if (t->legend.len) {
        add_legend(t->legend, labels, &name);
    } else if (labels.n) {
        labels_print(labels, &name);
    }
    return name.len ? arena_dup(c->arena, buf_str(&name)) : t->text;
}

static void write_notices(struct json_writer *w, const char *severity, const struct str *texts, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        json_begin_object(w);
        json_field(w, "severity", json_str, str_of(severity));
        json_field(w, "text", json_str, texts[i]);
        json_end_object(w);
    }
}

static void write_head(struct json_writer *w, const struct grafana_target *t, const struct query_result *result)
{
    if (t->ref_id.len) {
        json_field(w, "refId", json_str, t->ref_id);
    }
    json_key(w, STR("meta"));
    json_begin_object(w);
    json_field(w, "executedQueryString", json_str, t->text);
    if (result->warning_count + result->info_count) {
        json_key(w, STR("notices"));
        json_begin_array(w);
        write_notices(w, "warning", result->warnings, result->warning_count);
        write_notices(w, "info", result->infos, result->info_count);
        json_end_array(w);
    }
    json_end_object(w);
}

static void write_series(struct grafana_call *c, const struct grafana_target *t, const struct query_result *result,
                         const struct result_series *s)
{
    struct json_writer *w = &c->w;
    struct str name = grafana_name(c, t, s->labels);
    json_begin_object(w);
    json_field(w, "target", json_str, name);
    if (t->legend.len) {
        json_field(w, "title", json_str, name);
    }
    write_head(w, t, result);
    json_field(w, "tags", write_labels, s->labels);
    json_key(w, STR("datapoints"));
    json_begin_array(w);
    for (size_t i = 0; i < s->n && !c->out.failed; i++) {
        json_begin_array(w);
        json_double(w, s->points[i].v); /* NaN and infinities become null */
        json_int(w, s->points[i].t_ms);
        json_end_array(w);
    }
    json_end_array(w);
    json_end_object(w);
}

/* Names of all labels of the result, sorted by insertion. */
static size_t label_names(struct grafana_call *c, const struct query_result *result, struct str **out)
{
    vec(struct str) names = {0};
    for (size_t i = 0; i < result->n; i++) {
        for (uint32_t k = 0; k < result->series[i].labels.n; k++) {
            struct str name = result->series[i].labels.v[k].name;
            size_t low = 0, high = names.len;
            while (low < high) {
                size_t middle = (low + high) / 2;
                int order = str_cmp(names.p[middle], name);
                low = order < 0 ? middle + 1 : low;
                high = order < 0 ? high : middle;
            }
            if (low < names.len && str_eq(names.p[low], name)) {
                continue;
            }
            vec_push(&names, name);
            memmove(names.p + low + 1, names.p + low, (names.len - 1 - low) * sizeof(*names.p));
            names.p[low] = name;
        }
    }
    *out = arena_array(c->arena, struct str, names.len + 1);
    if (names.len) {
        memcpy(*out, names.p, names.len * sizeof(**out));
    }
    size_t n = names.len;
    vec_release(&names);
    return n;
}

static void write_column(struct json_writer *w, struct str text, const char *type)
{
    json_begin_object(w);
    json_field(w, "text", json_str, text);
    json_field(w, "type", json_str, str_of(type));
    json_end_object(w);
}

static void write_row(struct json_writer *w, int64_t t_ms, struct labels labels, const struct str *names, size_t n,
                      double v)
{
    json_begin_array(w);
    json_int(w, t_ms);
    for (size_t i = 0; i < n; i++) {
        json_str(w, labels_get(labels, names[i]));
    }
    json_double(w, v);
    json_end_array(w);
}

/* An instant result as rows: time, labels, value. */
static void write_rows(struct grafana_call *c, const struct grafana_target *t, const struct query_result *result)
{
    struct json_writer *w = &c->w;
    struct str *names;
    size_t n = label_names(c, result, &names);
    json_begin_object(w);
    json_field(w, "type", json_str, STR("table"));
    write_head(w, t, result);
    json_key(w, STR("columns"));
    json_begin_array(w);
    write_column(w, STR("Time"), "time");
    for (size_t i = 0; i < n; i++) {
        write_column(w, names[i], "string");
    }
    write_column(w, STR("Value"), result->type == VALUE_STRING ? "string" : "number");
    json_end_array(w);
    json_key(w, STR("rows"));
    json_begin_array(w);
    if (result->type == VALUE_SCALAR) {
        write_row(w, result->t_ms, (struct labels){0}, NULL, 0, result->scalar);
    } else if (result->type == VALUE_STRING) {
        json_begin_array(w);
        json_int(w, result->t_ms);
        json_str(w, result->string);
        json_end_array(w);
    }
    for (size_t i = 0; i < result->n && !c->out.failed; i++) {
        const struct result_series *s = &result->series[i];
        for (size_t k = 0; k < s->n; k++) {
            write_row(w, s->points[k].t_ms, s->labels, names, n, s->points[k].v);
        }
    }
    json_end_array(w);
    json_end_object(w);
}

static void write_scalar(struct grafana_call *c, const struct grafana_target *t, const struct query_result *result)
{
    struct point point = {.t_ms = result->t_ms, .v = result->scalar};
    struct result_series one = {.points = &point, .n = 1};
    write_series(c, t, result, &one);
}

static int answer_promql(struct grafana_call *c, const struct grafana_target *t)
{
    struct grafana_steps steps = grafana_steps(&c->in);
    struct query_result result = {0};
    if (t->table || t->instant) {
        steps = (struct grafana_steps){.start_ms = c->in.to_ms, .end_ms = c->in.to_ms};
    }
    int rc = grafana_run(c, t, steps, &result);
    if (rc) {
        return rc;
    }
    if (t->table || result.type == VALUE_STRING) {
        write_rows(c, t, &result);
        return 0;
    }
    if (result.type == VALUE_SCALAR) {
        write_scalar(c, t, &result);
    }
    for (size_t i = 0; i < result.n && !c->out.failed; i++) {
        write_series(c, t, &result, &result.series[i]);
    }
    return 0;
}

static int answer_target(struct grafana_call *c, const struct grafana_target *t)
{
    if (str_is(t->ref_id, "Anno")) { /* the name that the plugin gives to the query of an annotation */
        return grafana_annotation_frame(c, t);
    }
    if (!grafana_is_product(t->text)) {
        return answer_promql(c, t);
    }
    struct grafana_table table = {0};
    int rc = grafana_read_product(c, t, &table);
    if (rc == 0) {
        grafana_write_table(&c->w, t, &table);
    }
    vec_release(&table.cells);
    return rc;
}

int grafana_query(struct grafana_call *c)
{
    int rc = grafana_read_targets(&c->in, c->arena, &c->err);
    if (rc) {
        return rc;
    }
    json_begin_array(&c->w);
    for (size_t i = 0; i < c->in.target_count; i++) {
        rc = answer_target(c, &c->in.targets[i]);
        if (rc) {
            return name_failure(c, &c->in.targets[i], rc);
        }
    }
    json_end_array(&c->w);
    return 0;
}
