/*
 * Every query of the shipped dashboards, alert rules and docs, and of the community dashboards and rules that may lie
 * in
 * ../shared beside the checkout: parses, survives printing, and evaluates over an empty store and over one that has a
 * series for each of its selectors.
 */
#include "src/query/ast.h"
#include "tests/support/test.h"
#include "tests/unit/query/fake_store.h"
#include "tests/unit/query/tree_equal.h"

#include <ctype.h>
#include <glob.h>
#include <jansson.h>
#include <stdio.h>
#include <yaml.h>

#define SHARED_DIR   SOURCE_DIR "/../shared"
#define NOW_MS       1760000000000
#define STEP_MS      15000
#define FILLED_MS    (2 * 3600000)
#define DOCUMENT_MAX (1 << 20)

struct query {
    const char *source;
    struct str text;
};
struct variable {
    struct str name, value;
};
struct corpus {
    struct arena arena;
    vec(struct query) queries;
    vec(struct variable) variables; /* of the dashboard that is read */
    const char *source;
};

static void corpus_release(struct corpus *c)
{
    vec_release(&c->queries);
    vec_release(&c->variables);
    arena_release(&c->arena);
}

static void add_query(struct corpus *c, struct str text)
{
    if (str_trim(text).len) {
        vec_push(&c->queries, (struct query){c->source, text});
    }
}

/* -- variables, put in as the pages do (web/ui/src/dashboard/variables.ts) -- */

static struct str text_of(json_t *json)
{
    return str_make(json_string_value(json), json_string_length(json));
}

static void add_variable(struct corpus *c, json_t *json)
{
    struct str type = text_of(json_object_get(json, "type")), name = text_of(json_object_get(json, "name"));
    struct str all = text_of(json_object_get(json, "allValue")), options = text_of(json_object_get(json, "query"));
    bool several = json_is_true(json_object_get(json, "multi")) || json_is_true(json_object_get(json, "includeAll"));
    struct str value = STR("a");
    if (json_is_true(json_object_get(json, "includeAll")) && all.len) {
        value = all;
    } else if (several) {
        value = STR("(a|b)");
    } else if (str_is(type, "interval") || str_is(type, "custom") || str_is(type, "constant")) {
        value = str_trim(str_split(&options, ','));
    }
    vec_push(&c->variables, (struct variable){arena_dup(&c->arena, name), arena_dup(&c->arena, value)});
}

static struct str variable_value(const struct corpus *c, struct str name)
{
    static const struct {
        const char *name, *value;
    } built_in[] = {{"__interval", "15s"},    {"__interval_ms", "15000"}, {"__rate_interval", "1m"},
                    {"__range", "3600s"},     {"__range_s", "3600"},      {"__range_ms", "3600000"},
                    {"__from", "1760000000"}, {"__to", "1760003600"}};
    for (size_t i = 0; i < sizeof(built_in) / sizeof(built_in[0]); i++) {
        if (str_is(name, built_in[i].name)) {
            return str_of(built_in[i].value);
        }
    }
    for (size_t i = 0; i < c->variables.len; i++) {
        if (str_eq(c->variables.p[i].name, name)) {
            return c->variables.p[i].value;
        }
    }
    return (struct str){0};
}

static size_t word_length(struct str s)
{
    size_t n = 0;
    while (n < s.len && (isalnum((unsigned char)s.p[n]) || s.p[n] == '_')) {
        n++;
    }
    return n;
}

/* $name, ${name:format} or [[name]] at the begin of s: its length and its name; 0 if there is none. */
static size_t reference_at(struct str s, struct str *name)
{
    bool braced = str_starts(s, STR("${")), brackets = str_starts(s, STR("[["));
    if (!braced && !brackets && !str_starts(s, STR("$"))) {
        return 0;
    }
    struct str rest = str_slice(s, braced || brackets ? 2 : 1, s.len);
    *name = str_slice(rest, 0, word_length(rest));
    if (!braced && !brackets) {
        return name->len ? name->len + 1 : 0;
    }
    ptrdiff_t end = str_find(rest, braced ? STR("}") : STR("]]"));
    return end < 0 ? 0 : 2 + (size_t)end + (braced ? 1 : 2);
}

static struct str interpolate(struct corpus *c, struct str text)
{
    auto_buf out;
    buf_init(&out, DOCUMENT_MAX);
    for (size_t i = 0; i < text.len;) {
        struct str name, value = {0};
        size_t n = reference_at(str_slice(text, i, text.len), &name);
        value = n ? variable_value(c, name) : value;
        if (value.p) {
            buf_add(&out, value);
            i += n;
        } else {
            buf_add_char(&out, text.p[i++]);
        }
    }
    return arena_dup(&c->arena, buf_str(&out));
}

/* -- dashboards -- */

/* A target's, else its panel's. */
static bool names_loki(json_t *datasource)
{
    json_t *type = json_object_get(datasource, "type"), *uid = json_object_get(datasource, "uid");
    struct str text = json_is_string(datasource) ? text_of(datasource) : text_of(type);
    return str_find_nocase(text, STR("loki")) >= 0 || str_find_nocase(text_of(uid), STR("loki")) >= 0;
}

static void walk_dashboard(struct corpus *c, json_t *json, bool loki)
{
    const char *key;
    json_t *child;
    size_t i;
    json_t *datasource = json_object_get(json, "datasource");
    loki = datasource ? names_loki(datasource) : loki;
    if (json_is_string(json_object_get(json, "expr")) && !loki) {
        add_query(c, interpolate(c, text_of(json_object_get(json, "expr"))));
    }
    json_object_foreach(json, key, child)
    {
        walk_dashboard(c, child, loki);
    }
    json_array_foreach(json, i, child)
    {
        walk_dashboard(c, child, loki);
    }
}

/* label_values(expr, label) and query_result(expr) of a variable. */
static void add_variable_query(struct corpus *c, json_t *json)
{
    json_t *query = json_object_get(json, "query");
    struct str text = text_of(json_is_object(query) ? json_object_get(query, "query") : query);
    bool values = str_starts(text, STR("label_values(")), result = str_starts(text, STR("query_result("));
    if (!str_is(text_of(json_object_get(json, "type")), "query") || (!values && !result)) {
        return;
    }
    size_t end = text.len;
    while (end > 13 && text.p[end - 1] != (values ? ',' : ')')) {
        end--;
    }
    if (end > 13) {
        add_query(c, interpolate(c, str_slice(text, 13, end - 1)));
    }
}

static void read_dashboard(struct corpus *c, const char *path)
{
    json_error_t err;
    json_t *root = json_load_file(path, 0, &err), *variable;
    if (!root) {
        fail_msg("%s:%d: %s", path, err.line, err.text);
    }
    json_t *variables = json_object_get(json_object_get(root, "templating"), "list");
    size_t i;
    vec_clear(&c->variables);
    json_array_foreach(variables, i, variable)
    {
        add_variable(c, variable);
    }
    json_array_foreach(variables, i, variable)
    {
        add_variable_query(c, variable);
    }
    walk_dashboard(c, root, false);
    json_decref(root);
}

/* -- rules: whatever stands behind a key "expr" -- */

static void read_rules(struct corpus *c, const char *path)
{
    yaml_parser_t parser;
    yaml_event_t event;
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_int_equal(yaml_parser_initialize(&parser), 1);
    yaml_parser_set_input_file(&parser, file);
    bool expr = false;
    for (yaml_event_type_t type = YAML_NO_EVENT; type != YAML_STREAM_END_EVENT;) {
        if (!yaml_parser_parse(&parser, &event)) {
            fail_msg("%s: %s", path, parser.problem);
        }
        type = event.type;
        struct str text = {0};
        if (type == YAML_SCALAR_EVENT) {
            text = str_make((const char *)event.data.scalar.value, event.data.scalar.length);
        }
        if (expr) {
            add_query(c, arena_dup(&c->arena, text));
        }
        expr = !expr && str_is(text, "expr");
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    (void)fclose(file);
}

/* -- docs: cloche query '…' -- */

static void read_document(struct corpus *c, const char *path)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    char *bytes = arena_alloc(&c->arena, DOCUMENT_MAX);
    struct str text = str_make(bytes, fread(bytes, 1, DOCUMENT_MAX, file));
    (void)fclose(file);
    for (ptrdiff_t at; (at = str_find(text, STR("cloche query"))) >= 0;) {
        text = str_slice(text, (size_t)at + 12, text.len);
        struct str rest = text, line = str_split(&rest, '\n');
        if (str_find_char(line, '\'') >= 0) {
            (void)str_split(&line, '\'');
            add_query(c, str_split(&line, '\''));
        }
    }
}

/* -- gathering -- */

static void read_all(struct corpus *c, const char *pattern, void (*read)(struct corpus *, const char *))
{
    glob_t found;
    if (glob(pattern, 0, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc; i++) {
            c->source = arena_cstr(&c->arena, str_of(found.gl_pathv[i]));
            read(c, c->source);
        }
        globfree(&found);
    }
}

static void gather_shipped(struct corpus *c)
{
    read_all(c, SOURCE_DIR "/web/dashboards/*.json", read_dashboard);
    read_all(c, SOURCE_DIR "/alerts/rules/*.yml", read_rules);
    read_all(c, SOURCE_DIR "/packaging/*/*.y*ml", read_rules);
    read_all(c, SOURCE_DIR "/*.md", read_document);
    read_all(c, SOURCE_DIR "/src/*/*.md", read_document);
    read_all(c, SOURCE_DIR "/packaging/*/*.md", read_document);
}

/* -- a store with a series for each selector -- */

static bool label_fits(const struct expr *selector, struct str name, struct str value)
{
    bool fits = true;
    for (size_t i = 0; i < selector->selector.matcher_count; i++) {
        const struct matcher *m = &selector->selector.matchers[i];
        fits = fits && (!str_eq(m->name, name) || matcher_matches(m, value));
    }
    return fits;
}

/* A value that all matchers of the label take: what one of them says, or a word. */
static struct str label_example(const struct expr *selector, struct str name)
{
    static const char *const words[] = {"a", "b", "1", "/", "eth0", "200", "", "idle", "5xx", "GET"};
    for (size_t i = 0; i < selector->selector.matcher_count; i++) {
        struct str rest = selector->selector.matchers[i].value;
        while (rest.len && str_eq(selector->selector.matchers[i].name, name)) {
            struct str part = str_split(&rest, '|');
            while (part.len && strchr("(^", part.p[0])) {
                part = str_slice(part, 1, part.len);
            }
            while (part.len && strchr(")$.*+", part.p[part.len - 1])) {
                part = str_slice(part, 0, part.len - 1);
            }
            if (part.len && label_fits(selector, name, part)) {
                return part;
            }
        }
    }
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (label_fits(selector, name, str_of(words[i]))) {
            return str_of(words[i]);
        }
    }
    return (struct str){0};
}

static void fill_series(struct store *store, const struct expr *selector, struct str le, double slope)
{
    auto_arena arena;
    arena_init(&arena);
    struct labels_builder builder;
    labels_builder_init(&builder, &arena);
    labels_set(&builder, STR("instance"), STR("a"));
    labels_set(&builder, STR("job"), STR("a"));
    labels_set(&builder, STR("le"), le);
    for (size_t i = 0; i < selector->selector.matcher_count; i++) {
        struct str name = selector->selector.matchers[i].name;
        labels_set(&builder, name, label_example(selector, name));
    }
    struct labels labels = labels_finish(&builder, true);
    for (size_t i = 0; i < store->series.len; i++) {
        if (labels_eq(store->series.p[i].labels, labels)) {
            return;
        }
    }
    for (int64_t t = 0; t <= FILLED_MS; t += STEP_MS) {
        fake_add(store, labels, NOW_MS - FILLED_MS + t, slope * (double)t / 1000);
    }
}

static void fill(struct store *store, const struct expr *e)
{
    switch (e->kind) {
    case EXPR_SELECTOR:
        if (str_ends(e->selector.name, STR("_bucket"))) {
            fill_series(store, e, STR("+Inf"), 2);
            fill_series(store, e, STR("0.5"), 1);
        } else {
            fill_series(store, e, (struct str){0}, 1);
        }
        return;
    case EXPR_RANGE:
    case EXPR_SUBQUERY:
        fill(store, e->range.expr);
        return;
    case EXPR_CALL:
        for (size_t i = 0; i < e->call.arg_count; i++) {
            fill(store, e->call.args[i]);
        }
        return;
    case EXPR_AGGREGATE:
        fill(store, e->aggregate.expr);
        return;
    case EXPR_BINARY:
        fill(store, e->binary.lhs);
        fill(store, e->binary.rhs);
        return;
    case EXPR_UNARY:
        fill(store, e->unary.expr);
        return;
    case EXPR_PAREN:
        fill(store, e->paren);
        return;
    default:
        return;
    }
}

/* -- the check -- */

static bool evaluate(const struct query *query, struct store *store, const struct expr *expr, struct arena *arena)
{
    const struct query_options options = {0};
    struct query_result instant = {0}, range = {0};
    struct error err = {0};
    int rc = query_instant(store, expr, NOW_MS, &options, arena, &instant, &err);
    if (rc == 0 && (expr_type(expr) == VALUE_VECTOR || expr_type(expr) == VALUE_SCALAR)) {
        rc = query_range(store, expr, NOW_MS - 3600000, NOW_MS, 60000, &options, arena, &range, &err);
    }
    if (rc) {
        fail_msg("%s: " STR_FMT ": %s", query->source, STR_ARG(query->text), err.text);
    }
    return instant.n > 0 || range.n > 0 || instant.type == VALUE_SCALAR;
}

/* True if the filled store has an answer. */
static bool check_query(const struct query *query)
{
    auto_arena arena;
    arena_init(&arena);
    struct expr *expr = NULL;
    struct error err = {0};
    if (query_parse(query->text, &arena, &expr, &err)) {
        fail_msg("%s: " STR_FMT ": %d:%d %s", query->source, STR_ARG(query->text), err.line, err.column, err.text);
    }
    (void)tree_round_trip(expr, query->text, &arena);
    struct store store;
    fake_init(&store);
    (void)evaluate(query, &store, expr, &arena);
    fill(&store, expr);
    bool answered = evaluate(query, &store, expr, &arena);
    fake_release(&store);
    expr_release(expr);
    return answered;
}

static void check_all(const struct corpus *c, size_t at_least)
{
    size_t answered = 0;
    for (size_t i = 0; i < c->queries.len; i++) {
        answered += check_query(&c->queries.p[i]);
    }
    print_message("%zu queries, %zu with an answer\n", c->queries.len, answered);
    assert_true(c->queries.len >= at_least);
    assert_true(answered >=
                c->queries.len / 4 * 3); /* the others compare: an alert that does not fire answers nothing */
}

static void queries_that_are_shipped_work(void **state)
{
    (void)state;
    struct corpus c = {0};
    arena_init(&c.arena);
    gather_shipped(&c);
    check_all(&c, 100);
    corpus_release(&c);
}

static void queries_of_the_community_work(void **state)
{
    (void)state;
    struct corpus c = {0};
    arena_init(&c.arena);
    read_all(&c, SHARED_DIR "/dashboards/*.json", read_dashboard);
    read_all(&c, SHARED_DIR "/rules/*.y*ml", read_rules);
    if (c.queries.len == 0) {
        corpus_release(&c);
        print_message("no dashboards or rules in %s: left out\n", SHARED_DIR);
        skip();
    }
    check_all(&c, 1);
    corpus_release(&c);
}

static void variables_are_put_in_as_the_pages_do(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"rate(a{x=~\"$x\"}[$__rate_interval])", "rate(a{x=~\"(a|b)\"}[1m])"},
        {"${x:regex}[[x]]$x$y", "(a|b)(a|b)(a|b)$y"},
        {"$1 $ ${ [[ $__range", "$1 $ ${ [[ 3600s"},
    };
    struct corpus c = {0};
    arena_init(&c.arena);
    vec_push(&c.variables, (struct variable){STR("x"), STR("(a|b)")});
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_str_is(interpolate(&c, str_of(cases[i][0])), cases[i][1]);
    }
    corpus_release(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(queries_that_are_shipped_work),
        cmocka_unit_test(queries_of_the_community_work),
        cmocka_unit_test(variables_are_put_in_as_the_pages_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
