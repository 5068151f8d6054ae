#include "src/collect/self/self_process.h"

#include "src/base/number.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

/* Numbers of fields of /proc/<pid>/stat, as proc(5) counts them from 1. */
enum { STAT_UTIME = 14, STAT_STIME = 15, STAT_THREADS = 20, STAT_START = 22, STAT_VSIZE = 23, STAT_RSS = 24 };

bool self_stat_parse(struct str text, struct self_stat *out)
{
    size_t end = text.len;
    while (end && text.p[end - 1] != ')') {
        end--;
    }
    struct str rest = str_trim(str_slice(text, end, text.len));
    double field[STAT_RSS + 1] = {0};
    int i = 3; /* field 3, the state, is a letter */
    while (end && i <= STAT_RSS && rest.len) {
        struct str word = str_split(&rest, ' ');
        if (i > 3 && !number_parse(word, &field[i])) {
            return false;
        }
        i++;
    }
    if (i <= STAT_RSS) {
        return false;
    }
    *out = (struct self_stat){.cpu_ticks = field[STAT_UTIME] + field[STAT_STIME],
                              .start_ticks = field[STAT_START],
                              .virtual_bytes = field[STAT_VSIZE],
                              .resident_pages = field[STAT_RSS],
                              .threads = field[STAT_THREADS]};
    return true;
}

static struct str read_small(const char *path, char *room, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return STR("");
    }
    ssize_t n = read(fd, room, size);
    close(fd);
    return str_make(room, n > 0 ? (size_t)n : 0);
}

/* When the system started, Unix time: /proc/stat has it far behind a long line of interrupts. */
static double boot_time(void)
{
    char line[256];
    double t = 0;
    FILE *f = fopen("/proc/stat", "re");
    while (f && fgets(line, sizeof(line), f)) {
        struct str s = str_of(line);
        if (str_starts(s, STR("btime ")) && number_parse(str_trim(str_slice(s, 6, s.len)), &t)) {
            break;
        }
    }
    if (f) {
        fclose(f);
    }
    return t;
}

/* Without the one that reads; negative if it cannot be told. */
static double open_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    double n = -1;
    if (!dir) {
        return n;
    }
    for (struct dirent *entry; (entry = readdir(dir));) {
        n += entry->d_name[0] != '.';
    }
    closedir(dir);
    return n;
}

static void add(struct batch *batch, struct str name, enum metric_type type, struct str help, double v)
{
    batch_family(batch, name, type, help);
    batch_add(batch, name, NULL, 0, v);
}

void self_process_read(struct batch *batch)
{
    char room[1024];
    struct self_stat stat;
    struct rlimit limit;
    if (self_stat_parse(read_small("/proc/self/stat", room, sizeof(room)), &stat)) {
        double hertz = (double)sysconf(_SC_CLK_TCK), page = (double)sysconf(_SC_PAGESIZE);
        add(batch, STR("process_cpu_seconds_total"), METRIC_COUNTER, STR("CPU time used."), stat.cpu_ticks / hertz);
        add(batch, STR("process_resident_memory_bytes"), METRIC_GAUGE, STR("Memory in use."),
            stat.resident_pages * page);
        add(batch, STR("process_virtual_memory_bytes"), METRIC_GAUGE, STR("Address space in use."), stat.virtual_bytes);
        add(batch, STR("process_threads"), METRIC_GAUGE, STR("Threads."), stat.threads);
        double boot = boot_time();
        if (boot > 0) {
            add(batch, STR("process_start_time_seconds"), METRIC_GAUGE, STR("When the process started, Unix time."),
                boot + stat.start_ticks / hertz);
        }
    }
    double fds = open_fds();
    if (fds >= 0) {
        add(batch, STR("process_open_fds"), METRIC_GAUGE, STR("Open file descriptors."), fds);
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        add(batch, STR("process_max_fds"), METRIC_GAUGE, STR("Open file descriptors allowed."), (double)limit.rlim_cur);
    }
}
