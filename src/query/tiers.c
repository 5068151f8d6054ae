#include "src/query/tiers.h"

#include "src/base/clock.h"
#include "src/query/extended.h"

static const char *const tier_names[] = {[TIER_RAW] = "raw", [TIER_5M] = "5m", [TIER_1H] = "1h"};

const char *query_tier_name(enum tier tier)
{
    return tier_names[tier];
}

bool query_resolution_parse(struct str text, enum query_resolution *out)
{
    if (str_is(text, "auto")) {
        *out = RESOLUTION_AUTO;
        return true;
    }
    for (enum tier tier = TIER_RAW; tier < TIER_COUNT; tier++) {
        if (str_is(text, tier_names[tier])) {
            *out = (enum query_resolution)(RESOLUTION_RAW + tier);
            return true;
        }
    }
    return false;
}

void tiers_init(struct eval *ev)
{
    for (enum tier tier = TIER_RAW; tier < TIER_COUNT; tier++) {
        bool forced = ev->options.resolution != RESOLUTION_AUTO;
        bool allowed = ev->options.resolution == (enum query_resolution)(RESOLUTION_RAW + tier);
        int64_t only_ms = allowed ? INT64_MIN : INT64_MAX;
        ev->reach_ms[tier] = forced ? only_ms : snapshot_tier_from_ms(ev->snapshot, tier);
        ev->stored_ms[tier] = snapshot_tier_stored_ms(ev->snapshot, tier);
    }
}

/* Older than anything that is there is as good as the oldest. */
static int64_t needed_ms(const struct eval *ev, int64_t from_ms)
{
    int64_t oldest = INT64_MAX;
    for (enum tier tier = TIER_RAW; tier < TIER_COUNT; tier++) {
        oldest = ev->reach_ms[tier] < oldest ? ev->reach_ms[tier] : oldest;
    }
    return from_ms > oldest ? from_ms : oldest;
}

static enum tier finest_reaching(const struct eval *ev, int64_t from_ms)
{
    int64_t need = needed_ms(ev, from_ms);
    enum tier tier = TIER_RAW;
    while (ev->reach_ms[tier] > need) {
        tier++;
    }
    return tier;
}

/* Of what is there right after t_ms; 0: raw samples. */
static int64_t resolution_after(const struct eval *ev, int64_t t_ms)
{
    return t_ms + 1 >= ev->reach_ms[TIER_RAW] ? 0 : tier_resolution_ms(finest_reaching(ev, t_ms + 1));
}

static int64_t rounded_down(int64_t t_ms, int64_t resolution_ms)
{
    int64_t over = resolution_ms ? t_ms % resolution_ms : 0;
    return t_ms - over - (over < 0 ? resolution_ms : 0);
}

int64_t snap_instant(const struct eval *ev, int64_t t_ms)
{
    return rounded_down(t_ms, resolution_after(ev, t_ms));
}

void snap_window(const struct eval *ev, int64_t *from_ms, int64_t *to_ms)
{
    if (*from_ms + 1 >= ev->reach_ms[TIER_RAW]) {
        return;
    }
    int64_t resolution = resolution_after(ev, *to_ms);
    *from_ms = rounded_down(*from_ms, resolution_after(ev, *from_ms));
    *to_ms = rounded_down(*to_ms, resolution);
    if (*to_ms - *from_ms < resolution) {
        *from_ms = *to_ms - resolution;
    }
}

/* Do all windows consist of whole buckets? */
static bool whole_buckets(const struct eval *ev, const struct expr *selector, const struct grid *grid, int64_t range_ms,
                          int64_t resolution_ms)
{
    int64_t first = shifted_ms(ev, &selector->shift, grid_ms(grid, 0));
    int64_t second = grid->n > 1 ? shifted_ms(ev, &selector->shift, grid_ms(grid, 1)) : first;
    return first % resolution_ms == 0 && second % resolution_ms == 0 && range_ms % resolution_ms == 0;
}

struct source source_of(const struct eval *ev, const struct expr *selector, const struct grid *grid,
                        bool points_suffice)
{
    bool instant = selector->kind == EXPR_SELECTOR;
    int64_t first_ms = shifted_ms(ev, &selector->shift, grid_ms(grid, 0));
    int64_t range_ms = instant ? 0 : selector->range.range_ms;
    int64_t before_ms = instant ? ev->options.lookback_ms : range_ms + extent_before_ms(ev, selector);
    int64_t need = needed_ms(ev, first_ms - before_ms + 1);
    bool raw_reaches = ev->reach_ms[TIER_RAW] <= need;
    int64_t middle_ms = need + (shifted_ms(ev, &selector->shift, grid_ms(grid, grid->n - 1)) - need) / 2;
    bool little = instant && grid->n == 1;
    for (enum tier tier = TIER_1H; points_suffice && tier > TIER_RAW; tier--) {
        bool quicker = !raw_reaches || (!little && ev->stored_ms[tier] >= middle_ms);
        if (quicker && ev->reach_ms[tier] <= need &&
            whole_buckets(ev, selector, grid, range_ms, tier_resolution_ms(tier))) {
            return (struct source){.points = true, .exact = true, .tier = tier, .need_ms = need};
        }
    }
    bool forced = ev->options.resolution != RESOLUTION_AUTO;
    return (struct source){.points = !raw_reaches,
                           .exact = raw_reaches,
                           .tier = forced ? (enum tier)(ev->options.resolution - RESOLUTION_RAW) : TIER_RAW,
                           .need_ms = need};
}

static void remark(struct eval *ev, enum tier tier, const struct expr *selector)
{
    auto_buf until;
    buf_init(&until, 256);
    if (ev->reach_ms[TIER_RAW] < INT64_MAX) {
        buf_add(&until, STR(" before "));
        clock_format_rfc3339(ev->reach_ms[TIER_RAW], &until);
    }
    eval_info(ev, selector, "served from %s points" STR_FMT ", the answer is approximate there", tier_names[tier],
              STR_ARG(buf_str(&until)));
}

void source_used(struct eval *ev, const struct source *source, const struct expr *selector,
                 const struct point_columns *points)
{
    if (!points->n || (!source->exact && points->t_last_ms[0] >= ev->reach_ms[TIER_RAW])) {
        return;
    }
    enum tier tier = source->exact ? source->tier : finest_reaching(ev, source->need_ms);
    ev->stats.tier = tier > ev->stats.tier ? tier : ev->stats.tier;
    if (!source->exact) {
        remark(ev, tier, selector);
    }
}

void samples_of_points(const struct point_columns *points, struct sample_columns *out)
{
    if (out->cap < 2 * points->n) {
        out->cap = 2 * points->n;
        out->t_ms = mem_realloc_array(out->t_ms, out->cap, sizeof(*out->t_ms));
        out->v = mem_realloc_array(out->v, out->cap, sizeof(*out->v));
    }
    size_t n = 0;
    for (size_t i = 0; i < points->n; i++) {
        out->t_ms[n] = points->t_last_ms[i];
        out->v[n++] = points->last[i];
        if (points->ended[i] && points->count[i] > 0) { /* the marker lies in the same bucket: before the next point */
            out->t_ms[n] = points->t_last_ms[i] + 1;
            out->v[n++] = absent();
        }
    }
    out->n = n;
}
