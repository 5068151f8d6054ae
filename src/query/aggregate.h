/* Grouping shared by the aggregations that fold (aggregate.c) and those that choose series (aggregate_select.c). */
#pragma once
#include "src/query/labelset.h"

struct grouping {
    struct eval *ev;
    struct selection selection;
    struct group_table table;
    struct labels *labels; /* by group number */
    bool *drop_name;
    size_t n, cap, drop_cap;
};
void grouping_init(struct grouping *g, struct eval *ev, const struct expr *aggregate);
/* The group's number; *created when it is new. */
uint32_t grouping_find(struct grouping *g, const struct column *column, bool *created);

int aggregate_select(struct eval *ev, const struct expr *expr, const struct grid *grid, struct emit out) MUST_USE;
int aggregate_ratio(struct eval *ev, const struct expr *expr, const struct grid *grid, struct emit out) MUST_USE;
int aggregate_quantile(struct eval *ev, const struct expr *expr, const struct grid *grid, struct emit out) MUST_USE;
int aggregate_count_values(struct eval *ev, const struct expr *expr, const struct grid *grid, struct emit out) MUST_USE;
