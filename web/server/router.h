/*
 * Which handler a path and method belong to.
 *
 * Patterns: literal segments, "{name}" for one segment, trailing "{rest*}" for one or more. The match with the most
 * literal segments wins, whatever the order of registration. Pure; read-only once the server has started.
 */
#pragma once
#include "src/base/vec.h"
#include "web/server/server.h"

#define ROUTE_SEGMENTS_MAX 12

struct route {
    unsigned methods;
    const char *pattern;
    struct str segments[ROUTE_SEGMENTS_MAX]; /* of the pattern, borrowed from it */
    size_t count;
    bool rest; /* last segment is {rest*} */
    http_handler_fn fn;
    void *ctx;
};
struct route_traits { /* of every route of a pattern */
    const char *pattern;
    size_t body_max; /* 0: the server's */
    bool raw_body, shallow, cors;
};
struct router {
    vec(struct route) routes;
    vec(struct route_traits) traits;
};

struct route_match {
    const struct route *route;               /* NULL: no such path, or wrong method */
    const struct route *owner;               /* of the path, whatever the method; NULL: no such path */
    unsigned allowed;                        /* methods of every route of this path; 0: no such path */
    struct str segments[ROUTE_SEGMENTS_MAX]; /* of the path, still encoded; the last takes the rest */
    size_t count;
};

void router_release(struct router *router);
void router_add(struct router *router, unsigned methods, const char *pattern, http_handler_fn fn, void *ctx);
/* Made on the first call for a pattern; valid until the next call. */
struct route_traits *router_set_traits(struct router *router, const char *pattern);
/* path: raw, beginning with '/'. */
void router_match(const struct router *router, struct str path, unsigned method, struct route_match *out);
/* Encoded text of a parameter; p == NULL if the pattern has none of that name. */
struct str route_param(const struct route_match *match, struct str name);
struct route_traits router_traits(const struct router *router, const struct route *route);
/* "GET, HEAD, OPTIONS"; head: whether GET implies HEAD here. */
void route_methods_print(unsigned methods, bool head, struct buf *out);
