/* The handlers, one a path; api.c has the table. ctx is the struct api_context. */
#pragma once
#include "web/server/server.h"

/* Prometheus' API. */
void api_query(struct http_request *r, void *ctx);
void api_query_range(struct http_request *r, void *ctx);
void api_query_exemplars(struct http_request *r, void *ctx);
void api_format_query(struct http_request *r, void *ctx);
void api_parse_query(struct http_request *r, void *ctx);
void api_federate(struct http_request *r, void *ctx);
void api_write(struct http_request *r, void *ctx);
void api_series(struct http_request *r, void *ctx);
void api_labels(struct http_request *r, void *ctx);
void api_label_values(struct http_request *r, void *ctx);
void api_metadata(struct http_request *r, void *ctx);
void api_targets(struct http_request *r, void *ctx);
void api_scrape_pools(struct http_request *r, void *ctx);
void api_target_metadata(struct http_request *r, void *ctx);
void api_alertmanagers(struct http_request *r, void *ctx);
void api_notifications(struct http_request *r, void *ctx);
void api_rules(struct http_request *r, void *ctx);
void api_alerts(struct http_request *r, void *ctx);
void api_queries(struct http_request *r, void *ctx);
void api_query_end(struct http_request *r, void *ctx);
void api_buildinfo(struct http_request *r, void *ctx);
void api_runtimeinfo(struct http_request *r, void *ctx);
void api_config(struct http_request *r, void *ctx);
void api_flags(struct http_request *r, void *ctx);
void api_tsdb(struct http_request *r, void *ctx);
void api_walreplay(struct http_request *r, void *ctx);
void admin_flush(struct http_request *r, void *ctx);
void admin_delete_series(struct http_request *r, void *ctx);
void admin_clean_tombstones(struct http_request *r, void *ctx);
void admin_snapshot(struct http_request *r, void *ctx);

/* Samples as text. */
void api_export(struct http_request *r, void *ctx);
void api_import(struct http_request *r, void *ctx);

/* Grafana's JSON data sources. */
void grafana_health(struct http_request *r, void *ctx);
void grafana_post(struct http_request *r, void *ctx); /* every path below /grafana/ that is one */
void grafana_unknown(struct http_request *r, void *ctx);

/* Health and own figures. */
void health_healthy(struct http_request *r, void *ctx);
void health_ready(struct http_request *r, void *ctx);
void health_reload(struct http_request *r, void *ctx);
void metrics_page(struct http_request *r, void *ctx);

/* For the pages: README.md has the shapes. */
void ui_status(struct http_request *r, void *ctx);
void ui_overview(struct http_request *r, void *ctx);
void ui_tasks(struct http_request *r, void *ctx);
void ui_task_facets(struct http_request *r, void *ctx);
void ui_task(struct http_request *r, void *ctx);
void ui_board(struct http_request *r, void *ctx);
void ui_events(struct http_request *r, void *ctx);
void ui_dashboards(struct http_request *r, void *ctx);
void ui_dashboard(struct http_request *r, void *ctx);
void ui_functions(struct http_request *r, void *ctx);
