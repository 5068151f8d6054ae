/* cmocka and what every unit test includes. Cases are sentences: static void rate_survives_a_reset(void **state). */
#pragma once
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* clang-format off: cmocka comes last, because it needs the headers above */
#include <cmocka.h>
/* clang-format on */

#include "src/base/str.h"

#define assert_str_eq(actual, expected)                                                                                \
    do {                                                                                                               \
        struct str a_ = (actual), e_ = (expected);                                                                     \
        if (!str_eq(a_, e_)) {                                                                                         \
            fail_msg("got \"" STR_FMT "\", expected \"" STR_FMT "\"", STR_ARG(a_), STR_ARG(e_));                       \
        }                                                                                                              \
    } while (0)
#define assert_str_is(actual, literal) assert_str_eq(actual, str_of(literal))
