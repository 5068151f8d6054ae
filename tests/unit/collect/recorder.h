/* A sink that keeps what it is given: the newest value of each series, by its printed labels. Used from the loop's
 * thread and the test's: every function takes the lock. */
#pragma once
#include "src/base/buf.h"
#include "src/base/mem.h"
#include "src/base/vec.h"
#include "src/model/sink.h"

#include <pthread.h>

struct recorded {
    char *series;
    double value;
    size_t count; /* samples seen */
};

struct recorder {
    struct sink sink;
    pthread_mutex_t mutex;
    vec(struct recorded) series;
    vec(char *) families; /* "name type" */
    size_t batches;
    int answer; /* what append() returns */
};

static struct recorded *recorder_find(struct recorder *r, const char *series)
{
    vec_each (struct recorded *, it, &r->series) {
        if (strcmp(it->series, series) == 0) {
            return it;
        }
    }
    return NULL;
}

static void recorder_take(struct recorder *r, const struct batch_sample *sample)
{
    struct buf text = {0};
    buf_init(&text, 1 << 20);
    labels_print(sample->labels, &text);
    struct recorded *it = recorder_find(r, text.p);
    if (!it) {
        vec_push(&r->series, (struct recorded){.series = mem_strdup(text.p)});
        it = &vec_last(&r->series);
    }
    it->value = sample->value;
    it->count++;
    buf_release(&text);
}

static void recorder_take_families(struct recorder *r, const struct batch *batch)
{
    vec_each (struct metric_family *, family, &batch->families) {
        char text[300];
        snprintf(text, sizeof(text), STR_FMT " %s", STR_ARG(family->name), metric_type_name(family->type));
        bool known = false;
        vec_each (char **, it, &r->families) {
            known |= strcmp(*it, text) == 0;
        }
        if (!known) {
            vec_push(&r->families, mem_strdup(text));
        }
    }
}

static inline int recorder_append(void *ctx, const struct batch *batch)
{
    struct recorder *r = ctx;
    pthread_mutex_lock(&r->mutex);
    int answer = r->answer;
    if (answer == 0) {
        vec_each (struct batch_sample *, sample, &batch->samples) {
            recorder_take(r, sample);
        }
        recorder_take_families(r, batch);
        r->batches++;
    }
    pthread_mutex_unlock(&r->mutex);
    return answer;
}

static inline int recorder_tasks(void *ctx, const struct task_event *events, size_t n)
{
    (void)ctx;
    (void)events;
    (void)n;
    return 0;
}

static inline void recorder_init(struct recorder *r)
{
    *r = (struct recorder){0};
    r->sink = (struct sink){.ctx = r, .append = recorder_append, .tasks = recorder_tasks};
    pthread_mutex_init(&r->mutex, NULL);
}

static inline void recorder_answer(struct recorder *r, int answer)
{
    pthread_mutex_lock(&r->mutex);
    r->answer = answer;
    pthread_mutex_unlock(&r->mutex);
}

static inline void recorder_release(struct recorder *r)
{
    vec_each (struct recorded *, it, &r->series) {
        mem_free(it->series);
    }
    vec_each (char **, it, &r->families) {
        mem_free(*it);
    }
    vec_release(&r->series);
    vec_release(&r->families);
    pthread_mutex_destroy(&r->mutex);
}

/* Newest value; `found` false if the series never came. */
static inline double recorder_value(struct recorder *r, const char *series, bool *found)
{
    pthread_mutex_lock(&r->mutex);
    const struct recorded *it = recorder_find(r, series);
    double value = it ? it->value : 0;
    *found = it != NULL;
    pthread_mutex_unlock(&r->mutex);
    return value;
}

static inline size_t recorder_count(struct recorder *r, const char *series)
{
    pthread_mutex_lock(&r->mutex);
    const struct recorded *it = recorder_find(r, series);
    size_t count = it ? it->count : 0;
    pthread_mutex_unlock(&r->mutex);
    return count;
}
