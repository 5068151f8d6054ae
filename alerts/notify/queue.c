#include "alerts/notify/queue_internal.h"
#include "alerts/notify/record.h"
#include "src/base/clock.h"
#include "src/base/codec.h"

#define DAY_MS (24LL * 3600 * 1000)

/* --- groups ---------------------------------------------------------------------------------------------------- */

static size_t group_lower_bound(const struct notify *notify, uint64_t id)
{
    size_t from = 0, to = notify->groups.len;
    while (from < to) {
        size_t mid = (from + to) / 2;
        if (notify->groups.p[mid]->id < id) {
            from = mid + 1;
        } else {
            to = mid;
        }
    }
    return from;
}

struct group *group_find(const struct notify *notify, uint64_t id)
{
    size_t i = group_lower_bound(notify, id);
    return i < notify->groups.len && notify->groups.p[i]->id == id ? notify->groups.p[i] : NULL;
}

static size_t alert_lower_bound(const struct group *group, uint64_t id)
{
    size_t from = 0, to = group->alerts.len;
    while (from < to) {
        size_t mid = (from + to) / 2;
        if (group->alerts.p[mid]->a.id < id) {
            from = mid + 1;
        } else {
            to = mid;
        }
    }
    return from;
}

struct group_alert *group_alert_find(const struct group *group, uint64_t id)
{
    size_t i = alert_lower_bound(group, id);
    return i < group->alerts.len && group->alerts.p[i]->a.id == id ? group->alerts.p[i] : NULL;
}

struct group *group_of(struct notify *notify, struct labels alert_labels)
{
    auto_arena arena;
    arena_init(&arena);
    bool all = notify->group_by_count == 1 && str_is(notify->group_by[0], "...");
    struct labels labels =
        all ? alert_labels : labels_keep(alert_labels, notify->group_by, notify->group_by_count, &arena);
    struct str key = notify_group_key(labels, &arena);
    uint64_t id = fnv1a64(FNV1A64_INIT, key);
    size_t at = group_lower_bound(notify, id);
    if (at < notify->groups.len && notify->groups.p[at]->id == id) {
        return notify->groups.p[at];
    }
    struct group *group = mem_zalloc(sizeof(*group));
    arena_init(&group->arena);
    group->notify = notify;
    group->id = id;
    group->key = arena_dup(&group->arena, key);
    group->labels = labels_dup(labels, &group->arena);
    vec_push(&notify->groups, group);
    memmove(notify->groups.p + at + 1, notify->groups.p + at, (notify->groups.len - 1 - at) * sizeof(group));
    notify->groups.p[at] = group;
    return group;
}

static void alert_release(struct group_alert *ga)
{
    labels_clone_free(&ga->a.labels);
    labels_clone_free(&ga->a.annotations);
    mem_free((void *)(uintptr_t)ga->a.generator_url.p);
    mem_free(ga);
}

struct group_alert *group_put(struct group *group, const struct notify_alert *alert)
{
    struct group_alert *ga = group_alert_find(group, alert->id);
    struct notify_alert copy = *alert;
    copy.labels = labels_clone(alert->labels);
    copy.annotations = labels_clone(alert->annotations);
    copy.generator_url = str_make(mem_str_dup(alert->generator_url), alert->generator_url.len);
    if (ga) {
        labels_clone_free(&ga->a.labels);
        labels_clone_free(&ga->a.annotations);
        mem_free((void *)(uintptr_t)ga->a.generator_url.p);
    } else {
        ga = mem_zalloc(sizeof(*ga));
        size_t at = alert_lower_bound(group, alert->id);
        vec_push(&group->alerts, ga);
        memmove(group->alerts.p + at + 1, group->alerts.p + at, (group->alerts.len - 1 - at) * sizeof(ga));
        group->alerts.p[at] = ga;
    }
    ga->a = copy;
    ga->changed = true;
    return ga;
}

void group_release(struct group *group)
{
    loop_timer_stop(group->timer);
    for (size_t i = 0; i < group->alerts.len; i++) {
        alert_release(group->alerts.p[i]);
    }
    for (size_t i = 0; i < group->ledgers.len; i++) {
        ledger_free(group->ledgers.p[i]);
    }
    vec_release(&group->alerts);
    vec_release(&group->ledgers);
    arena_release(&group->arena);
    mem_free(group);
}

static bool anybody_needs(const struct group *group, uint64_t alert_id)
{
    for (size_t i = 0; i < group->ledgers.len; i++) {
        const struct told *t = ledger_told(group->ledgers.p[i], alert_id, false);
        if (t && (t->state == TOLD_FIRING || t->owed)) {
            return true;
        }
    }
    return false;
}

void group_sweep(struct group *group)
{
    struct notify *notify = group->notify;
    size_t kept = 0;
    for (size_t i = 0; i < group->alerts.len; i++) {
        struct group_alert *ga = group->alerts.p[i];
        if (ga->a.firing || anybody_needs(group, ga->a.id)) {
            group->alerts.p[kept++] = ga;
            continue;
        }
        for (size_t k = 0; k < group->ledgers.len; k++) {
            ledger_forget(group->ledgers.p[k], ga->a.id);
        }
        queue_forget_alert(notify, group->id, ga->a.id);
        alert_release(ga);
    }
    group->alerts.len = kept;
    if (kept) {
        return;
    }
    for (size_t i = 0; i < group->ledgers.len; i++) {
        queue_forget_ledger(notify, group->ledgers.p[i]->sender->id, group->id);
    }
    size_t at = group_lower_bound(notify, group->id);
    memmove(notify->groups.p + at, notify->groups.p + at + 1, (notify->groups.len - at - 1) * sizeof(group));
    notify->groups.len--;
    group_release(group);
}

static LOOP_ONLY void pump_all(struct notify *notify)
{
    for (size_t i = 0; i < notify->senders.len; i++) {
        sender_pump(notify->senders.p[i]);
    }
}

static void group_flush(struct group *group)
{
    struct notify *notify = group->notify;
    int64_t wall_ms = clock_wall_ms(), mono_ms = clock_mono_ms();
    group->flushed = true;
    for (size_t i = 0; i < notify->senders.len; i++) {
        ledger_flush(ledger_of(group, notify->senders.p[i]), wall_ms, mono_ms);
    }
}

static void group_tick(void *ctx)
{
    loop_assert();
    struct group *group = ctx;
    struct notify *notify = group->notify;
    if (notify->stopped) {
        return;
    }
    group_flush(group);
    loop_timer_again(group->timer, notify->group_interval_ms);
    group_sweep(group);
    queue_save(notify);
    pump_all(notify);
}

static LOOP_ONLY void arm(struct group *group, int64_t delay_ms)
{
    if (group->timer) {
        loop_timer_again(group->timer, delay_ms);
    } else {
        group->timer = loop_timer_start(group->notify->loop, delay_ms, 0, group_tick, group);
    }
}

/* After a start: the tick goes on where it was, as far as the last message tells. */
static LOOP_ONLY void arm_restored(struct group *group)
{
    struct notify *notify = group->notify;
    int64_t last = 0, now = clock_mono_ms();
    for (size_t i = 0; i < group->ledgers.len; i++) {
        last = group->ledgers.p[i]->last_sent_mono > last ? group->ledgers.p[i]->last_sent_mono : last;
    }
    int64_t interval = group->flushed ? notify->group_interval_ms : notify->group_wait_ms;
    int64_t delay = last ? last + interval - now : notify->group_wait_ms;
    delay = delay < 0 ? 0 : delay > interval ? interval : delay;
    arm(group, delay);
}

/* --- configuration --------------------------------------------------------------------------------------------- */

static struct sender *sender_new(struct notify *notify, const struct config_receiver *receiver, size_t index)
{
    struct sender *s = mem_zalloc(sizeof(*s));
    const struct config_receiver_item *item = &receiver->items[index];
    struct arena *arena = &s->arena;
    arena_init(arena);
    s->notify = notify;
    s->receiver = arena_dup(arena, receiver->name);
    s->item = *item;
    struct str *texts[] = {&s->item.url,   &s->item.channel, &s->item.username,    &s->item.icon_emoji,
                           &s->item.title, &s->item.text,    &s->item.bearer_token};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        *texts[i] = arena_dup(arena, *texts[i]);
    }
    s->notifier = notifier_of(item->kind);
    s->id = fnv1a64(fnv1a64(FNV1A64_INIT, receiver->name), str_of(s->notifier->name));
    s->id = fnv1a64(s->id, arena_printf(arena, "/%zu", index));
    return s;
}

static int compile_texts(struct sender *s, struct error *err)
{
    static const char *const no_vars[] = {NULL};
    const struct {
        const char *name;
        struct str source;
        struct template **out;
    } texts[] = {{"title", s->item.title, &s->title}, {"text", s->item.text, &s->text}};
    for (size_t i = 0; i < 2; i++) {
        int rc = texts[i].source.len ? template_compile(texts[i].source, no_vars, &s->arena, texts[i].out, err) : 0;
        if (rc) {
            return error_prefix(err, "receiver " STR_FMT ", %s", STR_ARG(str_slice(s->receiver, 0, 60)), texts[i].name);
        }
    }
    return 0;
}

static const struct config_receiver *routed_receiver(const struct config *config)
{
    for (size_t i = 0; i < config->receiver_count; i++) {
        if (!config->route.receiver.len || str_eq(config->receivers[i].name, config->route.receiver)) {
            return &config->receivers[i];
        }
    }
    return NULL;
}

static int no_receiver(const struct config *config, struct error *err)
{
    return error_set(err, ERR_CONFIG, "route: there is no receiver named \"" STR_FMT "\"",
                     STR_ARG(str_slice(config->route.receiver, 0, 80)));
}

static void use_route(struct notify *notify, const struct config *config)
{
    const struct config_route *route = &config->route;
    arena_clear(&notify->arena);
    struct str *names = arena_array(&notify->arena, struct str, route->group_by_count + 1);
    for (size_t i = 0; i < route->group_by_count; i++) {
        names[i] = arena_dup(&notify->arena, route->group_by[i]);
    }
    struct str url = config->external_url;
    while (str_ends(url, STR("/"))) {
        url = str_slice(url, 0, url.len - 1);
    }
    notify->external_url = arena_dup(&notify->arena, url);
    notify->group_by = names;
    notify->group_by_count = route->group_by_count;
    notify->group_wait_ms = route->group_wait_ms;
    notify->group_interval_ms = route->group_interval_ms > 0 ? route->group_interval_ms : 1;
    notify->repeat_interval_ms = route->repeat_interval_ms;
}

static LOOP_ONLY void free_groups(struct notify *notify)
{
    for (size_t i = 0; i < notify->groups.len; i++) {
        group_release(notify->groups.p[i]);
    }
    vec_clear(&notify->groups);
}

/* Health and rate of a receiver that stays outlive the reload, but a broken one gets a new chance. */
static void inherit(struct notify *notify, struct sender *s)
{
    for (size_t i = 0; i < notify->senders.len; i++) {
        struct sender *old = notify->senders.p[i];
        if (old->id == s->id && str_eq(old->item.url, s->item.url)) {
            s->health = old->health;
            s->last_success_ms = old->last_success_ms;
            memcpy(s->last_error, old->last_error, sizeof(s->last_error));
            s->hold_until_mono = old->hold_until_mono;
            s->failures = old->failures;
            s->call = steal(old->call);
            if (s->call) {
                s->call->sender = s; /* its answer counts for the new one */
            }
        }
    }
}

static void sender_timer(void *ctx)
{
    loop_assert();
    sender_pump(ctx);
}

int notify_apply(struct notify *notify, const struct config *config, struct error *err)
{
    const struct config_receiver *receiver = routed_receiver(config);
    if (!receiver && config->route.receiver.len) {
        return no_receiver(config, err);
    }
    vec(struct sender *) fresh = {0};
    int rc = 0;
    for (size_t i = 0; receiver && i < receiver->count; i++) {
        vec_push(&fresh, sender_new(notify, receiver, i));
        rc = rc ? rc : compile_texts(vec_last(&fresh), err);
    }
    if (rc) {
        for (size_t i = 0; i < fresh.len; i++) {
            sender_free(fresh.p[i]);
        }
        vec_release(&fresh);
        return rc;
    }
    queue_pack(notify); /* ledgers hang on senders: everything is built anew from its records */
    free_groups(notify);
    for (size_t i = 0; i < fresh.len; i++) {
        inherit(notify, fresh.p[i]);
    }
    for (size_t i = 0; i < notify->senders.len; i++) {
        sender_free(notify->senders.p[i]);
    }
    vec_clear(&notify->senders);
    use_route(notify, config);
    for (size_t i = 0; i < fresh.len; i++) {
        fresh.p[i]->timer = loop_timer_start(notify->loop, DAY_MS, 0, sender_timer, fresh.p[i]);
        vec_push(&notify->senders, fresh.p[i]);
    }
    vec_release(&fresh);
    queue_take_restored(notify);
    for (size_t i = 0; i < notify->groups.len; i++) {
        arm_restored(notify->groups.p[i]);
    }
    notify->board_changed = true;
    notify->unsaved = true; /* the caller shows the alerts as they are now, then commits: nothing old goes out before */
    return 0;
}

/* --- alerts ---------------------------------------------------------------------------------------------------- */

void notify_update(struct notify *notify, const struct notify_alert *alert)
{
    if (!notify->senders.len || notify->stopped) {
        return;
    }
    struct group *group = group_of(notify, alert->labels);
    struct group_alert *ga = group_alert_find(group, alert->id);
    if (!ga && !alert->firing) { /* resolved, and nobody was told that it fired */
        group_sweep(group);
        return;
    }
    bool news = !ga || ga->a.firing != alert->firing || ga->a.starts_ms != alert->starts_ms;
    bool unsaved = ga && ga->changed; /* by an earlier call, or its record has another key since a reload */
    group_put(group, alert)->changed = news || unsaved;
    if (!group->timer) {
        int64_t age = clock_wall_ms() - alert->starts_ms; /* as Alertmanager: an old alert does not wait again */
        arm(group, age >= notify->group_wait_ms && alert->starts_ms ? 0 : notify->group_wait_ms);
    }
    notify->unsaved = true;
}

void notify_commit(struct notify *notify)
{
    if (notify->unsaved) {
        queue_save(notify);
        if (!notify->stopped) {
            pump_all(notify);
        }
    }
}

void notify_reconcile(struct notify *notify, bool (*known)(void *ctx, uint64_t alert_id), void *ctx)
{
    for (size_t g = 0; g < notify->groups.len; g++) {
        struct group *group = notify->groups.p[g];
        for (size_t i = 0; i < group->alerts.len; i++) {
            struct group_alert *ga = group->alerts.p[i];
            if (ga->a.firing && !known(ctx, ga->a.id)) {
                ga->a.firing = false;
                ga->a.ends_ms = clock_wall_ms();
                ga->changed = true;
            }
        }
    }
    notify->unsaved = true;
}

void notify_saved(struct notify *notify, uint64_t save_no)
{
    if (save_no > notify->saved) {
        notify->saved = save_no;
    }
    if (!notify->stopped) {
        pump_all(notify);
    }
}

int notify_check(const struct config *config, struct error *err)
{
    if (config->route.receiver.len && !routed_receiver(config)) {
        return no_receiver(config, err);
    }
    int rc = 0;
    for (size_t r = 0; r < config->receiver_count; r++) {
        for (size_t i = 0; i < config->receivers[r].count && !rc; i++) {
            struct sender *s = sender_new(NULL, &config->receivers[r], i);
            rc = compile_texts(s, err);
            arena_release(&s->arena);
            mem_free(s);
        }
    }
    return rc;
}

struct notify *notify_new(struct loop *loop, struct http_client *http, struct board *board,
                          const struct notify_journal *journal)
{
    struct notify *notify = mem_zalloc(sizeof(*notify));
    notify->loop = loop;
    notify->http = http;
    notify->board = board;
    notify->journal = *journal;
    notify->board_changed = true;
    notify->random = (uint64_t)clock_mono_us() | 1;
    arena_init(&notify->arena);
    buf_init(&notify->deletes, 64u << 20);
    return notify;
}

void notify_stop(struct notify *notify)
{
    notify->stopped = true;
    for (size_t i = 0; i < notify->senders.len; i++) {
        struct sender *s = notify->senders.p[i];
        loop_timer_stop(steal(s->timer));
        if (s->call) {
            s->call->sender = NULL;
            s->call = NULL;
        }
    }
    for (size_t i = 0; i < notify->groups.len; i++) {
        loop_timer_stop(steal(notify->groups.p[i]->timer));
    }
}

void notify_free(struct notify *notify)
{
    if (!notify) {
        return;
    }
    free_groups(notify);
    for (size_t i = 0; i < notify->senders.len; i++) {
        sender_free(notify->senders.p[i]);
    }
    for (size_t i = 0; i < LOG_MAX; i++) {
        mem_free(notify->log[i].alerts_json);
        mem_free((void *)(uintptr_t)notify->log[i].receiver.p);
    }
    queue_drop_restored(notify);
    vec_release(&notify->groups);
    vec_release(&notify->senders);
    vec_release(&notify->restored);
    buf_release(&notify->deletes);
    arena_release(&notify->arena);
    mem_free(notify);
}
