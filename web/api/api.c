#include "web/api/api.h"

#include "web/api/endpoints.h"

/* Series, labels and queries may come with very long selectors: multi-value variables of dashboards; imports in
 * pieces of so much. */
#define FORM_MAX (8u << 20)

#define WRITE_PATH     "/api/v1/write"
#define WRITE_BODY_MAX (8u << 20) /* compressed; Prometheus sends some 100 kB */

static const struct {
    unsigned methods;
    const char *pattern;
    http_handler_fn fn;
} routes[] = {
    {HTTP_GET | HTTP_POST, "/api/v1/query", api_query},
    {HTTP_GET | HTTP_POST, "/api/v1/query_range", api_query_range},
    {HTTP_GET | HTTP_POST, "/api/v1/query_exemplars", api_query_exemplars},
    {HTTP_GET | HTTP_POST, "/api/v1/format_query", api_format_query},
    {HTTP_GET | HTTP_POST, "/api/v1/parse_query", api_parse_query},
    {HTTP_POST, WRITE_PATH, api_write},
    {HTTP_GET | HTTP_POST, "/api/v1/series", api_series},
    {HTTP_GET | HTTP_POST, "/api/v1/labels", api_labels},
    {HTTP_GET, "/api/v1/label/{name}/values", api_label_values},
    {HTTP_GET, "/api/v1/metadata", api_metadata},
    {HTTP_GET, "/federate", api_federate},
    {HTTP_GET, "/api/v1/targets", api_targets},
    {HTTP_GET, "/api/v1/targets/metadata", api_target_metadata},
    {HTTP_GET, "/api/v1/scrape_pools", api_scrape_pools},
    {HTTP_GET, "/api/v1/alertmanagers", api_alertmanagers},
    {HTTP_GET, "/api/v1/notifications", api_notifications},
    {HTTP_GET, "/api/v1/rules", api_rules},
    {HTTP_GET, "/api/v1/alerts", api_alerts},
    {HTTP_GET, "/api/v1/status/queries", api_queries},
    {HTTP_POST | HTTP_DELETE, "/api/v1/status/queries/{id}", api_query_end},
    {HTTP_GET, "/api/v1/status/buildinfo", api_buildinfo},
    {HTTP_GET, "/api/v1/status/runtimeinfo", api_runtimeinfo},
    {HTTP_GET, "/api/v1/status/config", api_config},
    {HTTP_GET, "/api/v1/status/flags", api_flags},
    {HTTP_GET, "/api/v1/status/tsdb", api_tsdb},
    {HTTP_GET, "/api/v1/status/walreplay", api_walreplay},
    {HTTP_POST | HTTP_PUT, "/api/v1/admin/tsdb/flush", admin_flush},
    {HTTP_POST | HTTP_PUT, "/api/v1/admin/tsdb/delete_series", admin_delete_series},
    {HTTP_POST | HTTP_PUT, "/api/v1/admin/tsdb/clean_tombstones", admin_clean_tombstones},
    {HTTP_POST | HTTP_PUT, "/api/v1/admin/tsdb/snapshot", admin_snapshot},
    {HTTP_GET | HTTP_POST, "/api/v1/export", api_export},
    {HTTP_POST, "/api/v1/import", api_import},
    {HTTP_GET, "/grafana", grafana_health},
    {HTTP_GET, "/grafana/", grafana_health},
    {HTTP_POST, "/grafana/query", grafana_post},
    {HTTP_POST, "/grafana/annotations", grafana_post},
    {HTTP_POST, "/grafana/metrics", grafana_post},
    {HTTP_POST, "/grafana/metric-payload-options", grafana_post},
    {HTTP_POST, "/grafana/search", grafana_post},
    {HTTP_POST, "/grafana/variable", grafana_post},
    {HTTP_POST, "/grafana/tag-keys", grafana_post},
    {HTTP_POST, "/grafana/tag-values", grafana_post},
    {HTTP_GET | HTTP_POST, "/grafana/{rest*}", grafana_unknown},
    {HTTP_GET, "/-/healthy", health_healthy},
    {HTTP_GET, "/-/ready", health_ready},
    {HTTP_POST | HTTP_PUT, "/-/reload", health_reload},
    {HTTP_GET, "/metrics", metrics_page},
    {HTTP_GET, "/api/ui/status", ui_status},
    {HTTP_GET, "/api/ui/overview", ui_overview},
    {HTTP_GET, "/api/ui/tasks", ui_tasks},
    {HTTP_GET, "/api/ui/tasks/facets", ui_task_facets},
    {HTTP_GET, "/api/ui/tasks/{uuid}", ui_task},
    {HTTP_GET, "/api/ui/workers", ui_board},
    {HTTP_GET, "/api/ui/queues", ui_board},
    {HTTP_GET, "/api/ui/targets", ui_board},
    {HTTP_GET, "/api/ui/notifications", ui_board},
    {HTTP_GET, "/api/ui/receivers", ui_board},
    {HTTP_GET, "/api/ui/celery", ui_board},
    {HTTP_GET, "/api/ui/events", ui_events},
    {HTTP_GET, "/api/ui/dashboards", ui_dashboards},
    {HTTP_GET, "/api/ui/dashboards/{uid}", ui_dashboard},
    {HTTP_GET, "/api/ui/functions", ui_functions},
};

void api_register(struct http_server *server, struct api_context *context)
{
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        http_route(server, routes[i].methods, routes[i].pattern, routes[i].fn, context);
        if (routes[i].methods & HTTP_POST && strncmp(routes[i].pattern, "/grafana/", 9) != 0) {
            http_route_body_limit(server, routes[i].pattern, FORM_MAX);
        }
    }
    http_route_body_limit(server, WRITE_PATH, WRITE_BODY_MAX);
    http_route_raw_body(server, WRITE_PATH);
    http_route_shallow(server, WRITE_PATH);
}
