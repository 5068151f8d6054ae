/*
 * Common subexpressions: what stands twice in a query is evaluated once.
 *
 *     sum(rate(x[5m])) / (sum(rate(x[5m])) + sum(rate(y[5m])))     the first sum is kept for the second place
 *
 * Found by their canonical text (print.c) before the query begins; only the largest ones count, parts of them are
 * not kept for themselves. At the first place the columns are copied as they stream by, at the others they are handed
 * out again, if the steps are the same: within a subquery they are others. What made a note is evaluated again, as its
 * notes name the place; what is too large to be kept, too. Samples read are counted once, so counts per step
 * (step_stats.h) switch it off.
 */
#pragma once
#include "src/query/eval.h"

struct shared;
struct shared_part;

/* NULL: nothing stands twice, or nobody wants to know (long texts). In ev->arena. */
struct shared *shared_find(struct eval *ev, const struct expr *expr);

/* The part that an expression of the tree is; NULL: not kept. */
struct shared_part *shared_part_of(struct shared *shared, const struct expr *expr);
/* True if the part is there for these steps: its columns were emitted, *rc is the result. */
bool shared_replay(struct eval *ev, struct shared_part *part, const struct grid *grid, struct emit out, int *rc);
/* To evaluate it with: keeps what goes to `out`. Then shared_recorded() with the result. */
struct emit shared_record(struct eval *ev, struct shared_part *part, const struct grid *grid, struct emit out);
void shared_recorded(struct eval *ev, struct shared_part *part, int rc);
