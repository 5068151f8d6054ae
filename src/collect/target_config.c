#include "src/collect/target_config.h"

static const struct str *dup_list(struct arena *arena, const struct str *list, size_t n)
{
    struct str *copy = arena_array(arena, struct str, n + 1);
    for (size_t i = 0; i < n; i++) {
        copy[i] = arena_dup(arena, list[i]);
    }
    return copy;
}

struct config_target target_config_dup(struct arena *arena, const struct config_target *config)
{
    struct config_target copy = *config;
    copy.kind = arena_dup(arena, config->kind);
    copy.name = arena_dup(arena, config->name);
    copy.url = arena_dup(arena, config->url);
    copy.labels = labels_dup(config->labels, arena);
    copy.job = arena_dup(arena, config->job);
    copy.queues = dup_list(arena, config->queues, config->queue_count);
    copy.key_prefix = arena_dup(arena, config->key_prefix);
    copy.expected_workers = dup_list(arena, config->expected_workers, config->expected_worker_count);
    copy.proc_path = arena_dup(arena, config->proc_path);
    copy.sys_path = arena_dup(arena, config->sys_path);
    copy.rootfs_path = arena_dup(arena, config->rootfs_path);
    if (copy.interval_ms <= 0) {
        copy.interval_ms = 15000;
    }
    if (copy.timeout_ms <= 0 || copy.timeout_ms > copy.interval_ms) {
        copy.timeout_ms = copy.interval_ms < 10000 ? copy.interval_ms : 10000;
    }
    return copy;
}

static bool same_list(const struct str *a, size_t an, const struct str *b, size_t bn)
{
    if (an != bn) {
        return false;
    }
    for (size_t i = 0; i < an; i++) {
        if (!str_eq(a[i], b[i])) {
            return false;
        }
    }
    return true;
}

bool target_config_equal(const struct config_target *a, const struct config_target *b)
{
    return str_eq(a->kind, b->kind) && str_eq(a->name, b->name) && str_eq(a->url, b->url) && str_eq(a->job, b->job) &&
           a->interval_ms == b->interval_ms && a->timeout_ms == b->timeout_ms && labels_eq(a->labels, b->labels) &&
           same_list(a->queues, a->queue_count, b->queues, b->queue_count) && str_eq(a->key_prefix, b->key_prefix) &&
           a->enable_events == b->enable_events &&
           same_list(a->expected_workers, a->expected_worker_count, b->expected_workers, b->expected_worker_count) &&
           a->worker_timeout_ms == b->worker_timeout_ms && a->all_databases == b->all_databases &&
           str_eq(a->proc_path, b->proc_path) && str_eq(a->sys_path, b->sys_path) &&
           str_eq(a->rootfs_path, b->rootfs_path);
}
