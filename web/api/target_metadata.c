/* /api/v1/targets/metadata: what is known of the metrics of each target. */
#include "web/api/endpoints.h"
#include "web/api/prom.h"

#include <jansson.h>

struct ask {
    struct matcher *matchers; /* match_target */
    size_t matcher_count;
    struct str metric;
    int64_t left; /* of limit; negative: all */
};

static struct labels labels_of(json_t *object, struct arena *arena)
{
    struct labels_builder b;
    labels_builder_init(&b, arena);
    const char *name;
    json_t *value;
    json_object_foreach(object, name, value)
    {
        const char *text = json_string_value(value);
        labels_set(&b, str_of(name), str_of(text ? text : ""));
    }
    return labels_finish(&b, true);
}

static int by_text(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static bool listed(const struct str_list *names, struct str name)
{
    return names->n && bsearch(&name, names->v, names->n, sizeof(*names->v), by_text);
}

/* A family's samples have its name, or with one of the suffixes. */
static bool exposes(const struct str_list *names, struct str family, struct arena *arena)
{
    static const char *const suffixes[] = {"_bucket", "_count", "_sum", "_total", "_info"};
    bool found = listed(names, family);
    for (size_t i = 0; !found && i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        found = listed(names, arena_printf(arena, STR_FMT "%s", STR_ARG(family), suffixes[i]));
    }
    return found;
}

/* Names of the metrics that have the target's labels. */
static int metrics_of(struct snapshot *snapshot, struct labels target, struct arena *arena, struct str_list *out)
{
    struct matcher *matchers = arena_array(arena, struct matcher, target.n + 1);
    for (uint32_t i = 0; i < target.n; i++) {
        matchers[i] = (struct matcher){.op = MATCH_EQ, .name = target.v[i].name, .value = target.v[i].value};
    }
    return snapshot_label_values(snapshot, METRIC_NAME, matchers, target.n, TIME_MIN_MS, TIME_MAX_MS, arena, out);
}

static void write_family(struct json_writer *w, struct labels target, const struct metric_family *family, bool named)
{
    json_begin_object(w);
    json_key(w, STR("target"));
    write_labels(w, target);
    if (!named) {
        json_field(w, "metric", json_str, family->name);
    }
    json_field(w, "type", json_str, str_of(metric_type_name(family->type)));
    json_field(w, "help", json_str, family->help);
    json_field(w, "unit", json_str, STR(""));
    json_end_object(w);
}

static int write_target(struct json_writer *w, struct snapshot *snapshot, struct labels target,
                        const struct metric_family *families, size_t n, struct ask *ask, struct arena *arena)
{
    struct str_list names = {0};
    if (target.n == 0 || !matchers_match(ask->matchers, ask->matcher_count, target)) {
        return 0;
    }
    int rc = metrics_of(snapshot, target, arena, &names);
    for (size_t i = 0; rc == 0 && ask->left != 0 && i < n; i++) {
        if (exposes(&names, families[i].name, arena)) {
            write_family(w, target, &families[i], ask->metric.len > 0);
            ask->left--;
        }
    }
    return rc;
}

static void answer(struct http_request *r, const struct api_context *api, struct ask *ask)
{
    struct arena *arena = http_arena(r);
    const struct board_doc *doc = board_read(api->board, "targets");
    json_t *root = doc ? json_loadb(doc->json.p, doc->json.len, 0, NULL) : NULL;
    board_unref(doc);
    struct snapshot *snapshot = NULL;
    struct metric_family *families = NULL;
    size_t n = 0, i;
    int rc = snapshot_open(api->store, &snapshot);
    rc = rc ? rc : snapshot_metadata(snapshot, ask->metric, arena, &families, &n);
    n = rc == ERR_NOT_FOUND ? 0 : n;
    rc = rc == ERR_NOT_FOUND ? 0 : rc;
    struct answer a;
    json_t *target;
    answer_begin(&a, r);
    json_begin_array(&a.w);
    json_array_foreach(json_object_get(root, "activeTargets"), i, target)
    {
        struct labels labels = labels_of(json_object_get(target, "labels"), arena);
        rc = rc ? rc : write_target(&a.w, snapshot, labels, families, n, ask, arena);
    }
    json_end_array(&a.w);
    snapshot_close(snapshot);
    json_decref(root);
    if (rc) {
        buf_release(&a.out);
        prom_fail(r, rc, NULL);
    } else {
        answer_end(&a, NULL, 0, NULL, 0);
    }
}

void api_target_metadata(struct http_request *r, void *ctx)
{
    struct ask ask = {.metric = http_param(r, "metric"), .left = -1};
    struct str limit = http_param(r, "limit"), target = http_param(r, "match_target");
    struct error err = {0};
    if (limit.len && !str_to_int64(limit, &ask.left)) {
        prom_error(r, "bad_data", "limit must be a number");
        return;
    }
    if (target.len && query_parse_selector(target, http_arena(r), &ask.matchers, &ask.matcher_count, &err)) {
        prom_invalid_promql(r, "match_target", &err);
        return;
    }
    answer(r, ctx, &ask);
    matchers_release(ask.matchers, ask.matcher_count);
}
