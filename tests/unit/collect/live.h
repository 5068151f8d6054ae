/*
 * A loop in a thread of its own, a scheduler on it, a recorder as its sink; and the test waits for what it wants to
 * see. Waiting ends with the wanted thing or, after LIVE_PATIENCE_MS, with a failed test: no test depends on how long
 * something took.
 */
#pragma once
#include "src/base/clock.h"
#include "src/collect/scheduler.h"
#include "tests/support/test.h"
#include "tests/unit/collect/recorder.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LIVE_PATIENCE_MS 60000

struct live {
    struct loop *loop;
    struct recorder recorder;
    struct board *board;
    struct feed *feed;
    struct scheduler *scheduler;
    struct config config;
    pthread_t thread;
};

static inline void *live_main(void *arg)
{
    struct live *live = arg;
    loop_run(live->loop);
    loop_free(live->loop);
    return NULL;
}

static inline void live_call(struct live *live, loop_fn fn)
{
    assert_int_equal(loop_call(live->loop, fn, live, LIVE_PATIENCE_MS), 0);
}

static inline void live_apply_on_loop(void *ctx)
{
    struct live *live = ctx;
    loop_assert();
    scheduler_apply(live->scheduler, &live->config);
}

static inline void live_start(struct live *live)
{
    *live = (struct live){0};
    recorder_init(&live->recorder);
    live->loop = loop_new();
    live->board = board_new();
    live->feed = feed_new(256, 1 << 20);
    live->scheduler = scheduler_new(live->loop, &live->recorder.sink, live->board, live->feed);
    assert_int_equal(pthread_create(&live->thread, NULL, live_main, live), 0);
}

/* targets must outlive the next call or live_stop(). */
static inline void live_apply(struct live *live, const struct config_target *targets, size_t n)
{
    live->config.targets = targets;
    live->config.target_count = n;
    live_call(live, live_apply_on_loop);
}

static inline void live_stopped(void *ctx)
{
    struct live *live = ctx;
    scheduler_free(live->scheduler);
    loop_stop(live->loop);
}

static inline void live_stop_on_loop(void *ctx)
{
    struct live *live = ctx;
    loop_assert();
    scheduler_stop(live->scheduler, live_stopped, live);
}

static inline void live_stop(struct live *live)
{
    loop_post(live->loop, live_stop_on_loop, live);
    pthread_join(live->thread, NULL);
    feed_close(live->feed);
    feed_free(live->feed);
    board_free(live->board);
    recorder_release(&live->recorder);
}

static inline void live_nap(void)
{
    const struct timespec t = {.tv_nsec = 5000000};
    nanosleep(&t, NULL);
}

/* Waits until the newest sample of the series is this value. */
#define live_wait_value(live, series, expected)                                                                        \
    do {                                                                                                               \
        int64_t end_ = clock_mono_ms() + LIVE_PATIENCE_MS;                                                             \
        bool found_ = false;                                                                                           \
        double got_ = 0;                                                                                               \
        while (!((got_ = recorder_value(&(live)->recorder, series, &found_)) == (expected) && found_)) {               \
            if (clock_mono_ms() > end_) {                                                                              \
                fail_msg("%s: %s %g, expected %g", series, found_ ? "is" : "never came,", got_, (double)(expected));   \
            }                                                                                                          \
            live_nap();                                                                                                \
        }                                                                                                              \
    } while (0)

/* Waits until the series has come `more` times from now. */
static inline void live_wait_more(struct live *live, const char *series, size_t more)
{
    size_t target = recorder_count(&live->recorder, series) + more;
    int64_t end = clock_mono_ms() + LIVE_PATIENCE_MS;
    while (recorder_count(&live->recorder, series) < target) {
        if (clock_mono_ms() > end) {
            fail_msg("%s comes no more", series);
        }
        live_nap();
    }
}

/* Waits until the series has ended by a stale marker. */
static inline void live_wait_stale(struct live *live, const char *series)
{
    int64_t end = clock_mono_ms() + LIVE_PATIENCE_MS;
    bool found = false;
    while (!sample_is_stale(recorder_value(&live->recorder, series, &found)) || !found) {
        if (clock_mono_ms() > end) {
            fail_msg("%s does not end", series);
        }
        live_nap();
    }
}

/* Waits until the board's "targets" holds the text. */
static inline void live_wait_board(struct live *live, const char *text)
{
    int64_t end = clock_mono_ms() + LIVE_PATIENCE_MS;
    for (;;) {
        const struct board_doc *doc = board_read(live->board, "targets");
        bool found = doc && str_find(doc->json, str_of(text)) >= 0;
        if (!found && clock_mono_ms() > end) {
            fail_msg("the board does not say %s: " STR_FMT, text, STR_ARG(doc ? doc->json : STR("nothing")));
        }
        board_unref(doc);
        if (found) {
            return;
        }
        live_nap();
    }
}

/* A socket of ours on a free port that listens, and on which nobody accepts: connecting works, answers never come. */
static inline int listen_free(int *port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(addr);
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
    *port = ntohs(addr.sin_port);
    return fd;
}

/* A port where nothing listens, for now. */
static inline int free_port(void)
{
    int port;
    close(listen_free(&port));
    return port;
}
