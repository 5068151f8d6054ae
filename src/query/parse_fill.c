/* fill (0), fill_left (0), fill_right (0) behind a binary operator and its matching. */
#include "src/query/parse.h"

#include <math.h>

/* The words are metric names, too: only with "(" behind them they are modifiers. */
static bool at_fill(const struct parser *p)
{
    struct lexer ahead = p->lexer;
    struct token next;
    struct error unused = {0};
    return (parser_at_word(p, "fill") || parser_at_word(p, "fill_left") || parser_at_word(p, "fill_right")) &&
           lexer_next(&ahead, &next, &unused) == 0 && next.kind == TOKEN_LPAREN;
}

static bool parse_value(struct parser *p, double *out)
{
    if (!parser_take(p, TOKEN_LPAREN, "\"(\"")) {
        return false;
    }
    bool negative = p->tok.kind == TOKEN_SUB;
    if ((negative || p->tok.kind == TOKEN_ADD) && !parser_advance(p)) {
        return false;
    }
    double v = p->tok.number;
    if (parser_at_word(p, "inf") || parser_at_word(p, "nan")) {
        v = parser_at_word(p, "inf") ? INFINITY : NAN;
    } else if (p->tok.kind != TOKEN_NUMBER && p->tok.kind != TOKEN_DURATION) {
        parser_unexpected(p, "a number to fill in");
        return false;
    }
    *out = negative ? -v : v;
    return parser_advance(p) && parser_take(p, TOKEN_RPAREN, "\")\" behind the number to fill in");
}

bool parse_fill(struct parser *p, struct expr *e)
{
    struct vector_matching *m = &e->binary.matching;
    while (!p->failed && at_fill(p)) {
        struct token at = p->tok;
        bool left = !parser_at_word(p, "fill_right"), right = !parser_at_word(p, "fill_left");
        double value;
        if (!parser_feature(p, FEATURE_BINOP_FILL_MODIFIERS, "fill modifiers are", &at)) {
            return false;
        }
        if (op_is_set(e->binary.op)) {
            parser_fail(p, ERR_PARSE, &at, "filling in missing series not allowed for set operators");
        } else if ((left && m->fill_left.given) || (right && m->fill_right.given)) {
            parser_fail(p, ERR_PARSE, &at, "a side of the operation can be filled in only once");
        }
        if (!parser_advance(p) || !parse_value(p, &value)) {
            return false;
        }
        m->fill_left = left ? (struct fill_value){true, value} : m->fill_left;
        m->fill_right = right ? (struct fill_value){true, value} : m->fill_right;
    }
    return !p->failed;
}
