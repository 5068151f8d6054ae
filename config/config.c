/* The schema of cloche.yaml: option tables, and what must hold between options. */
#include "config/config.h"

#include "config/discover.h"
#include "config/option.h"
#include "src/base/clock.h"
#include "src/base/url.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SECOND       1000LL
#define MINUTE       (60 * SECOND)
#define DAY          (24 * 60 * MINUTE)
#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define AT(node)     (node)->line, (node)->column

/* What the file says before it becomes struct config. */
struct document {
    struct str listen, data, external_url, log_level, dashboards, sync;
    bool allow_remote, shipped_rules;
    int64_t retention_ms, task_retention_ms, scrape_interval_ms, scrape_timeout_ms, evaluation_interval_ms;
    int64_t query_timeout_ms, query_max_samples;
    struct labels external_labels;
    struct option_list rule_files, disabled_rules;
    struct yaml_node *targets, *receivers, *route;
};

static const struct option document_options[] = {
    OPTION(struct document, "listen", OPTION_STR, listen, .fallback = "127.0.0.1:9900"),
    OPTION(struct document, "allow_remote", OPTION_BOOL, allow_remote, .fallback = "false"),
    OPTION(struct document, "data", OPTION_STR, data),
    OPTION(struct document, "external_url", OPTION_STR, external_url),
    OPTION(struct document, "log_level", OPTION_STR, log_level, .fallback = "info"),
    OPTION(struct document, "retention", OPTION_DURATION, retention_ms, .fallback = "15d", .min = 0, .max = 3650 * DAY),
    OPTION(struct document, "task_retention", OPTION_DURATION, task_retention_ms, .fallback = "15d", .min = 0,
           .max = 3650 * DAY),
    OPTION(struct document, "sync", OPTION_STR, sync, .fallback = "commit"),
    OPTION(struct document, "scrape_interval", OPTION_DURATION, scrape_interval_ms, .fallback = "15s", .min = SECOND,
           .max = DAY),
    OPTION(struct document, "scrape_timeout", OPTION_DURATION, scrape_timeout_ms, .fallback = "10s", .min = 100,
           .max = 10 * MINUTE),
    OPTION(struct document, "evaluation_interval", OPTION_DURATION, evaluation_interval_ms, .fallback = "15s",
           .min = SECOND, .max = DAY),
    OPTION(struct document, "query_timeout", OPTION_DURATION, query_timeout_ms, .fallback = "2m", .min = 100,
           .max = 60 * MINUTE),
    OPTION(struct document, "query_max_samples", OPTION_INT, query_max_samples, .fallback = "50000000", .min = 1000,
           .max = 1000000000),
    OPTION(struct document, "external_labels", OPTION_LABELS, external_labels),
    OPTION(struct document, "rule_files", OPTION_STR_LIST, rule_files),
    OPTION(struct document, "shipped_rules", OPTION_BOOL, shipped_rules, .fallback = "true"),
    OPTION(struct document, "disable_rules", OPTION_STR_LIST, disabled_rules),
    OPTION(struct document, "dashboards", OPTION_STR, dashboards),
    OPTION(struct document, "targets", OPTION_NODE, targets),
    OPTION(struct document, "receivers", OPTION_NODE, receivers),
    OPTION(struct document, "route", OPTION_NODE, route),
};

/* Every kind takes the first seven keys. */
struct target_document {
    struct str name, url, job, key_prefix, proc, sys, rootfs;
    int64_t interval_ms, timeout_ms, worker_timeout_ms;
    struct labels labels;
    struct option_list queues, workers;
    bool enable_events, all_databases;
};

#define TARGET_COMMON                                                                                                  \
    OPTION(struct target_document, "name", OPTION_STR, name),                                                          \
        OPTION(struct target_document, "interval", OPTION_DURATION, interval_ms, .min = SECOND, .max = DAY),           \
        OPTION(struct target_document, "timeout", OPTION_DURATION, timeout_ms, .min = 100, .max = 10 * MINUTE),        \
        OPTION(struct target_document, "labels", OPTION_LABELS, labels),                                               \
        OPTION(struct target_document, "job", OPTION_STR, job)

static const struct option celery_options[] = {
    TARGET_COMMON,
    OPTION(struct target_document, "url", OPTION_SECRET, url),
    OPTION(struct target_document, "queues", OPTION_STR_LIST, queues),
    OPTION(struct target_document, "key_prefix", OPTION_STR, key_prefix),
    OPTION(struct target_document, "enable_events", OPTION_BOOL, enable_events, .fallback = "true"),
    OPTION(struct target_document, "workers", OPTION_STR_LIST, workers),
    OPTION(struct target_document, "worker_timeout", OPTION_DURATION, worker_timeout_ms, .fallback = "0s", .min = 0,
           .max = DAY),
};
static const struct option redis_options[] = {
    TARGET_COMMON,
    OPTION(struct target_document, "url", OPTION_SECRET, url),
};
static const struct option postgres_options[] = {
    TARGET_COMMON,
    OPTION(struct target_document, "url", OPTION_SECRET, url),
    OPTION(struct target_document, "all_databases", OPTION_BOOL, all_databases, .fallback = "true"),
};
static const struct option host_options[] = {
    TARGET_COMMON,
    OPTION(struct target_document, "proc", OPTION_STR, proc, .fallback = "/proc"),
    OPTION(struct target_document, "sys", OPTION_STR, sys, .fallback = "/sys"),
    OPTION(struct target_document, "rootfs", OPTION_STR, rootfs, .fallback = "/"),
};
static const struct option self_options[] = {TARGET_COMMON};

static const struct target_kind {
    const char *name, *job;
    const struct option *options;
    size_t option_count;
    bool needs_url;
} target_kinds[] = {
    {"celery", "celery", celery_options, COUNT(celery_options), true},
    {"redis", "redis", redis_options, COUNT(redis_options), true},
    {"postgres", "postgres", postgres_options, COUNT(postgres_options), true},
    {"host", "node", host_options, COUNT(host_options), false},
    {"self", "cloche", self_options, COUNT(self_options), false},
};

struct receiver_document {
    struct str name;
    struct yaml_node *slack, *webhook;
};
static const struct option receiver_options[] = {
    OPTION(struct receiver_document, "name", OPTION_STR, name),
    OPTION(struct receiver_document, "slack_configs", OPTION_NODE, slack),
    OPTION(struct receiver_document, "webhook_configs", OPTION_NODE, webhook),
};

struct item_document {
    struct str url, channel, username, icon_emoji, title, text, bearer_token;
    bool send_resolved;
    int64_t max_alerts;
};
static const struct option slack_options[] = {
    OPTION(struct item_document, "api_url", OPTION_SECRET, url),
    OPTION(struct item_document, "channel", OPTION_STR, channel),
    OPTION(struct item_document, "username", OPTION_STR, username),
    OPTION(struct item_document, "icon_emoji", OPTION_STR, icon_emoji),
    OPTION(struct item_document, "title", OPTION_STR, title),
    OPTION(struct item_document, "text", OPTION_STR, text),
    OPTION(struct item_document, "send_resolved", OPTION_BOOL, send_resolved, .fallback = "true"),
};
static const struct option webhook_options[] = {
    OPTION(struct item_document, "url", OPTION_SECRET, url),
    OPTION(struct item_document, "bearer_token", OPTION_SECRET, bearer_token),
    OPTION(struct item_document, "max_alerts", OPTION_INT, max_alerts, .fallback = "0", .min = 0, .max = 100000),
    OPTION(struct item_document, "send_resolved", OPTION_BOOL, send_resolved, .fallback = "true"),
};

struct route_document {
    struct str receiver;
    struct option_list group_by;
    int64_t wait_ms, interval_ms, repeat_ms;
};
static const struct option route_options[] = {
    OPTION(struct route_document, "receiver", OPTION_STR, receiver),
    OPTION(struct route_document, "group_by", OPTION_STR_LIST, group_by, .fallback = "alertname"),
    OPTION(struct route_document, "group_wait", OPTION_DURATION, wait_ms, .fallback = "30s", .min = 0, .max = DAY),
    OPTION(struct route_document, "group_interval", OPTION_DURATION, interval_ms, .fallback = "5m", .min = SECOND,
           .max = DAY),
    OPTION(struct route_document, "repeat_interval", OPTION_DURATION, repeat_ms, .fallback = "4h", .min = SECOND,
           .max = 30 * DAY),
};

static const struct target_kind *find_kind(struct str name)
{
    for (size_t i = 0; i < COUNT(target_kinds); i++) {
        if (str_is(name, target_kinds[i].name)) {
            return &target_kinds[i];
        }
    }
    return NULL;
}

static int unknown_kind(const struct yaml_node *key, struct error *err)
{
    const char *names[COUNT(target_kinds) + 1] = {0};
    for (size_t i = 0; i < COUNT(target_kinds); i++) {
        names[i] = target_kinds[i].name;
    }
    const char *near = yaml_nearest(key->scalar, names);
    return error_set_at(err, ERR_CONFIG, AT(key),
                        "unknown kind of target \"" STR_FMT "\"%s%s%s; there are celery, redis, postgres, host, self",
                        STR_ARG(key->scalar), near ? ", did you mean \"" : "", near ? near : "", near ? "\"?" : "");
}

static int check_url(struct config *config, const struct target_kind *kind, const struct yaml_node *node,
                     struct str url, struct error *err)
{
    if (!kind->needs_url) {
        return 0;
    }
    if (!url.len) {
        return error_set_at(err, ERR_CONFIG, AT(node), "a %s target needs \"url\" (or \"url_file\")", kind->name);
    }
    struct url parsed;
    struct error reason = {0};
    if (url_parse(url, &config->arena, &parsed, &reason)) {
        return error_set_at(err, ERR_CONFIG, AT(node), "the url of this %s target cannot be read: %s", kind->name,
                            reason.text);
    }
    bool postgres = str_is(str_of(kind->name), "postgres");
    bool fits = postgres ? str_starts(parsed.scheme, STR("postgres"))
                         : (str_starts(parsed.scheme, STR("redis")) || str_is(parsed.scheme, "unix"));
    if (!fits) {
        return error_set_at(err, ERR_CONFIG, AT(node), "the url of a %s target begins with %s, not " STR_FMT "://",
                            kind->name, postgres ? "postgresql://" : "redis://, rediss:// or redis+socket://",
                            STR_ARG(parsed.scheme));
    }
    return 0;
}

static bool name_taken(const config_target_vec *targets, struct str kind, struct str name)
{
    vec_each (const struct config_target *, t, targets) {
        if (str_eq(t->kind, kind) && str_eq(t->name, name)) {
            return true;
        }
    }
    return false;
}

static struct str default_name(struct config *config, const config_target_vec *targets, struct str kind)
{
    struct str name = STR("main");
    for (int i = 2; name_taken(targets, kind, name); i++) {
        name = arena_printf(&config->arena, "main-%d", i);
    }
    return name;
}

static struct config_target target_of(const struct target_kind *kind, const struct target_document *d,
                                      const struct document *doc)
{
    int64_t interval = d->interval_ms ? d->interval_ms : doc->scrape_interval_ms;
    int64_t timeout = d->timeout_ms ? d->timeout_ms : doc->scrape_timeout_ms;
    return (struct config_target){
        .kind = str_of(kind->name),
        .name = d->name,
        .url = d->url,
        .interval_ms = interval,
        .timeout_ms = timeout < interval ? timeout : interval,
        .labels = d->labels,
        .job = d->job.len ? d->job : str_of(kind->job),
        .queues = d->queues.v,
        .queue_count = d->queues.n,
        .key_prefix = d->key_prefix,
        .enable_events = d->enable_events,
        .expected_workers = d->workers.v,
        .expected_worker_count = d->workers.n,
        .worker_timeout_ms = d->worker_timeout_ms,
        .all_databases = d->all_databases,
        .proc_path = d->proc,
        .sys_path = d->sys,
        .rootfs_path = d->rootfs,
    };
}

/* node NULL: a target with nothing but defaults and the url given. */
static int add_target(struct config *config, const struct document *doc, const struct target_kind *kind,
                      const struct yaml_node *node, struct str url, config_target_vec *targets, struct error *err)
{
    struct target_document d = {0};
    char what[32];
    snprintf(what, sizeof(what), "%s target", kind->name);
    int rc = option_decode(kind->options, kind->option_count, node, what, &config->arena, &d, err);
    if (rc) {
        return rc;
    }
    if (node) {
        rc = check_url(config, kind, node, d.url, err);
        if (rc) {
            return rc;
        }
        if (d.name.len && name_taken(targets, str_of(kind->name), d.name)) {
            return error_set_at(err, ERR_CONFIG, AT(node), "there are two %s targets named \"" STR_FMT "\"", kind->name,
                                STR_ARG(d.name));
        }
    } else {
        d.url = url;
    }
    if (!d.name.len) {
        d.name = default_name(config, targets, str_of(kind->name));
    }
    vec_push(targets, target_of(kind, &d, doc));
    return 0;
}

static int decode_targets(struct config *config, const struct document *doc, config_target_vec *targets,
                          struct error *err)
{
    const struct yaml_node *node = doc->targets;
    if (node->type != YAML_MAPPING) {
        return error_set_at(err, ERR_CONFIG, AT(node),
                            "\"targets\" is a mapping of celery, redis, postgres, host to lists");
    }
    for (size_t i = 0; i < node->count; i++) {
        const struct target_kind *kind = find_kind(node->keys[i].scalar);
        if (!kind) {
            return unknown_kind(&node->keys[i], err);
        }
        const struct yaml_node *list = &node->items[i];
        bool single = list->type == YAML_MAPPING || yaml_is_null(list);
        size_t count = single ? 1 : list->count;
        if (!single && list->type != YAML_SEQUENCE) {
            return error_set_at(err, ERR_CONFIG, AT(list), "\"%s\" is a list of targets", kind->name);
        }
        for (size_t j = 0; j < count; j++) {
            const struct yaml_node *one = single ? list : &list->items[j];
            struct yaml_node empty = {.type = YAML_MAPPING, .line = one->line, .column = one->column};
            int rc = add_target(config, doc, kind, yaml_is_null(one) ? &empty : one, (struct str){0}, targets, err);
            if (rc) {
                return rc;
            }
        }
    }
    return 0;
}

static bool has_kind(const config_target_vec *targets, const char *kind)
{
    vec_each (const struct config_target *, t, targets) {
        if (str_is(t->kind, kind)) {
            return true;
        }
    }
    return false;
}

static int discover(struct config *config, const struct document *doc, config_target_vec *targets, struct error *err)
{
    auto_buf json = {0};
    buf_init(&json, 1 << 17);
    config_target_vec found = {0};
    discover_targets(&config->arena, &found, &json);
    int rc = 0;
    for (size_t i = 0; i < found.len && !rc; i++) {
        rc = add_target(config, doc, find_kind(found.p[i].kind), NULL, found.p[i].url, targets, err);
    }
    vec_release(&found);
    config->discovery_json = arena_dup(&config->arena, buf_str(&json));
    return rc;
}

static int find_targets(struct config *config, const struct document *doc, struct error *err)
{
    config_target_vec targets = {0};
    config->discovery_json = STR("{\"found\":[],\"missing\":[]}");
    int rc = doc->targets ? decode_targets(config, doc, &targets, err) : 0;
    /* A file that speaks only of the host leaves the application to be found. */
    bool named = has_kind(&targets, "celery") || has_kind(&targets, "redis") || has_kind(&targets, "postgres");
    if (!rc && !named) {
        rc = discover(config, doc, &targets, err);
    }
    /* The host and cloche itself are always watched. */
    static const char *const always[] = {"host", "self"};
    for (size_t i = 0; i < COUNT(always) && !rc; i++) {
        if (!has_kind(&targets, always[i])) {
            rc = add_target(config, doc, find_kind(str_of(always[i])), NULL, (struct str){0}, &targets, err);
        }
    }
    if (!rc) {
        struct config_target *v = arena_array(&config->arena, struct config_target, targets.len);
        memcpy(v, targets.p, targets.len * sizeof(*v));
        config->targets = v;
        config->target_count = targets.len;
    }
    vec_release(&targets);
    return rc;
}

typedef vec(struct config_receiver_item) item_vec;

static int decode_items(struct config *config, enum config_receiver_kind kind, const struct yaml_node *list,
                        item_vec *items, struct error *err)
{
    if (!list) {
        return 0;
    }
    bool slack = kind == RECEIVER_SLACK;
    if (list->type != YAML_SEQUENCE) {
        return error_set_at(err, ERR_CONFIG, AT(list), "\"%s\" is a list", slack ? "slack_configs" : "webhook_configs");
    }
    for (size_t i = 0; i < list->count; i++) {
        struct item_document d = {0};
        int rc = slack ? option_decode(slack_options, COUNT(slack_options), &list->items[i], "slack receiver",
                                       &config->arena, &d, err)
                       : option_decode(webhook_options, COUNT(webhook_options), &list->items[i], "webhook receiver",
                                       &config->arena, &d, err);
        if (rc) {
            return rc;
        }
        if (!str_starts(d.url, STR("http://")) && !str_starts(d.url, STR("https://"))) {
            return error_set_at(err, ERR_CONFIG, AT(&list->items[i]),
                                "needs \"%s\" (or \"%s_file\") beginning with https:// or http://",
                                slack ? "api_url" : "url", slack ? "api_url" : "url");
        }
        vec_push(items, (struct config_receiver_item){.kind = kind,
                                                      .url = d.url,
                                                      .channel = d.channel,
                                                      .username = d.username,
                                                      .icon_emoji = d.icon_emoji,
                                                      .title = d.title,
                                                      .text = d.text,
                                                      .bearer_token = d.bearer_token,
                                                      .send_resolved = d.send_resolved,
                                                      .max_alerts = (int32_t)d.max_alerts});
    }
    return 0;
}

static int decode_receiver(struct config *config, const struct yaml_node *node, struct config_receiver *out,
                           struct error *err)
{
    struct receiver_document d = {0};
    int rc = option_decode(receiver_options, COUNT(receiver_options), node, "receiver", &config->arena, &d, err);
    if (rc) {
        return rc;
    }
    if (!d.name.len) {
        return error_set_at(err, ERR_CONFIG, AT(node), "a receiver needs a \"name\"");
    }
    item_vec items = {0};
    rc = decode_items(config, RECEIVER_SLACK, d.slack, &items, err);
    rc = rc ? rc : decode_items(config, RECEIVER_WEBHOOK, d.webhook, &items, err);
    if (!rc) {
        struct config_receiver_item *v = arena_array(&config->arena, struct config_receiver_item, items.len + 1);
        if (items.len) {
            memcpy(v, items.p, items.len * sizeof(*v));
        }
        *out = (struct config_receiver){.name = d.name, .items = v, .count = items.len};
    }
    vec_release(&items);
    return rc;
}

static int decode_receivers(struct config *config, const struct document *doc, struct error *err)
{
    const struct yaml_node *list = doc->receivers;
    if (!list) {
        return 0;
    }
    if (list->type != YAML_SEQUENCE) {
        return error_set_at(err, ERR_CONFIG, AT(list), "\"receivers\" is a list");
    }
    struct config_receiver *v = arena_array(&config->arena, struct config_receiver, list->count + 1);
    for (size_t i = 0; i < list->count; i++) {
        int rc = decode_receiver(config, &list->items[i], &v[i], err);
        if (rc) {
            return rc;
        }
        for (size_t j = 0; j < i; j++) {
            if (str_eq(v[j].name, v[i].name)) {
                return error_set_at(err, ERR_CONFIG, AT(&list->items[i]),
                                    "there are two receivers named \"" STR_FMT "\"", STR_ARG(v[i].name));
            }
        }
    }
    config->receivers = v;
    config->receiver_count = list->count;
    return 0;
}

static int decode_route(struct config *config, const struct document *doc, struct error *err)
{
    struct route_document d = {0};
    int rc = option_decode(route_options, COUNT(route_options), doc->route, "route", &config->arena, &d, err);
    if (rc) {
        return rc;
    }
    bool known = !d.receiver.len;
    for (size_t i = 0; i < config->receiver_count; i++) {
        known = known || str_eq(config->receivers[i].name, d.receiver);
    }
    if (!known) {
        return error_set_at(err, ERR_CONFIG, AT(doc->route), "route: there is no receiver named \"" STR_FMT "\"",
                            STR_ARG(d.receiver));
    }
    config->route = (struct config_route){
        .receiver = d.receiver.len || !config->receiver_count ? d.receiver : config->receivers[0].name,
        .group_by = d.group_by.v,
        .group_by_count = d.group_by.n,
        .group_wait_ms = d.wait_ms,
        .group_interval_ms = d.interval_ms,
        .repeat_interval_ms = d.repeat_ms,
    };
    return 0;
}

static struct str folder_of(struct str file)
{
    for (size_t i = file.len; i > 0; i--) {
        if (file.p[i - 1] == '/') {
            return str_slice(file, 0, i);
        }
    }
    return (struct str){0};
}

static struct str resolve_path(struct config *config, struct str path)
{
    if (!path.len || path.p[0] == '/') {
        return path;
    }
    struct str folder = folder_of(config->file);
    return arena_printf(&config->arena, STR_FMT STR_FMT, STR_ARG(folder), STR_ARG(path));
}

static int find_rule_files(struct config *config, const struct document *doc, struct error *err)
{
    vec(struct str) files = {0};
    int rc = 0;
    for (size_t i = 0; i < doc->rule_files.n && !rc; i++) {
        char *pattern = arena_cstr(&config->arena, resolve_path(config, doc->rule_files.v[i]));
        glob_t found = {0};
        int failed = glob(pattern, GLOB_BRACE | GLOB_ERR, NULL, &found);
        /* A plain name that is missing is a mistake; a pattern may match nothing. */
        if (failed && !strpbrk(pattern, "*?[{")) {
            rc = error_set(err, ERR_CONFIG, "rule file %s cannot be read", pattern);
        }
        for (size_t j = 0; !failed && j < found.gl_pathc; j++) {
            vec_push(&files, arena_dup(&config->arena, str_of(found.gl_pathv[j])));
        }
        globfree(&found);
    }
    struct str *v = arena_array(&config->arena, struct str, files.len + 1);
    if (files.len) {
        memcpy(v, files.p, files.len * sizeof(*v));
    }
    config->rule_files = v;
    config->rule_file_count = files.len;
    vec_release(&files);
    return rc;
}

/* $STATE_DIRECTORY is systemd's; else /var/lib/cloche for root, else the user's data folder. */
static struct str default_data_dir(struct arena *arena)
{
    const char *state = getenv("STATE_DIRECTORY");
    if (state && *state) {
        return arena_dup(arena, str_of(state));
    }
    if (geteuid() == 0) {
        return STR("/var/lib/cloche");
    }
    const char *xdg = getenv("XDG_DATA_HOME");
    if (xdg && *xdg) {
        return arena_printf(arena, "%s/cloche", xdg);
    }
    const char *home = getenv("HOME");
    return arena_printf(arena, "%s/.local/share/cloche", home && *home ? home : ".");
}

static void take_scalars(struct config *config, const struct document *doc)
{
    config->listen = doc->listen;
    config->allow_remote = doc->allow_remote;
    config->log_level = doc->log_level;
    config->data_dir = doc->data.len ? resolve_path(config, doc->data) : default_data_dir(&config->arena);
    config->retention_ms = doc->retention_ms;
    config->task_retention_ms = doc->task_retention_ms;
    config->sync_always = str_is(doc->sync, "always");
    config->evaluation_interval_ms = doc->evaluation_interval_ms;
    config->query_timeout_ms = doc->query_timeout_ms;
    config->query_max_samples = doc->query_max_samples;
    config->external_labels = doc->external_labels;
    config->default_rules = doc->shipped_rules;
    config->disabled_rules = doc->disabled_rules.v;
    config->disabled_rule_count = doc->disabled_rules.n;
    config->dashboards_dir = resolve_path(config, doc->dashboards);
    config->external_url = doc->external_url.len
                               ? doc->external_url
                               : arena_printf(&config->arena, "http://" STR_FMT, STR_ARG(config->listen));
}

static int check_scalars(const struct document *doc, struct error *err)
{
    if (!str_is(doc->sync, "commit") && !str_is(doc->sync, "always")) {
        return error_set(err, ERR_CONFIG, "\"sync\" is commit or always, not \"" STR_FMT "\"", STR_ARG(doc->sync));
    }
    static const char *const levels[] = {"debug", "info", "warn", "error"};
    for (size_t i = 0; i < COUNT(levels); i++) {
        if (str_is(doc->log_level, levels[i])) {
            return 0;
        }
    }
    return error_set(err, ERR_CONFIG, "\"log_level\" is debug, info, warn or error, not \"" STR_FMT "\"",
                     STR_ARG(doc->log_level));
}

static int apply_overrides(struct document *doc, const struct config_overrides *overrides, struct error *err)
{
    if (overrides->listen.len) {
        doc->listen = overrides->listen;
    }
    if (overrides->data_dir.len) {
        doc->data = overrides->data_dir;
    }
    if (overrides->retention.len) {
        /* Prometheus users write 0; durations want a unit. */
        bool zero = str_is(overrides->retention, "0");
        if (!zero && !duration_parse(overrides->retention, &doc->retention_ms)) {
            return error_set(err, ERR_CONFIG,
                             "--retention is a duration such as 15d (0: for ever), not \"" STR_FMT "\"",
                             STR_ARG(overrides->retention));
        }
        doc->retention_ms = zero ? 0 : doc->retention_ms;
        doc->task_retention_ms = doc->retention_ms;
    }
    return 0;
}

static int fill(struct config *config, const struct config_overrides *overrides, struct yaml_node *root,
                struct error *err)
{
    struct document doc = {0};
    int rc = root ? option_expand_env(root, &config->arena, err) : 0;
    rc = rc ? rc
            : option_decode(document_options, COUNT(document_options), root, "the configuration", &config->arena, &doc,
                            err);
    rc = rc ? rc : check_scalars(&doc, err);
    rc = rc ? rc : apply_overrides(&doc, overrides, err);
    if (rc) {
        return rc;
    }
    take_scalars(config, &doc);
    if (overrides->data_dir.len) { /* relative to where the command was typed, not to the file */
        config->data_dir = overrides->data_dir;
    }
    rc = decode_receivers(config, &doc, err);
    rc = rc ? rc : decode_route(config, &doc, err);
    if (overrides->store_only) {
        config->default_rules = false;
        config->discovery_json = STR("{\"found\":[],\"missing\":[]}");
        return rc;
    }
    rc = rc ? rc : find_targets(config, &doc, err);
    return rc ? rc : find_rule_files(config, &doc, err);
}

int config_load(const struct config_overrides *overrides, struct config **out, struct error *err)
{
    struct config *config = mem_zalloc(sizeof(*config));
    arena_init(&config->arena);
    struct config_overrides own = {
        .file = arena_dup(&config->arena, overrides->file),
        .listen = arena_dup(&config->arena, overrides->listen),
        .data_dir = arena_dup(&config->arena, overrides->data_dir),
        .retention = arena_dup(&config->arena, overrides->retention),
        .store_only = overrides->store_only,
    };
    config->file = own.file;
    struct yaml_node *root = NULL;
    int rc = 0;
    if (own.file.len) {
        rc = yaml_load(arena_cstr(&config->arena, own.file), &config->arena, &root, err);
    }
    rc = rc ? rc : fill(config, &own, root, err);
    if (rc) {
        if (err && own.file.len && err->line) {
            error_prefix(err, STR_FMT ":%d:%d", STR_ARG(own.file), err->line, err->column);
        } else if (own.file.len) {
            error_prefix(err, STR_FMT, STR_ARG(own.file));
        }
        config_free(config);
        return rc;
    }
    *out = config;
    return 0;
}

void config_free(struct config *config)
{
    if (config) {
        struct arena arena = config->arena;
        arena_release(&arena);
        mem_free(config);
    }
}
