/* Any text to every parser of /proc: each sample is storable and belongs to node_*, mounts keep their promises. */
#include "src/base/thread.h"
#include "src/collect/host/host_proc.h"
#include "src/collect/self/self_process.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef void (*parse_fn)(struct str text, struct batch *batch);
static const parse_fn parsers[] = {
    host_stat,
    host_loadavg,
    host_meminfo,
    host_vmstat,
    host_file_nr,
    host_schedstat,
    host_softnet,
    host_pressure_cpu,
    host_pressure_io,
    host_pressure_memory,
    host_pressure_irq,
    host_net_dev,
    host_net_snmp,
    host_net_snmp6,
    host_net_sockstat,
    host_net_arp,
    host_diskstats,
    host_entropy_available,
    host_entropy_pool,
    host_conntrack_entries,
    host_conntrack_limit,
};

static void check_samples(parse_fn parse, struct str text)
{
    struct arena arena;
    struct batch batch;
    arena_init(&arena);
    batch_init(&batch, &arena, STR("host/fuzz"), 1, (struct labels){0});
    parse(text, &batch);
    vec_each (struct batch_sample *, sample, &batch.samples) {
        struct str name = labels_get(sample->labels, METRIC_NAME);
        invariant(metric_name_legal(name) && str_starts(name, STR("node_")));
        invariant(sample->value == sample->value); /* no NaN: words that are no numbers are no samples */
    }
    batch_release(&batch);
    arena_release(&arena);
}

static void check_mounts(struct str text)
{
    struct host_mount mounts[16];
    struct arena arena;
    arena_init(&arena);
    size_t n = host_mounts(text, STR("/host"), &arena, mounts, 16);
    invariant(n <= 16);
    for (size_t i = 0; i < n; i++) {
        invariant(mounts[i].mountpoint.len && mounts[i].mountpoint.p[0] == '/');
        invariant(!memchr(mounts[i].mountpoint.p, 0, mounts[i].mountpoint.len));
        invariant(!str_is(mounts[i].fstype, "proc"));
    }
    arena_release(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_make((const char *)data, size);
    struct self_stat stat;
    for (size_t i = 0; i < sizeof(parsers) / sizeof(parsers[0]); i++) {
        check_samples(parsers[i], text);
    }
    check_mounts(text);
    (void)self_stat_parse(text, &stat);
    return 0;
}
