#include "web/api/overview.h"

#include <math.h>

#define SPARK_MS      (60 * 60 * 1000)
#define SPARK_STEP_MS (60 * 1000)
#define TIMEOUT_MS    5000 /* the page asks again in a few seconds */

static struct query_result run(const struct overview *o, const char *promql, int64_t start_ms, int64_t step_ms)
{
    struct query_result result = {0};
    struct expr *expr = NULL;
    struct run_options options = {.timeout_ms = TIMEOUT_MS};
    if (query_parse(str_of(promql), http_arena(o->request), &expr, NULL)) {
        return result;
    }
    if (run_query(o->request, o->api, expr, &options, start_ms, o->now_ms, step_ms, &result, NULL)) {
        result = (struct query_result){0};
    }
    expr_release(expr);
    return result;
}

struct query_result overview_vector(const struct overview *o, const char *promql)
{
    return run(o, promql, o->now_ms, 0);
}

double overview_value(const struct overview *o, const char *promql)
{
    struct query_result result = overview_vector(o, promql);
    return result.n == 1 && result.series[0].n == 1 ? result.series[0].points[0].v : NAN;
}

struct query_result overview_range(const struct overview *o, const char *promql)
{
    int64_t end_ms = o->now_ms - o->now_ms % SPARK_STEP_MS;
    struct overview aligned = *o;
    aligned.now_ms = end_ms;
    return run(&aligned, promql, end_ms - SPARK_MS, SPARK_STEP_MS);
}

void overview_number(struct json_writer *w, const char *name, double value)
{
    json_key(w, str_of(name));
    json_double(w, value); /* NaN becomes null */
}

void overview_spark(struct json_writer *w, const char *name, const struct result_series *series)
{
    json_key(w, str_of(name));
    if (!series || series->n == 0) {
        json_nil(w);
        return;
    }
    json_begin_array(w);
    for (size_t i = 0; i < series->n; i++) {
        json_begin_array(w);
        json_seconds(w, series->points[i].t_ms);
        json_double(w, series->points[i].v);
        json_end_array(w);
    }
    json_end_array(w);
}

struct str overview_text(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return json_is_string(value) ? str_make(json_string_value(value), json_string_length(value)) : STR("");
}

double overview_member(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return json_is_number(value) ? json_number_value(value) : NAN;
}
