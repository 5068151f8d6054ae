/*
 * The board: named documents that the loop publishes and web threads read.
 *
 * Collectors and alerts own their state on the loop; what the pages show of it they pin here as
 * finished JSON. A reader takes a reference to one immutable version and never waits for the loop.
 *
 * Documents, by name (JSON each; writer in brackets). Times are seconds as floats.
 *   "targets"  [collect]  data of GET /api/v1/targets: {"activeTargets":[{discoveredLabels, labels, scrapePool,
 *              scrapeUrl, globalUrl, lastError, lastScrape (RFC 3339), lastScrapeDuration, health "up|down|unknown",
 *              scrapeInterval, scrapeTimeout, + cloche's own: "collector", "name", "lastSuccess" (RFC 3339 or ""),
 * "samples", "hint"}], "droppedTargets":[]} "workers"  [celery]   [{"hostname","worker" (node name), "online":bool,
 * "pid","active","processed","loadavg":[3],"freq","sw_ver",
 *              "sw_sys","first_seen","last_seen","queues":[..],"concurrency":n|null,"pool":text|null,"task_events":bool,"prefetch":n|null,
 *              "broker" (target name), "succeeded","failed","retried" (since start)}]
 *   "queues"   [celery]
 * [{"name","length","by_priority":{"0":n,..},"unacked":n|null,"consumers":n|null,"broker","sources":["binding","event","config","worker"],
 *              "in_rate","out_rate" (per second, last interval)}]
 *   "celery"   [celery]
 * {"events_total","events_per_second","lost_events","gaps":[{"from","to","reason"}],"undecodable":n,
 *              "task_events_off":[worker..],"sent_events_seen":bool}  what cannot be seen, and why
 *   "rules"    [alerts]   data of GET /api/v1/rules; each alert rule also has "id"
 *   "alerts"   [alerts]   data of GET /api/v1/alerts; each alert also has
 * "id","firedAt","ruleId","summary","description" "notifications" [alerts]
 * [{"t","receiver","kind":"slack|webhook","status":"firing|resolved","alerts":[{labels..}],"state":"sent|retrying|failed",
 *              "attempts","next","error"}] newest first, at most 100; and receivers' health: see alerts/notify/queue.h
 *   "receivers" [alerts]  [{"name","kind","health":"ok|retrying|broken|unknown","queued","last_success","last_error"}]
 *   "flags", "prometheus_config" [main] data of GET /api/v1/status/flags and /config
 *   "config"   [main]
 * {"file":path|null,"found":[{"what","how"}],"missing":[{"what","hint"}],"demo":bool,"sink_url":text|null,"notes":[..]}
 *
 * Threads: all functions from any thread; a short mutex inside.
 * Ownership: board_read() gives a reference, board_unref() drops it.
 */
#pragma once
#include "src/base/buf.h"

struct board;
struct board_doc {
    struct str json;
    uint64_t version;     /* grows with every publish of this name */
    int64_t published_ms; /* wall time */
};

struct board *board_new(void);
void board_free(struct board *board); /* after every reader has ended */
/* Copies json. */
void board_publish(struct board *board, const char *name, struct str json);
/* NULL if nothing was published under that name. */
const struct board_doc *board_read(struct board *board, const char *name);
void board_unref(const struct board_doc *doc);
