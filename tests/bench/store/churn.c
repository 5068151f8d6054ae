/*
 * A store in which series come and go, day after day, under retention.
 *
 *   bench_churn FOLDER [days, 15] [series a day, 100000] [retention days, 3] [generations a day, 10] [interval s, 240]
 *
 * Each generation is a fleet of its own: its hosts appear, live for their part of the day and are never seen again, so
 * at any time there are (series a day / generations a day). With 0 generations the same series live all the time: what
 * to compare with, given as many series as live at once. Times are simulated, the last day ends now, so cloche can be
 * started on FOLDER, which stays. Prints a line of JSON a day: what the folder takes on the disk, series in the index,
 * samples in the head, anonymous memory, seconds of work. Look at: all of them flat once retention bites.
 */
#include "src/base/clock.h"
#include "storage/metrics.h"
#include "storage/writer.h"
#include "tests/bench/store/feed.h"

#include <errno.h>
#include <unistd.h>

#define DAY_MS INT64_C(86400000)

struct plan {
    const char *folder;
    uint64_t days, series, retention_days, generations, interval_s;
};

static uint64_t disk_bytes;

static int add_size(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)path;
    (void)ftw;
    disk_bytes += type == FTW_F ? (uint64_t)st->st_blocks * 512 : 0;
    return 0;
}

/* What would have happened by itself in the time that was skipped: windows flushed, old blocks deleted in the writer's
 * ticks, series without blocks swept. Until nothing changes any more. */
static void settle(struct store *store)
{
    struct store_status before, after = {0};
    int quiet = 0;
    for (int i = 0; i < 200 && quiet < 3; i++) {
        before = after;
        if (metrics_flush(store->metrics, false)) {
            bench_fail("flushing failed");
        }
        writer_request_tick(store->writer);
        usleep(200000);
        store_get_status(store, &after);
        bool same = before.series == after.series && before.samples_in_head == after.samples_in_head &&
                    before.oldest_ms == after.oldest_ms;
        quiet = same ? quiet + 1 : 0;
    }
}

static void live(struct store *store, const struct plan *plan, struct feed *feed, int64_t from_ms, int64_t to_ms)
{
    int64_t interval_ms = (int64_t)plan->interval_s * 1000, flushed_ms = from_ms;
    for (int64_t t_ms = from_ms; t_ms + interval_ms <= to_ms; t_ms += interval_ms) {
        clock_fake(t_ms + interval_ms, t_ms + interval_ms);
        feed_step(feed);
        feed_write(feed, store, t_ms, interval_ms);
        if (t_ms - flushed_ms >= WINDOW_MS) { /* the upkeep thread has only half a second of real time for hours */
            flushed_ms = t_ms;
            if (metrics_flush(store->metrics, false)) {
                bench_fail("flushing failed");
            }
        }
    }
}

static void report(struct store *store, const struct plan *plan, uint64_t day, double seconds)
{
    struct store_status status;
    store_get_status(store, &status);
    disk_bytes = 0;
    nftw(plan->folder, add_size, 16, FTW_PHYS);
    printf("{\"day\": %llu, \"disk_mb\": %.2f, \"series\": %llu, \"samples_in_head\": %llu, \"anonymous_mb\": %.1f, "
           "\"seconds\": %.2f}\n",
           (unsigned long long)day, (double)disk_bytes / 1e6, (unsigned long long)status.series,
           (unsigned long long)status.samples_in_head, bench_anonymous_mb(), seconds);
    (void)fflush(stdout);
}

static void run(const struct plan *plan)
{
    int64_t end_ms = clock_wall_ms(), start_ms = end_ms - (int64_t)plan->days * DAY_MS;
    uint64_t generations = plan->generations ? plan->generations : 1;
    size_t hosts = (plan->series / generations + FLEET_SERIES - 1) / FLEET_SERIES;
    clock_fake(start_ms, start_ms);
    struct store *store =
        feed_open(&(struct store_options){.dir = plan->folder, .retention_ms = (int64_t)plan->retention_days * DAY_MS});
    struct feed feed;
    feed_init(&feed, 0, hosts);
    for (uint64_t d = 0; d < plan->days; d++) {
        double start = bench_now();
        for (uint64_t g = 0; g < generations; g++) {
            if (plan->generations && d + g > 0) {
                feed_release(&feed);
                feed_init(&feed, (uint32_t)((d * generations + g) * hosts), hosts);
            }
            int64_t from_ms = start_ms + (int64_t)d * DAY_MS + (int64_t)g * DAY_MS / (int64_t)generations;
            live(store, plan, &feed, from_ms, from_ms + DAY_MS / (int64_t)generations);
        }
        double seconds = bench_now() - start;
        settle(store);
        report(store, plan, d + 1, seconds);
    }
    feed_release(&feed);
    store_close(store);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        bench_fail("usage: bench_churn FOLDER [days] [series a day] [retention days] [generations a day, 0: none] "
                   "[interval s]");
    }
    bool churn = argc < 6 || strcmp(argv[5], "0") != 0;
    struct plan plan = {
        .folder = argv[1],
        .days = bench_number(argc, argv, 2, 15),
        .series = bench_number(argc, argv, 3, 100000),
        .retention_days = bench_number(argc, argv, 4, 3),
        .generations = churn ? bench_number(argc, argv, 5, 10) : 0,
        .interval_s = bench_number(argc, argv, 6, 240),
    };
    if (plan.days > 400 || plan.series > 1000000 || plan.generations > 100) {
        bench_fail("at most 400 days, 1000000 series a day, 100 generations a day");
    }
    run(&plan);
    return 0;
}
