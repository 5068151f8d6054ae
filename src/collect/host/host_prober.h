/*
 * statfs(2) that never waits for ever.
 *
 * statfs on a dead NFS or FUSE mount sleeps in the kernel and cannot be cancelled. So a helper thread calls it; when
 * that does not answer in time, the thread is left behind with its path, which counts as stuck until the kernel lets
 * go, and a new helper serves the other paths. A dead mount costs one sleeping thread and harms no figure but its own.
 *
 * Threads: one at a time uses a prober (the host collector's worker job); the helpers are inside.
 * Errors: -errno of statfs; ERR_TIMEOUT for a path that is stuck.
 */
#pragma once
#include "src/base/error.h"

#include <stdint.h>

#define HOST_STUCK_MAX 16 /* threads left behind; beyond that every path counts as stuck */

struct host_fs {
    double size, free, avail; /* bytes */
    double files, files_free;
};

/* 0 or -errno. Tests give one of their own; NULL is statfs. */
typedef int (*host_statfs_fn)(const char *path, struct host_fs *out);

struct host_prober;
struct host_prober *host_prober_new(host_statfs_fn statfs_fn);
void host_prober_free(struct host_prober *prober); /* does not wait: helpers left behind end by themselves */
/* Waits at most wait_ms; a path already known as stuck answers at once. */
int host_prober_ask(struct host_prober *prober, const char *path, int64_t wait_ms, struct host_fs *out) MUST_USE;
