/* struct sample_columns: memory, order, cutting. */
#include "src/base/mem.h"
#include "storage/block.h"

void sample_columns_release(struct sample_columns *columns)
{
    mem_free(columns->t_ms);
    mem_free(columns->v);
    *columns = (struct sample_columns){0};
}

void sample_columns_reserve(struct sample_columns *columns, size_t n)
{
    if (columns->cap - columns->n >= n) {
        return;
    }
    size_t cap = columns->cap ? columns->cap : 128;
    while (cap - columns->n < n) {
        cap *= 2;
    }
    columns->t_ms = mem_realloc_array(columns->t_ms, cap, sizeof(*columns->t_ms));
    columns->v = mem_realloc_array(columns->v, cap, sizeof(*columns->v));
    columns->cap = cap;
}

/* Merges [from, mid) and [mid, to) of the index array; stable: equal times keep their order of arrival. */
static void merge(const int64_t *t_ms, const size_t *in, size_t *out, size_t from, size_t mid, size_t to)
{
    size_t a = from, b = mid;
    for (size_t i = from; i < to; i++) {
        bool left = a < mid && (b == to || t_ms[in[a]] <= t_ms[in[b]]);
        out[i] = left ? in[a++] : in[b++];
    }
}

/* Natural merge sort: what comes in is a few ascending runs. Returns the order, in one of the two arrays. */
static size_t *sort_runs(const int64_t *t_ms, size_t n, size_t *order, size_t *spare)
{
    for (size_t i = 0; i < n; i++) {
        order[i] = i;
    }
    for (;;) {
        size_t runs = 0;
        for (size_t from = 0; from < n; runs++) {
            size_t mid = from + 1, to;
            while (mid < n && t_ms[order[mid - 1]] <= t_ms[order[mid]]) {
                mid++;
            }
            for (to = mid; to < n && (to == mid || t_ms[order[to - 1]] <= t_ms[order[to]]);) {
                to++;
            }
            merge(t_ms, order, spare, from, mid, to);
            from = to;
        }
        size_t *swap = order;
        order = spare;
        spare = swap;
        if (runs <= 1) {
            return order;
        }
    }
}

void sample_columns_settle(struct sample_columns *columns)
{
    if (!columns->unsettled) {
        return;
    }
    size_t n = columns->n, kept = 0;
    auto_free size_t *first = mem_alloc(n * sizeof(*first));
    auto_free size_t *second = mem_alloc(n * sizeof(*second));
    const size_t *order = sort_runs(columns->t_ms, n, first, second);
    struct sample_columns sorted = {0};
    sample_columns_reserve(&sorted, n);
    for (size_t i = 0; i < n; i++) {
        int64_t t_ms = columns->t_ms[order[i]];
        if (kept && sorted.t_ms[kept - 1] == t_ms) {
            kept--; /* last write wins */
        }
        sorted.t_ms[kept] = t_ms;
        sorted.v[kept++] = columns->v[order[i]];
    }
    sorted.n = kept;
    sample_columns_release(columns);
    *columns = sorted;
}

size_t times_first_at_least(const int64_t *t_ms, size_t n, int64_t at_ms)
{
    size_t low = 0;
    while (n > 0) {
        size_t half = n / 2;
        low += t_ms[low + half] < at_ms ? n - half : 0;
        n = half;
    }
    return low;
}

void sample_columns_cut(struct sample_columns *columns, int64_t from_ms, int64_t to_ms)
{
    size_t from = times_first_at_least(columns->t_ms, columns->n, from_ms);
    size_t to = to_ms == INT64_MAX ? columns->n : times_first_at_least(columns->t_ms, columns->n, to_ms + 1);
    size_t n = to > from ? to - from : 0;
    if (from && n) {
        memmove(columns->t_ms, columns->t_ms + from, n * sizeof(*columns->t_ms));
        memmove(columns->v, columns->v + from, n * sizeof(*columns->v));
    }
    columns->n = n;
}
