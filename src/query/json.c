/* Results in the shape of Prometheus' HTTP API. */
#include "src/query/query.h"

static void write_labels(struct labels labels, struct json_writer *w)
{
    json_begin_object(w);
    for (uint32_t i = 0; i < labels.n; i++) {
        json_key(w, labels.v[i].name);
        json_str(w, labels.v[i].value);
    }
    json_end_object(w);
}

static void write_series(const struct result_series *series, bool matrix, struct json_writer *w)
{
    json_begin_object(w);
    json_key(w, STR("metric"));
    write_labels(series->labels, w);
    json_key(w, matrix ? STR("values") : STR("value"));
    if (matrix) {
        json_begin_array(w);
    }
    for (size_t i = 0; i < series->n; i++) {
        json_point(w, series->points[i].t_ms, series->points[i].v);
    }
    if (matrix) {
        json_end_array(w);
    }
    json_end_object(w);
}

void query_result_to_json(const struct query_result *result, struct json_writer *w)
{
    json_begin_object(w);
    json_field(w, "resultType", json_str, str_of(value_type_name(result->type)));
    json_key(w, STR("result"));
    if (result->type == VALUE_SCALAR) {
        json_point(w, result->t_ms, result->scalar);
    } else if (result->type == VALUE_STRING) {
        json_begin_array(w);
        json_seconds(w, result->t_ms);
        json_str(w, result->string);
        json_end_array(w);
    } else {
        json_begin_array(w);
        for (size_t i = 0; i < result->n; i++) {
            write_series(&result->series[i], result->type == VALUE_MATRIX, w);
        }
        json_end_array(w);
    }
    json_end_object(w);
}
