#include "src/collect/reconnect.h"

void reconnect_init(struct reconnect *r, struct loop *loop, int64_t max_ms, loop_fn fn, void *ctx)
{
    *r = (struct reconnect){.loop = loop,
                            .max_ms = max_ms < RECONNECT_FIRST_MS ? RECONNECT_FIRST_MS : max_ms,
                            .delay_ms = RECONNECT_FIRST_MS,
                            .fn = fn,
                            .ctx = ctx};
}

static void on_timer(void *ctx)
{
    struct reconnect *r = ctx;
    reconnect_stop(r);
    r->fn(r->ctx);
}

void reconnect_later(struct reconnect *r)
{
    loop_assert();
    if (r->timer) {
        return;
    }
    r->timer = loop_timer_start(r->loop, r->delay_ms, 0, on_timer, r);
    r->delay_ms = r->delay_ms * 2 < r->max_ms ? r->delay_ms * 2 : r->max_ms;
}

bool reconnect_waiting(const struct reconnect *r)
{
    return r->timer != NULL;
}

void reconnect_worked(struct reconnect *r)
{
    r->delay_ms = RECONNECT_FIRST_MS;
}

void reconnect_stop(struct reconnect *r)
{
    loop_assert();
    loop_timer_stop(r->timer);
    r->timer = NULL;
}
