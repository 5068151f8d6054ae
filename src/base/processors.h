/*
 * How many processors this process may keep busy: those that it is bound to, or fewer where its control group limits
 * its time, as `cpus:` of docker-compose and CPUQuota= of systemd do. Threads beyond that would only use up the time of
 * the period sooner, and then all of them stand still, those that take samples in included.
 *
 * Source: cpu.max of cgroup v2, "QUOTA PERIOD" in microseconds or "max PERIOD" (Documentation/admin-guide/cgroup-v2.rst
 * of the kernel), of the process' own group and of those above it. Version 1 is not looked at.
 */
#pragma once

/* At least 1. Looked up once; any thread. */
unsigned processors_usable(void);

/* The least limit of the group that `self` (/proc/self/cgroup) names, below `mount` (/sys/fs/cgroup), rounded down but
 * at least 1. 0: there is none, or nothing can be read. */
unsigned processors_of_group(const char *self, const char *mount);
