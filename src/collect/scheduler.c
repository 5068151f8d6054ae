#include "src/collect/scheduler.h"

#include "src/base/clock.h"
#include "src/base/log.h"
#include "src/base/vec.h"
#include "src/collect/target_internal.h"

#include <unistd.h>

#define FIRST_TICK_JITTER_MS 1000
#define PUBLISH_EVERY_MS     1000
#define DOC_MAX_BYTES        (8u << 20)

/* Outlives its place in the live list until the collector has stopped. */
struct slot {
    struct scheduler *scheduler;
    struct target *target;
    bool seen; /* during scheduler_apply(): still in the configuration */
};

struct scheduler {
    struct loop *loop;
    struct sink *sink;
    struct board *board;
    struct feed *feed;
    vec(struct slot *) live;
    size_t stopping; /* slots whose collector has not stopped yet */
    uint64_t random;
    struct loop_timer *publish;
    bool publish_due;
    bool ending;
    loop_fn done;
    void *done_ctx;
};

struct scheduler *scheduler_new(struct loop *loop, struct sink *sink, struct board *board, struct feed *feed)
{
    struct scheduler *s = mem_zalloc(sizeof(*s));
    s->loop = loop;
    s->sink = sink;
    s->board = board;
    s->feed = feed;
    s->random = (uint64_t)clock_mono_us() ^ ((uint64_t)getpid() << 32);
    return s;
}

void scheduler_free(struct scheduler *s)
{
    if (s) {
        vec_release(&s->live);
        mem_free(s);
    }
}

/* xorshift: spreads first ticks, nothing more. */
static int64_t jitter_ms(struct scheduler *s)
{
    s->random |= 1;
    s->random ^= s->random << 13;
    s->random ^= s->random >> 7;
    s->random ^= s->random << 17;
    return (int64_t)(s->random % FIRST_TICK_JITTER_MS);
}

/* ---- the board's "targets": at most once a second, and once more if something changed in between ---- */

static void publish_now(struct scheduler *s)
{
    struct buf json = {0};
    buf_init(&json, DOC_MAX_BYTES);
    struct json_writer w;
    json_init(&w, &json);
    json_begin_object(&w);
    json_key(&w, STR("activeTargets"));
    json_begin_array(&w);
    for (size_t i = 0; i < s->live.len; i++) {
        target_json(s->live.p[i]->target, &w);
    }
    json_end_array(&w);
    json_key(&w, STR("droppedTargets"));
    json_begin_array(&w);
    json_end_array(&w);
    json_end_object(&w);
    if (!json.failed) {
        board_publish(s->board, "targets", buf_str(&json));
    }
    buf_release(&json);
}

static void on_publish_timer(void *ctx)
{
    struct scheduler *s = ctx;
    loop_assert();
    if (s->publish_due) {
        s->publish_due = false;
        publish_now(s);
        loop_timer_again(s->publish, PUBLISH_EVERY_MS);
        return;
    }
    loop_timer_stop(s->publish);
    s->publish = NULL;
}

static void on_changed(void *ctx)
{
    struct scheduler *s = ctx;
    loop_assert();
    if (s->ending) {
        return;
    }
    if (s->publish) {
        s->publish_due = true;
        return;
    }
    publish_now(s);
    s->publish = loop_timer_start(s->loop, PUBLISH_EVERY_MS, 0, on_publish_timer, s);
}

/* ---- stopping ---- */

static void on_target_stopped(void *ctx)
{
    struct slot *slot = ctx;
    struct scheduler *s = slot->scheduler;
    target_free(slot->target);
    mem_free(slot);
    s->stopping--;
    if (s->ending && s->stopping == 0) {
        loop_post(s->loop, s->done, s->done_ctx); /* later: the caller may free us in it */
    }
}

static void stop_slot(struct scheduler *s, size_t index, bool removed)
{
    struct slot *slot = s->live.p[index];
    memmove(&s->live.p[index], &s->live.p[index + 1], (s->live.len - index - 1) * sizeof(s->live.p[0]));
    s->live.len--;
    s->stopping++;
    target_stop(slot->target, removed, on_target_stopped, slot);
}

void scheduler_stop(struct scheduler *s, loop_fn done, void *ctx)
{
    s->ending = true;
    s->done = done;
    s->done_ctx = ctx;
    loop_timer_stop(s->publish);
    s->publish = NULL;
    s->stopping++; /* ours, so that the last target's end is not seen before all were told */
    while (s->live.len) {
        stop_slot(s, s->live.len - 1, false);
    }
    if (--s->stopping == 0) {
        loop_post(s->loop, done, ctx);
    }
}

/* ---- a configuration ---- */

static struct slot *find_same(struct scheduler *s, const struct config_target *config)
{
    vec_each (struct slot **, slot, &s->live) {
        if (!(*slot)->seen && target_config_same((*slot)->target, config)) {
            return *slot;
        }
    }
    return NULL;
}

static void start_target(struct scheduler *s, const struct config_target *config)
{
    const struct collector *collector = collector_find(config->kind);
    if (!collector) {
        /* config.c lets only known kinds through; a new kind there without a collector here must show */
        log_error("scheduler: no collector of this kind", KV_S("kind", config->kind), KV_S("name", config->name));
        return;
    }
    const struct target_env env = {
        .loop = s->loop, .sink = s->sink, .board = s->board, .feed = s->feed, .changed = on_changed, .ctx = s};
    struct slot *slot = mem_zalloc(sizeof(*slot));
    slot->scheduler = s;
    slot->seen = true;
    slot->target = target_new(&env, collector, config);
    vec_push(&s->live, slot);
    target_start(slot->target, jitter_ms(s));
}

/* Old ones stop before new ones start, so that a changed target's stale markers come before its new samples. */
void scheduler_apply(struct scheduler *s, const struct config *config)
{
    vec_each (struct slot **, slot, &s->live) {
        (*slot)->seen = false;
    }
    bool *kept = mem_zalloc(config->target_count + 1);
    for (size_t i = 0; i < config->target_count; i++) {
        struct slot *same = find_same(s, &config->targets[i]);
        if (same) {
            same->seen = kept[i] = true;
        }
    }
    for (size_t i = s->live.len; i-- > 0;) {
        if (!s->live.p[i]->seen) {
            stop_slot(s, i, true);
        }
    }
    for (size_t i = 0; i < config->target_count; i++) {
        if (!kept[i]) {
            start_target(s, &config->targets[i]);
        }
    }
    mem_free(kept);
    on_changed(s);
}
