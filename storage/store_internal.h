/*
 * What the files of storage/ share of an open store. Nobody outside includes it.
 *
 * Each part has `X_env_spec` (its databases), X_part_open(), which builds its state after its environment is open and
 * fills the writer's hooks, and X_part_close(), called after the writer thread has ended, before the environment is
 * closed; the state hangs in struct store.
 */
#pragma once
#include "storage/env.h"
#include "storage/store.h"
#include "storage/writer.h"

struct metrics;      /* metrics.c: head, WAL and blocks */
struct task_history; /* task.c */
struct wal;          /* wal.c */

struct store {
    struct store_options options; /* dir is our copy */
    int lock_fd;
    struct env envs[ENV_COUNT];
    struct writer *writer;
    struct wal *wal;
    struct metrics *metrics;
    struct task_history *tasks;
};

/* task.c; store_append_tasks() is there, too. part->env is filled in already. */
extern const struct env_spec task_env_spec;
int task_part_open(struct store *store, struct writer_part *part, struct error *err) MUST_USE;
void task_part_close(struct store *store); /* harmless if task_part_open() failed or was not called */

/* metrics.c; store->wal is open */
extern const struct env_spec metrics_env_spec;
int metrics_part_open(struct store *store, struct writer_part *part, struct error *err) MUST_USE;
void metrics_part_close(struct store *store);

/* state.c */
extern const struct env_spec state_env_spec;
int state_part_open(struct store *store, struct writer_part *part, struct error *err) MUST_USE;
