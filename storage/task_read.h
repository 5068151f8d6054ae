/* What the reading files of the task history share. Any thread, inside a read transaction. */
#pragma once
#include "storage/store_internal.h"
#include "storage/task.h"
#include "storage/task_index.h"

/* Record of an id, texts copied into the arena. ERR_NOT_FOUND, ERR_CORRUPT (counted). */
int task_read(const struct env *env, MDB_txn *txn, uint64_t id, struct arena *arena, struct task *out) MUST_USE;
