/*
 * Texts of request parameters to values, as Prometheus reads them: times (seconds as a float, or RFC 3339), durations
 * (seconds as a float, or "1m30s"), limits.
 *
 * Pure. Source: prometheus web/api/v1/api.go, for behaviour and texts. Errors: ERR_PARSE with Prometheus' words.
 */
#pragma once
#include "src/base/error.h"
#include "src/base/str.h"

#include <stdint.h>

/* Prometheus' "all of time"; half of the range, so that sums of two do not overflow. */
#define TIME_MIN_MS (INT64_MIN / 2)
#define TIME_MAX_MS (INT64_MAX / 2)

int param_time(struct str text, int64_t *ms, struct error *err) MUST_USE;
int param_duration(struct str text, int64_t *ms, struct error *err) MUST_USE;
/* Empty: 0, no limit. */
int param_limit(struct str text, uint64_t *limit, struct error *err) MUST_USE;
