/* Trees back to text, in one canonical shape that parses to the same tree. */
#include "src/base/clock.h"
#include "src/base/number.h"
#include "src/query/ast.h"
#include "src/query/function.h"

#include <math.h>

/* Double quotes with escapes of bytes that a reader could not see or the lexer would not take. */
void text_quote(struct str s, struct buf *out)
{
    buf_add_char(out, '"');
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c == '"' || c == '\\') {
            buf_addf(out, "\\%c", c);
        } else if (c == '\n') {
            buf_add(out, STR("\\n"));
        } else if (c < 0x20 || c >= 0x7f) {
            buf_addf(out, "\\x%02x", c);
        } else {
            buf_add_char(out, (char)c);
        }
    }
    buf_add_char(out, '"');
}

static void print_name(struct str name, struct buf *out)
{
    if (label_name_legal(name)) {
        buf_add(out, name);
    } else {
        text_quote(name, out);
    }
}

static void print_names(struct name_list names, struct buf *out)
{
    buf_add_char(out, '(');
    for (size_t i = 0; i < names.n; i++) {
        buf_add(out, i ? STR(", ") : STR(""));
        print_name(names.v[i], out);
    }
    buf_add_char(out, ')');
}

static void print_number(const struct expr *e, struct buf *out)
{
    double v = e->number.value;
    if (e->number.duration) {
        duration_format(llround(v * 1000), out);
        return;
    }
    if (isinf(v)) { /* "+Inf" would be read as a sign and a number */
        buf_add(out, STR("Inf"));
        return;
    }
    char text[NUMBER_MAX];
    buf_add_bytes(out, text, number_format(v, text));
}

/* Words that the parser reads as something else than a metric name. */
static bool name_needs_quotes(struct str name)
{
    static const char *const words[] = {"inf", "nan", "group_left", "group_right", "bool", "on", "ignoring"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (name.len == strlen(words[i]) && str_find_nocase(name, str_of(words[i])) == 0) {
            return true;
        }
    }
    /* followed by "by", "without" or "(" an aggregation's name would be taken for it; quoting is always right */
    enum aggregate_op op;
    return !metric_name_legal(name) || aggregation_find(name, &op);
}

static void print_selector(const struct expr *e, struct buf *out)
{
    static const char *const ops[] = {"=", "!=", "=~", "!~"};
    bool bare = e->selector.name.p && !name_needs_quotes(e->selector.name);
    bool quoted = e->selector.name.p && !bare;
    if (bare) {
        buf_add(out, e->selector.name);
    }
    size_t first = e->selector.name.p ? 1 : 0, printed = 0;
    /* The matcher of a name before the braces comes first; of a quoted one it may stand anywhere. */
    for (size_t i = 0; i < e->selector.matcher_count; i++) {
        const struct matcher *m = &e->selector.matchers[i];
        bool is_name = first && str_eq(m->name, METRIC_NAME);
        if (is_name && bare) {
            continue;
        }
        buf_add(out, printed++ ? STR(",") : STR("{"));
        if (is_name && quoted) {
            text_quote(m->value, out);
            continue;
        }
        print_name(m->name, out);
        buf_add(out, str_of(ops[m->op]));
        text_quote(m->value, out);
    }
    if (printed) {
        buf_add_char(out, '}');
    } else if (!bare) {
        buf_add(out, STR("{}"));
    }
}

static void print_modifiers(const struct expr *e, struct buf *out)
{
    const struct time_shift *shift = &e->shift;
    if (e->extent != EXTENT_WINDOW) {
        buf_add(out, e->extent == EXTENT_ANCHORED ? STR(" anchored") : STR(" smoothed"));
    }
    if (shift->at == AT_TIME) {
        char text[NUMBER_MAX];
        buf_add(out, STR(" @ "));
        buf_add_bytes(out, text, number_format((double)shift->at_ms / 1000, text));
    } else if (shift->at != AT_NONE) {
        buf_add(out, shift->at == AT_START ? STR(" @ start()") : STR(" @ end()"));
    }
    if (shift->has_offset) {
        int64_t ms = shift->offset_ms;
        buf_add(out, ms < 0 ? STR(" offset -") : STR(" offset "));
        duration_format(ms < 0 ? -ms : ms, out);
    }
}

static void print_call(const struct expr *e, struct buf *out)
{
    buf_addf(out, "%s(", e->call.function->name);
    for (size_t i = 0; i < e->call.arg_count; i++) {
        buf_add(out, i ? STR(", ") : STR(""));
        expr_print(e->call.args[i], out);
    }
    buf_add_char(out, ')');
}

static void print_aggregate(const struct expr *e, struct buf *out)
{
    buf_add(out, str_of(aggregation_info(e->aggregate.op)->name));
    if (e->aggregate.grouped) {
        buf_add(out, e->aggregate.without ? STR(" without ") : STR(" by "));
        print_names(e->aggregate.names, out);
        buf_add_char(out, ' ');
    }
    buf_add_char(out, '(');
    if (e->aggregate.param) {
        expr_print(e->aggregate.param, out);
        buf_add(out, STR(", "));
    }
    expr_print(e->aggregate.expr, out);
    buf_add_char(out, ')');
}

static void print_binary(const struct expr *e, struct buf *out)
{
    const struct vector_matching *m = &e->binary.matching;
    expr_print(e->binary.lhs, out);
    buf_addf(out, " %s%s ", op_text(e->binary.op), e->binary.return_bool ? " bool" : "");
    if (m->given) {
        buf_add(out, m->on ? STR("on ") : STR("ignoring "));
        print_names(m->names, out);
        buf_add_char(out, ' ');
    }
    if (m->card == CARD_MANY_TO_ONE || m->card == CARD_ONE_TO_MANY) {
        buf_add(out, m->card == CARD_MANY_TO_ONE ? STR("group_left ") : STR("group_right "));
        print_names(m->include, out);
        buf_add_char(out, ' ');
    }
    expr_print(e->binary.rhs, out);
}

void expr_print(const struct expr *e, struct buf *out)
{
    switch (e->kind) {
    case EXPR_NUMBER:
        print_number(e, out);
        return;
    case EXPR_STRING:
        text_quote(e->string, out);
        return;
    case EXPR_SELECTOR:
        print_selector(e, out);
        print_modifiers(e, out);
        return;
    case EXPR_RANGE:
    case EXPR_SUBQUERY:
        expr_print(e->range.expr, out);
        buf_add_char(out, '[');
        duration_format(e->range.range_ms, out);
        if (e->kind == EXPR_SUBQUERY) {
            buf_add_char(out, ':');
            if (e->range.step_ms) {
                duration_format(e->range.step_ms, out);
            }
        }
        buf_add_char(out, ']');
        print_modifiers(e, out);
        return;
    case EXPR_CALL:
        print_call(e, out);
        return;
    case EXPR_AGGREGATE:
        print_aggregate(e, out);
        return;
    case EXPR_BINARY:
        print_binary(e, out);
        return;
    case EXPR_UNARY:
        buf_add_char(out, e->unary.negate ? '-' : '+');
        expr_print(e->unary.expr, out);
        return;
    case EXPR_PAREN:
        buf_add_char(out, '(');
        expr_print(e->paren, out);
        buf_add_char(out, ')');
        return;
    }
}
