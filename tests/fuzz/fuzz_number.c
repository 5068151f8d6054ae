/* Properties: what parses prints and reads back to the same bits, in both forms; durations and times likewise. */
#include "src/base/clock.h"
#include "src/base/number.h"
#include "src/base/thread.h"

#include <math.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_double(double v)
{
    char text[NUMBER_MAX];
    double back = 0;
    size_t n = number_format(v, text);
    invariant(n > 0 && n <= NUMBER_MAX);
    invariant(number_parse(str_make(text, n), &back));
    invariant(isnan(v) ? isnan(back) : memcmp(&v, &back, sizeof(v)) == 0);
    n = number_format_g(v, text);
    invariant(n > 0 && n <= NUMBER_MAX);
    invariant(number_parse(str_make(text, n), &back));
    invariant(isnan(v) ? isnan(back) : memcmp(&v, &back, sizeof(v)) == 0);
}

static void check_times(struct str text)
{
    int64_t ms, back = -1;
    auto_buf out;
    buf_init(&out, 100);
    if (duration_parse(text, &ms)) {
        duration_format(ms, &out);
        invariant(duration_parse(buf_str(&out), &back) && back == ms);
    }
    buf_clear(&out);
    if (clock_parse_rfc3339(text, &ms) && ms >= -62135596800000 && ms <= 253402300799999) {
        clock_format_rfc3339(ms, &out);
        invariant(clock_parse_rfc3339(buf_str(&out), &back) && back == ms);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_make((const char *)data, size);
    double v;
    if (number_parse(text, &v)) {
        check_double(v);
    }
    if (size >= sizeof(v)) {
        memcpy(&v, data, sizeof(v));
        check_double(v);
    }
    check_times(text);
    return 0;
}
