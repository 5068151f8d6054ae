/*
 * The databases of the tasks environment, their keys, and the upkeep of the secondary ones.
 *
 * Words (task names, workers, queues, exception classes) get a small number once and for all; the index holds one
 * sorted list of task ids per (kind, number), as LMDB duplicates of eight bytes. Segments of 1,024 ids keep the least
 * and greatest time of first sight of their tasks: filters by time and retention skip by them.
 *
 * Threads: struct task_index belongs to the writer thread; the functions that take only a transaction, to anyone.
 */
#pragma once
#include "src/base/arena.h"
#include "storage/env.h"
#include "storage/task_record.h"

enum task_dbi {
    TASK_DBI_TASKS,    /* id -> record; MDB_INTEGERKEY */
    TASK_DBI_UUIDS,    /* uuid key -> id */
    TASK_DBI_WORDS,    /* kind, text -> struct task_word_value */
    TASK_DBI_INDEX,    /* kind, number (4, big-endian) -> ids; DUPSORT of integers */
    TASK_DBI_LINKS,    /* 'p' or 'r', uuid key of parent or root -> ids; the same */
    TASK_DBI_FAILURES, /* failed_ms (8, big-endian), id (8, big-endian) -> struct task_failure_value */
    TASK_DBI_SEGMENTS, /* id / 1024 -> struct task_segment; MDB_INTEGERKEY */
    TASK_DBI_COUNTERS, /* "next_id", "next_word" -> 8 bytes */
    TASK_DBI_COUNT
};

enum task_word_kind {
    TASK_WORD_NAME = 'n',
    TASK_WORD_WORKER = 'w',
    TASK_WORD_QUEUE = 'q',
    TASK_WORD_EXCEPTION = 'x',
    TASK_WORD_STATE = 's', /* number = enum task_state; has no entry in words */
};
#define TASK_WORD_MAX 480 /* longer texts are indexed by their beginning; the record decides */

struct task_word_value {
    uint64_t count; /* tasks that bear it */
    uint32_t number, unused;
};
struct task_failure_value {
    uint32_t name, exception; /* numbers of words; 0: none */
};
struct task_segment {
    int64_t min_ms, max_ms; /* of first sight; bounds, not exact after changes */
    uint64_t count;
};
#define TASK_SEGMENT_IDS 1024u

/* 'u' and 16 bytes for a canonical UUID, 't' and the text for any other id. Returns the length. */
#define TASK_UUID_KEY_MAX 256
size_t task_uuid_key(struct str uuid, uint8_t out[TASK_UUID_KEY_MAX]);
#define TASK_LINK_KEY_MAX (TASK_UUID_KEY_MAX + 1)
size_t task_link_key(char kind, struct str uuid, uint8_t out[TASK_LINK_KEY_MAX]);
#define TASK_INDEX_KEY 5
void task_index_key(enum task_word_kind kind, uint32_t number, uint8_t out[TASK_INDEX_KEY]);
/* Number of a word, or ERR_NOT_FOUND. */
int task_word_find(const struct env *env, MDB_txn *txn, enum task_word_kind kind, struct str text,
                   uint32_t *number) MUST_USE;
/* Id of a uuid, or ERR_NOT_FOUND. */
int task_id_find(const struct env *env, MDB_txn *txn, struct str uuid, uint64_t *id) MUST_USE;

/* What the secondary databases say of a task: compared before and after a change. */
struct task_facts {
    bool present; /* false: the task is not there */
    enum task_state state;
    uint32_t name, worker, queue, exception; /* numbers of words; 0: none */
    int64_t failed_ms;                       /* 0 unless the state is FAILURE */
    struct str parent, root;                 /* empty if none or the task itself */
    int64_t first_ms;
};

struct task_index;
struct task_index *task_index_new(const struct env *env);
void task_index_free(struct task_index *index);
/* Forgets what was read or changed in memory since the last commit. */
void task_index_reset(struct task_index *index);
/* Begins a transaction's work. */
int task_index_begin(struct task_index *index, MDB_txn *txn) MUST_USE;
uint64_t task_index_next_id(struct task_index *index);
/* Facts of a record; words that are new get a number when add is true. */
int task_index_facts(struct task_index *index, MDB_txn *txn, const struct task *task, bool add,
                     struct task_facts *out) MUST_USE;
/* Moves the entries of task id from `old` to `now`. */
int task_index_change(struct task_index *index, MDB_txn *txn, uint64_t id, const struct task_facts *old,
                      const struct task_facts *now) MUST_USE;
/* After a scan of a whole segment: the least time of those still there. */
int task_index_set_segment_min(struct task_index *index, MDB_txn *txn, uint64_t segment_no, int64_t min_ms) MUST_USE;
/* Writes counters, counts of words, and the segment at hand. */
int task_index_end(struct task_index *index, MDB_txn *txn) MUST_USE;
