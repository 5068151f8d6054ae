/*
 * A label set: pairs sorted by name, names unique, no empty values. The metric name is the label
 * "__name__". Labels are values: nothing in a set is changed after labels_finish().
 *
 * Ownership: the array and all texts live in the arena given to the builder, or in whatever the
 * function's comment says.
 */
#pragma once
#include "src/base/arena.h"
#include "src/base/buf.h"
#include "src/base/error.h"

#define LABELS_MAX      64   /* labels of one series */
#define LABEL_NAME_MAX  256  /* bytes */
#define LABEL_VALUE_MAX 4096 /* bytes; longer ones from collectors are cut at a character */
#define METRIC_NAME     STR("__name__")

struct label {
    struct str name, value;
};

struct labels {
    const struct label *v;
    uint32_t n;
};

/* Collects pairs in any order. A later set() of the same name wins; an empty value removes it. */
struct labels_builder {
    struct arena *arena;
    struct label v[LABELS_MAX];
    uint32_t n;
    bool overflow; /* a 65th name was dropped */
};

void labels_builder_init(struct labels_builder *b, struct arena *arena);
void labels_builder_from(struct labels_builder *b, struct arena *arena, struct labels base);
/* Texts are borrowed until labels_finish(), which copies them when copy is true. */
void labels_set(struct labels_builder *b, struct str name, struct str value);
void labels_remove(struct labels_builder *b, struct str name);
struct labels labels_finish(struct labels_builder *b, bool copy);

/* p == NULL, len 0 if absent: a missing label equals the empty text. */
struct str labels_get(struct labels labels, struct str name);
bool labels_eq(struct labels a, struct labels b);
int labels_cmp(struct labels a, struct labels b); /* pair by pair, as Prometheus' labels.Compare */
uint64_t labels_hash(struct labels labels);       /* xxh3; in memory only, never stored */
/* XXH64 of every name and value behind its length (one byte; from 255 on 0xff and three, low first), as Labels.Hash()
 * of Prometheus' released builds: what limit_ratio samples by. `without`: a label that is left out; may be empty. */
uint64_t labels_sampling_hash(struct labels labels, struct str without);
uint64_t labels_fingerprint(struct labels labels); /* FNV-1a 64 as Prometheus' model.Fingerprint */
struct labels labels_dup(struct labels labels, struct arena *arena);
/* Keep (or drop) the names given; result shares texts with the input. */
struct labels labels_keep(struct labels labels, const struct str *names, size_t n, struct arena *arena);
struct labels labels_drop(struct labels labels, const struct str *names, size_t n, struct arena *arena);
/* metric_name{a="b"} as Prometheus prints it; texts escaped. */
void labels_print(struct labels labels, struct buf *out);
/* Legal: [a-zA-Z_][a-zA-Z0-9_]*; metric names may also hold ':'. */
bool label_name_legal(struct str name);
bool metric_name_legal(struct str name);
