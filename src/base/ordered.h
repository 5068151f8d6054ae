/*
 * Numbered pieces of work done by several threads, taken in order by the one that asks.
 *
 * The calling thread works, too, whenever the next piece is not done yet, so it never sits idle while others are busy
 * with earlier ones, and with no helpers all is done by it alone. Helpers are threads that the process keeps, asleep
 * while nobody needs them; as many work at once as there are processors (src/base/processors.h) less one, so that many
 * runs at once share them instead of multiplying them. A helper that does not get to run in time is not waited for.
 *
 * A run is worth its helpers (some 30 µs until they are awake) from about a seventh of a millisecond of work on.
 */
#pragma once
#include <stddef.h>

#define ORDERED_HELPERS_MAX 3

struct ordered {
    size_t pieces;
    size_t slots; /* results that may wait to be taken; the result of piece i is in slot i % slots */
    /* Any thread. worker: 0 is the caller's thread, helpers count from 1; no two threads have one number. */
    void (*work)(void *ctx, unsigned worker, size_t piece, size_t slot);
    /* Caller's thread, pieces ascending; the slot is reused afterwards. Non-zero: nothing more is begun or taken. */
    int (*take)(void *ctx, size_t piece, size_t slot);
    void *ctx;
};

/* As many helpers as are free, at most `wanted`; to be given back. */
unsigned ordered_helpers_take(unsigned wanted);
void ordered_helpers_give(unsigned n);

/* What take() returned last. All work has ended then. */
int ordered_run(const struct ordered *o, unsigned helpers);
