#include "src/base/url.h"
#include "tests/support/test.h"

static void the_parts_are_found_and_decoded(void **state)
{
    (void)state;
    static const struct {
        const char *text, *scheme, *user, *password, *host;
        int port;
        const char *path, *query;
    } cases[] = {
        {"redis://localhost", "redis", "", "", "localhost", 0, "", ""},
        {"REDIS://:p%40ss%2F@h:6379/1", "redis", "", "p@ss/", "h", 6379, "/1", ""},
        {"postgresql+psycopg2://u:p@h/db?sslmode=require#x", "postgresql+psycopg2", "u", "p", "h", 0, "/db",
         "sslmode=require"},
        {"redis+socket:///tmp/r.sock?virtual_host=1", "redis+socket", "", "", "", 0, "/tmp/r.sock", "virtual_host=1"},
        {"http://[::1]:80/a%20b", "http", "", "", "::1", 80, "/a b", ""},
        {"http://u:p@ss:word@h", "http", "u", "p@ss:word", "h", 0, "", ""},
        {"http://h:/x", "http", "", "", "h", 0, "/x", ""},
        {"http://h/100%", "http", "", "", "h", 0, "/100%", ""},
        {"http://h/%4", "http", "", "", "h", 0, "/%4", ""},
        {"http://h?a=/b", "http", "", "", "h", 0, "", "a=/b"},
        {"x://@h", "x", "", "", "h", 0, "", ""},
        {"unix://%2Frun%2Fr.sock", "unix", "", "", "/run/r.sock", 0, "", ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        auto_arena arena;
        arena_init(&arena);
        struct url url;
        struct error err = {0};
        if (url_parse(str_of(cases[i].text), &arena, &url, &err) != 0) {
            fail_msg("%s: %s", cases[i].text, err.text);
        }
        assert_str_is(url.scheme, cases[i].scheme);
        assert_str_is(url.user, cases[i].user);
        assert_str_is(url.password, cases[i].password);
        assert_str_is(url.host, cases[i].host);
        assert_int_equal(url.port, cases[i].port);
        assert_str_is(url.path, cases[i].path);
        assert_str_is(url.query, cases[i].query);
    }
}

static void bad_urls_are_refused_without_quoting_them(void **state)
{
    (void)state;
    static const char *const cases[] = {"",
                                        "s3cret",
                                        "://s3cret",
                                        "1x://s3cret",
                                        "x y://s3cret",
                                        "http://h:s3cret",
                                        "http://h:99999/s3cret",
                                        "http://h:0/s3cret",
                                        "http://[::1/s3cret",
                                        "http://[::1]s3cret",
                                        "http://u:s3cret@h:-1",
                                        "http://h/s3cret\n",
                                        "http://h%00s3cret",
                                        "redis://:s3cret/x@h:6379/0",
                                        "a_b://s3cret"};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        auto_arena arena;
        arena_init(&arena);
        struct url url = {.port = 7};
        struct error err = {0};
        if (url_parse(str_of(cases[i]), &arena, &url, &err) == 0) {
            fail_msg("'%s' was accepted", cases[i]);
        }
        assert_int_equal(err.code, ERR_PARSE);
        assert_null(strstr(err.text, "s3cret"));
        assert_int_equal(url.port, 7);
    }
    static char large[10000];
    memset(large, 'a', sizeof(large));
    memcpy(large, "http://", 7);
    auto_arena arena;
    arena_init(&arena);
    struct url url;
    assert_int_equal(url_parse(str_make(large, sizeof(large)), &arena, &url, NULL), ERR_LIMIT);
}

static void query_parameters_are_decoded(void **state)
{
    (void)state;
    auto_arena arena;
    arena_init(&arena);
    struct url url = {.query = STR("a=1&b=x%26y+z&a=2&flag&=e&c%64=5")};
    assert_str_is(url_query_get(&url, STR("a"), &arena), "1");
    assert_str_is(url_query_get(&url, STR("b"), &arena), "x&y z");
    assert_str_is(url_query_get(&url, STR("cd"), &arena), "5");
    assert_non_null(url_query_get(&url, STR("flag"), &arena).p);
    assert_null(url_query_get(&url, STR("none"), &arena).p);
}

static void secrets_are_struck_out(void **state)
{
    (void)state;
    static const struct {
        const char *text, *shown;
    } cases[] = {
        {"redis://h:6379/0", "redis://h:6379/0"},
        {"redis://:s3cret@h:6379/0", "redis://***:***@h:6379/0"},
        {"redis://user@h/0", "redis://***@h/0"},
        {"redis://u:s3c@ret@h", "redis://***:***@h"},
        {"http://[::1]:80/p?token=s3cret&a=b&api_key=s3cret", "http://[::1]:80/p?token=***&a=b&api_key=***"},
        {"unix:///r.sock?db=1&Pass%77ord=s3cret", "unix:///r.sock?db=1&Pass%77ord=***"},
        {"s3cret", "***"},
        {"redis://:s3cret/x@h:6379/0", "***"},
        {"", "***"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        auto_arena arena;
        arena_init(&arena);
        assert_str_is(url_redact(str_of(cases[i].text), &arena), cases[i].shown);
    }
}

static void encoding_is_undone_by_decoding(void **state)
{
    (void)state;
    auto_arena arena;
    arena_init(&arena);
    char all[256];
    for (int i = 0; i < 256; i++) {
        all[i] = (char)i;
    }
    struct str encoded = url_encode(str_make(all, 256), &arena);
    assert_str_eq(url_decode(encoded, true, &arena), str_make(all, 256));
    assert_str_is(url_encode(STR("a b/é~"), &arena), "a%20b%2F%C3%A9~");
    assert_str_is(url_decode(STR("a+b%2"), true, &arena), "a b%2");
    assert_str_is(url_decode(STR("a+b%zz"), false, &arena), "a+b%zz");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_parts_are_found_and_decoded), cmocka_unit_test(bad_urls_are_refused_without_quoting_them),
        cmocka_unit_test(query_parameters_are_decoded),    cmocka_unit_test(secrets_are_struck_out),
        cmocka_unit_test(encoding_is_undone_by_decoding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
