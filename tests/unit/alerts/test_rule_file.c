#include "alerts/rule_file.h"
#include "tests/support/test.h"

#include <unistd.h>

struct problems {
    struct error v[16];
    size_t n;
};

static void collect(void *ctx, const struct error *problem)
{
    struct problems *p = ctx;
    if (p->n < 16) {
        p->v[p->n] = *problem;
    }
    p->n++;
}

static struct rule_file *parse(const char *text, struct problems *problems)
{
    return rule_file_parse(STR("rules.yml"), str_of(text), NULL, 0, collect, problems);
}

static void a_file_of_prometheus_is_read(void **state)
{
    (void)state;
    struct problems p = {0};
    struct rule_file *file = parse("groups:\n"
                                   "- name: celery\n"
                                   "  interval: 5s\n"
                                   "  limit: 10\n"
                                   "  query_offset: 1m\n"
                                   "  labels: {team: shop, severity: info}\n"
                                   "  rules:\n"
                                   "  - record: name:celery_task_success:ratio1m\n"
                                   "    expr: |\n"
                                   "      sum by (name) (rate(celery_task_succeeded_total[1m]))\n"
                                   "        / sum by (name) (rate(celery_task_received_total[10m]))\n"
                                   "    labels: {kind: ratio}\n"
                                   "  - alert: Low\n"
                                   "    expr: name:celery_task_success:ratio1m < 0.90\n"
                                   "    for: 20s\n"
                                   "    keep_firing_for: 1m30s\n"
                                   "    labels: {severity: critical}\n"
                                   "    annotations: {summary: '{{ $labels.name }} is {{ $value }}'}\n"
                                   "- name: empty\n",
                                   &p);
    assert_int_equal(p.n, 0);
    assert_non_null(file);
    assert_int_equal(file->count, 2);
    assert_int_equal(file->rule_count, 2);
    const struct rule_group *g = &file->groups[0];
    assert_str_is(g->name, "celery");
    assert_int_equal(g->interval_ms, 5000);
    assert_int_equal(g->limit, 10);
    assert_int_equal(g->query_offset_ms, 60000);
    assert_int_equal(g->rules[0].type, RULE_RECORD);
    assert_int_equal(g->rules[0].range_ms, 600000);
    const struct rule *low = &g->rules[1];
    assert_str_is(low->name, "Low");
    assert_str_is(low->expr_text, "name:celery_task_success:ratio1m < 0.9");
    assert_int_equal(low->for_ms, 20000);
    assert_int_equal(low->keep_firing_for_ms, 90000);
    assert_str_is(labels_get(low->label_sources, STR("severity")), "critical");
    assert_str_is(labels_get(low->label_sources, STR("team")), "shop");
    assert_str_is(labels_get(g->rules[0].label_sources, STR("severity")), "info");
    rule_file_unref(file);
}

struct bad {
    const char *text, *message;
    int line, column;
};

static void problems_name_line_and_column(void **state)
{
    (void)state;
#define RULE "groups:\n- name: g\n  rules:\n"
    static const struct bad table[] = {
        {"group: []\n", "unknown key \"group\" in a rule file, did you mean \"groups\"?", 1, 1},
        {RULE "  - alert: A\n    exp: up\n", "unknown key \"exp\" in a rule, did you mean \"expr\"?", 5, 5},
        {RULE "  - alert: A\n    expr: up\n    anotations: {a: b}\n", "did you mean \"annotations\"?", 6, 5},
        {RULE "  - alert: A\n    expr: up\n    fore: 5m\n", "unknown key \"fore\" in a rule, did you mean \"for\"?", 6,
         5},
        {RULE "  - alert: A\n    expr: up\n    for: 5 minutes\n", "for must be a duration", 6, 10},
        {RULE "  - alert: A\n", "expr is missing", 4, 5},
        {RULE "  - expr: up\n", "needs \"alert: NAME\" or \"record: NAME\"", 4, 5},
        {RULE "  - alert: A\n    record: b\n    expr: up\n", "not both", 4, 5},
        {RULE "  - record: 'a b'\n    expr: up\n", "no legal metric name", 4, 13},
        {RULE "  - record: b\n    expr: up\n    for: 1m\n", "for is for alerts", 6, 10},
        {RULE "  - alert: A\n    expr: up\n    labels: {a-b: c}\n", "\"a-b\" is no legal name", 6, 14},
        {RULE "  - alert: A\n    expr: '\"text\"'\n", "expr gives a string", 5, 11},
        {RULE "  - alert: A\n    expr: up\n    annotations:\n      summary: 'x {{ $label.a }}'\n", "undefined variable",
         7, 22},
        {"groups:\n- name: g\n- name: g\n", "there is a group named \"g\"", 3, 9},
        {"groups:\n- rules: []\n", "a group needs a name", 2, 3},
        {"groups:\n- name: g\n  limit: many\n", "limit must be a number", 3, 10},
        {"groups: 5\n", "groups must be a list", 1, 9},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct problems p = {0};
        assert_null(parse(table[i].text, &p));
        bool found = false;
        for (size_t k = 0; k < p.n && k < 16; k++) {
            found = found || (strstr(p.v[k].text, table[i].message) && p.v[k].line == table[i].line &&
                              p.v[k].column == table[i].column && strncmp(p.v[k].text, "rules.yml:", 10) == 0);
        }
        if (!found) {
            fail_msg("case %zu: first of %zu problems is %d:%d %s; expected %d:%d %s", i, p.n, p.v[0].line,
                     p.v[0].column, p.v[0].text, table[i].line, table[i].column, table[i].message);
        }
    }
}

static void expression_errors_point_into_the_file(void **state)
{
    (void)state;
    static const struct bad table[] = {
        {RULE "  - alert: A\n    expr: up === 0\n", "expr: ", 5, 0},
        {RULE "  - alert: A\n    expr: 'rat(up[5m]) > 0'\n", "expr: ", 5, 12},
        {RULE "  - alert: A\n    expr: |\n      sum(up)\n        + rat(up[5m])\n", "expr: ", 7, 11},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct problems p = {0};
        assert_null(parse(table[i].text, &p));
        assert_int_equal(p.n, 1);
        if (!strstr(p.v[0].text, table[i].message) || p.v[0].line != table[i].line ||
            (table[i].column && p.v[0].column != table[i].column)) {
            fail_msg("case %zu: %d:%d %s", i, p.v[0].line, p.v[0].column, p.v[0].text);
        }
    }
}

static void every_problem_is_reported(void **state)
{
    (void)state;
    struct problems p = {0};
    assert_null(parse(
        RULE "  - alert: A\n    expr: up >\n  - alert: B\n    expr: sum(\n  - alert: C\n    expr: up\n    x: y\n", &p));
    assert_int_equal(p.n, 3);
}

static void ids_are_stable_and_unique(void **state)
{
    (void)state;
    struct problems p = {0};
    const char *two = RULE "  - {alert: A, expr: up, labels: {s: a}}\n  - {alert: A, expr: up, labels: {s: a}}\n"
                           "  - {alert: A, expr: up, labels: {s: b}}\n";
    const char *changed = RULE "  - {alert: A, expr: up == 1, for: 5m, labels: {s: a}}\n";
    struct rule_file *one = parse(two, &p), *again = parse(two, &p), *other = parse(changed, &p);
    assert_true(one && again && other);
    const struct rule *r = one->groups[0].rules;
    assert_true(r[0].id != r[1].id && r[1].id != r[2].id && r[0].id != r[2].id);
    for (size_t i = 0; i < 3; i++) {
        assert_true(r[i].id == again->groups[0].rules[i].id);
    }
    assert_true(other->groups[0].rules[0].id == r[0].id); /* expr and for may change: the state stays */
    rule_file_unref(one);
    rule_file_unref(again);
    rule_file_unref(other);
}

static void shipped_rules_parse_and_can_be_left_out(void **state)
{
    (void)state;
    size_t n, rules = 0;
    const struct shipped_rules *shipped = shipped_rules(&n);
    struct str skip[] = {STR("CeleryQueueBacklog")};
    assert_int_equal(n, 4);
    for (size_t i = 0; i < n; i++) {
        struct problems p = {0};
        struct rule_file *all = rule_file_parse(str_of(shipped[i].name), shipped[i].text, NULL, 0, collect, &p);
        struct rule_file *less = rule_file_parse(str_of(shipped[i].name), shipped[i].text, skip, 1, collect, &p);
        if (p.n) {
            fail_msg("%s: %d:%d %s", shipped[i].name, p.v[0].line, p.v[0].column, p.v[0].text);
        }
        rules += all->rule_count;
        assert_int_equal(all->rule_count - less->rule_count, i == 0);
        rule_file_unref(all);
        rule_file_unref(less);
    }
    assert_true(rules >= 12);
}

static void a_missing_file_says_so(void **state)
{
    (void)state;
    struct problems p = {0};
    assert_null(rule_file_load(STR("/nowhere/rules.yml"), collect, &p));
    assert_int_equal(p.n, 1);
    assert_non_null(strstr(p.v[0].text, "/nowhere/rules.yml"));
}

/* Rule files in wide use, where they are at hand. */
static void rule_files_in_wide_use_are_read(void **state)
{
    (void)state;
    static const char *const names[] = {"awesome-host",        "awesome-postgresql", "awesome-redis",
                                        "celery-mixin-alerts", "node-mixin",         "postgres-mixin-alerts"};
    size_t read = 0;
    for (size_t i = 0; i < 6; i++) {
        char path[128];
        snprintf(path, sizeof(path), "%s/../../shared/rules/%s.yml", TEST_DATA_DIR, names[i]);
        if (access(path, R_OK) != 0) {
            continue;
        }
        struct problems p = {0};
        struct rule_file *file = rule_file_load(str_of(path), collect, &p);
        if (!file) {
            fail_msg("%s: %d:%d %s", names[i], p.v[0].line, p.v[0].column, p.v[0].text);
        }
        read++;
        rule_file_unref(file);
    }
    if (!read) {
        skip();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_of_prometheus_is_read),
        cmocka_unit_test(problems_name_line_and_column),
        cmocka_unit_test(expression_errors_point_into_the_file),
        cmocka_unit_test(every_problem_is_reported),
        cmocka_unit_test(ids_are_stable_and_unique),
        cmocka_unit_test(shipped_rules_parse_and_can_be_left_out),
        cmocka_unit_test(a_missing_file_says_so),
        cmocka_unit_test(rule_files_in_wide_use_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
