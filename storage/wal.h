/*
 * The write-ahead log: what is in the head and not yet in blocks, in files of its own.
 *
 * A record is a frame around a payload (wal_record.h): length, sequence number, checksums. Records are appended to the
 * current segment, wal/<first sequence number>.wal; a new one begins after 8 MiB; segments whose records are all in
 * blocks are deleted. Files instead of an LMDB environment, because a commit is then one write() of a few kilobytes
 * instead of four pages and a flush of the disk (ARCHITECTURE.md has the figures), and because room that is not needed
 * any more goes back to the file system.
 *
 * Committed means handed to the kernel: kill -9 loses nothing of it. The log's thread tells the disk within SYNC_MS
 * (fdatasync), so power loss costs at most that much of the newest, and never what lies before: a torn record is known
 * by its checksum. With sync_always the disk is told before a commit is reported.
 *
 * Group commit: records wait in memory; whoever commits writes all that wait, for everybody. When the disk is full or
 * fails, the half-written frame is cut off, records stay in memory and are tried again by the log's thread (100 ms to
 * 5 s) and by whoever commits.
 *
 * Threads: push, commit and the figures from any thread; done callbacks run on the thread that happened to commit, with
 * no lock held.
 */
#pragma once
#include "src/base/error.h"
#include "storage/store.h"
#include "storage/wal_file.h"

struct wal;

/* Finds the segments; writes nothing before the first record. queue_bytes: 0 is 64 MiB. */
int wal_open(const char *data_dir, bool sync_always, size_t queue_bytes, struct wal **out, struct error *err) MUST_USE;
/* Every record that is whole, by ascending number of segment and place; damaged ones are noted and passed over. What
 * stands at the end of a segment and is not a whole frame was never acknowledged. known_seq: numbers up to it are known
 * to have been given out, and may be missing. Before wal_start(). */
int wal_replay(struct wal *wal, uint64_t known_seq, wal_visit_fn visit, void *ctx, struct damage *damage) MUST_USE;
/* The thread. */
int wal_start(struct wal *wal, struct error *err) MUST_USE;
/* Commits what waits, syncs, ends the thread. */
void wal_stop(struct wal *wal);
void wal_free(struct wal *wal);

bool wal_has_room(struct wal *wal, size_t bytes);
/* Copies the payload; ascending seq, the caller sees to it. payload.len == 0: only the callback, after all before it.
 * wake: nobody is going to commit, the thread shall. */
void wal_push(struct wal *wal, uint64_t seq, struct str payload, bool wake, store_done_fn done, void *ctx);
/* Commits at least everything pushed before. 0, ERR_FULL, -errno: what waits stays and will be tried again. */
int wal_commit(struct wal *wal) MUST_USE;
/* Records below seq are needed no more. */
void wal_keep_from(struct wal *wal, uint64_t seq);
/* false: the last commit failed; *failure says why. */
bool wal_is_healthy(struct wal *wal, struct error *failure);

struct wal_figures {
    uint64_t bytes, segments; /* on disk */
    size_t queue_bytes;       /* waiting for a commit */
    int64_t oldest_ms;        /* wall clock: when the oldest segment was begun; 0: none */
};
void wal_get_figures(struct wal *wal, struct wal_figures *out);
/* Copies every segment, as far as it is committed, into dir/wal, while the log goes on. Segments are kept meanwhile. */
int wal_copy(struct wal *wal, const char *dir, struct error *err) MUST_USE;
