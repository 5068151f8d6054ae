/* The table of metric metadata, for family.c (which fills it) and read.c (which lists it, under the read lock). */
#pragma once
#include "src/model/sample.h"

#include <uthash.h>

struct family {
    UT_hash_handle hh;
    struct str name;
    enum metric_type type;
    char *help;
    size_t help_len;
    char text[];
};
struct families {
    struct family *by_name;
};
struct family *families_find(const struct families *families, struct str name);
