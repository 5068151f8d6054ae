/*
 * From what comes in to series, rows and the log: store_append() and store_write().
 *
 * Series are found by guessing: the one that followed the last series in the last append comes first, compared by the
 * hash of the sender's bytes (or by labels); only a wrong guess costs labels and a look-up. Consecutive samples of one
 * cohort at one time make a run, which becomes a row of the head and stands as such in the log.
 *
 * A series of a request is taken whole or not at all: its samples are all checked before the first is kept.
 */
#include "src/base/clock.h"
#include "src/base/counter.h"
#include "src/base/mem.h"
#include "src/base/thread.h"
#include "storage/metrics.h"
#include "storage/wal_record.h"

#include <uthash.h>
#include <xxhash.h>

/* Where the next new series of a scrape group go. */
struct group {
    UT_hash_handle hh;
    struct series *first; /* that began the last append */
    uint32_t cohort;
    bool has_cohort;
    int64_t cohort_ms; /* time of the samples with which series came into the cohort */
    char name[];
};

struct newcomer {
    size_t i; /* of the request's series */
    uint64_t hash;
    struct labels labels;
};

#define WINDOWS_SET 16384     /* a power of two, more than WINDOWS_MAX open ones and as many new ones */
#define NO_WINDOW   INT64_MIN /* TIME_MIN's is later */

struct intake {
    struct arena arena;         /* labels of this append */
    vec(struct series *) found; /* by series of the request; NULL: refused, or a newcomer */
    vec(struct newcomer) newcomers;
    vec(struct run) runs;
    vec(double) values;
    int64_t allowed[WINDOWS_SET]; /* starts of windows, by hash */
    vec(uint32_t) allowed_at;     /* places in use */
    struct buf record;
};

#define TIME_MIN   (-((int64_t)1 << 52)) /* the windows of what lies below would overflow */
#define COHORT_MIN 32                    /* series that were not scraped together share a cohort until it has so many */

static void forget_allowed(struct intake *in)
{
    vec_each (const uint32_t *, it, &in->allowed_at) {
        in->allowed[*it] = NO_WINDOW;
    }
    vec_clear(&in->allowed_at);
}

struct intake *intake_new(void)
{
    struct intake *in = mem_zalloc(sizeof(*in));
    arena_init(&in->arena);
    buf_init(&in->record, WAL_PAYLOAD_MAX);
    for (size_t i = 0; i < WINDOWS_SET; i++) {
        in->allowed[i] = NO_WINDOW;
    }
    return in;
}

void intake_free(struct intake *in)
{
    if (in) {
        arena_release(&in->arena);
        vec_release(&in->found);
        vec_release(&in->newcomers);
        vec_release(&in->runs);
        vec_release(&in->values);
        vec_release(&in->allowed_at);
        buf_release(&in->record);
        mem_free(in);
    }
}

static void intake_clear(struct intake *in)
{
    arena_clear(&in->arena);
    vec_clear(&in->found);
    vec_clear(&in->newcomers);
    vec_clear(&in->runs);
    vec_clear(&in->values);
    buf_clear(&in->record);
    forget_allowed(in);
}

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

void head_insert(struct metrics *m, const struct run *run, const double *values, uint64_t wal_seq)
{
    struct window *window = m->windows;
    if (!window || window->frozen || window->start_ms != window_start(run->t_ms)) {
        window = window_open(m, run->t_ms, wal_seq);
    }
    struct strip *strip = strip_of(run->cohort, window);
    const struct piece *full = strip_add(strip, run, values, m->seq);
    if (full) {
        m->full_bytes += piece_bytes(full);
        vec_push(&m->full, strip);
    }
    window->samples += run->n;
    window->rows++;
    m->samples_in_head += run->n;
    window->min_ms = run->t_ms < window->min_ms ? run->t_ms : window->min_ms;
    window->max_ms = run->t_ms > window->max_ms ? run->t_ms : window->max_ms;
    m->newest_ms = run->t_ms > m->newest_ms ? run->t_ms : m->newest_ms;
}

/* A request on its way. */
struct incoming {
    struct metrics *m;
    struct intake *in;
    const struct write_request *request;
    const uint64_t *wires; /* hashes of the keys; 0: no key */
    struct write_result *result;
    struct group *group;
    struct series *last;                 /* found just before */
    int64_t now_ms, oldest_ms, order_ms; /* acceptable times; in order at any rate from order_ms on */
    int64_t last_window_ms;              /* of the last accepted sample */
    size_t new_windows;                  /* that this request will open */
};

/* -- what is acceptable -- */

static bool has_open_window(const struct metrics *m, int64_t start_ms)
{
    for (const struct window *it = m->windows; it; it = it->next) {
        if (it->start_ms == start_ms && !it->frozen) {
            return true;
        }
    }
    return false;
}

/* Its place in the set of windows that this request has been allowed, or a free one. Never full: WINDOWS_SET is twice
 * what may be open. */
static int64_t *allowed_window(struct intake *in, int64_t start_ms)
{
    size_t at = (uint64_t)(start_ms / WINDOW_MS) * 0x9e3779b97f4a7c15 >> 32 & (WINDOWS_SET - 1);
    while (in->allowed[at] != start_ms && in->allowed[at] != NO_WINDOW) {
        at = (at + 1) & (WINDOWS_SET - 1);
    }
    return &in->allowed[at];
}

static bool window_is_affordable(struct incoming *c, int64_t t_ms)
{
    int64_t start_ms = window_start(t_ms);
    if (start_ms == c->last_window_ms) {
        return true;
    }
    int64_t *allowed = allowed_window(c->in, start_ms);
    if (*allowed == NO_WINDOW) {
        bool open = has_open_window(c->m, start_ms);
        if (!open && c->m->open_windows + c->new_windows >= WINDOWS_MAX) {
            return false;
        }
        c->new_windows += !open;
        vec_push(&c->in->allowed_at, (uint32_t)(allowed - c->in->allowed));
        *allowed = start_ms;
    }
    c->last_window_ms = start_ms;
    return true;
}

/* At least as old as its newest sample: of what was in blocks at the start only the window is known, whose end stands
 * for it (note_block() in load.c); a coarser tier's ends where one of raw samples begins. */
static int64_t surely_reached_ms(const struct series *series)
{
    int64_t start_ms = window_start(series->last_ms);
    return series->last_ms == start_ms                   ? start_ms - tier_window_ms(TIER_COUNT - 1)
           : series->last_ms == start_ms + WINDOW_MS - 1 ? start_ms
                                                         : series->last_ms;
}

static const char *time_fault(struct incoming *c, const struct series *series, int64_t t_ms)
{
    if (t_ms > c->now_ms + FUTURE_MS) {
        return "is more than an hour ahead of this machine's clock: set the clocks";
    }
    if (t_ms < c->oldest_ms) {
        return "is older than the retention: raise it (0 keeps everything), or leave such samples out";
    }
    if (series && t_ms < c->order_ms && t_ms < series->last_ms && t_ms < surely_reached_ms(series)) {
        self_add(SELF_SAMPLES_OUT_OF_ORDER, 1);
        return "is out of order by more than out_of_order allows: raise it, or use cloche import";
    }
    return window_is_affordable(c, t_ms) ? NULL
                                         : "would open too many two-hour windows at once: send older samples in "
                                           "order of time";
}

static void refuse(struct incoming *c, size_t i, const struct error *err)
{
    struct write_result *out = c->result;
    out->first = out->rejected_series++ ? out->first : *err;
    out->rejected_samples += c->request->series[i].count;
}

static bool times_are_acceptable(struct incoming *c, size_t i, const struct series *series)
{
    const struct write_series *s = &c->request->series[i];
    for (uint32_t k = 0; k < s->count; k++) {
        int64_t t_ms = c->request->samples[s->first + k].t_ms;
        const char *fault = time_fault(c, series, t_ms);
        if (fault) {
            struct error err;
            struct labels labels = {0};
            auto_buf name;
            buf_init(&name, 4096);
            if (c->request->labels(c->request->ctx, i, &c->in->arena, &labels, &err) == 0) {
                labels_print(labels, &name);
            }
            error_set(&err, ERR_LIMIT, "series %.*s: its sample of %lld ms %s", (int)(name.len < 90 ? name.len : 90),
                      name.len ? name.p : "", (long long)t_ms, fault);
            refuse(c, i, &err);
            return false;
        }
    }
    return true;
}

/* -- which series it is -- */

static bool add_newcomer(struct incoming *c, size_t i, struct labels labels, uint64_t hash)
{
    struct metrics *m = c->m;
    struct error err;
    if (index_count(m->index) + c->in->newcomers.len >= SERIES_MAX || m->counters.next_id > SERIES_ID_MAX) {
        error_set(&err, ERR_LIMIT,
                  "there are %u series already: more are not taken; find the labels with many values at "
                  "/api/v1/status/tsdb",
                  SERIES_MAX);
        refuse(c, i, &err);
        return false;
    }
    if (!labels_acceptable(labels)) {
        error_set(&err, ERR_LIMIT, "a series without metric name, with unsorted, doubled, empty or too many labels");
        refuse(c, i, &err);
        return false;
    }
    vec_push(&c->in->newcomers, ((struct newcomer){i, hash, labels}));
    return true;
}

/* By labels. NULL: refused, or a newcomer. */
static struct series *find_by_labels(struct incoming *c, size_t i, struct series *guess, uint64_t wire)
{
    struct labels labels = {0};
    struct error err = {0};
    if (c->request->labels(c->request->ctx, i, &c->in->arena, &labels, &err)) {
        refuse(c, i, &err);
        return NULL;
    }
    struct series *series = guess && series_has_labels(guess, labels) ? guess : NULL;
    uint64_t hash = 0;
    if (!series) {
        hash = series_hash(labels);
        series = index_find(c->m->index, labels, hash);
    }
    if (!times_are_acceptable(c, i, series)) {
        return NULL;
    }
    if (!series) {
        (void)add_newcomer(c, i, labels, hash);
        return NULL;
    }
    series->wire = wire ? wire : series->wire;
    return series;
}

static struct series *look_up(struct incoming *c, size_t i)
{
    struct series *guess = c->last ? c->last->successor : c->group->first;
    uint64_t wire = c->wires[i];
    struct series *series;
    if (guess && wire && guess->wire == wire) {
        series = times_are_acceptable(c, i, guess) ? guess : NULL;
    } else {
        series = find_by_labels(c, i, guess, wire);
    }
    if (!series) {
        return NULL;
    }
    if (c->last) {
        c->last->successor = series;
    } else {
        c->group->first = series;
    }
    c->last = series;
    return series;
}

static void look_up_all(struct incoming *c)
{
    const struct write_request *request = c->request;
    const struct store_options *options = &c->m->store->options;
    c->now_ms = clock_wall_ms();
    c->oldest_ms = options->retention_ms > 0 ? c->now_ms - options->retention_ms : TIME_MIN;
    bool bound = options->out_of_order_ms > 0 && options->retention_ms > 0 && !request->any_order;
    c->order_ms = bound && c->m->newest_ms != INT64_MIN ? c->m->newest_ms - options->out_of_order_ms : INT64_MIN;
    vec_reserve(&c->in->found, request->series_count);
    for (size_t i = 0; i < request->series_count; i++) {
        c->in->found.p[i] = look_up(c, i);
    }
    c->in->found.len = request->series_count;
}

/* -- new series -- */

static bool cohort_has_room(const struct metrics *m, uint32_t number)
{
    return number < m->cohorts.len && m->cohorts.p[number] && m->cohorts.p[number]->used < COHORT_SLOTS;
}

/* After a restart a group goes on with the cohort of the series it already has. */
static struct cohort *choose_cohort(struct incoming *c, int64_t t_ms)
{
    struct metrics *m = c->m;
    struct group *group = c->group;
    for (size_t i = 0; !group->has_cohort && i < c->in->found.len; i++) {
        if (c->in->found.p[i] && c->in->found.p[i]->cohort->used < COHORT_SLOTS) {
            group->cohort = c->in->found.p[i]->cohort->number;
            group->has_cohort = true;
            group->cohort_ms = t_ms;
        }
    }
    bool room = group->has_cohort && cohort_has_room(m, group->cohort);
    if (!room || (t_ms != group->cohort_ms && m->cohorts.p[group->cohort]->used >= COHORT_MIN)) {
        group->cohort = m->counters.next_cohort++;
        group->has_cohort = true;
    }
    group->cohort_ms = t_ms;
    return cohort_get(m, group->cohort);
}

/* Both locks are held. */
static void make_series(struct incoming *c)
{
    struct metrics *m = c->m;
    struct intake *in = c->in;
    size_t made = 0;
    vec_each (struct newcomer *, it, &in->newcomers) {
        struct series *series = index_find(m->index, it->labels, it->hash); /* the same twice in a request */
        if (!series) {
            const struct write_series *s = &c->request->series[it->i];
            struct cohort *cohort = choose_cohort(c, s->count ? c->request->samples[s->first].t_ms : 0);
            series = index_add(m->index, m->counters.next_id++, cohort, (uint8_t)cohort->used, it->labels);
            cohort_place(cohort, series);
            in->newcomers.p[made++] = *it;
        }
        series->wire = c->wires[it->i] ? c->wires[it->i] : series->wire;
        in->found.p[it->i] = series;
    }
    in->newcomers.len = made;
    self_add(SELF_SERIES_CREATED, (int64_t)made);
    self_set(SELF_SERIES, (int64_t)index_count(m->index));
}

static void record_series(struct intake *in)
{
    wal_record_begin(&in->record, in->newcomers.len);
    vec_each (const struct newcomer *, it, &in->newcomers) {
        const struct series *series = in->found.p[it->i];
        wal_record_series(&in->record, series->id, series->cohort->number, series->slot, it->labels);
    }
}

/* A series' record goes to the metrics environment at once, too: a damaged record of the log then costs its own
 * samples, not those of later ones. Whatever is lost of this is made good by the flush, which comes later in the same
 * queue. */
static void store_new_series(struct incoming *c)
{
    struct kv_job *job = kv_job_new(NULL, NULL);
    vec_each (const struct newcomer *, it, &c->in->newcomers) {
        struct series *series = c->in->found.p[it->i];
        if (!series->stored) {
            series_put(job, series);
            series->stored = true;
        }
    }
    if (writer_push_always(c->m->store->writer, ENV_METRICS, kv_job_base(job))) {
        kv_job_free(job);
    }
}

/* -- rows -- */

static inline bool run_takes(const struct run *run, const struct series *series, int64_t t_ms)
{
    unsigned slot = series->slot;
    uint64_t above = run->present[slot / 64] >> (slot % 64); /* this slot and those after it in the word */
    for (unsigned word = slot / 64 + 1; word < PRESENT_WORDS; word++) {
        above |= run->present[word];
    }
    return run->cohort == series->cohort && run->t_ms == t_ms && !above;
}

static void make_runs(struct incoming *c)
{
    struct intake *in = c->in;
    const struct write_request *request = c->request;
    vec_reserve(&in->values, request->sample_count);
    vec_reserve(&in->runs, request->sample_count);
    struct run *run = NULL;
    for (size_t i = 0; i < in->found.len; i++) {
        struct series *series = in->found.p[i];
        const struct write_series *s = &request->series[i];
        for (uint32_t k = 0; series && k < s->count; k++) {
            const struct write_sample *sample = &request->samples[s->first + k];
            if (!run || !run_takes(run, series, sample->t_ms)) {
                run = &in->runs.p[in->runs.len++];
                *run = (struct run){.cohort = series->cohort, .t_ms = sample->t_ms, .at = (uint32_t)in->values.len};
            }
            run->present[series->slot / 64] |= (uint64_t)1 << (series->slot % 64);
            run->n++;
            in->values.p[in->values.len++] = sample->value;
            series->first_ms = sample->t_ms < series->first_ms ? sample->t_ms : series->first_ms;
            series->last_ms = sample->t_ms > series->last_ms ? sample->t_ms : series->last_ms;
        }
    }
}

static void insert_runs(struct incoming *c, uint64_t wal_seq)
{
    struct metrics *m = c->m;
    int64_t now_ms = clock_mono_ms();
    int64_t oldest_ms = INT64_MAX;
    m->seq++;
    vec_each (const struct run *, run, &c->in->runs) {
        head_insert(m, run, c->in->values.p, wal_seq);
        m->windows->touched_ms = now_ms;
        oldest_ms = run->t_ms < oldest_ms ? run->t_ms : oldest_ms;
    }
    if (c->in->runs.len) {
        changes_note(&m->changes, oldest_ms);
    }
    self_set(SELF_HEAD_SAMPLES, (int64_t)m->samples_in_head);
}

/* append_lock is held; the log has room. */
static void take(struct incoming *c, bool wake, store_done_fn done, void *ctx)
{
    struct metrics *m = c->m;
    struct intake *in = c->in;
    uint64_t wal_seq = m->counters.wal_seq + 1;
    look_up_all(c);
    pthread_rwlock_wrlock(&m->lock);
    if (in->newcomers.len) {
        make_series(c);
    }
    make_runs(c);
    insert_runs(c, wal_seq);
    pthread_rwlock_unlock(&m->lock);
    record_series(in);
    if (in->newcomers.len) {
        store_new_series(c);
    }
    wal_record_runs(&in->record, in->runs.p, in->runs.len, in->values.p, in->values.len);
    invariant(!in->record.failed); /* a request's size is bounded far below a record's */
    c->result->samples = in->values.len;
    bool any = in->values.len > 0;
    m->counters.wal_seq = any ? wal_seq : m->counters.wal_seq;
    families_update(m, c->request->families, c->request->family_count);
    wal_push(m->store->wal, wal_seq, any ? buf_str(&in->record) : (struct str){0}, wake, done, ctx);
    self_add(SELF_SAMPLES_APPENDED, (int64_t)c->result->samples);
    self_add(SELF_SAMPLES_REJECTED, (int64_t)c->result->rejected_samples);
}

/* What a request may weigh in the queue, before it is known. */
static size_t estimate(const struct write_request *request)
{
    return 256 + request->sample_count * 12;
}

/* Not under the lock: most of the bytes that an append reads are these. */
static uint64_t *hash_keys(const struct metrics *m, const struct write_request *request)
{
    uint64_t *wires = mem_alloc(request->series_count * sizeof(*wires));
    for (size_t i = 0; i < request->series_count; i++) {
        struct str key = request->series[i].key;
        wires[i] = key.len ? XXH3_64bits_withSeed(key.p, key.len, m->wire_seed) | 1 : 0;
    }
    return wires;
}

static int take_request(struct store *store, const struct write_request *request, bool wake, store_done_fn done,
                        void *ctx, struct write_result *result)
{
    struct metrics *m = store->metrics;
    *result = (struct write_result){0};
    if (request->sample_count > WAL_RECORD_VALUES_MAX) {
        return ERR_LIMIT;
    }
    auto_free uint64_t *wires = hash_keys(m, request);
    pthread_mutex_lock(&m->append_lock);
    if (!wal_has_room(store->wal, estimate(request)) || m->full_bytes > 2 * UNSEALED_MAX) {
        pthread_mutex_unlock(&m->append_lock);
        self_add(SELF_SAMPLES_REJECTED, (int64_t)request->sample_count);
        return ERR_FULL;
    }
    intake_clear(m->intake);
    struct incoming c = {.m = m,
                         .in = m->intake,
                         .request = request,
                         .wires = wires,
                         .result = result,
                         .group = group_get(m, request->group),
                         .last_window_ms = INT64_MIN};
    take(&c, wake, done, ctx);
    pthread_mutex_unlock(&m->append_lock);
    return 0;
}

/* -- the two doors -- */

static int batch_labels(void *ctx, size_t i, struct arena *arena, struct labels *out, struct error *err)
{
    (void)arena;
    (void)err;
    const struct batch *batch = ctx;
    *out = batch->samples.p[i].labels;
    return 0;
}

static int take_batch(struct store *store, const struct batch *batch, bool any_order, store_done_fn done, void *ctx,
                      struct write_result *out)
{
    size_t n = batch->samples.len;
    auto_free struct write_series *series = mem_alloc(n * sizeof(*series));
    auto_free struct write_sample *samples = mem_alloc(n * sizeof(*samples));
    for (size_t i = 0; i < n; i++) {
        series[i] = (struct write_series){.first = (uint32_t)i, .count = 1};
        samples[i] = (struct write_sample){batch->samples.p[i].t_ms, batch->samples.p[i].value};
    }
    union {
        const struct batch *in;
        void *out;
    } unconst = {.in = batch};
    const struct write_request request = {.group = batch->group,
                                          .series = series,
                                          .series_count = n,
                                          .samples = samples,
                                          .sample_count = n,
                                          .labels = batch_labels,
                                          .ctx = unconst.out,
                                          .families = batch->families.p,
                                          .family_count = batch->families.len,
                                          .any_order = any_order};
    return take_request(store, &request, true, done, ctx, out);
}

int store_append(struct store *store, const struct batch *batch, store_done_fn done, void *ctx)
{
    struct write_result result;
    return take_batch(store, batch, false, done, ctx, &result);
}

int store_import(struct store *store, const struct batch *batch, struct write_result *out)
{
    return take_batch(store, batch, true, NULL, NULL, out);
}

int store_write(struct store *store, const struct write_request *request, struct write_result *out)
{
    int rc = take_request(store, request, false, NULL, NULL, out);
    return rc ? rc : wal_commit(store->wal);
}
