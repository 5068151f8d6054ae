/*
 * Staleness: which series of the batch before are not in this one.
 *
 * Prometheus' rule: a series that a target no longer reports ends at that moment, by a sample with the stale bits; a
 * query then does not carry its last value on for five minutes. Samples with a time of their own (batch_add_at with
 * another time than the batch's) are exempt, as there.
 */
#pragma once
#include "src/model/sample.h"

/* Appends a stale marker to `now`, at its time, for each series that only `before` has. The labels of the markers are
 * those of `before`: cut them off again before `before` goes. `before` may be zeroed. */
void stale_append(struct batch *now, const struct batch *before);
