/*
 * Text to tree by precedence climbing.
 *
 * Functions return NULL (or false) once something is wrong; the first error is the one reported. Grammar and precedence
 * are Prometheus 3's: or < and unless < comparisons < + - < * / % atan2 < unary < ^ (right associative) < [] offset @.
 */
#include "src/query/parse.h"

#include "src/base/codec.h"
#include "src/base/number.h"

#include <ctype.h>
#include <math.h>

static struct expr *parse_expr(struct parser *p, int min_precedence);

void *parser_fail(struct parser *p, int code, const struct token *at, const char *fmt, ...)
{
    if (!p->failed) {
        char text[sizeof(p->err->text)];
        va_list args;
        va_start(args, fmt);
        vsnprintf(text, sizeof(text), fmt, args);
        va_end(args);
        p->code = error_set_at(p->err, code, at->line, at->column, "%s", text);
    }
    p->failed = true;
    return NULL;
}

void *parser_unexpected(struct parser *p, const char *expected)
{
    struct str got = token_describe(&p->tok, p->arena);
    return parser_fail(p, ERR_PARSE, &p->tok, "unexpected " STR_FMT ", expected %s", STR_ARG(got), expected);
}

bool parser_advance(struct parser *p)
{
    if (p->failed) {
        return false;
    }
    p->end = p->tok.start + (uint32_t)p->tok.text.len;
    int rc = lexer_next(&p->lexer, &p->tok, p->err);
    if (rc < 0) {
        p->failed = true;
        p->code = rc;
    }
    return rc == 0;
}

bool parser_take(struct parser *p, enum token_kind kind, const char *expected)
{
    if (p->failed) {
        return false;
    }
    if (p->tok.kind != kind) {
        parser_unexpected(p, expected);
        return false;
    }
    return parser_advance(p);
}

bool parser_at_word(const struct parser *p, const char *word)
{
    return p->tok.kind == TOKEN_IDENT && p->tok.text.len == strlen(word) &&
           str_find_nocase(p->tok.text, str_of(word)) == 0;
}

/* A node that begins at token `at` and, until node_end(), ends there. */
static struct expr *node_new(struct parser *p, enum expr_kind kind, const struct token *at)
{
    struct expr *e = arena_new(p->arena, struct expr);
    e->kind = kind;
    e->start = at->start;
    e->end = p->end > at->start ? p->end : at->start;
    e->line = at->line;
    e->column = at->column;
    e->depth = 1;
    return e;
}

static struct expr *node_over(struct parser *p, struct expr *e, const struct expr *child)
{
    if (child && child->depth >= e->depth) {
        e->depth = child->depth + 1;
    }
    e->end = p->end;
    if (e->depth > EXPR_DEPTH_MAX) {
        struct token at = {.line = e->line, .column = e->column};
        return parser_fail(p, ERR_LIMIT, &at, "the expression is nested too deeply (at most %d levels)",
                           EXPR_DEPTH_MAX);
    }
    return e;
}

/* ---- names and literals ---- */

static int name_cmp(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* (a, b, "c d"): sorted, unique. */
static bool parse_names(struct parser *p, struct name_list *out)
{
    vec(struct str) names = {0};
    bool ok = parser_take(p, TOKEN_LPAREN, "\"(\" and a list of label names");
    while (ok && p->tok.kind != TOKEN_RPAREN) {
        struct str name = p->tok.text;
        if (p->tok.kind == TOKEN_STRING) {
            ok = token_unquote(&p->tok, p->arena, &name, p->err) == 0;
            if (!ok) {
                p->failed = true;
                p->code = ERR_PARSE;
            }
        } else if (p->tok.kind != TOKEN_IDENT || !label_name_legal(name)) {
            parser_unexpected(p, "a label name");
            ok = false;
        }
        if (ok) {
            vec_push(&names, arena_dup(p->arena, name));
            ok = parser_advance(p);
        }
        if (ok && p->tok.kind == TOKEN_COMMA) {
            ok = parser_advance(p);
        } else if (ok && p->tok.kind != TOKEN_RPAREN) {
            parser_unexpected(p, "\",\" or \")\" in the list of label names");
            ok = false;
        }
    }
    ok = ok && parser_advance(p);
    struct str *v = arena_array(p->arena, struct str, names.len + 1);
    size_t n = 0;
    if (names.len) {
        qsort(names.p, names.len, sizeof(*names.p), name_cmp);
    }
    for (size_t i = 0; i < names.len; i++) {
        if (!n || !str_eq(v[n - 1], names.p[i])) {
            v[n++] = names.p[i];
        }
    }
    vec_release(&names);
    *out = (struct name_list){v, n};
    return ok;
}

static struct expr *parse_number(struct parser *p)
{
    struct token tok = p->tok;
    if (!parser_advance(p)) {
        return NULL;
    }
    struct expr *e = node_new(p, EXPR_NUMBER, &tok);
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
    struct expr *e = node_new(p, EXPR_STRING, &tok);
    e->string = value;
    return e;
}

/* ---- durations, offset, @ ---- */

/* 5m, 1h30m or seconds as a number. */
static bool parse_duration(struct parser *p, int64_t *out)
{
    if (p->failed || (p->tok.kind != TOKEN_DURATION && p->tok.kind != TOKEN_NUMBER)) {
        if (!p->failed) {
            parser_unexpected(p, "a duration like 5m or a number of seconds");
        }
        return false;
    }
    int64_t ms = p->tok.ms;
    if (p->tok.kind == TOKEN_NUMBER) {
        if (!(fabs(p->tok.number) < 9e12)) {
            parser_fail(p, ERR_PARSE, &p->tok, "duration out of range");
            return false;
        }
        ms = (int64_t)llround(p->tok.number * 1000);
    }
    *out = ms;
    return parser_advance(p);
}

static bool parse_positive_duration(struct parser *p, int64_t *out)
{
    struct token at = p->tok;
    if (!parse_duration(p, out)) {
        return false;
    }
    if (*out <= 0) {
        parser_fail(p, ERR_PARSE, &at, "duration must be greater than 0");
        return false;
    }
    return true;
}

static struct time_shift *shift_of(struct parser *p, struct expr *e, const struct token *at, const char *what)
{
    if (e->kind != EXPR_SELECTOR && e->kind != EXPR_RANGE && e->kind != EXPR_SUBQUERY) {
        return parser_fail(p, ERR_PARSE, at,
                           "%s modifier must be preceded by an instant vector selector or range vector selector or a "
                           "subquery",
                           what);
    }
    return &e->shift;
}

static bool parse_sign(struct parser *p, bool *negative)
{
    *negative = p->tok.kind == TOKEN_SUB;
    return (p->tok.kind != TOKEN_SUB && p->tok.kind != TOKEN_ADD) || parser_advance(p);
}

static bool parse_offset(struct parser *p, struct expr *e)
{
    struct token at = p->tok;
    struct time_shift *shift = shift_of(p, e, &at, "offset");
    bool negative = false;
    int64_t ms = 0;
    if (!shift || !parser_advance(p) || !parse_sign(p, &negative) || !parse_duration(p, &ms)) {
        return false;
    }
    if (shift->has_offset) {
        parser_fail(p, ERR_PARSE, &at, "offset may not be set multiple times");
        return false;
    }
    shift->has_offset = true;
    shift->offset_ms = negative ? -ms : ms;
    return true;
}

static bool parse_at_time(struct parser *p, struct time_shift *shift)
{
    if (parser_at_word(p, "start") || parser_at_word(p, "end")) {
        shift->at = parser_at_word(p, "start") ? AT_START : AT_END;
        return parser_advance(p) && parser_take(p, TOKEN_LPAREN, "\"()\" after start or end") &&
               parser_take(p, TOKEN_RPAREN, "\")\"");
    }
    bool negative = false;
    struct token at = p->tok;
    double seconds = NAN;
    if (!parse_sign(p, &negative)) {
        return false;
    }
    if (p->tok.kind == TOKEN_NUMBER || p->tok.kind == TOKEN_DURATION) {
        seconds = p->tok.number;
    } else if (!parser_at_word(p, "inf") && !parser_at_word(p, "nan")) {
        parser_unexpected(p, "a timestamp in seconds, start() or end() after @");
        return false;
    }
    if (!(seconds < 9e12)) {
        parser_fail(p, ERR_PARSE, &at, "timestamp out of bounds for @ modifier");
        return false;
    }
    shift->at = AT_TIME;
    shift->at_ms = (int64_t)llround((negative ? -seconds : seconds) * 1000);
    return parser_advance(p);
}

static bool parse_at(struct parser *p, struct expr *e)
{
    struct token at = p->tok;
    struct time_shift *shift = shift_of(p, e, &at, "@");
    if (!shift || !parser_advance(p)) {
        return false;
    }
    if (shift->at != AT_NONE) {
        parser_fail(p, ERR_PARSE, &at, "@ <timestamp> may not be set multiple times");
        return false;
    }
    return parse_at_time(p, shift);
}

/* [5m] or [1h:5m] after e. */
static struct expr *parse_range(struct parser *p, struct expr *e)
{
    struct token bracket = p->tok, start = {.start = e->start, .line = e->line, .column = e->column};
    int64_t range = 0, step = 0;
    bool subquery = false;
    if (!parser_advance(p) || !parse_positive_duration(p, &range)) {
        return NULL;
    }
    if (p->tok.kind == TOKEN_COLON) {
        subquery = true;
        if (!parser_advance(p) || (p->tok.kind != TOKEN_RBRACKET && !parse_positive_duration(p, &step))) {
            return NULL;
        }
    }
    if (!parser_take(p, TOKEN_RBRACKET, subquery ? "\"]\"" : "\":\" or \"]\"")) {
        return NULL;
    }
    if (!subquery && e->kind != EXPR_SELECTOR) {
        return parser_fail(p, ERR_PARSE, &bracket,
                           "ranges only allowed for vector selectors (of an expression: a subquery like [5m:])");
    }
    if (!subquery && (e->shift.has_offset || e->shift.at != AT_NONE)) {
        return parser_fail(p, ERR_PARSE, &bracket, "no %s modifiers allowed before range",
                           e->shift.has_offset ? "offset" : "@");
    }
    struct expr *range_expr = node_new(p, subquery ? EXPR_SUBQUERY : EXPR_RANGE, &start);
    range_expr->range.expr = e;
    range_expr->range.range_ms = range;
    range_expr->range.step_ms = step;
    return node_over(p, range_expr, e);
}

static struct expr *parse_postfix(struct parser *p, struct expr *e)
{
    while (e && !p->failed) {
        if (p->tok.kind == TOKEN_LBRACKET) {
            e = parse_range(p, e);
        } else if (parser_at_word(p, "offset")) {
            e = parse_offset(p, e) ? node_over(p, e, NULL) : NULL;
        } else if (p->tok.kind == TOKEN_AT) {
            e = parse_at(p, e) ? node_over(p, e, NULL) : NULL;
        } else {
            return e;
        }
    }
    return NULL;
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

static struct expr *parse_call(struct parser *p, const struct token *name)
{
    const struct function *function = function_find(name->text);
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
    struct expr *e = node_new(p, EXPR_CALL, name);
    e->call.function = function;
    e->call.args = args;
    e->call.arg_count = n;
    for (size_t i = 0; e && i < n; i++) {
        e = node_over(p, e, args[i]);
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
    return parser_advance(p) && parse_names(p, &e->aggregate.names);
}

static struct expr *parse_aggregate(struct parser *p, const struct token *name, enum aggregate_op op)
{
    struct expr *e = node_new(p, EXPR_AGGREGATE, name);
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
        e = node_over(p, e, args[i]);
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
    return parser_advance(p) && (p->tok.kind != TOKEN_LPAREN || parse_names(p, &m->include));
}

/* bool, on (…), ignoring (…), group_left (…), group_right (…) behind the operator. */
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
        return true;
    }
    m->given = true;
    m->on = parser_at_word(p, "on");
    if (!parser_advance(p) || !parse_names(p, &m->names)) {
        return false;
    }
    if (!parser_at_word(p, "group_left") && !parser_at_word(p, "group_right")) {
        return true;
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
    return true;
}

static struct expr *parse_binary(struct parser *p, struct expr *lhs, struct infix infix)
{
    struct token start = {.start = lhs->start, .line = lhs->line, .column = lhs->column};
    struct expr *e = node_new(p, EXPR_BINARY, &start);
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
    e = node_over(p, e, lhs);
    return e ? node_over(p, e, e->binary.rhs) : NULL;
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
    struct expr *e = node_new(p, EXPR_UNARY, &tok);
    e->unary.negate = tok.kind == TOKEN_SUB;
    e->unary.expr = inner;
    return node_over(p, e, inner);
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
    struct expr *e = node_new(p, EXPR_PAREN, &tok);
    e->paren = inner;
    return node_over(p, e, inner);
}

static struct expr *parse_selector_node(struct parser *p, const struct token *name)
{
    struct token start = name ? *name : p->tok;
    struct expr *e = node_new(p, EXPR_SELECTOR, &start);
    if (!parse_selector(p, name, e)) {
        return NULL;
    }
    return node_over(p, e, NULL);
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
        struct expr *e = node_new(p, EXPR_NUMBER, &name);
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
        e = parse_postfix(p, e);
    }
    struct infix infix;
    while (e && operator_at(p, &infix) && infix.precedence >= min_precedence) {
        e = parse_binary(p, e, infix);
    }
    p->depth--;
    return e;
}

int parser_start(struct parser *p, struct str text, struct arena *arena, struct error *err)
{
    *p = (struct parser){.arena = arena, .err = err ? err : &p->no_error};
    if (text.len > QUERY_TEXT_MAX) {
        return error_set_at(err, ERR_LIMIT, 1, 1, "the query is %zu bytes long, at most %d are allowed", text.len,
                            QUERY_TEXT_MAX);
    }
    if (!utf8_valid(text)) {
        return error_set_at(err, ERR_PARSE, 1, 1, "the query is not valid UTF-8");
    }
    lexer_init(&p->lexer, arena_dup(arena, text));
    return parser_advance(p) ? 0 : p->code;
}

void parser_end(struct parser *p, bool keep_regexes)
{
    for (size_t i = 0; !keep_regexes && i < p->regex_owners.len; i++) {
        matcher_release(p->regex_owners.p[i]);
    }
    vec_release(&p->regex_owners);
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
    if (e->kind != EXPR_SELECTOR || e->shift.has_offset || e->shift.at != AT_NONE) {
        expr_release(e);
        return error_set_at(err, ERR_PARSE, 1, 1, "expected a series selector like name{label=\"value\"}");
    }
    *out = e->selector.matchers;
    *n = e->selector.matcher_count;
    return 0;
}
