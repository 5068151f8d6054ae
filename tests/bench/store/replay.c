/*
 * How fast a store starts: it replays the log of samples that were not in blocks when it ended.
 *
 *   bench_replay [million samples, 10] [series, 10000] [rounds, 3]
 *
 * All samples lie in one window in which the clock stands still, so nothing is flushed and every sample is read back.
 * Look at: samples a second, and that as many came back as were written.
 */
#include "src/base/clock.h"
#include "tests/bench/store/feed.h"

#include <inttypes.h>

#define WINDOW_MS  INT64_C(7200000)
#define STARTED_MS (INT64_C(240000) * WINDOW_MS)

static void fill(const struct store_options *options, size_t hosts, size_t steps)
{
    struct feed feed;
    feed_init(&feed, 0, hosts);
    struct store *store = feed_open(options);
    int64_t interval_ms = (WINDOW_MS - 1000) / (int64_t)(steps + 1); /* the last hosts' times still in the window */
    for (size_t s = 0; s < steps; s++) {
        feed_step(&feed);
        feed_write(&feed, store, STARTED_MS + (int64_t)s * interval_ms, interval_ms);
    }
    store_close(store);
    feed_release(&feed);
}

int main(int argc, char **argv)
{
    uint64_t millions = bench_number(argc, argv, 1, 10), series = bench_number(argc, argv, 2, 10000);
    uint64_t rounds = bench_number(argc, argv, 3, 3);
    size_t hosts = (series + FLEET_SERIES - 1) / FLEET_SERIES, steps = millions * 1000000 / (hosts * FLEET_SERIES);
    if (steps < 1 || steps > 1000000) {
        bench_fail("between 1 and 1000000 samples a series, not %zu", steps);
    }
    struct bench_folder folder;
    bench_folder_make(&folder);
    clock_fake(STARTED_MS + WINDOW_MS - 1, 0);
    struct store_options options = {.dir = folder.path};
    fill(&options, hosts, steps);
    for (uint64_t r = 0; r < rounds; r++) {
        double start = bench_now(), cpu = bench_cpu_seconds();
        struct store *store = feed_open(&options);
        double seconds = bench_now() - start;
        cpu = bench_cpu_seconds() - cpu;
        struct store_status status;
        store_get_status(store, &status);
        if (status.samples_in_head != steps * hosts * FLEET_SERIES) {
            bench_fail("%" PRIu64 " of %zu samples came back", status.samples_in_head, steps * hosts * FLEET_SERIES);
        }
        printf("%" PRIu64 " samples, %" PRIu64 " series: opened in %.3f s (%.3f s CPU), %.2f million samples/s\n",
               status.samples_in_head, status.series, seconds, cpu, (double)status.samples_in_head / seconds / 1e6);
        store_close(store);
    }
    bench_folder_remove(&folder);
    return 0;
}
