#include "src/collect/celery/celery_workers.h"

#include "src/base/codec.h"

#define uthash_malloc(size)  mem_alloc(size)
#define uthash_free(p, size) mem_free(p)
#include <uthash.h>

struct entry {
    struct celery_worker worker;
    UT_hash_handle hh; /* by hostname */
};

struct celery_workers {
    struct entry *entries;
    int64_t timeout_ms;
    int64_t excused_until_ms; /* monotonic */
};

struct celery_workers *celery_workers_new(int64_t timeout_ms)
{
    struct celery_workers *workers = mem_zalloc(sizeof(*workers));
    workers->timeout_ms = timeout_ms;
    return workers;
}

static void drop_queues(struct celery_worker *worker)
{
    for (size_t i = 0; i < worker->queue_count; i++) {
        mem_free(worker->queues[i]);
    }
    worker->queue_count = 0;
}

static void free_entry(struct entry *entry)
{
    drop_queues(&entry->worker);
    mem_free(entry->worker.hostname);
    mem_free(entry);
}

void celery_workers_free(struct celery_workers *workers)
{
    if (!workers) {
        return;
    }
    struct entry *entry = workers->entries;
    HASH_CLEAR(hh, workers->entries);
    for (struct entry *next; entry; entry = next) {
        next = entry->hh.next;
        free_entry(entry);
    }
    mem_free(workers);
}

struct celery_worker *celery_workers_find(struct celery_workers *workers, struct str hostname)
{
    struct entry *entry;
    HASH_FIND(hh, workers->entries, hostname.p, hostname.len, entry);
    return entry ? &entry->worker : NULL;
}

static struct celery_worker *add_worker(struct celery_workers *workers, struct str hostname)
{
    if (HASH_COUNT(workers->entries) >= CELERY_WORKERS_MAX) {
        return NULL;
    }
    struct entry *entry = mem_zalloc(sizeof(*entry));
    struct celery_worker *worker = &entry->worker;
    worker->hostname = mem_str_dup(hostname);
    worker->active = worker->processed = worker->concurrency = worker->processes = worker->prefetch = -1;
    HASH_ADD_KEYPTR(hh, workers->entries, worker->hostname, hostname.len, entry);
    return worker;
}

void celery_workers_expect(struct celery_workers *workers, struct str hostname, struct celery_clock now)
{
    struct celery_worker *worker = celery_workers_find(workers, hostname);
    worker = worker ? worker : add_worker(workers, hostname);
    if (worker) {
        worker->expected = true;
        worker->last_mono_ms = now.mono_ms;
        worker->gone_ms = now.wall_ms;
    }
}

/* Notes a sign of life. A new pid is a restart: what was known of the process before is void. */
static enum celery_worker_change see(struct celery_workers *workers, struct str hostname, int64_t pid,
                                     struct celery_clock now, struct celery_worker **out)
{
    struct celery_worker *worker = celery_workers_find(workers, hostname);
    worker = worker ? worker : add_worker(workers, hostname);
    *out = worker;
    if (!worker) {
        return CELERY_WORKER_SAME;
    }
    worker->first_ms = worker->first_ms ? worker->first_ms : now.wall_ms;
    worker->last_ms = now.wall_ms;
    worker->last_mono_ms = now.mono_ms;
    if (pid > 0 && pid != worker->pid) {
        worker->pid = pid;
        worker->task_events = false;
        worker->concurrency = worker->processes = worker->prefetch = -1;
    }
    bool came = !worker->online;
    worker->online = true;
    worker->lost = false;
    return came ? CELERY_WORKER_CAME : CELERY_WORKER_SAME;
}

static void set_text(char *out, size_t size, struct str text)
{
    size_t n = utf8_cut(text, size - 1);
    if (n) {
        memcpy(out, text.p, n);
        out[n] = '\0';
    }
}

static void take_heartbeat(struct celery_worker *worker, const struct celery_worker_event *event)
{
    if (event->active >= 0) { /* an ordinary one: those asked for by command have another freq and lack the rest */
        worker->active = event->active;
        worker->freq = event->freq > 0 ? event->freq : worker->freq;
    }
    worker->processed = event->processed >= 0 ? event->processed : worker->processed;
    if (event->has_loadavg) {
        worker->has_loadavg = true;
        memcpy(worker->loadavg, event->loadavg, sizeof(worker->loadavg));
    }
    set_text(worker->sw_ident, sizeof(worker->sw_ident), event->sw_ident);
    set_text(worker->sw_ver, sizeof(worker->sw_ver), event->sw_ver);
    set_text(worker->sw_sys, sizeof(worker->sw_sys), event->sw_sys);
}

static void take_offline(struct celery_worker *worker, bool lost, int64_t now_ms)
{
    worker->online = false;
    worker->lost = lost;
    worker->gone_ms = now_ms;
    worker->task_events = false;
}

enum celery_worker_change celery_workers_event(struct celery_workers *workers, const struct celery_worker_event *event,
                                               struct celery_clock now, struct celery_worker **out)
{
    if (event->type == CELERY_WORKER_OFFLINE) {
        /* The goodbye of an earlier process must not take its successor down. */
        struct celery_worker *worker = *out = celery_workers_find(workers, event->hostname);
        if (!worker || !worker->online || (event->pid > 0 && worker->pid > 0 && event->pid != worker->pid)) {
            return CELERY_WORKER_SAME;
        }
        worker->last_ms = now.wall_ms;
        take_offline(worker, false, now.wall_ms);
        return CELERY_WORKER_LEFT;
    }
    enum celery_worker_change change = see(workers, event->hostname, event->pid, now, out);
    if (*out) {
        take_heartbeat(*out, event);
    }
    return change;
}

/* Tasks that end during a warm shutdown are reported after the goodbye. */
static bool said_goodbye(const struct celery_worker *worker, int64_t pid)
{
    return worker && !worker->online && !worker->lost && worker->first_ms && worker->pid == pid;
}

enum celery_worker_change celery_workers_task(struct celery_workers *workers, const struct task_event *event,
                                              struct celery_clock now, struct celery_worker **out)
{
    enum celery_worker_change change = CELERY_WORKER_SAME;
    *out = celery_workers_find(workers, event->hostname);
    if (!said_goodbye(*out, event->pid)) {
        change = see(workers, event->hostname, event->pid, now, out);
    }
    if (*out) {
        (*out)->task_events = (*out)->online;
        (*out)->succeeded += event->type == TASK_EVENT_SUCCEEDED;
        (*out)->failed += event->type == TASK_EVENT_FAILED;
        (*out)->retried += event->type == TASK_EVENT_RETRIED;
    }
    return change;
}

void celery_workers_stats(struct celery_workers *workers, const struct celery_reply *reply)
{
    struct celery_worker *worker = celery_workers_find(workers, reply->node);
    if (worker) {
        worker->concurrency = reply->concurrency;
        worker->processes = reply->processes;
        worker->prefetch = reply->prefetch;
        set_text(worker->pool, sizeof(worker->pool), reply->pool);
    }
}

void celery_workers_queues(struct celery_workers *workers, const struct celery_reply *reply)
{
    struct celery_worker *worker = celery_workers_find(workers, reply->node);
    if (!worker) {
        return;
    }
    drop_queues(worker);
    for (size_t i = 0; i < reply->queue_count && i < CELERY_WORKER_QUEUES_MAX; i++) {
        worker->queues[worker->queue_count++] = mem_str_dup(reply->queues[i]);
    }
}

static int64_t timeout_of(const struct celery_workers *workers, const struct celery_worker *worker)
{
    if (workers->timeout_ms > 0) {
        return workers->timeout_ms;
    }
    double two_beats = worker->freq > 0 && worker->freq < 3600 ? worker->freq * 2000.0 : 0;
    return two_beats > CELERY_WORKER_TIMEOUT_MIN ? (int64_t)two_beats : CELERY_WORKER_TIMEOUT_MIN;
}

void celery_workers_excuse(struct celery_workers *workers, int64_t until_mono_ms)
{
    workers->excused_until_ms = until_mono_ms > workers->excused_until_ms ? until_mono_ms : workers->excused_until_ms;
}

void celery_workers_tick(struct celery_workers *workers, struct celery_clock now, celery_worker_fn lost, void *ctx)
{
    for (struct entry *next, *entry = workers->entries; entry; entry = next) {
        struct celery_worker *worker = &entry->worker;
        next = entry->hh.next;
        if (worker->online) {
            int64_t since =
                worker->last_mono_ms > workers->excused_until_ms ? worker->last_mono_ms : workers->excused_until_ms;
            if (now.mono_ms - since > timeout_of(workers, worker)) {
                take_offline(worker, true, now.wall_ms);
                lost(ctx, worker);
            }
        } else if (!worker->expected && now.mono_ms - worker->last_mono_ms > CELERY_WORKER_KEPT_MS) {
            HASH_DEL(workers->entries, entry);
            free_entry(entry);
        }
    }
}

void celery_workers_each(struct celery_workers *workers, celery_worker_fn fn, void *ctx)
{
    for (struct entry *entry = workers->entries; entry; entry = entry->hh.next) {
        fn(ctx, &entry->worker);
    }
}

size_t celery_workers_online(const struct celery_workers *workers)
{
    size_t n = 0;
    for (const struct entry *entry = workers->entries; entry; entry = entry->hh.next) {
        n += entry->worker.online;
    }
    return n;
}

struct str celery_host(struct str node)
{
    ptrdiff_t at = str_find_char(node, '@');
    return at < 0 ? node : str_slice(node, (size_t)at + 1, node.len);
}

void celery_workers_write(struct celery_workers *workers, struct batch *batch, int64_t now_ms)
{
    batch_add(batch, STR("celery_workers"), NULL, 0, (double)celery_workers_online(workers));
    for (struct entry *entry = workers->entries; entry; entry = entry->hh.next) {
        const struct celery_worker *worker = &entry->worker;
        struct str node = str_of(worker->hostname);
        const struct label labels[] = {{STR("hostname"), celery_host(node)}, {STR("worker"), node}};
        bool forgotten = !worker->lost && !worker->expected && now_ms - worker->gone_ms > CELERY_WORKER_GONE_MS;
        if (worker->online || !forgotten) {
            batch_add(batch, STR("celery_worker_up"), labels, 2, worker->online);
        }
        if (worker->online && worker->active >= 0) {
            batch_add(batch, STR("celery_worker_tasks_active"), labels, 2, (double)worker->active);
            batch_add(batch, STR("celery_task_active"), labels, 2, (double)worker->active);
        }
    }
}

static void write_count(struct json_writer *w, struct str key, int64_t value)
{
    json_key(w, key);
    if (value >= 0) {
        json_int(w, value);
    } else {
        json_nil(w);
    }
}

static void write_text(struct json_writer *w, struct str key, const char *text)
{
    json_key(w, key);
    if (*text) {
        json_str(w, str_of(text));
    } else {
        json_nil(w);
    }
}

static void write_time(struct json_writer *w, struct str key, int64_t ms)
{
    json_key(w, key);
    if (ms) {
        json_seconds(w, ms);
    } else {
        json_nil(w);
    }
}

static void write_lists(const struct celery_worker *worker, struct json_writer *w)
{
    json_key(w, STR("loadavg"));
    json_begin_array(w);
    for (size_t i = 0; i < 3 && worker->has_loadavg; i++) {
        json_double(w, worker->loadavg[i]);
    }
    json_end_array(w);
    json_key(w, STR("queues"));
    json_begin_array(w);
    for (size_t i = 0; i < worker->queue_count; i++) {
        json_str(w, str_of(worker->queues[i]));
    }
    json_end_array(w);
}

static void write_worker(const struct celery_worker *worker, struct str broker, struct json_writer *w)
{
    struct str node = str_of(worker->hostname);
    json_begin_object(w);
    json_field(w, "hostname", json_str, celery_host(node));
    json_field(w, "worker", json_str, node);
    json_field(w, "online", json_bool, worker->online);
    json_field(w, "lost", json_bool, worker->lost);
    json_field(w, "expected", json_bool, worker->expected);
    write_count(w, STR("pid"), worker->pid > 0 ? worker->pid : -1);
    write_count(w, STR("active"), worker->online ? worker->active : -1);
    write_count(w, STR("processed"), worker->processed);
    json_field(w, "freq", json_double, worker->freq > 0 ? worker->freq : NAN);
    write_text(w, STR("sw_ident"), worker->sw_ident);
    write_text(w, STR("sw_ver"), worker->sw_ver);
    write_text(w, STR("sw_sys"), worker->sw_sys);
    write_time(w, STR("first_seen"), worker->first_ms);
    write_time(w, STR("last_seen"), worker->last_ms);
    write_lists(worker, w);
    write_count(w, STR("concurrency"), worker->concurrency);
    write_count(w, STR("prefetch"), worker->prefetch);
    write_text(w, STR("pool"), worker->pool);
    json_field(w, "task_events", json_bool, worker->task_events);
    json_field(w, "broker", json_str, broker);
    json_field(w, "succeeded", json_int, (int64_t)worker->succeeded);
    json_field(w, "failed", json_int, (int64_t)worker->failed);
    json_field(w, "retried", json_int, (int64_t)worker->retried);
    json_end_object(w);
}

void celery_workers_json(struct celery_workers *workers, struct str broker, struct json_writer *w)
{
    for (struct entry *entry = workers->entries; entry; entry = entry->hh.next) {
        write_worker(&entry->worker, broker, w);
    }
}
