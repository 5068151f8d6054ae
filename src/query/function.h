/*
 * The tables made from functions.def: what a function takes and gives, and what runs it.
 */
#pragma once
#include "src/query/ast.h"

struct window;
struct point_window;
struct eval;
struct grid;
struct emit;

/* Range functions that extrapolate what a series gained over a window: windows.h runs them, there is no `rollup`. */
enum difference { DIFFERENCE_NONE, DIFFERENCE_RATE, DIFFERENCE_INCREASE, DIFFERENCE_DELTA };
static inline bool difference_of_counter(enum difference d) /* resets are allowed for */
{
    return d == DIFFERENCE_RATE || d == DIFFERENCE_INCREASE;
}
enum function_kind { FUNCTION_ELEMENT, FUNCTION_ROLLUP, FUNCTION_STREAM, FUNCTION_SCALAR };

struct function {
    const char *name;
    const char *args; /* letters of functions.def */
    enum value_type result;
    const char *signature, *help;
    enum function_kind kind;
    enum difference difference;
    bool keeps_name;
    double (*points)(const struct point_window *w); /* FUNCTION_ROLLUP; NULL: sees the last sample of each point */
    union {
        double (*element)(double v, const double *scalars);
        double (*rollup)(const struct window *w, const double *scalars);
        int (*stream)(struct eval *ev, const struct expr *call, const struct grid *grid, struct emit out);
        int (*scalar)(struct eval *ev, const struct expr *call, const struct grid *grid, double *out);
    };
};

#define FUNCTION_ARGS_FIXED 12 /* more than any function names (label_join's sources are not among them) */

struct aggregation {
    const char *name;
    char param; /* 0, 's' or 't' */
    const char *signature, *help;
};

/* Names of functions are case-sensitive, of aggregations not. NULL if there is none. */
const struct function *function_find(struct str name);
bool aggregation_find(struct str name, enum aggregate_op *out);
const struct aggregation *aggregation_info(enum aggregate_op op);
/* Prometheus' functions of nothing but native histograms: to say why they are not here. */
bool function_needs_native_histograms(struct str name);
/* The nearest name by edit distance, if near enough to be a slip; else NULL. */
const char *function_suggest(struct str name);

/* Type and count of arguments, decoded from the letters. */
struct function_arity {
    size_t required, max; /* max: SIZE_MAX if any number */
    enum value_type types[FUNCTION_ARGS_FIXED];
    size_t type_count; /* arguments past it have the last type */
    uint32_t matchers; /* a bit for each argument that must be label matchers in braces */
};
struct function_arity function_arity(const struct function *function);
