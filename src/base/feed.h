/*
 * The feed: a bounded ring of live events, one writer, many waiting readers (SSE streams).
 *
 * Each event has a sequence number, a type ("task", "worker", "alert", "gap", "target") and a JSON
 * object. A reader asks for what came after a number; if that has left the ring it is told how many it missed.
 * Threads: all functions from any thread. Memory: at most `slots` events and `max_bytes` of JSON.
 *
 * Types and objects:
 *   task   {"t","uuid","event":"task-failed","name","state","worker","queue","runtime","exception"}
 *   worker {"t","worker","event":"worker-online|worker-offline|worker-lost"}
 *   alert  {"t","alertname","state":"pending|firing|resolved","labels":{},"value"}
 *   gap    {"t","from","to","reason"}
 *   target {"t","name","health":"up|down","error"}
 */
#pragma once
#include "src/base/buf.h"

struct feed;
struct feed *feed_new(size_t slots, size_t max_bytes);
void feed_free(struct feed *feed); /* after every reader has ended */
void feed_publish(struct feed *feed, const char *type, struct str json);
uint64_t feed_last(struct feed *feed); /* number of the newest event, 0 if none */
/* Waits up to timeout_ms for events after *after; writes at most max of them to out in SSE form
 * ("id: N\nevent: task\ndata: {...}\n\n"), moves *after, sets *missed. Returns their number; 0 on
 * time-out or after feed_close(). */
size_t feed_wait(struct feed *feed, uint64_t *after, int timeout_ms, size_t max, struct buf *out, uint64_t *missed);
void feed_close(struct feed *feed); /* wakes all readers for good */
bool feed_closed(struct feed *feed);
