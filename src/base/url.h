/*
 * URLs of brokers, databases and receivers: parsed, percent-decoded, and a form without secrets.
 * Source: RFC 3986; Celery's broker URLs ("redis+socket:///path?virtual_host=1").
 */
#pragma once
#include "src/base/arena.h"
#include "src/base/error.h"

struct url {
    struct str scheme, user, password, host; /* decoded; IPv6 host without brackets */
    int port;                                /* 0: not given */
    struct str path;                         /* decoded, with leading slash */
    struct str query;                        /* raw, without '?' */
};

int url_parse(struct str text, struct arena *arena, struct url *out, struct error *err) MUST_USE;
/* Decoded value of a query parameter; p == NULL if absent. */
struct str url_query_get(const struct url *url, struct str name, struct arena *arena);
/* The text to show: user and password become "***", query values of secret-like names too; an
 * unparseable text becomes "***". */
struct str url_redact(struct str text, struct arena *arena);
struct str url_decode(struct str s, bool plus_is_space, struct arena *arena);
struct str url_encode(struct str s, struct arena *arena); /* everything but unreserved bytes */
