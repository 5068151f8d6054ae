/* /metrics: cloche's own figures in text exposition format 0.0.4, with the process figures of client libraries. */
#include "src/base/counter.h"
#include "src/base/number.h"
#include "web/api/api.h"
#include "web/api/endpoints.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

static void add_value(struct buf *out, const char *name, double value)
{
    char text[NUMBER_MAX];
    size_t n = number_format_g(value, text);
    buf_addf(out, "%s %.*s\n", name, (int)n, text);
}

static void add_metric(struct buf *out, const char *name, const char *type, const char *help, double value)
{
    buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
    add_value(out, name, value);
}

static void add_histogram(struct buf *out, enum self_histogram_id id)
{
    const struct self_info *info = self_histogram_info(id);
    struct self_histogram h;
    self_histogram_get(id, &h);
    buf_addf(out, "# HELP %s %s\n# TYPE %s histogram\n", info->name, info->help, info->name);
    for (int i = 0; i <= SELF_BUCKETS; i++) {
        char le[NUMBER_MAX] = "+Inf";
        size_t n = i < SELF_BUCKETS ? number_format((double)self_bucket_us[i] / 1e6, le) : 4;
        buf_addf(out, "%s_bucket{le=\"%.*s\"} %lld\n", info->name, (int)n, le, (long long)h.cumulative[i]);
    }
    buf_addf(out, "%s_sum %.6f\n%s_count %lld\n", info->name, (double)h.sum_us / 1e6, info->name,
             (long long)h.cumulative[SELF_BUCKETS]);
}

static double cpu_seconds(void)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage)) {
        return 0;
    }
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* Pages of address space and of memory. */
static void memory_pages(unsigned long *virtual_pages, unsigned long *resident_pages)
{
    *virtual_pages = *resident_pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (f) {
        if (fscanf(f, "%lu %lu", virtual_pages, resident_pages) != 2) {
            *virtual_pages = *resident_pages = 0;
        }
        (void)fclose(f);
    }
}

static int count_entries(const char *path)
{
    DIR *dir = opendir(path);
    int n = 0;
    while (dir && readdir(dir)) {
        n++;
    }
    if (dir) {
        closedir(dir);
    }
    return n > 2 ? n - 2 : 0; /* without . and .. */
}

static void add_process(struct buf *out, const struct api_context *api)
{
    unsigned long virtual_pages, resident_pages;
    memory_pages(&virtual_pages, &resident_pages);
    double page = (double)sysconf(_SC_PAGESIZE);
    struct rlimit limit = {0};
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    add_metric(out, "process_cpu_seconds_total", "counter", "Total user and system CPU time spent in seconds.",
               cpu_seconds());
    add_metric(out, "process_open_fds", "gauge", "Number of open file descriptors.", count_entries("/proc/self/fd"));
    add_metric(out, "process_max_fds", "gauge", "Maximum number of open file descriptors.", (double)limit.rlim_cur);
    add_metric(out, "process_virtual_memory_bytes", "gauge", "Virtual memory size in bytes.",
               (double)virtual_pages * page);
    add_metric(out, "process_resident_memory_bytes", "gauge", "Resident memory size in bytes.",
               (double)resident_pages * page);
    add_metric(out, "process_threads", "gauge", "Number of threads.", count_entries("/proc/self/task"));
    add_metric(out, "process_start_time_seconds", "gauge", "Start time of the process since unix epoch in seconds.",
               (double)api->start_wall_ms / 1000);
}

void metrics_page(struct http_request *r, void *ctx)
{
    const struct api_context *api = ctx;
    auto_buf out;
    buf_init(&out, 1u << 20);
    buf_addf(&out,
             "# HELP cloche_build_info Version of cloche.\n# TYPE cloche_build_info gauge\n"
             "cloche_build_info{version=\"%s\",revision=\"%s\"} 1\n",
             api->version, api->revision);
    for (int id = 0; id < SELF_COUNT; id++) {
        const struct self_info *info = self_info((enum self_id)id);
        add_metric(&out, info->name, info->type, info->help, (double)self_get((enum self_id)id));
    }
    for (int id = 0; id < SELF_HISTOGRAM_COUNT; id++) {
        add_histogram(&out, (enum self_histogram_id)id);
    }
    add_process(&out, api);
    http_respond(r, 200, "text/plain; version=0.0.4; charset=utf-8", buf_str(&out));
}
