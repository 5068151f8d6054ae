/* The inside of struct index, for series.c (which builds it) and select.c (which searches it). */
#pragma once
#include "src/base/vec.h"
#include "storage/series.h"

#include <uthash.h>

struct symbol_name {
    UT_hash_handle hh;
    struct str name;
    struct symbol **table; /* open addressing by hash of the value */
    size_t cap, count;
};

struct id_page {
    uint32_t used;
    struct series *series[4096];
};

struct index {
    struct symbol_name *names; /* removed only at the end */
    vec(struct id_page *) pages;
    struct series **set; /* open addressing by hash of the label set */
    size_t set_cap, count;
    uint32_t removals;
};

struct symbol_name *index_name(const struct index *index, struct str name); /* NULL: not there */
struct symbol *index_symbol(const struct symbol_name *name, struct str value);
