/*
 * The store: opening, appending, closing. LMDB environments below one data directory; every byte is in
 * storage/FORMAT.md.
 *
 * Threads: one writer thread, owned by the store, holds the only LMDB write transactions; samples go into a write-ahead
 * log first (storage/wal.h), which whoever waits for durability writes for all that wait. Appends come from any thread.
 * Readers: storage/read.h, storage/task.h, storage/state.h. Acknowledged (callback with 0, or store_sync() returned 0)
 * is committed: kill -9 loses nothing of it.
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
    const char *dir;      /* created with mode 0700 if absent (one level) */
    int64_t retention_ms; /* samples older than this go; 0: never. Samples older than this are refused, too */
    int64_t retention_5m_ms, retention_1h_ms; /* of the tiers; one that is not longer than the finer one is not made */
    uint64_t retention_bytes;                 /* samples beyond this size go, oldest first; 0: no limit */
    int64_t out_of_order_ms;   /* a series' samples may come so much later than the newest of all; 0: any time */
    int64_t task_retention_ms; /* 0: never */
    bool sync_always;          /* sync the meta page with every commit, too */
    size_t map_bytes;          /* 0: 64 GiB reserved address space per environment */
    size_t queue_bytes;        /* 0: 64 MiB */
};

int store_open(const struct store_options *options, struct store **out, struct error *err) MUST_USE;
/* Commits what is queued, ends the writer. All snapshots must be closed. */
void store_close(struct store *store);

/* done runs after the commit, on the thread that made it; rc 0 or why not. May be NULL. */
typedef void (*store_done_fn)(void *ctx, int rc);
/* 0, or ERR_FULL (nothing taken). Bad samples are left out and counted (SELF_SAMPLES_REJECTED). Readers see the samples
 * once this has returned 0. */
int store_append(struct store *store, const struct batch *batch, store_done_fn done, void *ctx) MUST_USE;
/*
 * What a remote-write sender brings, on its way without copies: the store finds a series it has seen before by the
 * bytes that name it (`key`) and asks for labels only where it does not know them. One request is one WAL record.
 */
struct write_request {
    struct str group; /* requests of one kind of sender; as batch.group */
    const struct write_series *series;
    size_t series_count;
    const struct write_sample *samples;
    size_t sample_count;
    /* Sorted labels of series[i], in the arena or borrowed from the request; called only where key is not known. A
     * negative code refuses the series, err says why. */
    int (*labels)(void *ctx, size_t i, struct arena *arena, struct labels *out, struct error *err);
    void *ctx;
    const struct metric_family *families;
    size_t family_count;
    bool any_order; /* out_of_order_ms does not hold */
};
struct write_result {
    size_t samples, rejected_samples, rejected_series;
    struct error first; /* why the first series was refused; its text names it */
};
/* Takes every series of the request whole or not at all, and returns when what was taken is committed and visible to
 * snapshots: 0, even if series were refused (*out says so). ERR_FULL, -errno: the queue or the disk is full: try again
 * later, nothing was acknowledged. ERR_LIMIT: too many samples for one request. Not on the loop thread. */
int store_write(struct store *store, const struct write_request *request, struct write_result *out) MUST_USE;
/* As store_append() for samples of any order, and tells what was refused: the text of the first names the series. */
int store_import(struct store *store, const struct batch *batch, struct write_result *out) MUST_USE;
int store_append_tasks(struct store *store, const struct task_event *events, size_t n, store_done_fn done,
                       void *ctx) MUST_USE;
/* Waits until everything appended before is committed. Not on the loop thread. */
int store_sync(struct store *store, int timeout_ms) MUST_USE;
struct sink store_sink(struct store *store); /* append without callbacks */

/* -- what an administrator asks for; not on the loop thread -- */

/* Everything in memory goes into blocks, and the log becomes empty. */
int store_flush(struct store *store) MUST_USE;
/* Deletes the samples of matching series with from <= t <= to for good, and the series that have none left; points of
 * coarser tiers that are made of raw samples are made anew, older ones go where their bucket ends in the range. Returns
 * when it is done; a kill -9 on the way leaves a part undeleted: ask again. *series: how many matched. */
struct matcher;
int store_delete_series(struct store *store, const struct matcher *matchers, size_t n, int64_t from_ms, int64_t to_ms,
                        size_t *series, struct error *err) MUST_USE;
/* A copy of the whole store as of one moment while it runs on, compacted, in a new folder that can be used as a data
 * directory. It appears under its name when it is complete. progress may be NULL; false ends the copy. */
typedef bool (*store_progress_fn)(void *ctx, uint64_t done_bytes, uint64_t all_bytes);
int store_backup(struct store *store, const char *target, store_progress_fn progress, void *ctx,
                 struct error *err) MUST_USE;

struct store_status {
    bool writable;        /* false: the last commit failed */
    struct error failure; /* why */
    uint64_t series, samples_in_head, head_pieces;
    int64_t oldest_ms, newest_ms; /* 0: empty */
    uint64_t disk_bytes;
    uint64_t queue_bytes;
    uint64_t damage_count; /* texts of damage since the start */
};
void store_get_status(struct store *store, struct store_status *out);
/* Damage that was met since the start: true and text number i, from 0, "" when it is not kept any more (the newest 16
 * are); false when there are not so many yet. Any thread. */
#define STORE_DAMAGE_TEXT 200
bool store_damage(struct store *store, uint64_t i, char out[STORE_DAMAGE_TEXT]);
