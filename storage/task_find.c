/*
 * task_find() and task_get(): from the sorted id lists of the filters to records.
 *
 * Each exact filter is a list of ids (a set of states: the union of several). The lists are intersected from the
 * newest id downwards by seeking in each for the next id that all may hold, so a rare value makes the search short
 * whatever the others are. Free text is looked for in the records that are left, up to a limit.
 */
#include "src/base/counter.h"
#include "storage/task_read.h"

#define SCAN_RECORDS  200000  /* records read */
#define SCAN_STEPS    1000000 /* moves in the id lists */
#define LIMIT_DEFAULT 100
#define LIMIT_MAX     1000
#define WORDS_MAX     16 /* of free text; more are ignored */
#define PREFIX_MIN    8

/* One sorted list of ids of the index, read downwards. */
struct id_list {
    MDB_cursor *cursor;
    uint8_t key[TASK_INDEX_KEY];
    uint64_t at; /* id the cursor stands on */
    bool positioned, empty;
};

/* Union of lists: the states asked for, or one word. */
struct id_source {
    struct id_list lists[TASK_STATE_COUNT];
    size_t n;
};

struct finder {
    const struct env *env;
    MDB_txn *txn;
    const struct task_filter *filter;
    struct arena *arena;
    struct str words[WORDS_MAX];
    size_t word_count;
    struct id_source sources[5];
    size_t source_count;
    MDB_cursor *records;
    uint64_t low, next; /* ids that may match: low <= id <= next */
    size_t steps, reads;
};

static uint64_t id_of(MDB_val value)
{
    uint64_t id = 0;
    memcpy(&id, value.mv_data, value.mv_size < sizeof(id) ? value.mv_size : sizeof(id));
    return id;
}

/* Moves to the greatest id <= limit by a seek. */
static bool list_seek(struct id_list *list, uint64_t limit)
{
    MDB_val key = env_val(list->key, sizeof(list->key)), value = env_val(&limit, sizeof(limit));
    int rc = mdb_cursor_get(list->cursor, &key, &value, MDB_GET_BOTH_RANGE);
    if (rc == 0 && id_of(value) > limit) {
        rc = mdb_cursor_get(list->cursor, &key, &value, MDB_PREV_DUP);
    } else if (rc == MDB_NOTFOUND) { /* all are smaller, or there is no such list */
        key = env_val(list->key, sizeof(list->key));
        rc = mdb_cursor_get(list->cursor, &key, &value, MDB_SET_KEY);
        if (rc == 0) {
            rc = mdb_cursor_get(list->cursor, &key, &value, MDB_LAST_DUP);
        }
    }
    if (rc == 0 && id_of(value) <= limit) {
        list->at = id_of(value);
        return true;
    }
    return false;
}

/* One step back is cheaper than a seek, but only likely to do when the id looked for is near. */
#define STEP_REACH 16

static bool list_step(struct id_list *list, uint64_t limit)
{
    MDB_val key, value;
    if (list->at - limit > STEP_REACH || mdb_cursor_get(list->cursor, &key, &value, MDB_PREV_DUP) ||
        id_of(value) > limit) {
        return false;
    }
    list->at = id_of(value);
    return true;
}

static bool list_floor(struct id_list *list, uint64_t limit, uint64_t *id)
{
    if (list->empty) {
        return false;
    }
    if (!list->positioned || list->at > limit) {
        if (!(list->positioned && list_step(list, limit)) && !list_seek(list, limit)) {
            list->empty = true;
            return false;
        }
        list->positioned = true;
    }
    *id = list->at;
    return true;
}

static bool source_floor(struct id_source *source, uint64_t limit, uint64_t *id)
{
    bool found = false;
    for (size_t i = 0; i < source->n; i++) {
        uint64_t candidate;
        if (list_floor(&source->lists[i], limit, &candidate) && (!found || candidate > *id)) {
            *id = candidate;
            found = true;
        }
    }
    return found;
}

static int add_list(struct finder *f, struct id_source *source, enum task_word_kind kind, uint32_t number)
{
    struct id_list *list = &source->lists[source->n++];
    *list = (struct id_list){0};
    task_index_key(kind, number, list->key);
    return env_code(mdb_cursor_open(f->txn, f->env->dbi[TASK_DBI_INDEX], &list->cursor));
}

/* ERR_NOT_FOUND: nobody bears that word, so nothing can match. */
static int add_word_source(struct finder *f, enum task_word_kind kind, struct str text)
{
    uint32_t number;
    if (text.len == 0) {
        return 0;
    }
    int rc = task_word_find(f->env, f->txn, kind, text, &number);
    struct id_source *source = &f->sources[f->source_count];
    if (rc) {
        return rc;
    }
    f->source_count++;
    return add_list(f, source, kind, number);
}

static int add_state_source(struct finder *f)
{
    uint32_t all = (1u << TASK_STATE_COUNT) - 1, states = f->filter->states & all;
    if (f->filter->states == 0 || states == all) {
        return 0;
    }
    struct id_source *source = &f->sources[f->source_count++];
    int rc = 0;
    for (uint32_t i = 0; i < TASK_STATE_COUNT && rc == 0; i++) {
        if (states & (1u << i)) {
            rc = add_list(f, source, TASK_WORD_STATE, i);
        }
    }
    return rc;
}

static void split_words(struct finder *f)
{
    struct str rest = f->filter->text;
    while (rest.len && f->word_count < WORDS_MAX) {
        struct str word = str_trim(str_split(&rest, ' '));
        if (word.len) {
            f->words[f->word_count++] = word;
        }
    }
}

/* Narrows [low, next] to the segments whose times of first sight touch the range asked for. */
static int narrow_by_time(struct finder *f)
{
    int64_t since = f->filter->since_ms, until = f->filter->until_ms ? f->filter->until_ms : INT64_MAX;
    if (since == 0 && until == INT64_MAX) {
        return 0;
    }
    auto_cursor *cursor = NULL;
    MDB_val key, value;
    uint64_t low = UINT64_MAX, high = 0;
    int rc = mdb_cursor_open(f->txn, f->env->dbi[TASK_DBI_SEGMENTS], &cursor);
    while (rc == 0 && (rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
        struct task_segment segment;
        if (value.mv_size != sizeof(segment)) {
            continue;
        }
        memcpy(&segment, value.mv_data, sizeof(segment));
        if (segment.max_ms >= since && segment.min_ms <= until) {
            uint64_t first = id_of(key) * TASK_SEGMENT_IDS;
            low = first < low ? first : low;
            high = first + TASK_SEGMENT_IDS - 1;
        }
    }
    f->low = low > f->low ? low : f->low;
    f->next = high < f->next ? high : f->next;
    return rc == MDB_NOTFOUND ? 0 : env_code(rc);
}

static int finder_init(struct finder *f)
{
    const struct task_filter *filter = f->filter;
    f->low = filter->after_id + 1;
    f->next = filter->before_id ? filter->before_id - 1 : UINT64_MAX - 1;
    split_words(f);
    int rc = env_code(mdb_cursor_open(f->txn, f->env->dbi[TASK_DBI_TASKS], &f->records));
    rc = rc ? rc : add_word_source(f, TASK_WORD_NAME, filter->name);
    rc = rc ? rc : add_word_source(f, TASK_WORD_WORKER, filter->worker);
    rc = rc ? rc : add_word_source(f, TASK_WORD_QUEUE, filter->queue);
    rc = rc ? rc : add_word_source(f, TASK_WORD_EXCEPTION, filter->exception_class);
    rc = rc ? rc : add_state_source(f);
    return rc ? rc : narrow_by_time(f);
}

static void finder_release(struct finder *f)
{
    for (size_t i = 0; i < f->source_count; i++) {
        for (size_t k = 0; k < f->sources[i].n; k++) {
            env_cursor_close_indirect(&f->sources[i].lists[k].cursor);
        }
    }
    env_cursor_close_indirect(&f->records);
}

/* The greatest id in [low, next] that is in all lists: each in turn lowers it until all agree. */
static bool next_id(struct finder *f, uint64_t *out)
{
    uint64_t id = f->next;
    size_t agreed = 0;
    for (size_t i = 0; agreed < f->source_count; i = (i + 1) % f->source_count) {
        uint64_t found = 0;
        if (++f->steps > SCAN_STEPS) {
            f->next = id;
            return false;
        }
        if (!source_floor(&f->sources[i], id, &found) || found < f->low) {
            return false;
        }
        agreed = found == id ? agreed + 1 : 1;
        id = found;
    }
    *out = id;
    return true;
}

/* The record of *id; without lists, of the greatest id <= *id. */
static bool read_at(struct finder *f, uint64_t *id, MDB_val *value)
{
    MDB_val key = env_val(id, sizeof(*id));
    if (f->source_count) {
        return mdb_cursor_get(f->records, &key, value, MDB_SET) == 0;
    }
    int rc = mdb_cursor_get(f->records, &key, value, MDB_SET_RANGE);
    if (rc == 0 && id_of(key) == *id) {
        return true;
    }
    rc = mdb_cursor_get(f->records, &key, value, rc == 0 ? MDB_PREV : MDB_LAST);
    if (rc || id_of(key) > *id || id_of(key) < f->low) {
        return false;
    }
    *id = id_of(key);
    return true;
}

static struct str last_line(struct str text)
{
    text = str_trim(text);
    const char *newline = text.len ? memrchr(text.p, '\n', text.len) : NULL;
    return newline ? str_make(newline + 1, (size_t)(text.p + text.len - newline - 1)) : text;
}

static bool word_occurs(const struct task *task, struct str word)
{
    const struct str fields[] = {task->name,   task->uuid,   task->args,
                                 task->kwargs, task->result, task->exception,
                                 task->worker, task->queue,  last_line(task->traceback)};
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (fields[i].len >= word.len && str_find_nocase(fields[i], word) >= 0) {
            return true;
        }
    }
    return false;
}

/* What the lists cannot say: the times, the text, and words that were cut for the index. */
static bool record_matches(const struct finder *f, const struct task *task)
{
    const struct task_filter *filter = f->filter;
    if ((filter->since_ms && task->first_ms < filter->since_ms) ||
        (filter->until_ms && task->first_ms > filter->until_ms)) {
        return false;
    }
    if ((filter->name.len && !str_eq(filter->name, task->name)) ||
        (filter->worker.len && !str_eq(filter->worker, task->worker)) ||
        (filter->queue.len && !str_eq(filter->queue, task->queue))) {
        return false;
    }
    for (size_t i = 0; i < f->word_count; i++) {
        if (!word_occurs(task, f->words[i])) {
            return false;
        }
    }
    return true;
}

static bool scan_is_full(const struct finder *f)
{
    return f->reads >= SCAN_RECORDS || f->steps > SCAN_STEPS;
}

/* Adds the record if it matches. */
static void take_record(struct finder *f, struct task_page *page, uint64_t id, MDB_val value)
{
    struct task task;
    f->reads++;
    int rc = task_record_decode(env_str(value), &task);
    task.id = id;
    if (rc) {
        self_add(SELF_CORRUPTIONS, 1);
    } else if (record_matches(f, &task)) {
        task_own_texts(&task, f->arena);
        page->v[page->n++] = task;
    }
}

static void fill_page(struct finder *f, struct task_page *page, uint32_t limit)
{
    while (f->next >= f->low && !scan_is_full(f)) {
        MDB_val value;
        uint64_t id = f->next;
        if (f->source_count && !next_id(f, &id)) {
            break;
        }
        bool there = read_at(f, &id, &value);
        if (!there && !f->source_count) {
            break;
        }
        if (page->n == limit) { /* a candidate is left: there is a next page */
            page->next_before_id = page->v[limit - 1].id;
            return;
        }
        if (there) {
            take_record(f, page, id, value);
        }
        f->next = id - 1;
    }
    if (scan_is_full(f)) {
        page->truncated_scan = true;
        page->next_before_id = f->next + 1;
    }
}

static uint64_t count_tasks(const struct env *env, MDB_txn *txn)
{
    MDB_stat stat;
    return mdb_stat(txn, env->dbi[TASK_DBI_TASKS], &stat) == 0 ? stat.ms_entries : 0;
}

int task_find(struct store *store, const struct task_filter *filter, struct arena *arena, struct task_page *out)
{
    const struct env *env = &store->envs[ENV_TASKS];
    auto_txn *txn = NULL;
    int rc = env_read(env, &txn);
    if (rc) {
        return rc;
    }
    uint32_t limit = filter->limit == 0 ? LIMIT_DEFAULT : filter->limit > LIMIT_MAX ? LIMIT_MAX : filter->limit;
    struct finder f = {.env = env, .txn = txn, .filter = filter, .arena = arena};
    struct task_page page = {.total = count_tasks(env, txn), .v = arena_alloc(arena, limit * sizeof(struct task))};
    rc = finder_init(&f);
    if (rc == 0) {
        fill_page(&f, &page, limit);
    }
    finder_release(&f);
    if (rc == 0 || rc == ERR_NOT_FOUND) {
        *out = page;
        return 0;
    }
    return rc;
}

int task_read(const struct env *env, MDB_txn *txn, uint64_t id, struct arena *arena, struct task *out)
{
    MDB_val key = env_val(&id, sizeof(id)), value;
    int rc = env_code(mdb_get(txn, env->dbi[TASK_DBI_TASKS], &key, &value));
    if (rc == 0) {
        rc = task_record_decode(env_str(value), out);
        if (rc) {
            self_add(SELF_CORRUPTIONS, 1);
        }
    }
    if (rc == 0) {
        out->id = id;
        task_own_texts(out, arena);
    }
    return rc;
}

/* Tasks whose key begins with `bytes` and whose id begins with `prefix`: counts up to two, the last one's id. */
static int count_prefix(const struct env *env, MDB_txn *txn, struct str bytes, struct str prefix, struct arena *arena,
                        struct task *out, int *found)
{
    auto_cursor *cursor = NULL;
    int rc = mdb_cursor_open(txn, env->dbi[TASK_DBI_UUIDS], &cursor);
    MDB_val key = env_val(bytes.p, bytes.len), value;
    for (MDB_cursor_op op = MDB_SET_RANGE; rc == 0 && *found < 2; op = MDB_NEXT) {
        rc = mdb_cursor_get(cursor, &key, &value, op);
        if (rc || !str_starts(env_str(key), bytes)) {
            break;
        }
        struct task task;
        if (task_read(env, txn, id_of(value), arena, &task) == 0 && str_starts(task.uuid, prefix)) {
            *out = task;
            (*found)++;
        }
    }
    return rc == MDB_NOTFOUND ? 0 : env_code(rc);
}

/* Whole bytes of the hex digits a prefix of a canonical UUID gives. */
static size_t packed_prefix(struct str prefix, uint8_t out[TASK_UUID_KEY_MAX])
{
    char full[] = "00000000-0000-0000-0000-000000000000";
    size_t digits = 0;
    if (prefix.len >= sizeof(full)) {
        return 0;
    }
    memcpy(full, prefix.p, prefix.len);
    for (size_t i = 0; i < prefix.len; i++) {
        digits += full[i] != '-';
    }
    return task_uuid_key(str_of(full), out) == 17 ? 1 + digits / 2 : 0;
}

static int get_by_prefix(const struct env *env, MDB_txn *txn, struct str prefix, struct arena *arena, struct task *out)
{
    uint8_t bytes[TASK_UUID_KEY_MAX];
    int found = 0, rc = 0;
    size_t n = packed_prefix(prefix, bytes);
    if (n) {
        rc = count_prefix(env, txn, str_make((const char *)bytes, n), prefix, arena, out, &found);
    }
    if (rc == 0) {
        bytes[0] = 't';
        memcpy(bytes + 1, prefix.p, prefix.len);
        rc = count_prefix(env, txn, str_make((const char *)bytes, 1 + prefix.len), prefix, arena, out, &found);
    }
    return rc ? rc : found == 1 ? 0 : ERR_NOT_FOUND;
}

int task_get(struct store *store, struct str uuid, struct arena *arena, struct task *out)
{
    const struct env *env = &store->envs[ENV_TASKS];
    auto_txn *txn = NULL;
    uint64_t id;
    if (uuid.len == 0 || uuid.len > TASK_UUID_KEY_MAX - 1) {
        return ERR_NOT_FOUND;
    }
    int rc = env_read(env, &txn);
    rc = rc ? rc : task_id_find(env, txn, uuid, &id);
    if (rc == 0) {
        return task_read(env, txn, id, arena, out);
    }
    return rc == ERR_NOT_FOUND && uuid.len >= PREFIX_MIN ? get_by_prefix(env, txn, uuid, arena, out) : rc;
}
