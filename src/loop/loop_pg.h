/*
 * A PostgreSQL connection on the loop: libpq's asynchronous calls and uv_poll.
 *
 * Traps met: the socket may change or be reused in every PQconnectPoll step (the poll handle is rebuilt after each); a
 * refused connection shows as UV_EBADF (PQconnectPoll is called anyway); libpq ignores connect_timeout here (own
 * timer); host names are resolved in LANE_DNS and passed as hostaddr; PQcancel blocks and is not used: a query that
 * passes its deadline closes the connection. One query at a time; statement_timeout and lock_timeout are set on
 * connecting.
 *
 * Life as redis_open(): on_ready, on_down once with the reason; pg_reconnect() by the owner. Threads: loop only.
 * Errors: the server's text, one line, without password; of several addresses' the last.
 */
#pragma once
#include "src/base/error.h"
#include "src/loop/loop.h"

struct pg_conn;
struct pg_result; /* a PGresult: read with the functions below, borrowed in the callback */

struct pg_options {
    struct str
        url; /* postgresql://…, postgres://…, also postgresql+psycopg2:// and postgresql+asyncpg:// (driver dropped) */
    int64_t connect_timeout_ms;   /* 5000 when 0 */
    int64_t statement_timeout_ms; /* 10000 when 0 */
    struct str dbname;            /* overrides the URL's if not empty */
};

struct pg_callbacks {
    void (*on_ready)(void *ctx);
    void (*on_down)(void *ctx, const struct error *reason);
};

struct pg_conn *pg_open(struct loop *loop, const struct pg_options *options, const struct pg_callbacks *callbacks,
                        void *ctx, struct error *err) LOOP_ONLY;
void pg_reconnect(struct pg_conn *conn) LOOP_ONLY;
void pg_close(struct pg_conn *conn) LOOP_ONLY;
bool pg_is_ready(const struct pg_conn *conn) LOOP_ONLY;
int pg_server_version(const struct pg_conn *conn);  /* 150020 */
const char *pg_address(const struct pg_conn *conn); /* "host:port" */
const char *pg_dbname(const struct pg_conn *conn);

/* res is NULL on failure (err: SQL error with the connection still up, or connection down). Queries queue behind each
 * other (at most 64: ERR_FULL to fn). */
typedef void (*pg_result_fn)(void *ctx, const struct pg_result *res, const struct error *err);
void pg_query(struct pg_conn *conn, const char *sql, int64_t timeout_ms, pg_result_fn fn, void *ctx) LOOP_ONLY;
int pg_rows(const struct pg_result *res);
int pg_columns(const struct pg_result *res);
const char *pg_column_name(const struct pg_result *res, int column);
struct str pg_value(const struct pg_result *res, int row, int column); /* p == NULL: SQL null */
