#include "src/collect/host/host_proc.h"

#include "src/collect/text.h"

#include <unistd.h>

/* ---- stat ---- */

static const struct str cpu_modes[] = {TEXT("user"),   TEXT("nice"), TEXT("system"),  TEXT("idle"),
                                       TEXT("iowait"), TEXT("irq"),  TEXT("softirq"), TEXT("steal")};
#define CPU_MODES (sizeof(cpu_modes) / sizeof(cpu_modes[0]))

static void add_cpu(struct batch *batch, struct str cpu, struct str columns)
{
    double per_second = (double)sysconf(_SC_CLK_TCK);
    double ticks;
    for (size_t i = 0; i < CPU_MODES && host_number(host_word(&columns), &ticks); i++) {
        const struct label labels[] = {{STR("cpu"), cpu}, {STR("mode"), cpu_modes[i]}};
        host_add(batch, HOST_CPU_SECONDS, labels, 2, ticks / per_second);
    }
    static const struct str guests[] = {TEXT("user"), TEXT("nice")};
    for (size_t i = 0; i < 2 && host_number(host_word(&columns), &ticks); i++) {
        const struct label labels[] = {{STR("cpu"), cpu}, {STR("mode"), guests[i]}};
        host_add(batch, HOST_CPU_GUEST_SECONDS, labels, 2, ticks / per_second);
    }
}

static const struct {
    struct str name;
    enum host_metric metric;
} stat_lines[] = {
    {TEXT("btime"), HOST_BOOT_TIME},
    {TEXT("ctxt"), HOST_CONTEXT_SWITCHES},
    {TEXT("intr"), HOST_INTERRUPTS},
    {TEXT("processes"), HOST_FORKS},
    {TEXT("procs_running"), HOST_PROCS_RUNNING},
    {TEXT("procs_blocked"), HOST_PROCS_BLOCKED},
};

void host_stat(struct str text, struct batch *batch)
{
    struct str line;
    size_t cpus = 0;
    while (host_line(&text, &line)) {
        struct str name = host_word(&line);
        double v;
        if (name.len > 3 && str_starts(name, STR("cpu")) && cpus < HOST_LIST_MAX) {
            cpus++;
            add_cpu(batch, str_slice(name, 3, name.len), line);
            continue;
        }
        for (size_t i = 0; i < sizeof(stat_lines) / sizeof(stat_lines[0]); i++) {
            if (str_eq(name, stat_lines[i].name) && host_number(host_word(&line), &v)) {
                host_add(batch, stat_lines[i].metric, NULL, 0, v);
            }
        }
    }
}

/* ---- small files ---- */

void host_loadavg(struct str text, struct batch *batch)
{
    static const enum host_metric metrics[] = {HOST_LOAD1, HOST_LOAD5, HOST_LOAD15};
    double v;
    for (size_t i = 0; i < 3 && host_number(host_word(&text), &v); i++) {
        host_add(batch, metrics[i], NULL, 0, v);
    }
}

static void add_number(struct str text, struct batch *batch, enum host_metric metric)
{
    double v;
    if (host_number(host_word(&text), &v)) {
        host_add(batch, metric, NULL, 0, v);
    }
}

void host_entropy_available(struct str text, struct batch *batch)
{
    add_number(text, batch, HOST_ENTROPY_AVAILABLE);
}

void host_entropy_pool(struct str text, struct batch *batch)
{
    add_number(text, batch, HOST_ENTROPY_POOL);
}

void host_conntrack_entries(struct str text, struct batch *batch)
{
    add_number(text, batch, HOST_CONNTRACK_ENTRIES);
}

void host_conntrack_limit(struct str text, struct batch *batch)
{
    add_number(text, batch, HOST_CONNTRACK_LIMIT);
}

/* "allocated  unused  maximum" */
void host_file_nr(struct str text, struct batch *batch)
{
    double allocated, unused, maximum;
    if (host_number(host_word(&text), &allocated) && host_number(host_word(&text), &unused) &&
        host_number(host_word(&text), &maximum)) {
        host_add(batch, HOST_FILEFD_ALLOCATED, NULL, 0, allocated);
        host_add(batch, HOST_FILEFD_MAXIMUM, NULL, 0, maximum);
    }
}

/* ---- meminfo, vmstat ---- */

/* "Active(anon):    122868 kB" becomes node_memory_Active_anon_bytes */
void host_meminfo(struct str text, struct batch *batch)
{
    struct str line;
    size_t lines = 0;
    while (host_line(&text, &line) && lines++ < HOST_LIST_MAX) {
        struct str name = host_word(&line);
        double v;
        if (!str_ends(name, STR(":")) || !host_number(host_word(&line), &v)) {
            continue;
        }
        bool kib = str_is(host_word(&line), "kB");
        host_add_named(batch, STR("node_memory_"), name, kib ? STR("_bytes") : STR(""), METRIC_GAUGE,
                       STR("Field of /proc/meminfo."), kib ? v * 1024 : v);
    }
}

static bool vmstat_wanted(struct str name)
{
    return str_is(name, "oom_kill") || str_starts(name, STR("pgpg")) || str_starts(name, STR("pswp")) ||
           (str_starts(name, STR("pg")) && str_find(name, STR("fault")) >= 0);
}

void host_vmstat(struct str text, struct batch *batch)
{
    struct str line;
    size_t lines = 0;
    while (host_line(&text, &line) && lines++ < HOST_LIST_MAX) {
        struct str name = host_word(&line);
        double v;
        if (vmstat_wanted(name) && host_number(host_word(&line), &v)) {
            host_add_named(batch, STR("node_vmstat_"), name, STR(""), METRIC_UNKNOWN, STR("Field of /proc/vmstat."), v);
        }
    }
}

/* ---- per CPU ---- */

/* "cpu0 0 0 0 0 0 0 running_ns waiting_ns timeslices" */
void host_schedstat(struct str text, struct batch *batch)
{
    struct str line;
    size_t cpus = 0;
    while (host_line(&text, &line) && cpus < HOST_LIST_MAX) {
        struct str name = host_word(&line);
        double v[9];
        size_t n = 0;
        if (name.len <= 3 || !str_starts(name, STR("cpu"))) {
            continue;
        }
        while (n < 9 && host_number(host_word(&line), &v[n])) {
            n++;
        }
        if (n == 9) {
            struct str cpu = str_slice(name, 3, name.len);
            cpus++;
            host_add1(batch, HOST_SCHED_RUNNING, STR("cpu"), cpu, v[6] / 1e9);
            host_add1(batch, HOST_SCHED_WAITING, STR("cpu"), cpu, v[7] / 1e9);
            host_add1(batch, HOST_SCHED_TIMESLICES, STR("cpu"), cpu, v[8]);
        }
    }
}

static bool hex_number(struct str word, double *out)
{
    uint64_t v = 0;
    if (word.len == 0 || word.len > 16) {
        return false;
    }
    for (size_t i = 0; i < word.len; i++) {
        char c = word.p[i];
        unsigned digit;
        if (c >= '0' && c <= '9') {
            digit = (unsigned)(c - '0');
        } else if (c >= 'a' && c <= 'f') {
            digit = (unsigned)(c - 'a' + 10);
        } else {
            return false;
        }
        v = v * 16 + digit;
    }
    *out = (double)v;
    return true;
}

/* Hexadecimal columns; the 13th, on newer kernels, is the CPU's number, before that it was the line's. */
void host_softnet(struct str text, struct batch *batch)
{
    static const struct {
        size_t column;
        enum host_metric metric;
    } wanted[] = {{0, HOST_SOFTNET_PROCESSED},
                  {1, HOST_SOFTNET_DROPPED},
                  {2, HOST_SOFTNET_SQUEEZED},
                  {9, HOST_SOFTNET_RPS},
                  {10, HOST_SOFTNET_FLOW_LIMIT}};
    struct str line;
    for (size_t row = 0; row < HOST_LIST_MAX && host_line(&text, &line); row++) {
        double v[13];
        size_t n = 0;
        while (n < 13 && hex_number(host_word(&line), &v[n])) {
            n++;
        }
        char cpu[32];
        int len = snprintf(cpu, sizeof(cpu), "%.0f", n == 13 ? v[12] : (double)row);
        for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
            if (wanted[i].column < n) {
                host_add1(batch, wanted[i].metric, STR("cpu"), str_make(cpu, (size_t)len), v[wanted[i].column]);
            }
        }
    }
}

/* ---- pressure ---- */

/* "some avg10=0.00 avg60=0.00 avg300=0.00 total=58806098", total in microseconds */
static void add_pressure(struct str text, struct batch *batch, struct str kind, enum host_metric metric)
{
    struct str line;
    while (host_line(&text, &line)) {
        if (!str_eq(host_word(&line), kind)) {
            continue;
        }
        for (struct str word; (word = host_word(&line)).len;) {
            double usec;
            if (str_starts(word, STR("total=")) && host_number(str_slice(word, 6, word.len), &usec)) {
                host_add(batch, metric, NULL, 0, usec / 1e6);
                return;
            }
        }
    }
}

void host_pressure_cpu(struct str text, struct batch *batch)
{
    add_pressure(text, batch, STR("some"), HOST_PRESSURE_CPU_WAITING);
}

void host_pressure_io(struct str text, struct batch *batch)
{
    add_pressure(text, batch, STR("some"), HOST_PRESSURE_IO_WAITING);
    add_pressure(text, batch, STR("full"), HOST_PRESSURE_IO_STALLED);
}

void host_pressure_memory(struct str text, struct batch *batch)
{
    add_pressure(text, batch, STR("some"), HOST_PRESSURE_MEMORY_WAITING);
    add_pressure(text, batch, STR("full"), HOST_PRESSURE_MEMORY_STALLED);
}

void host_pressure_irq(struct str text, struct batch *batch)
{
    add_pressure(text, batch, STR("full"), HOST_PRESSURE_IRQ_STALLED);
}
