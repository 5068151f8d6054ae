#include "src/query/features.h"

static const struct {
    const char *name;
    uint32_t bits; /* 0: stable today */
} features[] = {
    {"promql-experimental-functions", FEATURE_EXPERIMENTAL_FUNCTIONS},
    {"promql-duration-expr", FEATURE_DURATION_EXPR},
    {"promql-extended-range-selectors", FEATURE_EXTENDED_RANGE_SELECTORS},
    {"promql-binop-fill-modifiers", FEATURE_BINOP_FILL_MODIFIERS},
    {"promql-delayed-name-removal", FEATURE_DELAYED_NAME_REMOVAL},
    {"promql-per-step-stats", FEATURE_PER_STEP_STATS},
    {"promql-at-modifier", 0},
    {"promql-negative-offset", 0},
};
#define FEATURE_COUNT (sizeof(features) / sizeof(features[0]))

static uint32_t enabled;

static int unknown(struct str name, struct error *err)
{
    auto_buf known;
    buf_init(&known, 1024);
    for (size_t i = 0; i < FEATURE_COUNT; i++) {
        buf_addf(&known, "%s%s", i ? ", " : "", features[i].name);
    }
    return error_set(err, ERR_CONFIG, "unknown feature \"%.*s\"; known are " STR_FMT,
                     name.len > 60 ? 60 : (int)name.len, name.p ? name.p : "", STR_ARG(buf_str(&known)));
}

int query_features_enable(struct str comma_list, struct error *err)
{
    uint32_t bits = 0;
    while (comma_list.len) {
        struct str name = str_trim(str_split(&comma_list, ','));
        size_t i = 0;
        while (i < FEATURE_COUNT && !str_is(name, features[i].name)) {
            i++;
        }
        if (i == FEATURE_COUNT) {
            return unknown(name, err);
        }
        bits |= features[i].bits;
    }
    enabled |= bits;
    return 0;
}

uint32_t query_features(void)
{
    return enabled;
}

void query_features_print(struct buf *out)
{
    const char *separator = "";
    for (size_t i = 0; i < FEATURE_COUNT; i++) {
        if (enabled & features[i].bits) {
            buf_addf(out, "%s%s", separator, features[i].name);
            separator = ",";
        }
    }
}

bool query_feature_required(enum query_feature feature, const char *what, int line, int column, struct error *err)
{
    if (enabled & feature) {
        return true;
    }
    size_t i = 0;
    while (features[i].bits != (uint32_t)feature) {
        i++;
    }
    (void)error_set_at(err, ERR_PARSE, line, column, "%s experimental, enable with --enable-feature=%s", what,
                       features[i].name);
    return false;
}
