#include "storage/env_length.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

/* Pages from first on that are free, or 0 when the list of free pages cannot be read. A list of more than one page is
 * not looked at: a page of it that is missing would be an assertion in LMDB. */
static uint64_t count_free(MDB_env *mdb, uint64_t first)
{
    const MDB_dbi free_pages = 0;
    MDB_txn *txn = NULL;
    MDB_cursor *cursor = NULL;
    MDB_stat stat;
    MDB_val key, value;
    uint64_t count = 0;
    if (mdb_txn_begin(mdb, NULL, MDB_RDONLY, &txn)) {
        return 0;
    }
    int rc = mdb_stat(txn, free_pages, &stat);
    rc = rc ? rc : stat.ms_depth > 1 ? MDB_CORRUPTED : mdb_cursor_open(txn, free_pages, &cursor);
    while (rc == 0 && (rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
        const size_t *pages = value.mv_data; /* how many, then their numbers */
        size_t n = value.mv_size / sizeof(*pages);
        for (size_t i = 1; i < n && i <= pages[0]; i++) {
            count += pages[i] >= first;
        }
    }
    if (cursor) {
        mdb_cursor_close(cursor);
    }
    mdb_txn_abort(txn);
    return rc == MDB_NOTFOUND ? count : 0;
}

/* LMDB does not write pages that one transaction both took and gave back. When they are the last ones, the file ends
 * before them, and nothing is missing: they are in the list of free pages. Until that is known the file gets its whole
 * length, so that the list can be read. */
int env_check_length(MDB_env *mdb, const char *path, struct error *err)
{
    MDB_envinfo info;
    MDB_stat stat;
    struct stat st;
    mdb_filehandle_t fd = -1;
    if (mdb_env_info(mdb, &info) || mdb_env_stat(mdb, &stat) || mdb_env_get_fd(mdb, &fd) || fstat(fd, &st)) {
        return error_set(err, -EIO, "%s/data.mdb cannot be looked at", path);
    }
    uint64_t pages = (uint64_t)info.me_last_pgno + 1, present = (uint64_t)st.st_size / stat.ms_psize;
    if (present >= pages) {
        return 0;
    }
    bool whole = ftruncate(fd, (off_t)(pages * stat.ms_psize)) == 0 && count_free(mdb, present) == pages - present;
    if (whole) {
        return 0;
    }
    (void)!ftruncate(fd, st.st_size);
    return error_set(err, ERR_CORRUPT,
                     "%s/data.mdb has lost its end: it holds %llu bytes of %llu; restore a backup, or move the folder "
                     "away",
                     path, (unsigned long long)st.st_size, (unsigned long long)(pages * stat.ms_psize));
}
