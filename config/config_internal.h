/* Shared by the files that decode the configuration: what the file says before it becomes struct config. */
#pragma once
#include "config/config.h"
#include "config/option.h"

#define SECOND       1000LL
#define MINUTE       (60 * SECOND)
#define DAY          (24 * 60 * MINUTE)
#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define AT(node)     (node)->line, (node)->column

struct document {
    struct str listen, data, external_url, log_level, dashboards, sync, retention_size, query_max_memory,
        query_cache_size, cors_origin;
    bool allow_remote, shipped_rules;
    int64_t retention_ms, retention_5m_ms, retention_1h_ms, out_of_order_ms, task_retention_ms, scrape_interval_ms,
        scrape_timeout_ms, evaluation_interval_ms;
    int64_t query_timeout_ms, query_max_samples, query_max_series, query_max_concurrency, query_log_slower_ms;
    struct labels external_labels;
    struct option_list rule_files, disabled_rules, enabled_features;
    struct yaml_node *targets, *receivers, *route;
};

/* config_targets.c: fills targets and discovery_json. */
int config_find_targets(struct config *config, const struct document *doc, struct error *err) MUST_USE;
/* config_receivers.c: fills receivers, then route. */
int config_find_receivers(struct config *config, const struct document *doc, struct error *err) MUST_USE;
