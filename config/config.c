/* The schema of cloche.yaml, its scalars, and what must hold between options. */
#include "config/config_internal.h"
#include "src/base/clock.h"
#include "src/base/regex.h"
#include "src/base/vec.h"

#include <glob.h>
#include <stdlib.h>
#include <unistd.h>

#define MEMORY_MIN (1u << 20) /* a query that may hold less can do nothing */

static const struct option document_options[] = {
    {OPTION(struct document, "listen", OPTION_STR, listen), .fallback = "127.0.0.1:9900"},
    {OPTION(struct document, "allow_remote", OPTION_BOOL, allow_remote), .fallback = "false"},
    {OPTION(struct document, "data", OPTION_STR, data)},
    {OPTION(struct document, "external_url", OPTION_STR, external_url)},
    {OPTION(struct document, "cors_origin", OPTION_STR, cors_origin)},
    {OPTION(struct document, "log_level", OPTION_STR, log_level), .fallback = "info"},
    {OPTION(struct document, "retention", OPTION_DURATION, retention_ms), .fallback = "15d", .min = 0,
     .max = 3650 * DAY},
    {OPTION(struct document, "retention_5m", OPTION_DURATION, retention_5m_ms), .fallback = "90d", .min = 0,
     .max = 36500 * DAY},
    {OPTION(struct document, "retention_1h", OPTION_DURATION, retention_1h_ms), .fallback = "2y", .min = 0,
     .max = 36500 * DAY},
    {OPTION(struct document, "retention_size", OPTION_STR, retention_size), .fallback = "0"},
    {OPTION(struct document, "out_of_order", OPTION_DURATION, out_of_order_ms), .fallback = "1h", .min = 0,
     .max = 3650 * DAY},
    {OPTION(struct document, "task_retention", OPTION_DURATION, task_retention_ms), .fallback = "15d", .min = 0,
     .max = 3650 * DAY},
    {OPTION(struct document, "sync", OPTION_STR, sync), .fallback = "commit"},
    {OPTION(struct document, "scrape_interval", OPTION_DURATION, scrape_interval_ms), .fallback = "15s", .min = SECOND,
     .max = DAY},
    {OPTION(struct document, "scrape_timeout", OPTION_DURATION, scrape_timeout_ms), .fallback = "10s", .min = 100,
     .max = 10 * MINUTE},
    {OPTION(struct document, "evaluation_interval", OPTION_DURATION, evaluation_interval_ms), .fallback = "15s",
     .min = SECOND, .max = DAY},
    {OPTION(struct document, "query_timeout", OPTION_DURATION, query_timeout_ms), .fallback = "2m", .min = 100,
     .max = 60 * MINUTE},
    {OPTION(struct document, "query_max_samples", OPTION_INT, query_max_samples), .fallback = "50000000", .min = 1000,
     .max = 1000000000},
    {OPTION(struct document, "query_max_series", OPTION_INT, query_max_series), .fallback = "0", .min = 0,
     .max = 1000000000},
    {OPTION(struct document, "query_max_memory", OPTION_STR, query_max_memory), .fallback = "1GB"},
    {OPTION(struct document, "query_max_concurrency", OPTION_INT, query_max_concurrency), .fallback = "20", .min = 1,
     .max = 1000},
    {OPTION(struct document, "query_cache_size", OPTION_STR, query_cache_size), .fallback = "32MB"},
    {OPTION(struct document, "query_log_slower_than", OPTION_DURATION, query_log_slower_ms), .fallback = "5s", .min = 0,
     .max = 60 * MINUTE},
    {OPTION(struct document, "enable_feature", OPTION_STR_LIST, enabled_features)},
    {OPTION(struct document, "external_labels", OPTION_LABELS, external_labels)},
    {OPTION(struct document, "rule_files", OPTION_STR_LIST, rule_files)},
    {OPTION(struct document, "shipped_rules", OPTION_BOOL, shipped_rules), .fallback = "true"},
    {OPTION(struct document, "disable_rules", OPTION_STR_LIST, disabled_rules)},
    {OPTION(struct document, "dashboards", OPTION_STR, dashboards)},
    {OPTION(struct document, "targets", OPTION_NODE, targets)},
    {OPTION(struct document, "receivers", OPTION_NODE, receivers)},
    {OPTION(struct document, "route", OPTION_NODE, route)},
};

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

/* As Prometheus' --storage.tsdb.retention.size: 512MB, 10GB; a kilobyte has 1024 bytes. */
static bool parse_size(struct str text, uint64_t *out)
{
    static const char *const units[] = {"B", "KB", "MB", "GB", "TB"};
    size_t digits = 0;
    while (digits < text.len && text.p[digits] >= '0' && text.p[digits] <= '9') {
        digits++;
    }
    int64_t number = 0;
    struct str unit = str_trim(str_slice(text, digits, text.len));
    if (!digits || digits > 12 || !str_to_int64(str_slice(text, 0, digits), &number)) {
        return false;
    }
    for (size_t i = 0; i < COUNT(units); i++) {
        if (str_is(unit, units[i]) || (!unit.len && !number)) {
            *out = (uint64_t)number << (10 * i);
            return *out >> (10 * i) == (uint64_t)number;
        }
    }
    return false;
}

static void take_scalars(struct config *config, const struct document *doc)
{
    config->listen = doc->listen;
    config->allow_remote = doc->allow_remote;
    config->cors_origin = doc->cors_origin;
    config->log_level = doc->log_level;
    config->data_dir = doc->data.len ? resolve_path(config, doc->data) : default_data_dir(&config->arena);
    config->retention_ms = doc->retention_ms;
    config->retention_5m_ms = doc->retention_5m_ms;
    config->retention_1h_ms = doc->retention_1h_ms;
    config->out_of_order_ms = doc->out_of_order_ms;
    (void)!parse_size(doc->retention_size, &config->retention_bytes); /* checked by check_scalars() */
    (void)!parse_size(doc->query_max_memory, &config->query_max_memory);
    (void)!parse_size(doc->query_cache_size, &config->query_cache_bytes);
    config->task_retention_ms = doc->task_retention_ms;
    config->sync_always = str_is(doc->sync, "always");
    config->scrape_interval_ms = doc->scrape_interval_ms;
    config->scrape_timeout_ms = doc->scrape_timeout_ms;
    config->evaluation_interval_ms = doc->evaluation_interval_ms;
    config->query_timeout_ms = doc->query_timeout_ms;
    config->query_max_samples = doc->query_max_samples;
    config->query_max_series = doc->query_max_series;
    config->query_max_concurrency = doc->query_max_concurrency;
    config->query_log_slower_ms = doc->query_log_slower_ms;
    config->enabled_features = doc->enabled_features.v;
    config->enabled_feature_count = doc->enabled_features.n;
    config->external_labels = doc->external_labels;
    config->default_rules = doc->shipped_rules;
    config->disabled_rules = doc->disabled_rules.v;
    config->disabled_rule_count = doc->disabled_rules.n;
    config->dashboards_dir = resolve_path(config, doc->dashboards);
    config->external_url = doc->external_url.len
                               ? doc->external_url
                               : arena_printf(&config->arena, "http://" STR_FMT, STR_ARG(config->listen));
}

static int check_cors_origin(const struct document *doc, struct error *err)
{
    struct regex *regex = NULL;
    struct error why = {0};
    if (doc->cors_origin.len && regex_compile(doc->cors_origin, &regex, &why)) {
        return error_set(
            err, ERR_CONFIG,
            "\"cors_origin\" is a regular expression of origins such as https://grafana\\.example\\.org, not "
            "\"" STR_FMT "\": %s",
            STR_ARG(doc->cors_origin), why.text);
    }
    regex_free(regex);
    return 0;
}

static int check_scalars(const struct document *doc, struct error *err)
{
    if (!str_is(doc->sync, "commit") && !str_is(doc->sync, "always")) {
        return error_set(err, ERR_CONFIG, "\"sync\" is commit or always, not \"" STR_FMT "\"", STR_ARG(doc->sync));
    }
    uint64_t size;
    if (!parse_size(doc->retention_size, &size)) {
        return error_set(err, ERR_CONFIG,
                         "\"retention_size\" is a size such as 512MB or 10GB (0: no limit), not \"" STR_FMT "\"",
                         STR_ARG(doc->retention_size));
    }
    if (!parse_size(doc->query_max_memory, &size) || size < MEMORY_MIN) {
        return error_set(err, ERR_CONFIG,
                         "\"query_max_memory\" is a size of at least 1MB such as 1GB, not \"" STR_FMT "\"",
                         STR_ARG(doc->query_max_memory));
    }
    if (!parse_size(doc->query_cache_size, &size)) {
        return error_set(err, ERR_CONFIG,
                         "\"query_cache_size\" is a size such as 32MB (0: no cache), not \"" STR_FMT "\"",
                         STR_ARG(doc->query_cache_size));
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
        doc->retention_5m_ms = doc->retention_1h_ms = 0; /* what is said on the command line is said of everything */
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
    rc = rc ? rc : check_cors_origin(&doc, err);
    rc = rc ? rc : apply_overrides(&doc, overrides, err);
    if (rc) {
        return rc;
    }
    take_scalars(config, &doc);
    if (overrides->data_dir.len) { /* relative to where the command was typed, not to the file */
        config->data_dir = overrides->data_dir;
    }
    rc = config_find_receivers(config, &doc, err);
    if (overrides->store_only) {
        config->default_rules = false;
        config->discovery_json = STR("{\"found\":[],\"missing\":[]}");
        return rc;
    }
    rc = rc ? rc : config_find_targets(config, &doc, err);
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
