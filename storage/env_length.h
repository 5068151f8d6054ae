/*
 * Whether data.mdb has the pages that its newest commit counts on. LMDB reads through a map: a page beyond the end of
 * the file would end the process by SIGBUS, at the start or much later.
 *
 * A file may rightly end before the last page that was given out: LMDB does not write pages that one transaction both
 * took and gave back. Those are in its list of free pages, so a short file is whole when every page that it lacks is
 * there. The list is read with pread(), not by LMDB, which would run into what is missing.
 * Source: mdb.c of LMDB 0.9 (MDB_meta, MDB_page, MDB_node); the format of that line is frozen.
 */
#pragma once
#include "src/base/error.h"

/* Before mdb_env_open(); path is the folder's. ERR_CORRUPT: the file was cut; the text says what to do. 0 also where
 * there is no file or none of LMDB's: that is mdb_env_open()'s to say. */
int env_check_length(const char *path, struct error *err) MUST_USE;
