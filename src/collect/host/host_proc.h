/*
 * The texts of /proc to samples: one function a file. Pure: no I/O.
 *
 * Lines and columns that are not understood are skipped, since kernels add new ones; lists are cut at HOST_LIST_MAX
 * entries (CPUs, devices). Threads: none of its own; the host collector calls them on a worker.
 */
#pragma once
#include "src/collect/host/host_metric.h"

#define HOST_LIST_MAX 1024

void host_stat(struct str text, struct batch *batch);         /* /proc/stat */
void host_loadavg(struct str text, struct batch *batch);      /* /proc/loadavg */
void host_meminfo(struct str text, struct batch *batch);      /* /proc/meminfo */
void host_vmstat(struct str text, struct batch *batch);       /* /proc/vmstat */
void host_file_nr(struct str text, struct batch *batch);      /* /proc/sys/fs/file-nr */
void host_schedstat(struct str text, struct batch *batch);    /* /proc/schedstat */
void host_softnet(struct str text, struct batch *batch);      /* /proc/net/softnet_stat */
void host_pressure_cpu(struct str text, struct batch *batch); /* /proc/pressure/... */
void host_pressure_io(struct str text, struct batch *batch);
void host_pressure_memory(struct str text, struct batch *batch);
void host_pressure_irq(struct str text, struct batch *batch);
/* Files with one number. */
void host_entropy_available(struct str text, struct batch *batch);
void host_entropy_pool(struct str text, struct batch *batch);
void host_conntrack_entries(struct str text, struct batch *batch);
void host_conntrack_limit(struct str text, struct batch *batch);

/* host_net.c */
void host_net_dev(struct str text, struct batch *batch);  /* /proc/net/dev */
void host_net_snmp(struct str text, struct batch *batch); /* /proc/net/snmp and /proc/net/netstat */
void host_net_snmp6(struct str text, struct batch *batch);
void host_net_sockstat(struct str text, struct batch *batch); /* and sockstat6 */
void host_net_arp(struct str text, struct batch *batch);

/* host_disk.c */
void host_diskstats(struct str text, struct batch *batch); /* /proc/diskstats */

struct host_mount {
    struct str device, mountpoint, fstype; /* escapes decoded */
    bool readonly;
};
/* The mounts of /proc/1/mounts worth showing: not the kernel's own, not overlays and squashfs, not doubled, at most
 * max. The mount points are the host's: the prefix `rootfs`, under which a container sees them, is cut off. */
size_t host_mounts(struct str text, struct str rootfs, struct arena *arena, struct host_mount *out, size_t max);
