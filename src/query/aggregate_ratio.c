/*
 * limit_ratio: a share of all series, chosen by the hash of their labels, so that every step and every query choose the
 * same, and r and -(1-r) together choose each series once: those that Prometheus chooses. Grouping changes nothing.
 */
#include "src/base/number.h"
#include "src/query/aggregate.h"

#define HASH_RANGE 18446744073709551616.0 /* 2^64 */

struct sampling {
    const double *ratio;
    size_t n;
    struct emit out;
};

static bool chosen(double ratio, double place)
{
    return ratio >= 0 ? place < ratio : place >= 1 + ratio;
}

static int sample_column(void *ctx, struct column *column)
{
    const struct sampling *s = ctx;
    struct str dropped = column->drop_name ? METRIC_NAME : STR("");
    double place = (double)labels_sampling_hash(column->labels, dropped) / HASH_RANGE; /* 0 to 1 */
    for (size_t i = 0; i < s->n; i++) {
        if (!chosen(s->ratio[i], place)) {
            column->v[i] = absent();
        }
    }
    return column_empty(column->v, s->n) ? 0 : emit_column(s->out, column);
}

int aggregate_ratio(struct eval *ev, const struct expr *expr, const struct grid *grid, struct emit out)
{
    double *ratio = column_new(ev, grid);
    int rc = eval_scalar(ev, expr->aggregate.param, grid, ratio);
    for (size_t i = 0; rc == 0 && i < grid->n; i++) {
        if (isnan(ratio[i])) {
            rc = eval_fail(ev, "Ratio value is NaN");
        } else if (fabs(ratio[i]) > 1) {
            char text[NUMBER_MAX];
            int len = (int)number_format(ratio[i], text);
            double capped = ratio[i] > 0 ? 1 : -1;
            eval_warn(ev, expr->aggregate.param, "ratio value should be between -1 and 1, got %.*s, capping to %g", len,
                      text, capped);
            ratio[i] = capped;
        }
    }
    struct sampling s = {.ratio = ratio, .n = grid->n, .out = out};
    return rc < 0 ? rc : eval_vector(ev, expr->aggregate.expr, grid, (struct emit){sample_column, &s});
}
