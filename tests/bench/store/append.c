/*
 * How fast samples come in without HTTP: head and log.
 *
 *   bench_append [million samples, 10] [series, 10000]
 *
 * Remote write's way takes 1,000 series a request and waits for the commit of each; the collectors' way takes 100 a
 * batch (a host) and does not wait. Look at: samples a second and CPU of all threads for a million samples, without
 * what it takes to make them; memory for a sample in the head, index included.
 */
#include "src/base/clock.h"
#include "src/model/sample.h"
#include "tests/bench/store/feed.h"

#define WINDOW_MS  INT64_C(7200000)
#define STARTED_MS (INT64_C(240000) * WINDOW_MS)

static void append_batches(const struct feed *feed, struct batch *batches, struct store *store, int64_t step_ms,
                           int64_t interval_ms)
{
    for (size_t h = 0; h < feed->count; h++) {
        struct batch *batch = &batches[h];
        batch->t_ms = fleet_time(&feed->hosts[h], step_ms, interval_ms);
        for (size_t i = 0; i < FLEET_SERIES; i++) {
            batch->samples.p[i].t_ms = batch->t_ms;
            batch->samples.p[i].value = feed->hosts[h].v[i];
        }
        int rc = store_append(store, batch, NULL, NULL);
        for (; rc == ERR_FULL; rc = store_append(store, batch, NULL, NULL)) {
            if (store_sync(store, 60000)) {
                bench_fail("store_sync does not come to an end");
            }
        }
        if (rc) {
            bench_fail("store_append: %s", error_text(rc));
        }
    }
}

static struct batch *make_batches(const struct feed *feed, struct arena *arena)
{
    struct batch *batches = mem_alloc(feed->count * sizeof(*batches));
    for (size_t h = 0; h < feed->count; h++) {
        batch_init(&batches[h], arena, arena_printf(arena, "bench/%zu", h), 0, (struct labels){0});
        for (size_t i = 0; i < FLEET_SERIES; i++) {
            vec_push(&batches[h].samples, ((struct batch_sample){.labels = feed->labels[h * FLEET_SERIES + i]}));
        }
    }
    return batches;
}

static void measure(bool as_batches, size_t hosts, size_t steps)
{
    struct feed feed;
    feed_init(&feed, 0, hosts);
    auto_arena arena;
    arena_init(&arena);
    struct batch *batches = make_batches(&feed, &arena);
    struct bench_folder folder;
    bench_folder_make(&folder);
    struct store *store = feed_open(&(struct store_options){.dir = folder.path});
    int64_t interval_ms = (WINDOW_MS - 1000) / (int64_t)(steps + 1);
    double before_mb = bench_anonymous_mb(), seconds = 0, cpu = 0;
    for (size_t s = 0; s < steps; s++) {
        int64_t step_ms = STARTED_MS + (int64_t)s * interval_ms;
        feed_step(&feed);
        double start = bench_now(), cpu_start = bench_cpu_seconds();
        if (as_batches) {
            append_batches(&feed, batches, store, step_ms, interval_ms);
        } else {
            feed_write(&feed, store, step_ms, interval_ms);
        }
        seconds += bench_now() - start;
        cpu += bench_cpu_seconds() - cpu_start;
    }
    double start = bench_now(), cpu_start = bench_cpu_seconds();
    if (store_sync(store, 60000)) {
        bench_fail("store_sync does not come to an end");
    }
    seconds += bench_now() - start;
    cpu += bench_cpu_seconds() - cpu_start;
    double samples = (double)(steps * hosts * FLEET_SERIES);
    struct store_status status;
    store_get_status(store, &status);
    if ((double)status.samples_in_head != samples) {
        bench_fail("the head holds %llu of %.0f samples", (unsigned long long)status.samples_in_head, samples);
    }
    printf("%-12s %8.2f million samples/s  %6.3f CPU s/million  %6.2f bytes of memory a sample\n",
           as_batches ? "store_append" : "store_write", samples / seconds / 1e6, cpu / samples * 1e6,
           (bench_anonymous_mb() - before_mb) * 1048576 / samples);
    store_close(store);
    bench_folder_remove(&folder);
    for (size_t h = 0; h < hosts; h++) {
        batch_release(&batches[h]);
    }
    mem_free(batches);
    feed_release(&feed);
}

int main(int argc, char **argv)
{
    uint64_t millions = bench_number(argc, argv, 1, 10), series = bench_number(argc, argv, 2, 10000);
    size_t hosts = (series + FLEET_SERIES - 1) / FLEET_SERIES, steps = millions * 1000000 / (hosts * FLEET_SERIES);
    if (steps < 1 || steps > 1000000) {
        bench_fail("between 1 and 1000000 samples a series, not %zu", steps);
    }
    clock_fake(STARTED_MS + WINDOW_MS - 1, 0);
    measure(false, hosts, steps);
    measure(true, hosts, steps);
    return 0;
}
