/* snapshot_cardinality(): the index' symbols counted, the greatest kept in small heaps. */
#include "src/base/mem.h"
#include "storage/metrics.h"
#include "storage/series_internal.h"

#include <stdlib.h>

/* The greatest so far; the least of them at the root. */
struct top {
    struct cardinality_entry *v;
    const struct symbol **pairs; /* their texts are made at the end */
    size_t n, limit;
};

static void top_init(struct top *top, size_t limit, struct arena *arena)
{
    *top = (struct top){.limit = limit,
                        .v = arena_array(arena, struct cardinality_entry, limit + 1),
                        .pairs = arena_array(arena, const struct symbol *, limit + 1)};
}

static int compare_texts(const struct top *top, size_t a, size_t b)
{
    const struct symbol *x = top->pairs[a], *y = top->pairs[b];
    int by_name = x ? str_cmp(x->name->name, y->name->name) : 0;
    return by_name ? by_name : str_cmp(top->v[a].name, top->v[b].name);
}

/* Of equal ones the later text goes first, so that the answer is always the same. */
static bool is_less(const struct top *top, size_t a, size_t b)
{
    return top->v[a].value != top->v[b].value ? top->v[a].value < top->v[b].value : compare_texts(top, a, b) > 0;
}

static void exchange(struct top *top, size_t a, size_t b)
{
    struct cardinality_entry entry = top->v[a];
    const struct symbol *pair = top->pairs[a];
    top->v[a] = top->v[b];
    top->pairs[a] = top->pairs[b];
    top->v[b] = entry;
    top->pairs[b] = pair;
}

static void sink(struct top *top)
{
    for (size_t at = 0;;) {
        size_t least = at;
        for (size_t child = 2 * at + 1; child < 2 * at + 3 && child < top->n; child++) {
            least = is_less(top, child, least) ? child : least;
        }
        if (least == at) {
            return;
        }
        exchange(top, at, least);
        at = least;
    }
}

static void top_add(struct top *top, struct str name, uint64_t value, const struct symbol *pair)
{
    if (!top->limit || (top->n == top->limit && value < top->v[0].value)) {
        return;
    }
    size_t at = top->n; /* there is room for one more than the limit */
    top->v[at] = (struct cardinality_entry){name, value};
    top->pairs[at] = pair;
    if (top->n == top->limit) {
        if (is_less(top, 0, at)) {
            exchange(top, 0, at);
            sink(top);
        }
        return;
    }
    top->n++;
    for (; at > 0 && is_less(top, at, (at - 1) / 2); at = (at - 1) / 2) {
        exchange(top, at, (at - 1) / 2);
    }
}

static int compare_entries(const void *a, const void *b)
{
    const struct cardinality_entry *x = a, *y = b;
    return x->value != y->value ? (x->value < y->value ? 1 : -1) : str_cmp(x->name, y->name);
}

/* Texts are copied: symbols may go when the lock is let go of. */
static struct cardinality_list top_list(struct top *top, struct arena *arena)
{
    for (size_t i = 0; i < top->n; i++) {
        const struct symbol *pair = top->pairs[i];
        top->v[i].name = pair
                             ? arena_printf(arena, STR_FMT "=" STR_FMT, STR_ARG(pair->name->name), STR_ARG(pair->value))
                             : arena_dup(arena, top->v[i].name);
    }
    if (top->n) {
        qsort(top->v, top->n, sizeof(*top->v), compare_entries);
    }
    return (struct cardinality_list){top->v, top->n};
}

int snapshot_cardinality(struct snapshot *snapshot, size_t limit, struct arena *arena, struct cardinality *out)
{
    struct metrics *m = snapshot_metrics(snapshot);
    struct top metrics, values, bytes, pairs;
    struct top *const tops[] = {&metrics, &values, &bytes, &pairs};
    for (size_t i = 0; i < 4; i++) {
        top_init(tops[i], limit, arena);
    }
    *out = (struct cardinality){0};
    pthread_rwlock_rdlock(&m->lock);
    out->series = index_count(m->index);
    for (const struct symbol_name *name = m->index->names; name; name = name->hh.next) {
        uint64_t live = 0, size = 0;
        bool is_metric = str_eq(name->name, METRIC_NAME);
        for (size_t i = 0; i < name->cap; i++) {
            const struct symbol *symbol = name->table[i];
            if (!symbol || !symbol->n) {
                continue;
            }
            live++;
            size += symbol->value.len * symbol->n;
            top_add(&pairs, symbol->value, symbol->n, symbol);
            if (is_metric) {
                top_add(&metrics, symbol->value, symbol->n, NULL);
            }
        }
        out->label_pairs += live;
        if (live) {
            top_add(&values, name->name, live, NULL);
            top_add(&bytes, name->name, size, NULL);
        }
    }
    out->series_by_metric = top_list(&metrics, arena);
    out->values_by_label = top_list(&values, arena);
    out->bytes_by_label = top_list(&bytes, arena);
    out->series_by_pair = top_list(&pairs, arena);
    pthread_rwlock_unlock(&m->lock);
    return 0;
}
