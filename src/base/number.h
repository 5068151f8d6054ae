/*
 * Doubles to text and back, as Go's strconv prints them, on top of C++17 <charconv> (Ryu), because
 * printf("%.17g") is nine times slower and does not give the shortest text.
 * Source of the shapes: Prometheus util/jsonutil (MarshalFloat) and Go strconv.FormatFloat.
 */
#pragma once
#include "src/base/str.h"

#include <stdbool.h>
#include <stddef.h>

#define NUMBER_MAX       32  /* bytes any of these writes, without NUL, */
#define NUMBER_FIXED_MAX 352 /* but for this one */

#ifdef __cplusplus
extern "C" {
#endif
/* FormatFloat(v, 'f', -1), but exponent form where |v| < 1e-6 or >= 1e21: JSON values of the API.
 * NaN, +Inf, -Inf. Returns the length; not NUL-terminated. */
size_t number_format(double v, char out[NUMBER_MAX]);
/* FormatFloat(v, 'g', -1): exposition format and template {{ $value }} ("1e+06", "0.25"). */
size_t number_format_g(double v, char out[NUMBER_MAX]);
/* FormatFloat(v, 'f', -1): all digits, never an exponent; labels of count_values. */
size_t number_format_fixed(double v, char out[NUMBER_FIXED_MAX]);
/* Exact; accepts what Go's ParseFloat does: hex floats, Inf, +Inf, -Inf, infinity, NaN in any case, no spaces.
 * Whole text must match. */
bool number_parse(struct str s, double *out);
#ifdef __cplusplus
}
#endif
