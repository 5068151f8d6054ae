/*
 * What has changed since some moment, in one number: the smallest time of all samples written since then.
 *
 * For caches of answers: what was computed from samples up to a time below that number is still true. A reader takes a
 * token *before* it opens its snapshot, and asks later with it; a write is noted under the lock under which readers
 * begin to see it, so that whoever starts after an append has returned is told. Deletions and retention count as a
 * change of everything (INT64_MIN).
 *
 * Only minima of suffixes are ever asked for, so a stack with ascending times holds everything: a note removes what is
 * not below it. When the stack is full, its older half is thinned by giving the greater of two neighbours the smaller
 * time: answers then name an earlier time than needed, never a later one, and are off by some 1/256 of the token's age.
 * A note costs O(1) amortised; one is made for each request, not for each sample.
 *
 * Threads: not safe of itself; struct metrics' lock guards it (store_change_token() and store_changed_since() take it).
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define CHANGES_MAX 1024 /* even */

struct changes {
    uint64_t count; /* notes so far: the token */
    size_t n;
    struct change {
        uint64_t last; /* number of the last note this stands for */
        int64_t min_ms;
    } v[CHANGES_MAX]; /* both ascending */
};

void changes_note(struct changes *changes, int64_t t_ms);
int64_t changes_since(const struct changes *changes, uint64_t token); /* INT64_MAX: nothing */
