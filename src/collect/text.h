/* TEXT("literal"): a struct str inside a static table, where STR() is not a constant expression. */
#pragma once
#include "src/base/str.h"

#define TEXT(literal)                                                                                                  \
    {                                                                                                                  \
        "" literal, sizeof(literal) - 1                                                                                \
    }
