/* Random expressions, printed and parsed again: the same tree, whatever way they were written. */
#include "src/query/features.h"
#include "tests/support/test.h"
#include "tests/unit/query/tree_equal.h"

#define TREES 20000

/* Writes a random expression of a type; the depth left ends it. */
struct writer {
    uint64_t state;
    struct buf text;
};

/* SplitMix64: the same trees everywhere. */
static size_t pick(struct writer *w, size_t n)
{
    uint64_t z = (w->state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (size_t)((z ^ (z >> 31)) % n);
}

#define PICK(w, table) (table)[pick(w, sizeof(table) / sizeof((table)[0]))]

static void put(struct writer *w, const char *text)
{
    buf_add(&w->text, str_of(text));
}

/* What may stand between tokens; at least a blank. */
static void gap(struct writer *w)
{
    static const char *const gaps[] = {" ", " ", " ", "\n", "\t ", " # (a comment\" '\n", "\r\n"};
    put(w, PICK(w, gaps));
}

static void maybe_gap(struct writer *w)
{
    if (pick(w, 4) == 0) {
        gap(w);
    }
}

static void write_string(struct writer *w)
{
    static const char *const strings[] = {
        "\"\"",
        "''",
        "``",
        "\"a\"",
        "'a b'",
        "`a\\n`",
        "\"\\n\\t\\r\\a\\\\\\\"\"",
        "'\\''",
        "\"é東😀\"",
        "\"\\xff\\x00\"",
        "'\"'",
        "\"'`\"",
        "`\"\n`",
        "\"\\u00e9\\U0001F600\"",
        "\"\\101\"",
        "\"{{$x}} # no\"",
    };
    put(w, PICK(w, strings));
}

static void write_duration(struct writer *w)
{
    static const char *const durations[] = {
        "5m", "1h30m", "90s", "1ms", "1y2w3d4h5m6s7ms", "300", "0.5", "1e3", "0x10", "1w", "100d", "61m", "1_000"};
    put(w, PICK(w, durations));
}

/* Arithmetic of durations; most of it is no duration above zero, or divides by zero. */
static void write_duration_expr(struct writer *w, int depth)
{
    static const char *const infixes[] = {"+", "-", "*", "/", "%", "^"};
    static const char *const calls[] = {"step()", "range ( )", "STEP()", "Range()"};
    static const char *const pairs[] = {"min_of(", "max_of(", "min(", "MAX_of ("};
    maybe_gap(w);
    size_t kind = depth > 0 ? pick(w, 8) : pick(w, 2);
    if (kind == 0) {
        write_duration(w);
    } else if (kind == 1) {
        put(w, PICK(w, calls));
    } else if (kind < 5) {
        write_duration_expr(w, depth - 1);
        put(w, PICK(w, infixes));
        write_duration_expr(w, depth - 1);
    } else if (kind == 5) {
        put(w, pick(w, 2) ? "-" : "+");
        write_duration_expr(w, depth - 1);
    } else {
        put(w, kind == 6 ? "(" : PICK(w, pairs));
        write_duration_expr(w, depth - 1);
        if (kind == 7) {
            put(w, ",");
            write_duration_expr(w, depth - 1);
        }
        put(w, ")");
    }
    maybe_gap(w);
}

/* One that is above zero somewhere: it varies. */
static void write_range_duration(struct writer *w)
{
    if (pick(w, 4)) {
        write_duration(w);
        return;
    }
    put(w, "step()+");
    write_duration_expr(w, 3);
}

/* paren: it may begin with a parenthesis, which would take an operator behind it. */
static void write_offset_duration(struct writer *w, bool paren)
{
    if (pick(w, 4)) {
        write_duration(w);
    } else if (pick(w, 4) == 0) {
        put(w, pick(w, 2) ? "step()" : "min_of(1m, range())");
    } else {
        put(w, paren ? "(range()*" : "max_of(range()*");
        write_duration_expr(w, 3);
        put(w, paren ? ")" : ",1)");
    }
}

static void write_number(struct writer *w)
{
    static const char *const numbers[] = {"0",
                                          "1",
                                          "1.5",
                                          ".5",
                                          "2.",
                                          "1e3",
                                          "1E-7",
                                          "0x1F",
                                          "017",
                                          "1_000",
                                          "1e308",

                                          "5e-324",
                                          "Inf",
                                          "inf",
                                          "NaN",
                                          "nan",
                                          "5m",
                                          "1h30m",
                                          "0s",
                                          "1e21",
                                          "0.1",
                                          "123456789.123456789",
                                          "08",
                                          "1ms",
                                          "0xffffffffffffffff"};
    put(w, PICK(w, numbers));
}

static const char *const words[] = {
    "a",       "job",  "le",       "and",        "or",          "unless", "atan2",  "by",
    "without", "on",   "ignoring", "group_left", "group_right", "bool",   "offset", "start",
    "end",     "sum",  "topk",     "inf",        "nan",         "rate",   "_x9",    "Offset",
    "BY",      "fill", "smoothed", "anchored",   "step",        "range",  "min",    "max",
};
static const char *const quoted_words[] = {"\"b c\"", "'é'", "`a.b`", "\"job\"", "\"1\"", "\"a\\\"\\n\""};

static void write_label(struct writer *w)
{
    put(w, pick(w, 5) ? PICK(w, words) : PICK(w, quoted_words));
}

static void write_names(struct writer *w)
{
    put(w, "(");
    size_t n = pick(w, 4);
    for (size_t i = 0; i < n; i++) {
        put(w, i ? "," : "");
        maybe_gap(w);
        write_label(w);
    }
    put(w, n && pick(w, 4) == 0 ? ",)" : ")");
}

static void write_matchers(struct writer *w, bool comma)
{
    static const char *const ops[] = {"=", "!=", "=~", "!~", " = ", "=~ "};
    static const char *const regexes[] = {"\"a|b\"", "\".+\"", "'^x.*$'", "`\\d+`", "\"\"", "\"(?i:é)[0-9]\""};
    for (size_t n = pick(w, 3); n > 0; n--) {
        put(w, comma ? "," : "");
        maybe_gap(w);
        const char *op = PICK(w, ops);
        write_label(w);
        put(w, op);
        if (strchr(op, '~')) {
            put(w, PICK(w, regexes));
        } else {
            write_string(w);
        }
        comma = true;
    }
    put(w, comma && pick(w, 4) == 0 ? "," : "");
}

static void write_shift(struct writer *w)
{
    static const char *const ats[] = {"@ 1603774568.123", "@start()", "@ end ( )", "@ -5", "@ 1e9", "@ 0x10", "@+1.5"};
    static const char *const offsets[] = {"offset ", "OFFSET ", "offset -", "offset - ", "offset +"};
    bool first_at = pick(w, 2), paren = false;
    for (int i = 0; i < 2; i++) {
        if (pick(w, 4) && !paren) {
            continue;
        }
        gap(w);
        if ((i == 0) == first_at) {
            put(w, PICK(w, ats));
        } else {
            put(w, PICK(w, offsets));
            paren = i == 0 && pick(w, 2);
            write_offset_duration(w, paren);
        }
    }
}

static void write_extent(struct writer *w)
{
    static const char *const extents[] = {"", "", " anchored", " SMOOTHED"};
    put(w, PICK(w, extents));
}

/* A name, with braces or in them. */
static void write_selector(struct writer *w)
{
    static const char *const names[] = {"foo",   "foo:bar", ":x",  "_y",   "sum",           "rate", "by",
                                        "start", "offset",  "and", "time", "min_over_time", "Or",   "info"};
    static const char *const braced[] = {"{\"foo\"",   "{'é.x'",  "{__name__=\"foo\"", "{__name__=~\"a.+\"",
                                         "{job=\"x\"", "{\"on\"", "{\"inf\"",          "{`NaN`",
                                         "{\"sum\"",   "{\"a b\""};
    if (pick(w, 3)) {
        put(w, PICK(w, names));
        maybe_gap(w);
        if (pick(w, 2)) {
            put(w, "{");
            write_matchers(w, false);
            put(w, "}");
        }
    } else {
        put(w, PICK(w, braced));
        write_matchers(w, true);
        put(w, "}");
    }
}

static void write_expr(struct writer *w, enum value_type type, int depth);

static void write_paren(struct writer *w, enum value_type type, int depth)
{
    put(w, "(");
    maybe_gap(w);
    write_expr(w, type, depth - 1);
    maybe_gap(w);
    put(w, ")");
}

static void write_aggregate(struct writer *w, int depth)
{
    enum aggregate_op op = (enum aggregate_op)pick(w, AGGR_COUNT_OF);
    const struct aggregation *info = aggregation_info(op);
    bool grouped = pick(w, 2), before = pick(w, 2);
    const char *grouping = pick(w, 2) ? " by" : " WITHOUT ";
    put(w, info->name);
    if (grouped && before) {
        put(w, grouping);
        write_names(w);
    }
    put(w, "(");
    if (info->param) {
        write_expr(w, info->param == 's' ? VALUE_SCALAR : VALUE_STRING, depth - 1);
        put(w, ",");
    }
    write_expr(w, VALUE_VECTOR, depth - 1);
    put(w, ")");
    if (grouped && !before) {
        put(w, grouping);
        write_names(w);
    }
}

static void write_args(struct writer *w, const struct function *f, int depth)
{
    struct function_arity arity = function_arity(f);
    size_t more = arity.max == SIZE_MAX ? 3 : arity.max - arity.required;
    size_t n = arity.required + (more ? pick(w, more + 1) : 0);
    for (size_t i = 0; i < n; i++) {
        size_t at = i < arity.type_count ? i : arity.type_count - 1;
        put(w, i ? ", " : "");
        if (arity.matchers >> at & 1) {
            put(w, "{");
            write_matchers(w, false);
            put(w, "}");
        } else {
            write_expr(w, arity.types[at], depth - 1);
        }
    }
}

static bool write_call(struct writer *w, enum value_type type, int depth)
{
    size_t n;
    const struct function_info *infos = query_functions(&n);
    for (int tries = 0; tries < 200; tries++) {
        const struct function *f = function_find(str_of(infos[pick(w, n)].name));
        if (f && f->result == type) {
            put(w, f->name);
            maybe_gap(w);
            put(w, "(");
            write_args(w, f, depth);
            put(w, ")");
            return true;
        }
    }
    return false;
}

static void write_matching(struct writer *w, bool set)
{
    if (pick(w, 2)) {
        return;
    }
    bool on = pick(w, 2);
    put(w, on ? " on" : " ignoring ");
    write_names(w);
    if (!set && pick(w, 2)) {
        put(w, pick(w, 2) ? " group_left " : " GROUP_RIGHT");
        put(w, pick(w, 2) ? "()" : "(inc_a, \"inc b\")");
    }
}

static void write_operator(struct writer *w, bool vectors, bool scalars)
{
    static const char *const arithmetic[] = {"+", "-", "*", "/", "%", "^", " atan2 "};
    static const char *const comparisons[] = {"==", "!=", ">", "<", ">=", "<="};
    static const char *const sets[] = {" and ", " or ", " unless ", " AND "};
    size_t kind = pick(w, vectors ? 4 : 3);
    maybe_gap(w);
    if (kind < 2) {
        put(w, PICK(w, arithmetic));
    } else if (kind == 2) {
        put(w, PICK(w, comparisons));
        put(w, scalars || pick(w, 2) ? " bool" : "");
    } else {
        put(w, PICK(w, sets));
    }
    if (vectors) {
        write_matching(w, kind == 3);
    }
    gap(w);
}

/* Operands of any precedence: the tree is what the parser makes of it, so types are all that must be right. */
static void write_binary(struct writer *w, enum value_type type, int depth)
{
    size_t which = type == VALUE_SCALAR ? 0 : 1 + pick(w, 3); /* scalars, vectors, vector and scalar, … */
    bool left = which == 1 || which == 2, right = which == 1 || which == 3;
    /* In parentheses where a neighbour of another type could take its operand. */
    put(w, "(");
    write_paren(w, left ? VALUE_VECTOR : VALUE_SCALAR, depth);
    write_operator(w, left && right, !left && !right);
    if (pick(w, 2)) {
        write_paren(w, right ? VALUE_VECTOR : VALUE_SCALAR, depth);
    } else if (right) {
        write_selector(w);
        write_shift(w);
    } else {
        put(w, pick(w, 2) ? "-" : "");
        write_number(w);
    }
    put(w, ")");
}

/* Many operators of one type in a row: precedence and associativity are the parser's. */
static void write_chain(struct writer *w, int depth)
{
    for (size_t n = 2 + pick(w, 5); n > 0; n--) {
        put(w, pick(w, 4) ? "" : "-");
        if (pick(w, 3)) {
            write_selector(w);
            write_shift(w);
        } else {
            write_paren(w, VALUE_VECTOR, depth);
        }
        if (n > 1) {
            gap(w);
            write_operator(w, true, false);
        }
    }
}

static void write_scalar(struct writer *w, int depth)
{
    switch (depth > 0 ? pick(w, 5) : 0) {
    case 1:
        write_paren(w, VALUE_SCALAR, depth);
        return;
    case 2:
        put(w, pick(w, 2) ? "-" : "+ ");
        write_expr(w, VALUE_SCALAR, depth - 1);
        return;
    case 3:
        write_binary(w, VALUE_SCALAR, depth);
        return;
    case 4:
        if (write_call(w, VALUE_SCALAR, depth)) {
            return;
        }
        __attribute__((fallthrough));
    default:
        write_number(w);
    }
}

static void write_vector(struct writer *w, int depth)
{
    switch (depth > 0 ? pick(w, 8) : 0) {
    case 1:
    case 2:
        write_aggregate(w, depth);
        return;
    case 3:
        write_paren(w, VALUE_VECTOR, depth);
        return;
    case 4:
        put(w, pick(w, 2) ? "-" : "+");
        write_expr(w, VALUE_VECTOR, depth - 1);
        return;
    case 5:
        write_binary(w, VALUE_VECTOR, depth);
        return;
    case 6:
        put(w, "(");
        write_chain(w, depth);
        put(w, ")");
        return;
    case 7:
        if (write_call(w, VALUE_VECTOR, depth)) {
            return;
        }
        __attribute__((fallthrough));
    default:
        write_selector(w);
        write_extent(w);
        write_shift(w);
    }
}

static void write_matrix(struct writer *w, int depth)
{
    bool subquery = depth > 0 && pick(w, 2);
    if (!subquery) {
        write_selector(w);
    } else if (pick(w, 2)) {
        write_paren(w, VALUE_VECTOR, depth);
    } else {
        write_selector(w);
        write_shift(w);
        maybe_gap(w);
    }
    put(w, "[");
    maybe_gap(w);
    write_range_duration(w);
    if (subquery) {
        put(w, ":");
        if (pick(w, 2)) {
            write_range_duration(w);
        }
    }
    put(w, "]");
    if (!subquery) {
        write_extent(w);
    }
    write_shift(w);
}

static void write_expr(struct writer *w, enum value_type type, int depth)
{
    if (type == VALUE_SCALAR) {
        write_scalar(w, depth);
    } else if (type == VALUE_STRING) {
        write_string(w);
    } else if (type == VALUE_MATRIX) {
        write_matrix(w, depth);
    } else {
        write_vector(w, depth);
    }
}

static void random_expressions_survive_printing(void **state)
{
    (void)state;
    static const enum value_type types[] = {VALUE_SCALAR, VALUE_STRING, VALUE_VECTOR, VALUE_MATRIX};
    struct writer w = {.state = 20261128};
    buf_init(&w.text, 1 << 24);
    auto_arena arena;
    arena_init(&arena);
    for (int i = 0; i < TREES; i++) {
        enum value_type type = i % 10 ? VALUE_VECTOR : PICK(&w, types);
        buf_clear(&w.text);
        write_expr(&w, type, 1 + (int)pick(&w, 5));
        struct expr *expr = NULL;
        struct error err = {0};
        if (query_parse(buf_str(&w.text), &arena, &expr, &err) < 0) {
            fail_msg("tree %d: " STR_FMT "\ndoes not parse: %d:%d %s", i, STR_ARG(buf_str(&w.text)), err.line,
                     err.column, err.text);
        }
        assert_int_equal(expr_type(expr), type);
        (void)tree_round_trip(expr, buf_str(&w.text), &arena);
        expr_release(expr);
        arena_clear(&arena);
    }
    buf_release(&w.text);
}

static void other_trees_are_told_apart(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"a", "b"},
        {"a + b", "a - b"},
        {"a + b + c", "a + (b + c)"},
        {"a[5m]", "a[6m]"},
        {"a[5m:]", "a[5m:5m]"},
        {"1", "1s"},
        {"sum by (x) (a)", "sum without (x) (a)"},
        {"a offset 5m", "a offset 0s"},
        {"a[5m]", "a[(5m)]"},
        {"a[step()]", "a[range()]"},
        {"a[step() + 60]", "a[step() + 1m]"},
        {"a[5m:step() - 1]", "a[5m:step() + -1]"},
        {"a offset -step()", "a offset (-step())"},
        {"a offset (1m * 2)", "a offset (1m) * 2"},
        {"a @ 0", "a @ start()"},
        {"a[5m]", "a[5m] anchored"},
        {"a smoothed", "a anchored"},
        {"a > b", "a > bool b"},
        {"a * on () b", "a * b"},
        {"a * on (x) group_left () b", "a * on (x) group_right () b"},
        {"a{b=\"\"}", "a{b!=\"\"}"},
        {"-a", "+a"},
        {"abs(a)", "ceil(a)"},
        {"topk(1, a)", "topk(2, a)"},
        {"\"a\"", "\"b\""},
        {"a", "(a)"},
    };
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        auto_arena arena;
        arena_init(&arena);
        struct expr *a = NULL, *b = NULL;
        assert_int_equal(query_parse(str_of(pairs[i][0]), &arena, &a, NULL), 0);
        assert_int_equal(query_parse(str_of(pairs[i][1]), &arena, &b, NULL), 0);
        assert_false(tree_equal(a, b));
        expr_release(a);
        expr_release(b);
    }
}

int main(void)
{
    if (query_features_enable(STR("promql-extended-range-selectors,promql-experimental-functions,promql-duration-expr"),
                              NULL) < 0) {
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_expressions_survive_printing),
        cmocka_unit_test(other_trees_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
