/* YAML trees: positions, limits, doubled keys, aliases. */
#include "config/yaml.h"
#include "src/base/buf.h"
#include "tests/support/test.h"

static struct arena arena;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_release(&arena);
    return 0;
}

static struct yaml_node *parse(const char *text)
{
    struct yaml_node *root = NULL;
    struct error err = {0};
    if (yaml_parse(str_of(text), &arena, &root, &err)) {
        fail_msg("%d:%d %s", err.line, err.column, err.text);
    }
    return root;
}

static void expect_error(const char *text, int line, int column, const char *part)
{
    struct yaml_node *root = NULL;
    struct error err = {0};
    assert_int_not_equal(yaml_parse(str_of(text), &arena, &root, &err), 0);
    if (line) {
        assert_int_equal(err.line, line);
        assert_int_equal(err.column, column);
    }
    if (str_find(str_of(err.text), str_of(part)) < 0) {
        fail_msg("\"%s\" lacks \"%s\"", err.text, part);
    }
}

static void nodes_carry_their_place(void **state)
{
    (void)state;
    struct yaml_node *root = parse("a: 1\nlist:\n  - x\n  - {k: v}\n");
    assert_int_equal(root->count, 2);
    struct yaml_node *list = yaml_get(root, "list");
    assert_int_equal(list->type, YAML_SEQUENCE);
    assert_int_equal(list->items[1].line, 4);
    assert_int_equal(list->items[1].column, 5);
    assert_str_is(yaml_get(&list->items[1], "k")->scalar, "v");
}

static void an_empty_document_is_an_empty_mapping(void **state)
{
    (void)state;
    assert_int_equal(parse("")->count, 0);
    assert_int_equal(parse("# nothing\n---\n")->type, YAML_MAPPING);
}

static void plain_nulls_count_as_absent_and_quoted_ones_do_not(void **state)
{
    (void)state;
    struct yaml_node *root = parse("a:\nb: ~\nc: null\nd: 'null'\n");
    assert_null(yaml_get(root, "a"));
    assert_null(yaml_get(root, "b"));
    assert_null(yaml_get(root, "c"));
    assert_str_is(yaml_get(root, "d")->scalar, "null");
}

static void doubled_keys_are_refused_where_they_stand(void **state)
{
    (void)state;
    expect_error("a: 1\nb: 2\na: 3\n", 3, 1, "twice; the first is in line 1");
}

static void syntax_errors_have_a_place(void **state)
{
    (void)state;
    expect_error("a: [1, 2\nb: 3\n", 2, 2, "not valid YAML");
    expect_error("a: 1\n--- \nb: 2\n", 2, 1, "second YAML document");
    expect_error("? [a]\n: 1\n", 1, 3, "key must be plain");
}

static void aliases_share_and_bombs_are_refused(void **state)
{
    (void)state;
    struct yaml_node *root = parse("a: &x {k: v}\nb: *x\n");
    assert_str_is(yaml_get(yaml_get(root, "b"), "k")->scalar, "v");
    expect_error("a: *missing\n", 1, 4, "no anchor");
    expect_error("a: &a [*a]\n", 1, 8, "no anchor");
    auto_buf bomb = {0};
    buf_init(&bomb, 1 << 16);
    buf_addf(&bomb, "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for (int i = 1; i < 9; i++) {
        buf_addf(&bomb, "a%d: &a%d [*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d]\n", i, i, i - 1, i - 1, i - 1, i - 1,
                 i - 1, i - 1, i - 1, i - 1, i - 1);
    }
    expect_error(bomb.p, 0, 0, "100,000");
}

static void depth_is_bounded(void **state)
{
    (void)state;
    auto_buf deep = {0};
    buf_init(&deep, 1 << 16);
    for (int i = 0; i < 2000; i++) {
        buf_add_char(&deep, '[');
    }
    expect_error(deep.p, 0, 0, "deeper than 32");
}

static void near_misses_are_found(void **state)
{
    (void)state;
    static const char *const names[] = {"interval", "timeout", "url", NULL};
    assert_string_equal(yaml_nearest(STR("intervall"), names), "interval");
    assert_string_equal(yaml_nearest(STR("tmieout"), names), "timeout");
    assert_null(yaml_nearest(STR("password"), names));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_carry_their_place),
        cmocka_unit_test(an_empty_document_is_an_empty_mapping),
        cmocka_unit_test(plain_nulls_count_as_absent_and_quoted_ones_do_not),
        cmocka_unit_test(doubled_keys_are_refused_where_they_stand),
        cmocka_unit_test(syntax_errors_have_a_place),
        cmocka_unit_test(aliases_share_and_bombs_are_refused),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(near_misses_are_found),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
