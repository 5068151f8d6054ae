/*
 * The configuration: YAML read into one checked tree.
 *
 * Unknown and doubled keys are refused with file, line and column and a guess at what was meant; ${NAME} and
 * ${NAME:-default} are expanded from the environment in values; every secret `x` may be given as `x_file`.
 * config/cloche.yaml lists every key with default and unit.
 *
 * Ownership: config_free() frees everything in it. Immutable once loaded: any thread may read.
 * Errors: err has line and column; its text begins with the file's name.
 */
#pragma once
#include "src/base/arena.h"
#include "src/base/buf.h"
#include "src/base/error.h"
#include "src/model/labels.h"

struct config_target {
    struct str kind;      /* "celery" "redis" "postgres" "host" "self" */
    struct str name;      /* unique per kind; default: "main", then "main-2", … */
    struct str url;       /* with secrets: never show, use url_redact() */
    int64_t interval_ms;  /* default 15 s */
    int64_t timeout_ms;   /* default 10 s, at most the interval */
    struct labels labels; /* extra labels of every series of this target */
    struct str job;       /* label job; default: the kind ("node" for host, so that node dashboards fit) */
    /* celery */
    const struct str *queues; /* queues to watch although nobody declares them */
    size_t queue_count;
    struct str key_prefix;              /* broker_transport_options.global_keyprefix */
    bool enable_events;                 /* ask workers to send task events; default true */
    const struct str *expected_workers; /* node names that must be online; empty: those seen in the last 24 h */
    size_t expected_worker_count;
    int64_t worker_timeout_ms; /* 0: two heartbeats' time, at least 10 s */
    /* postgres */
    bool all_databases; /* pg_database_size of every database; default true */
    /* host */
    struct str proc_path, sys_path, rootfs_path; /* "/proc" "/sys" "/" : other values in containers */
};

enum config_receiver_kind { RECEIVER_SLACK, RECEIVER_WEBHOOK };
struct config_receiver_item {
    enum config_receiver_kind kind;
    struct str url;                                        /* secret: Slack's api_url, webhook's url */
    struct str channel, username, icon_emoji, title, text; /* slack; title and text are Go templates, empty: default */
    struct str bearer_token;                               /* webhook, optional, secret */
    bool send_resolved;                                    /* default true, for Slack too */
    int32_t max_alerts;                                    /* webhook, 0: no limit */
};
struct config_receiver {
    struct str name;
    const struct config_receiver_item *items;
    size_t count;
};
struct config_route {
    struct str receiver;        /* empty: the first receiver; none at all: alerts are only shown */
    const struct str *group_by; /* default alertname */
    size_t group_by_count;
    int64_t group_wait_ms, group_interval_ms, repeat_interval_ms; /* 30 s, 5 min, 4 h */
};

struct config {
    struct arena arena; /* owns everything below */
    struct str file;    /* empty: none was read */
    struct str log_level;
    struct str listen;      /* "127.0.0.1:9900" */
    bool allow_remote;      /* listen on other addresses than loopback although there is no login yet */
    struct str cors_origin; /* regular expression of origins whose pages may read the API; empty: none */
    struct str data_dir;
    struct str external_url;                       /* for links in notifications; default from listen */
    int64_t retention_ms;                          /* 15 d; 0: for ever */
    int64_t retention_5m_ms, retention_1h_ms;      /* of downsampled series: 90 d, 2 y; 0: not made */
    uint64_t retention_bytes;                      /* 0: no limit */
    int64_t out_of_order_ms;                       /* 1 h; 0: any time */
    int64_t task_retention_ms;                     /* 15 d */
    bool sync_always;                              /* store.sync: commit | always */
    int64_t scrape_interval_ms, scrape_timeout_ms; /* where a target does not say: 15 s, 10 s */
    int64_t evaluation_interval_ms;                /* 15 s */
    int64_t query_timeout_ms, query_max_samples;   /* 2 min, 50 M */
    int64_t query_max_series;                      /* 0: any number */
    uint64_t query_max_memory;                     /* bytes; 1 GiB */
    int64_t query_max_concurrency;                 /* 20 */
    uint64_t query_cache_bytes;                    /* 32 MiB; 0: no cache */
    int64_t query_log_slower_ms;                   /* 5 s; 0: none is logged */
    const struct str *enabled_features;            /* experimental parts of PromQL (src/query/features.h) */
    size_t enabled_feature_count;
    struct labels external_labels;
    const struct config_target *targets;
    size_t target_count;
    const struct str *rule_files; /* resolved against the file's folder; globs expanded */
    size_t rule_file_count;
    bool default_rules;               /* shipped rules on; default true */
    const struct str *disabled_rules; /* names of shipped alerts switched off */
    size_t disabled_rule_count;
    const struct config_receiver *receivers;
    size_t receiver_count;
    struct config_route route;
    struct str dashboards_dir; /* more Grafana JSON files; empty: none */
    /* discovery without a file: what was found and how, what was looked for in vain; JSON for the board's "config" */
    struct str discovery_json;
};

struct config_overrides { /* from the command line; empty = not given */
    struct str file, listen, data_dir, retention;
    bool store_only; /* no targets, no rules */
};

/* Without file: from CELERY_BROKER_URL, CELERY_RESULT_BACKEND, REDIS_URL, DATABASE_URL, else localhost. */
int config_load(const struct config_overrides *overrides, struct config **out, struct error *err) MUST_USE;
void config_free(struct config *config);
/* "listen, retention": the options that are read at the start only and differ from what was started with. */
void config_waiting_options(const struct config *started, const struct config *fresh, struct buf *names);
