/* The writer thread's side of the task history: events to records, and retention. */
#include "src/base/counter.h"
#include "storage/task_internal.h"

#define uthash_malloc(size)  mem_alloc(size)
#define uthash_free(p, size) mem_free(p)
#include <uthash.h>

/* Events merged in memory before their records are written: bounds the memory of a commit. */
#define MERGE_EVENTS 8192
/* Deletes of one step of retention. */
#define EXPIRE_TASKS 2000

/* A task touched by the events at hand. */
struct pending {
    struct task task;
    struct task_facts old;
    UT_hash_handle hh; /* by task.uuid */
};

struct merge {
    struct task_history *history;
    MDB_txn *txn;
    struct pending *tasks; /* in order of first touch */
};

static int get_record(const struct task_history *h, MDB_txn *txn, uint64_t id, struct task *out)
{
    MDB_val key = env_val(&id, sizeof(id)), value;
    int rc = mdb_get(txn, h->env->dbi[TASK_DBI_TASKS], &key, &value);
    if (rc == 0) {
        rc = task_record_decode(env_str(value), out);
        out->id = id;
        return rc;
    }
    return env_code(rc);
}

/* The record of a known uuid, or a zeroed one. Damaged records are begun anew under their id. */
static int load(struct merge *m, struct str uuid, struct pending *p)
{
    struct task_history *h = m->history;
    memset(p, 0, sizeof(*p));
    uint64_t id = 0;
    int rc = task_id_find(h->env, m->txn, uuid, &id);
    if (rc == ERR_NOT_FOUND) {
        return 0;
    }
    if (rc == 0) {
        rc = get_record(h, m->txn, id, &p->task);
    }
    if (rc == ERR_CORRUPT || rc == ERR_VERSION || rc == ERR_NOT_FOUND) {
        self_add(SELF_CORRUPTIONS, 1);
        memset(&p->task, 0, sizeof(p->task));
        p->task.id = id;
        return 0;
    }
    if (rc) {
        return rc;
    }
    task_own_texts(&p->task, &h->arena);
    return task_index_facts(h->index, m->txn, &p->task, true, &p->old);
}

static int merge_event(struct merge *m, const struct task_event *event)
{
    struct pending *p;
    HASH_FIND(hh, m->tasks, event->uuid.p, event->uuid.len, p);
    if (!p) {
        p = arena_alloc(&m->history->arena, sizeof(*p));
        int rc = load(m, event->uuid, p);
        if (rc) {
            return rc;
        }
        HASH_ADD_KEYPTR(hh, m->tasks, event->uuid.p, event->uuid.len, p);
    }
    task_merge(&p->task, event);
    return 0;
}

static int put_new_uuid(const struct merge *m, const struct task *task)
{
    uint8_t bytes[TASK_UUID_KEY_MAX];
    MDB_val key = env_val(bytes, task_uuid_key(task->uuid, bytes)), value = env_val(&task->id, sizeof(task->id));
    return env_code(mdb_put(m->txn, m->history->env->dbi[TASK_DBI_UUIDS], &key, &value, 0));
}

static int put_record(const struct merge *m, const struct task *task, bool is_new)
{
    struct task_history *h = m->history;
    task_record_encode(task, &h->record);
    if (h->record.failed) {
        return ERR_LIMIT;
    }
    MDB_val key = env_val(&task->id, sizeof(task->id)), value = env_val(h->record.p, h->record.len);
    return env_code(mdb_put(m->txn, h->env->dbi[TASK_DBI_TASKS], &key, &value, is_new ? MDB_APPEND : 0));
}

static int write_task(struct merge *m, struct pending *p)
{
    bool is_new = p->task.id == 0;
    int rc = 0;
    if (is_new) {
        p->task.id = task_index_next_id(m->history->index);
        rc = put_new_uuid(m, &p->task);
    }
    struct task_facts now;
    if (rc == 0) {
        rc = put_record(m, &p->task, is_new);
    }
    if (rc == 0) {
        rc = task_index_facts(m->history->index, m->txn, &p->task, true, &now);
    }
    return rc ? rc : task_index_change(m->history->index, m->txn, p->task.id, &p->old, &now);
}

static int write_merged(struct merge *m)
{
    int rc = 0;
    for (struct pending *p = m->tasks; p && rc == 0; p = p->hh.next) {
        rc = write_task(m, p);
    }
    HASH_CLEAR(hh, m->tasks);
    arena_clear(&m->history->arena);
    return rc;
}

int task_apply(void *ctx, MDB_txn *txn, struct writer_job **jobs, size_t n)
{
    struct task_history *h = ctx;
    struct merge m = {.history = h, .txn = txn};
    size_t waiting = 0, applied = 0;
    int rc = task_index_begin(h->index, txn);
    for (size_t i = 0; i < n && rc == 0; i++) {
        const struct task_job *job = (const struct task_job *)jobs[i];
        for (size_t k = 0; k < job->count && rc == 0; k++) {
            rc = merge_event(&m, &job->events[k]);
            applied++;
            if (rc == 0 && ++waiting == MERGE_EVENTS) {
                rc = write_merged(&m);
                waiting = 0;
            }
        }
    }
    int written = rc ? 0 : write_merged(&m);
    if (rc || written) {
        HASH_CLEAR(hh, m.tasks);
        arena_clear(&h->arena);
        return rc ? rc : written;
    }
    rc = task_index_end(h->index, txn);
    if (rc == 0) {
        self_add(SELF_TASK_EVENTS_APPLIED, (int64_t)applied);
    }
    return rc;
}

void task_aborted(void *ctx)
{
    struct task_history *h = ctx;
    task_index_reset(h->index);
}

/* Removes a task and what points to it. */
static int delete_task(struct task_history *h, MDB_txn *txn, MDB_cursor *cursor, const struct task *task)
{
    struct task_facts old, now = {0};
    int rc = task_index_facts(h->index, txn, task, true, &old);
    uint8_t bytes[TASK_UUID_KEY_MAX];
    MDB_val key = env_val(bytes, task_uuid_key(task->uuid, bytes));
    if (rc == 0) {
        rc = task_index_change(h->index, txn, task->id, &old, &now);
    }
    if (rc == 0) {
        rc = mdb_del(txn, h->env->dbi[TASK_DBI_UUIDS], &key, NULL);
        rc = rc == MDB_NOTFOUND ? 0 : env_code(rc);
    }
    return rc ? rc : env_code(mdb_cursor_del(cursor, 0));
}

struct expiry {
    int64_t cutoff_ms;
    size_t deleted;
    int64_t min_ms; /* of those that stay */
};

/* Deletes what is too old in one segment; stops when the step is full. */
static int expire_segment(struct task_history *h, MDB_txn *txn, uint64_t segment_no, struct expiry *e)
{
    auto_cursor *cursor = NULL;
    int rc = env_code(mdb_cursor_open(txn, h->env->dbi[TASK_DBI_TASKS], &cursor));
    if (rc) {
        return rc;
    }
    e->min_ms = INT64_MAX;
    uint64_t first = segment_no * TASK_SEGMENT_IDS;
    MDB_val key = env_val(&first, sizeof(first)), value;
    int found = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    for (; found == 0 && rc == 0; found = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
        struct task task;
        uint64_t id;
        memcpy(&id, key.mv_data, sizeof(id));
        if (id / TASK_SEGMENT_IDS != segment_no || e->deleted >= EXPIRE_TASKS) {
            break;
        }
        rc = task_record_decode(env_str(value), &task);
        if (rc) { /* its keys are unknown: the record stays, counted once it is read */
            rc = 0;
            continue;
        }
        task.id = id;
        if (task.first_ms >= e->cutoff_ms) {
            e->min_ms = task.first_ms < e->min_ms ? task.first_ms : e->min_ms;
            continue;
        }
        task_own_texts(&task, &h->arena);
        rc = delete_task(h, txn, cursor, &task);
        e->deleted++;
        arena_clear(&h->arena); /* a thousand tracebacks at once are a lot */
    }
    return rc;
}

/* The first segment at or behind *no that holds something too old; ERR_NOT_FOUND. */
static int next_expired_segment(struct task_history *h, MDB_txn *txn, int64_t cutoff_ms, uint64_t *no)
{
    auto_cursor *cursor = NULL;
    int rc = mdb_cursor_open(txn, h->env->dbi[TASK_DBI_SEGMENTS], &cursor);
    MDB_val key = env_val(no, sizeof(*no)), value;
    for (MDB_cursor_op op = MDB_SET_RANGE; rc == 0; op = MDB_NEXT) {
        struct task_segment segment;
        rc = mdb_cursor_get(cursor, &key, &value, op);
        if (rc == 0 && value.mv_size == sizeof(segment)) {
            memcpy(&segment, value.mv_data, sizeof(segment));
            if (segment.min_ms < cutoff_ms) {
                memcpy(no, key.mv_data, sizeof(*no));
                return 0;
            }
        }
    }
    return env_code(rc);
}

static int expire(struct task_history *h, MDB_txn *txn, int64_t cutoff_ms)
{
    uint64_t no = 0;
    int rc = next_expired_segment(h, txn, cutoff_ms, &no);
    if (rc) {
        return rc == ERR_NOT_FOUND ? 0 : rc;
    }
    struct expiry e = {.cutoff_ms = cutoff_ms};
    rc = task_index_begin(h->index, txn);
    if (rc == 0) {
        rc = expire_segment(h, txn, no, &e);
    }
    if (rc == 0 && e.deleted < EXPIRE_TASKS) { /* the whole segment was seen */
        rc = task_index_set_segment_min(h->index, txn, no, e.min_ms);
    }
    if (rc == 0) {
        rc = task_index_end(h->index, txn);
    }
    return rc ? rc : 1;
}

int task_tick(void *ctx, MDB_txn *txn, int64_t now_ms)
{
    struct task_history *h = ctx;
    return h->retention_ms > 0 ? expire(h, txn, now_ms - h->retention_ms) : 0;
}
