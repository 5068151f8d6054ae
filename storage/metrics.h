/*
 * The inside of the metrics part: what append.c, load.c, flush.c, retain.c, family.c and read.c share.
 *
 * Order of locks: append_lock, lock, snapshot_lock.
 *   append_lock    held by whoever changes the head or the index: appenders, freezing, sweeping. Holding it alone, one
 *                  may read everything under `lock`.
 *   lock           for writing: the moments in which head and index change; for reading: readers. Never held across
 *                  disk access other than page faults of the reader's own map.
 *   snapshot_lock  the list of open snapshots.
 *
 * Sample's way: store_append() or store_write() finds or makes the series, puts the samples as rows into the open
 * window and a record into the log. The upkeep thread (upkeep.c) seals full pieces, freezes windows whose time has
 * passed, writes their blocks through the writer thread, and after the commit lets go of their memory and of the log's
 * records that are needed no more.
 */
#pragma once
#include "storage/changes.h"
#include "storage/damage.h"
#include "storage/disk.h"
#include "storage/head.h"
#include "storage/kv.h"
#include "storage/store_internal.h"
#include "storage/wal.h"

#include <pthread.h>

/* Databases of the metrics environment, in the order of metrics_env_spec. */
enum { DBI_SERIES, DBI_BLOCKS, DBI_FLUSHED, DBI_FAMILIES, DBI_TIERS };

#define FUTURE_MS     ((int64_t)3600 * 1000)    /* samples further ahead of the clock are refused */
#define FLUSH_WAIT_MS ((int64_t)10 * 60 * 1000) /* a window stays open so long after its end */
#define IDLE_MS       ((int64_t)2 * 1000)       /* a window that is over and has good columns waits so long for more */
#define LATE_IDLE_MS  ((int64_t)60 * 1000)      /* and any other that is over so long */
#define WINDOWS_MAX   4096  /* open at once: a sender of wild times must not cost memory without end */
#define GROUPS_MAX    10000 /* scrape groups that are remembered */
/* Bytes of full pieces: beyond, they are sealed although snapshots are older; beyond twice that appends are refused. */
#define UNSEALED_MAX  ((uint64_t)256 << 20)

struct snapshot;
struct group;    /* append.c */
struct intake;   /* append.c */
struct families; /* family.c */

/* A series removed from the index, or a cohort without series; freed when no snapshot is open that may hold it. */
struct retired {
    struct retired *next;
    struct series *series;
    struct cohort *cohort;
    uint64_t tag;
};

/* Counters that survive a restart: key "counters" of the metrics environment's meta database. */
struct counters {
    uint64_t next_id, next_block, wal_seq;
    uint32_t next_cohort;
    uint64_t wal_keep_from; /* records of the log below it are in blocks */
};

struct metrics {
    struct store *store;
    pthread_mutex_t append_lock;
    pthread_rwlock_t lock;
    struct index *index;
    struct intake *intake; /* memory of the append that runs */
    uint64_t wire_seed;    /* random: hashes of senders' bytes are compared without the bytes */
    struct group *groups;
    struct families *families;
    struct window *windows;
    size_t open_windows; /* not frozen */
    struct retired *retired;
    vec(struct cohort *) cohorts; /* by number; NULL: not there */
    struct counters counters;
    uint32_t seq;
    uint64_t samples_in_head;
    vec(struct strip *) full; /* strips with a full piece, in the order in which they filled up, from full_first on */
    size_t full_first;
    uint64_t full_bytes;
    int64_t newest_ms; /* of all samples ever seen; INT64_MIN: none */
    struct changes changes;
    struct disk disk; /* windows with blocks */
    struct damage *damage;
    uint64_t wal_keep_from; /* records below are not needed; atomic */
    struct disk tick_gone;  /* writer thread: windows that the transaction deletes */
    bool has_old_log;       /* of format 1; goes once its samples are in blocks */

    pthread_mutex_t snapshot_lock;
    struct snapshot *snapshots, **snapshots_tail; /* ascending numbers */
    uint64_t next_snapshot;

    pthread_t upkeep;
    pthread_mutex_t upkeep_lock;
    pthread_cond_t upkeep_wake;
    bool upkeep_started, upkeep_stop, blocks_deleted;
    int flush_failure;          /* of the last flush, 0: none; atomic */
    pthread_mutex_t flush_lock; /* one flush at a time: upkeep and metrics_flush() of others */
};

/* metrics.c */
void metrics_lock_all(struct metrics *m); /* append_lock, and lock for writing */
void metrics_unlock_all(struct metrics *m);
int metrics_apply(void *ctx, MDB_txn *txn, struct writer_job **jobs, size_t n);
void metrics_status(struct metrics *m, struct store_status *out); /* its own fields */
/* Series of a group of cohorts that may have samples in [from, to], by slot of the group, else NULL. They live as long
 * as flush_lock is held. */
void group_series(struct metrics *m, uint32_t group, int64_t from_ms, int64_t to_ms, const struct series *out[]);

/* append.c */
struct intake *intake_new(void);
void intake_free(struct intake *intake);
void groups_forget(struct metrics *m); /* append_lock is held */
/* append_lock and lock are held for writing. The run's values begin at values + run->at. */
void head_insert(struct metrics *m, const struct run *run, const double *values, uint64_t wal_seq);

/* load.c */
#define COUNTERS_SIZE 36
#define COUNTERS_KEY  STR("counters")
int metrics_load(struct metrics *m, struct error *err) MUST_USE;
void counters_encode(const struct counters *counters, uint8_t out[COUNTERS_SIZE]);
void series_put(struct kv_job *job, const struct series *series);
struct cohort *cohort_get(struct metrics *m, uint32_t number);   /* made if absent */
void cohort_place(struct cohort *cohort, struct series *series); /* in series->slot */

/* upkeep.c */
int upkeep_start(struct metrics *m, struct error *err) MUST_USE;
void upkeep_ask_stop(struct metrics *m);
void upkeep_join(struct metrics *m);
void metrics_release_retired(struct metrics *m); /* what no snapshot needs any more */

/* flush.c. The lowest record of the log that holds samples of a window (other than this one, which may be NULL) that is
 * not in blocks yet; append_lock is held. */
uint64_t first_needed_wal(const struct metrics *m, const struct window *but);
/* Windows that are due become blocks; all: freeze every window, whatever the time. */
int metrics_flush(struct metrics *m, bool all) MUST_USE;

/* seal.c: full pieces become blocks in memory. flush_lock is held. True when some are left that a snapshot holds back.
 */
bool metrics_seal(struct metrics *m);
void seal_forget(struct metrics *m, const struct window *window); /* both locks are held: its strips are not sealed */

/* retain.c */
int metrics_tick(void *ctx, MDB_txn *txn, int64_t now_ms);
void metrics_committed(void *ctx, struct writer_job **jobs, size_t n);
void metrics_aborted(void *ctx);
void metrics_sweep(struct metrics *m); /* series without data leave */

/* family.c */
struct families *families_new(void);
void families_free(struct families *families);
int families_load(struct metrics *m, MDB_txn *txn) MUST_USE;
/* append_lock is held. Takes what is new or changed; queues it for the disk. */
void families_update(struct metrics *m, const struct metric_family *v, size_t n);

/* read.c */
uint32_t snapshots_safe_seq(struct metrics *m); /* appends up to it are visible to every open snapshot */
uint64_t snapshots_oldest(struct metrics *m);   /* number; UINT64_MAX: none is open */
uint64_t snapshots_tag(struct metrics *m);      /* numbers from now on are not lower */
void snapshots_note_figures(struct metrics *m);
/* Appends the points of one window of a coarser tier; damage is noted and left out. */
int snapshot_read_window(struct snapshot *snapshot, const struct series *series, enum tier tier, int64_t window_ms,
                         struct point_columns *out) MUST_USE;
/* The samples of one two-hour window that are in blocks; settled. */
int snapshot_read_raw_window(struct snapshot *snapshot, const struct series *series, int64_t window_ms,
                             struct sample_columns *out) MUST_USE;
/* Lets the job delete every block of a group in a window. */
int snapshot_delete_blocks(struct snapshot *snapshot, enum tier tier, int64_t window_ms, uint32_t group,
                           struct kv_job *job) MUST_USE;
/* Times that readers ask for, so that windows and buckets around them do not overflow. */
static inline int64_t read_clamp(int64_t t_ms)
{
    const int64_t far = (int64_t)1 << 60;
    return t_ms < -far ? -far : t_ms > far ? far : t_ms;
}
struct metrics *snapshot_metrics(struct snapshot *snapshot);
const struct series *snapshot_series(struct snapshot *snapshot, series_id id); /* NULL: not there */
int64_t snapshot_head_oldest_ms(struct snapshot *snapshot);                    /* start of a window; INT64_MAX: empty */
bool snapshot_head_overlaps(struct snapshot *snapshot, int64_t start_ms, int64_t end_ms); /* (start, end] */
const struct disk *snapshot_disk(const struct snapshot *snapshot);                        /* as of its opening */
