#include "web/api/param.h"

#include "src/base/clock.h"
#include "src/base/number.h"

#include <math.h>

/* Parameters are shown cut: the text is theirs, its length is not ours to repeat. */
static struct str shown(struct str text)
{
    return str_slice(text, 0, 64);
}

/* False beyond the range in which sums of two do not overflow. */
static bool seconds_to_ms(double seconds, int64_t *ms)
{
    if (!(fabs(seconds) < (double)TIME_MAX_MS / 1000)) {
        return false;
    }
    double whole;
    double fraction = modf(seconds, &whole);
    *ms = (int64_t)whole * 1000 + (int64_t)llround(fraction * 1000);
    return true;
}

/* Clients send the ends of all time that Prometheus prints (Go's least and greatest, in both forms), and beyond: they
 * mean "from the first" and "to the last". */
static bool is_beyond(struct str text, bool number, double seconds, int64_t *ms)
{
    bool first = str_is(text, "-292273086-05-16T16:47:06Z") || (number && seconds < 0);
    if (!first && !str_is(text, "292277025-08-18T07:12:54.999999999Z") && !(number && seconds > 0)) {
        return false;
    }
    *ms = first ? TIME_MIN_MS : TIME_MAX_MS;
    return !number || isfinite(seconds);
}

/* Prometheus' durations are 64 bits of nanoseconds. */
#define DURATION_MAX_S 9223372036.0

int param_time(struct str text, int64_t *ms, struct error *err)
{
    double seconds = 0;
    bool number = number_parse(text, &seconds);
    if ((number ? seconds_to_ms(seconds, ms) : clock_parse_rfc3339(text, ms)) || is_beyond(text, number, seconds, ms)) {
        return 0;
    }
    return error_set(err, ERR_PARSE, "cannot parse \"" STR_FMT "\" to a valid timestamp", STR_ARG(shown(text)));
}

int param_duration(struct str text, int64_t *ms, struct error *err)
{
    double seconds;
    if (number_parse(text, &seconds)) {
        if (fabs(seconds) < DURATION_MAX_S && seconds_to_ms(seconds, ms)) {
            return 0;
        }
        return error_set(err, ERR_PARSE, "cannot parse \"" STR_FMT "\" to a valid duration. It overflows int64",
                         STR_ARG(shown(text)));
    }
    if (duration_parse(text, ms) && *ms < TIME_MAX_MS) {
        return 0;
    }
    return error_set(err, ERR_PARSE, "cannot parse \"" STR_FMT "\" to a valid duration", STR_ARG(shown(text)));
}

int param_limit(struct str text, uint64_t *limit, struct error *err)
{
    int64_t n = 0;
    if (text.len && !str_to_int64(text, &n)) {
        return error_set(err, ERR_PARSE, "cannot parse \"" STR_FMT "\" to a whole number", STR_ARG(shown(text)));
    }
    if (n < 0) {
        return error_set(err, ERR_PARSE, "limit must be non-negative");
    }
    *limit = (uint64_t)n;
    return 0;
}
