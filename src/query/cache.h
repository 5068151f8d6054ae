/*
 * A cache of range queries' results that is never stale: for dashboards that ask for the same, a little later.
 *
 * An entry is the result of one expression on one grid (its canonical text, step, phase, lookback and resolution are
 * its key; durations that vary with the query stand there with their values) over a row of steps, and the store's
 * change token of before it was read. The value at step t is made of samples up to t + reach only (expr_reach()), so
 * every step with t + reach before the smallest time written since the token (storage/read.h) is what a fresh
 * evaluation would give. The steps before and after those are evaluated anew, the pieces joined series by series by
 * labels. Late samples, deletions, new series and stale markers thus cost an evaluation of the steps they can touch,
 * and none is ever missed.
 *
 * Not kept: instant queries, what has `@ start()`, `@ end()`, or these or `range()` as functions (its steps depend on
 * the range), what failed, what came with warnings or infos (they belong to steps that cannot be told apart; answers
 * that are approximate because raw samples are gone have such a note), what read few samples, what would take more than
 * a quarter of the cache.
 *
 * Two pieces of one answer may come from snapshots a moment apart; each step is as of some moment between the call and
 * its return. A sum of doubles may differ in its last bits, as between any two ranges of one query.
 *
 * Memory: entries are immutable and counted, the least recently used leave when the bound is met. One mutex, held for a
 * look-up or an exchange of pointers only. Threads: any.
 */
#pragma once
#include "src/query/query.h"

struct query_cache;
struct query_cache *query_cache_new(size_t max_bytes);
void query_cache_free(struct query_cache *cache);

/* As query_range(); cache NULL: the same. */
int query_range_cached(struct query_cache *cache, struct store *store, const struct expr *expr, int64_t start_ms,
                       int64_t end_ms, int64_t step_ms, const struct query_options *options, struct arena *arena,
                       struct query_result *out, struct error *err) MUST_USE;
