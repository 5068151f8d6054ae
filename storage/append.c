/* store_append(): from a batch to series, head and WAL. */
#include "src/base/clock.h"
#include "src/base/counter.h"
#include "src/base/mem.h"
#include "storage/metrics.h"
#include "storage/wal.h"

#include <uthash.h>

/* The series of a scrape come in the same order each time: they are compared with those of the last batch at the same
 * place before anything is hashed. */
struct group {
    UT_hash_handle hh;
    struct series **order;
    size_t n;
    uint32_t cohort; /* where its next new series go */
    bool has_cohort;
    char name[];
};

#define TIME_MIN (-((int64_t)1 << 52)) /* the windows of what lies below would overflow */

static struct group *group_get(struct metrics *m, struct str name)
{
    struct group *group = NULL;
    HASH_FIND(hh, m->groups, name.p ? name.p : "", name.len, group);
    if (group) {
        return group;
    }
    if (HASH_COUNT(m->groups) >= GROUPS_MAX) {
        groups_forget(m);
    }
    group = mem_zalloc(sizeof(*group) + name.len + 1);
    if (name.len) {
        memcpy(group->name, name.p, name.len);
    }
    HASH_ADD(hh, m->groups, name, name.len, group);
    return group;
}

void groups_forget(struct metrics *m)
{
    struct group *group = m->groups;
    HASH_CLEAR(hh, m->groups);
    for (struct group *next; group; group = next) {
        next = group->hh.next;
        mem_free(group->order);
        mem_free(group);
    }
}

/* Both locks are held. */
static struct window *window_open(struct metrics *m, int64_t t_ms, uint64_t wal_seq)
{
    int64_t start_ms = window_start(t_ms);
    for (struct window **at = &m->windows; *at; at = &(*at)->next) {
        struct window *it = *at;
        if (it->start_ms == start_ms && !it->frozen) {
            *at = it->next; /* to the front: the next sample is most likely of the same */
            it->next = m->windows;
            m->windows = it;
            return it;
        }
    }
    struct window *window = mem_zalloc(sizeof(*window));
    *window =
        (struct window){.next = m->windows,
                        .start_ms = start_ms,
                        .min_ms = INT64_MAX,
                        .max_ms = INT64_MIN,
                        .first_wal = wal_seq,
                        .created_ms = clock_mono_ms(),
                        .late = m->newest_ms != INT64_MIN && start_ms + WINDOW_MS + FLUSH_WAIT_MS <= m->newest_ms};
    m->windows = window;
    m->open_windows++;
    return window;
}

void head_insert(struct metrics *m, struct series *series, int64_t t_ms, double v, uint64_t wal_seq, uint32_t safe_seq)
{
    struct window *window = m->windows;
    if (!window || window->frozen || window->start_ms != window_start(t_ms)) {
        window = window_open(m, t_ms, wal_seq);
    }
    if (span_insert(span_of(series, window), t_ms, v, m->seq, safe_seq)) {
        window->samples++;
        m->samples_in_head++;
    }
    window->min_ms = t_ms < window->min_ms ? t_ms : window->min_ms;
    window->max_ms = t_ms > window->max_ms ? t_ms : window->max_ms;
    series->first_ms = t_ms < series->first_ms ? t_ms : series->first_ms;
    series->last_ms = t_ms > series->last_ms ? t_ms : series->last_ms;
    m->newest_ms = t_ms > m->newest_ms ? t_ms : m->newest_ms;
}

/* A batch on its way. found[i]: NULL for a sample left out or, while `is_new`, for a series not there yet. */
struct incoming {
    struct metrics *m;
    const struct batch *batch;
    struct group *group;
    struct series **found;
    uint64_t *hashes; /* of new ones; 0: left out */
    size_t accepted, new_series;
    int64_t last_window_ms; /* of the last accepted sample */
    size_t window_changes;  /* at least as many as windows this batch will open */
    struct wal_writer wal;
};

static bool time_is_acceptable(const struct metrics *m, int64_t t_ms, int64_t now_ms)
{
    int64_t retention_ms = m->store->options.retention_ms;
    return t_ms >= TIME_MIN && t_ms <= now_ms + FUTURE_MS && (retention_ms <= 0 || t_ms >= now_ms - retention_ms);
}

static bool has_open_window(const struct metrics *m, int64_t start_ms)
{
    for (const struct window *it = m->windows; it; it = it->next) {
        if (it->start_ms == start_ms && !it->frozen) {
            return true;
        }
    }
    return false;
}

static bool window_is_affordable(struct incoming *in, int64_t t_ms)
{
    int64_t start_ms = window_start(t_ms);
    if (start_ms == in->last_window_ms) {
        return true;
    }
    if (in->m->open_windows + in->window_changes < WINDOWS_MAX) {
        in->window_changes++;
    } else if (!has_open_window(in->m, start_ms)) {
        return false;
    }
    in->last_window_ms = start_ms;
    return true;
}

static void look_up(struct incoming *in, size_t i)
{
    struct labels labels = in->batch->samples.p[i].labels;
    struct series *guess = i < in->group->n ? in->group->order[i] : NULL;
    if (guess && series_has_labels(guess, labels)) {
        in->found[i] = guess;
        in->accepted++;
        return;
    }
    uint64_t hash = series_hash(labels);
    in->found[i] = index_find(in->m->index, labels, hash);
    if (!in->found[i]) {
        if (index_count(in->m->index) + in->new_series >= SERIES_MAX || in->m->counters.next_id > SERIES_ID_MAX ||
            !labels_acceptable(labels)) {
            return;
        }
        in->hashes[i] = hash ? hash : 1;
        in->new_series++;
    }
    in->accepted++;
}

static void look_up_all(struct incoming *in)
{
    int64_t now_ms = clock_wall_ms();
    for (size_t i = 0; i < in->batch->samples.len; i++) {
        int64_t t_ms = in->batch->samples.p[i].t_ms;
        if (time_is_acceptable(in->m, t_ms, now_ms) && window_is_affordable(in, t_ms)) {
            look_up(in, i);
        }
    }
}

static bool cohort_has_room(const struct metrics *m, uint32_t cohort)
{
    return cohort < m->cohort_slots.len && m->cohort_slots.p[cohort] < COHORT_SLOTS;
}

/* After a restart a group goes on with the cohort of the series it already has. */
static uint32_t choose_cohort(struct incoming *in)
{
    struct metrics *m = in->m;
    struct group *group = in->group;
    for (size_t i = 0; !group->has_cohort && i < in->batch->samples.len; i++) {
        if (in->found[i] && cohort_has_room(m, in->found[i]->cohort)) {
            group->cohort = in->found[i]->cohort;
            group->has_cohort = true;
        }
    }
    if (!group->has_cohort || !cohort_has_room(m, group->cohort)) {
        group->cohort = m->counters.next_cohort++;
        group->has_cohort = true;
        while (m->cohort_slots.len <= group->cohort) {
            vec_push(&m->cohort_slots, 0);
        }
    }
    return group->cohort;
}

/* Both locks are held. */
static void make_series(struct incoming *in)
{
    struct metrics *m = in->m;
    for (size_t i = 0; i < in->batch->samples.len; i++) {
        if (!in->hashes[i]) {
            continue;
        }
        struct labels labels = in->batch->samples.p[i].labels;
        in->found[i] = index_find(m->index, labels, series_hash(labels)); /* the same new series twice in a batch */
        if (!in->found[i]) {
            uint32_t cohort = choose_cohort(in);
            uint8_t slot = m->cohort_slots.p[cohort]++;
            in->found[i] = index_add(m->index, m->counters.next_id++, cohort, slot, labels);
            wal_add_series(&in->wal, in->found[i]->id, cohort, slot, labels);
        }
    }
    self_set(SELF_SERIES, (int64_t)index_count(m->index));
}

static void insert_samples(struct incoming *in, uint64_t wal_seq)
{
    struct metrics *m = in->m;
    uint32_t safe_seq = snapshots_safe_seq(m);
    m->seq++;
    int64_t now_ms = clock_mono_ms();
    for (size_t i = 0; i < in->batch->samples.len; i++) {
        const struct batch_sample *sample = &in->batch->samples.p[i];
        if (in->found[i]) {
            head_insert(m, in->found[i], sample->t_ms, sample->value, wal_seq, safe_seq);
            m->windows->touched_ms = now_ms;
        }
    }
}

static void write_wal(struct incoming *in)
{
    for (size_t i = 0; i < in->batch->samples.len; i++) {
        const struct batch_sample *sample = &in->batch->samples.p[i];
        if (in->found[i]) {
            wal_add_sample(&in->wal, in->found[i]->id, sample->t_ms, sample->value);
        }
    }
}

/* A series' record goes to the metrics environment at once, too: a damaged WAL record then costs its own samples, not
 * those of later records. Whatever is lost of this is made good by the flush, which comes later in the same queue. */
static void store_new_series(struct incoming *in)
{
    struct kv_job *job = kv_job_new(NULL, NULL);
    for (size_t i = 0; i < in->batch->samples.len; i++) {
        if (in->hashes[i] && !in->found[i]->stored) {
            series_put(job, in->found[i]);
            in->found[i]->stored = true;
        }
    }
    if (writer_push_always(in->m->store->writer, ENV_METRICS, kv_job_base(job))) {
        kv_job_free(job);
    }
}

/* append_lock is held; the queue has room. */
static int take(struct incoming *in, store_done_fn done, void *ctx)
{
    struct metrics *m = in->m;
    uint64_t wal_seq = m->counters.wal_seq + 1;
    look_up_all(in);
    if (in->accepted) {
        pthread_rwlock_wrlock(&m->lock);
        make_series(in);
        insert_samples(in, wal_seq);
        pthread_rwlock_unlock(&m->lock);
        if (in->new_series) {
            store_new_series(in);
        }
        write_wal(in);
        m->counters.wal_seq = wal_seq;
    }
    self_add(SELF_SAMPLES_APPENDED, (int64_t)in->accepted);
    self_add(SELF_SAMPLES_REJECTED, (int64_t)(in->batch->samples.len - in->accepted));
    families_update(m, in->batch->families.p, in->batch->families.len);
    return wal_push(m, wal_seq, in->accepted ? wal_finish(&in->wal) : (struct str){NULL, 0}, done, ctx);
}

/* What a batch may weigh in the queue, before it is known. */
static size_t estimate(const struct batch *batch)
{
    return 256 + batch->samples.len * 16;
}

int store_append(struct store *store, const struct batch *batch, store_done_fn done, void *ctx)
{
    struct metrics *m = store->metrics;
    size_t n = batch->samples.len;
    pthread_mutex_lock(&m->append_lock);
    if (!writer_has_room(store->writer, estimate(batch))) {
        pthread_mutex_unlock(&m->append_lock);
        self_add(SELF_SAMPLES_REJECTED, (int64_t)n);
        return ERR_FULL;
    }
    struct incoming in = {.m = m, .batch = batch, .last_window_ms = INT64_MIN, .group = group_get(m, batch->group)};
    in.found = mem_zalloc((n + 1) * sizeof(struct series *));
    in.hashes = mem_zalloc((n + 1) * sizeof(uint64_t));
    wal_init(&in.wal, batch->t_ms);
    int rc = take(&in, done, ctx);
    mem_free(in.group->order);
    in.group->order = in.found;
    in.group->n = n;
    pthread_mutex_unlock(&m->append_lock);
    wal_release(&in.wal);
    mem_free(in.hashes);
    return rc;
}
