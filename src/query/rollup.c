/*
 * Range functions over samples: a window slides over each series of a range vector.
 *
 * windows.h tells which samples each step has; differences of counters it makes at once. Where windows overlap much,
 * rollup_slide.h saves looking at each sample once per window.
 */
#include "src/query/rollup.h"

#include "src/base/number.h"
#include "src/query/each_series.h"
#include "src/query/extended.h"
#include "src/query/impl.h"
#include "src/query/reading.h"
#include "src/query/rollup_slide.h"
#include "src/query/step_stats.h"
#include "src/query/windows.h"

#define ROLLUP_ARGS_MAX 2

/* What is the same for all series and threads. */
struct rollup_task {
    const struct expr *call, *range;
    const struct function *function;
    const struct grid *grid;
    struct source source; /* of a range of a selector */
    const double *args[ROLLUP_ARGS_MAX];
    size_t arg_count;
};

/* One thread's. */
struct rollup {
    const struct rollup_task *task;
    struct eval *ev;
    struct reading reading;
    struct windows windows;
    struct slide slide;
    /* Of the arguments, where a window has samples; may be NULL. */
    int (*check)(struct rollup *r, size_t step);
    double *scratch;
    size_t *resets;
    size_t scratch_cap, reset_cap;
};

void remark_on_name(struct eval *ev, const struct expr *call, struct labels labels)
{
    static const char *const endings[] = {"_total", "_sum", "_count", "_bucket"};
    struct str name = labels_get(labels, METRIC_NAME);
    if (!difference_of_counter(call->call.function->difference)) {
        return;
    }
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        if (!name.len || str_ends(name, str_of(endings[i]))) {
            return;
        }
    }
    eval_info(ev, expr_strip(call->call.args[0]),
              "metric might not be a counter, name does not end in _total/_sum/_count/_bucket: \"" STR_FMT "\"",
              STR_ARG(name));
}

/* ---- arguments ---- */

static int check_smoothing(struct rollup *r, size_t step)
{
    static const char *const names[] = {"smoothing factor", "trend factor"};
    static const char *const letters[] = {"sf", "tf"};
    for (size_t k = 0; k < 2; k++) {
        double f = r->task->args[k][step];
        if (f <= 0 || f >= 1) {
            return eval_fail(r->ev, "invalid %s. Expected: 0 < %s < 1, got: %f", names[k], letters[k], f);
        }
    }
    return 0;
}

static int check_quantile(struct rollup *r, size_t step)
{
    double q = r->task->args[0][step];
    if (!(q >= 0 && q <= 1)) {
        char text[NUMBER_MAX];
        eval_warn(r->ev, r->task->call->call.args[0], "quantile value should be between 0 and 1, got %.*s",
                  (int)number_format(q, text), text);
    }
    return 0;
}

/* ---- one series ---- */

/* Positions of falls to r->resets. */
static size_t find_resets(struct rollup *r, const double *v, size_t n)
{
    size_t count = 0, found = 0;
    for (size_t i = 1; i < n; i++) {
        count += v[i] < v[i - 1];
    }
    if (count > r->reset_cap) {
        r->reset_cap = 2 * count;
        r->resets = arena_alloc(r->ev->arena, r->reset_cap * sizeof(*r->resets));
    }
    for (size_t i = 1; found < count; i++) {
        if (v[i] < v[i - 1]) {
            r->resets[found++] = i;
        }
    }
    return count;
}

static int differences(struct rollup *r, const struct samples *samples, double *v, bool *any)
{
    bool counter = difference_of_counter(r->task->function->difference);
    size_t resets = counter ? find_resets(r, samples->v, samples->n) : 0;
    *any = windows_differences(&r->windows, samples->v, counter, r->resets, resets, v);
    if (*any && !samples->drop_name) {
        remark_on_name(r->ev, r->task->call, samples->labels);
    }
    return eval_check_read(r->ev, 0, r->windows.steps);
}

static double plain_value(const struct rollup *r, const struct samples *samples, size_t step, const double *scalars)
{
    const struct windows *w = &r->windows;
    struct window window = {.t_ms = samples->t_ms + w->lo[step],
                            .v = samples->v + w->lo[step],
                            .n = w->hi[step] - w->lo[step],
                            .from_ms = w->from_ms[step],
                            .to_ms = w->to_ms[step],
                            .eval_ms = grid_ms(r->task->grid, step),
                            .scratch = r->scratch};
    return r->task->function->rollup(&window, scalars);
}

static int values(struct rollup *r, const struct samples *samples, double *v, bool *any)
{
    if (samples->n > r->scratch_cap) {
        r->scratch_cap = 2 * samples->n;
        r->scratch = arena_alloc(r->ev->arena, r->scratch_cap * sizeof(*r->scratch));
    }
    slide_series(&r->slide, r->ev->arena, samples->t_ms, samples->v, samples->n);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < r->windows.steps; i++) {
        size_t lo = r->windows.lo[i], hi = r->windows.hi[i];
        v[i] = absent();
        if (lo == hi) {
            continue;
        }
        if (r->check && (rc = r->check(r, i)) < 0) {
            break;
        }
        double scalars[ROLLUP_ARGS_MAX] = {0};
        for (size_t k = 0; k < r->task->arg_count; k++) {
            scalars[k] = r->task->args[k][i];
        }
        bool slid = r->slide.kind != SLIDE_NONE && slide_value(&r->slide, lo, hi, scalars, &v[i]);
        if (!slid) {
            v[i] = plain_value(r, samples, i, scalars);
        }
        *any = *any || !is_absent(v[i]);
        /* one series with long windows may be the whole query's work */
        rc = eval_check_read(r->ev, 0, slid ? slide_work(&r->slide, hi - lo) : hi - lo);
    }
    return rc;
}

static int rollup_samples(struct rollup *r, const struct samples *samples, double *v, bool *any)
{
    windows_fit(&r->windows, samples->t_ms, samples->n);
    return r->task->function->difference ? differences(r, samples, v, any) : values(r, samples, v, any);
}

/* ---- all series ---- */

#define OVERLAP_MIN 3 /* windows a sample is in: below, each anew is as fast */

static bool windows_overlap(const struct rollup_task *task)
{
    return task->grid->n > 1 && task->range->range.range_ms / OVERLAP_MIN >= task->grid->step_ms;
}

static struct rollup *rollup_new(struct eval *ev, const struct rollup_task *task)
{
    struct rollup *r = arena_new(ev->arena, struct rollup);
    double (*fn)(const struct window *, const double *) = task->function->rollup;
    r->task = task;
    r->ev = ev;
    r->check = fn == rollup_quantile ? check_quantile : fn == rollup_double_exponential ? check_smoothing : NULL;
    windows_init(&r->windows, ev, task->range, task->grid);
    if (task->function->difference) {
        windows_extrapolate(&r->windows, task->function->difference == DIFFERENCE_RATE);
    } else if (windows_overlap(task)) {
        slide_init(&r->slide, fn);
    }
    return r;
}

static void *rollup_begin(struct eval *ev, const void *task)
{
    struct rollup *r = rollup_new(ev, task);
    reading_init_range(&r->reading, ev, r->task->range, r->task->grid, &r->task->source);
    return r;
}

static void rollup_end(void *state)
{
    reading_release(&((struct rollup *)state)->reading);
}

static int rollup_column(void *state, const struct series_ref *series, double *v, bool *any)
{
    struct rollup *r = state;
    int rc = reading_range_samples(&r->reading, series);
    const struct sample_columns *read = &r->reading.samples;
    if (rc < 0 || read->n == 0) {
        return rc;
    }
    if (step_stats_on(r->ev)) {
        step_stats_windows(r->ev, r->task->range, r->task->grid, read->t_ms, read->n);
    }
    return rollup_samples(
        r, &(struct samples){.labels = series->labels, .t_ms = read->t_ms, .v = read->v, .n = read->n}, v, any);
}

static int rollup_selector(struct eval *ev, struct rollup_task *task, struct emit out)
{
    task->source = source_of(ev, task->range, task->grid, false);
    struct reading r;
    struct series_set set;
    reading_init_range(&r, ev, task->range, task->grid, &task->source);
    struct series_job job = {.task = task,
                             .steps = task->grid->n,
                             .samples = reading_samples_expected(&r),
                             .drop_name = !task->function->keeps_name,
                             .begin = rollup_begin,
                             .column = rollup_column,
                             .end = rollup_end};
    int rc = reading_select(&r, &set);
    return rc < 0 ? rc : each_series(ev, &set, &job, out);
}

/* A subquery pushes its series. */
struct pushed {
    struct rollup *rollup;
    double *v;
    struct emit out;
};

static int rollup_pushed(void *ctx, const struct samples *samples)
{
    struct pushed *p = ctx;
    bool any = false;
    int rc = rollup_samples(p->rollup, samples, p->v, &any);
    struct column column = {.labels = samples->labels,
                            .drop_name = samples->drop_name || !p->rollup->task->function->keeps_name,
                            .v = p->v};
    return rc < 0 || !any ? rc : emit_column(p->out, &column);
}

static int read_args(struct eval *ev, struct rollup_task *task)
{
    for (size_t i = 0; i < task->call->call.arg_count; i++) {
        const struct expr *arg = task->call->call.args[i];
        if (arg->type == VALUE_MATRIX) {
            task->range = expr_strip(arg);
            continue;
        }
        double *values_of_arg = column_new(ev, task->grid);
        int rc = eval_scalar(ev, arg, task->grid, values_of_arg);
        if (rc < 0) {
            return rc;
        }
        task->args[task->arg_count++] = values_of_arg;
    }
    return 0;
}

int eval_rollup(struct eval *ev, const struct expr *call, const struct grid *grid, struct emit out)
{
    struct rollup_task task = {.call = call, .function = call->call.function, .grid = grid};
    int rc = read_args(ev, &task);
    if (rc < 0) {
        return rc;
    }
    if (task.range->extent != EXTENT_WINDOW) {
        return eval_extended(ev, call, task.range, grid, out);
    }
    if (task.range->kind == EXPR_SUBQUERY) {
        struct pushed p = {.rollup = rollup_new(ev, &task), .v = column_new(ev, grid), .out = out};
        return eval_samples(ev, task.range, grid, false, (struct emit_samples){rollup_pushed, &p});
    }
    if (task.function->points) {
        struct source source = source_of(ev, task.range, grid, true);
        if (source.points) {
            return eval_rollup_points(ev, call, task.range, grid, &source, out);
        }
    }
    return rollup_selector(ev, &task, out);
}
