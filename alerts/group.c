/* When: each group has slots on a grid of monotonic time, shifted by a hash so that groups do not fire together. */
#include "alerts/alerts_internal.h"
#include "src/base/clock.h"
#include "src/base/codec.h"
#include "src/base/log.h"
#include "src/base/url.h"

#define STEP_MS 5000 /* of the wall clock: logged */

static struct str generator_url(const struct alerts *alerts, const struct rule *rule, struct arena *arena)
{
    struct str encoded = url_encode(rule->expr_text, arena);
    auto_buf out;
    buf_init(&out, 4u << 20);
    buf_addf(&out, STR_FMT "/graph?g0.expr=", STR_ARG(alerts->external_url));
    for (size_t i = 0; i < encoded.len; i++) { /* Go's QueryEscape writes spaces as '+' */
        bool space = str_starts(str_slice(encoded, i, encoded.len), STR("%20"));
        buf_add_char(&out, space ? '+' : encoded.p[i]);
        i += space ? 2 : 0;
    }
    buf_add(&out, STR("&g0.tab=1"));
    return arena_dup(arena, buf_str(&out));
}

struct group_run *group_run_new(struct alerts *alerts, struct rule_file *file, const struct rule_group *def)
{
    struct group_run *group = mem_zalloc(sizeof(*group));
    arena_init(&group->arena);
    group->alerts = alerts;
    group->file = rule_file_ref(file);
    group->def = def;
    group->n = def->count;
    group->rules = arena_array(&group->arena, struct rule_run, def->count + 1);
    group->interval_ms = def->interval_ms ? def->interval_ms : alerts->interval_ms;
    uint64_t hash = fnv1a64(fnv1a64(FNV1A64_INIT, file->name), def->name);
    group->offset_ms = (int64_t)(hash % (uint64_t)group->interval_ms);
    for (size_t i = 0; i < def->count; i++) {
        group->rules[i].rule = &def->rules[i];
        group->rules[i].generator_url = generator_url(alerts, &def->rules[i], &group->arena);
    }
    return group;
}

void group_run_free(struct group_run *group)
{
    if (!group) {
        return;
    }
    loop_timer_stop(group->timer);
    for (size_t i = 0; i < group->n; i++) {
        alert_states_release(&group->rules[i].states);
        recorded_free(group->rules[i].recorded);
    }
    rule_file_unref(group->file);
    arena_release(&group->arena);
    mem_free(group);
}

struct rule_run *rule_run_find(const struct alerts *alerts, uint64_t rule_id)
{
    for (size_t g = 0; g < alerts->groups.len; g++) {
        for (size_t i = 0; i < alerts->groups.p[g]->n; i++) {
            if (alerts->groups.p[g]->rules[i].rule->id == rule_id) {
                return &alerts->groups.p[g]->rules[i];
            }
        }
    }
    return NULL;
}

/* Recorded series come home, to the successor when the group was replaced meanwhile. */
static void return_recorded(struct group_run *group, struct evaluation *e)
{
    for (size_t i = 0; i < e->n; i++) {
        struct rule_run *run = group->removed ? rule_run_find(group->alerts, e->rules[i].rule->id) : &group->rules[i];
        struct recorded *recorded = steal(e->rules[i].recorded);
        if (run && !run->recorded) {
            run->recorded = recorded;
        } else if (recorded) {
            if (!run) {
                recorded_end(recorded, group->alerts->store, clock_wall_ms());
            }
            recorded_free(recorded);
        }
    }
}

static void evaluated(void *ctx)
{
    loop_assert();
    struct evaluation *e = ctx;
    struct group_run *group = e->owner;
    struct alerts *alerts = group->alerts;
    alerts->jobs--;
    group->running = false;
    return_recorded(group, e);
    if (!group->removed && !alerts->stopped) {
        apply_evaluation(group, e);
    }
    evaluate_free(e);
    if (group->removed) {
        group_run_free(group);
    }
    alerts_maybe_stopped(alerts);
}

static struct evaluation *make_evaluation(struct group_run *group, int64_t slot_mono, int64_t now_mono)
{
    struct alerts *alerts = group->alerts;
    struct evaluation *e = mem_zalloc(sizeof(*e));
    arena_init(&e->arena);
    e->store = alerts->store;
    e->file = rule_file_ref(group->file);
    e->group = group->def;
    e->t_ms = clock_wall_ms() - (now_mono - slot_mono);
    e->mono_ms = slot_mono;
    e->timeout_ms = alerts->timeout_ms;
    e->slow_ms = alerts->slow_ms;
    e->max_samples = alerts->max_samples;
    e->max_series = alerts->max_series;
    e->max_memory_bytes = alerts->max_memory_bytes;
    e->external_url = arena_dup(&e->arena, alerts->external_url);
    e->external_labels = labels_dup(alerts->external_labels, &e->arena);
    e->rules = arena_array(&e->arena, struct evaluation_rule, group->n + 1);
    e->n = group->n;
    for (size_t i = 0; i < group->n; i++) {
        e->rules[i].rule = group->rules[i].rule;
        e->rules[i].recorded = steal(group->rules[i].recorded);
    }
    e->cancelled = &alerts->cancelled;
    e->owner = group;
    return e;
}

/* Wall time only dates samples and alerts; still, a step explains odd graphs. */
static void watch_clock(struct alerts *alerts)
{
    int64_t offset = clock_wall_ms() - clock_mono_ms(), step = offset - alerts->clock_offset_ms;
    if (step > STEP_MS || step < -STEP_MS) {
        log_warn("alerts: the wall clock was set; durations are not affected", KV_INT("step_ms", step));
        alerts->clock_offset_ms = offset;
    }
}

static LOOP_ONLY void begin(struct group_run *group, int64_t slot_mono, int64_t now_mono)
{
    struct evaluation *e = make_evaluation(group, slot_mono, now_mono);
    if (loop_work(group->alerts->loop, LANE_QUERY, evaluate_run, evaluated, e)) {
        group->missed++;
        return_recorded(group, e);
        evaluate_free(e);
        return;
    }
    group->running = true;
    group->alerts->jobs++;
}

static void tick(void *ctx)
{
    loop_assert();
    struct group_run *group = ctx;
    int64_t now = clock_mono_ms();
    watch_clock(group->alerts);
    /* The slot is a point of the grid, not the moment the timer came: durations between slots are whole intervals. */
    int64_t late = now > group->slot_mono ? (now - group->slot_mono) / group->interval_ms : 0;
    int64_t slot = group->slot_mono + late * group->interval_ms;
    group->missed += (uint64_t)late;
    group->slot_mono = slot + group->interval_ms;
    loop_timer_again(group->timer, group->slot_mono > now ? group->slot_mono - now : 0);
    if (group->running) {
        group->missed++; /* never twice at once */
    } else {
        begin(group, slot, now);
    }
}

void group_run_start(struct group_run *group)
{
    int64_t now = clock_mono_ms(), into = (now - group->offset_ms) % group->interval_ms;
    group->slot_mono = now + (group->interval_ms - into) % group->interval_ms;
    group->timer = loop_timer_start(group->alerts->loop, group->slot_mono - now, 0, tick, group);
}
