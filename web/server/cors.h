/*
 * Which pages of other origins may read answers (CORS), as Prometheus' --web.cors.origin.
 *
 * Only routes that http_route_cors() names take part, and never with credentials. Source: Prometheus'
 * util/httputil/cors.go, for behaviour: without a header Origin nothing is said; with one the methods and headers are
 * named, and the origin itself only if it may read.
 *
 * Threads: read-only once made; cors_allow() on a thread with room for a regular expression.
 */
#pragma once
#include "web/server/server.h"

struct cors;

/* origin: a regular expression, anchored at both ends; empty: *out is NULL, no page of another origin may read. */
int cors_new(struct str origin, struct cors **out, struct error *err) MUST_USE;
void cors_free(struct cors *cors);
/* Sets the answer's headers; cors may be NULL. */
void cors_allow(const struct cors *cors, struct http_request *r);
