#include "src/tool/query_when.h"

#include "src/base/clock.h"
#include "web/api/param.h"

int when_parse(struct str text, int64_t now_ms, int64_t *ms, struct error *err)
{
    if (!str_starts(text, STR("now"))) {
        struct error ignored;
        if (param_time(text, ms, &ignored) == 0) {
            return 0;
        }
    } else if (text.len == 3) {
        *ms = now_ms;
        return 0;
    } else {
        int64_t by_ms;
        bool back = text.p[3] == '-';
        if ((back || text.p[3] == '+') && duration_parse(str_slice(text, 4, text.len), &by_ms) &&
            by_ms < TIME_MAX_MS / 2) {
            *ms = back ? now_ms - by_ms : now_ms + by_ms;
            return 0;
        }
    }
    return error_set(err, ERR_PARSE,
                     "\"" STR_FMT "\" is no time; give 2026-11-28T12:00:00Z, Unix seconds, now or now-1h",
                     STR_ARG(str_slice(text, 0, 64)));
}

int64_t when_step_ms(int64_t range_ms)
{
    static const int64_t steps_s[] = {1,   2,   5,    10,   15,   30,    60,    120,   300,
                                      600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400};
    for (size_t i = 0; i < sizeof(steps_s) / sizeof(steps_s[0]); i++) {
        if (range_ms <= steps_s[i] * 1000 * 60) {
            return steps_s[i] * 1000;
        }
    }
    int64_t days = range_ms / 86400000 / 60 + 1;
    return days * 86400000;
}
