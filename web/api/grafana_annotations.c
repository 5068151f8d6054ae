/*
 * Annotations, of three sources: the states of alerts (the series ALERTS), failed tasks, and PromQL: while a series is
 * there and not 0 is one annotation.
 *
 * Two forms: the old plugins' /annotations, and a query with the refId "Anno", whose table Grafana makes annotations
 * of.
 */
#include "web/api/grafana.h"

#include <math.h>

struct annotation {
    int64_t from_ms, to_ms;
    struct str title, text;
    struct str *tags;
    size_t tag_count;
};
struct annotations {
    vec(struct annotation) v;
};

static struct str label_or(struct labels labels, const char *name, struct str otherwise)
{
    struct str value = labels_get(labels, str_of(name));
    return value.len ? value : otherwise;
}

static struct annotation describe(struct grafana_call *c, const struct grafana_target *t, struct labels labels)
{
    struct annotation a = {.text = grafana_name(c, t, labels)};
    a.title = t->legend.len ? a.text : label_or(labels, "alertname", a.text);
    a.tags = arena_array(c->arena, struct str, labels.n + 1);
    for (uint32_t i = 0; i < labels.n; i++) {
        const struct label *l = &labels.v[i];
        if (!str_eq(l->name, METRIC_NAME)) {
            a.tags[a.tag_count++] = arena_printf(c->arena, STR_FMT ":" STR_FMT, STR_ARG(l->name), STR_ARG(l->value));
        }
    }
    return a;
}

/* Each run of steps at which the series is there and not 0. */
static void add_runs(struct grafana_call *c, const struct grafana_target *t, const struct result_series *s,
                     int64_t step_ms, struct annotations *out)
{
    struct annotation a = describe(c, t, s->labels);
    bool open = false;
    for (size_t i = 0; i < s->n && out->v.len < GRAFANA_ANNOTATIONS_MAX; i++) {
        bool on = s->points[i].v != 0 && !isnan(s->points[i].v);
        bool next = i + 1 < s->n && s->points[i + 1].t_ms - s->points[i].t_ms <= step_ms && s->points[i + 1].v != 0 &&
                    !isnan(s->points[i + 1].v);
        if (on && !open) {
            a.from_ms = s->points[i].t_ms;
            open = true;
        }
        if (on && !next) {
            a.to_ms = s->points[i].t_ms;
            vec_push(&out->v, a);
            open = false;
        }
    }
}

static int read_promql(struct grafana_call *c, const struct grafana_target *t, struct annotations *out)
{
    struct grafana_steps steps = grafana_steps(&c->in);
    struct query_result result = {0};
    int rc = grafana_run(c, t, steps, &result);
    for (size_t i = 0; rc == 0 && i < result.n; i++) {
        add_runs(c, t, &result.series[i], steps.step_ms, out);
    }
    return rc;
}

static const struct grafana_cell *cell_of(const struct grafana_table *table, size_t row, const char *name)
{
    size_t i = 0;
    while (i + 1 < table->n && strcmp(table->columns[i].name, name) != 0) {
        i++;
    }
    return &table->cells.p[row * table->n + i];
}

static int read_tasks(struct grafana_call *c, const struct grafana_target *t, struct annotations *out)
{
    static const char *const tagged[] = {"name", "exception", "worker", "queue"};
    struct grafana_table table = {0};
    int rc = grafana_read_product(c, t, &table);
    size_t rows = table.n ? table.cells.len / table.n : 0;
    for (size_t row = 0; row < rows && out->v.len < GRAFANA_ANNOTATIONS_MAX; row++) {
        struct annotation a = {.from_ms = (int64_t)cell_of(&table, row, "time")->number};
        a.to_ms = a.from_ms;
        struct str name = cell_of(&table, row, "name")->text, state = cell_of(&table, row, "state")->text;
        a.title = arena_printf(c->arena, STR_FMT " " STR_FMT, STR_ARG(name), STR_ARG(state));
        a.text = cell_of(&table, row, "message")->text;
        a.text = a.text.len ? a.text : a.title;
        a.tags = arena_array(c->arena, struct str, sizeof(tagged) / sizeof(tagged[0]));
        for (size_t i = 0; i < sizeof(tagged) / sizeof(tagged[0]); i++) {
            struct str value = cell_of(&table, row, tagged[i])->text;
            if (value.len) {
                a.tags[a.tag_count++] = arena_printf(c->arena, "%s:" STR_FMT, tagged[i], STR_ARG(value));
            }
        }
        vec_push(&out->v, a);
    }
    vec_release(&table.cells);
    return rc;
}

static int read_annotations(struct grafana_call *c, const struct grafana_target *t, struct annotations *out)
{
    if (str_is(t->text, "cloche.alerts") || t->text.len == 0) {
        struct grafana_target alerts = *t;
        alerts.text = STR("ALERTS{alertname!=\"\"}"); /* a bare name would be refused before the first alert */
        return read_promql(c, &alerts, out);
    }
    if (str_is(t->text, "cloche.failed_tasks") || str_is(t->text, "cloche.tasks")) {
        return read_tasks(c, t, out);
    }
    if (grafana_is_product(t->text)) {
        return error_set(&c->err, ERR_NOT_FOUND,
                         STR_FMT " gives no annotations: there are cloche.alerts, cloche.failed_tasks, cloche.tasks",
                         STR_ARG(str_slice(t->text, 0, 64)));
    }
    return read_promql(c, t, out);
}

static void write_tags(struct grafana_call *c, const struct annotation *a)
{
    json_begin_array(&c->w);
    for (size_t i = 0; i < a->tag_count; i++) {
        json_str(&c->w, a->tags[i]);
    }
    json_end_array(&c->w);
}

static void write_frame_row(struct grafana_call *c, const struct annotation *a)
{
    json_begin_array(&c->w);
    json_int(&c->w, a->from_ms);
    json_int(&c->w, a->to_ms);
    json_str(&c->w, a->title);
    json_str(&c->w, a->text);
    write_tags(c, a);
    json_end_array(&c->w);
}

int grafana_annotation_frame(struct grafana_call *c, const struct grafana_target *t)
{
    static const struct {
        const char *text, *type;
    } columns[] = {{"time", "time"}, {"timeEnd", "time"}, {"title", "string"}, {"text", "string"}, {"tags", "other"}};
    struct annotations found = {0};
    int rc = read_annotations(c, t, &found);
    if (rc == 0) {
        json_begin_object(&c->w);
        json_field(&c->w, "type", json_str, STR("table"));
        json_field(&c->w, "refId", json_str, t->ref_id);
        json_key(&c->w, STR("columns"));
        json_begin_array(&c->w);
        for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
            json_begin_object(&c->w);
            json_field(&c->w, "text", json_str, str_of(columns[i].text));
            json_field(&c->w, "type", json_str, str_of(columns[i].type));
            json_end_object(&c->w);
        }
        json_end_array(&c->w);
        json_key(&c->w, STR("rows"));
        json_begin_array(&c->w);
        for (size_t i = 0; i < found.v.len; i++) {
            write_frame_row(c, &found.v.p[i]);
        }
        json_end_array(&c->w);
        json_end_object(&c->w);
    }
    vec_release(&found.v);
    return rc;
}

static void write_old(struct grafana_call *c, const struct annotation *a, struct str echo)
{
    json_begin_object(&c->w);
    json_field(&c->w, "annotation", json_raw, echo);
    json_field(&c->w, "time", json_int, a->from_ms);
    if (a->to_ms > a->from_ms) {
        json_field(&c->w, "timeEnd", json_int, a->to_ms);
        json_field(&c->w, "isRegion", json_bool, true);
    }
    json_field(&c->w, "title", json_str, a->title);
    json_field(&c->w, "text", json_str, a->text);
    json_key(&c->w, STR("tags"));
    write_tags(c, a);
    json_end_object(&c->w);
}

int grafana_annotations(struct grafana_call *c)
{
    const json_t *annotation = json_object_get(c->in.root, "annotation");
    if (!json_is_object(annotation)) {
        return error_set(&c->err, ERR_PARSE, "\"annotation\" is missing: expected an object with the member \"query\"");
    }
    struct grafana_target target = {0};
    int rc = grafana_expand(&c->in, str_trim(grafana_text(annotation, "query")), c->arena, &target.text, &c->err);
    struct annotations found = {0};
    rc = rc ? rc : read_annotations(c, &target, &found);
    char *echo = json_dumps(annotation, JSON_COMPACT);
    json_begin_array(&c->w);
    for (size_t i = 0; rc == 0 && echo && i < found.v.len && !c->out.failed; i++) {
        write_old(c, &found.v.p[i], str_of(echo));
    }
    json_end_array(&c->w);
    free(echo);
    vec_release(&found.v);
    return rc;
}
