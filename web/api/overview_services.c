/* Where work piles up, and how the services below are: queues and targets with their figures of now and the last hour.
 */
#include "web/api/overview.h"

#include <math.h>

#define QUEUES_MAX 20

/* The series whose labels say so; NULL if there is none. */
static const struct result_series *find_series(const struct query_result *result, struct str name, struct str value)
{
    for (size_t i = 0; i < result->n; i++) {
        if (str_eq(labels_get(result->series[i].labels, name), value)) {
            return &result->series[i];
        }
    }
    return NULL;
}

static int longer(const void *a, const void *b)
{
    double x = overview_member(*(json_t *const *)a, "length"), y = overview_member(*(json_t *const *)b, "length");
    return (x < y) - (x > y);
}

static void write_queue(struct json_writer *w, const json_t *queue, const struct query_result *sparks)
{
    double length = overview_member(queue, "length"), in = overview_member(queue, "in_rate"),
           out = overview_member(queue, "out_rate");
    struct str name = overview_text(queue, "name");
    json_begin_object(w);
    json_field(w, "name", json_str, name);
    overview_number(w, "length", length);
    overview_number(w, "unacked", overview_member(queue, "unacked"));
    overview_number(w, "in_rate", in);
    overview_number(w, "out_rate", out);
    overview_number(w, "empty_in", length > 0 && out > in ? length / (out - in) : NAN);
    overview_spark(w, "spark", find_series(sparks, STR("queue_name"), name));
    json_end_object(w);
}

void overview_queues(const struct overview *o, struct json_writer *w)
{
    size_t n = json_array_size(o->queues);
    json_t **sorted = arena_array(http_arena(o->request), json_t *, n + 1);
    for (size_t i = 0; i < n; i++) {
        sorted[i] = json_array_get(o->queues, i);
    }
    if (n > 1) {
        qsort(sorted, n, sizeof(*sorted), longer);
    }
    struct query_result sparks = {0};
    if (n) {
        sparks = overview_range(o, "sum by (queue_name) (celery_queue_length)");
    }
    json_key(w, STR("queues"));
    json_begin_array(w);
    for (size_t i = 0; i < n && i < QUEUES_MAX; i++) {
        write_queue(w, sorted[i], &sparks);
    }
    json_end_array(w);
}

/* What is shown of a target, by its collector. Each expression gives one series per (job, instance). */
static const struct figure {
    const char *collector, *label, *unit, *promql;
    bool spark;
} figures[] = {
    {"redis", "memory", "bytes", "sum by (job, instance) (redis_memory_used_bytes)", false},
    {"redis", "clients", "", "sum by (job, instance) (redis_connected_clients)", false},
    {"redis", "commands", "/s", "sum by (job, instance) (rate(redis_commands_processed_total[5m]))", true},
    {"postgres", "connections", "", "sum by (job, instance) (pg_stat_database_numbackends)", false},
    {"postgres", "size", "bytes", "sum by (job, instance) (pg_database_size_bytes{datname!~\"template.*\"})", false},
    {"postgres", "commits", "/s", "sum by (job, instance) (rate(pg_stat_database_xact_commit[5m]))", true},
    {"host", "CPU", "%", "100 * (1 - avg by (job, instance) (rate(node_cpu_seconds_total{mode=\"idle\"}[5m])))", true},
    {"host", "memory", "%",
     "100 * (1 - sum by (job, instance) (node_memory_MemAvailable_bytes) / sum by (job, instance) "
     "(node_memory_MemTotal_bytes))",
     false},
    {"host", "disk free", "bytes", "max by (job, instance) (node_filesystem_avail_bytes{mountpoint=\"/\"})", false},
};
#define FIGURES (sizeof(figures) / sizeof(figures[0]))

static const struct result_series *of_target(const struct query_result *result, const json_t *labels)
{
    struct str job = overview_text(labels, "job"), instance = overview_text(labels, "instance");
    for (size_t i = 0; i < result->n; i++) {
        if (str_eq(labels_get(result->series[i].labels, STR("job")), job) &&
            str_eq(labels_get(result->series[i].labels, STR("instance")), instance)) {
            return &result->series[i];
        }
    }
    return NULL;
}

struct answers {
    struct query_result now[FIGURES], hour[FIGURES];
    bool asked[FIGURES];
};

/* One query for all targets of a kind, asked when the first of them comes. */
static void ask(const struct overview *o, struct answers *a, size_t i)
{
    if (!a->asked[i]) {
        a->asked[i] = true;
        a->now[i] = overview_vector(o, figures[i].promql);
        if (figures[i].spark) {
            a->hour[i] = overview_range(o, figures[i].promql);
        }
    }
}

static void write_service(const struct overview *o, struct json_writer *w, const json_t *target, struct answers *a)
{
    const json_t *labels = json_object_get(target, "labels");
    struct str collector = overview_text(target, "collector");
    const struct result_series *spark = NULL;
    json_begin_object(w);
    json_field(w, "kind", json_str, collector);
    json_field(w, "name", json_str, overview_text(target, "name"));
    json_field(w, "health", json_str, overview_text(target, "health"));
    json_field(w, "error", json_str, overview_text(target, "lastError"));
    json_key(w, STR("numbers"));
    json_begin_array(w);
    for (size_t i = 0; i < FIGURES; i++) {
        if (!str_is(collector, figures[i].collector)) {
            continue;
        }
        ask(o, a, i);
        const struct result_series *now = of_target(&a->now[i], labels);
        json_begin_object(w);
        json_field(w, "label", json_str, str_of(figures[i].label));
        overview_number(w, "value", now && now->n ? now->points[0].v : NAN);
        json_field(w, "unit", json_str, str_of(figures[i].unit));
        json_end_object(w);
        spark = figures[i].spark ? of_target(&a->hour[i], labels) : spark;
    }
    json_end_array(w);
    overview_spark(w, "spark", spark);
    json_end_object(w);
}

void overview_services(const struct overview *o, struct json_writer *w)
{
    struct answers *answers = arena_new(http_arena(o->request), struct answers);
    json_t *active = json_object_get(o->targets, "activeTargets"), *target;
    size_t i;
    json_key(w, STR("services"));
    json_begin_array(w);
    json_array_foreach(active, i, target)
    {
        struct str collector = overview_text(target, "collector");
        if (str_is(collector, "redis") || str_is(collector, "postgres") || str_is(collector, "host")) {
            write_service(o, w, target, answers);
        }
    }
    json_end_array(w);
}
