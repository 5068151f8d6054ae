#include "src/base/number.h"

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <string>

namespace
{
/* The shortest decimal digits that read back as |v|, and where the point stands: 0.d1d2d3... × 10^point. */
struct decimal {
    char digits[24];
    int count, point;
};

/* Larger integers to_chars prints in fixed form with all their digits, where Go prints zeros. */
constexpr double FIXED_IS_SHORTEST = 9007199254740992.0;

/* to_chars in scientific form gives "d.ddde+XX". */
decimal shortest(double magnitude)
{
    char text[40];
    std::to_chars_result end = std::to_chars(text, text + sizeof(text), magnitude, std::chars_format::scientific);
    decimal out = {};
    char *p = text;
    for (; p < end.ptr && *p != 'e'; p++) {
        if (*p != '.') {
            out.digits[out.count++] = *p;
        }
    }
    bool negative = p[1] == '-';
    int exponent = 0;
    std::from_chars(p + 2, end.ptr, exponent);
    out.point = (negative ? -exponent : exponent) + 1;
    return out;
}

char *put(char *at, const char *from, int count)
{
    for (int i = 0; i < count; i++) {
        *at++ = from[i];
    }
    return at;
}

char *put_zeros(char *at, int count)
{
    for (int i = 0; i < count; i++) {
        *at++ = '0';
    }
    return at;
}

char *put_fixed(char *at, const decimal &d)
{
    if (d.point <= 0) {
        at = put(at, "0.", 2);
        at = put_zeros(at, -d.point);
        return put(at, d.digits, d.count);
    }
    if (d.point >= d.count) {
        at = put(at, d.digits, d.count);
        return put_zeros(at, d.point - d.count);
    }
    at = put(at, d.digits, d.point);
    *at++ = '.';
    return put(at, d.digits + d.point, d.count - d.point);
}

/* Go writes the exponent with a sign and at least two digits. */
char *put_exponent(char *at, const decimal &d)
{
    *at++ = d.digits[0];
    if (d.count > 1) {
        *at++ = '.';
        at = put(at, d.digits + 1, d.count - 1);
    }
    int exponent = d.point - 1;
    *at++ = 'e';
    *at++ = exponent < 0 ? '-' : '+';
    exponent = exponent < 0 ? -exponent : exponent;
    if (exponent < 10) {
        *at++ = '0';
    }
    return std::to_chars(at, at + 4, exponent).ptr;
}

/* NaN, infinities, zeros; 0 if v is none of them. */
size_t put_special(double v, char *out)
{
    if (std::isnan(v)) {
        return static_cast<size_t>(put(out, "NaN", 3) - out);
    }
    if (std::isinf(v)) {
        return static_cast<size_t>(put(out, v < 0 ? "-Inf" : "+Inf", 4) - out);
    }
    if (v == 0) {
        return static_cast<size_t>(std::signbit(v) ? put(out, "-0", 2) - out : put(out, "0", 1) - out);
    }
    return 0;
}

bool same_nocase(const char *p, size_t len, const char *word)
{
    size_t i = 0;
    for (; i < len && word[i]; i++) {
        char c = p[i] >= 'A' && p[i] <= 'Z' ? static_cast<char>(p[i] + 32) : p[i];
        if (c != word[i]) {
            return false;
        }
    }
    return i == len && !word[i];
}

/* from_chars gives up without a value on both ends of the range; Go takes underflow as 0 and refuses overflow. */
bool parse_extreme(const char *p, size_t len, bool hex, double *out)
{
    std::string text = (hex ? "0x" : "") + std::string(p, len);
    double v = std::strtod(text.c_str(), nullptr);
    if (std::isinf(v)) {
        return false;
    }
    *out = v;
    return true;
}

bool parse_magnitude(const char *p, size_t len, double *out)
{
    std::chars_format format = std::chars_format::general;
    bool hex = len > 2 && p[0] == '0' && (p[1] == 'x' || p[1] == 'X');
    if (hex) {
        p += 2;
        len -= 2;
        format = std::chars_format::hex;
        bool has_exponent = false;
        for (size_t i = 0; i < len; i++) {
            has_exponent = has_exponent || p[i] == 'p' || p[i] == 'P';
        }
        if (!has_exponent) {
            return false;
        }
    }
    /* from_chars itself would take a sign, "inf" and "nan(...)". */
    bool digit = len && ((p[0] >= '0' && p[0] <= '9') || p[0] == '.' || (hex && std::isxdigit(p[0])));
    double v = 0;
    if (!digit) {
        return false;
    }
    std::from_chars_result end = std::from_chars(p, p + len, v, format);
    if (end.ptr != p + len) {
        return false;
    }
    if (end.ec == std::errc::result_out_of_range) {
        return parse_extreme(p, len, hex, out);
    }
    if (end.ec != std::errc()) {
        return false;
    }
    *out = v;
    return true;
}
} // namespace

extern "C" size_t number_format(double v, char out[NUMBER_MAX])
{
    size_t n = put_special(v, out);
    if (n) {
        return n;
    }
    double magnitude = std::fabs(v);
    char *at = out;
    if (v < 0) {
        *at++ = '-';
    }
    if (magnitude >= 1e-6 && magnitude < FIXED_IS_SHORTEST) {
        return static_cast<size_t>(std::to_chars(at, out + NUMBER_MAX, magnitude, std::chars_format::fixed).ptr - out);
    }
    decimal d = shortest(magnitude);
    at = magnitude < 1e-6 || magnitude >= 1e21 ? put_exponent(at, d) : put_fixed(at, d);
    return static_cast<size_t>(at - out);
}

extern "C" size_t number_format_g(double v, char out[NUMBER_MAX])
{
    size_t n = put_special(v, out);
    if (n) {
        return n;
    }
    char *at = out;
    if (v < 0) {
        *at++ = '-';
    }
    decimal d = shortest(std::fabs(v));
    int exponent = d.point - 1;
    at = exponent < -4 || exponent >= 6 ? put_exponent(at, d) : put_fixed(at, d);
    return static_cast<size_t>(at - out);
}

extern "C" size_t number_format_fixed(double v, char out[NUMBER_FIXED_MAX])
{
    size_t n = put_special(v, out);
    if (n) {
        return n;
    }
    char *at = out;
    if (v < 0) {
        *at++ = '-';
    }
    return static_cast<size_t>(put_fixed(at, shortest(std::fabs(v))) - out);
}

extern "C" bool number_parse(struct str s, double *out)
{
    const char *p = s.p;
    size_t len = s.len;
    if (same_nocase(p, len, "nan")) {
        *out = std::nan("");
        return true;
    }
    bool negative = len && p[0] == '-';
    if (len && (p[0] == '-' || p[0] == '+')) {
        p++;
        len--;
    }
    double v = 0;
    if (same_nocase(p, len, "inf") || same_nocase(p, len, "infinity")) {
        v = HUGE_VAL;
    } else if (!parse_magnitude(p, len, &v)) {
        return false;
    }
    *out = negative ? -v : v;
    return true;
}
