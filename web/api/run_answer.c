/* A query's result as Prometheus' JSON: matrix, vector, scalar or string, then what it cost. */
#include "src/query/features.h"
#include "web/api/run.h"
#include "web/api/run_series.h"

/* resultType before result: Grafana before 9.4 needs that order. */
static bool write_result(struct answer *a, const struct query_result *result)
{
    struct json_writer *w = &a->w;
    json_field(w, "resultType", json_str, str_of(value_type_name(result->type)));
    json_key(w, STR("result"));
    json_begin_array(w);
    if (result->type == VALUE_SCALAR) { /* a single time is written as a plain number, 4.5, in a series as 4.500 */
        json_double(w, (double)result->t_ms / 1000);
        json_sample_value(w, result->scalar);
    } else if (result->type == VALUE_STRING) {
        json_double(w, (double)result->t_ms / 1000);
        json_str(w, result->string);
    }
    if (!run_write_series(a, result)) {
        return false;
    }
    json_end_array(w);
    return true;
}

static void write_timings(struct json_writer *w, const struct query_stats *s, int64_t queue_us)
{
    const struct {
        const char *name;
        int64_t us;
    } timings[] = {{"evalTotalTime", s->prepare_us + s->eval_us},
                   {"resultSortTime", s->sort_us},
                   {"queryPreparationTime", s->prepare_us},
                   {"innerEvalTime", s->eval_us - s->sort_us},
                   {"execQueueTime", queue_us},
                   {"execTotalTime", queue_us + s->prepare_us + s->eval_us}};
    json_begin_object(w);
    for (size_t i = 0; i < sizeof(timings) / sizeof(timings[0]); i++) {
        json_key(w, str_of(timings[i].name));
        json_double(w, (double)timings[i].us / 1e6);
    }
    json_end_object(w);
}

static void write_samples_per_step(struct json_writer *w, const struct query_result *result)
{
    json_key(w, STR("totalQueryableSamplesPerStep"));
    json_begin_array(w);
    for (size_t i = 0; i < result->step_count; i++) {
        json_begin_array(w);
        json_double(w, (double)(result->t_ms + (int64_t)i * result->step_ms) / 1000);
        json_int(w, (int64_t)result->step_samples[i]);
        json_end_array(w);
    }
    json_end_array(w);
}

/* What each step alone would look at: more than what was read where windows overlap. */
static uint64_t samples_of_steps(const struct query_result *result)
{
    uint64_t total = 0;
    for (size_t i = 0; i < result->step_count; i++) {
        total += result->step_samples[i];
    }
    return total;
}

static void write_stats(struct json_writer *w, const struct query_result *result, const struct run_options *options,
                        bool all)
{
    const struct query_stats *stats = &result->stats;
    json_key(w, STR("stats"));
    json_begin_object(w);
    json_key(w, STR("timings"));
    write_timings(w, stats, options->queue_us);
    json_key(w, STR("samples"));
    json_begin_object(w);
    if (all && (query_features() & FEATURE_PER_STEP_STATS)) {
        write_samples_per_step(w, result);
    }
    json_field(w, "totalQueryableSamples", json_int, (int64_t)samples_of_steps(result));
    json_field(w, "peakSamples", json_int, (int64_t)stats->peak_samples);
    json_end_object(w);
    if (stats->tier != TIER_RAW) {
        json_field(w, "resolution", json_str, str_of(query_tier_name(stats->tier)));
    }
    json_end_object(w);
}

/* The result's own texts and one more, in the request's arena. */
static const struct str *add_text(struct http_request *r, const struct str *texts, size_t n, struct str more)
{
    struct str *all = arena_array(http_arena(r), struct str, n + 1);
    for (size_t i = 0; i < n; i++) {
        all[i] = texts[i];
    }
    all[n] = more;
    return all;
}

void run_answer(struct http_request *r, const struct run_options *options, struct query_result *result, uint64_t limit)
{
    if (limit && result->n > limit) {
        result->n = (size_t)limit;
        result->warnings = add_text(r, result->warnings, result->warning_count, WARNING_TRUNCATED);
        result->warning_count++;
    }
    struct answer a;
    answer_begin(&a, r);
    json_begin_object(&a.w);
    if (!write_result(&a, result)) { /* gone in the middle */
        buf_release(&a.out);
        return;
    }
    struct str wanted = http_param(r, "stats");
    if (wanted.len) {
        write_stats(&a.w, result, options, str_is(wanted, "all"));
    }
    json_end_object(&a.w);
    answer_end(&a, result->warnings, result->warning_count, result->infos, result->info_count);
}
