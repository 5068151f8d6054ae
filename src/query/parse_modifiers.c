/* What follows an expression: [5m], [1h:5m], offset 5m, @ 1700000000. */
#include "src/query/features.h"
#include "src/query/parse.h"

#include <math.h>

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
    int64_t ms = 0;
    const struct duration_expr *expr = NULL;
    if (!shift || !parser_advance(p) || !parse_offset_duration(p, &ms, &expr)) {
        return false;
    }
    if (shift->has_offset) {
        parser_fail(p, ERR_PARSE, &at, "offset may not be set multiple times");
        return false;
    }
    shift->has_offset = true;
    shift->offset_ms = ms;
    shift->offset = expr;
    e->varies = e->varies || (expr && expr->varies);
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
    int64_t range_ms = 0, step_ms = 0;
    const struct duration_expr *range = NULL, *step = NULL;
    bool subquery = false;
    if (!parser_advance(p) || !parse_duration(p, &range_ms, &range)) {
        return NULL;
    }
    if (p->tok.kind == TOKEN_COLON) {
        subquery = true;
        if (!parser_advance(p) || (p->tok.kind != TOKEN_RBRACKET && !parse_duration(p, &step_ms, &step))) {
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
    struct expr *range_expr = parser_node(p, subquery ? EXPR_SUBQUERY : EXPR_RANGE, &start);
    if (!subquery) {
        range_expr->extent = e->extent;
        e->extent = EXTENT_WINDOW;
    }
    range_expr->range.expr = e;
    range_expr->range.range_ms = range_ms;
    range_expr->range.step_ms = step_ms;
    range_expr->range.range = range;
    range_expr->range.step = step;
    range_expr->varies = (range && range->varies) || (step && step->varies);
    return parser_cover(p, range_expr, e);
}

/* anchored or smoothed after e. */
static bool parse_extent(struct parser *p, struct expr *e, enum extent extent)
{
    const char *word = extent == EXTENT_ANCHORED ? "anchored" : "smoothed";
    struct token at = {.line = e->line, .column = e->column};
    const char *why = NULL;
    if (!(query_features() & FEATURE_EXTENDED_RANGE_SELECTORS)) {
        why = "modifier is experimental and not enabled: it needs --enable-feature=promql-extended-range-selectors";
    } else if (e->kind == EXPR_SUBQUERY) {
        why = "modifier is not supported for subqueries";
    } else if (e->kind != EXPR_SELECTOR && e->kind != EXPR_RANGE) {
        why = "modifier may follow a selector only, like foo or foo[5m]";
    }
    if (why) {
        parser_fail(p, ERR_PARSE, &at, "%s %s", word, why);
        return false;
    }
    if (e->extent != EXTENT_WINDOW && e->extent != extent) {
        parser_fail(p, ERR_PARSE, &at, "anchored and smoothed modifiers cannot be used together");
        return false;
    }
    e->extent = extent;
    return parser_advance(p);
}

struct expr *parse_modifiers(struct parser *p, struct expr *e)
{
    while (e && !p->failed) {
        if (p->tok.kind == TOKEN_LBRACKET) {
            e = parse_range(p, e);
        } else if (parser_at_word(p, "offset")) {
            e = parse_offset(p, e) ? parser_cover(p, e, NULL) : NULL;
        } else if (p->tok.kind == TOKEN_AT) {
            e = parse_at(p, e) ? parser_cover(p, e, NULL) : NULL;
        } else if (parser_at_word(p, "anchored") || parser_at_word(p, "smoothed")) {
            enum extent extent = parser_at_word(p, "anchored") ? EXTENT_ANCHORED : EXTENT_SMOOTHED;
            e = parse_extent(p, e, extent) ? parser_cover(p, e, NULL) : NULL;
        } else {
            return e;
        }
    }
    return NULL;
}
