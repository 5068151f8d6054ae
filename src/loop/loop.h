/*
 * The event loop: timers, work on other threads, messages from other threads.
 *
 * One loop per process, one thread runs it (loop_run claims it: base/thread.h). Handles are freed in libuv's
 * close callback; the objects here hide that.
 * Nothing that may block runs on it: use loop_work().
 */
#pragma once
#include "src/base/error.h"
#include "src/base/thread.h"

struct uv_loop_s;
struct loop;

struct loop *loop_new(void);
/* Runs until loop_stop(), then until what is closing has closed. Owners may stop timers and close connections before
 * or after, up to loop_free(). SIGPIPE is ignored. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop); /* any thread, async-signal-safe not required */
/* On the loop thread. Waits at most 1 s for jobs of loop_work() and calls their done(); a job that hangs longer is left
 * behind with its thread, and its done() is never called. */
void loop_free(struct loop *loop);
struct uv_loop_s *loop_uv(struct loop *loop); /* for src/loop only */

typedef void (*loop_fn)(void *ctx);

/* Timers. The pointer is valid until loop_timer_stop(), which may be called from the callback. One-shot
 * timers (repeat_ms 0) must be stopped too. */
struct loop_timer;
struct loop_timer *loop_timer_start(struct loop *loop, int64_t delay_ms, int64_t repeat_ms, loop_fn fn,
                                    void *ctx) LOOP_ONLY;
void loop_timer_again(struct loop_timer *timer, int64_t delay_ms) LOOP_ONLY; /* re-arm, one shot */
void loop_timer_stop(struct loop_timer *timer) LOOP_ONLY;                    /* NULL is fine; frees */

/* Signals: fn on the loop thread. */
void loop_on_signal(struct loop *loop, int signum, loop_fn fn, void *ctx) LOOP_ONLY;

/* Work on a pool of `loop` (4 threads, own pool, not libuv's): run() there, then done() on the loop. The queue is
 * bounded (1024): ERR_FULL. `lane` keeps a hung job (statfs on a dead mount) from taking all threads: at
 * most 1 job of LANE_HOST, 2 of LANE_DNS, 2 of LANE_QUERY run at once. A job cannot be cancelled. */
enum loop_lane { LANE_QUERY, LANE_HOST, LANE_DNS, LANE_COUNT };
int loop_work(struct loop *loop, enum loop_lane lane, loop_fn run, loop_fn done, void *ctx) MUST_USE;

/* Messages from any thread to the loop. Dropped once loop_free() has begun. */
void loop_post(struct loop *loop, loop_fn fn, void *ctx);
/* Runs fn on the loop and waits for it, at most timeout_ms: 0, ERR_TIMEOUT (fn will not run any more, or is
 * still running: ctx must stay valid until fn has returned, which the call ensures when it has begun), ERR_CLOSED after
 * loop_stop. Not from the loop thread. */
int loop_call(struct loop *loop, loop_fn fn, void *ctx, int timeout_ms) MUST_USE;

/* Lookup of a host name in LANE_DNS; literal addresses answer at once (still asynchronously). on_done gets a
 * sockaddr_storage list; n == 0: err says why. */
struct sockaddr_storage;
typedef void (*loop_resolved_fn)(void *ctx, const struct sockaddr_storage *addrs, size_t n, const struct error *err);
void loop_resolve(struct loop *loop, struct str host, int port, loop_resolved_fn fn, void *ctx) LOOP_ONLY;
