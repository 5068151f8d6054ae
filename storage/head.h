/*
 * The head: samples that are not in blocks yet, in memory.
 *
 * Time is cut into windows of two hours. What a cohort (series.h) has in one window is a strip: rows in order of
 * arrival, a row being the values that some of its series had at one time in one append. A scrape is one row, so an
 * append writes a few hundred bytes in one place, whatever the number of series. Rows gather in pieces; a full piece
 * is sealed, that is, compressed into a block, by the upkeep thread. Times need not ascend, and of two values of a
 * series at one time the one that was appended later wins: readers put samples in order.
 *
 * A window is open until it is frozen for its flush; then it changes no more (but for sealing), and late samples of the
 * same two hours go to a new window object. Frozen strips stay readable until no snapshot is open that was opened
 * before their blocks were committed: a reader finds every sample in the head, in its blocks or in both (the same
 * values, told apart by nobody), never in neither.
 *
 * Every append has a sequence number; a reader leaves out rows that are newer than its snapshot. A sealed piece has
 * forgotten the numbers of its rows, so pieces are sealed when no open snapshot is older than them, or when too much
 * waits (a reader that is open for minutes may then see samples that are younger than itself).
 *
 * Threads: strips change under the metrics' write lock, are read under the read lock. Full pieces are immutable: the
 * upkeep thread reads them without lock and exchanges them under the write lock.
 */
#pragma once
#include "storage/block.h"
#include "storage/series.h"

#define WINDOW_MS     ((int64_t)2 * 3600 * 1000)
#define PRESENT_WORDS (COHORT_SLOTS / 64)

struct row {
    uint32_t t;   /* ms since the window's start */
    uint32_t seq; /* of the append, modulo 2^32 */
    uint32_t at;  /* of its first value */
    uint32_t pad;
    uint64_t present[PRESENT_WORDS]; /* bit s: slot s has a value; values stand by ascending slot */
};

/* Either raw (rows, values) or sealed (block). */
struct piece {
    struct piece *next;
    struct row *rows;
    double *values;
    uint32_t n, cap, values_n, values_cap;
    uint32_t first_seq, last_seq;
    uint32_t first_t, last_t; /* the least and the greatest, as row.t */
    uint32_t samples;
    uint32_t block_size;
    char *block; /* NULL: raw */
};

struct cohort;
struct window;
struct strip {
    struct strip *next;           /* of the cohort: older windows, and older strips of the same */
    struct strip *next_in_window; /* in no order */
    struct cohort *cohort;
    struct window *window;
    struct piece *pieces, *last; /* in order of arrival; the last one is open unless the window is frozen */
    struct piece **unsealed;     /* the link to the first one that is raw */
};

/* At most COHORT_SLOTS series that appeared together; they share strips and blocks. */
struct cohort {
    uint32_t number;
    uint32_t used; /* slots given out, those of removed series included */
    uint32_t live; /* series that are left */
    struct strip *strips;
    struct series *slots[COHORT_SLOTS]; /* NULL: not given out, or removed */
};

struct window {
    struct window *next;
    int64_t start_ms, min_ms, max_ms;
    uint64_t first_wal, last_wal; /* records with its samples; last_wal is set by freezing */
    uint64_t samples, rows;
    struct strip *strips;
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

/* Values of one cohort at one time. */
struct run {
    struct cohort *cohort;
    int64_t t_ms;
    uint64_t present[PRESENT_WORDS];
    uint32_t at, n; /* its values in the array given along */
};

struct strip *strip_of(struct cohort *cohort, struct window *window); /* made if absent */
/* Appends a row. The piece that was full, so that the row began a new one; else NULL. */
const struct piece *strip_add(struct strip *strip, const struct run *run, const double *values, uint32_t seq);
void strip_free(struct strip *strip);
/* Which rows are wanted. Pieces with none of these times are not looked at; of others more may be given. */
struct strip_range {
    int64_t from_ms, to_ms;
    uint32_t seq; /* none that is newer, */
    bool all;     /* unless all are wanted */
};
#define STRIP_ALL    ((struct strip_range){.from_ms = INT64_MIN, .to_ms = INT64_MAX, .all = true})
/* Caches of sealed pieces, by their place in the strip: series of one strip read one after the other decode what they
 * share once. A reader's own; the strips must stay while it is used. */
#define STRIP_CACHES 8
/* Appends what the series in that slot has, in order of arrival. caches: STRIP_CACHES, or NULL. */
int strip_read(const struct strip *strip, unsigned slot, const struct strip_range *range, struct block_cache *caches,
               struct sample_columns *out) MUST_USE;

/* The same samples as a block, one column a slot; the caller exchanges it. Reads an immutable raw piece. */
struct piece *piece_seal(const struct strip *strip, const struct piece *raw, struct block_builder *builder,
                         struct sample_columns *scratch);
void piece_free(struct piece *piece);
size_t piece_bytes(const struct piece *piece); /* memory */
