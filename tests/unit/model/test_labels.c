#include "src/model/labels.h"
#include "tests/support/test.h"

static struct labels make(struct arena *arena, const char *const pairs[])
{
    struct labels_builder b;
    labels_builder_init(&b, arena);
    for (; pairs[0]; pairs += 2) {
        labels_set(&b, str_of(pairs[0]), str_of(pairs[1]));
    }
    return labels_finish(&b, true);
}
#define LABELS(arena, ...) make(arena, (const char *const[]){__VA_ARGS__, NULL})

static void assert_prints(struct labels labels, const char *expected)
{
    auto_buf out;
    buf_init(&out, 10000);
    labels_print(labels, &out);
    assert_string_equal(out.p, expected);
}

static void builders_sort_and_the_last_value_wins(void **state)
{
    (void)state;
    auto_arena a;
    arena_init(&a);
    assert_prints(LABELS(&a, "b", "1", "a", "2", "c", "3", "a", "4"), "{a=\"4\", b=\"1\", c=\"3\"}");
    assert_prints(LABELS(&a, "b", "1", "a", "2", "b", ""), "{a=\"2\"}");
    struct labels base = LABELS(&a, "__name__", "up", "job", "x");
    struct labels_builder b;
    labels_builder_from(&b, &a, base);
    labels_remove(&b, METRIC_NAME);
    labels_remove(&b, STR("none"));
    labels_set(&b, STR("job"), STR("y"));
    assert_prints(labels_finish(&b, false), "{job=\"y\"}");
    assert_prints(base, "up{job=\"x\"}");
}

static void a_label_too_many_is_dropped_and_told(void **state)
{
    (void)state;
    auto_arena a;
    arena_init(&a);
    struct labels_builder b;
    labels_builder_init(&b, &a);
    for (int i = 0; i < LABELS_MAX; i++) {
        labels_set(&b, arena_printf(&a, "n%03d", i), STR("v"));
    }
    assert_false(b.overflow);
    labels_set(&b, STR("n000"), STR("w")); /* there already */
    assert_false(b.overflow);
    labels_set(&b, STR("a"), STR("v"));
    assert_true(b.overflow);
    struct labels labels = labels_finish(&b, true);
    assert_int_equal(labels.n, LABELS_MAX);
    assert_null(labels_get(labels, STR("a")).p);
    assert_str_is(labels_get(labels, STR("n000")), "w");
}

static void copies_do_not_depend_on_their_source(void **state)
{
    (void)state;
    auto_arena a;
    arena_init(&a);
    char name[] = "job", value[] = "x";
    struct labels_builder b;
    labels_builder_init(&b, &a);
    labels_set(&b, str_of(name), str_of(value));
    struct labels labels = labels_finish(&b, true);
    name[0] = value[0] = '?';
    assert_prints(labels, "{job=\"x\"}");
}

static void sets_are_compared_pair_by_pair(void **state)
{
    (void)state;
    auto_arena a;
    arena_init(&a);
    struct labels x = LABELS(&a, "a", "1"), y = LABELS(&a, "a", "1", "b", "2"), z = LABELS(&a, "a", "2"), none = {0};
    assert_true(labels_eq(x, LABELS(&a, "a", "1")));
    assert_false(labels_eq(x, y));
    assert_false(labels_eq(x, z));
    assert_true(labels_cmp(x, y) < 0);
    assert_true(labels_cmp(y, z) < 0);
    assert_true(labels_cmp(none, x) < 0);
    assert_int_equal(labels_cmp(y, y), 0);
    assert_true(labels_hash(x) == labels_hash(LABELS(&a, "a", "1")));
    assert_true(labels_hash(LABELS(&a, "a", "bc")) != labels_hash(LABELS(&a, "ab", "c")));
    assert_true(labels_hash(x) != labels_hash(none));
}

/* Values of prometheus/common model: TestLabelSet_Fingerprint's and the empty set's. */
/* The expected values come from an implementation of XXH64 written down from its description. */
static void the_sampling_hash_is_prometheus(void **state)
{
    (void)state;
    auto_arena a;
    arena_init(&a);
    struct labels m = LABELS(&a, "__name__", "m", "i", "1");
    assert_true(labels_sampling_hash((struct labels){0}, STR("")) == 0xEF46DB3751D8E999ULL);
    assert_true(labels_sampling_hash(m, STR("")) == 6019388196301550762ULL);
    assert_true(labels_sampling_hash(m, METRIC_NAME) == 4779683951906448614ULL);
    char text[301] = "";
    memset(text, 'x', 300);
    assert_true(labels_sampling_hash(LABELS(&a, "a", text), STR("")) == 8301386041670035979ULL);
    text[254] = '\0';
    assert_true(labels_sampling_hash(LABELS(&a, "a", text), STR("")) == 15390423940348798586ULL);
}

static void fingerprints_are_those_of_prometheus(void **state)
{
    (void)state;
    auto_arena a;
    arena_init(&a);
    assert_true(labels_fingerprint((struct labels){0}) == 14695981039346656037ULL);
    /* FNV-1a over name, 0xff, value, 0xff: computed by hand for one pair. */
    uint64_t hash = 14695981039346656037ULL;
    for (const char *p = "job\xff"
                         "x\xff";
         *p; p++) {
        hash = (hash ^ (unsigned char)*p) * 1099511628211ULL;
    }
    assert_true(labels_fingerprint(LABELS(&a, "job", "x")) == hash);
    assert_true(labels_fingerprint(LABELS(&a, "name", "garland, briggs", "fear", "love is not enough")) ==
                5799056148416392346ULL);
}

static void filters_keep_or_drop_names(void **state)
{
    (void)state;
    auto_arena a;
    arena_init(&a);
    struct labels labels = LABELS(&a, "__name__", "m", "a", "1", "b", "2");
    struct str names[] = {STR("b"), STR("none"), METRIC_NAME};
    assert_prints(labels_keep(labels, names, 2, &a), "{b=\"2\"}");
    assert_prints(labels_drop(labels, names, 3, &a), "{a=\"1\"}");
    assert_prints(labels_keep(labels, NULL, 0, &a), "{}");
    assert_prints(labels_drop(labels, NULL, 0, &a), "m{a=\"1\", b=\"2\"}");
    assert_true(labels_eq(labels_dup(labels, &a), labels));
}

static void printing_escapes_as_go_quotes(void **state)
{
    (void)state;
    auto_arena a;
    arena_init(&a);
    assert_prints(LABELS(&a, "__name__", "up"), "up");
    assert_prints((struct labels){0}, "{}");
    assert_prints(LABELS(&a, "a", "q\"\\\n\t\x01\x7f\xff é"), "{a=\"q\\\"\\\\\\n\\t\\x01\\x7f\\xff é\"}");
    assert_prints(LABELS(&a, "__name__", "not legal", "a", "1"), "{__name__=\"not legal\", a=\"1\"}");
}

static void names_are_checked(void **state)
{
    (void)state;
    assert_true(label_name_legal(STR("_a1")));
    assert_true(metric_name_legal(STR("a:b")));
    assert_false(label_name_legal(STR("a:b")));
    assert_false(label_name_legal(STR("1a")));
    assert_false(label_name_legal(STR("")));
    assert_false(label_name_legal(STR("a-b")));
    assert_false(metric_name_legal(STR("é")));
    char large[LABEL_NAME_MAX + 1];
    memset(large, 'a', sizeof(large));
    assert_true(label_name_legal(str_make(large, LABEL_NAME_MAX)));
    assert_false(label_name_legal(str_make(large, LABEL_NAME_MAX + 1)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sampling_hash_is_prometheus),
        cmocka_unit_test(builders_sort_and_the_last_value_wins),
        cmocka_unit_test(a_label_too_many_is_dropped_and_told),
        cmocka_unit_test(copies_do_not_depend_on_their_source),
        cmocka_unit_test(sets_are_compared_pair_by_pair),
        cmocka_unit_test(fingerprints_are_those_of_prometheus),
        cmocka_unit_test(filters_keep_or_drop_names),
        cmocka_unit_test(printing_escapes_as_go_quotes),
        cmocka_unit_test(names_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
