/*
 * Trees as JSON. Source of the shape: Prometheus' web/api/v1/translate_ast.go of 3.x, for behaviour only.
 *
 * Trees are deeper than a json_writer: each node has a writer of its own on the same buffer.
 */
#include "src/query/ast.h"
#include "src/query/function.h"

static void write_expr(const struct expr *e, struct buf *out);

static void write_child(struct json_writer *w, struct str key, const struct expr *e)
{
    json_key(w, key);
    json_raw(w, STR("")); /* the place of the value */
    write_expr(e, w->out);
}

static void write_names(struct json_writer *w, struct str key, struct name_list names)
{
    json_key(w, key);
    json_begin_array(w);
    for (size_t i = 0; i < names.written_n; i++) {
        json_str(w, names.written[i]);
    }
    json_end_array(w);
}

static void write_matcher(struct json_writer *w, const struct matcher *m)
{
    static const char *const ops[] = {"=", "!=", "=~", "!~"};
    json_begin_object(w);
    json_field(w, "name", json_str, m->name);
    json_field(w, "type", json_str, str_of(ops[m->op]));
    json_field(w, "value", json_str, m->value);
    json_end_object(w);
}

/* The matcher of a name before the braces is the last one. */
static void write_matchers(struct json_writer *w, const struct expr *selector)
{
    size_t first = selector->selector.name_before ? 1 : 0;
    json_key(w, STR("matchers"));
    json_begin_array(w);
    for (size_t i = first; i < selector->selector.matcher_count; i++) {
        write_matcher(w, &selector->selector.matchers[i]);
    }
    if (first) {
        write_matcher(w, &selector->selector.matchers[0]);
    }
    json_end_array(w);
}

static void write_number(struct json_writer *w, double v)
{
    auto_buf text;
    buf_init(&text, 512);
    number_plain(v, &text);
    json_field(w, "type", json_str, STR("numberLiteral"));
    json_field(w, "val", json_str, buf_str(&text));
}

/* Parentheses are no node there but a property; a number in them is the sum of nothing and it. */
static void write_duration_expr(const struct duration_expr *d, struct buf *out)
{
    struct json_writer w;
    json_init(&w, out);
    if (!d) {
        json_nil(&w);
        return;
    }
    bool wrapped = d->op == DURATION_PAREN;
    while (d->op == DURATION_PAREN && d->rhs->op != DURATION_NUMBER) {
        d = d->rhs;
    }
    json_begin_object(&w);
    if (d->op == DURATION_NUMBER) {
        write_number(&w, d->seconds);
        json_field(&w, "duration", json_bool, d->has_unit);
        json_end_object(&w);
        return;
    }
    json_field(&w, "type", json_str, STR("durationExpr"));
    json_field(&w, "op", json_str, str_of(duration_op_text(d->op)));
    json_key(&w, STR("lhs"));
    json_raw(&w, STR(""));
    write_duration_expr(d->lhs, out);
    json_key(&w, STR("rhs"));
    json_raw(&w, STR(""));
    write_duration_expr(d->rhs, out);
    json_field(&w, "wrapped", json_bool, wrapped);
    json_end_object(&w);
}

/* A number of milliseconds; that of an expression is not known before a query. */
static void write_duration(struct json_writer *w, struct str key, int64_t ms, struct str expr_key,
                           const struct duration_expr *d)
{
    json_key(w, key);
    json_int(w, d ? 0 : ms);
    json_key(w, expr_key);
    json_raw(w, STR(""));
    write_duration_expr(d, w->out);
}

static void write_shift(struct json_writer *w, const struct time_shift *shift)
{
    write_duration(w, STR("offset"), shift->offset_ms, STR("offsetExpr"), shift->offset);
    json_key(w, STR("startOrEnd"));
    if (shift->at == AT_START || shift->at == AT_END) {
        json_str(w, shift->at == AT_START ? STR("start") : STR("end"));
    } else {
        json_nil(w);
    }
    json_key(w, STR("timestamp"));
    if (shift->at == AT_TIME) {
        json_int(w, shift->at_ms);
    } else {
        json_nil(w);
    }
}

static void write_selector(struct json_writer *w, const struct expr *e, const struct expr *selector)
{
    json_field(w, "type", json_str, e == selector ? STR("vectorSelector") : STR("matrixSelector"));
    json_field(w, "name", json_str, selector->selector.name_before ? selector->selector.name : STR(""));
    write_matchers(w, selector);
    write_shift(w, &e->shift);
    json_field(w, "anchored", json_bool, e->extent == EXTENT_ANCHORED);
    json_field(w, "smoothed", json_bool, e->extent == EXTENT_SMOOTHED);
    if (e != selector) {
        write_duration(w, STR("range"), e->range.range_ms, STR("rangeExpr"), e->range.range);
    }
}

static void write_subquery(struct json_writer *w, const struct expr *e)
{
    json_field(w, "type", json_str, STR("subquery"));
    write_child(w, STR("expr"), e->range.expr);
    write_duration(w, STR("range"), e->range.range_ms, STR("rangeExpr"), e->range.range);
    write_duration(w, STR("step"), e->range.step_ms, STR("stepExpr"), e->range.step);
    write_shift(w, &e->shift);
}

static void write_function(struct json_writer *w, const struct function *function)
{
    struct function_arity arity = function_arity(function);
    json_begin_object(w);
    json_field(w, "name", json_str, str_of(function->name));
    json_key(w, STR("argTypes"));
    json_begin_array(w);
    for (size_t i = 0; i < arity.type_count; i++) {
        json_str(w, str_of(value_type_name(arity.types[i])));
    }
    json_end_array(w);
    json_field(w, "variadic", json_int, arity.max == SIZE_MAX ? -1 : (int64_t)(arity.max - arity.required));
    json_field(w, "returnType", json_str, str_of(value_type_name(function->result)));
    json_end_object(w);
}

static void write_call(struct json_writer *w, const struct expr *e)
{
    json_field(w, "type", json_str, STR("call"));
    json_key(w, STR("func"));
    write_function(w, e->call.function);
    json_key(w, STR("args"));
    json_begin_array(w);
    for (size_t i = 0; i < e->call.arg_count; i++) {
        json_raw(w, STR(""));
        write_expr(e->call.args[i], w->out);
    }
    json_end_array(w);
}

static void write_aggregate(struct json_writer *w, const struct expr *e)
{
    json_field(w, "type", json_str, STR("aggregation"));
    json_field(w, "op", json_str, str_of(aggregation_info(e->aggregate.op)->name));
    write_child(w, STR("expr"), e->aggregate.expr);
    if (e->aggregate.param) {
        write_child(w, STR("param"), e->aggregate.param);
    } else {
        json_key(w, STR("param"));
        json_nil(w);
    }
    write_names(w, STR("grouping"), e->aggregate.names);
    json_field(w, "without", json_bool, e->aggregate.without);
}

static void write_matching(struct json_writer *w, const struct expr *e)
{
    static const char *const cards[] = {"one-to-one", "many-to-one", "one-to-many", "many-to-many"};
    const struct vector_matching *m = &e->binary.matching;
    json_key(w, STR("matching"));
    if (e->binary.lhs->type != VALUE_VECTOR || e->binary.rhs->type != VALUE_VECTOR) {
        json_nil(w);
        return;
    }
    json_begin_object(w);
    json_field(w, "card", json_str, str_of(cards[op_is_set(e->binary.op) ? CARD_MANY_TO_MANY : m->card]));
    write_names(w, STR("labels"), m->names);
    json_field(w, "on", json_bool, m->on);
    write_names(w, STR("include"), m->include);
    json_end_object(w);
}

static void write_binary(struct json_writer *w, const struct expr *e)
{
    json_field(w, "type", json_str, STR("binaryExpr"));
    json_field(w, "op", json_str, str_of(op_text(e->binary.op)));
    json_field(w, "bool", json_bool, e->binary.return_bool);
    write_child(w, STR("lhs"), e->binary.lhs);
    write_child(w, STR("rhs"), e->binary.rhs);
    write_matching(w, e);
}

static void write_node(struct json_writer *w, const struct expr *e)
{
    switch (e->kind) {
    case EXPR_NUMBER:
        write_number(w, e->number.value);
        return;
    case EXPR_STRING:
        json_field(w, "type", json_str, STR("stringLiteral"));
        json_field(w, "val", json_str, e->string);
        return;
    case EXPR_SELECTOR:
        write_selector(w, e, e);
        return;
    case EXPR_RANGE:
        write_selector(w, e, e->range.expr);
        return;
    case EXPR_SUBQUERY:
        write_subquery(w, e);
        return;
    case EXPR_CALL:
        write_call(w, e);
        return;
    case EXPR_AGGREGATE:
        write_aggregate(w, e);
        return;
    case EXPR_BINARY:
        write_binary(w, e);
        return;
    case EXPR_UNARY:
        json_field(w, "type", json_str, STR("unaryExpr"));
        json_field(w, "op", json_str, e->unary.negate ? STR("-") : STR("+"));
        write_child(w, STR("expr"), e->unary.expr);
        return;
    case EXPR_PAREN:
        json_field(w, "type", json_str, STR("parenExpr"));
        write_child(w, STR("expr"), e->paren);
        return;
    }
}

static void write_expr(const struct expr *e, struct buf *out)
{
    struct json_writer w;
    json_init(&w, out);
    json_begin_object(&w);
    write_node(&w, e);
    json_end_object(&w);
}

void expr_to_json(const struct expr *e, struct buf *out)
{
    write_expr(e, out);
}
