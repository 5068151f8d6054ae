/*
 * Series in memory, and the index that finds them.
 *
 * A series is a label set with an id that is never used again, and a place in a cohort: about a hundred series that
 * appeared in the same scrape one after the other and whose samples share memory and blocks. Label texts are interned:
 * a series holds one pointer a label. The index knows, for every label name and value, the ids that have it, ascending.
 *
 * Ownership: the index owns series and symbols until index_free(); index_remove() hands a series back, whose symbols
 * may still be read by those who hold it: series_free() ends both.
 * Threads:   none of its own. storage/head.h says which lock guards it.
 */
#pragma once
#include "src/model/labels.h"
#include "src/model/matcher.h"

#define COHORT_SLOTS   128
#define SERIES_MAX     10000000u
#define SERIES_ID_MAX  UINT32_MAX /* four billion series ever; ids are 64 bits wide on disk */
#define SERIES_NO_TIME INT64_MIN

struct cohort; /* storage/head.h */

struct symbol_name;
/* One value of one label name. */
struct symbol {
    struct symbol_name *name;
    struct str value;
    uint32_t hash;
    uint32_t refs;     /* series that point here, removed ones included until freed */
    uint32_t n, cap;   /* ids */
    uint32_t filtered; /* by which removal */
    uint32_t *ids;     /* ascending */
};

struct series {
    uint64_t id, hash;
    uint64_t wire;            /* hash of the bytes that a remote-write sender named it with; 0: none did */
    struct series *successor; /* the one that followed it in the last append: what comes next is guessed by it */
    struct cohort *cohort;
    int64_t first_ms, last_ms; /* of all its samples, at least as wide as the truth */
    uint8_t slot;
    bool stored;  /* its record is in the metrics environment */
    bool removed; /* not in the index any more */
    uint16_t label_count;
    struct symbol *labels[]; /* sorted by name */
};

struct index;
struct index *index_new(void);
void index_free(struct index *index);

/* labels: labels_acceptable(). The id is not there yet; ascending ids are the fast case. */
struct series *index_add(struct index *index, uint64_t id, struct cohort *cohort, uint8_t slot, struct labels labels);
/* Finds them no more; the caller ends each with series_free() when nobody reads it. Many at once: every list of ids
 * that one of them is in is gone through once. */
void index_remove(struct index *index, struct series **series, size_t n);
/* Only of a removed series, before index_free(). */
void series_free(struct series *series);

/* Sorted, unique names, a metric name, sizes within LABELS_MAX and so on. */
bool labels_acceptable(struct labels labels);
uint64_t series_hash(struct labels labels);
struct series *index_find(const struct index *index, struct labels labels, uint64_t hash); /* NULL: not there */
struct series *index_get(const struct index *index, uint64_t id);
/* The next series with an id >= id, NULL at the end. */
struct series *index_next(const struct index *index, uint64_t id);
size_t index_count(const struct index *index);
bool series_has_labels(const struct series *series, struct labels labels);
/* Names and values point into the symbols. */
struct labels series_labels(const struct series *series, struct arena *arena);
struct str series_label(const struct series *series, struct str name);

/* Ids of the series that match all; ascending. Memory: mem_free(). */
struct id_list {
    uint32_t *v;
    size_t n;
};
void index_select(const struct index *index, const struct matcher *matchers, size_t n, struct id_list *out);
/* Every name, every value of a name, of all series; unsorted; texts are the symbols'. */
typedef void (*index_text_fn)(void *ctx, struct str text);
void series_each_name(const struct series *series, index_text_fn visit, void *ctx);
void index_each_name(const struct index *index, index_text_fn visit, void *ctx);
void index_each_value(const struct index *index, struct str name, index_text_fn visit, void *ctx);
