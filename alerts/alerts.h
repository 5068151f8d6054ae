/*
 * Alerting: rule groups are evaluated in time, instances go pending → firing → resolved, receivers are told until they
 * have heard.
 *
 * Rules are Prometheus rule files, unchanged (alerts/group.h). Evaluation runs PromQL on LANE_QUERY workers; states
 * belong to the loop and are committed to the store ("alert", "outbox") before a notification leaves, so a restart,
 * also by kill -9, loses no state and repeats no message. Publishes "rules", "alerts", "notifications", "receivers" on
 * the board and "alert" events on the feed; writes ALERTS and ALERTS_FOR_STATE and recording rules' series through the
 * store.
 *
 * Threads: loop only. Errors: alerts_check() reports file, line, column.
 */
#pragma once
#include "config/config.h"
#include "src/base/board.h"
#include "src/base/feed.h"
#include "src/loop/loop.h"
#include "src/loop/loop_http.h"
#include "storage/store.h"

struct alerts;
struct alerts *alerts_new(struct loop *loop, struct http_client *http, struct store *store, struct board *board,
                          struct feed *feed);
/* Loads rules and receivers of the configuration: all or nothing (on error the old ones stay). States, timers and sent
 * marks of unchanged rules are kept. */
int alerts_apply(struct alerts *alerts, const struct config *config, struct error *err) LOOP_ONLY MUST_USE;
void alerts_stop(struct alerts *alerts, loop_fn done, void *ctx) LOOP_ONLY;
void alerts_free(struct alerts *alerts);

/* For `cloche check`: parses every rule file (and the shipped rules); each problem goes to report. Returns the number
 * of problems. */
typedef void (*alerts_report_fn)(void *ctx, const struct error *problem);
size_t alerts_check(const struct config *config, alerts_report_fn report, void *ctx, size_t *rules);
