#include "src/base/clock.h"

#include <stdatomic.h>
#include <time.h>

static atomic_bool faked;
static _Atomic int64_t fake_wall_ms, fake_mono_ms;

static int64_t read_us(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_wall_ms(void)
{
    return atomic_load(&faked) ? atomic_load(&fake_wall_ms) : read_us(CLOCK_REALTIME) / 1000;
}

int64_t clock_mono_ms(void)
{
    return clock_mono_us() / 1000;
}

int64_t clock_mono_us(void)
{
    return atomic_load(&faked) ? atomic_load(&fake_mono_ms) * 1000 : read_us(CLOCK_MONOTONIC);
}

int64_t clock_steady_ms(void)
{
    return read_us(CLOCK_MONOTONIC) / 1000;
}

void clock_fake(int64_t wall_ms, int64_t mono_ms)
{
    atomic_store(&fake_wall_ms, wall_ms);
    atomic_store(&fake_mono_ms, mono_ms);
    atomic_store(&faked, true);
}

void clock_real(void)
{
    atomic_store(&faked, false);
}

/* Days since 1970-01-01 of a proleptic Gregorian date: years begin in March, so that the leap day is their last. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

static void date_of(int64_t days, int64_t *year, int *month, int *day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t m = (5 * day_of_year + 2) / 153;
    *day = (int)(day_of_year - (153 * m + 2) / 5 + 1);
    *month = (int)(m < 10 ? m + 3 : m - 9);
    *year = year_of_era + era * 400 + (*month <= 2);
}

void clock_format_rfc3339(int64_t wall_ms, struct buf *out)
{
    int64_t day_ms = 86400000, days = wall_ms / day_ms, rest = wall_ms % day_ms;
    if (rest < 0) {
        rest += day_ms;
        days--;
    }
    int64_t year;
    int month, day;
    date_of(days, &year, &month, &day);
    buf_addf(out, "%04lld-%02d-%02dT%02d:%02d:%02d.%03dZ", (long long)year, month, day, (int)(rest / 3600000),
             (int)(rest / 60000 % 60), (int)(rest / 1000 % 60), (int)(rest % 1000));
}

/* Takes exactly n digits off the front. */
static bool take_digits(struct str *s, size_t n, int64_t *out)
{
    int64_t value = 0;
    if (s->len < n) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (s->p[i] < '0' || s->p[i] > '9') {
            return false;
        }
        value = value * 10 + (s->p[i] - '0');
    }
    *s = str_slice(*s, n, s->len);
    *out = value;
    return true;
}

static bool take_char(struct str *s, const char *any_of)
{
    if (s->len == 0 || s->p[0] == '\0' || !strchr(any_of, s->p[0])) {
        return false;
    }
    *s = str_slice(*s, 1, s->len);
    return true;
}

/* ".123456": digits after the third are dropped. */
static bool take_fraction(struct str *s, int64_t *ms)
{
    *ms = 0;
    if (!take_char(s, ".")) {
        return true;
    }
    int64_t digit, unit = 100;
    size_t count = 0;
    while (take_digits(s, 1, &digit)) {
        *ms += digit * unit;
        unit /= 10;
        count++;
    }
    return count > 0;
}

static bool take_zone(struct str *s, int64_t *offset_ms)
{
    *offset_ms = 0;
    if (s->len == 0 || take_char(s, "Zz")) {
        return true;
    }
    int64_t sign = s->p[0] == '-' ? -1 : 1, hours, minutes;
    if (!take_char(s, "+-") || !take_digits(s, 2, &hours) || !take_char(s, ":") || !take_digits(s, 2, &minutes) ||
        hours > 23 || minutes > 59) {
        return false;
    }
    *offset_ms = sign * (hours * 3600000 + minutes * 60000);
    return true;
}

bool clock_parse_rfc3339(struct str s, int64_t *wall_ms)
{
    static const int64_t month_days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t year, month, day, hour, minute, second, ms, offset_ms;
    if (!take_digits(&s, 4, &year) || !take_char(&s, "-") || !take_digits(&s, 2, &month) || !take_char(&s, "-") ||
        !take_digits(&s, 2, &day) || !take_char(&s, "Tt ") || !take_digits(&s, 2, &hour) || !take_char(&s, ":") ||
        !take_digits(&s, 2, &minute) || !take_char(&s, ":") || !take_digits(&s, 2, &second) ||
        !take_fraction(&s, &ms) || !take_zone(&s, &offset_ms) || s.len != 0) {
        return false;
    }
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (month < 1 || month > 12 || day < 1 || day > month_days[month - 1] || (month == 2 && day == 29 && !leap) ||
        hour > 23 || minute > 59 || second > 59) {
        return false;
    }
    int64_t seconds = days_of(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
    *wall_ms = seconds * 1000 + ms - offset_ms;
    return true;
}

static const struct duration_unit {
    const char *name;
    int64_t ms;
    bool exact_only; /* printed only if nothing remains: "90d" reads better than "12w6d" */
} units[] = {
    {"y", 31536000000, true}, {"w", 604800000, true}, {"d", 86400000, false}, {"h", 3600000, false},
    {"m", 60000, false},      {"s", 1000, false},     {"ms", 1, false},
};
enum { UNIT_COUNT = sizeof(units) / sizeof(units[0]) };

/* Go keeps durations in int64 nanoseconds; what does not fit there is refused by Prometheus too. */
#define DURATION_MAX_MS (INT64_MAX / 1000000)

/* Finds the unit at the front of s among those from `first` on. "ms" begins with "m": the name ends at a digit. */
static int take_unit(struct str *s, int first)
{
    size_t n = 0;
    while (n < s->len && (s->p[n] < '0' || s->p[n] > '9')) {
        n++;
    }
    for (int i = first; i < UNIT_COUNT; i++) {
        if (str_is(str_slice(*s, 0, n), units[i].name)) {
            *s = str_slice(*s, n, s->len);
            return i;
        }
    }
    return -1;
}

bool duration_parse(struct str s, int64_t *ms)
{
    if (str_is(s, "0")) {
        *ms = 0;
        return true;
    }
    int64_t total = 0;
    int next = 0;
    if (s.len == 0) {
        return false;
    }
    while (s.len) {
        size_t n = 0;
        while (n < s.len && s.p[n] >= '0' && s.p[n] <= '9') {
            n++;
        }
        int64_t value;
        if (n == 0 || !str_to_int64(str_slice(s, 0, n), &value)) {
            return false;
        }
        s = str_slice(s, n, s.len);
        int unit = take_unit(&s, next);
        if (unit < 0 || __builtin_mul_overflow(value, units[unit].ms, &value) ||
            __builtin_add_overflow(total, value, &total) || total > DURATION_MAX_MS) {
            return false;
        }
        next = unit + 1;
    }
    *ms = total;
    return true;
}

void duration_format(int64_t ms, struct buf *out)
{
    if (ms == 0) {
        buf_add(out, STR("0s"));
        return;
    }
    if (ms < 0) {
        buf_add_char(out, '-');
    }
    uint64_t rest = ms < 0 ? 0 - (uint64_t)ms : (uint64_t)ms;
    for (int i = 0; i < UNIT_COUNT; i++) {
        uint64_t unit = (uint64_t)units[i].ms;
        if (rest < unit || (units[i].exact_only && rest % unit != 0)) {
            continue;
        }
        buf_addf(out, "%llu%s", (unsigned long long)(rest / unit), units[i].name);
        rest %= unit;
    }
}
