/* What the store's benches in C share: arguments, folders, what a piece of work took. */
#pragma once
#include "src/base/buf.h"

#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

__attribute__((noreturn, format(printf, 1, 2))) static inline void bench_fail(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
    exit(1);
}

/* Argument i, or what to do without it. */
static inline uint64_t bench_number(int argc, char **argv, int i, uint64_t fallback)
{
    uint64_t value = fallback;
    if (argc > i && (!str_to_uint64(str_of(argv[i]), &value) || value == 0)) {
        bench_fail("argument %d is a number from 1 on, not \"%s\"", i, argv[i]);
    }
    return value;
}

/* Seconds on a clock that goes on while clock_fake() has stopped the store's. */
static inline double bench_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static inline double bench_cpu_seconds(void)
{
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
           (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
}

/* Memory of this process that no file backs. */
static inline double bench_anonymous_mb(void)
{
    FILE *f = fopen("/proc/self/status", "re");
    char line[128];
    double kb = 0;
    while (f && fgets(line, sizeof(line), f)) {
        if (str_starts(str_of(line), STR("RssAnon:"))) {
            kb = strtod(line + strlen("RssAnon:"), NULL);
        }
    }
    if (f) {
        (void)fclose(f);
    }
    return kb / 1024;
}

/* A folder for a store, below $TMPDIR; bench_folder_remove(). */
struct bench_folder {
    char path[256];
};

static inline void bench_folder_make(struct bench_folder *folder)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(folder->path, sizeof(folder->path), "%s/cloche-bench-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(folder->path)) {
        bench_fail("cannot make %s: is TMPDIR a folder with room?", folder->path);
    }
}

static inline int bench_remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static inline void bench_folder_remove(const struct bench_folder *folder)
{
    nftw(folder->path, bench_remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}
