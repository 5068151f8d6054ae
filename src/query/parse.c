/*
 * Text to tree by precedence climbing.
 *
 * Functions return NULL (or false) once something is wrong; the first error is the one reported. Grammar and precedence
 * are Prometheus 3's: or < and unless < comparisons < + - < * / % atan2 < unary < ^ (right associative) < [] offset @.
 */
#include "src/query/parse.h"

#include <math.h>

static struct expr *parse_expr(struct parser *p, int min_precedence);

/* ---- literals ---- */

static struct expr *parse_number(struct parser *p)
{
    struct token tok = p->tok;
    if (!parser_advance(p)) {
        return NULL;
    }
    struct expr *e = parser_node(p, EXPR_NUMBER, &tok);
    e->number.value = tok.number;
    e->number.duration = tok.kind == TOKEN_DURATION;
    return e;
}

static struct expr *parse_string(struct parser *p)
{
    struct token tok = p->tok;
    struct str value;
    if (token_unquote(&tok, p->arena, &value, p->err) < 0) {
        p->failed = true;
        p->code = ERR_PARSE;
        return NULL;
    }
    if (!parser_advance(p)) {
        return NULL;
    }
    struct expr *e = parser_node(p, EXPR_STRING, &tok);
    e->string = value;
    return e;
}

/* ---- calls and aggregations ---- */

/* The arguments between parentheses; *n of them, in the arena. */
static struct expr **parse_args(struct parser *p, size_t *n)
{
    vec(struct expr *) args = {0};
    bool ok = parser_take(p, TOKEN_LPAREN, "\"(\"");
    while (ok && p->tok.kind != TOKEN_RPAREN) {
        struct expr *arg = parse_expr(p, 0);
        ok = arg != NULL;
        if (!ok) {
            break;
        }
        vec_push(&args, arg);
        if (p->tok.kind == TOKEN_COMMA) {
            ok = parser_advance(p);
            if (ok && p->tok.kind == TOKEN_RPAREN) {
                parser_fail(p, ERR_PARSE, &p->tok, "trailing commas not allowed in function call args");
                ok = false;
            }
        } else if (p->tok.kind != TOKEN_RPAREN) {
            parser_unexpected(p, "an operator, \",\" or \")\"");
            ok = false;
        }
    }
    ok = ok && parser_advance(p);
    struct expr **v = arena_array(p->arena, struct expr *, args.len + 1);
    for (size_t i = 0; i < args.len; i++) {
        v[i] = args.p[i];
    }
    *n = args.len;
    vec_release(&args);
    return ok ? v : NULL;
}

static bool function_enabled(struct parser *p, const struct function *function, const struct token *name)
{
    static const char *const experimental[] = {
        "histogram_quantiles", "start", "end", "range", "step", "min_of", "max_of"};
    for (size_t i = 0; i < sizeof(experimental) / sizeof(experimental[0]); i++) {
        if (strcmp(function->name, experimental[i]) == 0) {
            char what[40];
            snprintf(what, sizeof(what), "%s is", experimental[i]);
            return parser_feature(p, FEATURE_EXPERIMENTAL_FUNCTIONS, what, name);
        }
    }
    return true;
}

static struct expr *parse_call(struct parser *p, const struct token *name)
{
    const struct function *function = function_find(name->text);
    if (!function && function_needs_native_histograms(name->text)) {
        return parser_fail(p, ERR_PARSE, name,
                           "function \"" STR_FMT
                           "\" is for native histograms, which are not supported; of classic ones "
                           "there are histogram_quantile and histogram_fraction, and their _sum and _count series",
                           STR_ARG(name->text));
    }
    if (function && !function_enabled(p, function, name)) {
        return NULL;
    }
    if (!function) {
        const char *near = function_suggest(name->text);
        int shown = name->text.len > 60 ? 60 : (int)name->text.len;
        return near ? parser_fail(p, ERR_PARSE, name, "unknown function with name \"%.*s\", did you mean \"%s\"?",
                                  shown, name->text.p, near)
                    : parser_fail(p, ERR_PARSE, name, "unknown function with name \"%.*s\"", shown, name->text.p);
    }
    size_t n;
    struct expr **args = parse_args(p, &n);
    if (!args) {
        return NULL;
    }
    struct expr *e = parser_node(p, EXPR_CALL, name);
    e->call.function = function;
    e->call.args = args;
    e->call.arg_count = n;
    for (size_t i = 0; e && i < n; i++) {
        e = parser_cover(p, e, args[i]);
    }
    return e;
}

static bool at_grouping(const struct parser *p)
{
    return parser_at_word(p, "by") || parser_at_word(p, "without");
}

static bool parse_grouping(struct parser *p, struct expr *e)
{
    e->aggregate.grouped = true;
    e->aggregate.without = parser_at_word(p, "without");
    return parser_advance(p) && parser_names(p, &e->aggregate.names);
}

static struct expr *parse_aggregate(struct parser *p, const struct token *name, enum aggregate_op op)
{
    struct expr *e = parser_node(p, EXPR_AGGREGATE, name);
    e->aggregate.op = op;
    if (at_grouping(p) && !parse_grouping(p, e)) {
        return NULL;
    }
    struct token open = p->tok;
    size_t n;
    struct expr **args = parse_args(p, &n);
    if (!args) {
        return NULL;
    }
    if (!e->aggregate.grouped && at_grouping(p) && !parse_grouping(p, e)) {
        return NULL;
    }
    const struct aggregation *info = aggregation_info(op);
    size_t want = info->param ? 2 : 1;
    if (n == 0) {
        return parser_fail(p, ERR_PARSE, &open, "no arguments for aggregate expression provided");
    }
    if (n != want) {
        return parser_fail(p, ERR_PARSE, name,
                           "wrong number of arguments for aggregate expression provided, expected "
                           "%zu, got %zu: %s",
                           want, n, info->signature);
    }
    e->aggregate.param = info->param ? args[0] : NULL;
    e->aggregate.expr = args[n - 1];
    for (size_t i = 0; e && i < n; i++) {
        e = parser_cover(p, e, args[i]);
    }
    return e;
}

/* ---- operators ---- */

struct infix {
    enum binary_op op;
    int precedence;
};

#define PRECEDENCE_UNARY 5 /* as * and /: -a^b is -(a^b), -a*b is (-a)*b */
#define PRECEDENCE_POW   6

static bool operator_at(const struct parser *p, struct infix *out)
{
    static const struct {
        enum token_kind kind;
        struct infix infix;
    } table[] = {{TOKEN_EQ, {OP_EQ, 3}},   {TOKEN_NE, {OP_NE, 3}},   {TOKEN_GT, {OP_GT, 3}},
                 {TOKEN_LT, {OP_LT, 3}},   {TOKEN_GE, {OP_GE, 3}},   {TOKEN_LE, {OP_LE, 3}},
                 {TOKEN_ADD, {OP_ADD, 4}}, {TOKEN_SUB, {OP_SUB, 4}}, {TOKEN_MUL, {OP_MUL, 5}},
                 {TOKEN_DIV, {OP_DIV, 5}}, {TOKEN_MOD, {OP_MOD, 5}}, {TOKEN_POW, {OP_POW, PRECEDENCE_POW}}};
    static const struct {
        const char *word;
        struct infix infix;
    } words[] = {{"or", {OP_OR, 1}}, {"and", {OP_AND, 2}}, {"unless", {OP_UNLESS, 2}}, {"atan2", {OP_ATAN2, 5}}};
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (p->tok.kind == table[i].kind) {
            *out = table[i].infix;
            return true;
        }
    }
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (parser_at_word(p, words[i].word)) {
            *out = words[i].infix;
            return true;
        }
    }
    return false;
}

/* group_left (a, b): the list may be left out. */
static bool parse_group_side(struct parser *p, struct vector_matching *m)
{
    m->card = parser_at_word(p, "group_left") ? CARD_MANY_TO_ONE : CARD_ONE_TO_MANY;
    return parser_advance(p) && (p->tok.kind != TOKEN_LPAREN || parser_names(p, &m->include));
}

/* bool, on (…), ignoring (…), group_left (…), group_right (…), fill (…) behind the operator. */
static bool parse_matching(struct parser *p, struct expr *e)
{
    struct vector_matching *m = &e->binary.matching;
    m->card = op_is_set(e->binary.op) ? CARD_MANY_TO_MANY : CARD_ONE_TO_ONE;
    if (parser_at_word(p, "bool")) {
        if (!op_is_comparison(e->binary.op)) {
            parser_fail(p, ERR_PARSE, &p->tok, "bool modifier can only be used on comparison operators");
            return false;
        }
        e->binary.return_bool = true;
        if (!parser_advance(p)) {
            return false;
        }
    }
    if (!parser_at_word(p, "on") && !parser_at_word(p, "ignoring")) {
        return parse_fill(p, e);
    }
    m->given = true;
    m->on = parser_at_word(p, "on");
    if (!parser_advance(p) || !parser_names(p, &m->names)) {
        return false;
    }
    if (!parser_at_word(p, "group_left") && !parser_at_word(p, "group_right")) {
        return parse_fill(p, e);
    }
    if (op_is_set(e->binary.op)) {
        parser_fail(p, ERR_PARSE, &p->tok, "no grouping allowed for \"%s\" operation", op_text(e->binary.op));
        return false;
    }
    struct token at = p->tok;
    if (!parse_group_side(p, m)) {
        return false;
    }
    for (size_t i = 0; m->on && i < m->include.n; i++) {
        for (size_t k = 0; k < m->names.n; k++) {
            if (str_eq(m->include.v[i], m->names.v[k])) {
                parser_fail(p, ERR_PARSE, &at, "label \"" STR_FMT "\" must not occur in ON and GROUP clause at once",
                            STR_ARG(m->names.v[k]));
                return false;
            }
        }
    }
    return parse_fill(p, e);
}

static struct expr *parse_binary(struct parser *p, struct expr *lhs, struct infix infix)
{
    struct token start = {.start = lhs->start, .line = lhs->line, .column = lhs->column};
    struct expr *e = parser_node(p, EXPR_BINARY, &start);
    e->binary.op = infix.op;
    e->binary.op_line = p->tok.line;
    e->binary.op_column = p->tok.column;
    e->binary.lhs = lhs;
    if (!parser_advance(p) || !parse_matching(p, e)) {
        return NULL;
    }
    /* ^ takes an equal operator to its right, all others only stronger ones. */
    e->binary.rhs = parse_expr(p, infix.precedence + (infix.op != OP_POW));
    if (!e->binary.rhs) {
        return NULL;
    }
    e = parser_cover(p, e, lhs);
    return e ? parser_cover(p, e, e->binary.rhs) : NULL;
}

static struct expr *parse_unary(struct parser *p)
{
    struct token tok = p->tok;
    if (!parser_advance(p)) {
        return NULL;
    }
    struct expr *inner = parse_expr(p, PRECEDENCE_UNARY + 1);
    if (!inner) {
        return NULL;
    }
    if (inner->kind == EXPR_NUMBER) { /* a number with a sign is a number */
        inner->number.value = tok.kind == TOKEN_SUB ? -inner->number.value : inner->number.value;
        inner->start = tok.start;
        inner->line = tok.line;
        inner->column = tok.column;
        return inner;
    }
    struct expr *e = parser_node(p, EXPR_UNARY, &tok);
    e->unary.negate = tok.kind == TOKEN_SUB;
    e->unary.expr = inner;
    return parser_cover(p, e, inner);
}

static struct expr *parse_paren(struct parser *p)
{
    struct token tok = p->tok;
    if (!parser_advance(p)) {
        return NULL;
    }
    struct expr *inner = parse_expr(p, 0);
    if (!inner || (p->tok.kind != TOKEN_RPAREN && !parser_unexpected(p, "an operator or \")\"")) ||
        !parser_advance(p)) {
        return NULL;
    }
    struct expr *e = parser_node(p, EXPR_PAREN, &tok);
    e->paren = inner;
    return parser_cover(p, e, inner);
}

static struct expr *parse_selector_node(struct parser *p, const struct token *name)
{
    struct token start = name ? *name : p->tok;
    struct expr *e = parser_node(p, EXPR_SELECTOR, &start);
    if (!parse_selector(p, name, e)) {
        return NULL;
    }
    return parser_cover(p, e, NULL);
}

/* What an identifier begins: number word, aggregation, call or selector. */
static struct expr *parse_word(struct parser *p)
{
    struct token name = p->tok;
    if (!parser_advance(p)) {
        return NULL;
    }
    enum aggregate_op op;
    bool call = p->tok.kind == TOKEN_LPAREN;
    if (aggregation_find(name.text, &op) && (call || at_grouping(p))) {
        return parse_aggregate(p, &name, op);
    }
    if (call) {
        return parse_call(p, &name);
    }
    bool inf = name.text.len == 3 && str_find_nocase(name.text, STR("inf")) == 0;
    bool nan = name.text.len == 3 && str_find_nocase(name.text, STR("nan")) == 0;
    if ((inf || nan) && p->tok.kind != TOKEN_LBRACE) {
        struct expr *e = parser_node(p, EXPR_NUMBER, &name);
        e->number.value = inf ? INFINITY : NAN;
        return e;
    }
    return parse_selector_node(p, &name);
}

static struct expr *parse_primary(struct parser *p)
{
    switch (p->tok.kind) {
    case TOKEN_NUMBER:
    case TOKEN_DURATION:
        return parse_number(p);
    case TOKEN_STRING:
        return parse_string(p);
    case TOKEN_LPAREN:
        return parse_paren(p);
    case TOKEN_LBRACE:
        return parse_selector_node(p, NULL);
    case TOKEN_ADD:
    case TOKEN_SUB:
        return parse_unary(p);
    case TOKEN_IDENT:
        if (!parser_at_word(p, "group_left") && !parser_at_word(p, "group_right") && !parser_at_word(p, "bool") &&
            !parser_at_word(p, "on") && !parser_at_word(p, "ignoring")) {
            return parse_word(p);
        }
        __attribute__((fallthrough));
    default:
        return parser_unexpected(p, "an expression: a metric name, \"{\", a function, a number or \"(\"");
    }
}

static struct expr *parse_expr(struct parser *p, int min_precedence)
{
    if (p->failed) {
        return NULL;
    }
    if (++p->depth > EXPR_DEPTH_MAX) {
        return parser_fail(p, ERR_LIMIT, &p->tok, "the expression is nested too deeply (at most %d levels)",
                           EXPR_DEPTH_MAX);
    }
    /* A sign binds looser than ^ and [ ], so nothing may be appended to it here. */
    bool sign = p->tok.kind == TOKEN_ADD || p->tok.kind == TOKEN_SUB;
    struct expr *e = parse_primary(p);
    if (e && !sign) {
        e = parse_modifiers(p, e);
    }
    struct infix infix;
    while (e && operator_at(p, &infix) && infix.precedence >= min_precedence) {
        e = parse_binary(p, e, infix);
    }
    p->depth--;
    return e;
}

int query_parse(struct str text, struct arena *arena, struct expr **out, struct error *err)
{
    struct parser p;
    int rc = parser_start(&p, text, arena, err);
    if (rc < 0) {
        return rc;
    }
    if (p.tok.kind == TOKEN_END) {
        return error_set_at(p.err, ERR_PARSE, p.tok.line, p.tok.column, "no expression found in input");
    }
    struct expr *e = parse_expr(&p, 0);
    if (e && p.tok.kind != TOKEN_END) {
        e = parser_unexpected(&p, "an operator or the end of the query");
    }
    rc = e ? expr_check(e, p.err) : p.code;
    parser_end(&p, rc == 0);
    if (rc == 0) {
        *out = e;
    }
    return rc;
}

int query_parse_selector(struct str text, struct arena *arena, struct matcher **out, size_t *n, struct error *err)
{
    struct expr *e = NULL;
    int rc = query_parse(text, arena, &e, err);
    if (rc < 0) {
        return rc;
    }
    if (e->kind != EXPR_SELECTOR || e->shift.has_offset || e->shift.at != AT_NONE || e->extent) {
        expr_release(e);
        return error_set_at(err, ERR_PARSE, 1, 1, "expected a series selector like name{label=\"value\"}");
    }
    *out = e->selector.matchers;
    *n = e->selector.matcher_count;
    return 0;
}
