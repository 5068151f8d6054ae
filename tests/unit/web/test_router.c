#include "tests/support/test.h"
#include "web/server/router.h"

static void nothing(struct http_request *r, void *ctx)
{
    (void)r, (void)ctx;
}

static struct router router;

static int setup(void **state)
{
    (void)state;
    router_add(&router, HTTP_GET, "/", nothing, NULL);
    router_add(&router, HTTP_GET, "/tasks/{uuid}", nothing, NULL);
    router_add(&router, HTTP_GET, "/tasks/facets", nothing, NULL);
    router_add(&router, HTTP_DELETE, "/tasks/{uuid}", nothing, NULL);
    router_add(&router, HTTP_POST, "/label/{name}/values", nothing, NULL);
    router_add(&router, HTTP_GET, "/assets/{rest*}", nothing, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    router_release(&router);
    return 0;
}

static const char *match(const char *path, unsigned method, struct route_match *m)
{
    router_match(&router, str_of(path), method, m);
    return m->route ? m->route->pattern : m->allowed ? "405" : "404";
}

static void the_most_literal_pattern_wins(void **state)
{
    (void)state;
    struct route_match m;
    assert_string_equal(match("/tasks/facets", HTTP_GET, &m), "/tasks/facets");
    assert_string_equal(match("/tasks/x", HTTP_GET, &m), "/tasks/{uuid}");
    assert_str_is(route_param(&m, STR("uuid")), "x");
    assert_null(route_param(&m, STR("name")).p);
    assert_string_equal(match("/tasks/facets", HTTP_DELETE, &m), "405"); /* a path of its own */
    assert_int_equal(m.allowed, HTTP_GET);
    assert_string_equal(match("/tasks/x", HTTP_POST, &m), "405");
    assert_int_equal(m.allowed, HTTP_GET | HTTP_DELETE);
}

static void paths_match_whole(void **state)
{
    (void)state;
    struct route_match m;
    assert_string_equal(match("/", HTTP_GET, &m), "/");
    static const char *const none[] = {"//",         "/tasks",         "/tasks/",  "/tasks/x/",
                                       "/tasks/x/y", "/label//values", "/assets/", "/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p"};
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        assert_string_equal(match(none[i], HTTP_GET | HTTP_POST, &m), "404");
    }
}

static void a_rest_parameter_takes_all_that_follows(void **state)
{
    (void)state;
    struct route_match m;
    assert_string_equal(match("/assets/a/b/c", HTTP_GET, &m), "/assets/{rest*}");
    assert_str_is(route_param(&m, STR("rest")), "a/b/c");
    assert_string_equal(match("/assets/1/2/3/4/5/6/7/8/9/10/11/12/13/14", HTTP_GET, &m), "/assets/{rest*}");
    assert_str_is(route_param(&m, STR("rest")), "1/2/3/4/5/6/7/8/9/10/11/12/13/14");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_most_literal_pattern_wins),
        cmocka_unit_test(paths_match_whole),
        cmocka_unit_test(a_rest_parameter_takes_all_that_follows),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
