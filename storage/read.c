#include "storage/read.h"

#include "src/base/clock.h"
#include "src/base/counter.h"
#include "src/base/mem.h"
#include "storage/block_reader.h"
#include "storage/family.h"

#include <stdlib.h>

struct snapshot {
    struct snapshot *next, **prev;
    struct metrics *m;
    bool listed; /* a twin is not: its first one stands for both */
    uint64_t number, next_id;
    int64_t opened_ms; /* monotonic */
    uint32_t seq;
    MDB_txn *txn;
    struct block_reader *blocks;
    struct disk disk;
    struct block_cache head[STRIP_CACHES]; /* of the strip that was read last */
};

const struct disk *snapshot_disk(const struct snapshot *snapshot)
{
    return &snapshot->disk;
}

uint32_t snapshots_safe_seq(struct metrics *m)
{
    pthread_mutex_lock(&m->snapshot_lock);
    uint32_t seq = m->snapshots ? m->snapshots->seq : m->seq;
    pthread_mutex_unlock(&m->snapshot_lock);
    return seq;
}

uint64_t snapshots_oldest(struct metrics *m)
{
    pthread_mutex_lock(&m->snapshot_lock);
    uint64_t number = m->snapshots ? m->snapshots->number : UINT64_MAX;
    pthread_mutex_unlock(&m->snapshot_lock);
    return number;
}

uint64_t snapshots_tag(struct metrics *m)
{
    pthread_mutex_lock(&m->snapshot_lock);
    uint64_t number = m->next_snapshot;
    pthread_mutex_unlock(&m->snapshot_lock);
    return number;
}

void snapshots_note_figures(struct metrics *m)
{
    int64_t count = 0, oldest_ms = 0;
    pthread_mutex_lock(&m->snapshot_lock);
    oldest_ms = m->snapshots ? clock_mono_ms() - m->snapshots->opened_ms : 0;
    for (const struct snapshot *it = m->snapshots; it; it = it->next) {
        count++;
    }
    pthread_mutex_unlock(&m->snapshot_lock);
    self_set(SELF_SNAPSHOTS, count);
    self_set(SELF_SNAPSHOT_AGE_MS, oldest_ms);
}

/* Listed before the transaction begins: what is let go of after a commit is kept for every snapshot that may not see
 * that commit. */
static void enlist(struct snapshot *snapshot)
{
    struct metrics *m = snapshot->m;
    pthread_rwlock_rdlock(&m->lock);
    pthread_mutex_lock(&m->snapshot_lock);
    snapshot->number = m->next_snapshot++;
    snapshot->seq = m->seq;
    snapshot->next_id = m->counters.next_id;
    disk_copy(&snapshot->disk, &m->disk);
    snapshot->prev = m->snapshots_tail;
    *m->snapshots_tail = snapshot;
    m->snapshots_tail = &snapshot->next;
    snapshot->listed = true;
    pthread_mutex_unlock(&m->snapshot_lock);
    pthread_rwlock_unlock(&m->lock);
}

static void delist(struct snapshot *snapshot)
{
    struct metrics *m = snapshot->m;
    pthread_mutex_lock(&m->snapshot_lock);
    *snapshot->prev = snapshot->next;
    if (snapshot->next) {
        snapshot->next->prev = snapshot->prev;
    } else {
        m->snapshots_tail = snapshot->prev;
    }
    pthread_mutex_unlock(&m->snapshot_lock);
}

static int begin(struct snapshot *snapshot)
{
    const struct env *env = &snapshot->m->store->envs[ENV_METRICS];
    int rc = env_read(env, &snapshot->txn);
    return rc ? rc : block_reader_new(snapshot->m, snapshot->txn, &snapshot->blocks);
}

int snapshot_twin(const struct snapshot *of, struct snapshot **out)
{
    struct snapshot *snapshot = mem_zalloc(sizeof(*snapshot));
    snapshot->m = of->m;
    snapshot->number = of->number;
    snapshot->next_id = of->next_id;
    snapshot->seq = of->seq;
    disk_copy(&snapshot->disk, &of->disk);
    int rc = begin(snapshot);
    if (rc == 0 && mdb_txn_id(snapshot->txn) != mdb_txn_id(of->txn)) {
        rc = ERR_NOT_FOUND;
    }
    if (rc) {
        snapshot_close(snapshot);
        return rc;
    }
    *out = snapshot;
    return 0;
}

int snapshot_open(struct store *store, struct snapshot **out)
{
    struct snapshot *snapshot = mem_zalloc(sizeof(*snapshot));
    snapshot->m = store->metrics;
    snapshot->opened_ms = clock_mono_ms();
    enlist(snapshot);
    int rc = begin(snapshot);
    if (rc) {
        snapshot_close(snapshot);
        return rc;
    }
    *out = snapshot;
    return 0;
}

void snapshot_close(struct snapshot *snapshot)
{
    if (!snapshot) {
        return;
    }
    block_reader_free(snapshot->blocks);
    env_read_end(snapshot->txn);
    for (size_t i = 0; i < STRIP_CACHES; i++) {
        block_cache_release(&snapshot->head[i]);
    }
    if (snapshot->listed) {
        delist(snapshot);
    }
    disk_release(&snapshot->disk);
    mem_free(snapshot);
}

/* Series live as long as the snapshot even when they leave the index: the list may be used without a lock. */
typedef vec(const struct series *) series_vec;

static void select_series(struct snapshot *snapshot, const struct matcher *matchers, size_t n, int64_t from_ms,
                          int64_t to_ms, series_vec *out)
{
    struct metrics *m = snapshot->m;
    struct id_list ids = {0};
    pthread_rwlock_rdlock(&m->lock);
    index_select(m->index, matchers, n, &ids);
    vec_reserve(out, ids.n);
    for (size_t i = 0; i < ids.n && ids.v[i] < snapshot->next_id; i++) {
        const struct series *series = index_get(m->index, ids.v[i]);
        if (series->first_ms <= to_ms && series->last_ms >= from_ms) {
            vec_push(out, series);
        }
    }
    pthread_rwlock_unlock(&m->lock);
    mem_free(ids.v);
}

int snapshot_select(struct snapshot *snapshot, const struct matcher *matchers, size_t n, int64_t from_ms, int64_t to_ms,
                    size_t max, struct arena *arena, struct series_set *out)
{
    series_vec found = {0};
    select_series(snapshot, matchers, n, from_ms, to_ms, &found);
    if (max && found.len > max) {
        vec_release(&found);
        return ERR_LIMIT;
    }
    struct series_ref *refs = arena_array(arena, struct series_ref, found.len);
    for (size_t i = 0; i < found.len; i++) {
        refs[i] = (struct series_ref){found.p[i]->id, series_labels(found.p[i], arena)};
    }
    *out = (struct series_set){refs, found.len};
    vec_release(&found);
    return 0;
}

int snapshot_read_window(struct snapshot *snapshot, const struct series *series, enum tier tier, int64_t window_ms,
                         struct point_columns *out)
{
    return block_reader_points(snapshot->blocks, series, tier, window_ms, out);
}

int snapshot_delete_blocks(struct snapshot *snapshot, enum tier tier, int64_t window_ms, uint32_t group,
                           struct kv_job *job)
{
    return block_reader_delete(snapshot->blocks, tier, window_ms, group, job);
}

int snapshot_read_raw_window(struct snapshot *snapshot, const struct series *series, int64_t window_ms,
                             struct sample_columns *out)
{
    int rc = block_reader_samples(snapshot->blocks, series, window_ms, window_ms + WINDOW_MS - 1, out);
    sample_columns_settle(out);
    return rc;
}

struct metrics *snapshot_metrics(struct snapshot *snapshot)
{
    return snapshot->m;
}

/* One that is committed is kept for snapshots from before; later ones see its blocks, and what became of them since. */
static bool is_for(const struct window *window, const struct snapshot *snapshot)
{
    return !window->committed || snapshot->number < window->retire_tag;
}

static bool is_wanted(const struct strip *strip, const struct snapshot *snapshot, int64_t from_ms, int64_t to_ms)
{
    const struct window *window = strip->window;
    return window->start_ms <= to_ms && window->start_ms + WINDOW_MS > from_ms && is_for(window, snapshot);
}

/* Older windows first, and of one window what was frozen first: the order of arrival. */
static int read_strips(struct snapshot *snapshot, const struct series *series, int64_t from_ms, int64_t to_ms,
                       struct sample_columns *out)
{
    vec(const struct strip *) strips = {0};
    for (const struct strip *it = series->cohort->strips; it; it = it->next) {
        if (is_wanted(it, snapshot, from_ms, to_ms)) {
            vec_push(&strips, it);
        }
    }
    const struct strip_range range = {.from_ms = from_ms, .to_ms = to_ms, .seq = snapshot->seq};
    int rc = 0;
    while (strips.len && rc == 0) {
        rc = strip_read(vec_pop(&strips), series->slot, &range, snapshot->head, out);
    }
    vec_release(&strips);
    return rc;
}

/* What comes later has newer numbers than the snapshot: if there is nothing now, the lock is not needed again. */
static bool in_head(const struct snapshot *snapshot, const struct series *series, int64_t from_ms, int64_t to_ms)
{
    for (const struct strip *it = series->cohort->strips; it; it = it->next) {
        if (is_wanted(it, snapshot, from_ms, to_ms)) {
            return true;
        }
    }
    return false;
}

int snapshot_read(struct snapshot *snapshot, series_id id, int64_t from_ms, int64_t to_ms, struct sample_columns *out)
{
    struct metrics *m = snapshot->m;
    int64_t from = read_clamp(from_ms), to = read_clamp(to_ms);
    int rc = 0;
    sample_columns_clear(out);
    pthread_rwlock_rdlock(&m->lock);
    const struct series *series = index_get(m->index, id);
    bool relevant = series && series->first_ms <= to && series->last_ms >= from;
    bool on_disk = relevant && disk_oldest_ms(&m->disk, TIER_RAW) <= to && disk_newest_ms(&m->disk, TIER_RAW) > from;
    bool head = relevant && in_head(snapshot, series, from, to);
    if (head && !on_disk) {
        rc = read_strips(snapshot, series, from, to, out);
    }
    pthread_rwlock_unlock(&m->lock);
    if (on_disk) {
        rc = block_reader_samples(snapshot->blocks, series, from, to, out);
    }
    if (on_disk && head && rc == 0) {
        pthread_rwlock_rdlock(&m->lock);
        rc = read_strips(snapshot, series, from, to, out);
        pthread_rwlock_unlock(&m->lock);
    }
    if (rc == 0) {
        sample_columns_settle(out);
        sample_columns_cut(out, from, to);
    }
    return rc;
}

const struct series *snapshot_series(struct snapshot *snapshot, series_id id)
{
    pthread_rwlock_rdlock(&snapshot->m->lock);
    const struct series *series = index_get(snapshot->m->index, id);
    pthread_rwlock_unlock(&snapshot->m->lock);
    return series;
}

int64_t snapshot_head_oldest_ms(struct snapshot *snapshot)
{
    int64_t oldest_ms = INT64_MAX;
    pthread_rwlock_rdlock(&snapshot->m->lock);
    for (const struct window *it = snapshot->m->windows; it; it = it->next) {
        oldest_ms = it->start_ms < oldest_ms && is_for(it, snapshot) ? it->start_ms : oldest_ms;
    }
    pthread_rwlock_unlock(&snapshot->m->lock);
    return oldest_ms;
}

bool snapshot_head_overlaps(struct snapshot *snapshot, int64_t start_ms, int64_t end_ms)
{
    bool found = false;
    pthread_rwlock_rdlock(&snapshot->m->lock);
    for (const struct window *it = snapshot->m->windows; it && !found; it = it->next) {
        found = it->min_ms <= end_ms && it->max_ms > start_ms && is_for(it, snapshot);
    }
    pthread_rwlock_unlock(&snapshot->m->lock);
    return found;
}

/* Lists of texts */

typedef vec(struct str) text_vec;

static int compare_texts(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static void add_text(void *ctx, struct str text)
{
    vec_push((text_vec *)ctx, text);
}

/* Texts are the symbols', which outlive the snapshot. */
static void make_list(text_vec *texts, struct arena *arena, struct str_list *out)
{
    if (texts->len) {
        qsort(texts->p, texts->len, sizeof(struct str), compare_texts);
    }
    struct str *v = arena_array(arena, struct str, texts->len);
    size_t n = 0;
    for (size_t i = 0; i < texts->len; i++) {
        if (n == 0 || !str_eq(v[n - 1], texts->p[i])) {
            v[n++] = texts->p[i];
        }
    }
    *out = (struct str_list){v, n};
    vec_release(texts);
}

static int compare_pointers(const void *a, const void *b)
{
    uintptr_t x = (uintptr_t)((const struct str *)a)->p, y = (uintptr_t)((const struct str *)b)->p;
    return (x > y) - (x < y);
}

/* Interned: equal texts of a label are one pointer. Keeps the sort by text short. */
static void drop_same_pointers(text_vec *texts)
{
    if (texts->len) {
        qsort(texts->p, texts->len, sizeof(struct str), compare_pointers);
    }
    size_t n = 0;
    for (size_t i = 0; i < texts->len; i++) {
        if (n == 0 || texts->p[n - 1].p != texts->p[i].p) {
            texts->p[n++] = texts->p[i];
        }
    }
    texts->len = n;
}

int snapshot_label_names(struct snapshot *snapshot, const struct matcher *matchers, size_t n, int64_t from_ms,
                         int64_t to_ms, struct arena *arena, struct str_list *out)
{
    struct metrics *m = snapshot->m;
    text_vec texts = {0};
    if (n == 0) {
        pthread_rwlock_rdlock(&m->lock);
        index_each_name(m->index, add_text, &texts);
        pthread_rwlock_unlock(&m->lock);
        make_list(&texts, arena, out);
        return 0;
    }
    series_vec found = {0};
    select_series(snapshot, matchers, n, from_ms, to_ms, &found);
    for (size_t i = 0; i < found.len; i++) {
        series_each_name(found.p[i], add_text, &texts);
        if (texts.len > 100000) {
            drop_same_pointers(&texts);
        }
    }
    drop_same_pointers(&texts);
    vec_release(&found);
    make_list(&texts, arena, out);
    return 0;
}

int snapshot_label_values(struct snapshot *snapshot, struct str name, const struct matcher *matchers, size_t n,
                          int64_t from_ms, int64_t to_ms, struct arena *arena, struct str_list *out)
{
    struct metrics *m = snapshot->m;
    text_vec texts = {0};
    if (n == 0) {
        pthread_rwlock_rdlock(&m->lock);
        index_each_value(m->index, name, add_text, &texts);
        pthread_rwlock_unlock(&m->lock);
        make_list(&texts, arena, out);
        return 0;
    }
    series_vec found = {0};
    select_series(snapshot, matchers, n, from_ms, to_ms, &found);
    for (size_t i = 0; i < found.len; i++) {
        struct str value = series_label(found.p[i], name);
        if (value.len) {
            vec_push(&texts, value);
        }
    }
    drop_same_pointers(&texts);
    vec_release(&found);
    make_list(&texts, arena, out);
    return 0;
}

static struct metric_family copy_family(const struct family *family, struct arena *arena)
{
    return (struct metric_family){arena_dup(arena, family->name),
                                  arena_dup(arena, (struct str){family->help, family->help_len}), family->type};
}

static int compare_families(const void *a, const void *b)
{
    return str_cmp(((const struct metric_family *)a)->name, ((const struct metric_family *)b)->name);
}

int snapshot_metadata(struct snapshot *snapshot, struct str metric, struct arena *arena, struct metric_family **out,
                      size_t *n)
{
    struct metrics *m = snapshot->m;
    struct metric_family *v;
    size_t count = 0;
    pthread_rwlock_rdlock(&m->lock);
    if (metric.len) {
        const struct family *family = families_find(m->families, metric);
        v = arena_array(arena, struct metric_family, 1);
        if (family) {
            v[count++] = copy_family(family, arena);
        }
    } else {
        v = arena_array(arena, struct metric_family, HASH_COUNT(m->families->by_name));
        for (const struct family *it = m->families->by_name; it; it = it->hh.next) {
            v[count++] = copy_family(it, arena);
        }
    }
    pthread_rwlock_unlock(&m->lock);
    if (count) {
        qsort(v, count, sizeof(*v), compare_families);
    }
    *out = v;
    *n = count;
    return 0;
}
