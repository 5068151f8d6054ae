/*
 * HTTP client on the loop: libcurl's multi_socket interface. Used by notifiers and scrapes.
 *
 * Limits: answer bodies are cut at 1 MiB (counted as success if the status came), 10 s in all by default, no redirects
 * to other protocols than http(s), at most 3. Host names are resolved by curl's threaded resolver, off the loop.
 * URLs hold secrets (Slack): errors name scheme and host only.
 */
#pragma once
#include "src/base/buf.h"
#include "src/base/error.h"
#include "src/loop/loop.h"

struct http_client;
struct http_client *http_client_new(struct loop *loop) LOOP_ONLY;
/* Outstanding requests end with ERR_CLOSED, called before it returns. */
void http_client_free(struct http_client *client) LOOP_ONLY;

struct http_call {
    const char *method; /* "GET", "POST" */
    struct str url;
    const char *const *headers; /* "Name: value", NULL-terminated; may be NULL */
    struct str body;
    int64_t timeout_ms; /* 10000 when 0 */
};
struct http_answer {
    int status; /* 0: none came, err says why */
    struct str body;
    int64_t retry_after_ms; /* from Retry-After (seconds or HTTP date); -1: absent */
};
typedef void (*http_answer_fn)(void *ctx, const struct http_answer *answer, const struct error *err);
/* Everything in `call` is copied. Always answers through fn, later. */
void http_send(struct http_client *client, const struct http_call *call, http_answer_fn fn, void *ctx) LOOP_ONLY;
