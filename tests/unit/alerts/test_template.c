#include "alerts/template.h"
#include "tests/support/test.h"

#include <math.h>

static int fake_query(void *ctx, struct str expr, struct arena *arena, struct tmpl_sample **out, size_t *n,
                      struct error *err)
{
    (void)ctx;
    if (str_starts(expr, STR("bad"))) {
        return error_set(err, ERR_PARSE, "unexpected word");
    }
    static const char *const queues[] = {"mail", "celery", "default"};
    *n = str_starts(expr, STR("none")) ? 0 : 3;
    *out = arena_array(arena, struct tmpl_sample, 3);
    for (size_t i = 0; i < *n; i++) {
        struct labels_builder b;
        labels_builder_init(&b, arena);
        labels_set(&b, STR("queue_name"), str_of(queues[i]));
        (*out)[i] = (struct tmpl_sample){labels_finish(&b, true), 2.5 + (double)i};
    }
    return 0;
}

static int render(const char *text, double value, struct buf *out, struct error *err)
{
    auto_arena arena;
    arena_init(&arena);
    struct template *tmpl;
    int rc = template_compile(str_of(text), template_rule_vars, &arena, &tmpl, err);
    if (rc) {
        return rc;
    }
    struct labels_builder b;
    labels_builder_init(&b, &arena);
    labels_set(&b, STR("name"), STR("app.tasks.mail"));
    labels_set(&b, STR("instance"), STR("db1.example.org:5432"));
    labels_set(&b, STR("weird"), STR("<b>&\"x\""));
    struct labels labels = labels_finish(&b, false);
    struct tmpl_value vars[4] = {tmpl_labels(labels, false, &arena), tmpl_labels((struct labels){0}, false, &arena),
                                 tmpl_string(STR("http://cloche.example:9900/sub")), tmpl_float(value)};
    struct tmpl_field dot[4] = {{STR("Labels"), vars[0]},
                                {STR("ExternalLabels"), vars[1]},
                                {STR("ExternalURL"), vars[2]},
                                {STR("Value"), vars[3]}};
    struct tmpl_env env = {.arena = &arena,
                           .dot = tmpl_object(dot, 4, &arena),
                           .vars = vars,
                           .external_url = STR("http://cloche.example:9900/sub"),
                           .now_ms = 1700000000123,
                           .query = fake_query};
    return template_run(tmpl, &env, out, err);
}

struct expectation {
    const char *text;
    double value;
    const char *expected;
};

static void check(const struct expectation *table, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        auto_buf out;
        buf_init(&out, 1 << 20);
        struct error err = {0};
        int rc = render(table[i].text, table[i].value, &out, &err);
        if (rc) {
            fail_msg("%s: %s (%d:%d)", table[i].text, err.text, err.line, err.column);
        }
        if (!str_is(buf_str(&out), table[i].expected)) {
            fail_msg("%s: got \"" STR_FMT "\", expected \"%s\"", table[i].text, STR_ARG(buf_str(&out)),
                     table[i].expected);
        }
    }
}
#define CHECK(table) check(table, sizeof(table) / sizeof((table)[0]))

static void variables_fields_and_text(void **state)
{
    (void)state;
    static const struct expectation t[] = {
        {"plain", 0, "plain"},
        {"", 0, ""},
        {"{{ $labels.name }} is {{ $value }}", 0, "app.tasks.mail is 0"},
        {"{{ .Labels.name }}/{{.Value}}", 0.25, "app.tasks.mail/0.25"},
        {"{{ $value }}", 1e6, "1e+06"},
        {"{{ $value }}", 123456, "123456"},
        {"{{ $labels.absent }}|", 0, "|"},
        {"{{ $labels }}", 0, "map[instance:db1.example.org:5432 name:app.tasks.mail weird:<b>&\"x\"]"},
        {"{{ $externalURL }} {{ externalURL }} {{ pathPrefix }}", 0,
         "http://cloche.example:9900/sub http://cloche.example:9900/sub /sub"},
        {"a  {{- 1 -}}  b", 0, "a1b"},
        {"a {{/* note */}} b{{- /* x */ -}} c", 0, "a  bc"},
        {"{{ \"a\\tb\\u00e9\\x41\" }}{{ `raw\\n` }}", 0,
         "a\tb\xc3\xa9"
         "Araw\\n"},
        {"{{ $x := 1 }}{{ $x = 2 }}{{ $x }}", 0, "2"},
        {"{{ true }} {{ 'a' }} {{ -3 }} {{ 1e3 | print }}", 0, "true 97 -3 1000"},
        {"{{ $.Value }}", 7, "7"},
    };
    CHECK(t);
}

static void control_structures(void **state)
{
    (void)state;
    static const struct expectation t[] = {
        {"{{ if gt $value 5.0 }}big{{ else if eq $value 5.0 }}five{{ else }}small{{ end }}", 5, "five"},
        {"{{ if gt $value 5.0 }}big{{ else if eq $value 5.0 }}five{{ else }}small{{ end }}", 4, "small"},
        {"{{ if gt $value 5 }}big{{ end }}", 6, "big"},
        {"{{ with $labels.absent }}x{{ else }}none{{ end }}", 0, "none"},
        {"{{ with $labels.name }}<{{ . }}>{{ end }}", 0, "<app.tasks.mail>"},
        {"{{ range query \"q\" }}{{ .Labels.queue_name }}={{ .Value }};{{ end }}", 0,
         "mail=2.5;celery=3.5;default=4.5;"},
        {"{{ range $i, $e := query \"q\" }}{{ $i }}{{ $e.Value }},{{ end }}", 0, "02.5,13.5,24.5,"},
        {"{{ range query \"none\" }}x{{ else }}nothing{{ end }}", 0, "nothing"},
        {"{{ range query \"q\" }}{{ if eq .Value 3.5 }}{{ break }}{{ end }}{{ .Value }} {{ end }}", 0, "2.5 "},
        {"{{ range query \"q\" }}{{ if eq .Value 3.5 }}{{ continue }}{{ end }}{{ .Value }} {{ end }}", 0, "2.5 4.5 "},
        {"{{ define \"row\" }}[{{ . }}]{{ end }}{{ template \"row\" $labels.name }}", 0, "[app.tasks.mail]"},
        {"{{ range $k, $v := $labels }}{{ $k }};{{ end }}", 0, "instance;name;weird;"},
        {"{{ $x := 1 }}{{ if true }}{{ $x := 2 }}{{ end }}{{ $x }}", 0, "1"},
        {"{{ if and (eq 1 1) (or false \"x\") (not false) }}y{{ end }}", 0, "y"},
        {"{{ or \"\" \"b\" }}{{ and \"\" \"b\" }}{{ and 1 2 }}", 0, "b2"},
        {"{{ if or true (first (query \"none\")) }}lazy{{ end }}", 0, "lazy"},
        {"{{ eq 3 1 2 3 }} {{ ne \"a\" \"b\" }} {{ le 1 2 }} {{ lt \"a\" \"b\" }} {{ ge 1.5 2 }}", 0,
         "true true true true false"},
    };
    CHECK(t);
}

static void numbers_for_people(void **state)
{
    (void)state;
    static const struct expectation t[] = {
        {"{{ $value | humanize }}", 1234567, "1.235M"},
        {"{{ $value | humanize }}", 0, "0"},
        {"{{ $value | humanize }}", 0.000012, "12u"},
        {"{{ humanize $value }}", INFINITY, "+Inf"},
        {"{{ humanize $value }}", NAN, "NaN"},
        {"{{ humanize \"1500\" }}", 0, "1.5k"},
        {"{{ $value | humanize1024 }}", 1048576, "1Mi"},
        {"{{ $value | humanize1024 }}", 0.5, "0.5"},
        {"{{ $value | humanizePercentage }}", 0.7638, "76.38%"},
        {"{{ $value | humanizePercentage }}", 0.64999887, "65%"},
        {"{{ $value | humanizeDuration }}", 0, "0s"},
        {"{{ $value | humanizeDuration }}", 59.25, "59.25s"},
        {"{{ $value | humanizeDuration }}", 3661, "1h 1m 1s"},
        {"{{ $value | humanizeDuration }}", 90061, "1d 1h 1m 1s"},
        {"{{ $value | humanizeDuration }}", -61, "-1m 1s"},
        {"{{ $value | humanizeDuration }}", 0.0015, "1.5ms"},
        {"{{ $value | humanizeTimestamp }}", 1435065584.128, "2015-06-23 13:19:44.128 +0000 UTC"},
        {"{{ (toTime $value).Format \"Jan 2, 2006 at 3:04pm (MST)\" }}", 1435065584, "Jun 23, 2015 at 1:19pm (UTC)"},
        {"{{ toTime $value | date \"15:04:05\" }}", 1435065584, "13:19:44"},
        {"{{ now }}", 0, "1.700000000123e+09"},
        {"{{ parseDuration \"1h30m\" }}", 0, "5400"},
    };
    CHECK(t);
}

static void printf_follows_go(void **state)
{
    (void)state;
    static const struct expectation t[] = {
        {"{{ printf \"%.2f\" $value }}", 3.14159, "3.14"},
        {"{{ $value | printf \"%.0f\" }}", 2.5, "2"},
        {"{{ printf \"%5.1f|%-6s|%6s|%05d\" $value \"ab\" \"cd\" 42 }}", 1.25, "  1.2|ab    |    cd|00042"},
        {"{{ printf \"%d %s %v %q %t %%\" 3 \"x\" 1.5 \"q\\\"\" true }}", 0, "3 x 1.5 \"q\\\"\" true %"},
        {"{{ printf \"%d\" $value }}", 3, "%!d(float64=3)"},
        {"{{ printf \"%s\" 3 }}", 0, "%!s(int=3)"},
        {"{{ printf \"%s %s\" \"a\" }}", 0, "a %!s(MISSING)"},
        {"{{ printf \"x\" 1 }}", 0, "x%!(EXTRA int=1)"},
        {"{{ printf \"%x %X %e %g\" 255 \"ab\" $value $value }}", 1234.5, "ff 6162 1.234500e+03 1234.5"},
        {"{{ printf \"%v\" $value }}", INFINITY, "+Inf"},
        {"{{ printf \"%.3s|%10.3s|\" \"abcdef\" \"abcdef\" }}", 0, "abc|       abc|"},
        {"{{ printf \"sum(rate(x{name='%s'}[1m]))\" $labels.name }}", 0, "sum(rate(x{name='app.tasks.mail'}[1m]))"},
        {"{{ print 1 2 \"a\" \"b\" 3 }}|{{ println \"a\" 1 }}", 0, "1 2ab3|a 1\n"},
    };
    CHECK(t);
}

static void functions_of_prometheus(void **state)
{
    (void)state;
    static const struct expectation t[] = {
        {"{{ with query \"up\" }}{{ . | first | value | printf \"%.2f\" }}/s{{ end }}", 0, "2.50/s"},
        {"{{ query \"up\" | first | label \"queue_name\" }}", 0, "mail"},
        {"{{ range query \"q\" | sortByLabel \"queue_name\" }}{{ .Labels.queue_name }} {{ end }}", 0,
         "celery default mail "},
        {"{{ if match \"^app\" $labels.name }}backend{{ else }}other{{ end }}", 0, "backend"},
        {"{{ match \"mail\" $labels.name }} {{ match \"^tasks\" $labels.name }} {{ match \"mail$\" $labels.name }}", 0,
         "true false true"},
        {"{{ reReplaceAll \"app\\\\.(.*)\" \"$1!\" $labels.name }}", 0, "tasks.mail!"},
        {"{{ reReplaceAll \"[aeiou]\" \"_\" $labels.name }}", 0, "_pp.t_sks.m__l"},
        {"{{ reReplaceAll \"(.*):.*\" \"$1\" $labels.instance }}", 0, "db1.example.org"},
        {"{{ reReplaceAll \"(?P<host>[a-z0-9]+)[.].*\" \"${host}-x\" $labels.instance }}", 0, "db1-x"},
        {"{{ reReplaceAll \"x*\" \"-\" \"ab\" }}", 0, "-a-b-"},
        {"{{ toUpper \"aB\" }}{{ toLower \"aB\" }}{{ title \"one two-three\" }}", 0, "ABabOne Two-Three"},
        {"{{ stripPort $labels.instance }} {{ stripDomain $labels.instance }} {{ stripDomain \"10.1.2.3:80\" }}", 0,
         "db1.example.org db1:5432 10.1.2.3:80"},
        {"{{ graphLink \"up == 0\" }}", 0, "/graph?g0.expr=up%20%3D%3D%200&g0.tab=0"},
        {"{{ len $labels.name }} {{ index (query \"q\") 1 | value }} {{ index $labels \"name\" }}", 0,
         "14 3.5 app.tasks.mail"},
        {"{{ with args 1 \"x\" }}{{ .arg0 }}{{ .arg1 }}{{ end }}", 0, "1x"},
        {"{{ $labels.weird | html }} {{ $labels.weird | safeHtml }}", 0, "&lt;b&gt;&amp;&#34;x&#34; <b>&\"x\""},
        {"{{ join \", \" (stringSlice \"a\" \"b\") }} {{ trimSpace \" x \" }} {{ toJson (list 1 \"a\") }}", 0,
         "a, b x [1,\"a\"]"},
    };
    CHECK(t);
}

static void compile_errors_have_a_position(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
        int line, column;
    } t[] = {
        {"{{ $labels.name", "unclosed action", 1, 16},
        {"x\n  {{ $label.name }}", "undefined variable \"$label\"", 2, 6},
        {"{{ humanise $value }}", "unknown function \"humanise\"", 1, 4},
        {"{{ if true }}x", "{{ end }} is missing", 1, 15},
        {"{{ end }}", "unexpected \"end\"", 1, 4},
        {"{{ \"abc }}", "unterminated quoted text", 1, 4},
        {"{{ humanize }}", "wrong number of arguments for \"humanize\"", 1, 13},
        {"{{ humanize title }}", "wrong number of arguments for \"title\"", 1, 19},
        {"{{ not or }}", "wrong number of arguments for \"or\"", 1, 11},
        {"{{ }}", "a value is missing", 1, 4},
        {"{{ break }}", "outside range", 1, 9},
        {"{{ (1 }}", "\")\" is missing", 1, 7},
        {"{{ 1 | 2 }}", "must be a function", 1, 10},
        {"{{ 12abc }}", "bad number", 1, 4},
    };
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        auto_arena arena;
        arena_init(&arena);
        struct template *tmpl;
        struct error err = {0};
        assert_int_not_equal(template_compile(str_of(t[i].text), template_rule_vars, &arena, &tmpl, &err), 0);
        if (!strstr(err.text, t[i].message) || err.line != t[i].line || err.column != t[i].column) {
            fail_msg("%s: got %d:%d \"%s\"", t[i].text, err.line, err.column, err.text);
        }
    }
}

static void run_errors_say_what_failed(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } t[] = {
        {"{{ query \"none\" | first | value }}", "error calling first: first() called on vector with no elements"},
        {"{{ query \"bad\" }}", "error calling query: unexpected word"},
        {"{{ humanize \"x\" }}", "can't convert string to a number"},
        {"{{ .Nothing }}", "there is no field Nothing"},
        {"{{ $value.x }}", "can't evaluate field x in type float64"},
        {"{{ match \"(\" \"x\" }}", "error calling match"},
        {"{{ range 5 }}{{ end }}", "range can't iterate over int"},
        {"{{ template \"x\" }}", "template \"x\" is not defined"},
        {"{{ lt 1 \"a\" }}", "incompatible types"},
        {"{{ index (list 1) 4 }}", "index out of range"},
    };
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        auto_buf out;
        buf_init(&out, 1 << 20);
        struct error err = {0};
        assert_int_not_equal(render(t[i].text, 1, &out, &err), 0);
        if (!strstr(err.text, t[i].message)) {
            fail_msg("%s: got \"%s\"", t[i].text, err.text);
        }
    }
}

static void hostile_templates_end(void **state)
{
    (void)state;
    static const char *const t[] = {
        "{{ define \"a\" }}{{ template \"a\" }}{{ end }}{{ template \"a\" }}",
        "{{ define \"a\" }}{{ range query \"q\" }}{{ template \"b\" }}{{ end }}{{ end }}"
        "{{ define \"b\" }}{{ range query \"q\" }}{{ template \"a\" }}{{ end }}{{ end }}{{ template \"a\" }}",
        "{{ range query \"q\" }}{{ range query \"q\" }}{{ range query \"q\" }}{{ range query \"q\" }}"
        "{{ range query \"q\" }}{{ range query \"q\" }}{{ range query \"q\" }}{{ range query \"q\" }}"
        "{{ printf \"%900d\" 1 }}{{ end }}{{ end }}{{ end }}{{ end }}{{ end }}{{ end }}{{ end }}{{ end }}",
    };
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        auto_buf out;
        buf_init(&out, 1 << 20);
        struct error err = {0};
        assert_int_not_equal(render(t[i], 1, &out, &err), 0);
    }
    auto_buf deep, out;
    buf_init(&deep, 1 << 20);
    buf_init(&out, 1 << 20);
    buf_add(&deep, STR("{{ "));
    for (int i = 0; i < 20000; i++) {
        buf_add_char(&deep, '(');
    }
    struct error err = {0};
    assert_int_not_equal(render(deep.p, 1, &out, &err), 0);
    assert_non_null(strstr(err.text, "nested too deep"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(variables_fields_and_text),  cmocka_unit_test(control_structures),
        cmocka_unit_test(numbers_for_people),         cmocka_unit_test(printf_follows_go),
        cmocka_unit_test(functions_of_prometheus),    cmocka_unit_test(compile_errors_have_a_position),
        cmocka_unit_test(run_errors_say_what_failed), cmocka_unit_test(hostile_templates_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
