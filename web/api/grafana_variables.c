/* What drop-downs of Grafana's editors and dashboards hold: metrics, payload options, variables, keys and values. */
#include "storage/task.h"
#include "web/api/grafana.h"

static int failed(struct grafana_call *c, int rc)
{
    return c->err.text[0] ? rc : error_set(&c->err, rc, "the store cannot be read: %s", error_text(rc));
}

/* Values of a label, or names of labels when name.p is NULL; texts in the arena. Filters apply where one of them needs
 * a label that is there. */
static int read_list(struct grafana_call *c, struct str name, const struct query_filter *filters, size_t n,
                     struct str_list *out)
{
    struct matcher *matchers = arena_array(c->arena, struct matcher, n + 1);
    struct snapshot *snapshot = NULL;
    size_t made = 0;
    bool selects = false;
    int rc = 0;
    while (made < n && rc == 0) {
        const struct query_filter *f = &filters[made];
        rc = matcher_init(&matchers[made], f->op, f->name, f->value, &c->err);
        if (rc == 0) {
            selects = selects || !matcher_matches(&matchers[made], STR(""));
            made++;
        }
    }
    rc = rc ? rc : snapshot_open(c->api->store, &snapshot);
    if (rc == 0) {
        size_t used = selects ? made : 0;
        rc = name.p ? snapshot_label_values(snapshot, name, matchers, used, TIME_MIN_MS, TIME_MAX_MS, c->arena, out)
                    : snapshot_label_names(snapshot, matchers, used, TIME_MIN_MS, TIME_MAX_MS, c->arena, out);
    }
    struct str *kept = arena_array(c->arena, struct str, out->n + 1);
    out->n = out->n > GRAFANA_NAMES_MAX ? GRAFANA_NAMES_MAX : out->n;
    for (size_t i = 0; rc == 0 && i < out->n; i++) {
        kept[i] = arena_dup(c->arena, out->v[i]); /* may point into the snapshot */
    }
    out->v = kept;
    snapshot_close(snapshot);
    matchers_release(matchers, made);
    return rc ? failed(c, rc) : 0;
}

static int read_metric_names(struct grafana_call *c, struct str_list *out)
{
    return read_list(c, METRIC_NAME, NULL, 0, out);
}

/* Facets of the task history under the names of its columns. */
static int read_facet(struct grafana_call *c, struct str name, struct str_list *out)
{
    struct task_facets facets = {0};
    int rc = task_get_facets(c->api->store, c->arena, &facets);
    if (rc) {
        return failed(c, rc);
    }
    if (str_is(name, "name")) {
        *out = (struct str_list){facets.names, facets.name_count};
    } else if (str_is(name, "worker")) {
        *out = (struct str_list){facets.workers, facets.worker_count};
    } else if (str_is(name, "queue")) {
        *out = (struct str_list){facets.queues, facets.queue_count};
    }
    return 0;
}

/* /metrics and /metric-payload-options. */

static void write_option(struct json_writer *w, const char *label, const char *value)
{
    json_begin_object(w);
    json_field(w, "label", json_str, str_of(label));
    json_field(w, "value", json_str, str_of(value));
    json_end_object(w);
}

static void begin_payload(struct json_writer *w, struct str name, struct str label, const char *type)
{
    json_begin_object(w);
    json_field(w, "name", json_str, name);
    json_field(w, "label", json_str, label);
    json_field(w, "type", json_str, str_of(type));
}

static void write_settings(struct json_writer *w)
{
    begin_payload(w, STR("format"), STR("Format"), "select");
    json_key(w, STR("options"));
    json_begin_array(w);
    write_option(w, "Time series", "timeseries");
    write_option(w, "Table", "table");
    json_end_array(w);
    json_end_object(w);
    begin_payload(w, STR("legend"), STR("Legend"), "input");
    json_field(w, "placeholder", json_str, STR("{{label}}"));
    json_end_object(w);
}

static int write_metric_payloads(struct grafana_call *c, struct str metric)
{
    struct query_filter of_metric = {.op = MATCH_EQ, .name = METRIC_NAME, .value = metric};
    struct str_list labels = {0};
    int rc = read_list(c, (struct str){0}, &of_metric, 1, &labels);
    for (size_t i = 0; rc == 0 && i < labels.n; i++) {
        if (!str_eq(labels.v[i], METRIC_NAME)) {
            begin_payload(&c->w, labels.v[i], labels.v[i], "multi-select");
            json_end_object(&c->w);
        }
    }
    return rc;
}

static void write_product_payloads(struct json_writer *w, const char *product)
{
    static const char *const names[] = {"name", "worker", "queue"};
    if (strcmp(product, "cloche.tasks") != 0 && strcmp(product, "cloche.failed_tasks") != 0) {
        return;
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        begin_payload(w, str_of(names[i]), str_of(names[i]), "multi-select");
        json_end_object(w);
    }
    begin_payload(w, STR("limit"), STR("Rows at most"), "input");
    json_end_object(w);
}

static int write_metric(struct grafana_call *c, struct str name, bool chosen)
{
    int rc = 0;
    json_begin_object(&c->w);
    json_field(&c->w, "value", json_str, name);
    json_field(&c->w, "label", json_str, name);
    json_key(&c->w, STR("payloads"));
    json_begin_array(&c->w);
    if (grafana_is_product(name)) {
        write_product_payloads(&c->w, arena_cstr(c->arena, name));
    } else {
        rc = chosen ? write_metric_payloads(c, name) : 0;
        write_settings(&c->w);
    }
    json_end_array(&c->w);
    json_end_object(&c->w);
    return rc;
}

int grafana_metrics(struct grafana_call *c)
{
    struct str chosen = grafana_text(c->in.root, "metric");
    struct str_list names = {0};
    bool seen = chosen.len == 0;
    int rc = read_metric_names(c, &names);
    json_begin_array(&c->w);
    for (size_t i = 0; grafana_product(i) && rc == 0; i++) {
        seen = seen || str_is(chosen, grafana_product(i));
        rc = write_metric(c, str_of(grafana_product(i)), false);
    }
    for (size_t i = 0; i < names.n && rc == 0; i++) {
        bool this_one = str_eq(chosen, names.v[i]);
        seen = seen || this_one;
        rc = write_metric(c, names.v[i], this_one);
    }
    if (!seen && rc == 0) { /* else the editor clears itself */
        rc = write_metric(c, chosen, false);
    }
    json_end_array(&c->w);
    return rc;
}

static void write_pairs(struct grafana_call *c, const char *label, const char *value, const struct str_list *list)
{
    json_begin_array(&c->w);
    for (size_t i = 0; i < list->n; i++) {
        json_begin_object(&c->w);
        json_key(&c->w, str_of(label));
        json_str(&c->w, list->v[i]);
        json_key(&c->w, str_of(value));
        json_str(&c->w, list->v[i]);
        json_end_object(&c->w);
    }
    json_end_array(&c->w);
}

/* Values of a label of a metric, narrowed by what is chosen for its other labels. */
static int read_options(struct grafana_call *c, struct str metric, struct str name, struct str_list *out)
{
    struct grafana_filters chosen = {0};
    int rc = grafana_payload_filters(json_object_get(c->in.root, "payload"), c->arena, &chosen, &c->err);
    if (rc) {
        return rc;
    }
    struct query_filter *filters = arena_array(c->arena, struct query_filter, chosen.n + 1);
    size_t n = 0;
    filters[n++] = (struct query_filter){.op = MATCH_EQ, .name = METRIC_NAME, .value = metric};
    for (size_t i = 0; i < chosen.n; i++) {
        if (!str_eq(chosen.v[i].name, name)) {
            filters[n++] = chosen.v[i];
        }
    }
    return read_list(c, name, filters, n, out);
}

int grafana_payload_options(struct grafana_call *c)
{
    struct str metric = grafana_text(c->in.root, "metric"), name = grafana_text(c->in.root, "name");
    struct str_list list = {0};
    if (metric.len == 0 || name.len == 0 || name.len > LABEL_NAME_MAX) {
        return error_set(&c->err, ERR_PARSE, "expected the texts \"metric\" and \"name\"");
    }
    if (str_is(name, "format") && !grafana_is_product(metric)) {
        json_begin_array(&c->w);
        write_option(&c->w, "Time series", "timeseries");
        write_option(&c->w, "Table", "table");
        json_end_array(&c->w);
        return 0;
    }
    int rc = grafana_is_product(metric) ? read_facet(c, name, &list) : read_options(c, metric, name, &list);
    if (rc == 0) {
        write_pairs(c, "label", "value", &list);
    }
    return rc;
}

/* Variables: what Grafana's Prometheus data source understands, or part of a metric's name. */

/* The text between "function(" and its last ")"; false: it is another text. */
static bool call_of(struct str text, const char *function, struct str *argument)
{
    struct str rest = str_slice(text, strlen(function), text.len);
    if (!str_starts(text, str_of(function)) || !str_starts(rest, STR("(")) || !str_ends(rest, STR(")"))) {
        return false;
    }
    *argument = str_trim(str_slice(rest, 1, rest.len - 1));
    return true;
}

static int read_selector(struct grafana_call *c, struct str selector, struct query_filter **out, size_t *n)
{
    struct matcher *matchers = NULL;
    struct error why = {0};
    int rc = query_parse_selector(selector, c->arena, &matchers, n, &why);
    if (rc) {
        return error_set(&c->err, rc, "%d:%d: %s", why.line, why.column, why.text);
    }
    *out = arena_array(c->arena, struct query_filter, *n + 1);
    for (size_t i = 0; i < *n; i++) {
        (*out)[i] = (struct query_filter){.op = matchers[i].op,
                                          .name = arena_dup(c->arena, matchers[i].name),
                                          .value = arena_dup(c->arena, matchers[i].value)};
    }
    matchers_release(matchers, *n);
    return 0;
}

/* label_values(label) or label_values(selector, label): the label is what stands behind the last comma. */
static int read_label_values(struct grafana_call *c, struct str argument, struct str_list *out)
{
    size_t comma = argument.len;
    while (comma > 0 && argument.p[comma - 1] != ',' && argument.p[comma - 1] != '}') {
        comma--;
    }
    bool selects = comma > 0 && argument.p[comma - 1] == ',';
    struct str label = str_trim(selects ? str_slice(argument, comma, argument.len) : argument);
    struct query_filter *filters = NULL;
    size_t n = 0;
    int rc = selects ? read_selector(c, str_slice(argument, 0, comma - 1), &filters, &n) : 0;
    if (rc == 0 && (label.len == 0 || label.len > LABEL_NAME_MAX || str_find_char(label, '}') >= 0)) {
        return error_set(&c->err, ERR_PARSE, "expected label_values(label) or label_values(selector, label)");
    }
    return rc ? rc : read_list(c, label, filters, n, out);
}

static int read_label_names(struct grafana_call *c, struct str selector, struct str_list *out)
{
    struct query_filter *filters = NULL;
    size_t n = 0;
    int rc = selector.len ? read_selector(c, selector, &filters, &n) : 0;
    return rc ? rc : read_list(c, (struct str){0}, filters, n, out);
}

static void keep_if(struct str_list *list, struct arena *arena, const struct regex *regex, struct str part)
{
    struct str *kept = arena_array(arena, struct str, list->n + 1);
    size_t n = 0;
    for (size_t i = 0; i < list->n; i++) {
        if (regex ? regex_matches(regex, list->v[i]) : str_find_nocase(list->v[i], part) >= 0) {
            kept[n++] = list->v[i];
        }
    }
    *list = (struct str_list){kept, n};
}

/* metrics(regex): the regex may match anywhere, as in Grafana. */
static int read_metrics_like(struct grafana_call *c, struct str pattern, struct str_list *out)
{
    struct regex *regex = NULL;
    struct str anywhere = arena_printf(c->arena, ".*(?:" STR_FMT ").*", STR_ARG(pattern));
    int rc = regex_compile(anywhere, &regex, &c->err);
    rc = rc ? rc : read_metric_names(c, out);
    if (rc == 0) {
        keep_if(out, c->arena, regex, pattern);
    }
    regex_free(regex);
    return rc;
}

/* query_result(promql): a line for each series. */
static int read_results(struct grafana_call *c, struct str promql, struct str_list *out)
{
    struct grafana_target target = {.text = promql};
    struct grafana_steps at_end = {.start_ms = c->in.to_ms, .end_ms = c->in.to_ms};
    struct query_result result = {0};
    int rc = grafana_run(c, &target, at_end, &result);
    size_t n = result.n > GRAFANA_NAMES_MAX ? GRAFANA_NAMES_MAX : result.n;
    struct str *lines = arena_array(c->arena, struct str, n + 1);
    for (size_t i = 0; i < n; i++) {
        struct str name = grafana_name(c, &target, result.series[i].labels);
        lines[i] = arena_printf(c->arena, STR_FMT " %.17g", STR_ARG(name), result.series[i].points[0].v);
    }
    if (rc == 0 && result.type == VALUE_SCALAR) {
        lines[n++] = arena_printf(c->arena, "%.17g", result.scalar);
    }
    *out = (struct str_list){lines, n};
    return rc;
}

/* Names that hold the text, those of the tables among them. */
static int read_names_with(struct grafana_call *c, struct str part, struct str_list *out)
{
    struct str_list metrics = {0};
    int rc = read_metric_names(c, &metrics);
    size_t products = 0;
    while (grafana_product(products)) {
        products++;
    }
    struct str *all = arena_array(c->arena, struct str, metrics.n + products + 1);
    for (size_t i = 0; i < products; i++) {
        all[i] = str_of(grafana_product(i));
    }
    if (metrics.n) {
        memcpy(all + products, metrics.v, metrics.n * sizeof(*all));
    }
    *out = (struct str_list){all, products + metrics.n};
    keep_if(out, c->arena, NULL, part);
    return rc;
}

static int read_variable(struct grafana_call *c, struct str text, struct str_list *out)
{
    struct str argument;
    if (call_of(text, "label_values", &argument)) {
        return read_label_values(c, argument, out);
    }
    if (call_of(text, "label_names", &argument)) {
        return read_label_names(c, argument, out);
    }
    if (call_of(text, "metrics", &argument)) {
        return read_metrics_like(c, argument, out);
    }
    if (call_of(text, "query_result", &argument)) {
        return read_results(c, argument, out);
    }
    if (str_is(text, "cloche.task_names")) {
        return read_facet(c, STR("name"), out);
    }
    if (str_is(text, "cloche.workers")) {
        return read_facet(c, STR("worker"), out);
    }
    if (str_is(text, "cloche.queues")) {
        return read_facet(c, STR("queue"), out);
    }
    return read_names_with(c, text, out);
}

int grafana_search(struct grafana_call *c)
{
    struct str text;
    struct str_list list = {0};
    int rc = grafana_expand(&c->in, str_trim(grafana_text(c->in.root, "target")), c->arena, &text, &c->err);
    /* The drop-down of metrics sends what has been typed: no variable, but a part of a name. */
    rc = rc ? rc : grafana_is_product(text) ? read_names_with(c, text, &list) : read_variable(c, text, &list);
    json_begin_array(&c->w);
    for (size_t i = 0; rc == 0 && i < list.n; i++) {
        json_str(&c->w, list.v[i]);
    }
    json_end_array(&c->w);
    return rc;
}

int grafana_variable(struct grafana_call *c)
{
    const json_t *payload = json_object_get(c->in.root, "payload");
    struct str text = grafana_text(payload, "target");
    text = text.len ? text : grafana_text(payload, "query");
    text = json_is_string(payload) ? grafana_text(c->in.root, "payload") : text;
    if (!json_is_object(payload) && !json_is_string(payload)) {
        return error_set(&c->err, ERR_PARSE,
                         "\"payload\" must be an object whose \"target\" is such as label_values(up, job)");
    }
    struct str_list list = {0};
    int rc = grafana_expand(&c->in, str_trim(text), c->arena, &text, &c->err);
    rc = rc ? rc : read_variable(c, text, &list);
    if (rc == 0) {
        write_pairs(c, "__text", "__value", &list);
    }
    return rc;
}

/* Ad hoc filters. */

int grafana_tag_keys(struct grafana_call *c)
{
    struct str_list list = {0};
    int rc = read_list(c, (struct str){0}, NULL, 0, &list);
    json_begin_array(&c->w);
    for (size_t i = 0; rc == 0 && i < list.n; i++) {
        if (str_eq(list.v[i], METRIC_NAME)) {
            continue;
        }
        json_begin_object(&c->w);
        json_field(&c->w, "type", json_str, STR("string"));
        json_field(&c->w, "text", json_str, list.v[i]);
        json_field(&c->w, "value", json_str, list.v[i]);
        json_field(&c->w, "key", json_str, list.v[i]);
        json_end_object(&c->w);
    }
    json_end_array(&c->w);
    return rc;
}

int grafana_tag_values(struct grafana_call *c)
{
    struct str key = grafana_text(c->in.root, "key");
    struct str_list list = {0};
    if (key.len == 0 || key.len > LABEL_NAME_MAX) {
        return error_set(&c->err, ERR_PARSE, "\"key\" must be the name of a label");
    }
    struct query_filter *others = arena_array(c->arena, struct query_filter, c->in.filters.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < c->in.filters.n; i++) {
        if (!str_eq(c->in.filters.v[i].name, key)) {
            others[n++] = c->in.filters.v[i];
        }
    }
    int rc = read_list(c, key, others, n, &list);
    if (rc == 0) {
        write_pairs(c, "text", "value", &list);
    }
    return rc;
}
