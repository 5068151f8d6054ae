/* cloche query --data: evaluates over a stopped cloche's store. */
#include "src/base/clock.h"
#include "src/tool/query.h"
#include "src/tool/remote.h"

#include <signal.h>

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal_number)
{
    (void)signal_number;
    interrupted = 1;
}

static bool is_interrupted(void *ctx)
{
    (void)ctx;
    return interrupted;
}

/* Once: a second Ctrl-C does not wait for the store. */
static void catch_interrupt(void)
{
    struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND};
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGINT, &action, NULL);
}

static int refused_at(const struct query_call *call, const struct error *err)
{
    auto_arena arena;
    arena_init(&arena);
    struct str text = err->line ? arena_printf(&arena, "%d:%d: parse error: %s", err->line, err->column, err->text)
                                : arena_printf(&arena, "parse error: %s", err->text);
    return query_refused(call, text);
}

static int evaluate(const struct query_call *call, struct store *store, const struct expr *expr, struct arena *arena,
                    struct query_result *out)
{
    const struct query_view *view = &call->view;
    struct query_options options = {.cancelled = is_interrupted};
    struct error err = {0};
    int64_t at_ms = call->has_time ? call->time_ms : clock_wall_ms();
    int rc = view->step_ms
                 ? query_range(store, expr, view->start_ms, view->end_ms, view->step_ms, &options, arena, out, &err)
                 : query_instant(store, expr, at_ms, &options, arena, out, &err);
    return rc ? query_refused(call, str_of(err.text[0] ? err.text : error_text(rc))) : 0;
}

/* A server refuses these before it evaluates, in the same words. */
static int check_range_type(const struct query_call *call, const struct expr *expr)
{
    enum value_type type = expr_type(expr);
    if (!call->view.step_ms || type == VALUE_SCALAR || type == VALUE_VECTOR) {
        return 0;
    }
    return query_refused(call, type == VALUE_MATRIX ? STR("invalid expression type \"range vector\" for range query, "
                                                          "must be Scalar or instant Vector")
                                                    : STR("invalid expression type \"string\" for range query, must "
                                                          "be Scalar or instant Vector"));
}

int query_local(const struct query_call *call, struct arena *arena, struct query_result *out)
{
    struct expr *expr = NULL;
    struct error err = {0};
    if (query_parse(str_of(call->expr), arena, &expr, &err)) {
        return refused_at(call, &err);
    }
    struct store *store = NULL;
    int status = check_range_type(call, expr);
    status = status ? status : remote_open_store(call->data, true, &store);
    if (status == 0) {
        catch_interrupt();
        status = evaluate(call, store, expr, arena, out);
        store_close(store);
    }
    expr_release(expr);
    (void)signal(SIGINT, SIG_DFL);
    if (interrupted) {
        (void)raise(SIGINT);
    }
    return status;
}
