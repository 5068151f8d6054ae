/* The JSON of Prometheus' query API to a result; checked like any foreign text. */
#include "src/base/number.h"
#include "src/tool/query_print.h"

#include <jansson.h>
#include <math.h>

#define TIME_MAX_S 1e12 /* what a server may say, so that differences of times fit */

static bool read_time(json_t *json, int64_t *ms)
{
    double seconds = json_number_value(json);
    if (!json_is_number(json) || !(fabs(seconds) < TIME_MAX_S)) {
        return false;
    }
    *ms = llround(seconds * 1000);
    return true;
}

static struct str text_of(json_t *json)
{
    return str_make(json_string_value(json), json_string_length(json));
}

static bool read_point(json_t *pair, struct point *out)
{
    json_t *value = json_array_get(pair, 1);
    return read_time(json_array_get(pair, 0), &out->t_ms) && json_is_string(value) &&
           number_parse(text_of(value), &out->v);
}

static bool read_labels(json_t *metric, struct arena *arena, struct labels *out)
{
    struct labels_builder builder;
    labels_builder_init(&builder, arena);
    const char *name;
    json_t *value;
    json_object_foreach(metric, name, value)
    {
        if (!json_is_string(value)) {
            return false;
        }
        labels_set(&builder, str_of(name), text_of(value));
    }
    *out = labels_finish(&builder, true);
    return json_is_object(metric) && !builder.overflow;
}

static bool read_series(json_t *json, bool matrix, struct arena *arena, struct result_series *out)
{
    json_t *values = json_object_get(json, "values");
    out->n = matrix ? json_array_size(values) : 1;
    out->points = arena_array(arena, struct point, out->n);
    if (!read_labels(json_object_get(json, "metric"), arena, &out->labels) || out->n == 0) {
        return false;
    }
    for (size_t i = 0; i < out->n; i++) {
        json_t *pair = matrix ? json_array_get(values, i) : json_object_get(json, "value");
        if (!read_point(pair, &out->points[i])) {
            return false;
        }
    }
    return true;
}

static bool read_result(json_t *data, struct arena *arena, struct query_result *out)
{
    static const enum value_type types[] = {VALUE_SCALAR, VALUE_STRING, VALUE_VECTOR, VALUE_MATRIX};
    struct str type = text_of(json_object_get(data, "resultType"));
    json_t *result = json_object_get(data, "result");
    size_t t = 0;
    while (t < 4 && !str_is(type, value_type_name(types[t]))) {
        t++;
    }
    if (t == 4 || !json_is_array(result)) {
        return false;
    }
    out->type = types[t];
    if (out->type == VALUE_SCALAR) {
        struct point point;
        bool fine = read_point(result, &point);
        out->t_ms = point.t_ms;
        out->scalar = point.v;
        return fine;
    }
    if (out->type == VALUE_STRING) {
        out->string = arena_dup(arena, text_of(json_array_get(result, 1)));
        return read_time(json_array_get(result, 0), &out->t_ms);
    }
    out->n = json_array_size(result);
    out->series = arena_array(arena, struct result_series, out->n);
    for (size_t i = 0; i < out->n; i++) {
        if (!read_series(json_array_get(result, i), out->type == VALUE_MATRIX, arena, &out->series[i])) {
            return false;
        }
    }
    return true;
}

static const struct str *read_texts(json_t *list, struct arena *arena, size_t *n)
{
    *n = json_array_size(list);
    struct str *texts = arena_array(arena, struct str, *n);
    for (size_t i = 0; i < *n; i++) {
        texts[i] = arena_dup(arena, text_of(json_array_get(list, i)));
    }
    return texts;
}

bool query_answer_read(struct str body, struct arena *arena, struct query_result *out)
{
    json_t *root = json_loadb(body.p ? body.p : "", body.len, JSON_ALLOW_NUL, NULL);
    struct query_result result = {0};
    bool fine = read_result(json_object_get(root, "data"), arena, &result);
    if (fine) {
        result.warnings = read_texts(json_object_get(root, "warnings"), arena, &result.warning_count);
        result.infos = read_texts(json_object_get(root, "infos"), arena, &result.info_count);
        *out = result;
    }
    json_decref(root);
    return fine;
}
