/*
 * The store: opening, appending, closing. LMDB environments below one data directory; every byte is in
 * storage/FORMAT.md.
 *
 * Threads: one writer thread, owned by the store, holds the only LMDB write transactions. Appends from any thread are
 * copied into its bounded queue; it takes everything waiting, commits it as one group, then calls those who wait for
 * durability. Readers: storage/read.h, storage/task.h, storage/state.h. Acknowledged (callback with 0, or store_sync()
 * returned 0) is committed: kill -9 loses nothing of it.
 *
 * Errors: ERR_BUSY another process has the directory (flock on data/lock, the text says its pid); ERR_VERSION a newer
 * format; -EACCES etc. with what to do. Disk full while running: commits fail with ERR_FULL, the data stays in memory
 * (bounded) and is tried again; reads go on; store_status() says so.
 */
#pragma once
#include "src/base/error.h"
#include "src/model/sink.h"

struct store;

struct store_options {
    const char *dir;           /* created with mode 0700 if absent (one level) */
    int64_t retention_ms;      /* samples older than this go; 0: never. Samples older than this are refused, too */
    int64_t task_retention_ms; /* 0: never */
    bool sync_always;          /* sync the meta page with every commit, too */
    size_t map_bytes;          /* 0: 64 GiB reserved address space per environment */
    size_t queue_bytes;        /* 0: 64 MiB */
};

int store_open(const struct store_options *options, struct store **out, struct error *err) MUST_USE;
/* Commits what is queued, ends the writer. All snapshots must be closed. */
void store_close(struct store *store);

/* done runs on the writer thread after the commit; rc 0 or why not. May be NULL. */
typedef void (*store_done_fn)(void *ctx, int rc);
/* 0, or ERR_FULL (nothing taken). Bad samples are left out and counted (SELF_SAMPLES_REJECTED). Readers see the samples
 * once this has returned 0. */
int store_append(struct store *store, const struct batch *batch, store_done_fn done, void *ctx) MUST_USE;
int store_append_tasks(struct store *store, const struct task_event *events, size_t n, store_done_fn done,
                       void *ctx) MUST_USE;
/* Waits until everything appended before is committed. Not on the loop thread. */
int store_sync(struct store *store, int timeout_ms) MUST_USE;
struct sink store_sink(struct store *store); /* append without callbacks */

struct store_status {
    bool writable;        /* false: the last commit failed */
    struct error failure; /* why */
    uint64_t series, samples_in_head;
    int64_t oldest_ms, newest_ms; /* 0: empty */
    uint64_t disk_bytes;
    uint64_t queue_bytes;
};
void store_get_status(struct store *store, struct store_status *out);
