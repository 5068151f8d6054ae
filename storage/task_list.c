/* Children of a task, failures by kind, and the words for filters. */
#include "storage/task_read.h"

#define FAILURES_SCANNED 1000000
#define FACET_WORDS      10000

static uint64_t id_of(MDB_val value)
{
    uint64_t id = 0;
    memcpy(&id, value.mv_data, value.mv_size < sizeof(id) ? value.mv_size : sizeof(id));
    return id;
}

typedef vec(struct task) task_vec;

/* Keeps ascending ids. */
static void insert_by_id(task_vec *tasks, const struct task *task)
{
    vec_push(tasks, *task);
    for (size_t i = tasks->len - 1; i > 0 && tasks->p[i - 1].id > task->id; i--) {
        tasks->p[i] = tasks->p[i - 1];
        tasks->p[i - 1] = *task;
    }
}

static int read_linked(const struct env *env, MDB_txn *txn, struct str key_bytes, size_t max, struct arena *arena,
                       task_vec *tasks)
{
    auto_cursor *cursor = NULL;
    MDB_val key = env_val(key_bytes.p, key_bytes.len), value;
    int rc = mdb_cursor_open(txn, env->dbi[TASK_DBI_LINKS], &cursor);
    if (rc == 0) {
        rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_KEY);
    }
    for (; rc == 0 && tasks->len < max; rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT_DUP)) {
        struct task task;
        if (task_read(env, txn, id_of(value), arena, &task) == 0) {
            vec_push(tasks, task);
        }
    }
    return rc == 0 || rc == MDB_NOTFOUND ? 0 : env_code(rc);
}

/* A root is one of its own tree. */
static int read_root(const struct env *env, MDB_txn *txn, struct str uuid, size_t max, struct arena *arena,
                     task_vec *tasks)
{
    uint64_t id;
    struct task root;
    int rc = task_id_find(env, txn, uuid, &id);
    if (rc == 0) {
        rc = task_read(env, txn, id, arena, &root);
    }
    if (rc == 0 && max > 0 && (root.root_id.len == 0 || str_eq(root.root_id, uuid))) {
        if (tasks->len == max) {
            tasks->len--;
        }
        insert_by_id(tasks, &root);
    }
    return rc == ERR_NOT_FOUND || rc == ERR_CORRUPT ? 0 : rc;
}

int task_children(struct store *store, struct str uuid, bool by_root, size_t max, struct arena *arena,
                  struct task **out, size_t *n)
{
    const struct env *env = &store->envs[ENV_TASKS];
    auto_txn *txn = NULL;
    int rc = env_read(env, &txn);
    if (rc) {
        return rc;
    }
    uint8_t bytes[TASK_LINK_KEY_MAX];
    size_t len = task_link_key(by_root ? 'r' : 'p', uuid, bytes);
    task_vec tasks = {0};
    rc = read_linked(env, txn, str_make((const char *)bytes, len), max, arena, &tasks);
    if (rc == 0 && by_root) {
        rc = read_root(env, txn, uuid, max, arena, &tasks);
    }
    if (rc == 0) {
        *out = arena_alloc(arena, tasks.len * sizeof(struct task));
        if (tasks.len) {
            memcpy(*out, tasks.p, tasks.len * sizeof(struct task));
        }
        *n = tasks.len;
    }
    vec_release(&tasks);
    return rc;
}

struct failure_group {
    struct task_failure_value key;
    uint64_t newest_id, count;
    int64_t last_ms, first_ms;
};
typedef vec(struct failure_group) group_vec;

/* Few kinds of failures exist; the one of the entry before is the likeliest. */
static void count_failure(group_vec *groups, size_t max, const struct task_failure_value *key, uint64_t id, int64_t t)
{
    for (size_t i = 0; i < groups->len; i++) {
        struct failure_group *g = &groups->p[i];
        if (g->key.name == key->name && g->key.exception == key->exception) {
            g->count++;
            g->first_ms = t;
            return;
        }
    }
    if (groups->len < max) {
        vec_push(groups, (struct failure_group){*key, id, 1, t, t});
    }
}

static int group_failures(const struct env *env, MDB_txn *txn, int64_t since_ms, size_t max, group_vec *groups)
{
    auto_cursor *cursor = NULL;
    MDB_val key, value;
    int rc = mdb_cursor_open(txn, env->dbi[TASK_DBI_FAILURES], &cursor);
    for (size_t i = 0; rc == 0 && i < FAILURES_SCANNED; i++) {
        struct task_failure_value words;
        rc = mdb_cursor_get(cursor, &key, &value, i == 0 ? MDB_LAST : MDB_PREV);
        if (rc || key.mv_size != 16 || value.mv_size != sizeof(words)) {
            break;
        }
        int64_t t = (int64_t)env_get_be(key.mv_data, 8);
        if (t < since_ms) {
            break;
        }
        memcpy(&words, value.mv_data, sizeof(words));
        count_failure(groups, max, &words, env_get_be((const uint8_t *)key.mv_data + 8, 8), t);
    }
    return rc == 0 || rc == MDB_NOTFOUND ? 0 : env_code(rc);
}

int task_failures(struct store *store, int64_t since_ms, size_t max, struct arena *arena, struct task_failure **out,
                  size_t *n)
{
    const struct env *env = &store->envs[ENV_TASKS];
    auto_txn *txn = NULL;
    int rc = env_read(env, &txn);
    if (rc) {
        return rc;
    }
    group_vec groups = {0};
    rc = group_failures(env, txn, since_ms, max, &groups);
    struct task_failure *failures = arena_alloc(arena, groups.len * sizeof(*failures));
    size_t count = 0;
    for (size_t i = 0; rc == 0 && i < groups.len; i++) {
        const struct failure_group *g = &groups.p[i];
        struct task task;
        if (task_read(env, txn, g->newest_id, arena, &task) == 0) {
            failures[count++] = (struct task_failure){
                task.name,      task_exception_class(task.exception),
                task.exception, task.uuid,
                task.worker,    g->last_ms,
                g->first_ms,    g->count,
            };
        }
    }
    vec_release(&groups);
    if (rc == 0) {
        *out = failures;
        *n = count;
    }
    return rc;
}

/* Keys are sorted by kind and text, so each list comes sorted. */
static int read_words(const struct env *env, MDB_txn *txn, enum task_word_kind kind, struct arena *arena,
                      struct str **out, size_t *n)
{
    auto_cursor *cursor = NULL;
    vec(struct str) words = {0};
    uint8_t first = (uint8_t)kind;
    MDB_val key = env_val(&first, 1), value;
    int rc = mdb_cursor_open(txn, env->dbi[TASK_DBI_WORDS], &cursor);
    for (MDB_cursor_op op = MDB_SET_RANGE; rc == 0 && words.len < FACET_WORDS; op = MDB_NEXT) {
        rc = mdb_cursor_get(cursor, &key, &value, op);
        if (rc || key.mv_size < 1 || *(const uint8_t *)key.mv_data != first) {
            break;
        }
        vec_push(&words, arena_dup(arena, str_slice(env_str(key), 1, key.mv_size)));
    }
    *out = arena_alloc(arena, words.len * sizeof(struct str));
    if (words.len) {
        memcpy(*out, words.p, words.len * sizeof(struct str));
    }
    *n = words.len;
    vec_release(&words);
    return rc == 0 || rc == MDB_NOTFOUND ? 0 : env_code(rc);
}

int task_get_facets(struct store *store, struct arena *arena, struct task_facets *out)
{
    const struct env *env = &store->envs[ENV_TASKS];
    auto_txn *txn = NULL;
    struct task_facets f = {0};
    int rc = env_read(env, &txn);
    rc = rc ? rc : read_words(env, txn, TASK_WORD_NAME, arena, &f.names, &f.name_count);
    rc = rc ? rc : read_words(env, txn, TASK_WORD_WORKER, arena, &f.workers, &f.worker_count);
    rc = rc ? rc : read_words(env, txn, TASK_WORD_QUEUE, arena, &f.queues, &f.queue_count);
    if (rc == 0) {
        *out = f;
    }
    return rc;
}
