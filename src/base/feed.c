#include "src/base/feed.h"

#include "src/base/mem.h"
#include "src/base/thread.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

/* Event number n lies in slot n % slots; held are the numbers oldest .. last. */
struct event {
    char *text; /* "event: task\ndata: {...}\n\n" */
    size_t len;
};

struct feed {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct event *ring;
    size_t slots, bytes, max_bytes;
    uint64_t oldest, last; /* oldest == last + 1: none held */
    bool closed;
};

struct feed *feed_new(size_t slots, size_t max_bytes)
{
    invariant(slots > 0);
    struct feed *feed = mem_zalloc(sizeof(*feed));
    feed->ring = mem_zalloc(slots * sizeof(*feed->ring));
    feed->slots = slots;
    feed->max_bytes = max_bytes;
    feed->oldest = 1;
    pthread_mutex_init(&feed->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC); /* a set clock must not wake or hang readers */
    pthread_cond_init(&feed->changed, &attr);
    pthread_condattr_destroy(&attr);
    return feed;
}

static void drop_oldest(struct feed *feed)
{
    struct event *event = &feed->ring[feed->oldest++ % feed->slots];
    feed->bytes -= event->len;
    mem_free(event->text);
    *event = (struct event){0};
}

void feed_free(struct feed *feed)
{
    if (!feed) {
        return;
    }
    while (feed->oldest <= feed->last) {
        drop_oldest(feed);
    }
    pthread_cond_destroy(&feed->changed);
    pthread_mutex_destroy(&feed->lock);
    mem_free(feed->ring);
    mem_free(feed);
}

/* A line break would end the data field. Within JSON a raw one can only be white space. */
static void add_one_line(struct buf *out, struct str json)
{
    for (size_t i = 0; i < json.len; i++) {
        buf_add_char(out, json.p[i] == '\n' || json.p[i] == '\r' ? ' ' : json.p[i]);
    }
}

void feed_publish(struct feed *feed, const char *type, struct str json)
{
    auto_buf text;
    buf_init(&text, feed->max_bytes);
    buf_addf(&text, "event: %s\ndata: ", type);
    if (str_find_char(json, '\n') < 0 && str_find_char(json, '\r') < 0) {
        buf_add(&text, json);
    } else {
        add_one_line(&text, json);
    }
    buf_add(&text, STR("\n\n"));

    pthread_mutex_lock(&feed->lock);
    /* An event too large for the whole ring still takes a number, so that readers learn that one is missing. */
    size_t len = text.failed ? 0 : text.len;
    while (feed->oldest <= feed->last &&
           (feed->last - feed->oldest + 1 >= feed->slots || feed->bytes + len > feed->max_bytes)) {
        drop_oldest(feed);
    }
    feed->last++;
    if (text.failed) {
        while (feed->oldest < feed->last) {
            drop_oldest(feed);
        }
        feed->oldest = feed->last + 1;
    } else {
        feed->ring[feed->last % feed->slots] = (struct event){buf_steal(&text, NULL), len};
        feed->bytes += len;
    }
    pthread_cond_broadcast(&feed->changed);
    pthread_mutex_unlock(&feed->lock);
}

uint64_t feed_last(struct feed *feed)
{
    pthread_mutex_lock(&feed->lock);
    uint64_t last = feed->last;
    pthread_mutex_unlock(&feed->lock);
    return last;
}

static struct timespec deadline_after(int timeout_ms)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += timeout_ms / 1000;
    at.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000;
    }
    return at;
}

/* Called with the lock held. */
static size_t copy_events(struct feed *feed, uint64_t *after, size_t max, struct buf *out, uint64_t *missed)
{
    if (*after + 1 < feed->oldest) {
        *missed = feed->oldest - *after - 1;
        *after = feed->oldest - 1;
    }
    size_t count = 0;
    while (*after < feed->last && count < max) {
        const struct event *event = &feed->ring[(*after + 1) % feed->slots];
        size_t need = event->len + 32; /* "id: N\n" */
        if (out->failed || out->max - out->len < need) {
            if (count) {
                break; /* the rest next time */
            }
            ++*missed; /* never fits into this reader's buffer: step over it */
            ++*after;
            continue;
        }
        buf_addf(out, "id: %llu\n", (unsigned long long)*after + 1);
        buf_add_bytes(out, event->text, event->len);
        ++*after;
        count++;
    }
    return count;
}

size_t feed_wait(struct feed *feed, uint64_t *after, int timeout_ms, size_t max, struct buf *out, uint64_t *missed)
{
    struct timespec deadline = deadline_after(timeout_ms > 0 ? timeout_ms : 0);
    *missed = 0;
    pthread_mutex_lock(&feed->lock);
    /* A number from before a restart: everything held is new to this reader. */
    if (*after > feed->last) {
        *after = feed->oldest - 1;
    }
    int rc = 0;
    while (!feed->closed && feed->last <= *after && rc != ETIMEDOUT) {
        rc = pthread_cond_timedwait(&feed->changed, &feed->lock, &deadline);
    }
    size_t count = feed->closed ? 0 : copy_events(feed, after, max, out, missed);
    pthread_mutex_unlock(&feed->lock);
    return count;
}

void feed_close(struct feed *feed)
{
    pthread_mutex_lock(&feed->lock);
    feed->closed = true;
    pthread_cond_broadcast(&feed->changed);
    pthread_mutex_unlock(&feed->lock);
}

bool feed_closed(struct feed *feed)
{
    pthread_mutex_lock(&feed->lock);
    bool closed = feed->closed;
    pthread_mutex_unlock(&feed->lock);
    return closed;
}
