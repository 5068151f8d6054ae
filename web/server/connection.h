/*
 * Connections and their deadlines.
 *
 * civetweb gives no file descriptor and its time-outs restart with every byte, so a trickled body or a client that
 * reads a byte now and then would hold a thread for ever. Here each connection's descriptor is found once, by its
 * peer's address, and a watchdog thread shuts it down when the deadline of the current step has passed: civetweb's
 * blocked call then returns.
 *
 * Threads: a connection belongs to the thread that serves it; the watchdog only shuts down its descriptor, under the
 * table's mutex, which connection_closing() takes before civetweb closes it.
 */
#pragma once
#include "src/base/error.h"

#include <stdint.h>

struct mg_connection;
struct mg_request_info;

struct connection;
struct connection_table;

struct connection_table *connection_table_new(void);
/* Every connection must have been closed. */
void connection_table_free(struct connection_table *table);
/* Ends all connections, again and again until freed, and wakes civetweb's accepting thread by connecting to its address
 * (network order; 0: loopback): mg_stop() alone takes up to 2 s to notice. */
void connection_table_end_all(struct connection_table *table, uint32_t address, int port);
size_t connection_count(struct connection_table *table);

/* The connection of a request, made on its first one. NULL: the client has gone already. */
struct connection *connection_of(struct connection_table *table, struct mg_connection *mg,
                                 const struct mg_request_info *info);
/* civetweb's connection_close callback: the descriptor is still open. */
void connection_closing(struct connection_table *table, const struct mg_connection *mg);

enum connection_step {
    STEP_IDLE,  /* no deadline here: civetweb's keep-alive time-out, or a handler at work */
    STEP_READ,  /* past the deadline reading ends; an answer can still be sent */
    STEP_WRITE, /* past the deadline the connection ends */
};
void connection_set_step(struct connection *c, enum connection_step step, int64_t timeout_ms);
bool connection_expired(struct connection *c); /* the watchdog had to end the last step */
/* The peer has closed its side or the connection is broken. */
bool connection_peer_gone(const struct connection *c);
/* After an answer to a request whose body was not read: says "no more" and takes what is on the way (at most 1 s, 1
 * MiB), because closing with unread bytes would reset the connection and could destroy the answer. */
void connection_linger(struct connection *c);
