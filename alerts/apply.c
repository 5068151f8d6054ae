/* What the results of an evaluation change: states, ALERTS series, events, and who must hear of it. Loop only. */
#include "alerts/alerts_internal.h"
#include "src/base/clock.h"
#include "src/base/counter.h"
#include "src/base/json_writer.h"
#include "src/base/log.h"

struct applying {
    struct alerts *alerts;
    struct rule_run *rule;
    struct save *save;
    struct batch *batch; /* ALERTS and ALERTS_FOR_STATE */
    int64_t t_ms;
};

/* What someone is told of is in the log, too. */
static void log_event(const struct applying *a, const struct alert_instance *instance, const char *state)
{
    auto_buf labels;
    buf_init(&labels, 1 << 16);
    labels_print(instance->labels, &labels);
    log_info("alert", KV_STR("state", state), KV_S("alertname", a->rule->rule->name), KV_S("labels", buf_str(&labels)));
}

static void publish_event(const struct applying *a, const struct alert_instance *instance, const char *state)
{
    if (strcmp(state, "pending") != 0) {
        log_event(a, instance, state);
    }
    auto_buf out;
    struct json_writer w;
    buf_init(&out, 1 << 20);
    json_init(&w, &out);
    json_begin_object(&w);
    json_field(&w, "t", json_seconds, a->t_ms);
    json_field(&w, "alertname", json_str, a->rule->rule->name);
    json_field(&w, "state", json_str, str_of(state));
    json_key(&w, STR("labels"));
    json_begin_object(&w);
    for (uint32_t i = 0; i < instance->labels.n; i++) {
        json_key(&w, instance->labels.v[i].name);
        json_str(&w, instance->labels.v[i].value);
    }
    json_end_object(&w);
    json_field(&w, "value", json_sample_value, instance->value);
    json_end_object(&w);
    if (!out.failed) {
        feed_publish(a->alerts->feed, "alert", buf_str(&out));
    }
}

static void add_sample(const struct applying *a, const struct alert_instance *instance, const char *name,
                       const char *state, double value)
{
    struct labels_builder b;
    labels_builder_from(&b, a->batch->arena, instance->labels);
    labels_set(&b, METRIC_NAME, str_of(name));
    if (state) {
        labels_set(&b, STR("alertstate"), str_of(state));
    }
    vec_push(&a->batch->samples, (struct batch_sample){labels_finish(&b, true), a->t_ms, value});
}

/* Ends what is open in the store and does not hold any more. */
static void write_series(const struct applying *a, struct alert_instance *instance, enum alert_state wanted)
{
    double stale = sample_from_bits(SAMPLE_STALE_BITS);
    if (instance->written != wanted && instance->written != ALERT_INACTIVE) {
        add_sample(a, instance, "ALERTS", alert_state_name(instance->written), stale);
        if (wanted == ALERT_INACTIVE) {
            add_sample(a, instance, "ALERTS_FOR_STATE", NULL, stale);
        }
    }
    if (wanted != ALERT_INACTIVE) {
        add_sample(a, instance, "ALERTS", alert_state_name(wanted), 1);
        add_sample(a, instance, "ALERTS_FOR_STATE", NULL, (double)(instance->active_at_ms / 1000));
    }
    instance->written = wanted;
}

static void on_event(void *ctx, struct alert_instance *instance, enum alert_event event)
{
    struct applying *a = ctx;
    static const char *const states[] = {"pending", "firing", "resolved"};
    if (event == ALERT_EVENT_DROPPED) {
        write_series(a, instance, ALERT_INACTIVE);
        save_deletion(a->save, a->rule->rule->id, instance->id);
        return;
    }
    instance->notify = instance->notify || event != ALERT_EVENT_PENDING;
    publish_event(a, instance, states[event]);
}

void apply_announce(struct alerts *alerts, const struct rule_run *rule, const struct alert_instance *instance)
{
    auto_arena arena;
    struct labels_builder b;
    arena_init(&arena);
    labels_builder_from(&b, &arena, alerts->external_labels);
    for (uint32_t i = 0; i < instance->labels.n; i++) {
        labels_set(&b, instance->labels.v[i].name, instance->labels.v[i].value);
    }
    bool firing = instance->state == ALERT_FIRING;
    struct notify_alert alert = {.id = instance->id,
                                 .labels = labels_finish(&b, false),
                                 .annotations = instance->annotations,
                                 .firing = firing,
                                 .starts_ms = instance->fired_at_ms,
                                 .ends_ms = firing ? 0 : instance->resolved_at_ms,
                                 .value = instance->value,
                                 .generator_url = rule->generator_url};
    notify_update(alerts->notify, &alert);
}

/* Saves what changed; transitions wait for the commit, news of values do not. */
static LOOP_ONLY void settle(struct applying *a)
{
    struct alerts *alerts = a->alerts;
    for (size_t i = 0; i < a->rule->states.v.len; i++) {
        struct alert_instance *instance = a->rule->states.v.p[i];
        write_series(a, instance, instance->state);
        if (!instance->changed) {
            continue;
        }
        save_instance(a->save, a->rule->rule->id, instance);
        instance->changed = false;
        if (instance->notify) {
            instance->notify = false;
            instance->save_no = alerts->saves + 1; /* the commit that save_commit() is about to make */
            struct waiting w = {a->rule->rule->id, instance->id, instance->save_no};
            vec_push(&alerts->waiting, w);
        } else if (instance->state == ALERT_FIRING && instance->save_no <= alerts->saved) {
            apply_announce(alerts, a->rule, instance);
        }
    }
}

/* After a restart: long enough for two evaluations, a scrape, and to fill the hole in the expression's windows. */
static int64_t grace_ms(const struct group_run *group, const struct rule *rule)
{
    const struct alerts *alerts = group->alerts;
    int64_t grace = 2 * group->interval_ms;
    int64_t hole = rule->range_ms < alerts->down_ms ? rule->range_ms : alerts->down_ms;
    grace = grace > alerts->scrape_ms + 1000 ? grace : alerts->scrape_ms + 1000;
    return grace > hole ? grace : hole;
}

static void note_outcome(struct rule_run *run, const struct evaluation_rule *r)
{
    run->last_ms = r->at_ms;
    run->took_us = r->took_us;
    run->health = r->rc ? RULE_ERR : RULE_OK;
    snprintf(run->error, sizeof(run->error), "%s", r->rc ? r->err.text : "");
}

static LOOP_ONLY void apply_rule(struct applying *a, struct group_run *group, const struct evaluation *e,
                                 const struct evaluation_rule *r)
{
    struct rule_run *run = a->rule;
    if (!r->at_ms) {
        return; /* cancelled before its turn */
    }
    note_outcome(run, r);
    if (r->rule->type != RULE_ALERT || (r->rc && !r->over_limit)) {
        return; /* a failed evaluation says nothing about the alerts: they stay */
    }
    struct alert_timing timing = {.wall_ms = e->t_ms,
                                  .elapsed_ms = run->last_good_mono ? e->mono_ms - run->last_good_mono : 0,
                                  .for_ms = r->rule->for_ms,
                                  .keep_firing_for_ms = r->over_limit ? 0 : r->rule->keep_firing_for_ms,
                                  .grace = !r->over_limit &&
                                           e->mono_ms - group->alerts->start_mono < grace_ms(group, r->rule)};
    run->last_good_mono = e->mono_ms;
    alert_states_apply(&run->states, &timing, r->results, r->n, on_event, a);
    settle(a);
}

/* ALERTS series are a record for dashboards: when the store is full they are lost and counted, alerting goes on. */
static void append(struct alerts *alerts, struct batch *batch)
{
    if (batch->samples.len && store_append(alerts->store, batch, NULL, NULL)) {
        self_add(SELF_SAMPLES_REJECTED, (int64_t)batch->samples.len);
    }
    batch_release(batch);
}

void apply_evaluation(struct group_run *group, struct evaluation *e)
{
    struct alerts *alerts = group->alerts;
    struct save save;
    struct batch batch;
    save_init(&save, alerts);
    batch_init(&batch, &save.arena, STR(""), e->t_ms, (struct labels){0});
    group->last_ms = e->t_ms;
    group->took_us = e->took_us;
    for (size_t i = 0; i < e->n; i++) {
        struct applying a = {alerts, &group->rules[i], &save, &batch, e->t_ms};
        apply_rule(&a, group, e, &e->rules[i]);
    }
    append(alerts, &batch);
    save_commit(&save);
    notify_commit(alerts->notify);
    alerts->board_changed = true;
}

void apply_removal(struct alerts *alerts, struct rule_run *run)
{
    struct save save;
    struct batch batch;
    int64_t now = clock_wall_ms();
    save_init(&save, alerts);
    batch_init(&batch, &save.arena, STR(""), now, (struct labels){0});
    struct applying a = {alerts, run, &save, &batch, now};
    for (size_t i = 0; i < run->states.v.len; i++) {
        struct alert_instance *instance = run->states.v.p[i];
        if (instance->state == ALERT_FIRING) {
            instance->state = ALERT_INACTIVE;
            instance->resolved_at_ms = now;
            publish_event(&a, instance, "resolved");
            apply_announce(alerts, run, instance);
        }
        write_series(&a, instance, ALERT_INACTIVE);
        save_deletion(&save, run->rule->id, instance->id);
    }
    append(alerts, &batch);
    save_commit(&save);
    if (run->recorded) {
        recorded_end(run->recorded, alerts->store, now);
    }
}
