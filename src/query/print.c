/* Trees back to text, in the shape of Prometheus' String(), which parses to the same tree. Source of the shape: its
 * promql/parser/printer.go of 3.x, for behaviour only. */
#include "src/base/clock.h"
#include "src/base/codec.h"
#include "src/base/number.h"
#include "src/query/ast.h"
#include "src/query/function.h"

#include <math.h>
#include <stdlib.h>

/* What strconv.IsPrint() is false for, of what occurs: controls, spaces but ' ', marks of direction, private use. */
static bool is_printable(uint32_t c)
{
    static const struct {
        uint32_t from, to;
    } hidden[] = {{0, 0x1f},        {0x7f, 0xa0},     {0xad, 0xad},       {0x1680, 0x1680}, {0x2000, 0x200f},
                  {0x2028, 0x202f}, {0x205f, 0x206f}, {0x3000, 0x3000},   {0xe000, 0xf8ff}, {0xfeff, 0xfeff},
                  {0xfff0, 0xfffb}, {0xfffe, 0xffff}, {0xe0000, 0x10ffff}};
    for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++) {
        if (c >= hidden[i].from && c <= hidden[i].to) {
            return false;
        }
    }
    return true;
}

/* The character of n bytes at p, valid UTF-8. */
static uint32_t code_point(const char *p, size_t n)
{
    uint32_t c = n == 1 ? (unsigned char)*p : (unsigned char)*p & (0xffu >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        c = c << 6 | ((unsigned char)p[i] & 0x3f);
    }
    return c;
}

static void quote_char(const char *p, size_t n, struct buf *out)
{
    static const char named[] = "\a\b\f\n\r\t\v", letters[] = "abfnrtv";
    uint32_t c = n ? code_point(p, n) : 0;
    const char *found = n == 1 && c ? strchr(named, (int)c) : NULL;
    if (n == 0) {
        buf_addf(out, "\\x%02x", (unsigned char)*p);
    } else if (c == '"' || c == '\\') {
        buf_addf(out, "\\%c", (char)c);
    } else if (found) {
        buf_addf(out, "\\%c", letters[found - named]);
    } else if (is_printable(c)) {
        buf_add_bytes(out, p, n);
    } else {
        buf_addf(out, c < 0x80 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x", c);
    }
}

void text_quote(struct str s, struct buf *out)
{
    buf_add_char(out, '"');
    for (size_t i = 0; i < s.len;) {
        size_t n = utf8_char(str_slice(s, i, s.len));
        quote_char(s.p + i, n, out);
        i += n ? n : 1;
    }
    buf_add_char(out, '"');
}

void number_plain(double v, struct buf *out)
{
    char text[NUMBER_MAX];
    struct str s = str_make(text, number_format(v, text));
    ptrdiff_t e = str_find_char(s, 'e');
    int64_t exponent;
    if (e < 0 || !str_to_int64(str_slice(s, (size_t)e + 1 + (s.p[e + 1] == '+'), s.len), &exponent)) {
        buf_add(out, s);
        return;
    }
    char digits[NUMBER_MAX];
    int n = 0;
    for (ptrdiff_t i = 0; i < e; i++) {
        if (s.p[i] >= '0' && s.p[i] <= '9') {
            digits[n++] = s.p[i];
        }
    }
    buf_add(out, s.p[0] == '-' ? STR("-") : STR(""));
    for (int64_t i = exponent < 0 ? exponent : 0; i < n || i <= exponent; i++) { /* place i has 10^(exponent - i) */
        buf_add_char(out, i >= 0 && i < n ? digits[i] : '0');
        if (i == exponent && i + 1 < n) {
            buf_add_char(out, '.');
        }
    }
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
    for (size_t i = 0; i < names.written_n; i++) {
        buf_add(out, i ? STR(", ") : STR(""));
        print_name(names.written[i], out);
    }
    buf_add_char(out, ')');
}

static void print_number(double value, bool has_unit, struct buf *out)
{
    if (has_unit) {
        buf_add(out, signbit(value) ? STR("-") : STR("")); /* -0s, too */
        duration_format(llround(fabs(value) * 1000), out);
    } else {
        number_plain(value, out);
    }
}

static void print_duration_expr(const struct duration_expr *d, struct buf *out)
{
    const char *op = duration_op_text(d->op);
    if (d->op == DURATION_NUMBER) {
        print_number(d->seconds, d->has_unit, out);
    } else if (d->op == DURATION_STEP || d->op == DURATION_RANGE) {
        buf_addf(out, "%s()", op);
    } else if (d->op == DURATION_MIN_OF || d->op == DURATION_MAX_OF) {
        buf_addf(out, "%s(", op);
        print_duration_expr(d->lhs, out);
        buf_add(out, STR(", "));
        print_duration_expr(d->rhs, out);
        buf_add_char(out, ')');
    } else if (d->op == DURATION_MINUS) {
        buf_add_char(out, '-');
        print_duration_expr(d->rhs, out);
    } else if (d->op == DURATION_PAREN) {
        buf_add_char(out, '(');
        print_duration_expr(d->rhs, out);
        buf_add_char(out, ')');
    } else {
        print_duration_expr(d->lhs, out);
        buf_addf(out, " %s ", op);
        print_duration_expr(d->rhs, out);
    }
}

static void print_duration(int64_t ms, const struct duration_expr *d, struct buf *out)
{
    if (d) {
        print_duration_expr(d, out);
        return;
    }
    buf_add(out, ms < 0 ? STR("-") : STR(""));
    duration_format(ms < 0 ? -ms : ms, out);
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

static struct str matcher_text(const struct matcher *m, struct arena *arena)
{
    static const char *const ops[] = {"=", "!=", "=~", "!~"};
    auto_buf out;
    buf_init(&out, QUERY_TEXT_MAX * 8);
    print_name(m->name, &out);
    buf_add(&out, str_of(ops[m->op]));
    text_quote(m->value, &out);
    return arena_dup(arena, buf_str(&out));
}

static int by_text(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* Matchers in the order of their text, as Prometheus has them. */
static void print_selector(const struct expr *e, struct buf *out)
{
    bool bare = e->selector.name_before && !name_needs_quotes(e->selector.name);
    struct arena arena;
    arena_init(&arena);
    struct str *texts = arena_array(&arena, struct str, e->selector.matcher_count + 1);
    size_t n = 0;
    for (size_t i = bare ? 1 : 0; i < e->selector.matcher_count; i++) { /* that of a name before the braces is first */
        texts[n++] = matcher_text(&e->selector.matchers[i], &arena);
    }
    if (n > 1) {
        qsort(texts, n, sizeof(*texts), by_text);
    }
    buf_add(out, bare ? e->selector.name : STR(""));
    for (size_t i = 0; i < n; i++) {
        buf_add(out, i ? STR(",") : STR("{"));
        buf_add(out, texts[i]);
    }
    buf_add(out, n ? STR("}") : bare ? STR("") : STR("{}"));
    arena_release(&arena);
}

/* Then an operator behind it would belong to it (parse_duration.c). */
static bool begins_with_paren(const struct duration_expr *d)
{
    while (d && duration_op_is_infix(d->op)) {
        d = d->lhs;
    }
    return d && d->op == DURATION_PAREN;
}

static void print_offset(const struct time_shift *shift, struct buf *out)
{
    if (shift->offset_ms || shift->offset) {
        buf_add(out, STR(" offset "));
        print_duration(shift->offset_ms, shift->offset, out);
    }
}

/* The offset is the last, as Prometheus has it, unless what follows the others would then be taken for a part of it. */
static void print_modifiers(const struct expr *e, struct buf *out)
{
    const struct time_shift *shift = &e->shift;
    bool offset_first = begins_with_paren(shift->offset);
    if (offset_first) {
        print_offset(shift, out);
    }
    if (e->extent != EXTENT_WINDOW) {
        buf_add(out, e->extent == EXTENT_ANCHORED ? STR(" anchored") : STR(" smoothed"));
    }
    if (shift->at == AT_TIME) {
        buf_addf(out, " @ %.3f", (double)shift->at_ms / 1000);
    } else if (shift->at != AT_NONE) {
        buf_add(out, shift->at == AT_START ? STR(" @ start()") : STR(" @ end()"));
    }
    if (!offset_first) {
        print_offset(shift, out);
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

void expr_print_aggregation(const struct expr *e, struct buf *out)
{
    buf_add(out, str_of(aggregation_info(e->aggregate.op)->name));
    if (e->aggregate.without || e->aggregate.names.n) {
        buf_add(out, e->aggregate.without ? STR(" without ") : STR(" by "));
        print_names(e->aggregate.names, out);
        buf_add_char(out, ' ');
    }
}

static void print_aggregate(const struct expr *e, struct buf *out)
{
    expr_print_aggregation(e, out);
    buf_add_char(out, '(');
    if (e->aggregate.param) {
        expr_print(e->aggregate.param, out);
        buf_add(out, STR(", "));
    }
    expr_print(e->aggregate.expr, out);
    buf_add_char(out, ')');
}

static void print_fill(const char *word, double value, struct buf *out)
{
    char text[NUMBER_MAX];
    buf_addf(out, " %s (%.*s)", word, (int)number_format(value, text), text);
}

static void print_fills(const struct vector_matching *m, struct buf *out)
{
    const struct fill_value *left = &m->fill_left, *right = &m->fill_right;
    bool same = left->value == right->value || (isnan(left->value) && isnan(right->value));
    if (left->given && right->given && same && signbit(left->value) == signbit(right->value)) {
        print_fill("fill", left->value, out);
        return;
    }
    if (left->given) {
        print_fill("fill_left", left->value, out);
    }
    if (right->given) {
        print_fill("fill_right", right->value, out);
    }
}

void expr_print_operator(const struct expr *e, struct buf *out)
{
    const struct vector_matching *m = &e->binary.matching;
    bool grouped = m->card == CARD_MANY_TO_ONE || m->card == CARD_ONE_TO_MANY;
    buf_addf(out, "%s%s", op_text(e->binary.op), e->binary.return_bool ? " bool" : "");
    if (m->given && (m->on || m->names.n || grouped)) {
        buf_add(out, m->on ? STR(" on ") : STR(" ignoring "));
        print_names(m->names, out);
    }
    if (grouped) {
        buf_add(out, m->card == CARD_MANY_TO_ONE ? STR(" group_left ") : STR(" group_right "));
        print_names(m->include, out);
    }
    print_fills(m, out);
}

void expr_print_left(const struct expr *e, struct buf *out)
{
    const struct expr *lhs = e->binary.lhs;
    if (e->binary.op == OP_POW && lhs->kind == EXPR_NUMBER && isinf(lhs->number.value)) {
        buf_add(out, STR("Inf")); /* the sign of "+Inf ^ 2" is that of all of it */
    } else {
        expr_print(lhs, out);
    }
}

static void print_binary(const struct expr *e, struct buf *out)
{
    expr_print_left(e, out);
    buf_add_char(out, ' ');
    expr_print_operator(e, out);
    buf_add_char(out, ' ');
    expr_print(e->binary.rhs, out);
}

/* [1h:5m], and what follows. */
void expr_print_range(const struct expr *e, struct buf *out)
{
    buf_add_char(out, '[');
    print_duration(e->range.range_ms, e->range.range, out);
    if (e->kind == EXPR_SUBQUERY) {
        buf_add_char(out, ':');
        if (e->range.step_ms || e->range.step) {
            print_duration(e->range.step_ms, e->range.step, out);
        }
    }
    buf_add_char(out, ']');
    print_modifiers(e, out);
}

void expr_print(const struct expr *e, struct buf *out)
{
    switch (e->kind) {
    case EXPR_NUMBER:
        print_number(e->number.value, e->number.duration, out);
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
        expr_print_range(e, out);
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
