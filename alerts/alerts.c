#include "alerts/alerts_internal.h"
#include "src/base/clock.h"
#include "src/base/log.h"

#define PUBLISH_MS       250 /* documents change at most so often */
#define STOP_PATIENCE_MS 1000

/* --- loading ---------------------------------------------------------------------------------------------------- */

struct loading {
    vec(struct rule_file *) files;
    struct error first;
    size_t problems, rules;
    alerts_report_fn report;
    void *ctx;
};

static void on_problem(void *ctx, const struct error *problem)
{
    struct loading *l = ctx;
    if (!l->problems++) {
        l->first = *problem;
    }
    if (l->report) {
        l->report(l->ctx, problem);
    }
}

static void add_file(struct loading *l, struct rule_file *file)
{
    if (file) {
        l->rules += file->rule_count;
        vec_push(&l->files, file);
    }
}

static void load_files(struct loading *l, const struct config *config, bool shipped)
{
    auto_arena arena;
    arena_init(&arena);
    size_t n;
    const struct shipped_rules *embedded = shipped_rules(&n);
    for (size_t i = 0; shipped && i < n; i++) {
        struct str name = arena_printf(&arena, "%s (shipped)", embedded[i].name);
        add_file(l, rule_file_parse(name, embedded[i].text, config->disabled_rules, config->disabled_rule_count,
                                    on_problem, l));
    }
    for (size_t i = 0; i < config->rule_file_count; i++) {
        add_file(l, rule_file_load(config->rule_files[i], on_problem, l));
    }
}

static void unload(struct loading *l)
{
    for (size_t i = 0; i < l->files.len; i++) {
        rule_file_unref(l->files.p[i]);
    }
    vec_release(&l->files);
}

size_t alerts_check(const struct config *config, alerts_report_fn report, void *ctx, size_t *rules)
{
    struct loading l = {.report = report, .ctx = ctx};
    struct error err = {0};
    load_files(&l, config, true);
    if (notify_check(config, &err)) {
        on_problem(&l, &err);
    }
    unload(&l);
    if (rules) {
        *rules = l.rules;
    }
    return l.problems;
}

/* --- swapping --------------------------------------------------------------------------------------------------- */

static void use_config(struct alerts *alerts, const struct config *config)
{
    arena_clear(&alerts->arena);
    struct str url = config->external_url;
    while (str_ends(url, STR("/"))) {
        url = str_slice(url, 0, url.len - 1);
    }
    alerts->external_url = arena_dup(&alerts->arena, url);
    alerts->external_labels = labels_dup(config->external_labels, &alerts->arena);
    alerts->interval_ms = config->evaluation_interval_ms > 0 ? config->evaluation_interval_ms : 15000;
    alerts->timeout_ms = config->query_timeout_ms > 0 ? config->query_timeout_ms : 120000;
    alerts->slow_ms = config->query_log_slower_ms;
    alerts->max_samples = (uint64_t)config->query_max_samples;
    alerts->max_series = (uint64_t)config->query_max_series;
    alerts->max_memory_bytes = config->query_max_memory;
    alerts->scrape_ms = 0;
    for (size_t i = 0; i < config->target_count; i++) {
        int64_t interval = config->targets[i].interval_ms;
        alerts->scrape_ms = interval > alerts->scrape_ms ? interval : alerts->scrape_ms;
    }
}

/* What a rule of the same id knows goes over to the new one. */
static void inherit(struct rule_run *to, struct rule_run *from)
{
    to->states = from->states;
    from->states = (struct alert_states){0};
    to->recorded = steal(from->recorded);
    to->last_good_mono = from->last_good_mono;
    to->last_ms = from->last_ms;
    to->took_us = from->took_us;
    to->health = from->health;
    memcpy(to->error, from->error, sizeof(to->error));
}

static LOOP_ONLY void retire(struct alerts *alerts, struct group_run *group)
{
    for (size_t i = 0; i < group->n; i++) {
        struct rule_run *successor = rule_run_find(alerts, group->rules[i].rule->id);
        if (successor && successor->rule->type == group->rules[i].rule->type) {
            inherit(successor, &group->rules[i]);
        } else {
            apply_removal(alerts, &group->rules[i]);
        }
    }
    loop_timer_stop(steal(group->timer));
    group->removed = true;
    if (!group->running) {
        group_run_free(group);
    }
}

static LOOP_ONLY void swap_groups(struct alerts *alerts, const struct loading *l)
{
    vec(struct group_run *) old = {0};
    for (size_t i = 0; i < alerts->groups.len; i++) {
        vec_push(&old, alerts->groups.p[i]);
    }
    vec_clear(&alerts->groups);
    for (size_t f = 0; f < l->files.len; f++) {
        for (size_t g = 0; g < l->files.p[f]->count; g++) {
            vec_push(&alerts->groups, group_run_new(alerts, l->files.p[f], &l->files.p[f]->groups[g]));
        }
    }
    for (size_t i = 0; i < old.len; i++) {
        retire(alerts, old.p[i]);
    }
    vec_release(&old);
    if (!alerts->loaded) {
        alerts->loaded = true;
        save_take_instances(alerts);
    }
    for (size_t i = 0; i < alerts->groups.len; i++) {
        group_run_start(alerts->groups.p[i]);
    }
}

static bool instance_known(void *ctx, uint64_t alert_id)
{
    const struct alerts *alerts = ctx;
    for (size_t g = 0; g < alerts->groups.len; g++) {
        for (size_t i = 0; i < alerts->groups.p[g]->n; i++) {
            if (alert_states_find(&alerts->groups.p[g]->rules[i].states, alert_id)) {
                return true;
            }
        }
    }
    return false;
}

/* Receivers may be new, or the process: the queue is shown every instance; what it knows it does not repeat. */
static LOOP_ONLY void announce_all(struct alerts *alerts)
{
    for (size_t g = 0; g < alerts->groups.len; g++) {
        for (size_t i = 0; i < alerts->groups.p[g]->n; i++) {
            struct rule_run *run = &alerts->groups.p[g]->rules[i];
            for (size_t k = 0; k < run->states.v.len; k++) {
                struct alert_instance *instance = run->states.v.p[k];
                if (instance->state != ALERT_PENDING && instance->save_no <= alerts->saved) {
                    apply_announce(alerts, run, instance);
                }
            }
        }
    }
    notify_reconcile(alerts->notify, instance_known, alerts);
    notify_commit(alerts->notify);
}

int alerts_apply(struct alerts *alerts, const struct config *config, struct error *err)
{
    struct loading l = {0};
    load_files(&l, config, config->default_rules);
    if (l.problems) {
        unload(&l);
        if (err) {
            *err = l.first;
        }
        return l.first.code;
    }
    if (!alerts->queue_loaded) {
        alerts->queue_loaded = true;
        save_load(alerts);
    }
    int rc = notify_apply(alerts->notify, config, err);
    if (!rc) {
        use_config(alerts, config);
        swap_groups(alerts, &l);
        announce_all(alerts);
        alerts->board_changed = true;
        view_publish(alerts);
    }
    unload(&l);
    return rc;
}

/* --- life ------------------------------------------------------------------------------------------------------- */

static void publish_tick(void *ctx)
{
    loop_assert();
    save_overtake(ctx);
    view_publish(ctx);
}

struct alerts *alerts_new(struct loop *loop, struct http_client *http, struct store *store, struct board *board,
                          struct feed *feed)
{
    loop_assert();
    struct alerts *alerts = mem_zalloc(sizeof(*alerts));
    struct store_status status = {0};
    store_get_status(store, &status);
    arena_init(&alerts->arena);
    alerts->loop = loop;
    alerts->store = store;
    alerts->board = board;
    alerts->feed = feed;
    alerts->start_mono = clock_mono_ms();
    alerts->clock_offset_ms = clock_wall_ms() - alerts->start_mono;
    int64_t down = status.newest_ms ? clock_wall_ms() - status.newest_ms : 0;
    alerts->down_ms = down > 0 ? down : 0;
    alerts->board_changed = true;
    alerts->gate = gate_new(alerts);
    struct notify_journal journal = save_journal(alerts);
    alerts->notify = notify_new(loop, http, board, &journal);
    alerts->timer = loop_timer_start(loop, PUBLISH_MS, PUBLISH_MS, publish_tick, alerts);
    return alerts;
}

void alerts_maybe_stopped(struct alerts *alerts)
{
    if (alerts->stopped && !alerts->jobs && (!alerts->commits || alerts->impatient) && alerts->stop_done) {
        loop_timer_stop(steal(alerts->timer));
        loop_fn done = steal(alerts->stop_done);
        done(alerts->stop_ctx);
    }
}

static void check_stopped(void *ctx)
{
    loop_assert();
    alerts_maybe_stopped(ctx);
}

/* The store commits what is queued when it closes; nothing is gained by waiting longer. */
static void stop_waiting(void *ctx)
{
    loop_assert();
    struct alerts *alerts = ctx;
    alerts->impatient = true;
    alerts_maybe_stopped(alerts);
}

void alerts_stop(struct alerts *alerts, loop_fn done, void *ctx)
{
    alerts->stopped = true;
    alerts->stop_done = done;
    alerts->stop_ctx = ctx;
    atomic_store(&alerts->cancelled, true); /* a running query ends at its next check */
    loop_timer_stop(steal(alerts->timer));
    alerts->timer = loop_timer_start(alerts->loop, STOP_PATIENCE_MS, 0, stop_waiting, alerts);
    for (size_t i = 0; i < alerts->groups.len; i++) {
        loop_timer_stop(steal(alerts->groups.p[i]->timer));
    }
    notify_stop(alerts->notify);
    loop_post(alerts->loop, check_stopped, alerts); /* done never runs from within this call */
}

void alerts_free(struct alerts *alerts)
{
    loop_assert();
    if (!alerts) {
        return;
    }
    for (size_t i = 0; i < alerts->groups.len; i++) {
        group_run_free(alerts->groups.p[i]);
    }
    gate_close(alerts->gate);
    vec_release(&alerts->groups);
    vec_release(&alerts->waiting);
    notify_free(alerts->notify);
    arena_release(&alerts->arena);
    mem_free(alerts);
}
