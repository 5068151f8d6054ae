/*
 * How fast series are found among many: matchers, values of labels.
 *
 *   bench_select [series, 1000000] [rounds, 7]
 *
 * One sample a series; median of the rounds, each on a snapshot of its own. Look at: what grows with all series instead
 * of with the answer, and that the counts are right (the fleet has 100 series a host, see fleet.h).
 */
#include "src/base/clock.h"
#include "storage/read.h"
#include "tests/bench/store/feed.h"

#define ROUNDS_MAX 100
#define WINDOW_MS  INT64_C(7200000)
#define STARTED_MS (INT64_C(240000) * WINDOW_MS)

struct ask {
    const char *what;
    const char *label; /* its values are asked for; NULL: series; "": names of labels */
    struct {
        enum matcher_op op;
        const char *name, *value;
    } matchers[3];
    double share; /* expected: of all series, or ... */
    size_t count; /* ... so many; both 0: not known beforehand */
};

static const struct ask asks[] = {
    {"all series: __name__=~.+", NULL, {{MATCH_RE, "__name__", ".+"}}, 1, 0},
    {"a metric", NULL, {{MATCH_EQ, "__name__", "pg_setting"}}, 0.05, 0},
    {"an instance", NULL, {{MATCH_EQ, "instance", "node-00042"}}, 0, 100},
    {"one series",
     NULL,
     {{MATCH_EQ, "__name__", "node_load"}, {MATCH_EQ, "instance", "node-00042"}, {MATCH_EQ, "minutes", "5"}},
     0,
     1},
    {"!= on a wide label", NULL, {{MATCH_EQ, "__name__", "node_load"}, {MATCH_NE, "minutes", "5"}}, 0.02, 0},
    {"!= on instance", NULL, {{MATCH_EQ, "minutes", "5"}, {MATCH_NE, "instance", "node-00042"}}, 0, 0},
    {"=~ of three names", NULL, {{MATCH_RE, "__name__", "up|node_load|pg_setting"}}, 0.12, 0},
    {"=~ prefix of names", NULL, {{MATCH_RE, "__name__", "celery_.*"}}, 0.44, 0},
    {"=~ over instances", NULL, {{MATCH_EQ, "minutes", "5"}, {MATCH_RE, "instance", "node-000.7"}}, 0, 10},
    {"!~ over instances", NULL, {{MATCH_EQ, "minutes", "5"}, {MATCH_NRE, "instance", "node-.*[0-8]"}}, 0.001, 0},
    {"label names", "", {{0}}, 0, 0},
    {"values of __name__", "__name__", {{0}}, 0, FLEET_METRICS},
    {"values of instance", "instance", {{0}}, 0.01, 0},
    {"values of instance of a metric", "instance", {{MATCH_EQ, "__name__", "node_load"}}, 0.01, 0},
    {"values of le of an instance", "le", {{MATCH_EQ, "instance", "node-00042"}}, 0, FLEET_BUCKETS},
};

static size_t answer(struct store *store, const struct ask *ask, const struct matcher *matchers, size_t n)
{
    auto_arena arena;
    arena_init(&arena);
    auto_snapshot struct snapshot *snapshot = NULL;
    struct series_set series = {0};
    struct str_list texts = {0};
    const int64_t from_ms = STARTED_MS, to_ms = STARTED_MS + WINDOW_MS;
    int rc = snapshot_open(store, &snapshot);
    if (rc == 0 && !ask->label) {
        rc = snapshot_select(snapshot, matchers, n, from_ms, to_ms, 0, &arena, &series);
    } else if (rc == 0 && !*ask->label) {
        rc = snapshot_label_names(snapshot, matchers, n, from_ms, to_ms, &arena, &texts);
    } else if (rc == 0) {
        rc = snapshot_label_values(snapshot, str_of(ask->label), matchers, n, from_ms, to_ms, &arena, &texts);
    }
    if (rc) {
        bench_fail("%s: %s", ask->what, error_text(rc));
    }
    return series.n + texts.n;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure(struct store *store, const struct ask *ask, size_t hosts, size_t rounds)
{
    struct matcher matchers[3];
    size_t n = 0, count = 0;
    for (; n < 3 && ask->matchers[n].name; n++) {
        struct error err = {0};
        if (matcher_init(&matchers[n], ask->matchers[n].op, str_of(ask->matchers[n].name),
                         str_of(ask->matchers[n].value), &err)) {
            bench_fail("%s: %s", ask->what, err.text);
        }
    }
    double ms[ROUNDS_MAX];
    for (size_t r = 0; r < rounds; r++) {
        double start = bench_now();
        count = answer(store, ask, matchers, n);
        ms[r] = (bench_now() - start) * 1000;
    }
    qsort(ms, rounds, sizeof(*ms), compare);
    size_t expected = ask->count ? ask->count : (size_t)(ask->share * (double)hosts * FLEET_SERIES + 0.5);
    bool wrong = expected && hosts >= 1000 && count != expected;
    printf("%-32s %9zu %12.3f ms%s\n", ask->what, count, ms[rounds / 2], wrong ? "  WRONG COUNT" : "");
    for (size_t i = 0; i < n; i++) {
        matcher_release(&matchers[i]);
    }
}

int main(int argc, char **argv)
{
    uint64_t series = bench_number(argc, argv, 1, 1000000), rounds = bench_number(argc, argv, 2, 7);
    size_t hosts = (series + FLEET_SERIES - 1) / FLEET_SERIES;
    if (hosts > 100000 || rounds > ROUNDS_MAX) {
        bench_fail("at most 10 million series and %d rounds", ROUNDS_MAX);
    }
    struct bench_folder folder;
    bench_folder_make(&folder);
    clock_fake(STARTED_MS + WINDOW_MS - 1, 0);
    struct feed feed;
    feed_init(&feed, 0, hosts);
    struct store *store = feed_open(&(struct store_options){.dir = folder.path});
    double start = bench_now(), before_mb = bench_anonymous_mb();
    feed_write(&feed, store, STARTED_MS, 15000);
    printf("%zu series came in at %.0f a second and take %.0f bytes of memory each\n", hosts * FLEET_SERIES,
           (double)(hosts * FLEET_SERIES) / (bench_now() - start),
           (bench_anonymous_mb() - before_mb) * 1048576 / (double)(hosts * FLEET_SERIES));
    feed_release(&feed);
    printf("%-32s %9s %12s\n", "", "found", "median");
    for (size_t i = 0; i < sizeof(asks) / sizeof(asks[0]); i++) {
        measure(store, &asks[i], hosts, rounds);
    }
    store_close(store);
    bench_folder_remove(&folder);
    return 0;
}
