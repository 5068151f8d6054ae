/* Dispatch by node, limits, notes, and the two entry points. */
#include "src/base/clock.h"
#include "src/query/extended.h"
#include "src/query/impl.h"
#include "src/query/shared.h"

#include <stdarg.h>
#include <stdatomic.h>

/* ---- limits and notes ---- */

int eval_fail(struct eval *ev, const char *fmt, ...)
{
    char text[sizeof(ev->err->text)];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    return error_set(ev->err, ERR_EXEC, "%s", text);
}

size_t eval_memory(const struct eval *ev)
{
    return ev->arena->used_bytes - ev->arena_base;
}

/* The clock and the caller are asked once in this much work: about a millisecond. */
#define WORK_BETWEEN_CHECKS 200000
#define WORK_OF_A_CALL      64

static int check_patience(struct eval *ev, uint64_t work)
{
    if (ev->work_left > work) {
        ev->work_left -= work;
        return 0;
    }
    ev->work_left = WORK_BETWEEN_CHECKS;
    if (ev->options.progress) {
        atomic_store_explicit(&ev->options.progress->samples, ev->stats.samples, memory_order_relaxed);
        atomic_store_explicit(&ev->options.progress->memory_bytes, eval_memory(ev), memory_order_relaxed);
    }
    if (ev->options.deadline_mono_ms && clock_mono_ms() >= ev->options.deadline_mono_ms) {
        return error_set(ev->err, ERR_TIMEOUT, "query timed out in expression evaluation");
    }
    if (ev->options.cancelled && ev->options.cancelled(ev->options.cancelled_ctx)) {
        return error_set(ev->err, ERR_CANCELLED, "query was canceled in expression evaluation");
    }
    return 0;
}

int eval_check_read(struct eval *ev, uint64_t samples, uint64_t work)
{
    if (ev->samples_held + samples > ev->options.max_samples) {
        return error_set(ev->err, ERR_LIMIT,
                         "query processing would load too many samples into memory in query execution");
    }
    if (eval_memory(ev) > ev->options.max_memory_bytes) {
        return error_set(ev->err, ERR_LIMIT, "the query needs more than %zu MiB of memory in query execution",
                         ev->options.max_memory_bytes >> 20);
    }
    return check_patience(ev, samples + work + WORK_OF_A_CALL);
}

int eval_check(struct eval *ev, uint64_t samples)
{
    int rc = eval_check_read(ev, samples, 0);
    ev->samples_held += samples;
    return rc;
}

#define NOTES_MAX 10 /* of each kind, as Prometheus' API shows */

static void add_note(struct eval *ev, struct note **list, size_t *count, struct str text)
{
    while (*list) {
        if (str_eq((*list)->text, text)) {
            return;
        }
        list = &(*list)->next;
    }
    if (*count < NOTES_MAX) {
        *list = arena_new(ev->arena, struct note);
        (*list)->text = arena_dup(ev->arena, text);
        (*count)++;
    }
}

__attribute__((format(printf, 4, 0))) static void note(struct eval *ev, const char *kind, const struct expr *at,
                                                       const char *fmt, va_list args)
{
    auto_buf b;
    buf_init(&b, 4096);
    char text[2048];
    vsnprintf(text, sizeof(text), fmt, args);
    buf_addf(&b, "PromQL %s: %s (%d:%d)", kind, text, at->line, at->column);
    bool warning = kind[0] == 'w';
    struct eval_notes *notes = &ev->notes;
    add_note(ev, warning ? &notes->warnings : &notes->infos, warning ? &notes->warning_count : &notes->info_count,
             buf_str(&b));
}

void eval_warn(struct eval *ev, const struct expr *at, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    note(ev, "warning", at, fmt, args);
    va_end(args);
}

void eval_info(struct eval *ev, const struct expr *at, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    note(ev, "info", at, fmt, args);
    va_end(args);
}

void eval_add_notes(struct eval *ev, const struct eval_notes *notes)
{
    for (const struct note *it = notes->warnings; it; it = it->next) {
        add_note(ev, &ev->notes.warnings, &ev->notes.warning_count, it->text);
    }
    for (const struct note *it = notes->infos; it; it = it->next) {
        add_note(ev, &ev->notes.infos, &ev->notes.info_count, it->text);
    }
}

/* ---- columns ---- */

double *column_new(struct eval *ev, const struct grid *grid)
{
    double *v = arena_alloc(ev->arena, grid->n * sizeof(*v) + 1);
    for (size_t i = 0; i < grid->n; i++) {
        v[i] = absent();
    }
    return v;
}

bool column_empty(const double *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!is_absent(v[i])) {
            return false;
        }
    }
    return true;
}

/* ---- dispatch ---- */

struct str eval_string(const struct expr *expr)
{
    return expr_strip(expr)->string;
}

#define SCALAR_ARGS_MAX 4

struct element_op {
    const struct function *function;
    const double *args[SCALAR_ARGS_MAX];
    size_t arg_count, n;
    struct emit out;
};

static int element_column(void *ctx, struct column *column)
{
    const struct element_op *op = ctx;
    double scalars[SCALAR_ARGS_MAX] = {1, 1, 1, 1}; /* round's optional argument is 1 */
    for (size_t i = 0; i < op->n; i++) {
        if (is_absent(column->v[i])) {
            continue;
        }
        for (size_t k = 0; k < op->arg_count; k++) {
            scalars[k] = op->args[k][i];
        }
        column->v[i] = op->function->element(column->v[i], scalars);
    }
    column->drop_name = true;
    return emit_column(op->out, column);
}

/* Calendar functions without an argument look at the evaluation's time. */
static int element_of_time(struct eval *ev, struct element_op *op, const struct grid *grid)
{
    double *v = column_new(ev, grid);
    for (size_t i = 0; i < grid->n; i++) {
        v[i] = (double)grid_ms(grid, i) / 1000;
    }
    struct column column = {.v = v};
    return element_column(op, &column);
}

static int eval_element(struct eval *ev, const struct expr *call, const struct grid *grid, struct emit out)
{
    struct element_op op = {.function = call->call.function, .n = grid->n, .out = out};
    const struct expr *input = NULL;
    for (size_t i = 0; i < call->call.arg_count; i++) {
        const struct expr *arg = call->call.args[i];
        if (arg->type == VALUE_VECTOR) {
            input = arg;
            continue;
        }
        double *values = column_new(ev, grid);
        int rc = eval_scalar(ev, arg, grid, values);
        if (rc < 0) {
            return rc;
        }
        op.args[op.arg_count++] = values;
    }
    return input ? eval_vector(ev, input, grid, (struct emit){element_column, &op}) : element_of_time(ev, &op, grid);
}

static int eval_call(struct eval *ev, const struct expr *call, const struct grid *grid, struct emit out)
{
    int rc = extent_check(ev, call);
    if (rc < 0) {
        return rc;
    }
    switch (call->call.function->kind) {
    case FUNCTION_ELEMENT:
        return eval_element(ev, call, grid, out);
    case FUNCTION_ROLLUP:
        return eval_rollup(ev, call, grid, out);
    case FUNCTION_STREAM:
        return call->call.function->stream(ev, call, grid, out);
    case FUNCTION_SCALAR:
        break;
    }
    return eval_fail(ev, "%s is no vector", call->call.function->name);
}

struct negate_op {
    size_t n;
    struct emit out;
};

static int negate_column(void *ctx, struct column *column)
{
    const struct negate_op *op = ctx;
    for (size_t i = 0; i < op->n; i++) {
        if (!is_absent(column->v[i])) {
            column->v[i] = -column->v[i];
        }
    }
    column->drop_name = true;
    return emit_column(op->out, column);
}

static int eval_operator(struct eval *ev, const struct expr *expr, const struct grid *grid, struct emit out)
{
    struct negate_op negate = {grid->n, out};
    switch (expr->kind) {
    case EXPR_SELECTOR:
        return expr->extent == EXTENT_SMOOTHED ? eval_smoothed(ev, expr, grid, out)
                                               : eval_selector(ev, expr, grid, false, out);
    case EXPR_CALL:
        return eval_call(ev, expr, grid, out);
    case EXPR_AGGREGATE:
        return eval_aggregate(ev, expr, grid, out);
    case EXPR_BINARY:
        return eval_binary(ev, expr, grid, out);
    case EXPR_UNARY:
        return eval_vector(ev, expr->unary.expr, grid,
                           expr->unary.negate ? (struct emit){negate_column, &negate} : out);
    case EXPR_PAREN:
        return eval_vector(ev, expr->paren, grid, out);
    case EXPR_NUMBER:
    case EXPR_STRING:
    case EXPR_RANGE:
    case EXPR_SUBQUERY:
        break;
    }
    return eval_fail(ev, "expected an instant vector, got %s", value_type_text(expr->type));
}

int eval_vector(struct eval *ev, const struct expr *expr, const struct grid *grid, struct emit out)
{
    int rc = eval_check(ev, 0); /* before each operator takes its columns */
    struct shared_part *part = ev->shared ? shared_part_of(ev->shared, expr) : NULL;
    if (rc < 0 || (part && shared_replay(ev, part, grid, out, &rc))) {
        return rc;
    }
    if (!part) {
        return eval_operator(ev, expr, grid, out);
    }
    rc = eval_operator(ev, expr, grid, shared_record(ev, part, grid, out));
    shared_recorded(ev, part, rc);
    return rc;
}

static int eval_scalar_binary(struct eval *ev, const struct expr *expr, const struct grid *grid, double *out)
{
    double *rhs = column_new(ev, grid);
    int rc = eval_scalar(ev, expr->binary.lhs, grid, out);
    rc = rc < 0 ? rc : eval_scalar(ev, expr->binary.rhs, grid, rhs);
    for (size_t i = 0; rc == 0 && i < grid->n; i++) {
        out[i] = binary_value(expr->binary.op, out[i], rhs[i]);
    }
    return rc;
}

int eval_scalar(struct eval *ev, const struct expr *expr, const struct grid *grid, double *out)
{
    expr = expr_strip(expr);
    int rc = eval_check(ev, 0);
    if (rc < 0) {
        return rc;
    }
    switch (expr->kind) {
    case EXPR_NUMBER:
        for (size_t i = 0; i < grid->n; i++) {
            out[i] = expr->number.value;
        }
        return 0;
    case EXPR_CALL:
        return expr->call.function->scalar(ev, expr, grid, out);
    case EXPR_BINARY:
        return eval_scalar_binary(ev, expr, grid, out);
    case EXPR_UNARY:
        rc = eval_scalar(ev, expr->unary.expr, grid, out);
        for (size_t i = 0; expr->unary.negate && i < grid->n; i++) {
            out[i] = -out[i];
        }
        return rc;
    default:
        return eval_fail(ev, "expected a scalar, got %s", value_type_text(expr->type));
    }
}
