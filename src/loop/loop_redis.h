/*
 * A Redis connection on the loop: hiredis' reader and command formatter over our own libuv stream.
 *
 * Why not hiredis' libuv adapter: on libuv 1.44 it never reports a refused connection, redisAsyncConnect resolves
 * DNS blocking, and it has no TLS. The reader is fed at most 64 kB at a time and drained (it is quadratic on large
 * buffers).
 *
 * Life: redis_open() resolves, connects, sends AUTH and SELECT, then calls on_ready. When the connection ends, cannot
 * be made or the handshake fails, on_down is called once with the reason; all outstanding commands fail before it. It
 * does NOT reconnect: the owner calls redis_reconnect() with its own back-off. redis_close() silences it: no callback
 * comes after it returns.
 *
 * Limits: one reply at most REDIS_REPLY_MAX bytes of buffered input and 1 Mi elements an array; more closes the
 * connection. At most 10,000 commands wait for replies, 16 MiB of them to be sent; more are refused. Threads: loop
 * only. Errors: texts name host:port, never the password. "-NOAUTH", "-WRONGPASS", "-LOADING" and so on are kept as
 * Redis says them.
 */
#pragma once
#include "src/base/error.h"
#include "src/loop/loop.h"

struct redisReply; /* hiredis/hiredis.h */
struct redis_conn;

#define REDIS_REPLY_MAX (64u << 20)

struct redis_options {
    struct str url;             /* redis://, rediss://, unix/redis+socket:// ; copied */
    int64_t connect_timeout_ms; /* default 5000 when 0: from resolve to the end of the handshake */
};

struct redis_callbacks {
    void (*on_ready)(void *ctx);
    void (*on_down)(void *ctx, const struct error *reason);
    /* Replies that answer no command: Pub/Sub messages after (P)SUBSCRIBE. Borrowed. */
    void (*on_push)(void *ctx, const struct redisReply *reply);
};

/* NULL and err on a bad URL. */
struct redis_conn *redis_open(struct loop *loop, const struct redis_options *options,
                              const struct redis_callbacks *callbacks, void *ctx, struct error *err) LOOP_ONLY;
void redis_reconnect(struct redis_conn *conn) LOOP_ONLY; /* only after on_down */
void redis_close(struct redis_conn *conn) LOOP_ONLY;     /* NULL is fine */
bool redis_is_ready(const struct redis_conn *conn) LOOP_ONLY;
/* Reading stops until resumed: back-pressure for the subscriber. What was read already (at most 64 KiB) still arrives;
 * deadlines of commands go on. */
void redis_pause(struct redis_conn *conn, bool paused) LOOP_ONLY;
const char *redis_address(const struct redis_conn *conn); /* "host:port" or the socket's path */
int redis_db(const struct redis_conn *conn);

/* reply is NULL when the connection went down or the time ran out (err says which); error replies are replies. A
 * command that times out brings the connection down, because the order of replies is lost with it. Borrowed reply. */
typedef void (*redis_reply_fn)(void *ctx, const struct redisReply *reply, const struct error *err);
/* argv texts are copied. timeout_ms 0: none. Fails (callback called from the loop soon, not at once) if not ready. fn
 * may be NULL. */
void redis_command(struct redis_conn *conn, const struct str *argv, size_t argc, int64_t timeout_ms, redis_reply_fn fn,
                   void *ctx) LOOP_ONLY;
/* After this, incoming arrays of (p)message go to on_push. The subscribe confirmation answers the command. */
void redis_subscribe(struct redis_conn *conn, const struct str *argv, size_t argc, redis_reply_fn fn,
                     void *ctx) LOOP_ONLY;
