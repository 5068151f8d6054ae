/*
 * Reads the host: files of /proc and /sys to the parsers of host_proc.h, file systems through the prober, and what
 * system calls say. Blocks shortly; for a worker thread.
 *
 * A file that is missing or cannot be read gives no series: kernels and containers differ. Files are read up to
 * HOST_FILE_MAX bytes.
 */
#pragma once
#include "src/collect/host/host_prober.h"
#include "src/model/sample.h"

#define HOST_FILE_MAX   (4u << 20)
#define HOST_MOUNTS_MAX 256

struct host_paths {
    struct str proc, sys, rootfs; /* "/proc" "/sys" "/" */
};

/* Everything. wait_ms: for all file systems that do not answer, together. ERR_NOT_FOUND when /proc is not there. */
int host_read(const struct host_paths *paths, struct host_prober *prober, int64_t wait_ms, struct batch *batch,
              struct error *err) MUST_USE;
