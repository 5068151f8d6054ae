/* Targets: a table of options per kind, names, defaults, discovery where the file names none. */
#include "config/config_internal.h"
#include "config/discover.h"
#include "src/base/url.h"

#include <stdio.h>

/* Every kind takes the first seven keys. */
struct target_document {
    struct str name, url, job, key_prefix, proc, sys, rootfs;
    int64_t interval_ms, timeout_ms, worker_timeout_ms;
    struct labels labels;
    struct option_list queues, workers;
    bool enable_events, all_databases;
};

/* clang-format off */
#define TARGET_COMMON \
    {OPTION(struct target_document, "name", OPTION_STR, name)}, \
    {OPTION(struct target_document, "interval", OPTION_DURATION, interval_ms), .min = SECOND, .max = DAY}, \
    {OPTION(struct target_document, "timeout", OPTION_DURATION, timeout_ms), .min = 100, .max = 10 * MINUTE}, \
    {OPTION(struct target_document, "labels", OPTION_LABELS, labels)}, \
    {OPTION(struct target_document, "job", OPTION_STR, job)}
/* clang-format on */

static const struct option celery_options[] = {
    TARGET_COMMON,
    {OPTION(struct target_document, "url", OPTION_SECRET, url)},
    {OPTION(struct target_document, "queues", OPTION_STR_LIST, queues)},
    {OPTION(struct target_document, "key_prefix", OPTION_STR, key_prefix)},
    {OPTION(struct target_document, "enable_events", OPTION_BOOL, enable_events), .fallback = "true"},
    {OPTION(struct target_document, "workers", OPTION_STR_LIST, workers)},
    {OPTION(struct target_document, "worker_timeout", OPTION_DURATION, worker_timeout_ms), .fallback = "0s", .min = 0,
     .max = DAY},
};
static const struct option redis_options[] = {
    TARGET_COMMON,
    {OPTION(struct target_document, "url", OPTION_SECRET, url)},
};
static const struct option postgres_options[] = {
    TARGET_COMMON,
    {OPTION(struct target_document, "url", OPTION_SECRET, url)},
    {OPTION(struct target_document, "all_databases", OPTION_BOOL, all_databases), .fallback = "true"},
};
static const struct option host_options[] = {
    TARGET_COMMON,
    {OPTION(struct target_document, "proc", OPTION_STR, proc), .fallback = "/proc"},
    {OPTION(struct target_document, "sys", OPTION_STR, sys), .fallback = "/sys"},
    {OPTION(struct target_document, "rootfs", OPTION_STR, rootfs), .fallback = "/"},
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

int config_find_targets(struct config *config, const struct document *doc, struct error *err)
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
