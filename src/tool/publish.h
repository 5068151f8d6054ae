/*
 * What the daemon tells of its configuration on the board: "config" for the pages; "flags" and "prometheus_config", the
 * data of GET /api/v1/status/flags and /config, in the words of Prometheus' users. No secret is in any of them.
 *
 * Threads: the loop.
 */
#pragma once
#include "config/config.h"
#include "src/base/board.h"

struct published {
    const struct config *now;     /* as last loaded: what a reload applies */
    const struct config *started; /* as at the start: what stays until the next one */
    bool store_only;
    int max_connections;
    const char *demo_sink_url; /* NULL: no demo */
};

void publish_all(struct board *board, const struct published *of);
/* Prometheus' YAML: the targets as scrape configurations, without secrets. */
void publish_print_yaml(const struct config *config, struct buf *out);
