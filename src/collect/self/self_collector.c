/* cloche's own figures: the counters of src/base/counter.h, and what the kernel says of this process. */
#include "src/base/counter.h"
#include "src/base/number.h"
#include "src/collect/self/self_process.h"
#include "src/collect/target_internal.h"

static int self_start(struct target *target, struct error *err)
{
    (void)target;
    (void)err;
    return 0;
}

static void add_part(struct batch *batch, const char *name, const char *suffix, const struct label *le, double value)
{
    batch_add(batch, arena_printf(batch->arena, "%s%s", name, suffix), le, le != NULL, value);
}

static void add_histogram(struct batch *batch, enum self_histogram_id id)
{
    const struct self_info *info = self_histogram_info(id);
    struct self_histogram h;
    self_histogram_get(id, &h);
    batch_family(batch, str_of(info->name), METRIC_HISTOGRAM, str_of(info->help));
    for (int i = 0; i <= SELF_BUCKETS; i++) {
        char text[NUMBER_MAX] = "+Inf";
        size_t n = i < SELF_BUCKETS ? number_format((double)self_bucket_us[i] / 1e6, text) : 4;
        const struct label le = {STR("le"), str_make(text, n)};
        add_part(batch, info->name, "_bucket", &le, (double)h.cumulative[i]);
    }
    add_part(batch, info->name, "_sum", NULL, (double)h.sum_us / 1e6);
    add_part(batch, info->name, "_count", NULL, (double)h.cumulative[SELF_BUCKETS]);
}

static void add_counters(struct batch *batch)
{
    for (int id = 0; id < SELF_COUNT; id++) {
        const struct self_info *info = self_info((enum self_id)id);
        struct str name = str_of(info->name);
        enum metric_type type = str_is(str_of(info->type), "counter") ? METRIC_COUNTER : METRIC_GAUGE;
        batch_family(batch, name, type, str_of(info->help));
        batch_add(batch, name, NULL, 0, (double)self_get((enum self_id)id));
    }
    for (int id = 0; id < SELF_HISTOGRAM_COUNT; id++) {
        add_histogram(batch, (enum self_histogram_id)id);
    }
    const struct label labels[] = {{STR("version"), STR(CLOCHE_VERSION)}};
    batch_family(batch, STR("cloche_build_info"), METRIC_GAUGE, STR("The version that runs; always 1."));
    batch_add(batch, STR("cloche_build_info"), labels, 1, 1);
}

/* Files of /proc/self are made in memory from our own task: reading them does not block. */
static void self_collect(struct target *target, uint64_t ticket)
{
    struct batch *batch = target_batch(target, ticket);
    if (batch) {
        add_counters(batch);
        self_process_read(batch);
    }
    target_done(target, ticket, NULL);
}

static void self_stop(struct target *target)
{
    target_stopped(target);
}

const struct collector self_collector = {
    .name = "self", .start = self_start, .collect = self_collect, .stop = self_stop};
