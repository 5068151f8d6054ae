/* Two results are the same to the bit: series in the same order, labels, times, values. */
#pragma once
#include "src/query/query.h"
#include "tests/support/test.h"

static inline void assert_same_series(const struct query_result *a, const struct query_result *b)
{
    assert_true(a->n > 0);
    assert_int_equal(a->n, b->n);
    for (size_t i = 0; i < a->n; i++) {
        assert_true(labels_eq(a->series[i].labels, b->series[i].labels));
        assert_int_equal(a->series[i].n, b->series[i].n);
        assert_memory_equal(a->series[i].points, b->series[i].points, a->series[i].n * sizeof(struct point));
    }
}
