/*
 * Stores that earlier versions wrote: format 1 (blocks of one cohort, the log in an LMDB environment of its own).
 *
 * Blocks are rewritten a group at a time, each in a transaction of its own, so that a kill -9 on the way is harmless:
 * the next start goes on. Records of the old log go into the head as if they had just been replayed; the caller flushes
 * and then lets the old log go. Bytes of format 1: FORMAT.md, "Format 1".
 */
#pragma once
#include "storage/metrics.h"

/* Blocks of format 1 to format 2, then the version. Nothing to do in a store that is not of format 1. */
int upgrade_blocks(struct env *metrics, struct damage *damage, struct error *err) MUST_USE;

struct upgrade_visitor {
    void *ctx;
    int (*record)(void *ctx, uint64_t seq);
    int (*series)(void *ctx, uint64_t id, uint32_t cohort, unsigned slot, struct labels labels);
    int (*sample)(void *ctx, uint64_t id, int64_t t_ms, double value);
};
bool upgrade_has_log(const char *data_dir);
/* Every record of a log of format 1, in order. */
int upgrade_read_log(const char *data_dir, const struct upgrade_visitor *visitor, struct damage *damage,
                     struct error *err) MUST_USE;
void upgrade_remove_log(const char *data_dir);
