#include "src/collect/celery/celery_queues.h"

#define uthash_malloc(size)  mem_alloc(size)
#define uthash_free(p, size) mem_free(p)
#include <uthash.h>

#define NAME_MAX_BYTES 1024

struct entry {
    struct celery_queue queue;
    UT_hash_handle hh; /* by name */
};

struct celery_queues {
    struct entry *entries;
    int32_t steps[CELERY_STEPS_MAX];
    size_t step_count;
};

struct celery_queues *celery_queues_new(void)
{
    static const int32_t usual[] = {0, 3, 6, 9};
    struct celery_queues *queues = mem_zalloc(sizeof(*queues));
    celery_queues_set_steps(queues, usual, sizeof(usual) / sizeof(usual[0]));
    return queues;
}

void celery_queues_free(struct celery_queues *queues)
{
    if (!queues) {
        return;
    }
    struct entry *entry = queues->entries;
    HASH_CLEAR(hh, queues->entries);
    for (struct entry *next; entry; entry = next) {
        next = entry->hh.next;
        mem_free(entry->queue.name);
        mem_free(entry);
    }
    mem_free(queues);
}

struct celery_queue *celery_queues_add(struct celery_queues *queues, struct str name, enum celery_queue_source source)
{
    if (name.len == 0 || name.len > NAME_MAX_BYTES || str_ends(name, STR(".pidbox")) ||
        str_starts(name, STR("celeryev."))) {
        return NULL;
    }
    struct entry *entry;
    HASH_FIND(hh, queues->entries, name.p, name.len, entry);
    if (!entry) {
        if (HASH_COUNT(queues->entries) >= CELERY_QUEUES_MAX) {
            return NULL;
        }
        entry = mem_zalloc(sizeof(*entry));
        entry->queue.name = mem_str_dup(name);
        entry->queue.length = entry->queue.length_before = -1;
        entry->queue.in_rate = entry->queue.out_rate = NAN;
        HASH_ADD_KEYPTR(hh, queues->entries, entry->queue.name, name.len, entry);
    }
    entry->queue.sources |= source;
    return &entry->queue;
}

void celery_queues_each(struct celery_queues *queues, celery_queue_fn fn, void *ctx)
{
    for (struct entry *entry = queues->entries; entry; entry = entry->hh.next) {
        fn(ctx, &entry->queue);
    }
}

size_t celery_queues_count(const struct celery_queues *queues)
{
    return HASH_COUNT(queues->entries);
}

void celery_queues_set_steps(struct celery_queues *queues, const int32_t *steps, size_t n)
{
    if (n == 0 || n > CELERY_STEPS_MAX) {
        return;
    }
    memcpy(queues->steps, steps, n * sizeof(*steps));
    queues->step_count = n;
}

size_t celery_queues_steps(const struct celery_queues *queues)
{
    return queues->step_count;
}

void celery_queues_key(const struct celery_queues *queues, const struct celery_queue *queue, struct str prefix,
                       size_t step, struct buf *out)
{
    buf_clear(out);
    buf_add(out, prefix);
    buf_add(out, str_of(queue->name));
    if (queues->steps[step] != 0) {
        buf_addf(out, CELERY_SEPARATOR "%d", queues->steps[step]);
    }
}

static void settle(struct celery_queue *queue, size_t steps, int64_t elapsed_ms, bool sent_events)
{
    queue->length_before = queue->length;
    queue->length = 0;
    for (size_t i = 0; i < steps; i++) {
        queue->length += queue->by_step[i];
    }
    if (elapsed_ms > 0) {
        double seconds = (double)elapsed_ms / 1000.0;
        queue->out_rate = (double)queue->received / seconds;
        if (sent_events) {
            queue->in_rate = (double)queue->sent / seconds;
        } else if (queue->length_before >= 0) {
            double in = queue->out_rate + (double)(queue->length - queue->length_before) / seconds;
            queue->in_rate = in > 0 ? in : 0;
        }
    }
    queue->sent = queue->received = 0;
}

void celery_queues_settle(struct celery_queues *queues, int64_t elapsed_ms, bool sent_events)
{
    for (struct entry *entry = queues->entries; entry; entry = entry->hh.next) {
        settle(&entry->queue, queues->step_count, elapsed_ms, sent_events);
    }
}

static void count_worker(void *ctx, struct celery_worker *worker)
{
    struct celery_queues *queues = ctx;
    int64_t processes = worker->processes >= 0 ? worker->processes : worker->concurrency;
    for (size_t i = 0; i < worker->queue_count && worker->online; i++) {
        struct celery_queue *queue = celery_queues_add(queues, str_of(worker->queues[i]), CELERY_FROM_WORKER);
        if (queue) {
            queue->workers++;
            queue->processes += processes > 0 ? processes : 0;
        }
    }
}

void celery_queues_count_workers(struct celery_queues *queues, struct celery_workers *workers)
{
    for (struct entry *entry = queues->entries; entry; entry = entry->hh.next) {
        entry->queue.workers = entry->queue.processes = 0;
    }
    celery_workers_each(workers, count_worker, queues);
}

void celery_queues_write(struct celery_queues *queues, struct batch *batch)
{
    for (struct entry *entry = queues->entries; entry; entry = entry->hh.next) {
        const struct celery_queue *queue = &entry->queue;
        const struct label labels[] = {{STR("queue_name"), str_of(queue->name)}};
        if (queue->length >= 0) {
            batch_add(batch, STR("celery_queue_length"), labels, 1, (double)queue->length);
        }
        batch_add(batch, STR("celery_active_worker_count"), labels, 1, (double)queue->workers);
        batch_add(batch, STR("celery_active_process_count"), labels, 1, (double)queue->processes);
    }
}

static void write_lengths(const struct celery_queues *queues, const struct celery_queue *queue, struct json_writer *w)
{
    json_key(w, STR("length"));
    if (queue->length < 0) {
        json_nil(w);
    } else {
        json_int(w, queue->length);
    }
    json_key(w, STR("by_priority"));
    json_begin_object(w);
    for (size_t i = 0; i < queues->step_count && queue->length >= 0; i++) {
        char step[16];
        int n = snprintf(step, sizeof(step), "%d", queues->steps[i]);
        json_key(w, str_make(step, (size_t)n));
        json_int(w, queue->by_step[i]);
    }
    json_end_object(w);
}

static void write_sources(const struct celery_queue *queue, struct json_writer *w)
{
    static const struct {
        unsigned bit;
        const char *name;
    } names[] = {{CELERY_FROM_BINDING, "binding"},
                 {CELERY_FROM_EVENT, "event"},
                 {CELERY_FROM_CONFIG, "config"},
                 {CELERY_FROM_WORKER, "worker"}};
    json_key(w, STR("sources"));
    json_begin_array(w);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (queue->sources & names[i].bit) {
            json_str(w, str_of(names[i].name));
        }
    }
    json_end_array(w);
}

void celery_queues_json(struct celery_queues *queues, struct str broker, struct json_writer *w)
{
    for (struct entry *entry = queues->entries; entry; entry = entry->hh.next) {
        const struct celery_queue *queue = &entry->queue;
        json_begin_object(w);
        json_field(w, "name", json_str, str_of(queue->name));
        write_lengths(queues, queue, w);
        json_key(w, STR("unacked")); /* the hash holds those of all queues; splitting it means reading all messages */
        json_nil(w);
        json_field(w, "consumers", json_int, queue->workers);
        json_field(w, "processes", json_int, queue->processes);
        json_field(w, "broker", json_str, broker);
        write_sources(queue, w);
        json_field(w, "in_rate", json_double, queue->in_rate);
        json_field(w, "out_rate", json_double, queue->out_rate);
        json_end_object(w);
    }
}

struct str celery_binding_queue(struct str member)
{
    const struct str separator = STR(CELERY_SEPARATOR);
    for (int part = 0; part < 2; part++) {
        ptrdiff_t at = str_find(member, separator);
        if (at < 0) {
            return (struct str){0};
        }
        member = str_slice(member, (size_t)at + separator.len, member.len);
    }
    return member;
}
