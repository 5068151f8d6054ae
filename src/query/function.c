#include "src/query/function.h"

#include "src/query/impl.h"

#include <ctype.h>

#define ELEMENT(f)          .kind = FUNCTION_ELEMENT, .element = f
#define ROLLUP(f)           .kind = FUNCTION_ROLLUP, .rollup = f
#define DIFFERENCE(d, p)    .kind = FUNCTION_ROLLUP, .difference = DIFFERENCE_##d, .points = p
#define ROLLUP_POINTS(f, p) .kind = FUNCTION_ROLLUP, .rollup = f, .points = p
#define ROLLUP_NAMED(f, p)  .kind = FUNCTION_ROLLUP, .rollup = f, .points = p, .keeps_name = true
#define STREAM(f)           .kind = FUNCTION_STREAM, .stream = f
#define SCALAR(f)           .kind = FUNCTION_SCALAR, .scalar = f

static const struct function functions[] = {
#define AGGREGATION(...)
#define FUNCTION(name_, args_, result_, implementation, signature_, help_)                                             \
    {.name = #name_, .args = args_, .result = result_, .signature = signature_, .help = help_, implementation},
#include "src/query/functions.def"
#undef FUNCTION
#undef AGGREGATION
};
#define FUNCTION_COUNT (sizeof(functions) / sizeof(functions[0]))

static const struct aggregation aggregations[] = {
#define FUNCTION(...)
#define AGGREGATION(id, name_, param_, signature_, help_)                                                              \
    [id] = {.name = name_, .param = param_, .signature = signature_, .help = help_},
#include "src/query/functions.def"
#undef FUNCTION
#undef AGGREGATION
};

const struct function *function_find(struct str name)
{
    for (size_t i = 0; i < FUNCTION_COUNT; i++) {
        if (str_is(name, functions[i].name)) {
            return &functions[i];
        }
    }
    return NULL;
}

bool function_needs_native_histograms(struct str name)
{
    static const char *const names[] = {"histogram_avg", "histogram_count", "histogram_sum", "histogram_stddev",
                                        "histogram_stdvar"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (str_is(name, names[i])) {
            return true;
        }
    }
    return false;
}

static bool equal_nocase(struct str a, const char *b)
{
    return a.len == strlen(b) && str_find_nocase(a, str_of(b)) == 0;
}

bool aggregation_find(struct str name, enum aggregate_op *out)
{
    for (size_t i = 0; i < AGGR_COUNT_OF; i++) {
        if (equal_nocase(name, aggregations[i].name)) {
            *out = (enum aggregate_op)i;
            return true;
        }
    }
    return false;
}

const struct aggregation *aggregation_info(enum aggregate_op op)
{
    return &aggregations[op];
}

#define SUGGEST_MAX 40 /* longer names are nobody's slip */

/* Damerau-Levenshtein: insertions, deletions, replacements, swaps of neighbours. */
static size_t edit_distance(struct str a, struct str b)
{
    size_t d[SUGGEST_MAX + 1][SUGGEST_MAX + 1];
    for (size_t i = 0; i <= a.len; i++) {
        d[i][0] = i;
    }
    for (size_t j = 0; j <= b.len; j++) {
        d[0][j] = j;
    }
    for (size_t i = 1; i <= a.len; i++) {
        for (size_t j = 1; j <= b.len; j++) {
            size_t best = d[i - 1][j - 1] + (tolower((unsigned char)a.p[i - 1]) != b.p[j - 1]);
            best = d[i - 1][j] + 1 < best ? d[i - 1][j] + 1 : best;
            best = d[i][j - 1] + 1 < best ? d[i][j - 1] + 1 : best;
            if (i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] && a.p[i - 2] == b.p[j - 1] && d[i - 2][j - 2] + 1 < best) {
                best = d[i - 2][j - 2] + 1;
            }
            d[i][j] = best;
        }
    }
    return d[a.len][b.len];
}

static void suggest_among(struct str name, const char *candidate, size_t *best, const char **out)
{
    struct str c = str_of(candidate);
    if (c.len > SUGGEST_MAX) {
        return;
    }
    size_t distance = edit_distance(name, c);
    if (distance < *best) {
        *best = distance;
        *out = candidate;
    }
}

const char *function_suggest(struct str name)
{
    if (name.len < 2 || name.len > SUGGEST_MAX) {
        return NULL;
    }
    const char *found = NULL;
    size_t best = name.len / 3 + 2; /* one slip in short names, more in long ones */
    for (size_t i = 0; i < FUNCTION_COUNT; i++) {
        suggest_among(name, functions[i].name, &best, &found);
    }
    for (size_t i = 0; i < AGGR_COUNT_OF; i++) {
        suggest_among(name, aggregations[i].name, &best, &found);
    }
    return found;
}

struct function_arity function_arity(const struct function *function)
{
    struct function_arity arity = {0};
    bool optional = false, any = false;
    for (const char *c = function->args; *c; c++) {
        if (*c == '?') {
            optional = true;
        } else if (*c == '*') {
            any = true;
        } else {
            arity.matchers |= (uint32_t)(*c == 'l') << arity.type_count;
            arity.types[arity.type_count++] = *c == 's'                ? VALUE_SCALAR
                                              : *c == 'v' || *c == 'l' ? VALUE_VECTOR
                                              : *c == 'm'              ? VALUE_MATRIX
                                                                       : VALUE_STRING;
            arity.required += !optional;
        }
    }
    arity.max = any ? SIZE_MAX : arity.type_count;
    return arity;
}

const struct function_info *query_functions(size_t *n)
{
    static const struct function_info infos[] = {
#define AGGREGATION(id, name_, param_, signature_, help_)                  {name_, signature_, help_},
#define FUNCTION(name_, args_, result_, implementation, signature_, help_) {#name_, signature_, help_},
#include "src/query/functions.def"
#undef FUNCTION
#undef AGGREGATION
    };
    *n = sizeof(infos) / sizeof(infos[0]);
    return infos;
}
