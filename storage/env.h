/*
 * One LMDB environment: a folder below the data directory, its databases, its format version.
 *
 * What an environment holds is a table (struct env_spec). Every environment has one more database, "meta", whose key
 * "format" holds the version; a newer one is refused, as is a folder of another kind.
 *
 * Flags are NOTLS | NOMETASYNC (sync_always: without NOMETASYNC), never WRITEMAP, never NOSYNC: power loss undoes at
 * most the last commit and never damages the file.
 *
 * When the write of a meta page fails, LMDB gives up the environment: every later transaction is MDB_PANIC. The next
 * env_write() then opens it anew, as soon as nobody reads from it (until then reads that begin are -EIO). Nothing
 * committed is lost; what the failed commit held comes again with its jobs.
 *
 * Threads: env_open/env_close by the opener; read transactions from any thread; write transactions only on the writer
 * thread (storage/writer.h), which hands them to the parts.
 * Errors:  0, -errno or error.def; LMDB's own codes are translated by env_code().
 */
#pragma once
#include "src/base/error.h"
#include "src/base/str.h"

#include <lmdb.h>

enum env_id { ENV_METRICS, ENV_TASKS, ENV_STATE, ENV_COUNT };

#define ENV_DBI_MAX 16
#define ENV_READERS 512

struct env_dbi {
    const char *name;
    unsigned flags; /* MDB_INTEGERKEY, MDB_DUPSORT, ...; MDB_CREATE is added */
};
struct env_spec {
    const char *folder; /* "tasks" */
    uint32_t version;   /* of the format written; older ones are the part's to read or upgrade */
    bool read_ahead;    /* false: MDB_NORDAHEAD, for random reads of a large file */
    size_t dbi_count;
    struct env_dbi dbis[ENV_DBI_MAX];
};
struct env_gate; /* who is inside */
struct env {
    const struct env_spec *spec;
    uint32_t found_version; /* of the format, as it was opened */
    struct env_gate *gate;
    MDB_env *mdb; /* NULL while it is opened anew */
    MDB_dbi meta;
    MDB_dbi dbi[ENV_DBI_MAX]; /* in the order of spec->dbis */
};

/* Creates folder, databases and version record where absent, clears the reader slots of dead processes. The map starts
 * at map_bytes and is halved while the address space does not allow it, down to 64 MiB. ERR_VERSION, ERR_CORRUPT, ...
 * with text. */
int env_open(struct env *env, const struct env_spec *spec, const char *dir, size_t map_bytes, bool sync_always,
             struct error *err) MUST_USE;
void env_close(struct env *env); /* harmless on a zeroed one */
/* What is in it has been brought to spec->version. */
int env_set_version(struct env *env) MUST_USE;

/* LMDB's result to ours: MDB_NOTFOUND is ERR_NOT_FOUND; damage is ERR_CORRUPT; disk full is ERR_FULL; errno as
 * -errno. */
int env_code(int mdb_rc) MUST_USE;
/* The write may succeed when space returns or the device recovers: keep the data, try again. */
bool env_code_is_transient(int code);
/* Bytes the file takes on disk. */
uint64_t env_disk_bytes(const struct env *env);
/* Syncs file and meta page; any thread. */
int env_sync(const struct env *env) MUST_USE;

/* A compacted copy as path/data.mdb while it is used; any thread. */
int env_copy(const struct env *env, const char *path) MUST_USE;

/* A read transaction: end it with env_read_end(). Codes are ours. */
int env_read(const struct env *env, MDB_txn **out) MUST_USE;
void env_read_end(MDB_txn *txn); /* NULL is fine */
/* A write transaction, for the writer thread: end it with mdb_txn_commit() or mdb_txn_abort(). Opens the environment
 * anew when LMDB has given it up; -EIO: not yet possible, try again. */
int env_write(struct env *env, MDB_txn **out) MUST_USE;
/* After ERR_MAP_FULL: the next env_write() opens it with a map of twice the size, as soon as nobody reads (until then
 * ERR_MAP_FULL). */
void env_grow(struct env *env);
static inline void env_read_end_indirect(MDB_txn **txn)
{
    env_read_end(*txn);
}
#define auto_txn __attribute__((cleanup(env_read_end_indirect))) MDB_txn
static inline void env_cursor_close_indirect(MDB_cursor **cursor)
{
    if (*cursor) {
        mdb_cursor_close(*cursor);
    }
}
/* Declare after its auto_txn: closed first. */
#define auto_cursor __attribute__((cleanup(env_cursor_close_indirect))) MDB_cursor

static inline MDB_val env_val(const void *p, size_t n)
{
    union {
        const void *in;
        void *out;
    } cast = {.in = p}; /* LMDB never writes through a key or value given to it */
    return (MDB_val){.mv_size = n, .mv_data = cast.out};
}
static inline struct str env_str(MDB_val val)
{
    return (struct str){val.mv_data, val.mv_size};
}

/* Big-endian integers of keys: memcmp order is numeric order. */
static inline void env_put_be(uint8_t *p, uint64_t value, unsigned bytes)
{
    for (unsigned i = bytes; i-- > 0; value >>= 8) {
        p[i] = (uint8_t)value;
    }
}
static inline uint64_t env_get_be(const uint8_t *p, unsigned bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++) {
        value = value << 8 | p[i];
    }
    return value;
}
