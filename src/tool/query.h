/*
 * cloche query: what its parts share. query.c reads options and runs; query_remote.c asks a running cloche (or any
 * server with Prometheus' API), query_local.c a stopped one's data directory; both fill a struct query_result, which
 * query_print.c writes, so that the same samples give the same bytes from either source.
 *
 * Exit status: 0 answered, also without data; 1 not answered: no server, a limit, a disk, an output that cannot be
 * written; 2 the call or the expression is wrong. Answers go to stdout, all else to stderr.
 */
#pragma once
#include "src/query/query.h"
#include "src/tool/query_print.h"

struct query_call {
    const char *url, *data; /* one of them, or none: REMOTE_URL */
    const char *expr;
    bool has_time; /* else an instant query is of now, by the source's clock */
    int64_t time_ms;
    struct query_view view; /* step_ms > 0: a range query from start_ms to end_ms */
};

/* 0, or the exit status, the reason told. The result and all it holds live in the arena. */
int query_remote(const struct query_call *call, struct arena *arena, struct query_result *out) MUST_USE;
/* Ctrl-C ends the evaluation, closes the store and then ends the process as the signal does. */
int query_local(const struct query_call *call, struct arena *arena, struct query_result *out) MUST_USE;
/* Tells why there is no answer, parse errors with the place in the query; the exit status. */
int query_refused(const struct query_call *call, struct str text) MUST_USE;
