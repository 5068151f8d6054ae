/*
 * The head: samples that are not in blocks yet, in memory.
 *
 * Time is cut into windows of two hours. What a series has in one window is a span: a short sorted run of raw samples,
 * sealed into compressed runs as it grows. Runs may overlap when samples come late; what was appended later wins.
 *
 * A window is open until it is frozen for its flush; then it changes no more, and late samples of the same two hours go
 * to a new window object. Frozen spans stay readable until no snapshot is open that was opened before their blocks were
 * committed: a reader finds every sample in the head, in its blocks or in both (the same values, told apart by nobody),
 * never in neither.
 *
 * Every append has a sequence number; a reader leaves out raw samples that are newer than its snapshot. Runs are sealed
 * only when no open snapshot is older than their samples (unless a run has grown very long).
 *
 * Threads: spans change under the metrics' write lock, are read under the read lock; frozen ones need none.
 */
#pragma once
#include "storage/block.h"
#include "storage/series.h"

#define WINDOW_MS ((int64_t)2 * 3600 * 1000)

struct raw_sample {
    double v;
    uint32_t t;   /* ms since the window's start */
    uint32_t seq; /* of the append, modulo 2^32 */
};

/* A compressed run: times, then values. */
struct sealed {
    struct sealed *next;
    uint32_t n, times_size, values_size, first_seq;
    char bytes[];
};

struct window;
struct span {
    struct span *next;           /* of the series: older windows, and older spans of the same */
    struct span *next_in_window; /* in no order */
    struct series *series;
    struct window *window;
    struct sealed *sealed, **sealed_tail; /* in order of sealing */
    struct raw_sample *raw;
    uint32_t n, cap;
    uint32_t last_seq;
};

struct window {
    struct window *next;
    int64_t start_ms, min_ms, max_ms;
    uint64_t first_wal, last_wal; /* records with its samples; last_wal is set by freezing */
    uint64_t samples;
    struct span *spans;
    int64_t created_ms, touched_ms; /* monotonic */
    bool late;                      /* opened when its time had long passed */
    bool frozen, committed;
    uint64_t retire_tag; /* committed: snapshots with a lower number may still read it */
};

static inline int64_t window_start(int64_t t_ms)
{
    int64_t rest = t_ms % WINDOW_MS;
    return t_ms - (rest < 0 ? rest + WINDOW_MS : rest);
}
/* a is newer than b, in arithmetic modulo 2^32. */
static inline bool seq_newer(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) > 0;
}

/* The span of the series in this (open) window, made if absent. */
struct span *span_of(struct series *series, struct window *window);
/* True if the time was new to the raw run. safe_seq: samples up to it may be sealed. */
bool span_insert(struct span *span, int64_t t_ms, double v, uint32_t seq, uint32_t safe_seq);
/* Appends what the span holds, in order of arrival of its runs, without samples newer than seq. all: everything. */
int span_read(const struct span *span, uint32_t seq, bool all, struct sample_columns *out) MUST_USE;
void span_free(struct span *span);
