/*
 * The text of Redis' INFO to samples, by metrics.def. Pure: no I/O, no clock but the one given.
 *
 * Lines that are not understood are skipped: servers, forks and modules add their own. Sections with a line per
 * command, error or replica are cut at REDIS_INFO_LIST_MAX lines each, so that a server with endless error kinds
 * (errorstat) cannot fill the store.
 *
 * Threads: none of its own. Errors: ERR_PROTOCOL when not a single known field was in the text.
 */
#pragma once
#include "src/base/error.h"
#include "src/model/sample.h"

#define REDIS_INFO_LIST_MAX 1000
#define REDIS_DATABASES_MAX 1024

struct redis_info {
    int64_t now_ms;    /* in: wall time, for the start time */
    int64_t databases; /* in: how many the server has; 0: unknown, then 16, or 1 in a cluster */
    double start_time; /* in and out: start time reported last, 0 for none. Kept while it moves by at most 2 s, because
                          INFO's uptime is in whole seconds and the difference would jitter. */
    uint64_t skipped;  /* out: lines beyond REDIS_INFO_LIST_MAX */
    bool cluster;      /* out: a node of a cluster */
};

int redis_info_parse(struct str text, struct redis_info *info, struct batch *batch, struct error *err) MUST_USE;
/* The text of CLUSTER INFO: each of its fields under its own name, as far as that is a legal one. */
void redis_cluster_parse(struct str text, struct batch *batch);
/* Sorted by field? For the test of metrics.def. */
bool redis_info_table_sorted(void);
