/*
 * The HTTP server: civetweb behind a small router.
 *
 * civetweb matches by prefix and passes every method, accepts CL+TE, doubled Content-Length and a missing Host, never
 * times out a trickled body: all refused or bounded here, before a handler runs. Unknown paths are 404, wrong methods
 * 405 with Allow, never a page. document_root is never set, mg_handle_form_request never called. Security headers (CSP
 * without inline scripts, nosniff, no referrer) on every answer. gzip when the client takes it and the body is > 1 KiB.
 *
 * Limits: request line + headers 16 KiB, body 1 MiB unless the route says more (413 before reading), 10 s to send the
 * body, 256 threads, 64 streams. Threads: handlers run on civetweb's threads, several at once.
 */
#pragma once
#include "src/base/arena.h"
#include "src/base/buf.h"
#include "src/base/error.h"

struct http_server;
struct http_request;

enum http_method {
    HTTP_GET = 1,
    HTTP_POST = 2,
    HTTP_PUT = 4,
    HTTP_DELETE = 8
}; /* GET implies HEAD; OPTIONS is answered by the router */

typedef void (*http_handler_fn)(struct http_request *request, void *ctx);

struct http_server_options {
    struct str
        listen; /* "127.0.0.1:9900", "0.0.0.0:9900", "[::1]:9900" is refused with a text (civetweb build has no IPv6) */
    int threads; /* 0: 256 (created as needed is not possible: their stacks are 256 KiB and untouched) */
};

struct http_server *http_server_new(void);
/* Pattern: literal path, "{name}" for one segment, trailing "{rest*}" for the rest. Before start. */
void http_route(struct http_server *server, unsigned methods, const char *pattern, http_handler_fn fn, void *ctx);
void http_route_body_limit(struct http_server *server, const char *pattern, size_t max_bytes);
/* ERR_BUSY-like text when the port is in use: names the address and what to do. */
int http_server_start(struct http_server *server, const struct http_server_options *options,
                      struct error *err) MUST_USE;
/* Wakes streams, waits for requests at most 2 s. */
void http_server_stop(struct http_server *server);
void http_server_free(struct http_server *server);

/* -- what a handler may ask; all texts live until it returns -- */
struct arena *http_arena(struct http_request *r);
struct str http_path_param(struct http_request *r, const char *name); /* decoded */
/* Query string, and for POST application/x-www-form-urlencoded the body, in this order. First value; p == NULL: absent.
 */
struct str http_param(struct http_request *r, const char *name);
size_t http_params(struct http_request *r, const char *name, const struct str **out); /* all values, e.g. match[] */
struct str http_header(struct http_request *r, const char *name);
struct str http_body(struct http_request *r);
struct str http_path(struct http_request *r);
unsigned http_method_of(struct http_request *r);
bool http_client_gone(struct http_request *r); /* peer closed: cancel the work */

/* -- answers; exactly one of respond, stream -- */
void http_set_header(struct http_request *r, const char *name, struct str value); /* before the answer */
void http_respond(struct http_request *r, int status, const char *content_type, struct str body);
/* Precompressed body with strong ETag: 304 on If-None-Match; gzip'd bytes are inflated for clients that do not take
 * gzip. */
void http_respond_static(struct http_request *r, const char *content_type, struct str gzip_body, const char *etag,
                         bool immutable);
/* text/event-stream etc.: begin once, write until false (client gone, server stopping or too slow: 10 s per write). */
bool http_stream_begin(struct http_request *r, const char *content_type);
bool http_stream_write(struct http_request *r, struct str bytes);
