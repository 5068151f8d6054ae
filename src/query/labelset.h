/*
 * Groups of label sets: what by/without and on/ignoring make of a series, without building the labels of each.
 *
 * A selection keeps (`keep`: by, on) or drops (without, ignoring) names; dropping drops the metric name, too.
 */
#pragma once
#include "src/query/eval.h"

struct selection {
    struct name_list names; /* sorted */
    bool keep;
    bool keep_name; /* dropping leaves the metric name */
};
uint64_t selection_hash(struct selection s, struct labels labels);
bool selection_equal(struct selection s, struct labels labels, struct labels selected);
/* Shares texts with `labels`. */
struct labels selection_labels(struct selection s, struct labels labels, struct arena *arena);

/* From hash to the numbers 0, 1, 2 … of groups; the caller keeps what belongs to a number. In the arena. */
struct group_table {
    struct arena *arena;
    struct {
        uint64_t hash;
        uint32_t number; /* + 1; 0: free */
    } * slots;
    size_t cap;
    uint32_t n;
};
void group_table_init(struct group_table *t, struct arena *arena);
/* Walks candidates of a hash: start with *at = 0; returns a number, or -1 when there are no more. */
int64_t group_table_next(const struct group_table *t, uint64_t hash, size_t *at);
uint32_t group_table_add(struct group_table *t, uint64_t hash);

/* A growing array in the arena (its earlier copies stay until the arena goes). */
#define arena_grow(arena, p, n, cap)                                                                                   \
    do {                                                                                                               \
        if ((n) == (cap)) {                                                                                            \
            size_t cap_ = (cap) ? (cap)*2 : 16;                                                                        \
            __typeof__(p) new_ = arena_alloc(arena, cap_ * sizeof(*(p)));                                              \
            if (n) {                                                                                                   \
                memcpy(new_, p, (n) * sizeof(*(p)));                                                                   \
            }                                                                                                          \
            (p) = new_;                                                                                                \
            (cap) = cap_;                                                                                              \
        }                                                                                                              \
    } while (0)
