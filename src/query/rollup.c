/*
 * Slides a window over each series of a range vector and calls the range function at each step.
 *
 * Counter resets are found once per series, so that rate() looks at two samples and the resets between, whatever the
 * window's length. Where windows overlap much, rollup_slide.h makes the same of other functions.
 */
#include "src/base/number.h"
#include "src/query/extended.h"
#include "src/query/impl.h"
#include "src/query/rollup_slide.h"

#define ROLLUP_ARGS_MAX 2

struct rollup {
    struct eval *ev;
    const struct expr *call, *range;
    const struct grid *grid;
    const double *args[ROLLUP_ARGS_MAX];
    size_t arg_count;
    struct emit out;
    double *v; /* the column */
    size_t *resets, reset_cap;
    double *scratch;
    size_t scratch_cap;
    bool resets_read;                            /* by the function: only then they are looked for */
    bool counter;                                /* rate, increase: a name that is no counter's is remarked on */
    int (*check)(struct rollup *r, size_t step); /* of the arguments where a window has samples; may be NULL */
    struct slide slide;
};

static size_t find_resets(struct rollup *r, const struct samples *samples)
{
    size_t count = 0;
    for (size_t i = 1; i < samples->n; i++) {
        count += samples->v[i] < samples->v[i - 1];
    }
    if (count > r->reset_cap) {
        r->reset_cap = 2 * count;
        r->resets = arena_alloc(r->ev->arena, r->reset_cap * sizeof(*r->resets));
    }
    size_t n = 0;
    for (size_t i = 1; n < count; i++) {
        if (samples->v[i] < samples->v[i - 1]) {
            r->resets[n++] = i;
        }
    }
    return count;
}

void remark_on_name(struct eval *ev, const struct expr *call, struct labels labels)
{
    static const char *const endings[] = {"_total", "_sum", "_count", "_bucket"};
    struct str name = labels_get(labels, METRIC_NAME);
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        if (!name.len || str_ends(name, str_of(endings[i]))) {
            return;
        }
    }
    eval_info(ev, expr_strip(call->call.args[0]),
              "metric might not be a counter, name does not end in _total/_sum/_count/_bucket: \"" STR_FMT "\"",
              STR_ARG(name));
}

static int rollup_series(void *ctx, const struct samples *samples)
{
    struct rollup *r = ctx;
    if (samples->n > r->scratch_cap) {
        r->scratch_cap = 2 * samples->n;
        r->scratch = arena_alloc(r->ev->arena, r->scratch_cap * sizeof(*r->scratch));
    }
    size_t reset_total = r->resets_read ? find_resets(r, samples) : 0;
    slide_series(&r->slide, r->ev->arena, samples->t_ms, samples->v, samples->n);
    size_t lo = 0, hi = 0, reset_lo = 0, reset_hi = 0;
    int rc = 0;
    bool any = false;
    for (size_t i = 0; rc == 0 && i < r->grid->n; i++) {
        struct window w = {.scratch = r->scratch, .eval_ms = grid_ms(r->grid, i)};
        window_of(r->ev, r->range, r->grid, i, &w.from_ms, &w.to_ms);
        while (hi < samples->n && samples->t_ms[hi] <= w.to_ms) {
            hi++;
        }
        while (lo < hi && samples->t_ms[lo] <= w.from_ms) {
            lo++;
        }
        while (reset_hi < reset_total && r->resets[reset_hi] < hi) {
            reset_hi++;
        }
        while (reset_lo < reset_hi && r->resets[reset_lo] <= lo) { /* the fall to v[lo] lies before the window */
            reset_lo++;
        }
        r->v[i] = absent();
        if (lo == hi) {
            continue;
        }
        if (r->check && (rc = r->check(r, i)) < 0) {
            break;
        }
        w.t_ms = samples->t_ms + lo;
        w.v = samples->v + lo;
        w.n = hi - lo;
        w.resets = reset_total ? r->resets + reset_lo : NULL;
        w.reset_count = reset_hi - reset_lo;
        w.reset_base = lo;
        double scalars[ROLLUP_ARGS_MAX] = {0};
        for (size_t k = 0; k < r->arg_count; k++) {
            scalars[k] = r->args[k][i];
        }
        bool slid = r->slide.kind != SLIDE_NONE && slide_value(&r->slide, lo, hi, scalars, &r->v[i]);
        if (!slid) {
            r->v[i] = r->call->call.function->rollup(&w, scalars);
        }
        any = any || !is_absent(r->v[i]);
        /* one series with long windows may be the whole query's work */
        rc = eval_check_read(r->ev, 0, slid ? slide_work(&r->slide, w.n) : w.n);
    }
    if (r->counter && any && !samples->drop_name) {
        remark_on_name(r->ev, r->call, samples->labels);
    }
    struct column column = {
        .labels = samples->labels, .drop_name = samples->drop_name || !r->call->call.function->keeps_name, .v = r->v};
    return rc < 0 || !any ? rc : emit_column(r->out, &column);
}

static int check_smoothing(struct rollup *r, size_t step)
{
    static const char *const names[] = {"smoothing factor", "trend factor"};
    static const char *const letters[] = {"sf", "tf"};
    for (size_t k = 0; k < 2; k++) {
        double f = r->args[k][step];
        if (f <= 0 || f >= 1) {
            return eval_fail(r->ev, "invalid %s. Expected: 0 < %s < 1, got: %f", names[k], letters[k], f);
        }
    }
    return 0;
}

static int check_quantile(struct rollup *r, size_t step)
{
    double q = r->args[0][step];
    if (!(q >= 0 && q <= 1)) {
        char text[NUMBER_MAX];
        eval_warn(r->ev, r->call->call.args[0], "quantile value should be between 0 and 1, got %.*s",
                  (int)number_format(q, text), text);
    }
    return 0;
}

#define OVERLAP_MIN 3 /* windows a sample is in: below, each anew is as fast */

static bool windows_overlap(const struct rollup *r)
{
    return r->grid->n > 1 && r->range->range.range_ms / OVERLAP_MIN >= r->grid->step_ms;
}

int eval_rollup(struct eval *ev, const struct expr *call, const struct grid *grid, struct emit out)
{
    struct rollup r = {.ev = ev, .call = call, .grid = grid, .out = out};
    double (*fn)(const struct window *, const double *) = call->call.function->rollup;
    r.counter = fn == rollup_rate || fn == rollup_increase;
    r.resets_read = r.counter || fn == rollup_resets;
    for (size_t i = 0; i < call->call.arg_count; i++) {
        const struct expr *arg = call->call.args[i];
        if (arg->type == VALUE_MATRIX) {
            r.range = expr_strip(arg);
            continue;
        }
        double *values = column_new(ev, grid);
        int rc = eval_scalar(ev, arg, grid, values);
        if (rc < 0) {
            return rc;
        }
        r.args[r.arg_count++] = values;
    }
    r.check = fn == rollup_quantile ? check_quantile : fn == rollup_double_exponential ? check_smoothing : NULL;
    if (r.range->extent != EXTENT_WINDOW) {
        return eval_extended(ev, call, r.range, grid, out);
    }
    if (call->call.function->points && r.range->kind == EXPR_RANGE) {
        struct source source = source_of(ev, r.range, grid, true);
        if (source.points) {
            return eval_rollup_points(ev, call, r.range, grid, &source, out);
        }
    }
    if (windows_overlap(&r)) {
        slide_init(&r.slide, fn);
    }
    r.v = column_new(ev, grid);
    return eval_samples(ev, r.range, grid, false, (struct emit_samples){rollup_series, &r});
}
