/* Times on the command line. Pure. Errors: ERR_PARSE, the text says what is understood. */
#pragma once
#include "src/base/error.h"
#include "src/base/str.h"

#include <stdint.h>

/* "now", "now-1h30m", "now+5m", RFC 3339, Unix seconds. */
int when_parse(struct str text, int64_t now_ms, int64_t *ms, struct error *err) MUST_USE;
/* A step that people read easily (1, 2, 5, 10, 15, 30 of a unit) and that cuts the range into at most 60. */
int64_t when_step_ms(int64_t range_ms);
