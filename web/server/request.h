/*
 * A request while it is served: what civetweb read, what the router found, what has been answered. For web/server only;
 * handlers see web/server/server.h.
 *
 * Ownership: lives on the civetweb thread's stack until the request has ended; texts in its arena.
 * Threads: one at a time: the civetweb thread reads the body, then lends it to a pool thread.
 */
#pragma once
#include "web/server/connection.h"
#include "web/server/cors.h"
#include "web/server/form.h"
#include "web/server/guard.h"
#include "web/server/pool.h"
#include "web/server/router.h"

#define ZLIB_CONST /* next_in is not written through */
#include <zlib.h>

#define HTTP_HEAD_MAX      "16384"
#define HTTP_BODY_MAX      (1u << 20)
#define HTTP_STEP_MS       10000
#define HTTP_PIECE         65536u
#define HTTP_STREAMS_PART  4 /* one connection in so many may be a live stream */
#define HTTP_GZIP_MIN      1024
#define HTTP_KEEP_ALIVE_MS "30000"
#define HTTP_REQUEST_MS    "10000"

struct mg_context;

struct plain_errors { /* of http_plain_errors() */
    struct str prefix;
    bool head;
};

struct http_server {
    struct router router;
    struct guard guard;
    struct pool *pool;
    struct connection_table *connections;
    struct mg_context *context;
    struct cors *cors; /* NULL: nothing is for other origins */
    vec(struct plain_errors) plain;
    char *external_host;
    uint32_t address; /* network order */
    int port, threads;
    int64_t body_ms, write_ms;
    _Atomic bool stopping;
    _Atomic int streams;
};

enum answer_state { ANSWER_NONE, ANSWER_SENT, ANSWER_STREAMING };

struct http_request {
    struct http_server *server;
    struct mg_connection *mg;
    struct connection *connection;
    const struct mg_request_info *info;
    struct arena arena;
    struct route_match match;
    struct route_traits traits;
    struct form form;
    struct str path, body;
    unsigned method;
    bool head, takes_gzip, keep_alive, body_unread, failed; /* failed: the connection is of no more use */
    enum answer_state answered;
    struct buf headers;    /* set by the handler */
    bool chunked, counted; /* of a stream; counted: one of the streams that are capped */
    z_stream *deflate;
};

/* Everything but the body. */
void request_init(struct http_request *r, struct http_server *server, struct mg_connection *mg);
void request_release(struct http_request *r);
/* Reads the body and the parameters. 0, or the status to refuse with. */
int request_read_body(struct http_request *r, const struct route_traits *traits, struct error *err) MUST_USE;
int request_read_params(struct http_request *r, struct error *err) MUST_USE;
/* Ends a stream, or answers 500 for a handler that answered nothing. */
void response_finish(struct http_request *r);
/* Refuses and closes the connection when the body was not read. */
void response_refuse(struct http_request *r, int status, const char *text);
