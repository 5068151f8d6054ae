/*
 * When to try a lost connection again: after 0.5 s, then twice as long each time, at most `max_ms`.
 *
 * The delay grows until reconnect_worked(), which belongs after the first useful answer, not after the connect: a
 * server that accepts and then says nothing must not be tried in a tight loop. Threads: loop only.
 */
#pragma once
#include "src/loop/loop.h"

#define RECONNECT_FIRST_MS 500

struct reconnect {
    struct loop *loop;
    int64_t max_ms, delay_ms;
    loop_fn fn;
    void *ctx;
    struct loop_timer *timer;
};

void reconnect_init(struct reconnect *r, struct loop *loop, int64_t max_ms, loop_fn fn, void *ctx);
void reconnect_later(struct reconnect *r); /* fn once after the delay; a second call while waiting changes nothing */
bool reconnect_waiting(const struct reconnect *r);
void reconnect_worked(struct reconnect *r); /* the next delay is the first again */
void reconnect_stop(struct reconnect *r);   /* fn will not come */
