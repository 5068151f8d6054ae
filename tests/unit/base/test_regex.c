#include "src/base/buf.h"
#include "src/base/regex.h"
#include "tests/support/test.h"

#include <pthread.h>

static struct regex *compile(const char *pattern)
{
    struct regex *regex = NULL;
    struct error err = {0};
    if (regex_compile(str_of(pattern), &regex, &err) != 0) {
        fail_msg("%s: %s", pattern, err.text);
    }
    return regex;
}

/* -- matching; expectations are Go's regexp with ^(?s:...)$ -- */

static const struct {
    const char *pattern, *subject;
    bool matches;
} matches[] = {
    {"", "", true},
    {"", "x", false},
    {"foo", "foo", true},
    {"foo", "foobar", false},
    {"foo", "xfoo", false},
    {"foo|bar", "bar", true},
    {"foo|bar", "foobar", false},
    {"(foo|bar)", "bar", true},
    {"(?:foo|bar|)", "", true},
    {"foo\\.bar", "foo.bar", true},
    {"foo\\.bar", "fooxbar", false},
    {"foo.*", "foo", true},
    {"foo.*", "foo\nbar", true},
    {"foo.*", "fo", false},
    {"foo.+", "foo", false},
    {"foo.+", "foox", true},
    {".*", "", true},
    {".+", "", false},
    {".*foo.*", "a foo b", true},
    {"fo*", "f", true},
    {"fo?x", "fx", true},
    {"fo{2}", "foo", true},
    {"ab{0,1}c", "ac", true},
    {"é?x", "x", true},
    {"é?x", "\xc3x", false},
    {"aé*", "a", true},
    {"x{,2}", "x{,2}", true},
    {"x{a}", "x{a}", true},
    {"{", "{", true},
    {"a]", "a]", true},
    {"[]a]", "]", true},
    {"[^]a]", "b", true},
    {"[[a]", "[", true},
    {"[a-c-]+", "a-c", true},
    {"[[:alpha:]]+", "abc", true},
    {"[[:^alpha:]]+", "123", true},
    {"(?i)foo", "FOO", true},
    {"(?i:f)oo", "FOO", false},
    {"(?i)straße", "STRAßE", true},
    {"a(?-s).b", "a\nb", false},
    {"a.b", "a\nb", true},
    {"(?m)a$\\nb", "a\nb", true},
    {"a$", "a\n", false},
    {"\\d+\\D\\w\\W", "12xy-", true},
    {"\\s", "\x0b", false},
    {"[\\s]", "\x0b", false},
    {"\\S", "\x0b", true},
    {"[\\S]", "\x0b", true},
    {"\\v", "\x0b", true},
    {"\\v", "\n", false},
    {"\\x41\\x{42}\\103", "ABC", true},
    {"\\0", "", false},
    {"\\Qa.b\\E+", "a.bb", true},
    {"\\Qa.b", "a.b", true},
    {"\\Qa\\\\E", "a\\", true},
    {"\\pL+", "éa", true},
    {"\\p{Greek}", "α", true},
    {"\\P{Greek}", "α", false},
    {"\\bfoo\\b", "foo", true},
    {"\\Afoo\\z", "foo", true},
    {"(?P<x>a)(?<y>b)", "ab", true},
    {"a|b.*", "bcd", true},
    {"ab|ac.*", "abx", false},
    {"(a|ab)(c|bcd)", "abcd", true},
    {"[|]x.*", "|xyz", true},
    {"[(]|a", "a", true},
    {"a\\|b.*", "a|bc", true},
    {".", "\xff", true}, /* an invalid byte reads as U+FFFD */
    {"a.b",
     "a\xff"
     "b",
     true},
    {"a..b",
     "a\xff"
     "b",
     false},
    {"\\x{fffd}", "\xff", true},
    {"a\\_b\\-c\\ d", "a_b-c d", true},
    {"10\\.0\\.0\\.1:\\d+", "10.0.0.1:8080", true},
};

static void matching_is_anchored_and_reads_like_re2(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(matches) / sizeof(matches[0]); i++) {
        struct regex *regex = compile(matches[i].pattern);
        if (regex_matches(regex, str_of(matches[i].subject)) != matches[i].matches) {
            fail_msg("'%s' on '%s': expected %d", matches[i].pattern, matches[i].subject, matches[i].matches);
        }
        regex_free(regex);
    }
    struct regex *regex = compile("a\\x{0}b");
    assert_true(regex_matches(regex, STR("a\0b")));
    regex_free(regex);
    regex = compile("x*");
    assert_true(regex_matches(regex, (struct str){0}));
    regex_free(regex);
}

static void what_re2_does_not_know_is_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "(?=a)",      "(?!a)",     "(?<=a)",    "(?<!a)",      "(?>a)",   "(?|a)",   "(?#a)",      "(?R)",
        "(?1)",       "(?&n)",     "(?P>n)",    "(?P=n)",      "(?(1)a)", "(?C1)",   "(*ACCEPT)a", "(*UTF8)",
        "a\\1",       "(a)\\1",    "\\k<n>",    "\\g1",        "\\K",     "\\C",     "\\R",        "\\X",
        "\\N",        "\\h",       "\\H",       "\\G",         "\\Z",     "\\e",     "\\cA",       "\\o{1}",
        "\\E",        "\\y",       "a++",       "a*+",         "a?+",     "a{2}+",   "a**",        "a{1}{2}",
        "*a",         "+",         "a|*",       "(*a)",        "(?i)*",   "a{1001}", "a{2,1001}",  "a{2,1}",
        "[a",         "[z-a]",     "[[:foo:]]", "[[:<:]]",     "[\\b]",   "(a",      "a)",         "(a\\)",
        "a\\",        "\\x1",      "\\x{}",     "\\x{110000}", "\\p",     "\\p{",    "\\p{Nope}",  "\\\xc3\xa9",
        "\xff",       "(?P<1a>x)", "(?P<>x)",   "(?'n'x)",     "(?z)",    "(?^a)",   "(?i-)x",     "(?P<n>a)(?P<n>b)",
        "a\\Q*\\E**",
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct regex *regex = NULL;
        struct error err = {0};
        if (regex_compile(str_of(cases[i]), &regex, &err) == 0) {
            fail_msg("'%s' was accepted", cases[i]);
        }
        assert_int_equal(err.code, ERR_PARSE);
        assert_true(strncmp(err.text, "regular expression: ", 20) == 0);
        assert_null(regex);
    }
    static char large[9000];
    memset(large, 'x', sizeof(large));
    large[0] = '.';
    struct regex *regex = NULL;
    assert_int_equal(regex_compile(str_make(large, sizeof(large)), &regex, NULL), ERR_LIMIT);
}

/* What a dashboard's variable of thousands of values becomes. */
static void a_large_alternation_is_a_set(void **state)
{
    (void)state;
    auto_buf text;
    buf_init(&text, 1u << 20);
    for (int i = 0; i < 20000; i++) {
        buf_addf(&text, "%svalue\\.%d", i ? "|" : "(", i);
    }
    buf_add(&text, STR(")"));
    assert_true(text.len > 200000);
    const struct str *texts = NULL;
    struct regex *regex = compile(text.p);
    assert_int_equal(regex_literals(regex, &texts), 20000);
    assert_true(regex_matches(regex, STR("value.19999")));
    assert_false(regex_matches(regex, STR("value.20000")));
    regex_free(regex);
    while (text.len <= 262144) {
        buf_add(&text, STR("|more"));
    }
    assert_int_equal(regex_compile(buf_str(&text), &regex, NULL), ERR_LIMIT);
}

static void alternations_of_literals_are_sets(void **state)
{
    (void)state;
    const struct str *texts = NULL;
    struct regex *regex = compile("b|a|b|a\\.c");
    assert_int_equal(regex_literals(regex, &texts), 3);
    assert_str_is(texts[0], "a");
    assert_str_is(texts[1], "a.c");
    assert_str_is(texts[2], "b");
    regex_free(regex);
    static const char *const not_sets[] = {"a.*", "(?i)a|b", "a|b?", "(a)|(b)", "[ab]", "^a", "a|\\d"};
    for (size_t i = 0; i < sizeof(not_sets) / sizeof(not_sets[0]); i++) {
        regex = compile(not_sets[i]);
        assert_int_equal(regex_literals(regex, &texts), 0);
        regex_free(regex);
    }
}

static void groups_are_captured(void **state)
{
    (void)state;
    struct str groups[4];
    struct regex *regex = compile("(?P<host>[^:]+):(\\d+)(x)?");
    assert_int_equal(regex_groups(regex, STR("db:5432"), groups, 4), 4);
    assert_str_is(groups[0], "db:5432");
    assert_str_is(groups[1], "db");
    assert_str_is(groups[2], "5432");
    assert_int_equal(groups[3].len, 0);
    assert_int_equal(regex_groups(regex, STR("db:5432"), groups, 2), 2);
    assert_int_equal(regex_groups(regex, STR("db"), groups, 4), 0);
    assert_int_equal(regex_group_index(regex, STR("host")), 1);
    assert_int_equal(regex_group_index(regex, STR("port")), -1);
    regex_free(regex);

    regex = compile("(a|b)");
    assert_int_equal(regex_groups(regex, STR("b"), groups, 4), 2);
    assert_str_is(groups[1], "b");
    regex_free(regex);

    regex = compile("(.*)-(.*)"); /* invalid bytes come back as they were */
    assert_int_equal(regex_groups(regex,
                                  STR("\xff"
                                      "a-\xfe\xff"),
                                  groups, 4),
                     3);
    assert_str_is(groups[1], "\xff"
                             "a");
    assert_str_is(groups[2], "\xfe\xff");
    regex_free(regex);
}

static void explosive_patterns_end_at_the_limit(void **state)
{
    (void)state;
    char subject[64];
    memset(subject, 'a', sizeof(subject));
    subject[63] = 'b';
    static const char *const patterns[] = {"(a+)+$", "(a|aa)+", "(a*)*b?c", "((a?){50})*c"};
    for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
        struct regex *regex = compile(patterns[i]);
        assert_false(regex_matches(regex, str_make(subject, sizeof(subject))));
        regex_free(regex);
    }
}

static void *match_often(void *arg)
{
    const struct regex *regex = arg;
    uintptr_t good = 0;
    for (int i = 0; i < 2000; i++) {
        good += regex_matches(regex, STR("host-12.example.com")) && !regex_matches(regex, STR("host-.example.com"));
    }
    return (void *)good;
}

static void a_regex_can_be_shared_by_threads(void **state)
{
    (void)state;
    struct regex *regex = compile("[a-z]+-\\d+\\.example\\.(com|org)");
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        pthread_create(&threads[i], NULL, match_often, regex);
    }
    for (int i = 0; i < 4; i++) {
        void *good = NULL;
        pthread_join(threads[i], &good);
        assert_int_equal((uintptr_t)good, 2000);
    }
    regex_free(regex);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matching_is_anchored_and_reads_like_re2),
        cmocka_unit_test(what_re2_does_not_know_is_refused),
        cmocka_unit_test(alternations_of_literals_are_sets),
        cmocka_unit_test(a_large_alternation_is_a_set),
        cmocka_unit_test(groups_are_captured),
        cmocka_unit_test(explosive_patterns_end_at_the_limit),
        cmocka_unit_test(a_regex_can_be_shared_by_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
