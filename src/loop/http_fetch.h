/*
 * HTTP requests that are waited for: for the verbs of the command line, which have nothing else to do. Large bodies
 * come in pieces. The loop's own client is loop_http.h.
 *
 * Limits: 10 s to connect, ten minutes without a byte, no redirects, http and https only; answers that nobody takes
 * piece by piece are cut at 1 MiB.
 * Threads: one uses a session at a time; never the loop thread while a loop runs.
 */
#pragma once
#include "src/base/buf.h"
#include "src/base/error.h"

struct http_session; /* keeps its connection */
struct http_session *http_session_new(void);
void http_session_free(struct http_session *session); /* NULL is fine */

struct http_fetch {
    const char *method; /* "GET", "POST" */
    struct str url;
    const char *content_type; /* of the body; NULL: none */
    struct str body;
    /* Takes the body of an answer of status 200; false ends it. NULL: it is gathered like any other. */
    bool (*take)(void *ctx, struct str bytes);
    void *ctx;
};
struct http_fetched {
    int status;
    int64_t retry_after_ms; /* -1: absent */
    struct buf body;        /* what `take` did not get; the caller's: buf_release() */
};
/* 0 when an answer came, whatever its status; ERR_CANCELLED: `take` ended it; ERR_CONNECT: none, or not all of it. */
int http_fetch(struct http_session *session, const struct http_fetch *fetch, struct http_fetched *out,
               struct error *err) MUST_USE;
