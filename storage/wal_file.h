/*
 * The files of the write-ahead log: names, frames, reading, copying. No threads, no state. Bytes: FORMAT.md.
 */
#pragma once
#include "src/base/buf.h"
#include "src/base/error.h"
#include "storage/damage.h"

#define WAL_FILE_HEAD_SIZE 16
#define WAL_FRAME_SIZE     32 /* around a payload */
#define WAL_PAYLOAD_MAX    ((uint32_t)1 << 30)

struct wal_segment {
    uint64_t first_seq, last_seq; /* last_seq 0: no record, or not read yet */
    uint64_t bytes;
    int64_t begun_ms;
};

char *wal_file_dir(const char *data_dir); /* mem_free() */
/* Ascending by first_seq. *v: mem_free(). */
int wal_file_list(int dir_fd, struct wal_segment **v, size_t *n) MUST_USE;
int wal_file_create(int dir_fd, uint64_t first_seq, int *fd) MUST_USE;
void wal_file_remove(int dir_fd, uint64_t first_seq);
typedef int (*wal_visit_fn)(void *ctx, uint64_t seq, struct str payload); /* non-zero ends the reading */
/* Every whole record; sets segment->last_seq. Damage is noted and passed over. */
int wal_file_read(int dir_fd, struct wal_segment *segment, wal_visit_fn visit, void *ctx,
                  struct damage *damage) MUST_USE;
/* The first `bytes` of each, into dir/wal. */
int wal_file_copy(int dir_fd, const struct wal_segment *v, size_t n, const char *dir, struct error *err) MUST_USE;
void wal_file_remove_copy(const char *dir);
void wal_frame_add(struct buf *out, uint64_t seq, struct str payload);
