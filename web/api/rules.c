/* /api/v1/rules with its filters, and /api/v1/alerts: documents the alerting part publishes. */
#include "web/api/endpoints.h"
#include "web/api/prom.h"

#include <jansson.h>

struct rule_filter {
    const struct str *names, *groups, *files;
    size_t name_count, group_count, file_count;
    const char *type; /* "alerting", "recording"; NULL: both */
    bool without_alerts;
};

static bool any(const struct rule_filter *f)
{
    return f->name_count || f->group_count || f->file_count || f->type || f->without_alerts;
}

static bool read_filter(struct http_request *r, struct rule_filter *f)
{
    f->name_count = http_params(r, "rule_name[]", &f->names);
    f->group_count = http_params(r, "rule_group[]", &f->groups);
    f->file_count = http_params(r, "file[]", &f->files);
    struct str type = http_param(r, "type"), without = http_param(r, "exclude_alerts");
    if (type.len && !str_is(type, "alert") && !str_is(type, "record")) {
        prom_error(r, "bad_data", "invalid parameter \"type\": not supported value \"" STR_FMT "\"",
                   STR_ARG(str_slice(type, 0, 64)));
        return false;
    }
    f->type = type.len == 0 ? NULL : str_is(type, "alert") ? "alerting" : "recording";
    f->without_alerts = str_is(without, "true") || str_is(without, "1");
    return true;
}

static bool listed(const struct str *list, size_t n, const json_t *value)
{
    for (size_t i = 0; i < n; i++) {
        if (str_is(list[i], json_string_value(value) ? json_string_value(value) : "")) {
            return true;
        }
    }
    return n == 0;
}

static void filter_rules(json_t *rules, const struct rule_filter *f)
{
    for (size_t i = json_array_size(rules); i-- > 0;) {
        json_t *rule = json_array_get(rules, i);
        const char *type = json_string_value(json_object_get(rule, "type"));
        if ((f->type && (!type || strcmp(type, f->type) != 0)) ||
            !listed(f->names, f->name_count, json_object_get(rule, "name"))) {
            json_array_remove(rules, i);
        } else if (f->without_alerts && json_object_get(rule, "alerts")) {
            json_object_set_new(rule, "alerts", json_array());
        }
    }
}

/* Groups without a rule left go, too. */
static void filter_groups(json_t *groups, const struct rule_filter *f)
{
    for (size_t i = json_array_size(groups); i-- > 0;) {
        json_t *group = json_array_get(groups, i);
        json_t *rules = json_object_get(group, "rules");
        filter_rules(rules, f);
        if (json_array_size(rules) == 0 || !listed(f->groups, f->group_count, json_object_get(group, "name")) ||
            !listed(f->files, f->file_count, json_object_get(group, "file"))) {
            json_array_remove(groups, i);
        }
    }
}

void api_rules(struct http_request *r, void *ctx)
{
    const struct api_context *api = ctx;
    struct rule_filter filter;
    if (!read_filter(r, &filter)) {
        return;
    }
    const struct board_doc *doc = any(&filter) ? board_read(api->board, "rules") : NULL;
    if (!doc) {
        prom_board(r, api->board, "rules", "{\"groups\":[]}");
        return;
    }
    json_t *root = json_loadb(doc->json.p, doc->json.len, 0, NULL);
    board_unref(doc);
    filter_groups(json_object_get(root, "groups"), &filter);
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    struct answer a;
    answer_begin(&a, r);
    json_raw(&a.w, text ? str_of(text) : STR("{\"groups\":[]}"));
    answer_end(&a, NULL, 0, NULL, 0);
    free(text);
    json_decref(root);
}

void api_alerts(struct http_request *r, void *ctx)
{
    const struct api_context *api = ctx;
    prom_board(r, api->board, "alerts", "{\"alerts\":[]}");
}
