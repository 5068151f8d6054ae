#include "storage/state.h"

#include "storage/kv.h"
#include "storage/store_internal.h"

#define KEY_MAX_   400
#define VALUE_MAX_ ((size_t)1 << 20)

const struct env_spec state_env_spec = {
    .folder = "state", .version = 1, .read_ahead = true, .dbi_count = 1, .dbis = {{"state", 0}}};

int state_part_open(struct store *store, struct writer_part *part, struct error *err)
{
    (void)store;
    (void)err;
    part->apply = kv_apply;
    part->ctx = part->env;
    return 0;
}

/* namespace, NUL, key: a namespace's keys are neighbours. */
static int make_key(char out[KEY_MAX_], const char *ns, struct str key, struct str *made)
{
    size_t n = strlen(ns);
    if (n == 0 || n + 1 + key.len > KEY_MAX_) {
        return ERR_LIMIT;
    }
    memcpy(out, ns, n + 1);
    if (key.len) {
        memcpy(out + n + 1, key.p, key.len);
    }
    *made = (struct str){out, n + 1 + key.len};
    return 0;
}

int state_commit(struct store *store, const struct state_change *changes, size_t n, store_done_fn done, void *ctx)
{
    struct kv_job *job = kv_job_new(done, ctx);
    char space[KEY_MAX_];
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0; i++) {
        struct str key;
        rc = make_key(space, changes[i].ns, changes[i].key, &key);
        if (rc == 0 && changes[i].value.len > VALUE_MAX_) {
            rc = ERR_LIMIT;
        }
        if (rc == 0) {
            kv_job_put(job, 0, key, changes[i].value);
        }
    }
    rc = rc ? rc : writer_push(store->writer, ENV_STATE, kv_job_base(job));
    if (rc) {
        kv_job_free(job);
    }
    return rc;
}

int state_get(struct store *store, const char *ns, struct str key, struct arena *arena, struct str *out)
{
    const struct env *env = &store->envs[ENV_STATE];
    char space[KEY_MAX_];
    struct str full;
    int rc = make_key(space, ns, key, &full);
    if (rc) {
        return rc;
    }
    auto_txn *txn = NULL;
    rc = env_read(env, &txn);
    if (rc) {
        return rc;
    }
    MDB_val k = env_val(full.p, full.len), v;
    rc = env_code(mdb_get(txn, env->dbi[0], &k, &v));
    if (rc == 0) {
        *out = arena_dup(arena, env_str(v));
    }
    return rc;
}

int state_each(struct store *store, const char *ns, state_visit_fn visit, void *ctx)
{
    const struct env *env = &store->envs[ENV_STATE];
    char space[KEY_MAX_];
    struct str prefix;
    int rc = make_key(space, ns, STR(""), &prefix);
    if (rc) {
        return rc;
    }
    auto_txn *txn = NULL;
    rc = env_read(env, &txn);
    if (rc) {
        return rc;
    }
    auto_cursor *cursor = NULL;
    rc = env_code(mdb_cursor_open(txn, env->dbi[0], &cursor));
    MDB_val k = env_val(prefix.p, prefix.len), v;
    for (MDB_cursor_op op = MDB_SET_RANGE; rc == 0; op = MDB_NEXT) {
        rc = env_code(mdb_cursor_get(cursor, &k, &v, op));
        if (rc || !str_starts(env_str(k), prefix)) {
            return rc == ERR_NOT_FOUND ? 0 : rc;
        }
        rc = visit(ctx, str_slice(env_str(k), prefix.len, k.mv_size), env_str(v));
    }
    return rc;
}
