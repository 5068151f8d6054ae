/*
 * index_select(): matchers to ids.
 *
 * A missing label is the empty text, so a matcher that matches the empty text ({a=""}, {a!="x"}, {a=~".*"}) takes
 * series away (those with a value that does not match), and one that does not match it brings series in (those with a
 * value that does). The bringing ones run first, the cheapest of them at the start; once few candidates are left, the
 * rest is tested on each of them instead of on every value of the label.
 */
#include "src/base/mem.h"
#include "storage/series_internal.h"

#include <stdlib.h>

static int compare_ids(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

typedef vec(uint32_t) id_vec;

static void add_symbol(id_vec *ids, const struct symbol *symbol)
{
    if (symbol && symbol->n) {
        vec_reserve(ids, ids->len + symbol->n);
        memcpy(ids->p + ids->len, symbol->ids, symbol->n * sizeof(uint32_t));
        ids->len += symbol->n;
    }
}

/* The literal values that alone can match (negated: fail to match), when they are known without trying. */
static size_t literals_of(const struct matcher *m, const struct str **out)
{
    if (m->op == MATCH_EQ || m->op == MATCH_NE) {
        *out = &m->value;
        return 1;
    }
    return m->regex ? regex_literals(m->regex, out) : 0;
}

/* Ids with a value of the label whose match is `wanted`; ascending. A series has one value of a label: no doubles. */
static void collect(const struct index *index, const struct matcher *m, bool wanted, id_vec *ids)
{
    const struct symbol_name *name = index_name(index, m->name);
    if (!name) {
        return;
    }
    const struct str *literals = NULL;
    size_t n = literals_of(m, &literals), before = ids->len, sources = 0;
    bool literals_decide = n && wanted == (m->op == MATCH_EQ || m->op == MATCH_RE);
    for (size_t i = 0; literals_decide && i < n; i++) {
        size_t len = ids->len;
        add_symbol(ids, index_symbol(name, literals[i]));
        sources += ids->len > len;
    }
    for (size_t i = 0; !literals_decide && i < name->cap; i++) {
        const struct symbol *symbol = name->table[i];
        if (symbol && symbol->n && matcher_matches(m, symbol->value) == wanted) {
            add_symbol(ids, symbol);
            sources++;
        }
    }
    if (sources > 1) {
        qsort(ids->p + before, ids->len - before, sizeof(uint32_t), compare_ids);
    }
}

/* A literal may stand twice in an alternation. */
static void drop_doubles(id_vec *ids)
{
    size_t n = 0;
    for (size_t i = 0; i < ids->len; i++) {
        if (n == 0 || ids->p[n - 1] != ids->p[i]) {
            ids->p[n++] = ids->p[i];
        }
    }
    ids->len = n;
}

static void keep(id_vec *cur, const id_vec *other, bool present)
{
    size_t n = 0, j = 0;
    for (size_t i = 0; i < cur->len; i++) {
        while (j < other->len && other->p[j] < cur->p[i]) {
            j++;
        }
        bool found = j < other->len && other->p[j] == cur->p[i];
        if (found == present) {
            cur->p[n++] = cur->p[i];
        }
    }
    cur->len = n;
}

/* Values are interned, and few among the candidates: each is asked for once, or nearly so. */
#define VALUES_KNOWN 64

struct known_values {
    struct {
        const char *p; /* NULL: none */
        bool matches;
    } v[VALUES_KNOWN];
};

static bool matches_known(const struct matcher *m, struct str value, struct known_values *known)
{
    static const char missing[] = "";
    const char *key = value.p ? value.p : missing;
    size_t at = ((uintptr_t)key * 0x9e3779b97f4a7c15u) >> 58; /* the upper six bits */
    if (known->v[at].p != key) {
        known->v[at].matches = matcher_matches(m, value);
        known->v[at].p = key;
    }
    return known->v[at].matches;
}

static void filter_each(const struct index *index, const struct matcher *m, id_vec *cur)
{
    struct known_values known = {0};
    size_t n = 0;
    for (size_t i = 0; i < cur->len; i++) {
        const struct series *series = index_get(index, cur->p[i]);
        if (matches_known(m, series_label(series, m->name), &known)) {
            cur->p[n++] = cur->p[i];
        }
    }
    cur->len = n;
}

/* What the matcher's ids cost to collect, roughly: values to look at. */
static size_t cost_of(const struct index *index, const struct matcher *m)
{
    const struct symbol_name *name = index_name(index, m->name);
    const struct str *literals;
    if (!name) {
        return 0;
    }
    size_t n = literals_of(m, &literals), ids = 0;
    for (size_t i = 0; i < n; i++) {
        const struct symbol *symbol = index_symbol(name, literals[i]);
        ids += symbol ? symbol->n : 0;
    }
    return n ? ids : index->count + name->count;
}

static void apply(const struct index *index, const struct matcher *m, bool takes_away, id_vec *cur)
{
    const struct symbol_name *name = index_name(index, m->name);
    if (cur->len < 256 || (name && cur->len < name->count / 2)) {
        filter_each(index, m, cur);
        return;
    }
    id_vec ids = {0};
    collect(index, m, !takes_away, &ids);
    drop_doubles(&ids);
    keep(cur, &ids, !takes_away);
    vec_release(&ids);
}

static void add_all(const struct index *index, id_vec *ids)
{
    for (struct series *s = index_next(index, 0); s; s = index_next(index, s->id + 1)) {
        vec_push(ids, (uint32_t)s->id);
    }
}

void index_select(const struct index *index, const struct matcher *matchers, size_t n, struct id_list *out)
{
    id_vec cur = {0};
    const struct matcher *start = NULL;
    size_t cheapest = SIZE_MAX;
    for (size_t i = 0; i < n; i++) {
        size_t cost = matcher_matches(&matchers[i], STR("")) ? SIZE_MAX : cost_of(index, &matchers[i]);
        if (cost < cheapest) {
            cheapest = cost;
            start = &matchers[i];
        }
    }
    if (start) {
        collect(index, start, true, &cur);
        drop_doubles(&cur);
    } else {
        add_all(index, &cur);
    }
    for (int away = 0; away < 2; away++) { /* bringing ones first: they leave fewer candidates */
        for (size_t i = 0; i < n && cur.len; i++) {
            bool takes_away = matcher_matches(&matchers[i], STR(""));
            if (&matchers[i] != start && takes_away == (away == 1)) {
                apply(index, &matchers[i], takes_away, &cur);
            }
        }
    }
    *out = (struct id_list){cur.p, cur.len};
}
