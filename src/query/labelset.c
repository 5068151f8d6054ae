#include "src/query/labelset.h"

#include "src/base/codec.h"

/* Both lists are sorted by name: *i moves through names as the caller walks the labels. */
static bool selected(struct selection s, struct str name, size_t *i)
{
    int c = -1;
    while (*i < s.names.n && (c = str_cmp(s.names.v[*i], name)) < 0) {
        (*i)++;
    }
    bool listed = *i < s.names.n && c == 0;
    return s.keep ? listed : !listed && (s.keep_name || !str_eq(name, METRIC_NAME));
}

static inline uint64_t mix(uint64_t h)
{
    h ^= h >> 32;
    h *= 0xd6e8feb86659fd93ULL;
    return h ^ (h >> 32);
}

/* Eight bytes at a time: label texts are short and this runs once per series and operator. */
static uint64_t hash_text(uint64_t h, struct str s)
{
    size_t i = 0;
    for (; i + 8 <= s.len; i += 8) {
        uint64_t w;
        memcpy(&w, s.p + i, 8);
        h = mix(h ^ w) + 0x9e3779b97f4a7c15ULL;
    }
    uint64_t tail = 0;
    if (i < s.len) {
        memcpy(&tail, s.p + i, s.len - i);
    }
    return mix(h ^ tail ^ ((uint64_t)s.len << 56));
}

uint64_t selection_hash(struct selection s, struct labels labels)
{
    uint64_t h = FNV1A64_INIT;
    size_t i = 0;
    for (uint32_t k = 0; k < labels.n; k++) {
        if (selected(s, labels.v[k].name, &i)) {
            h = hash_text(hash_text(h, labels.v[k].name), labels.v[k].value);
        }
    }
    return h;
}

bool selection_equal(struct selection s, struct labels labels, struct labels wanted)
{
    size_t i = 0;
    uint32_t n = 0;
    for (uint32_t k = 0; k < labels.n; k++) {
        if (!selected(s, labels.v[k].name, &i)) {
            continue;
        }
        if (n == wanted.n || !str_eq(labels.v[k].name, wanted.v[n].name) ||
            !str_eq(labels.v[k].value, wanted.v[n].value)) {
            return false;
        }
        n++;
    }
    return n == wanted.n;
}

struct labels selection_labels(struct selection s, struct labels labels, struct arena *arena)
{
    struct label *v = arena_array(arena, struct label, labels.n ? labels.n : 1);
    uint32_t n = 0;
    size_t i = 0;
    for (uint32_t k = 0; k < labels.n; k++) {
        if (selected(s, labels.v[k].name, &i)) {
            v[n++] = labels.v[k];
        }
    }
    return (struct labels){v, n};
}

void group_table_init(struct group_table *t, struct arena *arena)
{
    *t = (struct group_table){.arena = arena, .cap = 64};
    t->slots = arena_zalloc(arena, t->cap * sizeof(*t->slots));
}

int64_t group_table_next(const struct group_table *t, uint64_t hash, size_t *at)
{
    for (;; (*at)++) {
        size_t slot = (hash + *at) & (t->cap - 1);
        if (!t->slots[slot].number) {
            return -1;
        }
        if (t->slots[slot].hash == hash) {
            (*at)++;
            return t->slots[slot].number - 1;
        }
    }
}

static void put(struct group_table *t, uint64_t hash, uint32_t number)
{
    size_t slot = hash & (t->cap - 1);
    while (t->slots[slot].number) {
        slot = (slot + 1) & (t->cap - 1);
    }
    t->slots[slot].hash = hash;
    t->slots[slot].number = number;
}

uint32_t group_table_add(struct group_table *t, uint64_t hash)
{
    if (2 * ((size_t)t->n + 1) > t->cap) {
        struct group_table old = *t;
        t->cap *= 2;
        t->slots = arena_zalloc(t->arena, t->cap * sizeof(*t->slots));
        for (size_t i = 0; i < old.cap; i++) {
            if (old.slots[i].number) {
                put(t, old.slots[i].hash, old.slots[i].number);
            }
        }
    }
    put(t, hash, ++t->n);
    return t->n - 1;
}
