#include "src/query/rollup_slide.h"

#include "src/query/impl.h"

#include <stdlib.h>

void slide_init(struct slide *s, double (*function)(const struct window *, const double *))
{
    *s = (struct slide){0};
    s->max = function == rollup_max || function == rollup_ts_of_max;
    s->mean = function == rollup_avg;
    if (function == rollup_max || function == rollup_min) {
        s->kind = SLIDE_EXTREME;
    } else if (function == rollup_ts_of_max || function == rollup_ts_of_min) {
        s->kind = SLIDE_TIME_OF_EXTREME;
    } else if (function == rollup_changes) {
        s->kind = SLIDE_CHANGES;
    } else if (s->mean || function == rollup_sum) {
        s->kind = SLIDE_SUM;
    } else if (function == rollup_quantile) {
        s->kind = SLIDE_QUANTILE;
    }
}

static void reserve(struct slide *s, struct arena *arena, size_t n)
{
    if (n <= s->cap) {
        return;
    }
    s->cap = 2 * n;
    switch (s->kind) {
    case SLIDE_EXTREME:
        s->stretches = arena_alloc(arena, s->cap * sizeof(*s->stretches));
        break;
    case SLIDE_TIME_OF_EXTREME:
    case SLIDE_CHANGES:
        s->index = arena_alloc(arena, s->cap * sizeof(*s->index));
        break;
    case SLIDE_SUM:
        s->older = arena_alloc(arena, s->cap * sizeof(*s->older));
        break;
    case SLIDE_QUANTILE:
        s->sorted = arena_alloc(arena, s->cap * sizeof(*s->sorted));
        s->sorted_next = arena_alloc(arena, s->cap * sizeof(*s->sorted));
        s->scratch = arena_alloc(arena, s->cap * sizeof(*s->scratch));
        break;
    case SLIDE_NONE:
        break;
    }
}

void slide_series(struct slide *s, struct arena *arena, const int64_t *t_ms, const double *v, size_t n)
{
    reserve(s, arena, n);
    s->t_ms = t_ms;
    s->v = v;
    s->lo = s->hi = s->head = s->tail = s->middle = 0;
    s->newer = (struct slide_sum){0};
    if (s->kind == SLIDE_CHANGES) {
        size_t count = 0;
        for (size_t i = 0; i < n; i++) {
            count += i && v[i] != v[i - 1] && !(isnan(v[i]) && isnan(v[i - 1]));
            s->index[i] = count;
        }
    }
}

/* ---- minimum and maximum ---- */

/* NaN loses to everything, also to NaN; of equals the first stays (0 and -0 are equal). */
static inline bool exceeds(bool max, double newer, double older)
{
    return isnan(older) || (max ? newer > older : newer < older);
}

static double extreme_of(const double *v, size_t n, bool max)
{
    double best = max ? -INFINITY : INFINITY;
    bool known = false;
    for (size_t i = 0; i < n; i++) {
        best = max ? (v[i] > best ? v[i] : best) : (v[i] < best ? v[i] : best);
    }
    for (size_t i = 0; i < n && !known && isinf(best); i++) { /* the infinity itself, or nothing but NaN */
        known = v[i] == best;
    }
    return known || !isinf(best) ? best : NAN;
}

#define STRETCH_MAX 64

static double extreme(struct slide *s, size_t lo, size_t hi)
{
    for (size_t from = s->hi > lo ? s->hi : lo, to; from < hi; from = to) {
        to = hi - from > STRETCH_MAX ? from + STRETCH_MAX : hi;
        double v = extreme_of(s->v + from, to - from, s->max);
        while (s->tail > s->head && exceeds(s->max, v, s->stretches[s->tail - 1].v)) {
            s->tail--;
        }
        s->stretches[s->tail++] = (struct slide_stretch){from, to, v};
    }
    while (s->stretches[s->head].to <= lo) {
        s->head++;
    }
    const struct slide_stretch *first = &s->stretches[s->head];
    if (first->from >= lo) {
        return first->v;
    }
    double rest = extreme_of(s->v + lo, first->to - lo, s->max); /* its extreme may have left */
    return s->head + 1 < s->tail && exceeds(s->max, first[1].v, rest) ? first[1].v : rest;
}

/* Of equals the last. */
static double time_of_extreme(struct slide *s, size_t lo, size_t hi)
{
    for (size_t i = s->hi > lo ? s->hi : lo; i < hi; i++) {
        while (s->tail > s->head) {
            double older = s->v[s->index[s->tail - 1]];
            if (s->v[i] != older && !exceeds(s->max, s->v[i], older)) {
                break;
            }
            s->tail--;
        }
        s->index[s->tail++] = i;
    }
    while (s->index[s->head] < lo) {
        s->head++;
    }
    return (double)s->t_ms[s->index[s->head]] / 1000;
}

/* ---- sums ---- */

static inline void sum_add(struct slide_sum *s, double v)
{
    kahan_add(v, &s->sum, &s->c);
    s->magnitude += fabs(v);
}

/* Both orders of summing err by less than about n * 2^-105 of the magnitudes: of a result that is at least a millionth
 * of them, by less than 1e-12 up to windows of more samples than memory holds. */
#define CANCELLATION_MAX 1e6

static bool sum_of_window(struct slide *s, size_t lo, size_t hi, double *out)
{
    if (lo >= s->middle) { /* the older part is used up: what is there becomes it */
        struct slide_sum sum = {0};
        for (size_t i = hi; i > lo; i--) {
            sum_add(&sum, s->v[i - 1]);
            s->older[i - 1] = sum;
        }
        s->middle = hi;
        s->newer = (struct slide_sum){0};
    } else {
        for (size_t i = s->hi; i < hi; i++) {
            sum_add(&s->newer, s->v[i]);
        }
    }
    struct slide_sum total = s->older[lo];
    kahan_add(s->newer.sum, &total.sum, &total.c);
    total.c += s->newer.c;
    total.magnitude += s->newer.magnitude;
    double value = total.sum + total.c;
    if (!isfinite(total.magnitude) || fabs(value) * CANCELLATION_MAX < total.magnitude) {
        return false;
    }
    double n = (double)(hi - lo);
    *out = s->mean ? total.sum / n + total.c / n : value;
    return true;
}

/* ---- quantiles ---- */

/* NaN first, -0 before 0: what leaves is found among its equals. */
static int order(double a, double b)
{
    if (isnan(a) || isnan(b)) {
        return (isnan(b) != 0) - (isnan(a) != 0);
    }
    if (a != b) {
        return a < b ? -1 : 1;
    }
    return (signbit(b) != 0) - (signbit(a) != 0);
}

static int order_of(const void *a, const void *b)
{
    return order(*(const double *)a, *(const double *)b);
}

static void copy_sorted(double *to, const double *from, size_t n)
{
    memcpy(to, from, n * sizeof(*to));
    qsort(to, n, sizeof(*to), order_of);
}

/* One pass: what has left is left out, what is new comes in between. */
static void merge(struct slide *s, size_t lo, size_t hi)
{
    size_t old_n = s->hi - s->lo, gone_n = lo - s->lo, new_n = hi - s->hi, n = 0, gone = 0, next = 0;
    const double *old = s->sorted;
    double *left = s->scratch, *entered = s->scratch + gone_n, *to = s->sorted_next;
    copy_sorted(left, s->v + s->lo, gone_n);
    copy_sorted(entered, s->v + s->hi, new_n);
    for (size_t i = 0; i < old_n; i++) {
        if (gone < gone_n && order(left[gone], old[i]) == 0) {
            gone++;
            continue;
        }
        while (next < new_n && order(entered[next], old[i]) < 0) {
            to[n++] = entered[next++];
        }
        to[n++] = old[i];
    }
    while (next < new_n) {
        to[n++] = entered[next++];
    }
    s->sorted_next = s->sorted;
    s->sorted = to;
}

#define SORT_ANEW 4 /* if more than one sample in so many is another */

static double quantile(struct slide *s, size_t lo, size_t hi, double q)
{
    if (lo >= s->hi || (lo - s->lo) + (hi - s->hi) > (s->hi - s->lo) / SORT_ANEW) {
        copy_sorted(s->sorted, s->v + lo, hi - lo);
    } else if (lo > s->lo || hi > s->hi) {
        merge(s, lo, hi);
    }
    return quantile_sorted(q, s->sorted, hi - lo);
}

bool slide_value(struct slide *s, size_t lo, size_t hi, const double *scalars, double *out)
{
    bool done = true;
    switch (s->kind) {
    case SLIDE_NONE:
        return false;
    case SLIDE_EXTREME:
        *out = extreme(s, lo, hi);
        break;
    case SLIDE_TIME_OF_EXTREME:
        *out = time_of_extreme(s, lo, hi);
        break;
    case SLIDE_CHANGES:
        *out = (double)(s->index[hi - 1] - s->index[lo]);
        break;
    case SLIDE_SUM:
        done = sum_of_window(s, lo, hi, out);
        break;
    case SLIDE_QUANTILE:
        *out = quantile(s, lo, hi, scalars[0]);
        break;
    }
    s->lo = lo;
    s->hi = hi;
    return done;
}
