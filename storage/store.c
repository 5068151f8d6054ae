#include "storage/store.h"

#include "src/base/mem.h"
#include "storage/metrics.h"
#include "storage/upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct env_spec *const specs[ENV_COUNT] = {
    [ENV_METRICS] = &metrics_env_spec, [ENV_TASKS] = &task_env_spec, [ENV_STATE] = &state_env_spec};

static int directory_error(struct error *err, int code, const char *dir)
{
    const char *hint = code == -EACCES || code == -EPERM || code == -EROFS
                           ? "give cloche's user the right to write there, or choose another --data"
                       : code == -ENOENT  ? "its parent folder does not exist: make it, or choose another --data"
                       : code == -ENOTDIR ? "it is not a folder: choose another --data"
                       : code == -ENOSPC || code == -EDQUOT ? "the disk is full: free some space"
                                                            : "choose another --data";
    return error_set(err, code, "data directory %s: %s; %s", dir, error_text(code), hint);
}

static int make_directory(const char *dir, struct error *err)
{
    struct stat st;
    if (mkdir(dir, 0700) && errno != EEXIST) {
        return directory_error(err, -errno, dir);
    }
    if (stat(dir, &st)) {
        return directory_error(err, -errno, dir);
    }
    return S_ISDIR(st.st_mode) ? 0 : directory_error(err, -ENOTDIR, dir);
}

static int busy_error(int fd, const char *dir, struct error *err)
{
    char pid[24] = {0};
    ssize_t n = pread(fd, pid, sizeof(pid) - 1, 0);
    struct str who = n > 0 ? str_trim(str_make(pid, (size_t)n)) : STR("unknown");
    return error_set(err, ERR_BUSY,
                     "data directory %s is in use by process " STR_FMT ": stop that one, or choose another --data", dir,
                     STR_ARG(who));
}

/* The lock lives as long as the descriptor: a killed process leaves none behind. */
static int lock_directory(struct store *store, struct error *err)
{
    char path[PATH_MAX], pid[24];
    const char *dir = store->options.dir;
    if (snprintf(path, sizeof(path), "%s/lock", dir) >= (int)sizeof(path)) {
        return error_set(err, -ENAMETOOLONG, "the data directory's name is too long");
    }
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return directory_error(err, -errno, dir);
    }
    if (flock(fd, LOCK_EX | LOCK_NB)) {
        int rc = errno == EWOULDBLOCK ? busy_error(fd, dir, err) : directory_error(err, -errno, dir);
        close(fd);
        return rc;
    }
    int n = snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
    if (ftruncate(fd, 0) || pwrite(fd, pid, (size_t)n, 0) != n) {
        int rc = directory_error(err, errno ? -errno : -EIO, dir);
        close(fd);
        return rc;
    }
    store->lock_fd = fd;
    return 0;
}

static int open_environments(struct store *store, struct error *err)
{
    const struct store_options *o = &store->options;
    for (int i = 0; i < ENV_COUNT; i++) {
        int rc = env_open(&store->envs[i], specs[i], o->dir, o->map_bytes, o->sync_always, err);
        if (rc) {
            return rc;
        }
    }
    return 0;
}

static int drop_old_log(struct store *store, struct error *err)
{
    int rc = metrics_flush(store->metrics, true);
    if (rc) {
        return error_set(err, rc, "%s: the log of an earlier version cannot be written to blocks: %s",
                         store->options.dir, error_text(rc));
    }
    upgrade_remove_log(store->options.dir);
    return 0;
}

static int start_parts(struct store *store, struct error *err)
{
    struct writer_part parts[ENV_COUNT] = {0};
    for (int i = 0; i < ENV_COUNT; i++) {
        parts[i].env = &store->envs[i];
    }
    int rc = metrics_part_open(store, &parts[ENV_METRICS], err);
    rc = rc ? rc : task_part_open(store, &parts[ENV_TASKS], err);
    rc = rc ? rc : state_part_open(store, &parts[ENV_STATE], err);
    for (int i = 0; rc == 0 && i < ENV_COUNT; i++) {
        writer_set_part(store->writer, i, &parts[i]);
    }
    rc = rc ? rc : writer_start(store->writer, err);
    rc = rc ? rc : wal_start(store->wal, err);
    rc = rc || !store->metrics->has_old_log ? rc : drop_old_log(store, err);
    return rc ? rc : upkeep_start(store->metrics, err);
}

int store_open(const struct store_options *options, struct store **out, struct error *err)
{
    struct store *store = mem_zalloc(sizeof(*store));
    store->options = *options;
    store->options.dir = mem_strdup(options->dir);
    store->lock_fd = -1;
    store->writer = writer_new(options->queue_bytes);
    int rc = make_directory(options->dir, err);
    rc = rc ? rc : lock_directory(store, err);
    rc = rc ? rc : open_environments(store, err);
    rc = rc ? rc : wal_open(options->dir, options->sync_always, options->queue_bytes, &store->wal, err);
    rc = rc ? rc : start_parts(store, err);
    if (rc) {
        store_close(store);
        return rc;
    }
    *out = store;
    return 0;
}

/* The upkeep thread may be waiting for the writer: the writer ends first. */
void store_close(struct store *store)
{
    if (!store) {
        return;
    }
    if (store->metrics) {
        upkeep_ask_stop(store->metrics);
    }
    wal_stop(store->wal);
    writer_stop(store->writer);
    if (store->metrics) {
        upkeep_join(store->metrics);
    }
    metrics_part_close(store);
    task_part_close(store);
    for (int i = 0; i < ENV_COUNT; i++) {
        env_close(&store->envs[i]);
    }
    writer_free(store->writer);
    wal_free(store->wal);
    if (store->lock_fd >= 0) {
        close(store->lock_fd);
    }
    mem_free((char *)(uintptr_t)store->options.dir);
    mem_free(store);
}

int store_sync(struct store *store, int timeout_ms)
{
    int rc = wal_commit(store->wal);
    return rc ? rc : writer_sync(store->writer, timeout_ms);
}

void store_get_status(struct store *store, struct store_status *out)
{
    *out = (struct store_status){0};
    struct wal_figures wal;
    wal_get_figures(store->wal, &wal);
    out->writable = writer_is_healthy(store->writer, &out->failure) && wal_is_healthy(store->wal, &out->failure);
    out->queue_bytes = writer_queue_bytes(store->writer) + wal.queue_bytes;
    out->disk_bytes = wal.bytes;
    for (int i = 0; i < ENV_COUNT; i++) {
        out->disk_bytes += env_disk_bytes(&store->envs[i]);
    }
    metrics_status(store->metrics, out);
}

bool store_damage(struct store *store, uint64_t i, char out[STORE_DAMAGE_TEXT])
{
    struct damage *damage = store->metrics->damage;
    if (i >= damage_count(damage)) {
        return false;
    }
    damage_text(damage, i, out);
    return true;
}

static int sink_append(void *ctx, const struct batch *batch)
{
    return store_append(ctx, batch, NULL, NULL);
}

static int sink_tasks(void *ctx, const struct task_event *events, size_t n)
{
    return store_append_tasks(ctx, events, n, NULL, NULL);
}

struct sink store_sink(struct store *store)
{
    return (struct sink){.ctx = store, .append = sink_append, .tasks = sink_tasks};
}
