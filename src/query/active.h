/*
 * The queries that are waiting or running now: who asked for what, how far it is, and a way to end one.
 *
 * One list for the process. A query is a struct on the stack of the thread that runs it, linked in while it lives: no
 * memory is taken, and a query costs the list's mutex three times. active_cancel() only sets a flag; the thread looks
 * at it through query_options.cancelled and ends with ERR_CANCELLED within about a millisecond of work.
 *
 * Ownership: the texts of struct active_query belong to whoever begins it and live until active_end(). Threads: any.
 */
#pragma once
#include "src/query/query.h"

#include <stdatomic.h>

#define ACTIVE_TEXT_MAX 2048 /* bytes of a query that are listed or logged */

struct active_query {
    struct str text;                   /* the expression */
    struct str peer;                   /* address that asked; empty: not over the network */
    struct str agent, dashboard, user; /* User-Agent; Grafana's dashboard "uid/panel" and user; may be empty */
    struct str rule, group;            /* names of the rule and its group; empty: none */
    int64_t start_ms, end_ms, step_ms; /* of the evaluation; step 0: at end_ms alone */

    /* the registry's own: */
    uint64_t id; /* from 1; never used twice in a process */
    int64_t since_wall_ms, since_mono_us;
    struct query_progress progress; /* for query_options.progress */
    atomic_bool running, cancelled;
    struct active_query *next, **from;
};

void active_begin(struct active_query *query); /* queued */
void active_running(struct active_query *query);
void active_end(struct active_query *query);
/* One line in the log with what the query cost and who asked, and a count; result may be half one when rc is none. */
void active_log_slow(const struct active_query *query, const struct query_result *result, int rc, int64_t took_us,
                     int64_t queue_us);
bool active_cancelled(const struct active_query *query);
/* False: there is none of that number (any more). */
bool active_cancel(uint64_t id);

/* What is listed: copies of a moment, oldest first, texts cut and in the arena. */
struct active_info {
    struct active_query query; /* its texts and numbers only */
    uint64_t samples, memory_bytes;
    bool running, cancelled;
    int64_t age_us;
};
size_t active_list(struct arena *arena, struct active_info **out);
