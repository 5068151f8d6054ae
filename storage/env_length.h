/*
 * Whether data.mdb has the pages that its newest commit counts on. LMDB reads through a map: a page beyond the end of
 * the file would end the process by SIGBUS, at the start or much later.
 */
#pragma once
#include "src/base/error.h"

#include <lmdb.h>

/* Right after mdb_env_open(); path is the folder's. ERR_CORRUPT: the file was cut; the text says what to do. */
int env_check_length(MDB_env *mdb, const char *path, struct error *err) MUST_USE;
