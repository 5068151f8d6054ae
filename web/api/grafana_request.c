#include "web/api/grafana_request.h"

#include "src/base/clock.h"
#include "web/api/param.h"

#define HOUR_MS     3600000
#define POINTS_MANY 1000 /* without maxDataPoints */

struct str grafana_text(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return json_is_string(value) ? str_make(json_string_value(value), json_string_length(value)) : (struct str){0};
}

static bool too_deep(struct str body)
{
    bool quoted = false;
    int depth = 0;
    for (size_t i = 0; i < body.len; i++) {
        char c = body.p[i];
        if (quoted) {
            i += c == '\\';
            quoted = c != '"';
        } else if (c == '"') {
            quoted = true;
        } else if (c == '[' || c == '{') {
            if (++depth > GRAFANA_DEPTH_MAX) {
                return true;
            }
        } else if (c == ']' || c == '}') {
            depth--;
        }
    }
    return false;
}

static int read_body(struct str body, struct grafana_request *out, struct error *err)
{
    json_error_t why;
    if (str_trim(body).len == 0) {
        body = STR("{}");
    }
    if (too_deep(body)) {
        return error_set(err, ERR_PARSE, "the body is nested deeper than %d levels", GRAFANA_DEPTH_MAX);
    }
    out->root = json_loadb(body.p, body.len, 0, &why);
    if (!out->root) {
        return error_set(err, ERR_PARSE, "the body is not JSON: line %d, column %d: %s", why.line, why.column,
                         why.text);
    }
    if (!json_is_object(out->root)) {
        return error_set(err, ERR_PARSE, "the body must be a JSON object, it is an array");
    }
    return 0;
}

/* ISO 8601 in UTC, or milliseconds since the epoch. */
static int read_time(const json_t *range, const char *name, int64_t otherwise, int64_t *ms, struct error *err)
{
    const json_t *value = json_object_get(range, name);
    struct str text = grafana_text(range, name);
    *ms = otherwise;
    if (!value || json_is_null(value)) {
        return 0;
    }
    if (json_is_number(value)) {
        double v = json_number_value(value);
        *ms = v > -9e15 && v < 9e15 ? (int64_t)v : INT64_MIN;
    } else if (!str_to_int64(text, ms) && !clock_parse_rfc3339(text, ms)) {
        *ms = INT64_MIN;
    }
    if (*ms < -9000000000000000 || *ms > 9000000000000000) {
        return error_set(err, ERR_PARSE, "range.%s is no time: expected one such as 2026-01-31T08:00:00.000Z", name);
    }
    return 0;
}

static int read_range(struct grafana_request *out, int64_t now_ms, struct error *err)
{
    const json_t *range = json_object_get(out->root, "range");
    int rc = read_time(range, "to", now_ms, &out->to_ms, err);
    rc = rc ? rc : read_time(range, "from", out->to_ms - HOUR_MS, &out->from_ms, err);
    if (rc == 0 && out->to_ms < out->from_ms) {
        return error_set(err, ERR_PARSE, "range.to lies before range.from");
    }
    return rc;
}

/* A positive number, or text of one; else the default. */
static int64_t read_positive(const json_t *object, const char *name, int64_t otherwise)
{
    const json_t *value = json_object_get(object, name);
    double v = json_is_number(value) ? json_number_value(value) : 0;
    int64_t whole;
    if (str_to_int64(grafana_text(object, name), &whole)) {
        v = (double)whole;
    }
    return v >= 1 && v < 9e15 ? (int64_t)v : otherwise;
}

static void read_steps(struct grafana_request *out)
{
    int64_t points = read_positive(out->root, "maxDataPoints", POINTS_MANY);
    out->max_points = points < 2 ? 2 : points > GRAFANA_POINTS_MAX ? GRAFANA_POINTS_MAX : points;
    int64_t least = (out->to_ms - out->from_ms) / (out->max_points - 1) + 1;
    int64_t wanted = 0;
    if (!duration_parse(grafana_text(out->root, "interval"), &wanted) || wanted <= 0) {
        wanted = out->scrape_interval_ms;
    }
    out->interval_ms = read_positive(out->root, "intervalMs", wanted);
    out->interval_ms = out->interval_ms < least ? least : out->interval_ms;
}

struct grafana_steps grafana_steps(const struct grafana_request *request)
{
    int64_t step = request->interval_ms;
    int64_t up = request->from_ms % step, down = request->to_ms % step;
    struct grafana_steps s = {.step_ms = step};
    s.start_ms = up == 0 ? request->from_ms : request->from_ms - up + (up > 0 ? step : 0);
    s.end_ms = request->to_ms - down - (down < 0 ? step : 0);
    if (s.start_ms > s.end_ms) { /* the range lies between two steps */
        s.start_ms = s.end_ms = request->to_ms;
    }
    return s;
}

/* Filters. */

void grafana_escape(struct str text, struct buf *out)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.p[i] && strchr("\\^$*+?.()|[]{}/", text.p[i])) {
            buf_add_char(out, '\\');
        }
        buf_add_char(out, text.p[i]);
    }
}

/* Numbers and truth as texts, too: labels are texts. False: it is an object, an array or null. */
static bool scalar_text(const json_t *value, struct arena *arena, struct str *out)
{
    if (json_is_string(value)) {
        *out = str_make(json_string_value(value), json_string_length(value));
    } else if (json_is_integer(value)) {
        *out = arena_printf(arena, "%lld", (long long)json_integer_value(value));
    } else if (json_is_real(value)) {
        *out = arena_printf(arena, "%.17g", json_real_value(value));
    } else if (json_is_boolean(value)) {
        *out = json_is_true(value) ? STR("true") : STR("false");
    } else {
        return false;
    }
    return true;
}

/* a|b of an array; `as_regex`: values are regexes already where they compile. */
static bool alternatives(const json_t *values, bool as_regex, struct arena *arena, struct str *out)
{
    auto_buf text;
    buf_init(&text, 65536);
    size_t i;
    json_t *value;
    json_array_foreach(values, i, value)
    {
        struct str one;
        struct regex *regex = NULL;
        if (!scalar_text(value, arena, &one)) {
            return false;
        }
        buf_add(&text, i ? STR("|") : STR(""));
        if (as_regex && regex_compile(one, &regex, NULL) == 0) {
            buf_addf(&text, "(?:" STR_FMT ")", STR_ARG(one));
        } else {
            grafana_escape(one, &text);
        }
        regex_free(regex);
    }
    *out = arena_dup(arena, buf_str(&text));
    return !text.failed;
}

static const struct {
    const char *text;
    enum matcher_op op;
    bool one_of;
} operators[] = {{"=", MATCH_EQ, false},   {"!=", MATCH_NE, false}, {"=~", MATCH_RE, false},
                 {"!~", MATCH_NRE, false}, {"=|", MATCH_RE, true},  {"!=|", MATCH_NRE, true}};

static int read_filter(const json_t *item, struct arena *arena, struct query_filter *out, struct error *err)
{
    struct str op = grafana_text(item, "operator");
    const json_t *value = json_object_get(item, "value"), *values = json_object_get(item, "values");
    *out = (struct query_filter){.name = grafana_text(item, "key"), .value = STR("")};
    if (out->name.len > LABEL_NAME_MAX) {
        return error_set(err, ERR_PARSE, "the key of a filter is longer than %d bytes", LABEL_NAME_MAX);
    }
    for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++) {
        if (!str_is(op, operators[i].text)) {
            continue;
        }
        out->op = operators[i].op;
        if (operators[i].one_of && json_array_size(values)) {
            return alternatives(values, false, arena, &out->value)
                       ? 0
                       : error_set(err, ERR_PARSE, "values of the filter on '" STR_FMT "' must be texts",
                                   STR_ARG(out->name));
        }
        if (value && !json_is_null(value) && !scalar_text(value, arena, &out->value)) {
            return error_set(err, ERR_PARSE, "the value of the filter on '" STR_FMT "' must be a text",
                             STR_ARG(out->name));
        }
        if (operators[i].one_of) {
            auto_buf escaped;
            buf_init(&escaped, 1u << 21);
            grafana_escape(out->value, &escaped);
            out->value = arena_dup(arena, buf_str(&escaped));
        }
        return 0;
    }
    return error_set(err, ERR_PARSE,
                     "filter on '" STR_FMT "': operator '" STR_FMT "' is not possible on labels, use = "
                     "!= =~ !~",
                     STR_ARG(out->name), STR_ARG(str_slice(op, 0, 16)));
}

/* "filters" since Grafana 10, "adhocFilters" before. */
static int read_filters(struct grafana_request *out, struct arena *arena, struct error *err)
{
    const json_t *list = json_object_get(out->root, "filters");
    list = json_array_size(list) ? list : json_object_get(out->root, "adhocFilters");
    size_t n = json_array_size(list);
    if (n > GRAFANA_FILTERS_MAX) {
        return error_set(err, ERR_PARSE, "%zu filters are more than %d", n, GRAFANA_FILTERS_MAX);
    }
    out->filters.v = arena_array(arena, struct query_filter, n + 1);
    for (size_t i = 0; i < n; i++) {
        const json_t *item = json_array_get(list, i);
        if (grafana_text(item, "key").len == 0) { /* not filled in yet */
            continue;
        }
        int rc = read_filter(item, arena, &out->filters.v[out->filters.n], err);
        if (rc) {
            return rc;
        }
        out->filters.n++;
    }
    return 0;
}

static bool is_setting(const char *name)
{
    static const char *const names[] = {"format", "type", "instant", "legend", "limit"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(name, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

int grafana_payload_filters(json_t *payload, struct arena *arena, struct grafana_filters *out, struct error *err)
{
    const char *name;
    json_t *value;
    *out = (struct grafana_filters){0};
    out->v = arena_array(arena, struct query_filter, json_object_size(payload) + 1);
    if (json_object_size(payload) > GRAFANA_FILTERS_MAX) {
        return error_set(err, ERR_PARSE, "payload: more than %d members", GRAFANA_FILTERS_MAX);
    }
    json_object_foreach(payload, name, value)
    {
        struct query_filter f = {.op = MATCH_RE, .name = str_of(name)};
        if (is_setting(name) || json_is_null(value)) {
            continue;
        }
        json_t *list = json_is_array(value) ? json_incref(value) : json_pack("[O]", value);
        bool ok = f.name.len <= LABEL_NAME_MAX && alternatives(list, true, arena, &f.value);
        json_decref(list);
        if (!ok) {
            return error_set(err, ERR_PARSE, "payload.%.64s: expected a text or an array of texts", name);
        }
        if (f.value.len && !str_is(f.value, "(?:)")) { /* not chosen */
            out->v[out->n++] = f;
        }
    }
    return 0;
}

/* Targets. */

static bool says_table(const json_t *object)
{
    struct str format = grafana_text(object, "format"), type = grafana_text(object, "type");
    return str_is(format, "table") || str_is(type, "table");
}

static int read_payload(const json_t *item, struct arena *arena, struct grafana_target *t, struct error *err)
{
    json_t *payload = json_object_get(item, "payload");
    if (json_is_object(payload)) {
        t->payload = payload;
    } else if (payload && !json_is_null(payload) && !(json_is_string(payload) && json_string_length(payload) == 0)) {
        return error_set(err, ERR_PARSE, "payload must be a JSON object");
    }
    struct str legend = grafana_text(t->payload, "legend");
    t->legend = legend.len ? legend : grafana_text(item, "alias");
    t->table = says_table(item) || says_table(t->payload);
    t->instant = json_is_true(json_object_get(t->payload, "instant"));
    return grafana_payload_filters(t->payload, arena, &t->filters, err);
}

static int read_target(struct grafana_request *r, const json_t *item, struct arena *arena, struct error *err)
{
    struct grafana_target *t = &r->targets[r->target_count];
    const json_t *text = json_object_get(item, "target");
    if (!json_is_object(item)) {
        return error_set(err, ERR_PARSE, "a target must be a JSON object");
    }
    *t = (struct grafana_target){.ref_id = grafana_text(item, "refId")};
    if (json_is_true(json_object_get(item, "hide")) || !text || json_is_null(text)) {
        return 0;
    }
    if (!json_is_string(text)) {
        return error_set(err, ERR_PARSE, "\"target\" must be a text: the name of a metric or PromQL");
    }
    int rc = grafana_expand(r, str_trim(grafana_text(item, "target")), arena, &t->text, err);
    if (rc == 0 && t->text.len) {
        rc = read_payload(item, arena, t, err);
        r->target_count++;
    }
    return rc;
}

int grafana_read_targets(struct grafana_request *request, struct arena *arena, struct error *err)
{
    const json_t *list = json_object_get(request->root, "targets");
    size_t n = json_array_size(list);
    if (list && !json_is_array(list)) {
        return error_set(err, ERR_PARSE, "\"targets\" must be an array");
    }
    if (n > GRAFANA_TARGETS_MAX) {
        return error_set(err, ERR_PARSE, "%zu targets are more than %d: split the panel", n, GRAFANA_TARGETS_MAX);
    }
    request->targets = arena_array(arena, struct grafana_target, n + 1);
    for (size_t i = 0; i < n; i++) {
        const json_t *item = json_array_get(list, i);
        int rc = read_target(request, item, arena, err);
        if (rc) {
            struct str ref_id = str_slice(grafana_text(item, "refId"), 0, 32);
            return ref_id.len ? error_prefix(err, "query " STR_FMT, STR_ARG(ref_id)) : rc;
        }
    }
    return 0;
}

int grafana_read(struct str body, int64_t now_ms, int64_t scrape_interval_ms, struct arena *arena,
                 struct grafana_request *out, struct error *err)
{
    *out = (struct grafana_request){.scrape_interval_ms = scrape_interval_ms > 0 ? scrape_interval_ms : 15000};
    int rc = read_body(body, out, err);
    rc = rc ? rc : read_range(out, now_ms, err);
    if (rc == 0) {
        const json_t *variables = json_object_get(out->root, "scopedVars");
        out->variables = json_is_object(variables) ? variables : NULL;
        read_steps(out);
        rc = read_filters(out, arena, err);
    }
    return rc;
}

void grafana_release(struct grafana_request *request)
{
    json_decref(request->root);
    request->root = NULL;
}
