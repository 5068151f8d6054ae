/*
 * What receivers were told, and the records of it:
 *   "a/<group>/<alert>"   version, firing, starts, ends, value bits, url, labels, annotations
 *   "s/<sender>/<group>"  version, last sent, due, due since, attempts, failing since, seq, group labels, told marks
 * where <…> are 16 hex digits.
 */
#include "alerts/notify/queue_internal.h"
#include "alerts/notify/record.h"
#include "src/base/clock.h"
#include "src/base/codec.h"
#include "src/model/sample.h"

#define RECORD_VERSION 1

static size_t told_lower_bound(const struct ledger *l, uint64_t id)
{
    size_t from = 0, to = l->told.len;
    while (from < to) {
        size_t mid = (from + to) / 2;
        if (l->told.p[mid].id < id) {
            from = mid + 1;
        } else {
            to = mid;
        }
    }
    return from;
}

struct told *ledger_told(struct ledger *l, uint64_t id, bool make)
{
    size_t i = told_lower_bound(l, id);
    if (i < l->told.len && l->told.p[i].id == id) {
        return &l->told.p[i];
    }
    if (!make) {
        return NULL;
    }
    vec_push(&l->told, (struct told){.id = id});
    memmove(l->told.p + i + 1, l->told.p + i, (l->told.len - 1 - i) * sizeof(struct told));
    l->told.p[i] = (struct told){.id = id};
    return &l->told.p[i];
}

void ledger_forget(struct ledger *l, uint64_t id)
{
    size_t i = told_lower_bound(l, id);
    if (i < l->told.len && l->told.p[i].id == id) {
        memmove(l->told.p + i, l->told.p + i + 1, (l->told.len - i - 1) * sizeof(struct told));
        l->told.len--;
        l->changed = true;
    }
}

struct ledger *ledger_of(struct group *group, struct sender *sender)
{
    for (size_t i = 0; i < group->ledgers.len; i++) {
        if (group->ledgers.p[i]->sender == sender) {
            return group->ledgers.p[i];
        }
    }
    struct ledger *l = mem_zalloc(sizeof(*l));
    l->sender = sender;
    l->group = group;
    vec_push(&group->ledgers, l);
    return l;
}

void ledger_free(struct ledger *l)
{
    if (l) {
        vec_release(&l->told);
        mem_free(l);
    }
}

/* Is there news in this alert for the receiver? Notes what is owed. */
static bool has_news(struct ledger *l, const struct notify_alert *a)
{
    struct told *t = ledger_told(l, a->id, a->firing);
    if (a->firing) {
        bool news = t->state != TOLD_FIRING;
        l->changed = l->changed || (news && !t->owed);
        t->owed = t->owed || news;
        return news;
    }
    if (!t || (t->state != TOLD_FIRING && !t->owed)) {
        return false; /* never heard of it: nothing to take back */
    }
    if (!l->sender->item.send_resolved) {
        ledger_forget(l, a->id);
        return false;
    }
    return true;
}

size_t ledger_content(struct ledger *l, const struct notify_alert **out, uint64_t *hash)
{
    size_t n = 0;
    for (size_t i = 0; i < l->group->alerts.len; i++) {
        const struct notify_alert *a = &l->group->alerts.p[i]->a;
        const struct told *t = ledger_told(l, a->id, false);
        if (a->firing || (l->sender->item.send_resolved && t && (t->state == TOLD_FIRING || t->owed))) {
            out[n++] = a;
        }
    }
    *hash = FNV1A64_INIT;
    for (size_t i = 0; i < n; i++) {
        char bytes[17];
        memcpy(bytes, &out[i]->id, 8);
        memcpy(bytes + 8, &out[i]->starts_ms, 8);
        bytes[16] = out[i]->firing;
        *hash = fnv1a64(*hash, str_make(bytes, sizeof(bytes)));
    }
    notify_sort(out, n);
    return n;
}

/* The same content was refused for good: only a change, or the time of a repeat, is worth another try. */
static bool is_refused(struct ledger *l, int64_t mono_ms)
{
    if (!l->refused || mono_ms - l->refused_mono >= l->sender->notify->repeat_interval_ms) {
        return false;
    }
    uint64_t hash;
    const struct notify_alert **content = mem_alloc((l->group->alerts.len + 1) * sizeof(struct notify_alert *));
    ledger_content(l, content, &hash);
    mem_free(content);
    return hash == l->refused;
}

void ledger_flush(struct ledger *l, int64_t wall_ms, int64_t mono_ms)
{
    const struct notify *notify = l->sender->notify;
    bool news = false, firing = false;
    for (size_t i = 0; i < l->group->alerts.len; i++) {
        const struct notify_alert *a = &l->group->alerts.p[i]->a;
        news = has_news(l, a) || news;
        firing = firing || a->firing;
    }
    /* Half a tick of slack: a repeat must not slip to the next tick by some milliseconds. */
    bool repeat = firing && l->last_sent_ms &&
                  mono_ms - l->last_sent_mono >= notify->repeat_interval_ms - notify->group_interval_ms / 2;
    if ((!news && !repeat) || (!l->due && is_refused(l, mono_ms))) {
        return;
    }
    l->flush_no++;
    l->changed = true;
    if (!l->due) {
        l->due = true;
        l->due_ms = wall_ms;
        l->due_mono = mono_ms;
        l->attempts = 0;
        l->failing_ms = l->failing_mono = 0;
        l->next_mono = mono_ms;
        l->log_no = 0;
    }
}

/* --- records --------------------------------------------------------------------------------------------------- */

static struct str key_of(char kind, uint64_t a, uint64_t b, struct arena *arena)
{
    return arena_printf(arena, "%c/%016llx/%016llx", kind, (unsigned long long)a, (unsigned long long)b);
}

static struct str encode_alert(const struct notify_alert *a, struct arena *arena)
{
    auto_buf out;
    buf_init(&out, 1 << 20);
    record_put_u8(&out, RECORD_VERSION);
    record_put_u8(&out, a->firing);
    record_put_u64(&out, (uint64_t)a->starts_ms);
    record_put_u64(&out, (uint64_t)a->ends_ms);
    record_put_u64(&out, sample_bits(a->value));
    record_put_str(&out, a->generator_url);
    record_put_labels(&out, a->labels);
    record_put_labels(&out, a->annotations);
    return out.failed ? (struct str){0} : arena_dup(arena, buf_str(&out));
}

static struct str encode_ledger(const struct ledger *l, struct arena *arena)
{
    auto_buf out;
    buf_init(&out, 1 << 20);
    record_put_u8(&out, RECORD_VERSION);
    record_put_u64(&out, (uint64_t)l->last_sent_ms);
    record_put_u8(&out, l->due);
    record_put_u64(&out, (uint64_t)l->due_ms);
    record_put_u64(&out, l->attempts);
    record_put_u64(&out, (uint64_t)l->failing_ms);
    record_put_u64(&out, l->seq);
    record_put_u64(&out, l->content);
    record_put_u64(&out, l->refused);
    record_put_u64(&out, l->told.len);
    for (size_t i = 0; i < l->told.len; i++) {
        record_put_u64(&out, l->told.p[i].id);
        record_put_u8(&out, (uint8_t)(l->told.p[i].state | (l->told.p[i].owed ? 0x80 : 0)));
    }
    return out.failed ? (struct str){0} : arena_dup(arena, buf_str(&out));
}

static void forget(struct notify *notify, char kind, uint64_t a, uint64_t b)
{
    auto_arena arena;
    arena_init(&arena);
    record_put_str(&notify->deletes, key_of(kind, a, b, &arena));
}

void queue_forget_alert(struct notify *notify, uint64_t group_id, uint64_t alert_id)
{
    forget(notify, 'a', group_id, alert_id);
}

void queue_forget_ledger(struct notify *notify, uint64_t sender_id, uint64_t group_id)
{
    forget(notify, 's', sender_id, group_id);
}

struct change_list {
    vec(struct notify_change) v;
};

/* A record too large to be kept (100,000 alerts in a group) lives in memory only. */
static bool add_change(struct change_list *list, struct str key, struct str value)
{
    if (value.p) {
        vec_push(&list->v, (struct notify_change){key, value});
    }
    return value.p != NULL;
}

static void add_changes(struct group *group, struct arena *arena, struct change_list *list)
{
    struct notify *notify = group->notify;
    for (size_t i = 0; i < group->alerts.len; i++) {
        struct group_alert *ga = group->alerts.p[i];
        if (ga->changed) {
            add_change(list, key_of('a', group->id, ga->a.id, arena), encode_alert(&ga->a, arena));
            ga->changed = false;
        }
    }
    for (size_t i = 0; i < group->ledgers.len; i++) {
        struct ledger *l = group->ledgers.p[i];
        if (l->changed) {
            l->changed = false;
            if (add_change(list, key_of('s', l->sender->id, group->id, arena), encode_ledger(l, arena))) {
                l->save_no = notify->saves + 1;
            }
        }
    }
}

void queue_save(struct notify *notify)
{
    auto_arena arena;
    arena_init(&arena);
    struct change_list changes = {0};
    struct record_reader deletes = {.rest = buf_str(&notify->deletes)};
    while (deletes.rest.len && !deletes.bad) { /* first: a key may be written again below */
        vec_push(&changes.v, (struct notify_change){.key = record_get_str(&deletes)});
    }
    for (size_t g = 0; g < notify->groups.len; g++) {
        add_changes(notify->groups.p[g], &arena, &changes);
    }
    if (changes.v.len) {
        notify->journal.commit(notify->journal.ctx, changes.v.p, changes.v.len, ++notify->saves);
    }
    buf_clear(&notify->deletes);
    notify->unsaved = false;
    vec_release(&changes.v);
}

static bool parse_hex(struct str s, uint64_t *out)
{
    uint64_t v = 0;
    for (size_t i = 0; i < s.len; i++) {
        const char *digits = "0123456789abcdef", *at = s.p[i] ? strchr(digits, s.p[i]) : NULL;
        if (!at) {
            return false;
        }
        v = v << 4 | (uint64_t)(at - digits);
    }
    *out = v;
    return s.len == 16;
}

bool notify_restore(struct notify *notify, struct str key, struct str value)
{
    struct record_copy copy = {.kind = key.len ? key.p[0] : 0};
    if (key.len != 35 || (copy.kind != 'a' && copy.kind != 's') || key.p[1] != '/' || key.p[18] != '/' ||
        !parse_hex(str_slice(key, 2, 18), &copy.a) || !parse_hex(str_slice(key, 19, 35), &copy.b) || !value.len ||
        (uint8_t)value.p[0] != RECORD_VERSION) {
        return false;
    }
    copy.bytes = mem_alloc(value.len);
    memcpy(copy.bytes, value.p, value.len);
    copy.len = value.len;
    vec_push(&notify->restored, copy);
    return true;
}

static bool decode_alert(struct notify *notify, const struct record_copy *copy)
{
    auto_arena arena;
    arena_init(&arena);
    struct record_reader r = {.rest = str_make(copy->bytes, copy->len)};
    struct notify_alert a = {.id = copy->b};
    record_get_u8(&r);
    a.firing = record_get_u8(&r) != 0;
    a.starts_ms = (int64_t)record_get_u64(&r);
    a.ends_ms = (int64_t)record_get_u64(&r);
    a.value = sample_from_bits(record_get_u64(&r));
    a.generator_url = record_get_str(&r);
    a.labels = record_get_labels(&r, &arena);
    a.annotations = record_get_labels(&r, &arena);
    if (r.bad) {
        return false;
    }
    struct group *group = group_of(notify, a.labels);
    group_put(group, &a)->changed = group->id != copy->a;
    return group->id == copy->a;
}

static struct sender *sender_find(const struct notify *notify, uint64_t id)
{
    for (size_t i = 0; i < notify->senders.len; i++) {
        if (notify->senders.p[i]->id == id) {
            return notify->senders.p[i];
        }
    }
    return NULL;
}

static struct group *group_with_alert(const struct notify *notify, uint64_t alert_id)
{
    for (size_t i = 0; i < notify->groups.len; i++) {
        if (group_alert_find(notify->groups.p[i], alert_id)) {
            return notify->groups.p[i];
        }
    }
    return NULL;
}

/* The wall clock bridges the time we were down; a clock set back must not make times of the future. */
static int64_t mono_of(int64_t wall_ms)
{
    int64_t age = clock_wall_ms() - wall_ms;
    return wall_ms ? clock_mono_ms() - (age > 0 ? age : 0) : 0;
}

static void copy_books(struct ledger *l, const struct ledger *from)
{
    l->last_sent_ms = from->last_sent_ms;
    l->last_sent_mono = mono_of(from->last_sent_ms);
    l->due = from->due;
    l->due_ms = from->due_ms;
    l->due_mono = mono_of(from->due_ms);
    l->attempts = from->attempts;
    l->failing_ms = from->failing_ms;
    l->failing_mono = mono_of(from->failing_ms);
    l->seq = from->seq;
    l->content = from->content;
    l->refused = from->refused;
    l->refused_mono = l->next_mono = clock_mono_ms();
    l->group->flushed = true;
}

/* With another group_by the group is not there any more: each mark follows its alert. */
static bool decode_ledger(struct notify *notify, const struct record_copy *copy)
{
    auto_arena arena;
    arena_init(&arena);
    struct record_reader r = {.rest = str_make(copy->bytes, copy->len)};
    struct ledger from = {0};
    struct sender *sender = sender_find(notify, copy->a);
    record_get_u8(&r);
    from.last_sent_ms = (int64_t)record_get_u64(&r);
    from.due = record_get_u8(&r) != 0;
    from.due_ms = (int64_t)record_get_u64(&r);
    from.attempts = (uint32_t)record_get_u64(&r);
    from.failing_ms = (int64_t)record_get_u64(&r);
    from.seq = record_get_u64(&r);
    from.content = record_get_u64(&r);
    from.refused = record_get_u64(&r);
    uint64_t n = record_get_u64(&r);
    if (r.bad || n > r.rest.len / 9 || !sender) {
        return false;
    }
    struct group *same = group_find(notify, copy->b);
    if (same) {
        copy_books(ledger_of(same, sender), &from);
    }
    for (uint64_t i = 0; i < n; i++) {
        uint64_t id = record_get_u64(&r);
        uint8_t bits = record_get_u8(&r);
        struct group *group = same && group_alert_find(same, id) ? same : group_with_alert(notify, id);
        if (group) {
            struct ledger *l = ledger_of(group, sender);
            if (group != same && !l->last_sent_ms) {
                copy_books(l, &from);
                l->changed = true;
            }
            *ledger_told(l, id, true) = (struct told){id, bits & 0x7f, (bits & 0x80) != 0};
        }
    }
    return same != NULL;
}

void queue_take_restored(struct notify *notify)
{
    for (int pass = 0; pass < 2; pass++) { /* ledgers point at alerts: these first */
        for (size_t i = 0; i < notify->restored.len; i++) {
            const struct record_copy *copy = &notify->restored.p[i];
            if ((copy->kind == 'a') != (pass == 0)) {
                continue;
            }
            bool stays = notify->senders.len && (pass ? decode_ledger(notify, copy) : decode_alert(notify, copy));
            if (!stays) {
                forget(notify, copy->kind, copy->a, copy->b);
            }
        }
    }
    queue_drop_restored(notify);
}

void queue_drop_restored(struct notify *notify)
{
    for (size_t i = 0; i < notify->restored.len; i++) {
        mem_free(notify->restored.p[i].bytes);
    }
    vec_clear(&notify->restored);
}

void queue_pack(struct notify *notify)
{
    auto_arena arena;
    arena_init(&arena);
    for (size_t g = 0; g < notify->groups.len; g++) {
        struct group *group = notify->groups.p[g];
        for (size_t i = 0; i < group->alerts.len; i++) {
            const struct notify_alert *a = &group->alerts.p[i]->a;
            (void)notify_restore(notify, key_of('a', group->id, a->id, &arena), encode_alert(a, &arena));
        }
        for (size_t i = 0; i < group->ledgers.len; i++) {
            const struct ledger *l = group->ledgers.p[i];
            (void)notify_restore(notify, key_of('s', l->sender->id, group->id, &arena), encode_ledger(l, &arena));
        }
    }
}
