#include "storage/task_index.h"

#include "src/base/codec.h"

#define uthash_malloc(size)  mem_alloc(size)
#define uthash_free(p, size) mem_free(p)
#include <uthash.h>

/* Words kept in memory between commits; beyond, they are read again. */
#define WORDS_CACHED 20000

struct word {
    struct task_word_value value;
    bool dirty;
    UT_hash_handle hh;
    size_t key_len;
    uint8_t key[1 + TASK_WORD_MAX]; /* kind, text; only key_len bytes are allocated */
};

struct task_index {
    const struct env *env;
    struct word *words;      /* by key */
    struct word **by_number; /* those of the table, for counting */
    size_t by_number_cap;
    uint64_t next_id;
    uint32_t next_word;
    bool loaded, counters_dirty;
    uint64_t segment_no;
    struct task_segment segment;
    bool segment_held, segment_dirty;
};

static int hex_value(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Lower-case hex in groups of 8-4-4-4-12: only what the 16 bytes give back exactly. */
static bool pack_uuid(struct str uuid, uint8_t out[16])
{
    if (uuid.len != UUID_LEN) {
        return false;
    }
    size_t digit = 0;
    for (size_t i = 0; i < UUID_LEN; i++) {
        if (i == 8 || i == 13 || i == 18 || i == 23) {
            if (uuid.p[i] != '-') {
                return false;
            }
            continue;
        }
        int v = hex_value(uuid.p[i]);
        if (v < 0) {
            return false;
        }
        out[digit / 2] = (uint8_t)(digit % 2 ? out[digit / 2] | v : v << 4);
        digit++;
    }
    return true;
}

size_t task_uuid_key(struct str uuid, uint8_t out[TASK_UUID_KEY_MAX])
{
    if (pack_uuid(uuid, out + 1)) {
        out[0] = 'u';
        return 17;
    }
    size_t n = uuid.len < TASK_UUID_KEY_MAX - 1 ? uuid.len : TASK_UUID_KEY_MAX - 1;
    out[0] = 't';
    memcpy(out + 1, n ? uuid.p : "", n);
    return 1 + n;
}

size_t task_link_key(char kind, struct str uuid, uint8_t out[TASK_LINK_KEY_MAX])
{
    out[0] = (uint8_t)kind;
    return 1 + task_uuid_key(uuid, out + 1);
}

void task_index_key(enum task_word_kind kind, uint32_t number, uint8_t out[TASK_INDEX_KEY])
{
    out[0] = (uint8_t)kind;
    env_put_be(out + 1, number, 4);
}

static size_t word_key(enum task_word_kind kind, struct str text, uint8_t out[1 + TASK_WORD_MAX])
{
    size_t n = text.len < TASK_WORD_MAX ? text.len : TASK_WORD_MAX;
    out[0] = (uint8_t)kind;
    memcpy(out + 1, n ? text.p : "", n);
    return 1 + n;
}

static int read_fixed(const struct env *env, MDB_txn *txn, enum task_dbi dbi, MDB_val key, void *out, size_t size)
{
    MDB_val value;
    int rc = mdb_get(txn, env->dbi[dbi], &key, &value);
    if (rc) {
        return env_code(rc);
    }
    if (value.mv_size != size) {
        return ERR_CORRUPT;
    }
    memcpy(out, value.mv_data, size);
    return 0;
}

static int write_fixed(const struct env *env, MDB_txn *txn, enum task_dbi dbi, MDB_val key, const void *p, size_t size)
{
    MDB_val value = env_val(p, size);
    return env_code(mdb_put(txn, env->dbi[dbi], &key, &value, 0));
}

int task_word_find(const struct env *env, MDB_txn *txn, enum task_word_kind kind, struct str text, uint32_t *number)
{
    uint8_t key[1 + TASK_WORD_MAX];
    size_t n = word_key(kind, text, key);
    struct task_word_value value;
    int rc = read_fixed(env, txn, TASK_DBI_WORDS, env_val(key, n), &value, sizeof(value));
    if (rc == 0) {
        *number = value.number;
    }
    return rc;
}

int task_id_find(const struct env *env, MDB_txn *txn, struct str uuid, uint64_t *id)
{
    uint8_t key[TASK_UUID_KEY_MAX];
    size_t n = task_uuid_key(uuid, key);
    return read_fixed(env, txn, TASK_DBI_UUIDS, env_val(key, n), id, sizeof(*id));
}

struct task_index *task_index_new(const struct env *env)
{
    struct task_index *index = mem_zalloc(sizeof(*index));
    index->env = env;
    return index;
}

static void forget_words(struct task_index *index)
{
    struct word *next;
    struct word *word = index->words;
    HASH_CLEAR(hh, index->words);
    for (; word; word = next) {
        next = word->hh.next;
        mem_free(word);
    }
    if (index->by_number) {
        memset(index->by_number, 0, index->by_number_cap * sizeof(*index->by_number));
    }
}

void task_index_free(struct task_index *index)
{
    if (!index) {
        return;
    }
    forget_words(index);
    mem_free(index->by_number);
    mem_free(index);
}

void task_index_reset(struct task_index *index)
{
    forget_words(index);
    index->loaded = index->counters_dirty = false;
    index->segment_held = index->segment_dirty = false;
}

static int read_counter(const struct task_index *index, MDB_txn *txn, struct str name, uint64_t *out)
{
    uint64_t value = 1;
    int rc = read_fixed(index->env, txn, TASK_DBI_COUNTERS, env_val(name.p, name.len), &value, sizeof(value));
    *out = value;
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

int task_index_begin(struct task_index *index, MDB_txn *txn)
{
    if (index->loaded) {
        return 0;
    }
    uint64_t next_word;
    int rc = read_counter(index, txn, STR("next_id"), &index->next_id);
    if (rc == 0) {
        rc = read_counter(index, txn, STR("next_word"), &next_word);
    }
    if (rc == 0) {
        index->next_word = (uint32_t)next_word;
        index->loaded = true;
    }
    return rc;
}

uint64_t task_index_next_id(struct task_index *index)
{
    index->counters_dirty = true;
    return index->next_id++;
}

static void remember_word(struct task_index *index, struct word *word)
{
    HASH_ADD_KEYPTR(hh, index->words, word->key, word->key_len, word);
    uint32_t number = word->value.number;
    if (number >= index->by_number_cap) {
        size_t cap = index->by_number_cap ? index->by_number_cap : 256;
        while (cap <= number) {
            cap *= 2;
        }
        index->by_number = mem_realloc_array(index->by_number, cap, sizeof(*index->by_number));
        memset(index->by_number + index->by_number_cap, 0, (cap - index->by_number_cap) * sizeof(*index->by_number));
        index->by_number_cap = cap;
    }
    index->by_number[number] = word;
}

/* 0 in *number for the empty text, and for an unknown one unless add. */
static int word_number(struct task_index *index, MDB_txn *txn, enum task_word_kind kind, struct str text, bool add,
                       uint32_t *number)
{
    *number = 0;
    if (text.len == 0) {
        return 0;
    }
    uint8_t key[1 + TASK_WORD_MAX];
    size_t n = word_key(kind, text, key);
    struct word *word;
    HASH_FIND(hh, index->words, key, n, word);
    if (word) {
        *number = word->value.number;
        return 0;
    }
    struct task_word_value value = {0};
    int rc = read_fixed(index->env, txn, TASK_DBI_WORDS, env_val(key, n), &value, sizeof(value));
    if (rc == ERR_NOT_FOUND && add) {
        value = (struct task_word_value){.number = index->next_word++};
        index->counters_dirty = true;
    } else if (rc) {
        return rc == ERR_NOT_FOUND ? 0 : rc;
    }
    word = mem_alloc(offsetof(struct word, key) + n);
    word->value = value;
    word->dirty = false;
    word->key_len = n;
    memcpy(word->key, key, n);
    remember_word(index, word);
    *number = value.number;
    return 0;
}

static struct str not_self(struct str id, struct str uuid)
{
    return str_eq(id, uuid) ? (struct str){0} : id;
}

int task_index_facts(struct task_index *index, MDB_txn *txn, const struct task *task, bool add, struct task_facts *out)
{
    struct task_facts f = {.present = true, .state = task->state, .first_ms = task->first_ms};
    f.parent = not_self(task->parent_id, task->uuid);
    f.root = not_self(task->root_id, task->uuid);
    f.failed_ms = task->state == TASK_FAILURE ? task->failed_ms : 0;
    const struct {
        enum task_word_kind kind;
        struct str text;
        uint32_t *number;
    } words[] = {
        {TASK_WORD_NAME, task->name, &f.name},
        {TASK_WORD_WORKER, task->worker, &f.worker},
        {TASK_WORD_QUEUE, task->queue, &f.queue},
        {TASK_WORD_EXCEPTION, task_exception_class(task->exception), &f.exception},
    };
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        int rc = word_number(index, txn, words[i].kind, words[i].text, add, words[i].number);
        if (rc) {
            return rc;
        }
    }
    *out = f;
    return 0;
}

static int list_put(struct task_index *index, MDB_txn *txn, enum task_dbi dbi, const uint8_t *key, size_t n,
                    uint64_t id)
{
    MDB_val k = env_val(key, n), v = env_val(&id, sizeof(id));
    int rc = mdb_put(txn, index->env->dbi[dbi], &k, &v, MDB_NODUPDATA);
    return rc == MDB_KEYEXIST ? 0 : env_code(rc);
}

static int list_remove(struct task_index *index, MDB_txn *txn, enum task_dbi dbi, const uint8_t *key, size_t n,
                       uint64_t id)
{
    MDB_val k = env_val(key, n), v = env_val(&id, sizeof(id));
    int rc = mdb_del(txn, index->env->dbi[dbi], &k, &v);
    return rc == MDB_NOTFOUND ? 0 : env_code(rc);
}

static void count_word(struct task_index *index, uint32_t number, int delta)
{
    if (number == 0 || number >= index->by_number_cap || !index->by_number[number]) {
        return;
    }
    struct word *word = index->by_number[number];
    if (delta > 0) {
        word->value.count++;
    } else if (word->value.count) {
        word->value.count--;
    }
    word->dirty = true;
}

struct word_change {
    enum task_word_kind kind;
    uint32_t old, now;
};

static int change_word(struct task_index *index, MDB_txn *txn, uint64_t id, const struct word_change *c)
{
    uint8_t key[TASK_INDEX_KEY];
    if (c->old == c->now) {
        return 0;
    }
    if (c->old) {
        task_index_key(c->kind, c->old, key);
        int rc = list_remove(index, txn, TASK_DBI_INDEX, key, sizeof(key), id);
        if (rc) {
            return rc;
        }
        count_word(index, c->old, -1);
    }
    if (c->now) {
        task_index_key(c->kind, c->now, key);
        int rc = list_put(index, txn, TASK_DBI_INDEX, key, sizeof(key), id);
        if (rc) {
            return rc;
        }
        count_word(index, c->now, 1);
    }
    return 0;
}

static int change_state(struct task_index *index, MDB_txn *txn, uint64_t id, const struct task_facts *old,
                        const struct task_facts *now)
{
    uint8_t key[TASK_INDEX_KEY];
    if (old->present && now->present && old->state == now->state) {
        return 0;
    }
    int rc = 0;
    if (old->present) {
        task_index_key(TASK_WORD_STATE, old->state, key);
        rc = list_remove(index, txn, TASK_DBI_INDEX, key, sizeof(key), id);
    }
    if (rc == 0 && now->present) {
        task_index_key(TASK_WORD_STATE, now->state, key);
        rc = list_put(index, txn, TASK_DBI_INDEX, key, sizeof(key), id);
    }
    return rc;
}

static int change_link(struct task_index *index, MDB_txn *txn, uint64_t id, char kind, struct str old, struct str now)
{
    uint8_t key[TASK_LINK_KEY_MAX];
    if (str_eq(old, now)) {
        return 0;
    }
    int rc = 0;
    if (old.len) {
        rc = list_remove(index, txn, TASK_DBI_LINKS, key, task_link_key(kind, old, key), id);
    }
    if (rc == 0 && now.len) {
        rc = list_put(index, txn, TASK_DBI_LINKS, key, task_link_key(kind, now, key), id);
    }
    return rc;
}

static void failure_key(const struct task_facts *facts, uint64_t id, uint8_t key[16])
{
    env_put_be(key, (uint64_t)facts->failed_ms, 8);
    env_put_be(key + 8, id, 8);
}

static int change_failure(struct task_index *index, MDB_txn *txn, uint64_t id, const struct task_facts *old,
                          const struct task_facts *now)
{
    if (old->failed_ms == now->failed_ms && old->name == now->name && old->exception == now->exception) {
        return 0;
    }
    uint8_t key[16];
    if (old->failed_ms > 0) {
        failure_key(old, id, key);
        MDB_val k = env_val(key, sizeof(key));
        int rc = mdb_del(txn, index->env->dbi[TASK_DBI_FAILURES], &k, NULL);
        if (rc && rc != MDB_NOTFOUND) {
            return env_code(rc);
        }
    }
    if (now->failed_ms <= 0) {
        return 0;
    }
    failure_key(now, id, key);
    struct task_failure_value value = {now->name, now->exception};
    return write_fixed(index->env, txn, TASK_DBI_FAILURES, env_val(key, sizeof(key)), &value, sizeof(value));
}

static int write_segment(struct task_index *index, MDB_txn *txn)
{
    if (!index->segment_held || !index->segment_dirty) {
        return 0;
    }
    MDB_val key = env_val(&index->segment_no, sizeof(index->segment_no));
    index->segment_dirty = false;
    if (index->segment.count == 0) {
        int rc = mdb_del(txn, index->env->dbi[TASK_DBI_SEGMENTS], &key, NULL);
        return rc == MDB_NOTFOUND ? 0 : env_code(rc);
    }
    return write_fixed(index->env, txn, TASK_DBI_SEGMENTS, key, &index->segment, sizeof(index->segment));
}

/* Consecutive changes fall into the same segment nearly always: it is held until another one is asked for. */
static int hold_segment(struct task_index *index, MDB_txn *txn, uint64_t no)
{
    if (index->segment_held && index->segment_no == no) {
        return 0;
    }
    int rc = write_segment(index, txn);
    if (rc) {
        return rc;
    }
    struct task_segment segment = {.min_ms = INT64_MAX, .max_ms = INT64_MIN};
    rc = read_fixed(index->env, txn, TASK_DBI_SEGMENTS, env_val(&no, sizeof(no)), &segment, sizeof(segment));
    if (rc && rc != ERR_NOT_FOUND) {
        return rc;
    }
    index->segment_no = no;
    index->segment = segment;
    index->segment_held = true;
    return 0;
}

static int change_segment(struct task_index *index, MDB_txn *txn, uint64_t id, const struct task_facts *old,
                          const struct task_facts *now)
{
    if (old->present && now->present && old->first_ms == now->first_ms) {
        return 0;
    }
    int rc = hold_segment(index, txn, id / TASK_SEGMENT_IDS);
    if (rc) {
        return rc;
    }
    struct task_segment *s = &index->segment;
    index->segment_dirty = true;
    if (!now->present) {
        s->count -= s->count > 0;
        return 0;
    }
    s->count += !old->present;
    s->min_ms = now->first_ms < s->min_ms ? now->first_ms : s->min_ms;
    s->max_ms = now->first_ms > s->max_ms ? now->first_ms : s->max_ms;
    return 0;
}

int task_index_set_segment_min(struct task_index *index, MDB_txn *txn, uint64_t segment_no, int64_t min_ms)
{
    int rc = hold_segment(index, txn, segment_no);
    if (rc == 0 && index->segment.count) {
        index->segment.min_ms = min_ms;
        index->segment_dirty = true;
    }
    return rc;
}

int task_index_change(struct task_index *index, MDB_txn *txn, uint64_t id, const struct task_facts *old,
                      const struct task_facts *now)
{
    const struct word_change words[] = {
        {TASK_WORD_NAME, old->name, now->name},
        {TASK_WORD_WORKER, old->worker, now->worker},
        {TASK_WORD_QUEUE, old->queue, now->queue},
        {TASK_WORD_EXCEPTION, old->exception, now->exception},
    };
    int rc = change_state(index, txn, id, old, now);
    for (size_t i = 0; rc == 0 && i < sizeof(words) / sizeof(words[0]); i++) {
        rc = change_word(index, txn, id, &words[i]);
    }
    if (rc == 0) {
        rc = change_link(index, txn, id, 'p', old->parent, now->parent);
    }
    if (rc == 0) {
        rc = change_link(index, txn, id, 'r', old->root, now->root);
    }
    if (rc == 0) {
        rc = change_failure(index, txn, id, old, now);
    }
    return rc ? rc : change_segment(index, txn, id, old, now);
}

static int write_word(struct task_index *index, MDB_txn *txn, struct word *word)
{
    MDB_val key = env_val(word->key, word->key_len);
    word->dirty = false;
    /* A word nobody bears leaves the lists of facets; its number is kept until the cache forgets it. */
    if (word->value.count == 0) {
        int rc = mdb_del(txn, index->env->dbi[TASK_DBI_WORDS], &key, NULL);
        return rc == MDB_NOTFOUND ? 0 : env_code(rc);
    }
    return write_fixed(index->env, txn, TASK_DBI_WORDS, key, &word->value, sizeof(word->value));
}

static int write_counters(struct task_index *index, MDB_txn *txn)
{
    if (!index->counters_dirty) {
        return 0;
    }
    uint64_t next_word = index->next_word;
    int rc = write_fixed(index->env, txn, TASK_DBI_COUNTERS, env_val("next_id", 7), &index->next_id, 8);
    if (rc == 0) {
        rc = write_fixed(index->env, txn, TASK_DBI_COUNTERS, env_val("next_word", 9), &next_word, 8);
    }
    index->counters_dirty = false;
    return rc;
}

int task_index_end(struct task_index *index, MDB_txn *txn)
{
    for (struct word *word = index->words; word; word = word->hh.next) {
        int rc = word->dirty ? write_word(index, txn, word) : 0;
        if (rc) {
            return rc;
        }
    }
    if (HASH_COUNT(index->words) > WORDS_CACHED) {
        forget_words(index);
    }
    int rc = write_segment(index, txn);
    return rc ? rc : write_counters(index, txn);
}
