#include "alerts/notify/queue_internal.h"
#include "src/base/clock.h"
#include "src/base/counter.h"
#include "src/base/log.h"

#define BACKOFF_FIRST_MS   1000
#define BACKOFF_MAX_MS     (5 * 60 * 1000)
#define RETRY_AFTER_MAX_MS (15 * 60 * 1000)
#define GIVE_UP_MS         (24LL * 3600 * 1000)
#define LATE_MS            60000 /* what is later than this says so */
#define TIMEOUT_MS         10000

static struct ledger *ledger_find(const struct group *group, const struct sender *s)
{
    for (size_t i = 0; group && i < group->ledgers.len; i++) {
        if (group->ledgers.p[i]->sender == s) {
            return group->ledgers.p[i];
        }
    }
    return NULL;
}

size_t sender_queued(const struct sender *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->notify->groups.len; i++) {
        const struct ledger *l = ledger_find(s->notify->groups.p[i], s);
        n += l && l->due;
    }
    return n;
}

void sender_free(struct sender *s)
{
    if (s) {
        loop_timer_stop(s->timer);
        if (s->call) {
            s->call->sender = NULL;
        }
        arena_release(&s->arena);
        mem_free(s);
    }
}

/* Doubling from 1 s to 5 min, 20 % to both sides, so that many receivers of one dead host do not knock together. */
static int64_t backoff(struct notify *notify, uint32_t attempts)
{
    int64_t delay = BACKOFF_FIRST_MS;
    for (uint32_t i = 1; i < attempts && delay < BACKOFF_MAX_MS; i++) {
        delay *= 2;
    }
    delay = delay < BACKOFF_MAX_MS ? delay : BACKOFF_MAX_MS;
    notify->random ^= notify->random << 13; /* xorshift64: jitter needs no better */
    notify->random ^= notify->random >> 7;
    notify->random ^= notify->random << 17;
    return delay * (800 + (int64_t)(notify->random % 401)) / 1000;
}

static bool is_retried(int status)
{
    return status == 0 || status >= 500 || status == 408 || status == 425 || status == 429;
}

static void set_health(struct sender *s, enum health health, const char *why)
{
    static const char *const names[] = {"unknown", "ok", "retrying", "broken"};
    if (s->health != health && health >= HEALTH_RETRYING) {
        log_warn("notify: a receiver does not take messages", KV_S("receiver", s->receiver),
                 KV_STR("kind", s->notifier->name), KV_STR("health", names[health]), KV_STR("error", why));
    } else if (s->health >= HEALTH_RETRYING && health == HEALTH_OK) {
        log_info("notify: a receiver takes messages again", KV_S("receiver", s->receiver),
                 KV_STR("kind", s->notifier->name));
    }
    s->health = health;
    snprintf(s->last_error, sizeof(s->last_error), "%s", why);
    s->notify->board_changed = true;
}

/* What a receiver says in a word ("no_service", "rate_limited") helps; anything longer may repeat the URL. */
static void describe(const struct http_answer *answer, const struct error *err, char out[160])
{
    if (!answer->status) {
        snprintf(out, 160, "%.150s", err && err->text[0] ? err->text : "no answer");
        return;
    }
    struct str word = str_trim(answer->body);
    bool plain = word.len > 0 && word.len <= 40;
    for (size_t i = 0; plain && i < word.len; i++) {
        plain = (word.p[i] >= 'a' && word.p[i] <= 'z') || word.p[i] == '_' || word.p[i] == ' ';
    }
    snprintf(out, 160, "HTTP %d%s" STR_FMT, answer->status, plain ? ": " : "", STR_ARG(plain ? word : STR("")));
}

static void end_message(struct ledger *l)
{
    l->due = false;
    l->attempts = 0;
    l->failing_ms = l->failing_mono = 0;
    l->log_no = 0;
    l->changed = true;
}

/* The message will not arrive. Alerts in it that are over, and that the receiver never heard of, are settled. */
static void drop_message(struct ledger *l)
{
    for (size_t i = l->told.len; i-- > 0;) {
        struct told t = l->told.p[i];
        const struct group_alert *ga = group_alert_find(l->group, t.id);
        if (t.state == TOLD_NOTHING && (!ga || !ga->a.firing)) {
            ledger_forget(l, t.id);
        }
    }
    end_message(l);
}

static void refuse(struct ledger *l, const char *why)
{
    struct sender *s = l->sender;
    self_add(SELF_NOTIFICATION_FAILURES, 1);
    l->refused = l->content;
    l->refused_mono = clock_mono_ms();
    set_health(s, HEALTH_BROKEN, why);
    log_result(l, "failed", 0, why);
    drop_message(l);
}

static void retry_later(struct ledger *l, const struct http_answer *answer, const char *why)
{
    struct sender *s = l->sender;
    int64_t now = clock_mono_ms();
    self_add(SELF_NOTIFICATION_FAILURES, 1);
    if (!l->failing_mono) {
        l->failing_mono = now;
        l->failing_ms = clock_wall_ms();
    } else if (now - l->failing_mono >= GIVE_UP_MS) {
        set_health(s, HEALTH_BROKEN, why);
        log_result(l, "failed", 0, "given up after 24 h");
        drop_message(l);
        return;
    }
    s->failures++;
    int64_t delay = backoff(s->notify, l->attempts), hold = backoff(s->notify, s->failures);
    if (answer->retry_after_ms >= 0) {
        hold = answer->retry_after_ms < RETRY_AFTER_MAX_MS ? answer->retry_after_ms : RETRY_AFTER_MAX_MS;
        delay = hold;
    }
    l->next_mono = now + delay;
    s->hold_until_mono = now + hold;
    int64_t next = l->next_mono > s->hold_until_mono ? l->next_mono : s->hold_until_mono;
    l->changed = true; /* attempts and first failure survive a restart */
    set_health(s, HEALTH_RETRYING, why);
    log_result(l, "retrying", clock_wall_ms() + next - now, why);
}

static void delivered(struct ledger *l, const struct call *call)
{
    struct sender *s = l->sender;
    self_add(SELF_NOTIFICATIONS, 1);
    for (size_t i = 0; i < call->told.len; i++) {
        if (call->told.p[i].state == TOLD_RESOLVED) {
            ledger_forget(l, call->told.p[i].id);
        } else {
            *ledger_told(l, call->told.p[i].id, true) = call->told.p[i];
        }
    }
    s->failures = 0;
    s->last_success_ms = l->last_sent_ms = clock_wall_ms();
    l->last_sent_mono = clock_mono_ms();
    l->refused = 0;
    l->seq++;
    set_health(s, HEALTH_OK, "");
    log_result(l, "sent", 0, "");
    bool again = l->flush_no != call->flush_no; /* a tick found more news meanwhile */
    end_message(l);
    if (again) {
        l->due = true;
        l->due_ms = clock_wall_ms();
        l->due_mono = l->next_mono = clock_mono_ms();
    }
}

static void call_free(struct call *call)
{
    vec_release(&call->told);
    mem_free(call);
}

static void answered(void *ctx, const struct http_answer *answer, const struct error *err)
{
    loop_assert();
    struct call *call = ctx;
    struct sender *s = call->sender;
    if (!s) { /* stopped, or the receiver is gone */
        call_free(call);
        return;
    }
    struct notify *notify = s->notify;
    struct group *group = group_find(notify, call->group_id);
    struct ledger *l = ledger_find(group, s);
    s->call = NULL;
    if (l) {
        char why[160];
        describe(answer, err, why);
        if (answer->status >= 200 && answer->status < 300) {
            delivered(l, call);
        } else if (is_retried(answer->status)) {
            retry_later(l, answer, why);
        } else {
            refuse(l, why);
        }
        group_sweep(group);
        queue_save(notify);
    }
    call_free(call);
    sender_pump(s);
}

static LOOP_ONLY void post(struct ledger *l, struct str body, struct call *call)
{
    struct sender *s = l->sender;
    auto_arena arena;
    arena_init(&arena);
    const char *headers[5];
    size_t n = 0;
    headers[n++] = "Content-Type: application/json";
    headers[n++] = "User-Agent: cloche/" CLOCHE_VERSION;
    headers[n++] =
        arena_cstr(&arena, arena_printf(&arena, "Idempotency-Key: %016llx/%016llx/%llu", (unsigned long long)s->id,
                                        (unsigned long long)l->group->id, (unsigned long long)l->seq));
    if (s->item.bearer_token.len) {
        headers[n++] =
            arena_cstr(&arena, arena_printf(&arena, "Authorization: Bearer " STR_FMT, STR_ARG(s->item.bearer_token)));
    }
    headers[n] = NULL;
    struct http_call http = {
        .method = "POST", .url = s->item.url, .headers = headers, .body = body, .timeout_ms = TIMEOUT_MS};
    s->call = call;
    s->hold_until_mono = clock_mono_ms() + s->notifier->min_gap_ms;
    http_send(s->notify->http, &http, answered, call);
}

static struct call *call_new(const struct ledger *l, const struct notify_message *m)
{
    struct call *call = mem_zalloc(sizeof(*call));
    call->sender = l->sender;
    call->group_id = l->group->id;
    call->flush_no = l->flush_no;
    for (size_t i = 0; i < m->n; i++) {
        uint8_t state = m->alerts[i]->firing ? TOLD_FIRING : TOLD_RESOLVED;
        vec_push(&call->told, (struct told){.id = m->alerts[i]->id, .state = state});
    }
    return call;
}

/* Sends what the ledger owes now. False: nothing left to say, or it cannot be said. */
static LOOP_ONLY bool attempt(struct ledger *l)
{
    struct sender *s = l->sender;
    struct notify *notify = s->notify;
    auto_arena arena;
    auto_buf body;
    arena_init(&arena);
    buf_init(&body, s->notifier->body_max);
    const struct notify_alert **alerts = arena_array(&arena, const struct notify_alert *, l->group->alerts.len + 1);
    uint64_t hash;
    size_t n = ledger_content(l, alerts, &hash);
    if (!n) {
        end_message(l);
        return false;
    }
    l->seq += l->attempts && hash != l->content;
    l->content = hash;
    int64_t late = clock_mono_ms() - l->due_mono;
    struct notify_message message = {.receiver = s->receiver,
                                     .group_key = l->group->key,
                                     .external_url = notify->external_url,
                                     .group_labels = l->group->labels,
                                     .alerts = alerts,
                                     .n = n,
                                     .now_ms = clock_wall_ms(),
                                     .late_ms = l->attempts && late >= LATE_MS ? late : 0,
                                     .title = s->title,
                                     .text = s->text};
    for (size_t i = 0; i < n; i++) {
        message.firing += alerts[i]->firing;
    }
    l->attempts++;
    log_attempt(l, &message);
    struct error err = {0};
    if (s->notifier->render(&s->item, &message, &body, &err)) {
        refuse(l, err.text);
        return false;
    }
    post(l, buf_str(&body), call_new(l, &message));
    return true;
}

/* The due ledger whose time comes first; those not committed yet wait for notify_saved(). */
static struct ledger *next_due(const struct sender *s)
{
    struct ledger *first = NULL;
    for (size_t i = 0; i < s->notify->groups.len; i++) {
        struct ledger *l = ledger_find(s->notify->groups.p[i], s);
        if (l && l->due && !l->changed && l->save_no <= s->notify->saved &&
            (!first || l->next_mono < first->next_mono)) {
            first = l;
        }
    }
    return first;
}

void sender_pump(struct sender *s)
{
    if (s->notify->stopped) {
        return;
    }
    bool dropped = false;
    struct ledger *l = NULL;
    while (!s->call && (l = next_due(s)) != NULL) {
        int64_t now = clock_mono_ms();
        int64_t at = l->next_mono > s->hold_until_mono ? l->next_mono : s->hold_until_mono;
        if (at > now) {
            loop_timer_again(s->timer, at - now);
            break;
        }
        dropped = !attempt(l) || dropped;
    }
    if (dropped) {
        queue_save(s->notify);
    }
}
