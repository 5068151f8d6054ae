#include "storage/env.h"

#include "src/base/mem.h"
#include "storage/env_length.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#define FORMAT_KEY  "format"
#define MIN_MAP     ((size_t)64 << 20)
#define DEFAULT_MAP ((size_t)64 << 30)
#define LOCKS_SIZE  ((off_t)ENV_READERS * 64 + 4096) /* of lock.mdb: a cache line per reader, and its head */

/* Closing an environment under somebody's transaction would unmap what it reads. */
struct env_gate {
    pthread_mutex_t lock;
    size_t inside;
    char *path;
    unsigned flags;
    size_t map_bytes;
    bool grow; /* the map is full: open with a larger one */
};

int env_code(int mdb_rc)
{
    switch (mdb_rc) {
    case MDB_SUCCESS:
        return 0;
    case MDB_NOTFOUND:
        return ERR_NOT_FOUND;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
        return ERR_CORRUPT;
    case MDB_VERSION_MISMATCH:
        return ERR_VERSION;
    /* LMDB reports a short write, which is how a full disk looks, as EIO; reads are page faults and never EIO. */
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EIO:
        return ERR_FULL;
    case MDB_MAP_FULL:
        return ERR_MAP_FULL;
    case MDB_READERS_FULL:
    case MDB_TXN_FULL:
    case MDB_DBS_FULL:
    case MDB_BAD_VALSIZE:
        return ERR_LIMIT;
    case MDB_PANIC:
        return -EIO;
    default:
        return mdb_rc > 0 ? -mdb_rc : -EINVAL;
    }
}

bool env_code_is_transient(int code)
{
    return code == ERR_FULL || code == ERR_MAP_FULL || code == -EIO || code == -EROFS || code == -ENOMEM ||
           code == -EAGAIN;
}

static int open_error(struct error *err, int rc, const char *path)
{
    int code = env_code(rc);
    if (rc == EACCES || rc == EPERM || rc == EROFS) {
        return error_set(err, code, "%s is not writable: give cloche's user the right, or choose another --data", path);
    }
    if (code == ERR_CORRUPT || code == ERR_VERSION) {
        return error_set(err, code, "%s/data.mdb is not a database of this kind: restore it or move it away", path);
    }
    if (code == ERR_FULL) {
        return error_set(err, code, "%s: no space left (%s): free some and start again", path, mdb_strerror(rc));
    }
    return error_set(err, code, "%s cannot be opened: %s", path, mdb_strerror(rc));
}

static int make_folder(const char *path, struct error *err)
{
    if (mkdir(path, 0700) == 0 || errno == EEXIST) {
        return 0;
    }
    int rc = errno;
    return open_error(err, rc, path);
}

/* LMDB writes to lock.mdb through a map: on a full disk a page that has no place there yet would end the process by
 * SIGBUS. Only while it is closed: closing a descriptor of it drops LMDB's locks. */
static int allocate_locks(const char *path)
{
    char name[PATH_MAX];
    if (snprintf(name, sizeof(name), "%s/lock.mdb", path) >= (int)sizeof(name)) {
        return ENAMETOOLONG;
    }
    int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return errno;
    }
    int rc = posix_fallocate(fd, 0, LOCKS_SIZE);
    close(fd);
    return rc == ENOSPC || rc == EDQUOT ? rc : 0; /* where it is not possible LMDB does without */
}

/* One try with one map size. LMDB wants a fresh handle after a failed open. */
static int try_open(MDB_env **out, const char *path, unsigned flags, size_t map_bytes)
{
    MDB_env *mdb = NULL;
    int rc = mdb_env_create(&mdb);
    if (rc) {
        return rc;
    }
    rc = mdb_env_set_maxdbs(mdb, ENV_DBI_MAX + 1);
    rc = rc ? rc : mdb_env_set_maxreaders(mdb, ENV_READERS);
    rc = rc ? rc : mdb_env_set_mapsize(mdb, map_bytes);
    rc = rc ? rc : mdb_env_open(mdb, path, flags, 0600);
    if (rc) {
        mdb_env_close(mdb);
        return rc;
    }
    *out = mdb;
    return 0;
}

static int check_version(struct env *env, MDB_txn *txn, const char *path, struct error *err)
{
    MDB_val key = env_val(FORMAT_KEY, strlen(FORMAT_KEY)), val;
    int rc = mdb_get(txn, env->meta, &key, &val);
    uint8_t bytes[4];
    if (rc == MDB_NOTFOUND) {
        env_put_be(bytes, env->spec->version, sizeof(bytes));
        val = env_val(bytes, sizeof(bytes));
        rc = mdb_put(txn, env->meta, &key, &val, 0);
        env->found_version = env->spec->version;
        return rc ? open_error(err, rc, path) : 0;
    }
    if (rc) {
        return open_error(err, rc, path);
    }
    if (val.mv_size != sizeof(bytes)) {
        return error_set(err, ERR_CORRUPT, "%s: its format record is damaged: restore it or move it away", path);
    }
    uint32_t version = (uint32_t)env_get_be(val.mv_data, sizeof(bytes));
    if (version > env->spec->version) {
        return error_set(err, ERR_VERSION,
                         "%s was written by a newer cloche (format %u, this one knows %u): install that version, or "
                         "choose another --data",
                         path, version, env->spec->version);
    }
    env->found_version = version;
    return 0;
}

int env_set_version(struct env *env)
{
    uint8_t bytes[4];
    env_put_be(bytes, env->spec->version, sizeof(bytes));
    MDB_val key = env_val(FORMAT_KEY, strlen(FORMAT_KEY)), val = env_val(bytes, sizeof(bytes));
    MDB_txn *txn = NULL;
    int rc = env_write(env, &txn);
    if (rc) {
        return rc;
    }
    rc = env_code(mdb_put(txn, env->meta, &key, &val, 0));
    if (rc) {
        mdb_txn_abort(txn);
        return rc;
    }
    rc = env_code(mdb_txn_commit(txn));
    env->found_version = rc ? env->found_version : env->spec->version;
    return rc ? rc : env_sync(env);
}

/* The version is judged before any other database is touched. */
static int open_databases(struct env *env, const char *path, struct error *err)
{
    MDB_txn *txn = NULL;
    int rc = mdb_txn_begin(env->mdb, NULL, 0, &txn);
    if (rc) {
        return open_error(err, rc, path);
    }
    rc = mdb_dbi_open(txn, "meta", MDB_CREATE, &env->meta);
    if (rc) {
        mdb_txn_abort(txn);
        return open_error(err, rc, path);
    }
    int code = check_version(env, txn, path, err);
    for (size_t i = 0; code == 0 && i < env->spec->dbi_count; i++) {
        rc = mdb_dbi_open(txn, env->spec->dbis[i].name, env->spec->dbis[i].flags | MDB_CREATE, &env->dbi[i]);
        code = rc ? open_error(err, rc, path) : 0;
    }
    if (code) {
        mdb_txn_abort(txn);
        return code;
    }
    rc = mdb_txn_commit(txn);
    return rc ? open_error(err, rc, path) : 0;
}

/* The file and its databases, into a zeroed env with a gate. */
static int open_mdb(struct env *env, struct error *err)
{
    struct env_gate *gate = env->gate;
    int code = env_check_length(gate->path, err);
    if (code) {
        return code;
    }
    int rc = allocate_locks(gate->path);
    rc = rc ? rc : try_open(&env->mdb, gate->path, gate->flags, gate->map_bytes);
    while (rc == ENOMEM && gate->map_bytes / 2 >= MIN_MAP) {
        gate->map_bytes /= 2; /* ulimit -v, or a kernel without overcommitted address space */
        rc = try_open(&env->mdb, gate->path, gate->flags, gate->map_bytes);
    }
    if (rc) {
        return open_error(err, rc, gate->path);
    }
    (void)mdb_env_set_userctx(env->mdb, gate);
    int dead = 0;
    (void)mdb_reader_check(env->mdb, &dead); /* slots of killed processes would pin pages for ever */
    rc = open_databases(env, gate->path, err);
    if (rc) {
        mdb_env_close(env->mdb);
        env->mdb = NULL;
    }
    return rc;
}

int env_open(struct env *env, const struct env_spec *spec, const char *dir, size_t map_bytes, bool sync_always,
             struct error *err)
{
    *env = (struct env){.spec = spec};
    char path[PATH_MAX];
    if (snprintf(path, sizeof(path), "%s/%s", dir, spec->folder) >= (int)sizeof(path)) {
        return error_set(err, -ENAMETOOLONG, "the data directory's name is too long");
    }
    int rc = make_folder(path, err);
    if (rc) {
        return rc;
    }
    env->gate = mem_zalloc(sizeof(*env->gate));
    pthread_mutex_init(&env->gate->lock, NULL);
    env->gate->path = mem_strdup(path);
    env->gate->flags = MDB_NOTLS | (sync_always ? 0 : MDB_NOMETASYNC) | (spec->read_ahead ? 0 : MDB_NORDAHEAD);
    env->gate->map_bytes = map_bytes ? map_bytes : DEFAULT_MAP;
    rc = open_mdb(env, err);
    if (rc) {
        env_close(env);
    }
    return rc;
}

void env_close(struct env *env)
{
    if (env->mdb) {
        mdb_env_close(env->mdb);
        env->mdb = NULL;
    }
    if (env->gate) {
        pthread_mutex_destroy(&env->gate->lock);
        mem_free(env->gate->path);
        mem_free(env->gate);
        env->gate = NULL;
    }
}

/* The environment while one is inside; NULL while it is opened anew. leave() when not NULL. */
static MDB_env *enter(const struct env *env)
{
    pthread_mutex_lock(&env->gate->lock);
    MDB_env *mdb = env->mdb;
    env->gate->inside += mdb != NULL;
    pthread_mutex_unlock(&env->gate->lock);
    return mdb;
}

static void leave(struct env_gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    gate->inside--;
    pthread_mutex_unlock(&gate->lock);
}

/* The writer thread's: what nobody is inside of is closed and opened. */
static int reopen(struct env *env)
{
    struct env_gate *gate = env->gate;
    pthread_mutex_lock(&gate->lock);
    bool busy = gate->inside > 0;
    MDB_env *old = busy ? NULL : steal(env->mdb);
    pthread_mutex_unlock(&gate->lock);
    if (busy) {
        return gate->grow ? ERR_MAP_FULL : -EIO;
    }
    gate->map_bytes *= gate->grow ? 2 : 1;
    gate->grow = false;
    if (old) {
        mdb_env_close(old);
    }
    struct env fresh = {.spec = env->spec, .gate = gate};
    struct error err;
    int rc = open_mdb(&fresh, &err);
    if (rc) {
        return env_code_is_transient(rc) ? rc : -EIO; /* the disk may come back: keep the jobs */
    }
    pthread_mutex_lock(&gate->lock);
    env->mdb = fresh.mdb;
    env->meta = fresh.meta;
    memcpy(env->dbi, fresh.dbi, sizeof(env->dbi));
    pthread_mutex_unlock(&gate->lock);
    return 0;
}

uint64_t env_disk_bytes(const struct env *env)
{
    mdb_filehandle_t fd;
    struct stat st;
    uint64_t bytes = 0;
    MDB_env *mdb = enter(env);
    if (mdb && mdb_env_get_fd(mdb, &fd) == 0 && fstat(fd, &st) == 0) {
        bytes = (uint64_t)st.st_blocks * 512;
    }
    if (mdb) {
        leave(env->gate);
    }
    return bytes;
}

int env_sync(const struct env *env)
{
    MDB_env *mdb = enter(env);
    if (!mdb) {
        return -EIO;
    }
    int rc = env_code(mdb_env_sync(mdb, 1));
    leave(env->gate);
    return rc;
}

int env_copy(const struct env *env, const char *path)
{
    MDB_env *mdb = enter(env);
    if (!mdb) {
        return -EIO;
    }
    int rc = env_code(mdb_env_copy2(mdb, path, MDB_CP_COMPACT));
    leave(env->gate);
    return rc;
}

int env_read(const struct env *env, MDB_txn **out)
{
    MDB_env *mdb = enter(env);
    if (!mdb) {
        return -EIO;
    }
    int rc = env_code(mdb_txn_begin(mdb, NULL, MDB_RDONLY, out));
    if (rc) {
        leave(env->gate);
    }
    return rc;
}

void env_read_end(MDB_txn *txn)
{
    if (txn) {
        struct env_gate *gate = mdb_env_get_userctx(mdb_txn_env(txn));
        mdb_txn_abort(txn);
        leave(gate);
    }
}

void env_grow(struct env *env)
{
    env->gate->grow = true;
}

int env_write(struct env *env, MDB_txn **out)
{
    int rc = env->mdb && !env->gate->grow ? mdb_txn_begin(env->mdb, NULL, 0, out) : MDB_PANIC;
    if (rc == MDB_PANIC) {
        rc = reopen(env);
        return rc ? rc : env_code(mdb_txn_begin(env->mdb, NULL, 0, out));
    }
    return env_code(rc);
}
