/*
 * store_backup(): the log first, then the environments.
 *
 * Whatever goes from the log into blocks between the two copies is in both; the start-up of the copy sees which records
 * are in blocks and leaves them out. The other order would miss it.
 */
#include "src/base/mem.h"
#include "storage/store_internal.h"
#include "storage/wal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

struct backup {
    struct store *store;
    char dir[PATH_MAX]; /* until it is complete */
    store_progress_fn progress;
    void *ctx;
    uint64_t done_bytes, all_bytes;
};

static int sync_path(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int rc = fd < 0 || fsync(fd) ? -errno : 0;
    if (fd >= 0) {
        close(fd);
    }
    return rc;
}

static int copy_environment(const struct backup *b, const struct env *env, struct error *err)
{
    char path[PATH_MAX + 32];
    snprintf(path, sizeof(path), "%s/%s", b->dir, env->spec->folder);
    int rc = mkdir(path, 0700) ? -errno : env_copy(env, path);
    if (rc == 0) {
        snprintf(path, sizeof(path), "%s/%s/data.mdb", b->dir, env->spec->folder);
        rc = sync_path(path);
    }
    return rc ? error_set(err, rc, "%s cannot be written: %s", path, error_text(rc)) : 0;
}

static bool tell(struct backup *b, uint64_t bytes)
{
    b->done_bytes += bytes;
    return !b->progress || b->progress(b->ctx, b->done_bytes, b->all_bytes);
}

static int copy_all(struct backup *b, struct error *err)
{
    struct wal_figures wal;
    wal_get_figures(b->store->wal, &wal);
    b->all_bytes = wal.bytes;
    for (int i = 0; i < ENV_COUNT; i++) {
        b->all_bytes += env_disk_bytes(&b->store->envs[i]);
    }
    int rc = wal_commit(b->store->wal); /* what was appended before is in the copy */
    rc = rc ? error_set(err, rc, "the write-ahead log cannot be written: %s", error_text(rc))
            : wal_copy(b->store->wal, b->dir, err);
    bool go_on = rc == 0 && tell(b, wal.bytes);
    for (int i = 0; go_on && rc == 0 && i < ENV_COUNT; i++) {
        rc = copy_environment(b, &b->store->envs[i], err);
        go_on = tell(b, env_disk_bytes(&b->store->envs[i]));
    }
    return rc ? rc : go_on ? sync_path(b->dir) : error_set(err, ERR_CANCELLED, "the backup was ended half-way");
}

/* What an attempt that failed leaves. */
static void remove_all(const struct backup *b)
{
    wal_file_remove_copy(b->dir);
    for (int i = 0; i < ENV_COUNT; i++) {
        char path[PATH_MAX + 32];
        snprintf(path, sizeof(path), "%s/%s/data.mdb", b->dir, b->store->envs[i].spec->folder);
        (void)unlink(path);
        snprintf(path, sizeof(path), "%s/%s", b->dir, b->store->envs[i].spec->folder);
        (void)rmdir(path);
    }
    (void)rmdir(b->dir);
}

int store_backup(struct store *store, const char *target, store_progress_fn progress, void *ctx, struct error *err)
{
    struct backup b = {.store = store, .progress = progress, .ctx = ctx};
    struct stat st;
    if (stat(target, &st) == 0) {
        return error_set(err, -EEXIST, "%s is there already: a backup goes into a folder of its own, name a new one",
                         target);
    }
    if (snprintf(b.dir, sizeof(b.dir), "%s.part", target) >= (int)sizeof(b.dir)) {
        return error_set(err, -ENAMETOOLONG, "the name of the backup's folder is too long");
    }
    if (mkdir(b.dir, 0700)) {
        int rc = -errno;
        return error_set(err, rc, "%s cannot be made: %s", b.dir, error_text(rc));
    }
    int rc = copy_all(&b, err);
    if (rc == 0 && rename(b.dir, target)) {
        rc = -errno;
        error_set(err, rc, "%s cannot be renamed to %s: %s", b.dir, target, error_text(rc));
    }
    if (rc) {
        remove_all(&b);
    }
    return rc;
}
