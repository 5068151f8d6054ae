#include "storage/series.h"

#include "src/base/mem.h"
#include "src/base/thread.h"
#include "storage/series_internal.h"

#include <xxhash.h>

#define PAGE_BITS 12
#define PAGE_SIZE (1u << PAGE_BITS)

static uint32_t text_hash(struct str s)
{
    return (uint32_t)XXH3_64bits(s.p, s.len);
}

uint64_t series_hash(struct labels labels)
{
    return labels_hash(labels);
}

bool labels_acceptable(struct labels labels)
{
    if (labels.n == 0 || labels.n > LABELS_MAX || labels_get(labels, METRIC_NAME).len == 0) {
        return false;
    }
    for (uint32_t i = 0; i < labels.n; i++) {
        const struct label *label = &labels.v[i];
        if (!label->name.len || label->name.len > LABEL_NAME_MAX || !label->value.len ||
            label->value.len > LABEL_VALUE_MAX || (i > 0 && str_cmp(labels.v[i - 1].name, label->name) >= 0)) {
            return false;
        }
    }
    return true;
}

/* Symbols */

struct symbol_name *index_name(const struct index *index, struct str name)
{
    struct symbol_name *found = NULL;
    HASH_FIND(hh, index->names, name.p, name.len, found);
    return found;
}

static struct symbol_name *intern_name(struct index *index, struct str name)
{
    struct symbol_name *found = index_name(index, name);
    if (!found) {
        found = mem_zalloc(sizeof(*found));
        found->name = (struct str){mem_str_dup(name), name.len};
        HASH_ADD_KEYPTR(hh, index->names, found->name.p, name.len, found);
    }
    return found;
}

/* Open addressing, linear probing, a power of two of slots, at most 3/4 full. */
static size_t symbol_slot(const struct symbol_name *name, struct str value, uint32_t hash)
{
    size_t mask = name->cap - 1, i = hash & mask;
    while (name->table[i] && !(name->table[i]->hash == hash && str_eq(name->table[i]->value, value))) {
        i = (i + 1) & mask;
    }
    return i;
}

struct symbol *index_symbol(const struct symbol_name *name, struct str value)
{
    return name && name->cap ? name->table[symbol_slot(name, value, text_hash(value))] : NULL;
}

static void grow_symbols(struct symbol_name *name)
{
    struct symbol **old = name->table;
    size_t old_cap = name->cap;
    name->cap = old_cap ? old_cap * 2 : 4;
    name->table = mem_zalloc(name->cap * sizeof(struct symbol *));
    for (size_t i = 0; i < old_cap; i++) {
        if (old[i]) {
            name->table[symbol_slot(name, old[i]->value, old[i]->hash)] = old[i];
        }
    }
    mem_free(old);
}

static struct symbol *intern_value(struct symbol_name *name, struct str value)
{
    if ((name->count + 1) * 4 > name->cap * 3) {
        grow_symbols(name);
    }
    uint32_t hash = text_hash(value);
    size_t slot = symbol_slot(name, value, hash);
    if (!name->table[slot]) {
        struct symbol *symbol = mem_zalloc(sizeof(*symbol) + value.len);
        char *text = (char *)(symbol + 1);
        if (value.len) {
            memcpy(text, value.p, value.len);
        }
        symbol->name = name;
        symbol->value = (struct str){text, value.len};
        symbol->hash = hash;
        name->table[slot] = symbol;
        name->count++;
    }
    return name->table[slot];
}

/* Out of the table, its followers moved up so that no probe ends early. */
static void unlink_symbol(struct symbol *symbol)
{
    struct symbol_name *name = symbol->name;
    size_t mask = name->cap - 1, hole = symbol_slot(name, symbol->value, symbol->hash);
    for (size_t i = (hole + 1) & mask; name->table[i]; i = (i + 1) & mask) {
        size_t home = name->table[i]->hash & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            name->table[hole] = name->table[i];
            hole = i;
        }
    }
    name->table[hole] = NULL;
    name->count--;
}

static size_t lower_bound(const uint32_t *ids, size_t n, uint32_t id)
{
    size_t low = 0;
    for (size_t high = n; low < high;) {
        size_t mid = low + (high - low) / 2;
        if (ids[mid] < id) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

static void symbol_add_id(struct symbol *symbol, uint32_t id)
{
    if (symbol->n == symbol->cap) {
        symbol->cap = symbol->cap ? symbol->cap * 2 : 1;
        symbol->ids = mem_realloc_array(symbol->ids, symbol->cap, sizeof(*symbol->ids));
    }
    size_t at = symbol->n && symbol->ids[symbol->n - 1] > id ? lower_bound(symbol->ids, symbol->n, id) : symbol->n;
    memmove(symbol->ids + at + 1, symbol->ids + at, (symbol->n - at) * sizeof(*symbol->ids));
    symbol->ids[at] = id;
    symbol->n++;
}

/* Ids of removed series go. */
static void symbol_filter(const struct index *index, struct symbol *symbol)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < symbol->n; i++) {
        if (!index_get(index, symbol->ids[i])->removed) {
            symbol->ids[n++] = symbol->ids[i];
        }
    }
    symbol->n = n;
    symbol->filtered = index->removals;
}

static void symbol_unref(struct symbol *symbol)
{
    if (--symbol->refs == 0) {
        unlink_symbol(symbol);
        mem_free(symbol->ids);
        mem_free(symbol);
    }
}

/* The table of label sets */

static size_t set_home(const struct index *index, uint64_t hash)
{
    return (size_t)(hash & (index->set_cap - 1));
}

static void set_insert(struct index *index, struct series *series)
{
    size_t i = set_home(index, series->hash);
    while (index->set[i]) {
        i = (i + 1) & (index->set_cap - 1);
    }
    index->set[i] = series;
}

static void set_grow(struct index *index)
{
    struct series **old = index->set;
    size_t old_cap = index->set_cap;
    index->set_cap = old_cap ? old_cap * 2 : 64;
    index->set = mem_zalloc(index->set_cap * sizeof(struct series *));
    for (size_t i = 0; i < old_cap; i++) {
        if (old[i]) {
            set_insert(index, old[i]);
        }
    }
    mem_free(old);
}

static void set_remove(struct index *index, const struct series *series)
{
    size_t mask = index->set_cap - 1, hole = set_home(index, series->hash);
    while (index->set[hole] != series) {
        hole = (hole + 1) & mask;
    }
    for (size_t i = (hole + 1) & mask; index->set[i]; i = (i + 1) & mask) {
        size_t home = set_home(index, index->set[i]->hash);
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            index->set[hole] = index->set[i];
            hole = i;
        }
    }
    index->set[hole] = NULL;
}

bool series_has_labels(const struct series *series, struct labels labels)
{
    if (series->label_count != labels.n) {
        return false;
    }
    for (uint32_t i = 0; i < labels.n; i++) {
        const struct symbol *symbol = series->labels[i];
        if (!str_eq(symbol->value, labels.v[i].value) || !str_eq(symbol->name->name, labels.v[i].name)) {
            return false;
        }
    }
    return true;
}

struct series *index_find(const struct index *index, struct labels labels, uint64_t hash)
{
    if (!index->set_cap) {
        return NULL;
    }
    size_t i = set_home(index, hash);
    for (; index->set[i]; i = (i + 1) & (index->set_cap - 1)) {
        if (index->set[i]->hash == hash && series_has_labels(index->set[i], labels)) {
            return index->set[i];
        }
    }
    return NULL;
}

/* Ids: pages of pointers, since ids are dense */

struct series *index_get(const struct index *index, uint64_t id)
{
    size_t page = (size_t)(id >> PAGE_BITS);
    return page < index->pages.len && index->pages.p[page] ? index->pages.p[page]->series[id & (PAGE_SIZE - 1)] : NULL;
}

struct series *index_next(const struct index *index, uint64_t id)
{
    for (size_t page = (size_t)(id >> PAGE_BITS); page < index->pages.len; page++) {
        for (size_t i = id & (PAGE_SIZE - 1); index->pages.p[page] && i < PAGE_SIZE; i++) {
            if (index->pages.p[page]->series[i]) {
                return index->pages.p[page]->series[i];
            }
        }
        id = 0;
    }
    return NULL;
}

static void ids_insert(struct index *index, struct series *series)
{
    size_t page = (size_t)(series->id >> PAGE_BITS);
    while (index->pages.len <= page) {
        vec_push(&index->pages, NULL);
    }
    if (!index->pages.p[page]) {
        index->pages.p[page] = mem_zalloc(sizeof(struct id_page));
    }
    index->pages.p[page]->series[series->id & (PAGE_SIZE - 1)] = series;
    index->pages.p[page]->used++;
}

static void ids_remove(struct index *index, uint64_t id)
{
    struct id_page **page = &index->pages.p[id >> PAGE_BITS];
    (*page)->series[id & (PAGE_SIZE - 1)] = NULL;
    if (--(*page)->used == 0) {
        mem_free(*page);
        *page = NULL;
    }
}

/* The whole */

struct index *index_new(void)
{
    return mem_zalloc(sizeof(struct index));
}

struct series *index_add(struct index *index, uint64_t id, struct cohort *cohort, uint8_t slot, struct labels labels)
{
    if ((index->count + 1) * 4 > index->set_cap * 3) {
        set_grow(index);
    }
    struct series *series = mem_zalloc(sizeof(*series) + labels.n * sizeof(struct symbol *));
    series->id = id;
    series->hash = series_hash(labels);
    series->cohort = cohort;
    series->slot = slot;
    series->first_ms = INT64_MAX;
    series->last_ms = SERIES_NO_TIME;
    series->label_count = (uint16_t)labels.n;
    for (uint32_t i = 0; i < labels.n; i++) {
        struct symbol *symbol = intern_value(intern_name(index, labels.v[i].name), labels.v[i].value);
        symbol->refs++;
        symbol_add_id(symbol, (uint32_t)id);
        series->labels[i] = symbol;
    }
    set_insert(index, series);
    ids_insert(index, series);
    index->count++;
    return series;
}

void index_remove(struct index *index, struct series **series, size_t n)
{
    index->removals++;
    for (size_t i = 0; i < n; i++) {
        series[i]->removed = true;
    }
    for (size_t i = 0; i < n; i++) {
        for (uint16_t k = 0; k < series[i]->label_count; k++) {
            if (series[i]->labels[k]->filtered != index->removals) {
                symbol_filter(index, series[i]->labels[k]);
            }
        }
    }
    for (size_t i = 0; i < n; i++) {
        set_remove(index, series[i]);
        ids_remove(index, series[i]->id);
    }
    index->count -= n;
}

void series_free(struct series *series)
{
    for (uint16_t i = 0; i < series->label_count; i++) {
        symbol_unref(series->labels[i]);
    }
    mem_free(series);
}

static void free_name(struct symbol_name *name)
{
    for (size_t i = 0; i < name->cap; i++) {
        if (name->table[i]) {
            mem_free(name->table[i]->ids);
            mem_free(name->table[i]);
        }
    }
    mem_free(name->table);
    mem_free((char *)(uintptr_t)name->name.p);
    mem_free(name);
}

void index_free(struct index *index)
{
    if (!index) {
        return;
    }
    for (struct series *s = index_next(index, 0), *next; s; s = next) {
        next = index_next(index, s->id + 1);
        mem_free(s);
    }
    for (size_t i = 0; i < index->pages.len; i++) {
        mem_free(index->pages.p[i]);
    }
    struct symbol_name *name = index->names;
    HASH_CLEAR(hh, index->names);
    for (struct symbol_name *next; name; name = next) {
        next = name->hh.next;
        free_name(name);
    }
    vec_release(&index->pages);
    mem_free(index->set);
    mem_free(index);
}

size_t index_count(const struct index *index)
{
    return index->count;
}

struct labels series_labels(const struct series *series, struct arena *arena)
{
    struct label *v = arena_array(arena, struct label, series->label_count);
    for (uint16_t i = 0; i < series->label_count; i++) {
        v[i] = (struct label){series->labels[i]->name->name, series->labels[i]->value};
    }
    return (struct labels){v, series->label_count};
}

struct str series_label(const struct series *series, struct str name)
{
    for (uint16_t i = 0; i < series->label_count; i++) {
        if (str_eq(series->labels[i]->name->name, name)) {
            return series->labels[i]->value;
        }
    }
    return (struct str){NULL, 0};
}

void index_each_name(const struct index *index, index_text_fn visit, void *ctx)
{
    for (const struct symbol_name *name = index->names; name; name = name->hh.next) {
        bool live = false;
        for (size_t j = 0; j < name->cap && !live; j++) {
            live = name->table[j] && name->table[j]->n;
        }
        if (live) {
            visit(ctx, name->name);
        }
    }
}

void index_each_value(const struct index *index, struct str name, index_text_fn visit, void *ctx)
{
    const struct symbol_name *found = index_name(index, name);
    for (size_t i = 0; found && i < found->cap; i++) {
        if (found->table[i] && found->table[i]->n) {
            visit(ctx, found->table[i]->value);
        }
    }
}

void series_each_name(const struct series *series, index_text_fn visit, void *ctx)
{
    for (uint16_t i = 0; i < series->label_count; i++) {
        visit(ctx, series->labels[i]->name->name);
    }
}
