/*
 * What a Redis URL says: where, who, which database, with or without TLS. Part of loop_redis.c.
 *
 * Source: redis-py's and Kombu's URLs: redis://, rediss:// with ssl_cert_reqs, ssl_ca_certs, ssl_certfile, ssl_keyfile,
 * ssl_check_hostname; unix:// and redis+socket:// with db or virtual_host and password.
 */
#pragma once
#include "src/base/arena.h"
#include "src/base/error.h"
#include "src/loop/loop_tls.h"

struct redis_target {
    struct arena arena; /* owns all texts */
    struct str user, password;
    bool has_password;
    struct str host, unix_path; /* unix_path empty: TCP */
    int port, db;
    bool use_tls;
    struct tls_options tls;
    const char *address; /* to show: "host:port" or the socket's path */
};

int redis_target_parse(struct str url, struct redis_target *out, struct error *err) MUST_USE;
void redis_target_release(struct redis_target *target);
