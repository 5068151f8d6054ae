/*
 * Time. Wall time is int64_t milliseconds since the epoch, for samples and display; monotonic time
 * is int64_t milliseconds since an arbitrary start, for durations and deadlines. Never mix them.
 * Tests may freeze both with clock_fake(); thread-safe.
 */
#pragma once
#include "src/base/buf.h"
#include "src/base/str.h"

#include <stdbool.h>
#include <stdint.h>

int64_t clock_wall_ms(void);
int64_t clock_mono_ms(void);
int64_t clock_mono_us(void);
/* As clock_mono_ms(), but never frozen: for threads that wait: they must not starve in tests. */
int64_t clock_steady_ms(void);
void clock_fake(int64_t wall_ms, int64_t mono_ms); /* tests only */
void clock_real(void);
/* "2026-11-23T08:00:00.123Z" (UTC, RFC 3339). */
void clock_format_rfc3339(int64_t wall_ms, struct buf *out);
/* RFC 3339 with zone offset, fraction optional; a missing zone means UTC. */
bool clock_parse_rfc3339(struct str s, int64_t *wall_ms);
/* Prometheus durations: "1h30m", "15s", "250ms", "1d", "2w", "1y"; false on anything else, empty or overflow. */
bool duration_parse(struct str s, int64_t *ms);
void duration_format(int64_t ms, struct buf *out); /* shortest form: "1h30m"; 0 gives "0s" */
