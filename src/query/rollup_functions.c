/*
 * The range functions. Each sees one window of one series (at least one sample) and gives a value or absent().
 * Source of the arithmetic: Prometheus promql/functions.go, 3.x, for behaviour only.
 */
#include "src/query/impl.h"
#include "src/query/rollup.h"

#define UNUSED(x) (void)(x)

/* ---- differences ---- */

/* To the window's ends if the gap is at most 1.1 of the average distance of samples, else by half that distance. */
static void gaps(const struct edges *edges, int64_t from_ms, int64_t to_ms, double *to_start, double *to_end)
{
    double average = (double)(edges->last_ms - edges->first_ms) / 1000 / (edges->count - 1);
    double threshold = average * 1.1;
    *to_start = (double)(edges->first_ms - from_ms) / 1000;
    *to_end = (double)(to_ms - edges->last_ms) / 1000;
    if (*to_start >= threshold) {
        *to_start = average / 2;
    }
    if (*to_end >= threshold) {
        *to_end = average / 2;
    }
}

static double factor_of(double sampled, double to_start, double to_end, int64_t window_ms, bool per_second)
{
    double factor = (sampled + to_start + to_end) / sampled;
    return per_second ? factor / ((double)window_ms / 1000) : factor;
}

double extrapolation(const struct edges *edges, int64_t from_ms, int64_t to_ms, bool per_second, double *to_start)
{
    double to_end, sampled = (double)(edges->last_ms - edges->first_ms) / 1000;
    gaps(edges, from_ms, to_ms, to_start, &to_end);
    return factor_of(sampled, *to_start, to_end, to_ms - from_ms, per_second);
}

double extrapolate(const struct edges *edges, int64_t from_ms, int64_t to_ms, bool counter, bool per_second)
{
    double to_start, to_end, difference = edges->difference;
    double sampled = (double)(edges->last_ms - edges->first_ms) / 1000;
    gaps(edges, from_ms, to_ms, &to_start, &to_end);
    if (counter && difference > 0 && edges->first >= 0) { /* not beyond the point where it was zero */
        double to_zero = sampled * (edges->first / difference);
        to_start = to_zero < to_start ? to_zero : to_start;
    }
    return difference * factor_of(sampled, to_start, to_end, to_ms - from_ms, per_second);
}

double rollup_irate(const struct window *w, const double *scalars)
{
    UNUSED(scalars);
    if (w->n < 2) {
        return absent();
    }
    double last = w->v[w->n - 1], before = w->v[w->n - 2];
    double difference = last < before ? last : last - before;
    return difference / ((double)(w->t_ms[w->n - 1] - w->t_ms[w->n - 2]) / 1000);
}

double rollup_idelta(const struct window *w, const double *scalars)
{
    UNUSED(scalars);
    return w->n < 2 ? absent() : w->v[w->n - 1] - w->v[w->n - 2];
}

double rollup_changes(const struct window *w, const double *scalars)
{
    UNUSED(scalars);
    size_t n = 0;
    for (size_t i = 1; i < w->n; i++) {
        n += w->v[i] != w->v[i - 1] && !(isnan(w->v[i]) && isnan(w->v[i - 1]));
    }
    return (double)n;
}

double rollup_resets(const struct window *w, const double *scalars)
{
    UNUSED(scalars);
    size_t n = 0;
    for (size_t i = 1; i < w->n; i++) {
        n += w->v[i] < w->v[i - 1];
    }
    return (double)n;
}

/* ---- regression ---- */

struct line {
    double slope, intercept;
};

static struct line regression(const struct window *w, int64_t origin_ms)
{
    double sum_x = 0, sum_y = 0, sum_xy = 0, sum_xx = 0, c_x = 0, c_y = 0, c_xy = 0, c_xx = 0;
    bool constant = true;
    for (size_t i = 0; i < w->n; i++) {
        double x = (double)(w->t_ms[i] - origin_ms) / 1000, y = w->v[i];
        constant = constant && y == w->v[0];
        kahan_add(x, &sum_x, &c_x);
        kahan_add(y, &sum_y, &c_y);
        kahan_add(x * y, &sum_xy, &c_xy);
        kahan_add(x * x, &sum_xx, &c_xx);
    }
    if (constant) {
        return isinf(w->v[0]) ? (struct line){NAN, NAN} : (struct line){0, w->v[0]};
    }
    sum_x += c_x;
    sum_y += c_y;
    sum_xy += c_xy;
    sum_xx += c_xx;
    double n = (double)w->n;
    double slope = (sum_xy - sum_x * sum_y / n) / (sum_xx - sum_x * sum_x / n);
    return (struct line){slope, sum_y / n - slope * sum_x / n};
}

double rollup_deriv(const struct window *w, const double *scalars)
{
    UNUSED(scalars);
    return w->n < 2 ? absent() : regression(w, w->t_ms[0]).slope;
}

double rollup_predict_linear(const struct window *w, const double *scalars)
{
    if (w->n < 2) {
        return absent();
    }
    struct line line = regression(w, w->eval_ms);
    return line.slope * scalars[0] + line.intercept;
}

/* Holt's method: a level and a trend, each smoothed with its own factor. */
double rollup_double_exponential(const struct window *w, const double *scalars)
{
    if (w->n < 2) {
        return absent();
    }
    double sf = scalars[0], tf = scalars[1];
    double before = 0, level = w->v[0], trend = w->v[1] - w->v[0];
    for (size_t i = 1; i < w->n; i++) {
        if (i > 1) {
            trend = tf * (level - before) + (1 - tf) * trend;
        }
        double next = sf * w->v[i] + (1 - sf) * (level + trend);
        before = level;
        level = next;
    }
    return level;
}

/* ---- aggregates ---- */

double rollup_sum(const struct window *w, const double *scalars)
{
    UNUSED(scalars);
    double sum = 0, c = 0;
    for (size_t i = 0; i < w->n; i++) {
        kahan_add(w->v[i], &sum, &c);
    }
    return kahan_value(sum, c);
}

double rollup_avg(const struct window *w, const double *scalars)
{
    UNUSED(scalars);
    struct mean mean = {0};
    for (size_t i = 0; i < w->n; i++) {
        mean_add(&mean, w->v[i]);
    }
    return mean_value(&mean);
}

double rollup_min(const struct window *w, const double *scalars)
{
    UNUSED(scalars);
    double min = w->v[0];
    for (size_t i = 1; i < w->n; i++) {
        if (w->v[i] < min || isnan(min)) {
            min = w->v[i];
        }
    }
    return min;
}

double rollup_max(const struct window *w, const double *scalars)
{
    UNUSED(scalars);
    double max = w->v[0];
    for (size_t i = 1; i < w->n; i++) {
        if (w->v[i] > max || isnan(max)) {
            max = w->v[i];
        }
    }
    return max;
}

double rollup_count(const struct window *w, const double *scalars)
{
    UNUSED(scalars);
    return (double)w->n;
}

double rollup_last(const struct window *w, const double *scalars)
{
    UNUSED(scalars);
    return w->v[w->n - 1];
}

double rollup_first(const struct window *w, const double *scalars)
{
    UNUSED(scalars);
    return w->v[0];
}

double rollup_present(const struct window *w, const double *scalars)
{
    UNUSED(w);
    UNUSED(scalars);
    return 1;
}

double rollup_stdvar(const struct window *w, const double *scalars)
{
    UNUSED(scalars);
    struct variance variance = {0};
    for (size_t i = 0; i < w->n; i++) {
        variance_add(&variance, w->v[i]);
    }
    return variance_value(&variance);
}

double rollup_stddev(const struct window *w, const double *scalars)
{
    return sqrt(rollup_stdvar(w, scalars));
}

double rollup_quantile(const struct window *w, const double *scalars)
{
    memcpy(w->scratch, w->v, w->n * sizeof(*w->v));
    sort_doubles(w->scratch, w->n);
    return quantile_sorted(scalars[0], w->scratch, w->n);
}

double rollup_mad(const struct window *w, const double *scalars)
{
    UNUSED(scalars);
    static const double half = 0.5;
    double median = rollup_quantile(w, &half);
    for (size_t i = 0; i < w->n; i++) {
        w->scratch[i] = fabs(w->v[i] - median);
    }
    sort_doubles(w->scratch, w->n);
    return quantile_sorted(0.5, w->scratch, w->n);
}

/* ---- times ---- */

double rollup_ts_of_first(const struct window *w, const double *scalars)
{
    UNUSED(scalars);
    return (double)w->t_ms[0] / 1000;
}

double rollup_ts_of_last(const struct window *w, const double *scalars)
{
    UNUSED(scalars);
    return (double)w->t_ms[w->n - 1] / 1000;
}

double rollup_ts_of_max(const struct window *w, const double *scalars)
{
    UNUSED(scalars);
    size_t at = 0;
    for (size_t i = 1; i < w->n; i++) {
        if (w->v[i] >= w->v[at] || isnan(w->v[at])) {
            at = i;
        }
    }
    return (double)w->t_ms[at] / 1000;
}

double rollup_ts_of_min(const struct window *w, const double *scalars)
{
    UNUSED(scalars);
    size_t at = 0;
    for (size_t i = 1; i < w->n; i++) {
        if (w->v[i] <= w->v[at] || isnan(w->v[at])) {
            at = i;
        }
    }
    return (double)w->t_ms[at] / 1000;
}
