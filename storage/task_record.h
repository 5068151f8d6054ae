/*
 * The bytes of one task record (FORMAT.md, section "tasks").
 *
 * A version byte and a checksum stand before the fields; the id is the record's key and not in it. Pure: no I/O.
 * Ownership: a decoded task borrows its texts from the bytes.
 */
#pragma once
#include "src/base/buf.h"
#include "src/base/error.h"
#include "src/model/task.h"

#define TASK_RECORD_VERSION   1
#define TASK_RECORD_HEADER    5 /* version, checksum */
#define TASK_TEXT_MAX         (64u << 10)
#define TASK_TRACEBACK_MAX    (256u << 10)
#define TASK_SHORT_TEXT_MAX   4096 /* names, ids, hosts */
#define TASK_RECORD_BYTES_MAX (2u << 20)

/* Replaces what out holds. */
void task_record_encode(const struct task *task, struct buf *out);
/* Every field of *out is written on success. ERR_VERSION, ERR_CORRUPT. */
int task_record_decode(struct str bytes, struct task *out) MUST_USE;
/* Copies the texts of a decoded task into the arena. */
void task_own_texts(struct task *task, struct arena *arena);
/* Puts the header before a body that stands at out->p + TASK_RECORD_HEADER. */
void task_record_seal(struct buf *out);
