/*
 * Durability: instances ("alert") and the queue's records ("notify") in the state store.
 *
 * Keys of instances are "<rule>/<instance>" in hex. A commit's callback comes on the writer thread and is posted to the
 * loop; only then do receivers hear of the transitions in it. When a commit fails (disk full) alerting goes on from
 * memory and says so once.
 */
#include "alerts/alerts_internal.h"
#include "src/base/clock.h"
#include "src/base/log.h"
#include "storage/state.h"

#include <pthread.h>

#define NS_ALERT           "alert"
#define NS_NOTIFY          "notify"
#define COMMIT_PATIENCE_MS 5000 /* a full disk: then alerts go out all the same */

struct commit {
    struct gate *gate; /* counted */
    uint64_t no;
    bool of_queue; /* notify's records, not instances */
    int rc;
};

void save_init(struct save *save, struct alerts *alerts)
{
    *save = (struct save){.alerts = alerts};
    arena_init(&save->arena);
}

static struct str key_of(struct arena *arena, uint64_t rule_id, uint64_t instance_id)
{
    return arena_printf(arena, "%016llx/%016llx", (unsigned long long)rule_id, (unsigned long long)instance_id);
}

void save_instance(struct save *save, uint64_t rule_id, const struct alert_instance *instance)
{
    auto_buf out;
    buf_init(&out, 1 << 20);
    alert_instance_encode(instance, &out);
    if (out.failed) {
        return; /* annotations beyond 1 MiB: lives in memory only */
    }
    struct state_change change = {NS_ALERT, key_of(&save->arena, rule_id, instance->id),
                                  arena_dup(&save->arena, buf_str(&out))};
    vec_push(&save->changes, change);
}

void save_deletion(struct save *save, uint64_t rule_id, uint64_t instance_id)
{
    struct state_change change = {NS_ALERT, key_of(&save->arena, rule_id, instance_id), {0}};
    vec_push(&save->changes, change);
}

/* --- the gate: a commit may outlive the alerts (a full disk answers late, when the store closes) --------------------
 */

struct gate {
    pthread_mutex_t mutex;
    struct alerts *alerts; /* NULL: gone */
    struct loop *loop;
    int refs;
};

struct gate *gate_new(struct alerts *alerts)
{
    struct gate *gate = mem_zalloc(sizeof(*gate));
    pthread_mutex_init(&gate->mutex, NULL);
    gate->alerts = alerts;
    gate->loop = alerts->loop;
    gate->refs = 1;
    return gate;
}

static void gate_unref(struct gate *gate)
{
    pthread_mutex_lock(&gate->mutex);
    bool last = --gate->refs == 0;
    pthread_mutex_unlock(&gate->mutex);
    if (last) {
        pthread_mutex_destroy(&gate->mutex);
        mem_free(gate);
    }
}

void gate_close(struct gate *gate)
{
    pthread_mutex_lock(&gate->mutex);
    gate->alerts = NULL;
    pthread_mutex_unlock(&gate->mutex);
    gate_unref(gate);
}

static void commit_free(struct commit *commit)
{
    gate_unref(commit->gate);
    mem_free(commit);
}

/* Receivers hear of what is safe now. */
static LOOP_ONLY void release_waiting(struct alerts *alerts)
{
    size_t kept = 0;
    for (size_t i = 0; i < alerts->waiting.len; i++) {
        struct waiting w = alerts->waiting.p[i];
        if (w.save_no > alerts->saved) {
            alerts->waiting.p[kept++] = w;
            continue;
        }
        struct rule_run *rule = rule_run_find(alerts, w.rule_id);
        struct alert_instance *instance = rule ? alert_states_find(&rule->states, w.instance_id) : NULL;
        if (instance && instance->state != ALERT_PENDING) {
            apply_announce(alerts, rule, instance);
        }
    }
    alerts->waiting.len = kept;
    notify_commit(alerts->notify);
}

static void note_store(struct alerts *alerts, int rc)
{
    if (rc && !alerts->store_failed) {
        log_error("alerts: states cannot be saved; alerting goes on from memory", KV_STR("error", error_text(rc)));
    } else if (!rc && alerts->store_failed) {
        log_info("alerts: states are saved again", KV_INT("commit", alerts->saved));
    }
    alerts->store_failed = rc != 0;
}

static void on_loop(void *ctx)
{
    loop_assert();
    struct commit *commit = ctx;
    struct alerts *alerts = commit->gate->alerts; /* changed on this thread only */
    if (alerts) {
        alerts->commits--;
        alerts->commit_mono = clock_mono_ms();
        note_store(alerts, commit->rc);
        if (commit->of_queue) {
            notify_saved(alerts->notify, commit->no);
        } else {
            alerts->saved = commit->no > alerts->saved ? commit->no : alerts->saved;
            release_waiting(alerts);
        }
        alerts_maybe_stopped(alerts);
    }
    commit_free(commit);
}

static void on_writer(void *ctx, int rc)
{
    struct commit *commit = ctx;
    struct gate *gate = commit->gate;
    commit->rc = rc;
    pthread_mutex_lock(&gate->mutex);
    bool open = gate->alerts != NULL;
    if (open) {
        loop_post(gate->loop, on_loop, commit);
    }
    pthread_mutex_unlock(&gate->mutex);
    if (!open) {
        commit_free(commit);
    }
}

static void begin_commit(struct alerts *alerts, const struct state_change *changes, size_t n, uint64_t no,
                         bool of_queue)
{
    struct commit *commit = mem_zalloc(sizeof(*commit));
    *commit = (struct commit){.gate = alerts->gate, .no = no, .of_queue = of_queue};
    pthread_mutex_lock(&alerts->gate->mutex);
    alerts->gate->refs++;
    pthread_mutex_unlock(&alerts->gate->mutex);
    if (!alerts->commits++) {
        alerts->commit_mono = clock_mono_ms();
    }
    int rc = state_commit(alerts->store, changes, n, on_writer, commit);
    if (rc) {
        on_writer(commit, rc);
    }
}

void save_overtake(struct alerts *alerts)
{
    if (!alerts->commits || clock_mono_ms() - alerts->commit_mono < COMMIT_PATIENCE_MS) {
        return;
    }
    note_store(alerts, ERR_TIMEOUT);
    alerts->commit_mono = clock_mono_ms();
    alerts->saved = alerts->saves;
    release_waiting(alerts);
    notify_saved(alerts->notify, alerts->queue_saves);
}

void save_commit(struct save *save)
{
    struct alerts *alerts = save->alerts;
    if (save->changes.len) {
        begin_commit(alerts, save->changes.p, save->changes.len, ++alerts->saves, false);
    }
    vec_release(&save->changes);
    arena_release(&save->arena);
}

static void journal_commit(void *ctx, const struct notify_change *changes, size_t n, uint64_t save_no)
{
    struct alerts *alerts = ctx;
    vec(struct state_change) copy = {0};
    alerts->queue_saves = save_no;
    for (size_t i = 0; i < n; i++) {
        struct state_change change = {NS_NOTIFY, changes[i].key, changes[i].value};
        vec_push(&copy, change);
    }
    begin_commit(alerts, copy.p, copy.len, save_no, true);
    vec_release(&copy);
}

struct notify_journal save_journal(struct alerts *alerts)
{
    return (struct notify_journal){alerts, journal_commit};
}

/* --- reading back ---------------------------------------------------------------------------------------------- */

static int load_record(void *ctx, struct str key, struct str value)
{
    struct alerts *alerts = ctx;
    if (!notify_restore(alerts->notify, key, value)) {
        log_warn("alerts: a damaged record of the notification queue is left out", KV_INT("bytes", value.len));
    }
    return 0;
}

void save_load(struct alerts *alerts)
{
    int rc = state_each(alerts->store, NS_NOTIFY, load_record, alerts);
    if (rc) {
        log_error("alerts: the notification queue cannot be read", KV_STR("error", error_text(rc)));
    }
}

static bool parse_key(struct str key, uint64_t *rule_id, uint64_t *instance_id)
{
    uint64_t ids[2] = {0};
    for (size_t i = 0; i < key.len && i != 33; i++) {
        const char *digits = "0123456789abcdef", *at = key.p[i] ? strchr(digits, key.p[i]) : NULL;
        if (i == 16) {
            continue;
        }
        if (!at) {
            return false;
        }
        ids[i > 16] = ids[i > 16] << 4 | (uint64_t)(at - digits);
    }
    *rule_id = ids[0];
    *instance_id = ids[1];
    return key.len == 33;
}

static int take_instance(void *ctx, struct str key, struct str value)
{
    struct save *save = ctx;
    uint64_t rule_id, instance_id;
    struct rule_run *rule = NULL;
    struct alert_instance *instance = NULL;
    if (parse_key(key, &rule_id, &instance_id)) {
        rule = rule_run_find(save->alerts, rule_id);
        instance = rule && rule->rule->type == RULE_ALERT ? alert_instance_decode(instance_id, value) : NULL;
    }
    if (!instance || alert_states_find(&rule->states, instance_id)) { /* damaged, or its rule is gone */
        alert_instance_free(instance);
        struct state_change change = {NS_ALERT, arena_dup(&save->arena, key), {0}};
        vec_push(&save->changes, change);
    } else {
        alert_states_adopt(&rule->states, instance);
    }
    return 0;
}

void save_take_instances(struct alerts *alerts)
{
    struct save save;
    save_init(&save, alerts);
    int rc = state_each(alerts->store, NS_ALERT, take_instance, &save);
    if (rc) {
        log_error("alerts: states cannot be read", KV_STR("error", error_text(rc)));
    }
    save_commit(&save);
}
