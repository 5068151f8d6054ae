/*
 * Bodies of Grafana's JSON data sources: any bytes give an error with a text, or a request whose steps lie within its
 * range and keep to its points, and whose targets parse or not, take the filters or not, without harm.
 */
#include "src/base/thread.h"
#include "web/api/grafana_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_steps(const struct grafana_request *in)
{
    struct grafana_steps s = grafana_steps(in);
    invariant(s.step_ms > 0 && s.start_ms >= in->from_ms && s.start_ms <= s.end_ms && s.end_ms <= in->to_ms);
    invariant((s.end_ms - s.start_ms) / s.step_ms < in->max_points);
}

/* What a filter adds is found again in the text of the tree, and that parses. */
static void check_target(const struct grafana_request *in, const struct grafana_target *t, struct arena *arena)
{
    struct expr *expr = NULL, *again = NULL;
    struct error err = {0};
    invariant(t->text.len > 0);
    if (query_parse(t->text, arena, &expr, &err)) {
        return;
    }
    int rc = query_restrict(expr, in->filters.v, in->filters.n, arena, &err);
    rc = rc ? rc : query_restrict(expr, t->filters.v, t->filters.n, arena, &err);
    invariant(rc == 0 || err.text[0]);
    auto_buf text;
    buf_init(&text, 16u << 20);
    if (rc == 0) {
        expr_print(expr, &text);
        if (!text.failed && text.len < 200000 && query_parse(buf_str(&text), arena, &again, &err) == 0) {
            invariant(expr_type(again) == expr_type(expr));
            expr_release(again);
        }
    }
    expr_release(expr);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_arena arena;
    arena_init(&arena);
    auto_grafana in = {0};
    struct error err = {0};
    if (grafana_read(str_make((const char *)data, size), 1767225600000, 15000, &arena, &in, &err)) {
        invariant(err.code < 0 && err.text[0]);
        return 0;
    }
    check_steps(&in);
    if (grafana_read_targets(&in, &arena, &err)) {
        invariant(err.code < 0 && err.text[0]);
        return 0;
    }
    for (size_t i = 0; i < in.target_count; i++) {
        check_target(&in, &in.targets[i], &arena);
    }
    return 0;
}
