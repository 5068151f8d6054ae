/*
 * Durations: 5m, 300, and with promql-duration-expr arithmetic of them, step(), range(), min_of(a, b), max_of(a, b).
 *
 * Precedence is that of expressions: + - < * / % < signs < ^ (right associative). Source of grammar and texts:
 * Prometheus promql/parser of 3.13, for behaviour only; min() and max() are the names of before it.
 */
#include "src/query/parse.h"

#include <math.h>

#define PRECEDENCE_SUM 1
#define PRECEDENCE_POW 3

/* As long as one with units may be (lex.c). */
#define NUMBER_MAX_S ((double)(INT64_MAX / 1000000000))

static struct duration_expr *parse_sum(struct parser *p, int min_precedence);

static bool has_feature(void)
{
    return query_features() & FEATURE_DURATION_EXPR;
}

/* Everything but a number with or without sign is experimental. */
static struct duration_expr *new_node(struct parser *p, enum duration_op op, const struct token *at,
                                      const struct duration_expr *lhs, const struct duration_expr *rhs)
{
    if (op != DURATION_NUMBER && !has_feature()) {
        return parser_fail(p, ERR_PARSE, at,
                           "experimental duration expression is not enabled: it needs "
                           "--enable-feature=promql-duration-expr");
    }
    struct duration_expr *d = arena_new(p->arena, struct duration_expr);
    int left = lhs ? lhs->depth : 0, right = rhs ? rhs->depth : 0;
    d->op = op;
    d->line = at->line;
    d->column = at->column;
    d->depth = 1 + (left > right ? left : right);
    d->varies = op == DURATION_STEP || op == DURATION_RANGE || (lhs && lhs->varies) || (rhs && rhs->varies);
    d->lhs = lhs;
    d->rhs = rhs;
    if (d->depth > DURATION_DEPTH_MAX) {
        return parser_fail(p, ERR_LIMIT, at, "the duration is nested too deeply (at most %d levels)",
                           DURATION_DEPTH_MAX);
    }
    return d;
}

static struct duration_expr *parse_number(struct parser *p)
{
    struct token at = p->tok;
    if (at.kind == TOKEN_NUMBER && !(fabs(at.number) < NUMBER_MAX_S)) {
        return parser_fail(p, ERR_PARSE, &at, "duration out of range");
    }
    struct duration_expr *d = new_node(p, DURATION_NUMBER, &at, NULL, NULL);
    d->has_unit = at.kind == TOKEN_DURATION;
    d->seconds = at.number;
    return parser_advance(p) ? d : NULL;
}

static bool call_at(const struct parser *p, enum duration_op *op)
{
    static const struct {
        const char *word;
        enum duration_op op;
    } words[] = {{"step", DURATION_STEP},     {"range", DURATION_RANGE}, {"min_of", DURATION_MIN_OF},
                 {"max_of", DURATION_MAX_OF}, {"min", DURATION_MIN_OF},  {"max", DURATION_MAX_OF}};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (parser_at_word(p, words[i].word)) {
            *op = words[i].op;
            return true;
        }
    }
    return false;
}

static struct duration_expr *parse_call(struct parser *p, enum duration_op op)
{
    struct token at = p->tok;
    const struct duration_expr *a = NULL, *b = NULL;
    if (!parser_advance(p) || !parser_take(p, TOKEN_LPAREN, "\"(\"")) {
        return NULL;
    }
    if (op == DURATION_MIN_OF || op == DURATION_MAX_OF) {
        a = parse_sum(p, PRECEDENCE_SUM);
        b = parser_take(p, TOKEN_COMMA, "an operator or \",\" and a second duration") ? parse_sum(p, PRECEDENCE_SUM)
                                                                                      : NULL;
    }
    return parser_take(p, TOKEN_RPAREN, a ? "an operator or \")\"" : "\")\"") ? new_node(p, op, &at, a, b) : NULL;
}

static struct duration_expr *parse_paren(struct parser *p)
{
    struct token at = p->tok;
    const struct duration_expr *inner = parser_advance(p) ? parse_sum(p, PRECEDENCE_SUM) : NULL;
    return parser_take(p, TOKEN_RPAREN, "an operator or \")\"") ? new_node(p, DURATION_PAREN, &at, NULL, inner) : NULL;
}

/* A number, a call or what is in parentheses. */
static struct duration_expr *parse_operand(struct parser *p)
{
    enum duration_op call;
    if (p->failed) {
        return NULL;
    }
    if (p->tok.kind == TOKEN_NUMBER || p->tok.kind == TOKEN_DURATION) {
        return parse_number(p);
    }
    if (p->tok.kind == TOKEN_LPAREN) {
        return parse_paren(p);
    }
    if (call_at(p, &call)) {
        return parse_call(p, call);
    }
    return parser_unexpected(p, has_feature() ? "a duration like 5m, a number of seconds, step(), range(), min_of(a, "
                                                "b), max_of(a, b) or \"(\""
                                              : "a duration like 5m or a number of seconds");
}

/* A number with a sign is a number; + changes nothing. */
static struct duration_expr *with_sign(struct parser *p, const struct token *sign, struct duration_expr *d)
{
    if (!d) {
        return NULL;
    }
    if (sign->kind == TOKEN_SUB && d->op != DURATION_NUMBER) {
        return new_node(p, DURATION_MINUS, sign, NULL, d);
    }
    if (d->op == DURATION_NUMBER) {
        d->seconds = sign->kind == TOKEN_SUB ? -d->seconds : d->seconds;
        d->line = sign->line;
        d->column = sign->column;
    }
    return d;
}

static bool at_sign(const struct parser *p)
{
    return p->tok.kind == TOKEN_ADD || p->tok.kind == TOKEN_SUB;
}

static bool infix_at(const struct parser *p, enum duration_op *op, int *precedence)
{
    static const struct {
        enum token_kind kind;
        enum duration_op op;
        int precedence;
    } table[] = {{TOKEN_ADD, DURATION_ADD, PRECEDENCE_SUM},
                 {TOKEN_SUB, DURATION_SUB, PRECEDENCE_SUM},
                 {TOKEN_MUL, DURATION_MUL, 2},
                 {TOKEN_DIV, DURATION_DIV, 2},
                 {TOKEN_MOD, DURATION_MOD, 2},
                 {TOKEN_POW, DURATION_POW, PRECEDENCE_POW}};
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (p->tok.kind == table[i].kind) {
            *op = table[i].op;
            *precedence = table[i].precedence;
            return true;
        }
    }
    return false;
}

static struct duration_expr *parse_sum(struct parser *p, int min_precedence)
{
    if (p->failed) {
        return NULL;
    }
    if (++p->depth > EXPR_DEPTH_MAX) {
        return parser_fail(p, ERR_LIMIT, &p->tok, "the expression is nested too deeply (at most %d levels)",
                           EXPR_DEPTH_MAX);
    }
    struct token first = p->tok;
    struct duration_expr *d;
    if (at_sign(p)) {
        d = parser_advance(p) ? with_sign(p, &first, parse_sum(p, PRECEDENCE_POW)) : NULL;
    } else {
        d = parse_operand(p);
    }
    enum duration_op op;
    int precedence;
    while (d && infix_at(p, &op, &precedence) && precedence >= min_precedence) {
        struct token at = p->tok;
        const struct duration_expr *rhs = parser_advance(p) ? parse_sum(p, precedence + (op != DURATION_POW)) : NULL;
        d = rhs ? new_node(p, op, &at, d, rhs) : NULL;
    }
    p->depth--;
    return d;
}

/* A mere number needs no expression, and what does not vary has its value now. */
static bool finish(struct parser *p, const struct duration_expr *d, bool positive, int64_t *ms,
                   const struct duration_expr **expr)
{
    if (!d) {
        return false;
    }
    struct token at = {.line = d->line, .column = d->column};
    *ms = 0;
    *expr = d->op == DURATION_NUMBER ? NULL : d;
    if (d->op == DURATION_NUMBER) {
        *ms = (int64_t)llround(d->seconds * 1000);
        if (positive && *ms <= 0) {
            parser_fail(p, ERR_PARSE, &at, "duration must be greater than 0");
        }
    } else if (!d->varies) {
        int rc = duration_value(d, (struct duration_scope){0}, positive, ms, p->err);
        p->failed = rc < 0;
        p->code = rc;
    }
    return !p->failed;
}

bool parse_duration(struct parser *p, int64_t *ms, const struct duration_expr **expr)
{
    return finish(p, parse_sum(p, PRECEDENCE_SUM), true, ms, expr);
}

/* "foo offset 5m * 2" is the double of foo: a number, a call or what has a sign is all of the offset. But parentheses
 * alone are only its beginning, "foo offset (5m) * 2" looks 10 minutes back: so does Prometheus' grammar. */
bool parse_offset_duration(struct parser *p, int64_t *ms, const struct duration_expr **expr)
{
    struct token first = p->tok;
    struct duration_expr *d;
    if (at_sign(p)) {
        d = parser_advance(p) ? with_sign(p, &first, parse_operand(p)) : NULL;
    } else {
        d = p->tok.kind == TOKEN_LPAREN ? parse_sum(p, PRECEDENCE_SUM) : parse_operand(p);
    }
    return finish(p, d, false, ms, expr);
}
