/* What a reload cannot change. */
#include "config/config.h"

static bool same_features(const struct config *a, const struct config *b)
{
    bool same = a->enabled_feature_count == b->enabled_feature_count;
    for (size_t i = 0; same && i < a->enabled_feature_count; i++) {
        same = str_eq(a->enabled_features[i], b->enabled_features[i]);
    }
    return same;
}

void config_waiting_options(const struct config *started, const struct config *fresh, struct buf *names)
{
    const struct config *a = started, *b = fresh;
    const struct {
        const char *name;
        bool same;
    } options[] = {
        {"listen", str_eq(a->listen, b->listen)},
        {"allow_remote", a->allow_remote == b->allow_remote},
        {"cors_origin", str_eq(a->cors_origin, b->cors_origin)},
        {"data", str_eq(a->data_dir, b->data_dir)},
        {"log_level", str_eq(a->log_level, b->log_level)},
        {"retention", a->retention_ms == b->retention_ms},
        {"retention_5m", a->retention_5m_ms == b->retention_5m_ms},
        {"retention_1h", a->retention_1h_ms == b->retention_1h_ms},
        {"retention_size", a->retention_bytes == b->retention_bytes},
        {"out_of_order", a->out_of_order_ms == b->out_of_order_ms},
        {"task_retention", a->task_retention_ms == b->task_retention_ms},
        {"sync", a->sync_always == b->sync_always},
        {"query_cache_size", a->query_cache_bytes == b->query_cache_bytes},
        {"enable_feature", same_features(a, b)},
        {"dashboards", str_eq(a->dashboards_dir, b->dashboards_dir)},
    };
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        if (!options[i].same) {
            buf_addf(names, "%s%s", names->len ? ", " : "", options[i].name);
        }
    }
}
