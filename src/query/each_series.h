/*
 * One column of each series of a selector: read and reckoned by up to four processors, as many as are free, handed on
 * in the order of the series by the thread that asks.
 *
 * Each thread has a snapshot of its own (a twin: the same samples), an arena, and notes, which are put behind one
 * another in the order of the series. What comes out is the same, bit for bit, whatever the number of threads; little
 * work, and work while others use the processors, is done by the asking thread alone.
 */
#pragma once
#include "src/query/eval.h"

struct series_job {
    const void *task; /* what begin() is given */
    size_t steps;     /* of a column */
    uint64_t samples; /* of a series, as far as can be told before */
    bool drop_name;
    /* A thread's own state, with ev for everything that it does; in ev->arena. */
    void *(*begin)(struct eval *ev, const void *task);
    /* One series: fills v, *any: there is a value. */
    int (*column)(void *state, const struct series_ref *series, double *v, bool *any);
    void (*end)(void *state); /* may be NULL */
};

int each_series(struct eval *ev, const struct series_set *set, const struct series_job *job, struct emit out) MUST_USE;
