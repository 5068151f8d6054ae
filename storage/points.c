#include "storage/points.h"

#include "src/base/kahan.h"
#include "src/base/mem.h"

#include <stdlib.h>

#define EACH_COLUMN(X) X(t_first_ms) X(t_last_ms) X(count) X(sum) X(min) X(max) X(first) X(last) X(drops) X(ended)

/* ---- memory ---- */

void point_columns_release(struct point_columns *columns)
{
#define RELEASE(c) mem_free(columns->c);
    EACH_COLUMN(RELEASE)
    *columns = (struct point_columns){0};
}

void point_columns_reserve(struct point_columns *columns, size_t n)
{
    if (columns->cap - columns->n >= n) {
        return;
    }
    size_t cap = columns->cap ? columns->cap : 64;
    while (cap - columns->n < n) {
        cap *= 2;
    }
#define GROW(c) columns->c = mem_realloc_array(columns->c, cap, sizeof(*columns->c));
    EACH_COLUMN(GROW)
    columns->cap = cap;
}

struct tier_point point_columns_get(const struct point_columns *columns, size_t i)
{
    struct tier_point point;
#define GET(c) point.c = columns->c[i];
    EACH_COLUMN(GET)
    return point;
}

static void set(struct point_columns *columns, size_t i, const struct tier_point *point)
{
#define SET(c) columns->c[i] = point->c;
    EACH_COLUMN(SET)
}

void point_columns_push(struct point_columns *columns, const struct tier_point *point)
{
    point_columns_reserve(columns, 1);
    set(columns, columns->n++, point);
}

void point_columns_append(struct point_columns *columns, const struct point_columns *other, size_t from, size_t to)
{
    if (from >= to) {
        return;
    }
    point_columns_reserve(columns, to - from);
#define COPY(c) memcpy(columns->c + columns->n, other->c + from, (to - from) * sizeof(*columns->c));
    EACH_COLUMN(COPY)
    columns->n += to - from;
}

/* ---- samples to points, points to points ---- */

int64_t bucket_end_ms(int64_t resolution_ms, int64_t t_ms)
{
    if (!resolution_ms) {
        return t_ms;
    }
    int64_t over = t_ms % resolution_ms; /* negative before the epoch: rounded up already */
    return t_ms - over + (over > 0 ? resolution_ms : 0);
}

static struct tier_point point_of_sample(int64_t t_ms, double v)
{
    bool stale = sample_is_stale(v);
    return (struct tier_point){.t_first_ms = t_ms,
                               .t_last_ms = t_ms,
                               .count = stale ? 0 : 1,
                               .sum = stale ? 0 : v,
                               .min = v,
                               .max = v,
                               .first = v,
                               .last = v,
                               .ended = stale};
}

/* A bucket's point as it grows. */
struct growing {
    struct tier_point point; /* sum: not compensated yet */
    double c;
    int64_t end_ms; /* of the bucket */
    bool any;
};

/* What is next in the same bucket. A marker says only that the series ended; a sample begins a bucket of markers anew.
 */
static void grow(struct growing *g, const struct tier_point *next)
{
    struct tier_point *p = &g->point;
    if (p->count == 0) {
        *p = *next;
        return;
    }
    p->ended = next->ended;
    if (next->count == 0) {
        return;
    }
    p->drops += (next->first < p->last ? p->last : 0) + next->drops;
    p->t_last_ms = next->t_last_ms;
    p->last = next->last;
    p->count += next->count;
    kahan_add(next->sum, &p->sum, &g->c);
    if (next->min < p->min || isnan(p->min)) {
        p->min = next->min;
    }
    if (next->max > p->max || isnan(p->max)) {
        p->max = next->max;
    }
}

static void finish(const struct growing *g, struct point_columns *out)
{
    if (g->any) {
        struct tier_point point = g->point;
        point.sum = kahan_value(point.sum, g->c);
        point_columns_push(out, &point);
    }
}

static void feed(struct growing *g, int64_t resolution_ms, const struct tier_point *next, struct point_columns *out)
{
    if (g->any && next->t_last_ms <= g->end_ms) {
        grow(g, next);
        return;
    }
    finish(g, out);
    *g = (struct growing){.point = *next, .end_ms = bucket_end_ms(resolution_ms, next->t_last_ms), .any = true};
}

void points_of_samples(int64_t resolution_ms, const int64_t *t_ms, const double *v, size_t n, struct point_columns *out)
{
    struct growing g = {0};
    for (size_t i = 0; i < n; i++) {
        struct tier_point next = point_of_sample(t_ms[i], v[i]);
        feed(&g, resolution_ms, &next, out);
    }
    finish(&g, out);
}

void points_of_points(int64_t resolution_ms, const struct point_columns *finer, struct point_columns *out)
{
    struct growing g = {0};
    for (size_t i = 0; i < finer->n; i++) {
        struct tier_point next = point_columns_get(finer, i);
        feed(&g, resolution_ms, &next, out);
    }
    finish(&g, out);
}

/* ---- order ---- */

static bool is_settled(int64_t resolution_ms, const struct point_columns *columns)
{
    for (size_t i = 1; i < columns->n; i++) {
        if (columns->t_last_ms[i] <= bucket_end_ms(resolution_ms, columns->t_last_ms[i - 1])) {
            return false;
        }
    }
    return true;
}

struct place {
    int64_t end_ms;
    size_t i;
};

static int place_cmp(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    int c = (x->end_ms > y->end_ms) - (x->end_ms < y->end_ms);
    return c ? c : (x->i > y->i) - (x->i < y->i);
}

void point_columns_settle(int64_t resolution_ms, struct point_columns *columns)
{
    if (is_settled(resolution_ms, columns)) {
        return;
    }
    size_t n = columns->n;
    auto_free struct place *places = mem_alloc(n * sizeof(*places));
    for (size_t i = 0; i < n; i++) {
        places[i] = (struct place){bucket_end_ms(resolution_ms, columns->t_last_ms[i]), i};
    }
    qsort(places, n, sizeof(*places), place_cmp);
    struct point_columns settled = {0};
    point_columns_reserve(&settled, n);
    for (size_t i = 0; i < n; i++) {
        if (i + 1 == n || places[i + 1].end_ms != places[i].end_ms) {
            point_columns_append(&settled, columns, places[i].i, places[i].i + 1);
        }
    }
    point_columns_release(columns);
    *columns = settled;
}

/* The first point whose bucket ends at or after t_ms. */
static size_t first_ending(int64_t resolution_ms, const struct point_columns *columns, int64_t t_ms)
{
    size_t low = 0;
    for (size_t high = columns->n; low < high;) {
        size_t mid = low + (high - low) / 2;
        if (bucket_end_ms(resolution_ms, columns->t_last_ms[mid]) < t_ms) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

void point_columns_cut(int64_t resolution_ms, struct point_columns *columns, int64_t from_ms, int64_t to_ms)
{
    size_t from = first_ending(resolution_ms, columns, from_ms);
    size_t to = to_ms >= INT64_MAX - resolution_ms
                    ? columns->n
                    : first_ending(resolution_ms, columns, bucket_end_ms(resolution_ms, to_ms) + 1);
    size_t n = to > from ? to - from : 0;
    if (from && n) {
#define MOVE(c) memmove(columns->c, columns->c + from, n * sizeof(*columns->c));
        EACH_COLUMN(MOVE)
    }
    columns->n = n;
}
