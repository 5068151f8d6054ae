/*
 * Watches one Celery broker on Redis: makes the two connections, ticks once a second, ends both.
 *
 * Order at start, as in Celery's own monitors: subscribe first, then bind the reply list, ask for heartbeats, enable
 * events, inspect. After a reconnect all of it again, with the gap marked.
 */
#include "src/base/clock.h"
#include "src/base/log.h"
#include "src/collect/celery/celery_internal.h"

#define TICK_MS          1000
#define RECONNECT_MAX_MS 10000
#define STALL_MS         3000 /* between two ticks */

struct celery_clock celery_now(void)
{
    return (struct celery_clock){clock_wall_ms(), clock_mono_ms()};
}

void celery_channel_prefix(const struct celery *celery, struct buf *out)
{
    buf_clear(out);
    buf_add(out, celery->prefix);
    buf_addf(out, "/%d.", celery->db);
}

static void on_lost(void *ctx, struct celery_worker *worker)
{
    struct celery *celery = ctx;
    log_warn("celery: worker lost, no sign of life", KV_S("target", celery->name), KV_STR("worker", worker->hostname));
    celery_feed_worker(celery, worker, "worker-lost");
}

static void note_what_is_missing(struct celery *celery)
{
    struct str hint = STR("");
    if (celery->stream.subscribed && celery_workers_online(celery->workers) == 0) {
        hint = STR("No worker has been heard of. Workers started with --without-heartbeat or --without-gossip on "
                   "another broker or database do not show here.");
    } else if (celery->stream.subscribed && !celery->stream.sent_events_seen) {
        hint = STR("No task-sent events: set task_send_sent_event = True in the application to see queues of tasks and "
                   "their waiting time.");
    }
    target_set_hint(celery->target, hint);
}

static void on_tick(void *ctx)
{
    struct celery *celery = ctx;
    struct celery_clock now = celery_now();
    loop_assert();
    celery_stream_tick(celery, now.mono_ms);
    /* After a stall (a machine that was suspended) the heartbeats of that time are still to be read. */
    bool stalled = celery->last_tick_ms && now.mono_ms - celery->last_tick_ms > STALL_MS;
    celery->last_tick_ms = now.mono_ms;
    if (!celery->stream.subscribed || stalled) {
        celery_workers_excuse(celery->workers, now.mono_ms);
    }
    celery_workers_tick(celery->workers, now, on_lost, celery);
    /* Not before the subscription: answers to the first heartbeat would be missed. */
    if (celery->stream.subscribed && redis_is_ready(celery->control.conn)) {
        celery_control_tick(celery, now.mono_ms);
    }
    celery_poll_tick(celery, now.mono_ms);
    note_what_is_missing(celery);
    celery_board_publish(celery);
}

static void on_ready(void *ctx)
{
    struct celery *celery = ctx;
    loop_assert();
    celery->db = redis_db(celery->control.conn);
    celery->control.reason = (struct error){0};
    reconnect_worked(&celery->control.reconnect);
    target_set_instance(celery->target, str_of(redis_address(celery->control.conn)));
    celery_control_ready(celery);
    celery_poll_ready(celery);
}

static void on_down(void *ctx, const struct error *reason)
{
    struct celery *celery = ctx;
    loop_assert();
    celery->control.reason = *reason;
    celery_control_down(celery);
    reconnect_later(&celery->control.reconnect);
    celery_poll_down(celery);
}

static void on_reconnect(void *ctx)
{
    struct celery *celery = ctx;
    loop_assert();
    redis_reconnect(celery->control.conn);
}

static void free_celery(struct celery *celery)
{
    celery_control_release(celery);
    celery_queues_free(celery->queues);
    celery_workers_free(celery->workers);
    celery_metrics_free(celery->metrics);
    celery_join_free(celery->join);
    celery_words_free(celery->words);
    mem_free(celery);
}

static struct celery *new_celery(struct target *target)
{
    const struct config_target *config = target_config(target);
    struct celery *celery = mem_zalloc(sizeof(*celery));
    celery->target = target;
    celery->loop = target_loop(target);
    celery->name = config->name;
    celery->prefix = config->key_prefix;
    celery->words = celery_words_new();
    celery->join = celery_join_new();
    celery->metrics = celery_metrics_new(celery->words);
    celery->workers = celery_workers_new(config->worker_timeout_ms);
    celery->queues = celery_queues_new();
    for (size_t i = 0; i < config->expected_worker_count; i++) {
        celery_workers_expect(celery->workers, config->expected_workers[i], celery_now());
    }
    celery_control_init(celery);
    celery_poll_init(celery);
    return celery;
}

static int celery_start(struct target *target, struct error *err)
{
    static const struct redis_callbacks callbacks = {.on_ready = on_ready, .on_down = on_down};
    const struct config_target *config = target_config(target);
    loop_assert();
    struct celery *celery = new_celery(target);
    const struct redis_options options = {.url = config->url, .connect_timeout_ms = CELERY_TIMEOUT_MS};
    target_set_up_metric(target, "celery_broker_up", "1 if the broker answers, else 0.");
    int rc = celery_stream_start(celery, &options, err);
    if (rc) {
        celery_stream_stop(celery);
        free_celery(celery);
        return rc;
    }
    reconnect_init(&celery->control.reconnect, celery->loop, RECONNECT_MAX_MS, on_reconnect, celery);
    celery->control.conn = redis_open(celery->loop, &options, &callbacks, celery, err);
    if (!celery->control.conn) {
        celery_stream_stop(celery);
        free_celery(celery);
        return ERR_CONFIG;
    }
    celery->tick = loop_timer_start(celery->loop, TICK_MS, TICK_MS, on_tick, celery);
    celery_board_add(celery);
    target_set_state(target, celery);
    return 0;
}

static void celery_collect(struct target *target, uint64_t ticket)
{
    loop_assert();
    celery_poll_collect(target_state(target), ticket);
}

static void end(struct celery *celery) LOOP_ONLY;
static void end(struct celery *celery)
{
    struct target *target = celery->target;
    redis_close(celery->control.conn);
    reconnect_stop(&celery->control.reconnect);
    loop_timer_stop(celery->control.poll);
    celery_poll_release(celery);
    free_celery(celery);
    target_set_state(target, NULL);
    target_stopped(target);
}

static void on_end(void *ctx)
{
    loop_assert();
    end(ctx);
}

/* Inside a connection's callback it must not be closed: the rest comes from the loop. */
static void on_goodbye(void *ctx, const struct redisReply *reply, const struct error *err)
{
    struct celery *celery = ctx;
    (void)reply;
    (void)err;
    loop_post(celery->loop, on_end, celery);
}

static void celery_stop(struct target *target)
{
    struct celery *celery = target_state(target);
    loop_assert();
    celery_stream_stop(celery);
    loop_timer_stop(celery->tick);
    celery_board_remove(celery);
    reconnect_stop(&celery->control.reconnect);
    if (celery->control.bound) {
        celery_control_goodbye(celery, on_goodbye, celery);
    } else {
        end(celery);
    }
}

const struct collector celery_collector = {
    .name = "celery", .start = celery_start, .collect = celery_collect, .stop = celery_stop};
