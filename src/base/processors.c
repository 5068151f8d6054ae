#include "src/base/processors.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH_MAX_BYTES 4096

/* The path of "0::/path". */
static bool read_group(const char *self, char out[PATH_MAX_BYTES])
{
    FILE *f = fopen(self, "re");
    bool found = false;
    while (f && !found && fgets(out, PATH_MAX_BYTES, f)) {
        found = strncmp(out, "0::/", 4) == 0;
    }
    if (f) {
        fclose(f);
    }
    if (found) {
        out[strcspn(out, "\n")] = '\0';
        memmove(out, out + 3, strlen(out + 3) + 1);
    }
    return found;
}

/* 0: no limit. */
static unsigned limit_of(const char *mount, const char *group)
{
    char path[PATH_MAX_BYTES], text[64] = "";
    if (snprintf(path, sizeof(path), "%s%s/cpu.max", mount, group) >= (int)sizeof(path)) {
        return 0;
    }
    FILE *f = fopen(path, "re");
    if (!f) {
        return 0;
    }
    bool any = fgets(text, sizeof(text), f);
    fclose(f);
    char *rest = text;
    unsigned long long quota = any ? strtoull(text, &rest, 10) : 0;
    unsigned long long period = rest == text ? 0 : strtoull(rest, NULL, 10);
    if (quota == 0 || period == 0) {
        return 0;
    }
    return quota / period >= 1 ? (unsigned)(quota / period) : 1;
}

unsigned processors_of_group(const char *self, const char *mount)
{
    char group[PATH_MAX_BYTES];
    unsigned least = 0;
    if (!read_group(self, group)) {
        return 0;
    }
    for (;;) {
        unsigned limit = limit_of(mount, strcmp(group, "/") == 0 ? "" : group);
        least = limit && (least == 0 || limit < least) ? limit : least;
        char *slash = strrchr(group, '/');
        if (!slash || group[1] == '\0') {
            return least;
        }
        slash[slash == group] = '\0'; /* the last step is "/" itself */
    }
}

static unsigned look_up(void)
{
    cpu_set_t ours;
    long bound = sched_getaffinity(0, sizeof(ours), &ours) == 0 ? CPU_COUNT(&ours) : sysconf(_SC_NPROCESSORS_ONLN);
    unsigned n = bound > 1 ? (unsigned)bound : 1, limit = processors_of_group("/proc/self/cgroup", "/sys/fs/cgroup");
    return limit && limit < n ? limit : n;
}

unsigned processors_usable(void)
{
    static atomic_uint known;
    unsigned n = atomic_load_explicit(&known, memory_order_relaxed);
    if (n == 0) {
        n = look_up();
        atomic_store_explicit(&known, n, memory_order_relaxed);
    }
    return n;
}
