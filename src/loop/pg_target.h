/*
 * What a PostgreSQL URL says, as libpq's parameters. Part of loop_pg.c.
 *
 * Source: libpq's connection URIs and parameters; SQLAlchemy's scheme+driver URLs. Parameters that libpq does not
 * know (a driver's own) are dropped.
 */
#pragma once
#include "src/base/arena.h"
#include "src/base/error.h"

#define PG_PARAMS_MAX 32

struct pg_target {
    struct arena arena; /* owns all texts */
    const char *keys[PG_PARAMS_MAX + 1], *values[PG_PARAMS_MAX + 1];
    int count;           /* without host, hostaddr and port */
    const char *host;    /* name, address or socket folder; NULL: libpq's default socket */
    int port;            /* 5432 if the URL has none */
    const char *dbname;  /* "" if neither URL nor options name one */
    const char *address; /* to show: "host:port" */
};

int pg_target_parse(struct str url, struct str dbname, struct pg_target *out, struct error *err) MUST_USE;
void pg_target_release(struct pg_target *target);
