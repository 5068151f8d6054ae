/* Functions of one sample. scalars: the function's scalar arguments at the step (round's is 1 if not given). */
#include "src/query/impl.h"

#define PI 3.14159265358979323846

#define PLAIN(name, expression)                                                                                        \
    double element_##name(double v, const double *scalars)                                                             \
    {                                                                                                                  \
        (void)scalars;                                                                                                 \
        return expression;                                                                                             \
    }
PLAIN(abs, fabs(v))
PLAIN(ceil, ceil(v))
PLAIN(floor, floor(v))
PLAIN(exp, exp(v))
PLAIN(ln, log(v))
PLAIN(log2, log2(v))
PLAIN(log10, log10(v))
PLAIN(sqrt, sqrt(v))
PLAIN(sin, sin(v))
PLAIN(cos, cos(v))
PLAIN(tan, tan(v))
PLAIN(asin, asin(v))
PLAIN(acos, acos(v))
PLAIN(atan, atan(v))
PLAIN(sinh, sinh(v))
PLAIN(cosh, cosh(v))
PLAIN(tanh, tanh(v))
PLAIN(asinh, asinh(v))
PLAIN(acosh, acosh(v))
PLAIN(atanh, atanh(v))
PLAIN(deg, v * 180 / PI)
PLAIN(rad, v *PI / 180)
PLAIN(sgn, v<0 ? -1 : v> 0 ? 1 : v)

double element_round(double v, const double *scalars)
{
    double inverse = 1 / scalars[0]; /* 1/0.1 is exact where 0.1 is not */
    return floor(v * inverse + 0.5) / inverse;
}

/* As Go's math.Max and math.Min: NaN wins over all but the infinity that cannot be surpassed. */
static double larger(double a, double b)
{
    return isinf(a) > 0 || isinf(b) > 0 ? INFINITY : isnan(a) || isnan(b) ? NAN : fmax(a, b);
}

static double smaller(double a, double b)
{
    return isinf(a) < 0 || isinf(b) < 0 ? -INFINITY : isnan(a) || isnan(b) ? NAN : fmin(a, b);
}

double element_clamp_min(double v, const double *scalars)
{
    return larger(scalars[0], v);
}

double element_clamp_max(double v, const double *scalars)
{
    return smaller(scalars[0], v);
}

double element_clamp(double v, const double *scalars)
{
    if (scalars[1] < scalars[0]) {
        return absent();
    }
    return larger(scalars[0], smaller(scalars[1], v));
}

/* ---- calendar, UTC ---- */

/* NaN and times outside of what a calendar knows give NaN. */
static bool calendar(double v, struct tm *out)
{
    if (!(fabs(v) < 6e16)) {
        return false;
    }
    time_t t = (time_t)v;
    return gmtime_r(&t, out) != NULL;
}

#define CALENDAR(name, expression)                                                                                     \
    double element_##name(double v, const double *scalars)                                                             \
    {                                                                                                                  \
        (void)scalars;                                                                                                 \
        struct tm tm;                                                                                                  \
        return calendar(v, &tm) ? (double)(expression) : NAN;                                                          \
    }

static int days_in_month(const struct tm *tm)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year = tm->tm_year + 1900;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[tm->tm_mon] + (leap && tm->tm_mon == 1);
}

CALENDAR(minute, tm.tm_min)
CALENDAR(hour, tm.tm_hour)
CALENDAR(day_of_week, tm.tm_wday)
CALENDAR(day_of_month, tm.tm_mday)
CALENDAR(day_of_year, tm.tm_yday + 1)
CALENDAR(days_in_month, days_in_month(&tm))
CALENDAR(month, tm.tm_mon + 1)
CALENDAR(year, (int64_t)tm.tm_year + 1900)
