/* Match groups: series of both sides of an operator with equal on (or not ignored) labels. */
#pragma once
#include "src/query/labelset.h"

struct match_groups {
    struct eval *ev;
    struct selection selection;
    struct group_table table;
    struct labels *labels; /* by group number */
    size_t n, cap;
};
void match_groups_init(struct match_groups *g, struct eval *ev, const struct vector_matching *matching);
uint32_t match_group(struct match_groups *g, const struct column *column, bool *created);
int64_t match_group_find(const struct match_groups *g, const struct column *column); /* -1: none */

/* Arithmetic and comparison of two vectors. */
int eval_match(struct eval *ev, const struct expr *expr, const struct grid *grid, struct emit out) MUST_USE;
