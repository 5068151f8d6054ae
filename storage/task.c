#include "storage/task.h"

#include "src/base/codec.h"
#include "src/base/counter.h"
#include "storage/task_internal.h"

#define TICK_MS 10000

const struct env_spec task_env_spec = {
    .folder = "tasks",
    .version = 1,
    .read_ahead = false,
    .dbi_count = TASK_DBI_COUNT,
    .dbis =
        {
            [TASK_DBI_TASKS] = {"tasks", MDB_INTEGERKEY},
            [TASK_DBI_UUIDS] = {"uuids", 0},
            [TASK_DBI_WORDS] = {"words", 0},
            [TASK_DBI_INDEX] = {"index", MDB_DUPSORT | MDB_DUPFIXED | MDB_INTEGERDUP},
            [TASK_DBI_LINKS] = {"links", MDB_DUPSORT | MDB_DUPFIXED | MDB_INTEGERDUP},
            [TASK_DBI_FAILURES] = {"failures", 0},
            [TASK_DBI_SEGMENTS] = {"segments", MDB_INTEGERKEY},
            [TASK_DBI_COUNTERS] = {"counters", 0},
        },
};

int task_part_open(struct store *store, struct writer_part *part, struct error *err)
{
    (void)err; /* nothing here can fail: the environment is open */
    struct task_history *h = mem_zalloc(sizeof(*h));
    h->env = part->env;
    h->retention_ms = store->options.task_retention_ms;
    h->index = task_index_new(h->env);
    buf_init(&h->record, TASK_RECORD_BYTES_MAX);
    arena_init(&h->arena);
    part->ctx = h;
    part->apply = task_apply;
    part->aborted = task_aborted;
    part->tick = task_tick;
    part->tick_ms = TICK_MS;
    store->tasks = h;
    return 0;
}

void task_part_close(struct store *store)
{
    struct task_history *h = steal(store->tasks);
    if (h) {
        task_index_free(h->index);
        buf_release(&h->record);
        arena_release(&h->arena);
        mem_free(h);
    }
}

/* The texts of an event and how long they may be. */
static const struct {
    size_t offset, max;
} event_texts[] = {
    {offsetof(struct task_event, custom), TASK_SHORT_TEXT_MAX},
    {offsetof(struct task_event, uuid), 255},
    {offsetof(struct task_event, hostname), TASK_SHORT_TEXT_MAX},
    {offsetof(struct task_event, name), TASK_SHORT_TEXT_MAX},
    {offsetof(struct task_event, args), TASK_TEXT_MAX},
    {offsetof(struct task_event, kwargs), TASK_TEXT_MAX},
    {offsetof(struct task_event, root_id), 255},
    {offsetof(struct task_event, parent_id), 255},
    {offsetof(struct task_event, eta), TASK_SHORT_TEXT_MAX},
    {offsetof(struct task_event, expires), TASK_SHORT_TEXT_MAX},
    {offsetof(struct task_event, queue), TASK_SHORT_TEXT_MAX},
    {offsetof(struct task_event, exchange), TASK_SHORT_TEXT_MAX},
    {offsetof(struct task_event, routing_key), TASK_SHORT_TEXT_MAX},
    {offsetof(struct task_event, result), TASK_TEXT_MAX},
    {offsetof(struct task_event, exception), TASK_TEXT_MAX},
    {offsetof(struct task_event, traceback), TASK_TRACEBACK_MAX},
    {offsetof(struct task_event, broker), TASK_SHORT_TEXT_MAX},
};
#define EVENT_TEXTS (sizeof(event_texts) / sizeof(event_texts[0]))

static struct str event_text(const struct task_event *event, size_t i)
{
    struct str s;
    memcpy(&s, (const char *)event + event_texts[i].offset, sizeof(s));
    if (s.len > event_texts[i].max) {
        s.len = utf8_cut(s, event_texts[i].max);
    }
    return s;
}

/* An id that is empty or longer than any real one names no task. */
static bool event_is_usable(const struct task_event *event)
{
    return event->uuid.len > 0 && event->uuid.len <= 255;
}

static void task_job_release(struct writer_job *job)
{
    mem_free(job);
}

static char *copy_event(struct task_event *to, const struct task_event *from, char *text)
{
    *to = *from;
    for (size_t i = 0; i < EVENT_TEXTS; i++) {
        struct str s = event_text(from, i);
        if (s.len) {
            memcpy(text, s.p, s.len);
        }
        s.p = text;
        memcpy((char *)to + event_texts[i].offset, &s, sizeof(s));
        text += s.len;
    }
    return text;
}

struct task_job *task_job_new(const struct task_event *events, size_t n)
{
    size_t usable = 0, bytes = sizeof(struct task_job) + n * sizeof(struct task_event);
    for (size_t k = 0; k < n; k++) {
        for (size_t i = 0; i < EVENT_TEXTS && event_is_usable(&events[k]); i++) {
            bytes += event_text(&events[k], i).len;
        }
    }
    struct task_job *job = mem_alloc(bytes);
    *job = (struct task_job){.base = {.bytes = bytes, .release = task_job_release}};
    job->events = (struct task_event *)(job + 1);
    char *text = (char *)(job->events + n);
    for (size_t k = 0; k < n; k++) {
        if (event_is_usable(&events[k])) {
            text = copy_event(&job->events[usable++], &events[k], text);
        }
    }
    job->count = usable;
    return job;
}

int store_append_tasks(struct store *store, const struct task_event *events, size_t n, store_done_fn done, void *ctx)
{
    struct task_job *job = task_job_new(events, n);
    job->base.done = done;
    job->base.ctx = ctx;
    int rc = writer_push(store->writer, ENV_TASKS, &job->base);
    if (rc) {
        task_job_release(&job->base);
        self_add(SELF_TASK_EVENTS_DROPPED, (int64_t)n);
    }
    return rc;
}
