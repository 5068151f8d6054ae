#include "src/query/reading.h"

#include "src/query/extended.h"

static int select_failed(struct eval *ev, int rc)
{
    return error_set(ev->err, rc, "reading the store failed: %s", error_text(rc));
}

int reading_select(const struct reading *r, struct series_set *out)
{
    struct eval *ev = r->ev;
    uint64_t max = ev->options.max_series;
    size_t left = max > ev->stats.series ? (size_t)(max - ev->stats.series) : 0;
    int rc = snapshot_select(ev->snapshot, r->selector->selector.matchers, r->selector->selector.matcher_count,
                             r->from_ms, r->to_ms, max && left ? left : 0, ev->arena, out);
    if (rc == ERR_LIMIT || (rc == 0 && max && out->n > left)) {
        return error_set(ev->err, ERR_LIMIT,
                         "query processing would load too many series into memory in query execution: more than %llu",
                         (unsigned long long)max);
    }
    if (rc < 0) {
        return select_failed(ev, rc);
    }
    ev->stats.series += out->n;
    return 0;
}

void reading_release(struct reading *r)
{
    sample_columns_release(&r->samples);
    point_columns_release(&r->points);
}

#define SAMPLES_OF_A_POINT 5 /* as much memory */

int reading_points(struct reading *r, const struct series_ref *series)
{
    struct eval *ev = r->ev;
    int rc = snapshot_read_points(ev->snapshot, series->id, r->source.tier, r->from_ms, r->to_ms, &r->points);
    if (rc < 0) {
        return select_failed(ev, rc);
    }
    ev->stats.samples += r->points.n;
    source_used(ev, &r->source, r->selector, &r->points);
    return eval_check_read(ev, r->points.n * SAMPLES_OF_A_POINT, r->steps);
}

int reading_samples(struct reading *r, const struct series_ref *series)
{
    struct eval *ev = r->ev;
    if (r->source.points) {
        int rc = reading_points(r, series);
        if (rc == 0) {
            samples_of_points(&r->points, &r->samples);
        }
        return rc;
    }
    int rc = snapshot_read(ev->snapshot, series->id, r->from_ms, r->to_ms, &r->samples);
    if (rc < 0) {
        return select_failed(ev, rc);
    }
    ev->stats.samples += r->samples.n;
    return eval_check_read(ev, r->samples.n, r->steps);
}

static size_t drop_stale(struct sample_columns *samples)
{
    uint64_t stale = 0;
    for (size_t i = 0; i < samples->n; i++) { /* mostly there is none: told without a branch */
        stale |= (uint64_t)sample_is_stale(samples->v[i]);
    }
    if (!stale) {
        return samples->n;
    }
    size_t n = 0;
    for (size_t i = 0; i < samples->n; i++) {
        if (!sample_is_stale(samples->v[i])) {
            samples->t_ms[n] = samples->t_ms[i];
            samples->v[n++] = samples->v[i];
        }
    }
    return n;
}

int reading_range_samples(struct reading *r, const struct series_ref *series)
{
    int rc = reading_samples(r, series);
    r->samples.n = rc == 0 ? drop_stale(&r->samples) : 0;
    return rc;
}

void reading_init_instants(struct reading *r, struct eval *ev, const struct expr *selector, const struct grid *grid)
{
    int64_t first_ms = shifted_ms(ev, &selector->shift, grid_ms(grid, 0));
    int64_t last_ms = shifted_ms(ev, &selector->shift, grid_ms(grid, grid->n - 1));
    *r = (struct reading){.ev = ev,
                          .selector = selector,
                          .source = source_of(ev, selector, grid, true),
                          .steps = grid->n,
                          .from_ms = snap_instant(ev, first_ms) - ev->options.lookback_ms + 1,
                          .to_ms = snap_instant(ev, last_ms)};
}

void reading_init_range(struct reading *r, struct eval *ev, const struct expr *range, const struct grid *grid,
                        const struct source *source)
{
    *r = (struct reading){.ev = ev, .selector = range->range.expr, .source = *source, .steps = grid->n};
    int64_t unused;
    window_of(ev, range, grid, 0, &r->from_ms, &unused);
    window_of(ev, range, grid, grid->n - 1, &unused, &r->to_ms);
    r->from_ms += 1 - extent_before_ms(ev, range);
    r->to_ms += extent_after_ms(ev, range);
}

#define SCRAPE_INTERVAL_MS 15000 /* what is usual */
#define POINT_AS_SAMPLES   20    /* as much work */

uint64_t reading_samples_expected(const struct reading *r)
{
    uint64_t span_ms = r->to_ms > r->from_ms ? (uint64_t)r->to_ms - (uint64_t)r->from_ms : 0;
    bool coarse = r->source.points && r->source.tier != TIER_RAW;
    uint64_t n = span_ms / (coarse ? (uint64_t)tier_resolution_ms(r->source.tier) : SCRAPE_INTERVAL_MS);
    n = n < 1000000 ? n : 1000000;
    return r->source.points ? n * POINT_AS_SAMPLES : n;
}
