/*
 * The series of a query's answer as JSON: {"metric":{…},"values":[[time,"value"],…]}, a comma between.
 *
 * Of a large answer the greater part of the time goes into digits. Times of a range query are the same in each series
 * and are made to text once; much is written by all processors that help (src/base/ordered.h), and sent in order
 * while more is written. The bytes are the same whoever writes them.
 */
#pragma once
#include "web/api/prom.h"

/* Members of the array that is open in a->w. False: the client has gone, stop writing. */
bool run_write_series(struct answer *a, const struct query_result *result) MUST_USE;
