#include "src/query/extended.h"

#include "src/query/impl.h"
#include "src/query/rollup.h"

int64_t extent_before_ms(const struct eval *ev, const struct expr *selector)
{
    return selector->extent == EXTENT_WINDOW ? 0 : ev->options.lookback_ms;
}

int64_t extent_after_ms(const struct eval *ev, const struct expr *selector)
{
    return selector->extent == EXTENT_SMOOTHED ? ev->options.lookback_ms : 0;
}

/* ---- which functions know which modifier ---- */

#define ANCHORED_FUNCTIONS "changes, delta, increase, rate, resets"
#define SMOOTHED_FUNCTIONS "delta, increase, rate"

static bool is_counting(const struct function *f)
{
    return f->kind == FUNCTION_ROLLUP && (f->rollup == rollup_changes || f->rollup == rollup_resets);
}

int extent_check(struct eval *ev, const struct expr *call)
{
    const struct function *f = call->call.function;
    for (size_t i = 0; i < call->call.arg_count; i++) {
        const struct expr *arg = expr_strip(call->call.args[i]);
        if (arg->kind != EXPR_RANGE || arg->extent == EXTENT_WINDOW || f->difference != DIFFERENCE_NONE) {
            continue;
        }
        bool anchored = arg->extent == EXTENT_ANCHORED;
        if (!anchored || !is_counting(f)) {
            return eval_fail(ev, "%s modifier can only be used with: %s - not with %s",
                             anchored ? "anchored" : "smoothed", anchored ? ANCHORED_FUNCTIONS : SMOOTHED_FUNCTIONS,
                             f->name);
        }
    }
    return 0;
}

/* ---- the samples of a window and around it ---- */

struct stretch {
    const int64_t *t_ms; /* n >= 1 samples */
    const double *v;
    size_t first, last; /* those that tell the values at the edges */
    int64_t from_ms, to_ms;
    bool smoothed;
};

/* Slides over the samples of one series; windows must not move back. */
struct slider {
    const struct samples *samples;
    size_t lo, hi;
};

/* False if nothing is known of the window. */
static bool slide(struct slider *s, const struct eval *ev, const struct expr *range, const struct grid *grid,
                  size_t step, struct stretch *out)
{
    const struct samples *samples = s->samples;
    *out = (struct stretch){.smoothed = range->extent == EXTENT_SMOOTHED};
    window_of(ev, range, grid, step, &out->from_ms, &out->to_ms);
    int64_t after_ms = out->from_ms - extent_before_ms(ev, range), until_ms = out->to_ms + extent_after_ms(ev, range);
    while (s->hi < samples->n && samples->t_ms[s->hi] <= until_ms) {
        s->hi++;
    }
    /* lo: the last sample at or before the left edge, if it is not too old */
    while (s->lo < s->hi &&
           (samples->t_ms[s->lo] <= after_ms || (s->lo + 1 < s->hi && samples->t_ms[s->lo + 1] <= out->from_ms))) {
        s->lo++;
    }
    if (s->lo == s->hi) {
        return false;
    }
    out->t_ms = samples->t_ms;
    out->v = samples->v;
    out->first = s->lo;
    out->last = s->hi - 1;
    while (out->smoothed && out->last > out->first && samples->t_ms[out->last - 1] >= out->to_ms) {
        out->last--;
    }
    return samples->t_ms[out->last] > out->from_ms && !(out->smoothed && samples->t_ms[out->first] > out->to_ms);
}

/* Between samples i and i + 1. A counter that was reset there began at zero. */
static double interpolate(const struct stretch *s, size_t i, int64_t t_ms, bool counter)
{
    double before = s->v[i], after = s->v[i + 1];
    if (counter && after < before) {
        before = 0;
    }
    return before + (after - before) * (double)(t_ms - s->t_ms[i]) / (double)(s->t_ms[i + 1] - s->t_ms[i]);
}

static double left_value(const struct stretch *s, bool counter)
{
    bool between = s->smoothed && s->t_ms[s->first] < s->from_ms;
    return between ? interpolate(s, s->first, s->from_ms, counter) : s->v[s->first];
}

static double right_value(const struct stretch *s, bool counter)
{
    bool between = s->smoothed && s->last > s->first && s->t_ms[s->last] > s->to_ms;
    return between ? interpolate(s, s->last - 1, s->to_ms, counter) : s->v[s->last];
}

/* Samples [*lo, *hi) within the window that are not at an edge themselves. */
static void inner_samples(const struct stretch *s, size_t *lo, size_t *hi)
{
    *lo = s->first + (s->t_ms[s->first] <= s->from_ms);
    *hi = s->last + (s->t_ms[s->last] < s->to_ms);
}

/* ---- functions ---- */

static double difference(const struct stretch *s, bool counter)
{
    double left = left_value(s, counter), right = right_value(s, counter), lost = 0, before = left;
    if (!counter) {
        return right - left;
    }
    size_t lo, hi;
    inner_samples(s, &lo, &hi);
    for (size_t i = lo; i < hi; i++) {
        lost += s->v[i] < before ? before : 0;
        before = s->v[i];
    }
    lost += right < before ? before : 0;
    return right - left + lost;
}

static double count_changes(const struct stretch *s, bool falls_only)
{
    size_t n = 0;
    for (size_t i = s->first + 1; i <= s->last; i++) {
        double before = s->v[i - 1], v = s->v[i];
        n += falls_only ? v < before : v != before && !(isnan(v) && isnan(before));
    }
    return (double)n;
}

static double value_of(const struct function *f, const struct stretch *s, int64_t range_ms)
{
    if (is_counting(f)) {
        return count_changes(s, f->rollup == rollup_resets);
    }
    double d = difference(s, f->difference != DIFFERENCE_DELTA);
    return f->difference == DIFFERENCE_RATE ? d / ((double)range_ms / 1000) : d;
}

struct extended {
    struct eval *ev;
    const struct expr *call, *range;
    const struct grid *grid;
    struct emit out;
    double *v;
};

static int extended_series(void *ctx, const struct samples *samples)
{
    struct extended *e = ctx;
    const struct function *f = e->call->call.function;
    struct slider slider = {.samples = samples};
    struct stretch s;
    bool any = false;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < e->grid->n; i++) {
        e->v[i] = absent();
        if (slide(&slider, e->ev, e->range, e->grid, i, &s)) {
            e->v[i] = value_of(f, &s, s.to_ms - s.from_ms);
            any = true;
            rc = eval_check_read(e->ev, 0, s.last - s.first + 1);
        }
    }
    if (rc < 0 || !any) {
        return rc;
    }
    remark_on_name(e->ev, e->call, samples->labels);
    return emit_column(e->out, &(struct column){.labels = samples->labels, .drop_name = true, .v = e->v});
}

int eval_extended(struct eval *ev, const struct expr *call, const struct expr *range, const struct grid *grid,
                  struct emit out)
{
    struct extended e = {.ev = ev, .call = call, .range = range, .grid = grid, .out = out, .v = column_new(ev, grid)};
    return eval_samples(ev, range, grid, false, (struct emit_samples){extended_series, &e});
}

/* ---- instant selectors ---- */

/* At the step, between its neighbours, or the one before; nothing where there is only one after. */
static double smoothed_value(const struct stretch *s)
{
    if (s->t_ms[s->last] == s->to_ms) {
        return s->v[s->last];
    }
    if (s->t_ms[s->first] > s->to_ms) {
        return absent();
    }
    return s->t_ms[s->last] > s->to_ms ? interpolate(s, s->last - 1, s->to_ms, false) : s->v[s->last];
}

static int smoothed_series(void *ctx, const struct samples *samples)
{
    struct extended *e = ctx;
    struct slider slider = {.samples = samples};
    struct stretch s;
    bool any = false;
    for (size_t i = 0; i < e->grid->n; i++) {
        slide(&slider, e->ev, e->range, e->grid, i, &s);
        e->v[i] = slider.lo < slider.hi ? smoothed_value(&s) : absent();
        any = any || !is_absent(e->v[i]);
    }
    return any ? emit_column(e->out, &(struct column){.labels = samples->labels, .v = e->v}) : 0;
}

int eval_smoothed(struct eval *ev, const struct expr *selector, const struct grid *grid, struct emit out)
{
    struct expr inner = *selector, range = *selector; /* a window of no length at each step, and what is around it */
    range.kind = EXPR_RANGE;
    range.type = VALUE_MATRIX;
    range.range.expr = &inner;
    range.range.range_ms = 0;
    range.range.step_ms = 0;
    struct extended e = {.ev = ev, .range = &range, .grid = grid, .out = out, .v = column_new(ev, grid)};
    return eval_samples(ev, &range, grid, false, (struct emit_samples){smoothed_series, &e});
}

/* ---- the range vector itself ---- */

struct edged {
    struct eval *ev;
    const struct expr *range;
    const struct grid *grid;
    struct emit_samples out;
};

static int edged_series(void *ctx, const struct samples *samples)
{
    struct edged *e = ctx;
    struct slider slider = {.samples = samples};
    struct stretch s;
    if (!slide(&slider, e->ev, e->range, e->grid, 0, &s)) {
        return 0;
    }
    int64_t *t_ms = arena_array(e->ev->arena, int64_t, samples->n + 2);
    double *v = arena_array(e->ev->arena, double, samples->n + 2);
    size_t lo, hi, n = 0;
    inner_samples(&s, &lo, &hi);
    t_ms[n] = s.from_ms;
    v[n++] = left_value(&s, false);
    for (size_t i = lo; i < hi; i++) {
        t_ms[n] = s.t_ms[i];
        v[n++] = s.v[i];
    }
    t_ms[n] = s.to_ms;
    v[n++] = right_value(&s, false);
    return e->out.fn(e->out.ctx, &(struct samples){.labels = samples->labels, .t_ms = t_ms, .v = v, .n = n});
}

int eval_extended_samples(struct eval *ev, const struct expr *range, const struct grid *grid, struct emit_samples out)
{
    struct edged e = {ev, range, grid, out};
    return eval_samples(ev, range, grid, false, (struct emit_samples){edged_series, &e});
}
