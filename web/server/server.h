/*
 * The HTTP server: civetweb behind a small router.
 *
 * civetweb matches by prefix and passes every method, accepts CL+TE, doubled Content-Length and a missing Host, never
 * times out a trickled body: all refused or bounded here, before a handler runs. Unknown paths are 404, wrong methods
 * 405 with Allow, never a page; see http_plain_errors(). document_root is never set, mg_handle_form_request never
 * called. Security headers (CSP without inline scripts, nosniff, no referrer) on every answer. gzip when the client
 * takes it and the body is > 1 KiB.
 *
 * DNS rebinding: while the address is a loopback one a request's Host must be an IP literal, "localhost" or the
 * configured external host, else 403: a hostile page could otherwise point its own name at us and read everything. For
 * the same reason answers carry CORS headers only where http_route_cors() and the configuration say so.
 *
 * Limits: request line + headers 16 KiB in 64 lines and 10 s, body 1 MiB unless the route says more (413 before
 * reading), 10 s to send the body, 10 s per 64 KiB of an answer taken, 256 connections, a quarter of them streams.
 * Threads: handlers run several at once on the server's own threads (pool.h: 1 MiB of stack, made when needed), because
 * civetweb's have 100 KiB; but see http_route_shallow().
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
    /* "127.0.0.1:9900", "localhost:9900", ":9900" (all addresses); port 0: any free one. "[::1]:9900" is refused with a
     * text (this civetweb has no IPv6). */
    struct str listen;
    /* 0: 256. One connection each, idle keep-alive ones too. All are created at start (civetweb 1.15 cannot later):
     * 256 cost 4.2 MB of resident memory idle, 9.3 MB once each has served a request; 64 cost 1.1 and 2.4. */
    int threads;
    bool allow_remote;         /* without it an address other than loopback is refused: there is no login yet */
    int64_t body_ms, write_ms; /* 0: 10 s to send a body, 10 s to take 64 KiB of an answer */
    struct str cors_origin;    /* of pages that may read http_route_cors()' answers, see cors.h; empty: none */
    struct str external_host;  /* "cloche.example.com" or a URL of it: a further Host to accept; may be empty */
};

struct http_server *http_server_new(void);
/* Pattern: literal path, "{name}" for one segment, trailing "{rest*}" for the rest. Before start. */
void http_route(struct http_server *server, unsigned methods, const char *pattern, http_handler_fn fn, void *ctx);
void http_route_body_limit(struct http_server *server, const char *pattern, size_t max_bytes);
/* Its bodies come as they were sent, whatever their Content-Encoding (elsewhere gzip is unpacked, to no more than the
 * body's limit, and another coding is refused): the handler looks at that header, and bounds what it decompresses. */
void http_route_raw_body(struct http_server *server, const char *pattern);
/* Its handler needs less than 32 KiB of stack (no recursion, no regular expression, no stream) and runs on civetweb's
 * own thread: for a route that is called thousands of times a second, the two switches to a pool thread and back cost
 * more than its work. */
void http_route_shallow(struct http_server *server, const char *pattern);
/* Pages of the origins in http_server_options.cors_origin may read its answers. For what only reads: a handler that
 * changes something asks http_same_origin(), whatever stands there. */
void http_route_cors(struct http_server *server, const char *pattern);
/* Below this beginning of paths, wrong paths and methods are answered as Prometheus' router does: with plain text, and
 * OPTIONS for any path. Where HEAD is a wrong method at Prometheus (head: false), it is one here. */
void http_plain_errors(struct http_server *server, const char *prefix, bool head);
/* ERR_BUSY-like text when the port is in use: names the address and what to do. */
int http_server_start(struct http_server *server, const struct http_server_options *options,
                      struct error *err) MUST_USE;
/* Wakes streams, waits for requests at most 2 s. */
void http_server_stop(struct http_server *server);
void http_server_free(struct http_server *server);
int http_server_port(const struct http_server *server); /* 0 before start */

/* -- what a handler may ask; all texts live until it returns -- */
struct arena *http_arena(struct http_request *r);
struct str http_path_param(struct http_request *r, const char *name); /* decoded */
/* For POST application/x-www-form-urlencoded the body, then the query string: as in Go, the body's value comes first.
 * p == NULL: absent. */
struct str http_param(struct http_request *r, const char *name);
size_t http_params(struct http_request *r, const char *name, const struct str **out); /* all values, e.g. match[] */
struct str http_header(struct http_request *r, const char *name);
struct str http_body(struct http_request *r);
struct str http_path(struct http_request *r);
unsigned http_method_of(struct http_request *r);
struct str http_peer(struct http_request *r);  /* the client's address, without port */
bool http_client_gone(struct http_request *r); /* peer closed or server stopping: cancel the work */
/* False when a browser says that a page of another origin sent it: to be asked before anything is changed. */
bool http_same_origin(struct http_request *r);

/* -- answers; exactly one of respond, stream -- */
void http_set_header(struct http_request *r, const char *name, struct str value); /* before the answer */
void http_respond(struct http_request *r, int status, const char *content_type, struct str body);
/* {"status":"error","errorType":type,"error":text}: Prometheus' form, which cloche's own APIs share. */
void http_respond_error(struct http_request *r, int status, const char *type, struct str text);
/* Precompressed body with strong ETag: 304 on If-None-Match; gzip'd bytes are inflated for clients that do not take
 * gzip. */
void http_respond_static(struct http_request *r, const char *content_type, struct str gzip_body, const char *etag,
                         bool immutable);
/* An answer of unknown length: begin once, write until false (client gone, server stopping or too slow: 10 s per 64
 * KiB). Ends when the handler returns. Compressed if the client takes gzip; text/event-stream is not, each write of it
 * goes out at once, and a quarter of the connections may be such: begin then answers 503 itself and returns false. */
bool http_stream_begin(struct http_request *r, const char *content_type);
bool http_stream_write(struct http_request *r, struct str bytes);
