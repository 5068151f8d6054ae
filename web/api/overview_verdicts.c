/* The health check a team does each morning: workers online = expected, success rate > 95 %, queues < 100, nobody
 * offline. */
#include "web/api/overview.h"

#include <math.h>

#define SUCCESS_GOOD 95.0
#define SUCCESS_BAD  90.0
#define QUEUE_GOOD   100.0

#define FINISHED_5M                                                                                                    \
    "(sum(increase(celery_task_succeeded_total[5m])) or vector(0)) + "                                                 \
    "(sum(increase(celery_task_failed_total[5m])) or vector(0))"
#define SUCCESS_5M "100 * (sum(increase(celery_task_succeeded_total[5m])) or vector(0)) / (" FINISHED_5M " > 0)"

struct verdict {
    const char *id, *state, *unit, *link, *spark;
    double value, target;
    struct str text;
};

static void write_verdict(const struct overview *o, struct json_writer *w, const struct verdict *v)
{
    struct query_result spark = {0};
    if (v->spark) {
        spark = overview_range(o, v->spark);
    }
    json_begin_object(w);
    json_field(w, "id", json_str, str_of(v->id));
    json_field(w, "state", json_str, str_of(v->state));
    overview_number(w, "value", v->value);
    overview_number(w, "target", v->target);
    json_field(w, "unit", json_str, str_of(v->unit));
    json_field(w, "text", json_str, v->text);
    overview_spark(w, "spark", spark.n ? &spark.series[0] : NULL);
    json_field(w, "link", json_str, str_of(v->link));
    json_end_object(w);
}

/* Counts of workers: from the collector's document, or, without one yet, from what was stored. */
struct workers {
    double online, known;
    struct str offline; /* names, at most three */
};

/* Whether the configuration lists workers; without a list every worker the collector remembers is expected. */
static bool has_listed_workers(const json_t *workers)
{
    size_t i;
    json_t *worker;
    json_array_foreach(workers, i, worker)
    {
        if (json_is_true(json_object_get(worker, "expected"))) {
            return true;
        }
    }
    return false;
}

static struct workers count_workers(const struct overview *o)
{
    struct workers out = {.online = 0};
    if (!o->workers) {
        out.known = overview_value(o, "count(celery_worker_up)");
        out.online = overview_value(o, "sum(celery_worker_up)");
        return out;
    }
    bool listed = has_listed_workers(o->workers);
    auto_buf names;
    buf_init(&names, 2048);
    size_t i, offline = 0;
    json_t *worker;
    json_array_foreach(o->workers, i, worker)
    {
        if (listed && json_is_false(json_object_get(worker, "expected"))) {
            continue; /* one more than the list asks for */
        }
        out.known++;
        if (json_is_true(json_object_get(worker, "online"))) {
            out.online++;
        } else if (offline++ < 3) {
            buf_addf(&names, "%s" STR_FMT, offline > 1 ? ", " : "",
                     STR_ARG(str_slice(overview_text(worker, "worker"), 0, 200)));
        }
    }
    if (offline > 3) {
        buf_addf(&names, " and %zu more", offline - 3);
    }
    out.offline = arena_dup(http_arena(o->request), buf_str(&names));
    return out;
}

static struct verdict judge_workers(const struct overview *o, const struct workers *n)
{
    struct arena *arena = http_arena(o->request);
    struct verdict v = {.id = "workers",
                        .unit = "",
                        .link = "/workers",
                        .spark = "sum(celery_worker_up)",
                        .value = n->online,
                        .target = n->known};
    if (!(n->known > 0)) {
        v.state = "unknown";
        v.value = v.target = NAN;
        v.text = STR("No worker has been seen yet: they show by their first event or heartbeat.");
    } else if (n->online >= n->known) {
        v.state = "ok";
        v.text = n->known == 1 ? STR("The one expected worker is online.")
                               : arena_printf(arena, "All %.0f expected workers are online.", n->known);
    } else {
        v.state = n->online > 0 ? "warn" : "bad";
        v.text = arena_printf(arena, "%.0f of %.0f expected workers are online.", n->online, n->known);
    }
    return v;
}

static struct verdict judge_success(const struct overview *o)
{
    struct verdict v = {.id = "success", .unit = "%", .link = "/tasks", .spark = SUCCESS_5M, .target = SUCCESS_GOOD};
    double finished = overview_value(o, FINISHED_5M);
    v.value = overview_value(o, SUCCESS_5M);
    if (isnan(v.value)) {
        v.state = "unknown";
        v.text = STR("No task has finished in the last 5 minutes.");
        return v;
    }
    v.state = v.value > SUCCESS_GOOD ? "ok" : v.value >= SUCCESS_BAD ? "warn" : "bad";
    v.text = arena_printf(http_arena(o->request),
                          "Of about %.0f tasks finished in the last 5 minutes %.1f %% succeeded.", finished, v.value);
    return v;
}

static struct verdict judge_queues(const struct overview *o)
{
    struct verdict v = {
        .id = "queues", .unit = "", .link = "/queues", .spark = "max(celery_queue_length)", .target = QUEUE_GOOD};
    struct query_result longest = overview_vector(o, "topk(1, celery_queue_length)");
    v.value = NAN;
    if (longest.n == 0) {
        v.state = "unknown";
        v.text = STR("No queue has been measured yet.");
        return v;
    }
    struct str name = labels_get(longest.series[0].labels, STR("queue_name"));
    v.value = longest.series[0].points[0].v;
    v.state = v.value < QUEUE_GOOD ? "ok" : "bad";
    v.text = v.value > 0 ? arena_printf(http_arena(o->request), "The longest queue, " STR_FMT ", holds %.0f messages.",
                                        STR_ARG(str_slice(name, 0, 200)), v.value)
                         : STR("All queues are empty.");
    return v;
}

static struct verdict judge_stale(const struct overview *o, const struct workers *n)
{
    struct verdict v = {.id = "stale", .unit = "", .link = "/workers", .spark = NULL, .target = 0};
    v.value = n->known - n->online;
    if (!(n->known > 0)) {
        v.state = "unknown";
        v.value = NAN;
        v.text = STR("No worker has been seen yet.");
    } else if (v.value <= 0) {
        v.state = "ok";
        v.text = STR("No worker is offline.");
    } else {
        v.state = "bad";
        v.text = n->offline.len ? arena_printf(http_arena(o->request), "Offline: " STR_FMT ".", STR_ARG(n->offline))
                                : arena_printf(http_arena(o->request), "%.0f workers are offline.", v.value);
    }
    return v;
}

void overview_verdicts(const struct overview *o, struct json_writer *w)
{
    struct workers workers = count_workers(o);
    const struct verdict verdicts[] = {judge_workers(o, &workers), judge_success(o), judge_queues(o),
                                       judge_stale(o, &workers)};
    json_key(w, STR("verdicts"));
    json_begin_array(w);
    for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++) {
        write_verdict(o, w, &verdicts[i]);
    }
    json_end_array(w);
}
