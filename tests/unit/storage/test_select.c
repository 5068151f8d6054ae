/* The index finds what a walk over all series finds. */
#include "src/base/mem.h"
#include "storage/series_internal.h"
#include "tests/support/test.h"

#include <stdio.h>

static struct labels make(struct arena *arena, const char *name, const char *a, const char *b)
{
    struct labels_builder builder;
    labels_builder_init(&builder, arena);
    labels_set(&builder, METRIC_NAME, str_of(name));
    labels_set(&builder, STR("a"), str_of(a));
    labels_set(&builder, STR("b"), str_of(b));
    return labels_finish(&builder, true);
}

/* 3 names x 40 values of a (one of them: none) x 7 of b (one: none). */
static struct index *fill(struct arena *arena, size_t *count)
{
    struct index *index = index_new();
    uint64_t id = 1;
    for (int n = 0; n < 3; n++) {
        for (int i = 0; i < 40; i++) {
            for (int j = 0; j < 7; j++) {
                char name[8], a[8], b[8];
                snprintf(name, sizeof(name), "m%d", n);
                snprintf(a, sizeof(a), "a%d", i);
                snprintf(b, sizeof(b), "b%d", j);
                index_add(index, id++, NULL, 0, make(arena, name, i ? a : "", j ? b : ""));
            }
        }
    }
    *count = (size_t)id - 1;
    return index;
}

static void check(const struct index *index, struct arena *arena, const struct matcher *m, size_t n)
{
    struct id_list got;
    index_select(index, m, n, &got);
    size_t at = 0;
    for (struct series *s = index_next(index, 0); s; s = index_next(index, s->id + 1)) {
        if (matchers_match(m, n, series_labels(s, arena))) {
            assert_true(at < got.n);
            assert_int_equal(got.v[at], s->id);
            at++;
        }
    }
    assert_int_equal(at, got.n);
    mem_free(got.v);
}

struct condition {
    enum matcher_op op;
    const char *name, *value;
};

static const struct condition conditions[] = {
    {MATCH_EQ, "__name__", "m1"}, {MATCH_EQ, "a", ""},          {MATCH_NE, "a", ""},         {MATCH_NE, "a", "a3"},
    {MATCH_EQ, "a", "a3"},        {MATCH_EQ, "a", "nope"},      {MATCH_RE, "a", ".*"},       {MATCH_RE, "a", ".+"},
    {MATCH_RE, "a", "a1.?"},      {MATCH_RE, "a", "a1|a2|a1"},  {MATCH_NRE, "a", "a1|a2"},   {MATCH_NRE, "a", "a.*"},
    {MATCH_NRE, "a", ".*"},       {MATCH_RE, "a", "|a5"},       {MATCH_NE, "missing", "x"},  {MATCH_EQ, "missing", "x"},
    {MATCH_EQ, "missing", ""},    {MATCH_RE, "missing", "x.*"}, {MATCH_NE, "missing", ""},   {MATCH_NRE, "b", "b[1-3]"},
    {MATCH_RE, "b", "(b1|b2)?"},  {MATCH_EQ, "b", "b6"},        {MATCH_NRE, "missing", ".+"}};
#define CONDITIONS (sizeof(conditions) / sizeof(*conditions))

static void all_pairs_of_conditions_agree_with_a_walk(void **state)
{
    (void)state;
    auto_arena arena;
    arena_init(&arena);
    size_t count;
    struct index *index = fill(&arena, &count);
    struct matcher m[CONDITIONS];
    for (size_t i = 0; i < CONDITIONS; i++) {
        assert_int_equal(
            matcher_init(&m[i], conditions[i].op, str_of(conditions[i].name), str_of(conditions[i].value), NULL), 0);
    }
    for (size_t i = 0; i < CONDITIONS; i++) {
        for (size_t j = 0; j < CONDITIONS; j++) {
            const struct matcher pair[] = {m[i], m[j]};
            check(index, &arena, pair, i == j ? 1 : 2);
        }
    }
    check(index, &arena, m, 0);
    for (size_t i = 0; i < CONDITIONS; i++) {
        matcher_release(&m[i]);
    }
    index_free(index);
}

static void removed_series_are_found_no_more(void **state)
{
    (void)state;
    auto_arena arena;
    arena_init(&arena);
    size_t count;
    struct index *index = fill(&arena, &count);
    for (uint64_t id = 1; id <= count; id++) {
        if (id % 3) {
            struct series *s = index_get(index, id);
            struct labels labels = series_labels(s, &arena);
            uint64_t hash = series_hash(labels);
            assert_ptr_equal(index_find(index, labels, hash), s);
            index_remove(index, &s, 1);
            assert_null(index_find(index, labels, hash));
            series_free(s);
        }
    }
    assert_int_equal(index_count(index), count / 3);
    for (struct series *s = index_next(index, 0); s; s = index_next(index, s->id + 1)) {
        assert_int_equal(s->id % 3, 0);
        struct labels labels = series_labels(s, &arena);
        assert_ptr_equal(index_find(index, labels, series_hash(labels)), s);
    }
    struct matcher m;
    assert_int_equal(matcher_init(&m, MATCH_RE, STR("a"), STR("a1.*"), NULL), 0);
    check(index, &arena, &m, 1);
    matcher_release(&m);
    index_free(index);
}

static void label_sets_that_break_the_rules_are_refused(void **state)
{
    (void)state;
    struct label name = {METRIC_NAME, STR("m")}, a = {STR("a"), STR("1")}, empty = {STR("b"), STR("")};
    struct label good[] = {name, a}, unsorted[] = {a, name}, doubled[] = {name, a, a}, void_value[] = {name, empty};
    assert_true(labels_acceptable((struct labels){good, 2}));
    assert_true(labels_acceptable((struct labels){good, 1}));
    assert_false(labels_acceptable((struct labels){good, 0}));
    assert_false(labels_acceptable((struct labels){&a, 1}));
    assert_false(labels_acceptable((struct labels){unsorted, 2}));
    assert_false(labels_acceptable((struct labels){doubled, 3}));
    assert_false(labels_acceptable((struct labels){void_value, 2}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_pairs_of_conditions_agree_with_a_walk),
        cmocka_unit_test(removed_series_are_found_no_more),
        cmocka_unit_test(label_sets_that_break_the_rules_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
