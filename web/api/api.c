#include "web/api/api.h"

#include "web/api/endpoints.h"

/* Series, labels and queries may come with very long selectors: multi-value variables of dashboards; imports in
 * pieces of so much. */
#define FORM_MAX (8u << 20)

#define WRITE_PATH     "/api/v1/write"
#define WRITE_BODY_MAX (8u << 20) /* compressed; Prometheus sends some 100 kB */

enum {
    OWN,   /* for pages of our own origin only */
    SHARED /* what pages of other origins may read, as they may at Prometheus: it changes nothing */
};

static const struct {
    unsigned methods;
    const char *pattern;
    http_handler_fn fn;
    int readers;
} routes[] = {
    {HTTP_GET | HTTP_POST, "/api/v1/query", api_query, SHARED},
    {HTTP_GET | HTTP_POST, "/api/v1/query_range", api_query_range, SHARED},
    {HTTP_GET | HTTP_POST, "/api/v1/query_exemplars", api_query_exemplars, SHARED},
    {HTTP_GET | HTTP_POST, "/api/v1/format_query", api_format_query, SHARED},
    {HTTP_GET | HTTP_POST, "/api/v1/parse_query", api_parse_query, SHARED},
    {HTTP_POST, WRITE_PATH, api_write, OWN},
    {HTTP_GET | HTTP_POST, "/api/v1/series", api_series, SHARED},
    {HTTP_GET | HTTP_POST, "/api/v1/labels", api_labels, SHARED},
    {HTTP_GET, "/api/v1/label/{name}/values", api_label_values, SHARED},
    {HTTP_GET, "/api/v1/metadata", api_metadata, SHARED},
    {HTTP_GET, "/federate", api_federate, OWN},
    {HTTP_GET, "/api/v1/targets", api_targets, SHARED},
    {HTTP_GET, "/api/v1/targets/metadata", api_target_metadata, SHARED},
    {HTTP_GET, "/api/v1/scrape_pools", api_scrape_pools, SHARED},
    {HTTP_GET, "/api/v1/alertmanagers", api_alertmanagers, SHARED},
    {HTTP_GET, "/api/v1/notifications", api_notifications, SHARED},
    {HTTP_GET, "/api/v1/rules", api_rules, SHARED},
    {HTTP_GET, "/api/v1/alerts", api_alerts, SHARED},
    {HTTP_GET, "/api/v1/status/queries", api_queries, OWN},
    {HTTP_POST | HTTP_DELETE, "/api/v1/status/queries/{id}", api_query_end, OWN},
    {HTTP_GET, "/api/v1/status/buildinfo", api_buildinfo, SHARED},
    {HTTP_GET, "/api/v1/status/runtimeinfo", api_runtimeinfo, SHARED},
    {HTTP_GET, "/api/v1/status/config", api_config, SHARED},
    {HTTP_GET, "/api/v1/status/flags", api_flags, SHARED},
    {HTTP_GET, "/api/v1/status/tsdb", api_tsdb, SHARED},
    {HTTP_GET, "/api/v1/status/walreplay", api_walreplay, SHARED},
    {HTTP_POST | HTTP_PUT, "/api/v1/admin/tsdb/flush", admin_flush, OWN},
    {HTTP_POST | HTTP_PUT, "/api/v1/admin/tsdb/delete_series", admin_delete_series, OWN},
    {HTTP_POST | HTTP_PUT, "/api/v1/admin/tsdb/clean_tombstones", admin_clean_tombstones, OWN},
    {HTTP_POST | HTTP_PUT, "/api/v1/admin/tsdb/snapshot", admin_snapshot, OWN},
    {HTTP_GET | HTTP_POST, "/api/v1/export", api_export, OWN},
    {HTTP_POST, "/api/v1/import", api_import, OWN},
    {HTTP_GET, "/grafana", grafana_health, OWN},
    {HTTP_GET, "/grafana/", grafana_health, OWN},
    {HTTP_POST, "/grafana/query", grafana_post, OWN},
    {HTTP_POST, "/grafana/annotations", grafana_post, OWN},
    {HTTP_POST, "/grafana/metrics", grafana_post, OWN},
    {HTTP_POST, "/grafana/metric-payload-options", grafana_post, OWN},
    {HTTP_POST, "/grafana/search", grafana_post, OWN},
    {HTTP_POST, "/grafana/variable", grafana_post, OWN},
    {HTTP_POST, "/grafana/tag-keys", grafana_post, OWN},
    {HTTP_POST, "/grafana/tag-values", grafana_post, OWN},
    {HTTP_GET | HTTP_POST, "/grafana/{rest*}", grafana_unknown, OWN},
    {HTTP_GET, "/-/healthy", health_healthy, OWN},
    {HTTP_GET, "/-/ready", health_ready, OWN},
    {HTTP_POST | HTTP_PUT, "/-/reload", health_reload, OWN},
    {HTTP_GET, "/metrics", metrics_page, OWN},
    {HTTP_GET, "/api/ui/status", ui_status, OWN},
    {HTTP_GET, "/api/ui/overview", ui_overview, OWN},
    {HTTP_GET, "/api/ui/tasks", ui_tasks, OWN},
    {HTTP_GET, "/api/ui/tasks/facets", ui_task_facets, OWN},
    {HTTP_GET, "/api/ui/tasks/{uuid}", ui_task, OWN},
    {HTTP_GET, "/api/ui/workers", ui_board, OWN},
    {HTTP_GET, "/api/ui/queues", ui_board, OWN},
    {HTTP_GET, "/api/ui/targets", ui_board, OWN},
    {HTTP_GET, "/api/ui/notifications", ui_board, OWN},
    {HTTP_GET, "/api/ui/receivers", ui_board, OWN},
    {HTTP_GET, "/api/ui/celery", ui_board, OWN},
    {HTTP_GET, "/api/ui/events", ui_events, OWN},
    {HTTP_GET, "/api/ui/dashboards", ui_dashboards, OWN},
    {HTTP_GET, "/api/ui/dashboards/{uid}", ui_dashboard, OWN},
    {HTTP_GET, "/api/ui/functions", ui_functions, OWN},
};

void api_register(struct http_server *server, struct api_context *context)
{
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        http_route(server, routes[i].methods, routes[i].pattern, routes[i].fn, context);
        if (routes[i].methods & HTTP_POST && strncmp(routes[i].pattern, "/grafana/", 9) != 0) {
            http_route_body_limit(server, routes[i].pattern, FORM_MAX);
        }
        if (routes[i].readers == SHARED) {
            http_route_cors(server, routes[i].pattern);
        }
    }
    http_plain_errors(server, "/api/v1/", false);
    http_plain_errors(server, "/federate", false);
    http_plain_errors(server, "/-/", true);
    http_route_body_limit(server, WRITE_PATH, WRITE_BODY_MAX);
    http_route_raw_body(server, WRITE_PATH);
    http_route_shallow(server, WRITE_PATH);
}
